/* lakegate
layer: gold
description: How punctual each airline was, month by month.
owner: departures@example.com
columns:
  month: The first day of the month.
  airline: Name of the airline.
  flights: Scheduled departures.
  cancelled: Of these, how many never left.
  on_time_pct: Departures at most 15 minutes late, in percent of all scheduled.
  mean_delay: Mean delay at departure, minutes.
  p90_delay: Nine of ten departures were no later than this, minutes.
tests:
  - unique: [carrier, month]
  - not_null: [carrier, airline, month, flights]
  - row_count: {at_least: 12}
  - sql: SELECT * FROM carrier_months WHERE cancelled > flights OR on_time_pct NOT BETWEEN 0 AND 100
    name: shares_are_shares
*/
SELECT
    date_trunc('month', scheduled_on)::DATE AS month,
    carrier,
    any_value(airline) AS airline,
    count(*) AS flights,
    count(*) FILTER (WHERE cancelled) AS cancelled,
    round(100.0 * count(*) FILTER (WHERE delay <= 15) / count(*), 1) AS on_time_pct,
    round(avg(delay), 1) AS mean_delay,
    quantile_disc(delay, 0.9) AS p90_delay
FROM departures
GROUP BY ALL
