-- Côn Đảo was a district without communes: it is in `areas` and `area_links`, and not here.
SELECT uid AS id,
       code,
       name,
       kind,
       parent,
       parent_name,
       geometry_status,
       geometry_source,
       geometry AS geom
FROM citymap.area
WHERE valid_to = '2025-07-01'
AND level = 'commune'
