"""All SQL that reads layers: one statement for each question.

Values are `$n` in text form with a cast; holes are identifiers of the catalogue, quoted in one place.
A page comes as rows of (feature as JSON text, place in the order), so that the door can end it by bytes and knows
whether more follows: one row more than asked for is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mapserver import filters, generalised, history
from mapserver.cql2.sql import condition
from mapserver.crs import CRS84, Crs, pinned
from mapserver.filters import Arguments, Where
from mapserver.layer import TYPES, Column, Layer, Text
from mapserver.negotiation import Profile
from mapserver.query import Caller, ItemQuery, ItemsQuery, TileQuery, visible_columns
from mapserver.tables import quoted

DEGREE_DECIMALS = 7
"""1 cm at the equator, as RFC 7946 suggests at most."""
STAMP = "xmin::text"
"""The version of a stored row: the transaction that wrote it."""
ID = Column("id", "integer", Text("Mã đối tượng", "Identifier"))
METRE_DECIMALS = 4
"""0.1 mm: the control points are held within 1 mm."""
MOST_COUNTED = 1_000_000
"""Features that are counted beside a page; a count of more takes `resultType=hits`."""
AREAS = ("Polygon", "MultiPolygon", "Geometry")
TILE_EXTENT = 4096
MERCATOR_LATITUDE = 85.0511287798066
"""Where the square world of EPSG:3857 ends, north and south."""
TILE_BUFFER = 64
"""Units of TILE_EXTENT that a tile holds beyond each edge, so that symbols and casings are not cut."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and its arguments in PostgreSQL's text form."""

    sql: str
    arguments: tuple[bytes | None, ...] = ()


def items(query: ItemsQuery, caller: Caller) -> Statement:
    """Rows (json, place) of a page in its order, one more than asked; backward pages come in reverse."""
    feature = feature_json(query.layer, shown(query, caller), query.crs, query.profile)
    # named as no column can be: ORDER BY would take an output column called `id` for the column
    return selection(query, caller, [f"{feature} AS _feature", f"{place_of(query)} AS _place"], query.limit + 1)


def selection(query: ItemsQuery, caller: Caller, what: list[str], limit: int | None) -> Statement:
    """Rows of SQL expressions over the features that a question means, in its order; no limit means all of them."""
    arguments = Arguments()
    backward = query.cursor is not None and query.cursor.backward
    met = where(query, caller, arguments, paged=True)
    order = filters.order(query.layer, query.sort, backward=backward)
    most = f" LIMIT {arguments.add(limit, 'bigint')}" if limit is not None else ""
    offset = f" OFFSET {arguments.add(query.offset, 'bigint')}" if query.offset and query.cursor is None else ""
    sql = f"SELECT {', '.join(what)} FROM {source(query)}{met.clause} ORDER BY {order}{most}{offset}"
    return Statement(sql, tuple(arguments.values))


def count(query: ItemsQuery, caller: Caller) -> Statement:
    """One row (number of features that the question means, whatever the page)."""
    arguments = Arguments()
    met = where(query, caller, arguments, paged=False)
    return Statement(f"SELECT count(*)::text FROM {source(query)}{met.clause}", tuple(arguments.values))


def bounds(query: ItemsQuery, caller: Caller) -> Statement:
    """One row (least x, least y, most x, most y in the question's CRS, number of features that it means)."""
    arguments = Arguments()
    met = where(query, caller, arguments, paged=False)
    box = f"ST_Extent({shape(query.layer, query.crs)})" if query.layer.geometry else "NULL::box2d"
    edges = ", ".join(f"{edge}(b)::text" for edge in ("ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax"))
    whole = f"SELECT {box} AS b, count(*)::text AS n FROM {source(query)}{met.clause}"
    return Statement(f"SELECT {edges}, n FROM ({whole}) AS whole", tuple(arguments.values))


def probed(query: ItemsQuery, caller: Caller) -> Statement:
    """One row (number of features that the question means, counted up to MOST_COUNTED and one)."""
    counted = selection(replace(query, sort=(), cursor=None, offset=0), caller, ["1"], MOST_COUNTED + 1)
    return Statement(f"SELECT count(*)::text FROM ({counted.sql}) AS counted", counted.arguments)


def item(query: ItemQuery, caller: Caller) -> Statement:
    """One row (json, stamp of a feature that may be written), or none."""
    feature = feature_json(query.layer, shown(query, caller), query.crs, query.profile)
    stamp = STAMP if query.layer.writable else "NULL"
    sql = f"SELECT {feature}, {stamp} FROM {query.layer.table} WHERE id = $1::bigint"
    return Statement(sql, (str(query.id).encode(),))


def neighbours(query: ItemQuery) -> Statement:
    """One row (id before, id after) in id order; either may be null."""
    table = query.layer.table
    sql = (
        f"SELECT (SELECT max(id)::text FROM {table} WHERE id < $1::bigint),"
        f" (SELECT min(id)::text FROM {table} WHERE id > $1::bigint)"
    )
    return Statement(sql, (str(query.id).encode(),))


def tile(query: TileQuery, caller: Caller) -> Statement:
    """One row (MVT bytes): what lies in the tile and its buffer, with integer feature ids."""
    if query.generalised:
        return _generalised_tile(query, caller)
    layer, arguments = query.layer, Arguments()
    z, x, y = (arguments.add(part, "integer") for part in (query.z, query.x, query.y))
    conditions = [
        f"geom && {as_stored(layer, f'ST_TileEnvelope({z}, {x}, {y}, margin => {TILE_BUFFER / TILE_EXTENT!r})')}",
        *attributes(query, caller, arguments),
    ]
    names = [_tile_value(column) for column in tile_columns(layer, caller)]
    geometry = (
        f"ST_AsMVTGeom(ST_Transform({_placed(layer)}, 3857), ST_TileEnvelope({z}, {x}, {y}),"
        f" {TILE_EXTENT}, {TILE_BUFFER}, true) AS geom"
    )
    rows = f"SELECT {', '.join(['id', *names, geometry])} FROM {source(query)} WHERE {' AND '.join(conditions)}"
    # rows whose geometry came to nothing are left out by ST_AsMVT itself; asking for it here would build it twice
    sql = f"SELECT ST_AsMVT(rows, {_text(layer.name)}, {TILE_EXTENT}, 'geom', 'id') FROM ({rows}) AS rows"
    return Statement(sql, tuple(arguments.values))


def _generalised_tile(query: TileQuery, caller: Caller) -> Statement:
    """The same out of the layer's generalised copy."""
    layer, place = query.layer, f"{query.z}, {query.x}, {query.y}"
    names = [*(_tile_value(column) for column in tile_columns(layer, caller)), *counted(layer)]
    geometry = f"ST_AsMVTGeom(geom, ST_TileEnvelope({place}), {TILE_EXTENT}, {TILE_BUFFER}, true) AS geom"
    reach = f"ST_TileEnvelope({place}, margin => {TILE_BUFFER / TILE_EXTENT!r})"
    found = generalised_rows(query, caller, reach, as_stored(layer, reach))
    rows = f"SELECT {', '.join(['id', *names, geometry])} FROM ({found}) AS found"
    return Statement(f"SELECT ST_AsMVT(rows, {_text(layer.name)}, {TILE_EXTENT}, 'geom', 'id') FROM ({rows}) AS rows")


def generalised_rows(query: TileQuery, caller: Caller, reach: str, reach_stored: str) -> str:
    """SQL of the rows (id, columns, geom in EPSG:3857) of a tile's generalised copy and of what was touched since.

    reach: SQL of the box in EPSG:3857; reach_stored: in the CRS of the layer."""
    layer = query.layer
    names = [quoted(column.name) for column in tile_columns(layer, caller)]
    touched = f"ARRAY(SELECT DISTINCT id FROM {generalised.touched(layer)} WHERE id IS NOT NULL)"
    shown = ", ".join(["id", *names, f"ST_Transform({_placed(layer)}, 3857) AS geom", *("1" for _ in counted(layer))])
    # OFFSET 0 is a fence: a generic plan would look for the few touched ids among all that lies in the box
    itself = f"SELECT {', '.join(['id', *names, 'geom'])} FROM {layer.table} WHERE id = ANY ({touched}) OFFSET 0"
    copied = _clustered if counted(layer) else _untouched
    return (
        f"{copied(query, names, reach, touched)} UNION ALL"
        f" SELECT {shown} FROM ({itself}) AS itself WHERE geom && {reach_stored}"
    )


def _untouched(query: TileQuery, names: list[str], reach: str, touched: str) -> str:
    found = f"FROM {generalised.table(query.layer)} WHERE zoom = {query.z} AND geom && {reach}"
    return f"SELECT {', '.join(['id', *names, 'geom'])} {found} AND id <> ALL ({touched})"


def _clustered(query: TileQuery, names: list[str], reach: str, _: str) -> str:
    """Clusters without the points that were touched since: those are taken off where they were."""
    layer = query.layer
    first = (
        f"SELECT DISTINCT ON (id) ST_Transform(was, 3857) AS geom FROM {generalised.touched(layer)}"
        " WHERE id IS NOT NULL ORDER BY id, at"
    )
    cx, cy = generalised.square(query.z, generalised.CLUSTERS)
    gone = f"SELECT {cx} AS cx, {cy} AS cy, count(*) AS number FROM ({first}) AS f WHERE geom IS NOT NULL GROUP BY 1, 2"
    return (
        f"SELECT {', '.join(['id', *names, 'geom'])}, point_count - coalesce(number, 0) AS {generalised.COUNT}"
        f" FROM {generalised.table(layer)} LEFT JOIN ({gone}) AS gone USING (cx, cy)"
        f" WHERE zoom = {query.z} AND geom && {reach} AND point_count > coalesce(number, 0)"
    )


def counted(layer: Layer) -> tuple[str, ...]:
    """The column that a layer's generalised copy has besides the layer's own."""
    return (generalised.COUNT,) if layer.tiles.generalise == "clusters" else ()


def _tile_value(column: Column) -> str:
    """A column as it stands in a tile; times as in JSON, whatever the session's own form is."""
    name = quoted(column.name)
    if column.type in ("date", "datetime"):
        return f"""trim(both '"' from {column.kind.json_sql.format(name)}) AS {name}"""
    return name


def tile_columns(layer: Layer, caller: Caller) -> tuple[Column, ...]:
    """The columns that stand in the layer's tiles for this caller."""
    chosen = layer.tiles.columns
    return tuple(
        column
        for column in visible_columns(layer, caller)
        if column.kind.tile and (chosen is None or column.name in chosen)
    )


def peopled(layer: Layer, zoom: int, places: Sequence[tuple[int, int]]) -> Statement:
    """Rows (x, y) of those tiles that anything of the layer reaches into, their buffers included."""
    reach = f"ST_TileEnvelope({int(zoom)}, x, y, margin => {TILE_BUFFER / TILE_EXTENT!r})"
    there = f"EXISTS (SELECT FROM {layer.table} WHERE geom && {as_stored(layer, reach)})"
    sql = f"SELECT x::text, y::text FROM unnest($1::integer[], $2::integer[]) AS tile (x, y) WHERE {there}"
    columns = zip(*places, strict=True) if places else ((), ())
    return Statement(sql, tuple(f"{{{','.join(map(str, numbers))}}}".encode() for numbers in columns))


def extent(layer: Layer) -> Statement:
    """One row (west, south, east, north, first time, last time), null where there is none."""
    box = "ST_Extent(geom)" if layer.geometry else "NULL::box2d"
    if layer.geometry and layer.srid != 4326:
        edge = f"ST_SetSRID(ST_Segmentize({box}::geometry, 10000), {pinned(layer.srid)})"
        box = f"Box2D(ST_Transform({edge}, 4326))"
    first, last = _span(layer)
    return Statement(
        f"SELECT ST_XMin(b)::text, ST_YMin(b)::text, ST_XMax(b)::text, ST_YMax(b)::text, a, z"
        f" FROM (SELECT {box} AS b, {first} AS a, {last} AS z FROM {layer.table}) AS whole"
    )


def _span(layer: Layer) -> tuple[str, str]:
    """SQL of the first and the last time, as JSON would have them; of what is known of the past, for as-of layers."""
    if layer.as_of:
        since = f"(SELECT min(_from) FROM {history.table(layer)})"
        return f"trim(both '\"' from {TYPES['datetime'].json_sql.format(since)})", "max(NULL::text)"
    if layer.time is None:
        return "min(NULL::text)", "max(NULL::text)"  # an aggregate, so that there is one row always
    json, name = layer.by_name[layer.time].kind.json_sql, quoted(layer.time)
    first, last = (f"trim(both '\"' from {json.format(f'{edge}({name})')})" for edge in ("min", "max"))
    return first, last


LOADS = Statement(
    "SELECT DISTINCT ON (layer) layer, synthetic::text, source, finished_at::text, rows_loaded::text"
    " FROM citymap.load WHERE finished_at IS NOT NULL ORDER BY layer, id DESC"
)
"""The newest load of each layer: (layer, synthetic, source, finished, rows)."""


def token(digest: str) -> Statement:
    """One row (name, layers it may write joined by commas, insider) for a live token's sha256, or none."""
    return Statement(
        "SELECT name, array_to_string(writes, ','), insider::text FROM citymap.token"
        " WHERE hash = $1 AND revoked_at IS NULL",
        (digest.encode(),),
    )


VERSIONS = Statement(
    "SELECT layer, sum(number)::text, floor(extract(epoch FROM max(at)))::bigint::text"
    " FROM citymap.change GROUP BY layer"
)
"""(layer, version, second of its newest change): see versions.py."""

GENERALISED = Statement(
    "SELECT relname::text, obj_description(oid, 'pg_class')::jsonb ->> 'mark', citymap.touched(relname::text)::text"
    f" FROM pg_class WHERE relnamespace = to_regnamespace('{generalised.SCHEMA}') AND relkind = 'r'"
)
"""(layer, mark of its generalised copy, how many rows were touched since; null for all): see generalised.py."""

DEPENDENCIES = Statement(
    """
    SELECT DISTINCT v.relname::text,
        CASE WHEN d.refclassid = 'pg_class'::regclass AND t.relnamespace = v.relnamespace THEN t.relname::text
            ELSE '' END
    FROM pg_rewrite r
    JOIN pg_class v ON v.oid = r.ev_class AND v.relnamespace = 'layers'::regnamespace
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    LEFT JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid
    LEFT JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
    WHERE (t.oid IS NOT NULL AND t.oid <> v.oid) OR p.provolatile <> 'i'
    """
)
"""(view, layer that it reads), a nameless one for anything else that its answer depends on."""

ALIVE = Statement("SELECT PostGIS_Lib_Version()")


def feature_json(layer: Layer, columns: tuple[Column, ...], crs: Crs, profile: Profile = "rfc7946") -> str:
    """SQL text giving one feature as GeoJSON text, built by concatenation (jsonb was ten times slower)."""
    members = "||".join(_member(layer, i, column) for i, column in enumerate(columns)) or "''"
    geometry = _geometry_json(layer, crs) if profile == "rfc7946" else _place_json(layer, crs, profile)
    return f"""'{{"type":"Feature","id":'||id||',"geometry":'||{geometry}||',"properties":{{'||{members}||'}}}}'"""


def _place_json(layer: Layer, crs: Crs, profile: Profile) -> str:
    """The members of JSON-FG 1.0: what is in another CRS is the `place`, with `geometry` null or beside it."""
    if crs == CRS84:
        return f"""{_geometry_json(layer, crs)}||',"place":null,"time":'||{_time_json(layer)}"""
    beside = _geometry_json(layer, CRS84) if profile == "jsonfg-plus" else "'null'"
    return f"""{beside}||',"place":'||{_geometry_json(layer, crs)}||',"time":'||{_time_json(layer)}"""


def _time_json(layer: Layer) -> str:
    column = layer.by_name.get(layer.time or "")
    if column is None or column.access.level != "public":
        return "'null'"
    end = layer.by_name.get(layer.until or "")
    if end is not None:
        first, last = (f"""coalesce({c.kind.json_sql.format(quoted(c.name))},'".."')""" for c in (column, end))
        return f"""'{{"interval":['||{first}||','||{last}||']}}'"""
    member = "date" if column.type == "date" else "timestamp"
    return f"""coalesce('{{"{member}":'||{column.kind.json_sql.format(quoted(column.name))}||'}}','null')"""


def _member(layer: Layer, index: int, column: Column) -> str:
    comma = "," if index else ""
    json = value_json(layer, column)
    if not column.required or layer.origin != "ingest":
        json = f"coalesce({json},'null')"
    return f"""'{comma}"{column.name}":'||{json}"""


def value_json(layer: Layer, column: Column) -> str:
    """A value as JSON text; null when it is null, or a number that JSON does not know."""
    json = column.kind.json_sql.format(quoted(column.name))
    if layer.origin != "ingest" and column.type == "number":
        return f"CASE WHEN {quoted(column.name)} - {quoted(column.name)} = 0 THEN {json} END"
    return json


def _geometry_json(layer: Layer, crs: Crs) -> str:
    if layer.geometry is None:
        return "'null'"
    geometry = outline(layer, crs)
    if crs.swap:
        geometry = f"ST_FlipCoordinates({geometry})"
    decimals = DEGREE_DECIMALS if crs.srid == 4326 else METRE_DECIMALS
    json = f"ST_AsGeoJSON({geometry}, {decimals}, 0)"
    return json if layer.origin == "ingest" else f"coalesce({json},'null')"


def outline(layer: Layer, crs: Crs) -> str:
    """The geometry in a CRS, east before north, areas by the right-hand rule of RFC 7946."""
    geometry = shape(layer, crs)
    return f"ST_ForcePolygonCCW({geometry})" if layer.geometry in AREAS else geometry


def shape(layer: Layer, crs: Crs) -> str:
    """The geometry in a CRS, east before north."""
    return "geom" if crs.srid == pinned(layer.srid) else f"ST_Transform({_placed(layer)}, {crs.srid})"


def _placed(layer: Layer) -> str:
    """The stored geometry, in the SRID that it is transformed from."""
    srid = pinned(layer.srid)
    return "geom" if srid == layer.srid else f"ST_SetSRID(geom, {srid})"


def as_stored(layer: Layer, shape: str) -> str:
    """A geometry in any CRS, in the CRS and under the SRID that the layer is stored in."""
    srid = pinned(layer.srid)
    there = f"ST_Transform({shape}, {srid})"
    return there if srid == layer.srid else f"ST_SetSRID({there}, {layer.srid})"


def source(query: ItemsQuery | TileQuery) -> str:
    """The table that is asked: the layer's own, or, as of another moment, that of its versions."""
    layer = query.layer
    return history.table(layer) if layer.as_of and query.interval else layer.table


def where(query: ItemsQuery, caller: Caller, arguments: Arguments, *, paged: bool) -> Where:
    """The conditions of a question; paged: with the place that its page begins after."""
    conditions = []
    if query.box is not None:
        conditions.append(filters.in_box(query.layer, query.box, arguments))
    conditions += attributes(query, caller, arguments)
    if paged and query.cursor is not None:
        conditions.append(filters.beyond(query.layer, query.sort, query.cursor, arguments))
    return Where(tuple(conditions))


def attributes(query: ItemsQuery | TileQuery, caller: Caller, arguments: Arguments) -> list[str]:
    """The conditions on columns."""
    during = filters.in_interval(query.layer, query.interval, arguments) if query.interval else None
    columns = {"id": ID, **query.layer.by_name}
    equals = [filters.equal(columns[name], wanted, arguments) for name, wanted in query.equals]
    return [*([during] if during else []), *equals, *_filtered(query, caller, arguments)]


def _filtered(query: ItemsQuery | TileQuery, caller: Caller, arguments: Arguments) -> list[str]:
    if query.filter is None:
        return []
    columns = {column.name: column for column in visible_columns(query.layer, caller)}
    return [condition(query.filter.expression, query.layer, columns, arguments, query.filter.crs)]


def shown(query: ItemsQuery | ItemQuery, caller: Caller) -> tuple[Column, ...]:
    """The columns that a question asks for and its caller may see."""
    columns = visible_columns(query.layer, caller)
    if query.properties is None:
        return columns
    return tuple(column for column in columns if column.name in query.properties)


def place_of(query: ItemsQuery) -> str:
    """The place of a row in the order: its id, or a JSON array of sort values and id."""
    if not query.sort:
        return "id::text"
    values = ", ".join(f"{quoted(term.column)}::text" for term in query.sort)
    return f"json_build_array({values}, id)::text"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
