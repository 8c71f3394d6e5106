-- From inside the old unit to the published point of the new one; a unit that stayed as it was has no line.
WITH place AS MATERIALIZED (
    SELECT uid,
           ST_PointOnSurface(geometry) AS inside,
           point
    FROM citymap.area
)
SELECT link.from_uid * 1000000 + link.to_uid AS id,
       heir.valid_from AS effective_on,
       origin.name || ' → ' || heir.name AS title,
       link.kind,
       link.clause,
       ST_MakeLine(coalesce(one.inside, one.point), coalesce(other.point, other.inside)) AS geom
FROM citymap.area_link AS link
JOIN citymap.area AS origin ON origin.uid = link.from_uid
JOIN citymap.area AS heir ON heir.uid = link.to_uid
JOIN place AS one ON one.uid = link.from_uid
JOIN place AS other ON other.uid = link.to_uid
WHERE NOT link.unchanged
