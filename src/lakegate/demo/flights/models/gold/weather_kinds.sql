/* lakegate
layer: gold
materialise: view
description: Hours and departures per kind of weather over all airports; computed when it is read.
tests:
  - accepted_values: {column: weather, values: [fair, bad, unknown]}
*/
SELECT weather, sum(departures) AS departures, count(*) AS airports
FROM weather_impact
GROUP BY weather
