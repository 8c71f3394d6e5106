"""The questions of statements.py with rows as PostgreSQL stores them, for the encoder: the same conditions, no JSON.

Columns come in the order id, attributes, geometry, place. Types that the encoder does not know come as the JSON text
that statements.py would have made of them.

Whatever is computed is called by a name with _, which no column has: ORDER BY would take it for the column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from mapserver import statements
from mapserver.crs import CRS84, WEB_MERCATOR, Crs
from mapserver.filters import Arguments
from mapserver.layer import Column, Layer
from mapserver.query import Caller, ItemQuery, ItemsQuery, TileQuery, seen
from mapserver.statements import TILE_BUFFER, TILE_EXTENT, Statement
from mapserver.tables import quoted

KINDS = {"text": "t", "code": "t", "uri": "t", "integer": "i", "boolean": "b", "date": "d", "datetime": "z"}
"""The encoder's letter for each type of column that it knows in PostgreSQL's own form."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the columns of a result are, in order: one letter each, and the text that goes with each."""

    kinds: bytes
    keys: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """A statement, and the shape of its rows."""

    statement: Statement
    shape: Shape


def items(query: ItemsQuery, caller: Caller) -> Question:
    """Rows of a page in its order, one more than asked; sorted ones with their place in a last column."""
    columns, shape = _selected(query.layer, query.crs, query.properties, caller.insider)
    what = [columns, f"{statements.place_of(query)} AS _place"] if query.sort else [columns]
    return Question(statements.selection(query, caller, what, query.limit + 1), shape)


def item(query: ItemQuery, caller: Caller) -> Question:
    """One row, its stamp (of a feature that may be written) last; or none."""
    columns, shape = _selected(query.layer, query.crs, query.properties, caller.insider)
    stamp = statements.STAMP if query.layer.writable else "NULL::text"
    sql = f"SELECT {columns}, {stamp} FROM {query.layer.table} WHERE id = $1::bigint"
    return Question(Statement(sql, (str(query.id).encode(),)), shape)


def tile(query: TileQuery, caller: Caller) -> Question:
    """What lies in a tile and its buffer, in longitude and latitude or in EPSG:3857, as it is stored."""
    if query.generalised:
        return _generalised_tile(query, caller)
    layer, arguments = query.layer, Arguments()
    columns = statements.tile_columns(layer, caller)
    edges = (arguments.add(edge, "float8") for edge in reach(query, mercator=layer.srid == WEB_MERCATOR.srid))
    box = f"geom && ST_MakeEnvelope({', '.join(edges)}, {layer.srid})"
    met = " AND ".join([box, *statements.attributes(query, caller, arguments)])
    what = ", ".join(["id", *(_plain(column) for column in columns), "geom"])
    best = quoted(layer.tiles.rank) if layer.tiles.rank and query.z < layer.tiles.whole_zoom else None
    order = f" ORDER BY {best} DESC NULLS LAST, id" if best else ""
    sql = f"SELECT {what} FROM {statements.source(query)} WHERE {met}{order}"
    return Question(Statement(sql, tuple(arguments.values)), _tile_shape(columns))


def _generalised_tile(query: TileQuery, caller: Caller) -> Question:
    """The same out of the layer's generalised copy, in EPSG:3857."""
    layer, arguments = query.layer, Arguments()
    columns, number = statements.tile_columns(layer, caller), statements.counted(layer)
    boxes = []
    for mercator, srid in ((True, WEB_MERCATOR.srid), (False, CRS84.srid)):
        edges = (arguments.add(edge, "float8") for edge in reach(query, mercator=mercator))
        boxes.append(f"ST_MakeEnvelope({', '.join(edges)}, {srid})")
    what = ", ".join(["id", *(_plain(column) for column in columns), *number, "geom"])
    best = [f"{quoted(column.name)} DESC NULLS LAST" for column in columns if column.name == layer.tiles.rank]
    order = ", ".join([*best, "id"])
    sql = f"SELECT {what} FROM ({statements.generalised_rows(query, caller, *boxes)}) AS found ORDER BY {order}"
    return Question(Statement(sql, tuple(arguments.values)), _tile_shape(columns, number))


def _tile_shape(columns: tuple[Column, ...], number: tuple[str, ...] = ()) -> Shape:
    """number: names of further columns of 64 bits whole, after the layer's own."""
    kinds = "".join(KINDS.get(column.type, "f") for column in columns) + "i" * len(number)
    keys = b"".join(f"{name}\0".encode() for name in ("", *(column.name for column in columns), *number, ""))
    return Shape(f"I{kinds}G".encode(), keys)


def can_tile(query: TileQuery) -> bool:
    """Whether the encoder knows the way from the CRS of the rows into a tile."""
    return query.generalised or query.layer.srid in (CRS84.srid, WEB_MERCATOR.srid)


def reach(query: TileQuery, *, mercator: bool) -> tuple[float, float, float, float]:
    """West, south, east, north of a tile with its buffer, in degrees or in metres of EPSG:3857."""
    buffer, side = TILE_BUFFER / TILE_EXTENT, 2.0**query.z
    west, east = ((query.x + over) / side for over in (-buffer, 1 + buffer))
    north, south = ((query.y + over) / side for over in (-buffer, 1 + buffer))
    if mercator:
        edge = WEB_MERCATOR.domain[2]
        return tuple(edge * k for k in (2 * west - 1, 1 - 2 * south, 2 * east - 1, 1 - 2 * north))  # type: ignore[return-value]
    return west * 360 - 180, _latitude(south), east * 360 - 180, _latitude(north)


def _latitude(down: float) -> float:
    """The latitude at a share of the way down the square world."""
    return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * down))))


@lru_cache(1024)
def _selected(layer: Layer, crs: Crs, names: tuple[str, ...] | None, insider: bool) -> tuple[str, Shape]:
    """What is selected of a feature, and the shape of that; the same for most questions. names: None means all."""
    columns = [column for column in seen(layer, insider).values() if names is None or column.name in names]
    geometry = [f"{statements.outline(layer, crs)} AS _shape"] if layer.geometry else []
    what = ", ".join(["id", *(_known(layer, column) for column in columns), *geometry])
    return what, _shape(layer, columns)


def _known(layer: Layer, column: Column) -> str:
    """A column in a form that the encoder knows."""
    if column.type in KINDS:
        return quoted(column.name)
    return f"{statements.value_json(layer, column)} AS {quoted(f'_{column.name}')}"


def _plain(column: Column) -> str:
    return quoted(column.name) if column.type in KINDS else f"{quoted(column.name)}::float8"


def _shape(layer: Layer, columns: list[Column]) -> Shape:
    kinds = "".join(KINDS.get(column.type, "j") for column in columns)
    keys = b"\0" + b"".join(f'"{column.name}":\0'.encode() for column in columns) + b"\0"
    return Shape(f"I{kinds}{'G' if layer.geometry else ''}".encode(), keys)
