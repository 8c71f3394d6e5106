-- Each figure that holds, on the outline of the very area version it is of: so the outline is right whatever the period.
SELECT observation.id,
       observation.indicator,
       indicator.title,
       indicator.group_code AS "group",
       observation.first_day AS period,
       observation.last_day AS period_end,
       observation.value::double precision AS value,
       plan.value::double precision AS plan,
       indicator.unit,
       indicator.measure AS kind,
       observation.status,
       area.uid AS area_uid,
       area.code AS area_code,
       area.name AS area_name,
       coalesce(area.valid_from::text, '') || '..' || coalesce((area.valid_to - 1)::text, '') AS boundaries,
       area.geometry AS geom
FROM citymap.indicator_observation AS observation
JOIN citymap.indicator ON indicator.code = observation.indicator
JOIN citymap.area ON area.uid = observation.area
LEFT JOIN citymap.indicator_target AS plan
       ON plan.indicator = observation.indicator AND plan.area = observation.area
      AND plan.first_day = observation.first_day AND plan.last_day = observation.last_day AND plan.current
WHERE observation.current AND area.geometry IS NOT NULL
