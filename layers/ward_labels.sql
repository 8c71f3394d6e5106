-- ST_PointOnSurface takes 2 ms for all 168 outlines, so every tile may ask the view anew.
SELECT wards.id,
       wards.code,
       wards.name,
       wards.full_name,
       wards.name_en,
       ST_PointOnSurface(wards.geom) AS geom
FROM layers.wards
