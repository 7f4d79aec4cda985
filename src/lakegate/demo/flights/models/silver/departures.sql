/* lakegate
layer: silver
description: Every scheduled departure with clean types, and the weather at its hour.
owner: departures@example.com
materialise: incremental
key: [scheduled_on, scheduled_at, carrier, flight, origin]
partition: month(hour)
columns:
  scheduled_on: The day of departure, local.
  scheduled_at: The scheduled time of departure, local.
  carrier: IATA code of the airline.
  airline: Its name.
  hour: The scheduled hour, UTC; weather is of that hour.
  delay: Minutes late at departure; early is negative, cancelled is null.
  arrival_delay: Minutes late at arrival.
  cancelled: Whether it never left.
  temperature: Celsius.
  wind: Wind speed in km/h.
  rain: Millimetres in the hour.
  visibility: Kilometres.
  bad_weather: Rain, wind over 40 km/h or visibility under 5 km; null when nothing was measured.
tests:
  - not_null: [carrier, origin, dest, hour, cancelled]
  - accepted_values: {column: origin, values: [EWR, JFK, LGA]}
  - references: {column: carrier, to: airlines.carrier}
  - sql: SELECT * FROM departures WHERE cancelled AND delay IS NOT NULL
    name: cancelled_has_no_delay
  - sql: SELECT count(*) AS n FROM departures HAVING count(*) <> (SELECT count(*) FROM flights)
    name: one_row_per_flight
*/
SELECT
    make_date(f.year, f.month, f.day) AS scheduled_on,
    make_time(f.sched_dep_time // 100, f.sched_dep_time % 100, 0) AS scheduled_at,
    f.carrier,
    a.name AS airline,
    f.flight,
    f.tailnum,
    f.origin,
    f.dest,
    f.time_hour AS hour,
    f.dep_delay AS delay,
    f.arr_delay AS arrival_delay,
    f.dep_time IS NULL AS cancelled,
    f.distance * 1.609344 AS distance_km,
    round((w.temp - 32) / 1.8, 1) AS temperature,
    round(w.wind_speed * 1.609344, 1) AS wind,
    round(w.precip * 25.4, 1) AS rain,
    round(w.visib * 1.609344, 1) AS visibility,
    CASE
        WHEN w.origin IS NOT NULL
        THEN coalesce(w.precip > 0, false)
            OR coalesce(w.wind_speed * 1.609344 > 40, false)
            OR coalesce(w.visib * 1.609344 < 5, false)
    END AS bad_weather
FROM flights AS f
LEFT JOIN airlines AS a ON a.carrier = f.carrier
LEFT JOIN weather_current AS w ON w.origin = f.origin AND w.time_hour = f.time_hour
