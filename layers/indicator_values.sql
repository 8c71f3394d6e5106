-- Every figure that holds; of the city as a whole where the area is empty. A code of today is told of units of today
-- only: 167 old codes mean another unit now, and a series by code would run on from one to the other.
SELECT observation.id,
       observation.indicator,
       area.uid AS area_uid,
       CASE WHEN area.valid_to IS NULL THEN area.code END AS area_code,
       area.code AS code_then,
       observation.first_day AS period,
       observation.last_day AS period_end,
       observation.status,
       observation.value::double precision AS value,
       observation.numerator::double precision AS numerator,
       observation.denominator::double precision AS denominator,
       plan.value::double precision AS plan,
       observation.at AS sent_at
FROM citymap.indicator_observation AS observation
LEFT JOIN citymap.area ON area.uid = observation.area
LEFT JOIN citymap.indicator_target AS plan
       ON plan.indicator = observation.indicator AND plan.area IS NOT DISTINCT FROM observation.area
      AND plan.first_day = observation.first_day AND plan.last_day = observation.last_day AND plan.current
WHERE observation.current
