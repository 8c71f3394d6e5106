-- Shares are made of what was measured on the ground of each link: over all links of the origin, or of the heir.
WITH measured AS (
    SELECT from_uid, to_uid, kind,
           measured / nullif(sum(measured) OVER (PARTITION BY kind, from_uid), 0) AS onward,
           measured / nullif(sum(measured) OVER (PARTITION BY kind, to_uid), 0) AS back
    FROM citymap.area_weight
),
share AS (
    SELECT from_uid, to_uid,
           min(onward) FILTER (WHERE kind = 'addresses') AS onward_addresses,
           min(onward) FILTER (WHERE kind = 'buildings') AS onward_buildings,
           min(onward) FILTER (WHERE kind = 'population') AS onward_population,
           min(onward) FILTER (WHERE kind = 'area') AS onward_area,
           min(back) FILTER (WHERE kind = 'addresses') AS back_addresses,
           min(back) FILTER (WHERE kind = 'buildings') AS back_buildings,
           min(back) FILTER (WHERE kind = 'population') AS back_population,
           min(back) FILTER (WHERE kind = 'area') AS back_area
    FROM measured
    GROUP BY from_uid, to_uid
)
SELECT link.from_uid * 1000000 + link.to_uid AS id,
       heir.valid_from AS effective_on,
       link.from_uid,
       origin.code AS from_code,
       origin.name AS from_name,
       origin.parent_name AS from_parent,
       link.to_uid,
       heir.code AS to_code,
       heir.name AS to_name,
       link.kind,
       link.unchanged,
       link.main,
       link.clause,
       share.onward_addresses,
       share.onward_buildings,
       share.onward_population,
       share.onward_area,
       share.back_addresses,
       share.back_buildings,
       share.back_population,
       share.back_area
FROM citymap.area_link AS link
JOIN citymap.area AS origin ON origin.uid = link.from_uid
JOIN citymap.area AS heir ON heir.uid = link.to_uid
LEFT JOIN share ON (share.from_uid, share.to_uid) = (link.from_uid, link.to_uid)
