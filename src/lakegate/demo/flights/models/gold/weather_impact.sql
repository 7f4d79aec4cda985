/* lakegate
layer: gold
description: What bad weather costs, per airport.
owner: weather@example.com
columns:
  weather: fair, bad or unknown; see departures.bad_weather.
  departures: Scheduled departures in such weather.
  mean_delay: Mean delay at departure, minutes.
  cancelled_pct: Cancelled, in percent of those scheduled.
tests:
  - unique: [origin, weather]
  - accepted_values: {column: weather, values: [fair, bad, unknown]}
  - references: {column: origin, to: airports.faa}
    severity: warning
*/
SELECT
    origin,
    CASE bad_weather WHEN true THEN 'bad' WHEN false THEN 'fair' ELSE 'unknown' END AS weather,
    count(*) AS departures,
    round(avg(delay), 1) AS mean_delay,
    round(100.0 * count(*) FILTER (WHERE cancelled) / count(*), 2) AS cancelled_pct
FROM departures
GROUP BY ALL
