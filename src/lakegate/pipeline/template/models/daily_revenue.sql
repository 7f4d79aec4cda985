/* lakegate
layer: gold
materialise: table
description: Orders and revenue per day.
tests:
  - unique: [day]
  - not_null: [day, orders, revenue]
*/
SELECT
    CAST(placed_at AS DATE) AS day,
    count(*) AS orders,
    sum(total) AS revenue
FROM orders
GROUP BY ALL
