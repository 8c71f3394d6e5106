-- One row per indicator, ward and period: values never know their outline, the ward lends it.
SELECT indicator_values.id,
       indicator_values.indicator,
       indicator_definitions.title,
       indicator_values.period,
       indicator_values.value,
       indicator_definitions.unit,
       indicator_definitions.kind,
       wards.full_name AS ward_name,
       wards.code AS ward_code,
       wards.geom
FROM layers.indicator_values
JOIN layers.indicator_definitions ON indicator_definitions.indicator = indicator_values.indicator
JOIN layers.wards ON wards.code = indicator_values.area_code
WHERE indicator_values.area_level = 'ward'
