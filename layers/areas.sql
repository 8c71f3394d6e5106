-- The uid of a unit is its id here: codes come back with another meaning, uids never do.
SELECT uid AS id,
       code,
       name,
       name_en,
       kind,
       level,
       parent,
       parent_name,
       valid_from,
       valid_to,
       legal_basis,
       area_km2_published,
       geometry_status,
       geometry_source,
       geometry AS geom
FROM citymap.area
