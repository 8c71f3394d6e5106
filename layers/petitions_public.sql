-- What was released: groups of at least five, each week once; nothing of a single petition is behind this view.
SELECT id,
       week,
       field,
       level::bigint AS level,
       count,
       geom
FROM citymap.petition_public
