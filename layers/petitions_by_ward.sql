-- Every ward has a row, so that a map of it has no holes; counting by code first keeps the join to 168 rows.
WITH counted AS (
    SELECT ward_code,
           count(*) AS received,
           count(closed_on) AS answered,
           count(*) FILTER (WHERE late) AS late,
           max(received_at) AS last_received_at
    FROM layers.petitions
    GROUP BY ward_code
)
SELECT wards.id,
       wards.code,
       wards.full_name AS name,
       coalesce(counted.received, 0) AS received,
       coalesce(counted.answered, 0) AS answered,
       coalesce(counted.received - counted.answered, 0) AS open,
       coalesce(counted.late, 0) AS late,
       round(100.0 * counted.late / counted.received, 1)::double precision AS late_pct,
       counted.last_received_at,
       wards.geom
FROM layers.wards
LEFT JOIN counted ON counted.ward_code = wards.code
