"""All SQL that reads a layer as the rows of a file: columns instead of features, the geometry as the file has it.

A file is written by one COPY, which takes no arguments: `literal` puts them into the text, escaped by PostgreSQL's own
rules. They are values in text form behind a cast; names come from the catalogue only."""

from __future__ import annotations

import re
from collections.abc import Callable

from mapserver.crs import Crs
from mapserver.layer import Column, Layer
from mapserver.query import Caller, ItemsQuery
from mapserver.statements import DEGREE_DECIMALS, METRE_DECIMALS, Statement, feature_json, selection, shape, shown
from mapserver.tables import quoted

RECORD_SEPARATOR = "chr(30)"
"""Before each text of a JSON text sequence (RFC 7464)."""
_PLACE = re.compile(r"\$(\d+)")
_AS_TEXT = {
    "boolean": "{0}::text",
    "datetime": """to_char({0} AT TIME ZONE 'UTC','YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    "text[]": "to_json({0})::text",
}
"""How a column stands in a file of texts, where PostgreSQL's own form is not what people expect."""


def columns(query: ItemsQuery, caller: Caller, limit: int | None) -> Statement:
    """Columns in their own types; `geometry` as WKB, east before north."""
    own = [f"{quoted(column.name)}::{column.kind.sql} AS {quoted(column.name)}" for column in shown(query, caller)]
    geometry = [f"ST_AsBinary({shape(query.layer, query.crs)}) AS geometry"] if query.layer.geometry else []
    return selection(query, caller, ["id", *own, *geometry], limit)


def texts(query: ItemsQuery, caller: Caller, limit: int | None) -> Statement:
    """Columns as texts for people and tables; a point as two columns of coordinates, anything else as WKT."""
    own = [f"{_text(column)} AS {quoted(column.name)}" for column in shown(query, caller)]
    return selection(query, caller, ["id", *own, *places(query.layer, query.crs)], limit)


def lines(query: ItemsQuery, caller: Caller, limit: int | None) -> Statement:
    """Features as GeoJSON texts, each behind a record separator."""
    feature = feature_json(query.layer, shown(query, caller), query.crs)
    return selection(query, caller, [f"{RECORD_SEPARATOR}||{feature}"], limit)


def places(layer: Layer, crs: Crs) -> list[str]:
    """The coordinates of a point as two named columns, or the outline as WKT in the axis order of its CRS."""
    if layer.geometry is None:
        return []
    decimals = DEGREE_DECIMALS if crs.srid == 4326 else METRE_DECIMALS
    plain = shape(layer, crs)
    if layer.geometry == "Point":
        names = ("longitude", "latitude") if crs.srid == 4326 else ("easting", "northing")
        axes = zip(("ST_X", "ST_Y"), names, strict=True)
        return [f"round({axis}({plain})::numeric, {decimals})::float8 AS {name}" for axis, name in axes]
    return [f"ST_AsText({f'ST_FlipCoordinates({plain})' if crs.swap else plain}, {decimals}) AS geometry"]


def literal(statement: Statement, escaped: Callable[[bytes], bytes]) -> str:
    """The statement with its arguments in it. escaped: `PQescapeLiteral`."""
    values = [b"NULL" if value is None else escaped(value) for value in statement.arguments]
    return _PLACE.sub(lambda place: values[int(place.group(1)) - 1].decode(), statement.sql)


def _text(column: Column) -> str:
    return _AS_TEXT.get(column.type, "{0}").format(quoted(column.name))
