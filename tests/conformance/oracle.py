"""What is true: rows read straight out of PostGIS, and CQL2 evaluated by Python.

Shares no code with the server. An expression is CQL2 JSON, as the standard's schema has it; `value` says what it means
for a row, `text` writes it as CQL2 text."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Any

import numpy as np
import psycopg
import shapely
import shapely.geometry
from pyproj import Transformer

VN2000 = (
    "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=push +v_3 +step +proj=cart +ellps=WGS84"
    " +step +inv +proj=helmert +x=-191.90441429 +y=-39.30318279 +z=-111.45032835 +rx=-0.00928836 +ry=0.01975479"
    " +rz=-0.00427372 +s=0.252906278 +convention=coordinate_frame +step +inv +proj=cart +ellps=WGS84"
    " +step +proj=pop +v_3 +step +proj=tmerc +lat_0=0 +lon_0={meridian} +k={scale} +x_0=500000 +y_0=0 +ellps=WGS84"
)
"""CRS84 to a grid of VN-2000 by the published parameters of EPSG:6960, written out."""
GRIDS = {
    "http://www.opengis.net/def/crs/EPSG/0/9210": (105.75, 0.9999),
    "http://www.opengis.net/def/crs/EPSG/0/5899": (107.75, 0.9999),
    "http://www.opengis.net/def/crs/EPSG/0/3405": (105.0, 0.9996),
}
"""The grids of VN-2000: central meridian and scale. Their axes are east, north."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """What is stored for one collection, by id."""

    ids: list[int]
    rows: list[Row]
    shapes: np.ndarray | None

    def placed(self) -> dict[int, shapely.Geometry]:
        """The geometries there are, by id."""
        shapes = [] if self.shapes is None else self.shapes
        return {number: shape for number, shape in zip(self.ids, shapes, strict=False) if shape is not None}

    def meeting(self, box: shapely.Geometry) -> list[int]:
        """Ids of what meets a box, and of what has no geometry."""
        shapes = self.placed()
        return [number for number in self.ids if number not in shapes or shapely.intersects(shapes[number], box)]

    def where(self, true: Callable[[Row], object]) -> list[int]:
        """Ids of the rows for which something is true; null is not."""
        return [number for number, row in zip(self.ids, self.rows, strict=True) if true(row) is True]


class Oracle:
    """The database, as its administrator reads it."""

    def __init__(self, dsn: str) -> None:
        self._dsn, self._tables = dsn, dict[str, Table]()

    def table(self, name: str, *, again: bool = False) -> Table:
        """A layer's rows in the order of their ids; kept, unless asked again."""
        if again or name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]

    def _read(self, name: str) -> Table:
        with psycopg.connect(self._dsn, row_factory=psycopg.rows.dict_row) as conn:
            has = "column_name FROM information_schema.columns WHERE table_schema = 'layers' AND table_name = %s"
            columns = [row["column_name"] for row in conn.execute(f"SELECT {has} ORDER BY ordinal_position", (name,))]
            chosen = ", ".join("ST_AsBinary(geom) AS geometry" if c == "geom" else f'"{c}"' for c in columns)
            rows = conn.execute(f'SELECT {chosen} FROM layers."{name}" ORDER BY id').fetchall()
        for row in rows:
            if "geometry" in row:
                row["geometry"] = shapely.orient_polygons(shapely.from_wkb(row["geometry"]))
        shapes = np.array([row["geometry"] for row in rows], object) if "geom" in columns else None
        return Table([row["id"] for row in rows], rows, shapes)


@cache
def to_crs(uri: str) -> Callable[[np.ndarray], np.ndarray]:
    """CRS84 longitude and latitude to the coordinates of a CRS, in its own axis order."""
    if uri in GRIDS:
        meridian, scale = GRIDS[uri]
        way = Transformer.from_pipeline(VN2000.format(meridian=meridian, scale=scale))
    else:
        way = Transformer.from_crs("OGC:CRS84", code_of(uri), always_xy=False)
    return lambda points: np.column_stack(way.transform(points[:, 0], points[:, 1]))


def code_of(uri: str) -> str:
    """`…/def/crs/EPSG/0/3857` as an authority's code."""
    found = re.fullmatch(r"http://www\.opengis\.net/def/crs/(\w+)/([\d.]+)/(\w+)", uri)
    assert found, f"{uri} is not the URI of a CRS"
    return f"{found[1]}:{found[3]}"


# --- CQL2 -----------------------------------------------------------------------------------------------------------

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}  # fmt: skip
SUMS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None, "%": lambda a, b: math.fmod(a, b) if b else None,
    "div": lambda a, b: math.trunc(a / b) if b else None, "^": lambda a, b: a**b,
}  # fmt: skip
SPATIAL = {
    "s_" + name: getattr(shapely, name)
    for name in ("contains", "crosses", "disjoint", "equals", "intersects", "overlaps", "touches", "within")
}
TEMPORAL: dict[str, Callable[[Any, Any, Any, Any], bool]] = {
    "t_after": lambda a, b, c, d: a > d, "t_before": lambda a, b, c, d: b < c,
    "t_contains": lambda a, b, c, d: a < c and b > d, "t_disjoint": lambda a, b, c, d: b < c or a > d,
    "t_during": lambda a, b, c, d: a > c and b < d, "t_equals": lambda a, b, c, d: a == c and b == d,
    "t_finishedby": lambda a, b, c, d: a < c and b == d, "t_finishes": lambda a, b, c, d: a > c and b == d,
    "t_intersects": lambda a, b, c, d: a <= d and b >= c, "t_meets": lambda a, b, c, d: b == c,
    "t_metby": lambda a, b, c, d: a == d, "t_overlappedby": lambda a, b, c, d: c < a < d < b,
    "t_overlaps": lambda a, b, c, d: a < c < b < d, "t_startedby": lambda a, b, c, d: a == c and b > d,
    "t_starts": lambda a, b, c, d: a == c and b < d,
}  # fmt: skip
"""The relations of two intervals [a, b] and [c, d]; an instant is an interval without length."""
ARRAYS: dict[str, Callable[[Any, Any], bool]] = {
    "a_contains": lambda a, b: set(a) >= set(b), "a_containedby": lambda a, b: set(a) <= set(b),
    "a_equals": lambda a, b: set(a) == set(b), "a_overlaps": lambda a, b: bool(set(a) & set(b)),
}  # fmt: skip
CUSTOM: dict[str, Callable[..., Any]] = {
    "lower": str.lower, "upper": str.upper, "char_length": len, "abs": abs, "floor": math.floor, "ceil": math.ceil,
    "area_m2": lambda shape: on_grid(shape).area, "length_m": lambda shape: length(on_grid(shape)),
    "distance_m": lambda a, b: on_grid(a).distance(on_grid(b)),
}  # fmt: skip
"""What the functions of `/functions` mean."""
BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def value(node: Any, row: Row) -> Any:
    """What an expression is worth for a row; None is null."""
    match node:
        case {"op": "and" | "or" as op, "args": parts}:
            return joined(op, [value(part, row) for part in parts])
        case {"op": "not", "args": [part]}:
            worth = value(part, row)
            return None if worth is None else not worth
        case {"op": "isNull", "args": [part]}:
            return value(part, row) is None
        case {"op": "in", "args": [part, choices]}:
            return joined("or", [value({"op": "=", "args": [part, choice]}, row) for choice in choices])
        case {"op": "between", "args": [part, low, high]}:
            both = [{"op": ">=", "args": [part, low]}, {"op": "<=", "args": [part, high]}]
            return joined("and", [value(one, row) for one in both])
        case {"op": op, "args": parts}:
            operands = [value(part, row) for part in parts]
            return None if any(operand is None for operand in operands) else called(op, operands)
        case {"property": name}:
            return instant(row[name]) if isinstance(row[name], date) else row[name]
        case {"date": at} | {"timestamp": at}:
            return instant(at)
        case {"interval": [start, end]}:
            return (BEGINNING if start == ".." else value(wrapped(start), row)), (
                END if end == ".." else value(wrapped(end), row)
            )
        case {"bbox": [*edges]}:
            return shapely.box(*edges[:2], *edges[len(edges) // 2 :][:2])
        case {"type": _}:
            return shapely.geometry.shape(node)
        case list():
            return [value(part, row) for part in node]
    return node


def called(op: str, operands: list[Any]) -> Any:
    """An operator or function of operands none of which is null."""
    if op in SIGNS:
        if isinstance(operands[0], str) and op not in ("=", "<>"):
            operands = [text.encode() for text in operands]
        return SIGNS[op](*operands)
    if op in TEMPORAL:
        ends = [end for operand in operands for end in (operand if isinstance(operand, tuple) else (operand, operand))]
        return None if any(end is None for end in ends) else TEMPORAL[op](*ends)
    if op in SPATIAL:
        return bool(SPATIAL[op](*operands))
    known: dict[str, Callable[..., Any]] = {
        **SUMS,
        **ARRAYS,
        **CUSTOM,
        "like": like,
        "casei": casei,
        "accenti": accenti,
    }
    return known[op](*operands)


def joined(op: str, truths: list[Any]) -> Any:
    """AND and OR of three values."""
    deciding = op == "or"
    if deciding in truths:
        return deciding
    return None if None in truths else not deciding


def wrapped(end: Any) -> Any:
    """An end of an interval, which the JSON writes without saying whether it is a date."""
    return {"timestamp": end} if isinstance(end, str) else end


def instant(at: str | date) -> datetime:
    """A date as the first moment of its day, UTC."""
    read = datetime.fromisoformat(at) if isinstance(at, str) else at
    read = read if isinstance(read, datetime) else datetime(read.year, read.month, read.day)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def casei(text: str) -> str:
    return text.casefold()


def accenti(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return bare.replace("đ", "d").replace("Đ", "D")


def like(text: str, pattern: str) -> bool:
    """LIKE: `%` any run of characters, `_` one, a backslash takes the next as it is."""
    out, escaped = "", False
    for sign in pattern:
        out += re.escape(sign) if escaped or sign not in "%_\\" else {"%": ".*", "_": ".", "\\": ""}[sign]
        escaped = sign == "\\" and not escaped
    return re.fullmatch(out, text, re.DOTALL) is not None


@lru_cache(50_000)
def on_grid(shape: shapely.Geometry) -> shapely.Geometry:
    """A shape on the city's grid, in metres."""
    return shapely.transform(shape, to_crs("http://www.opengis.net/def/crs/EPSG/0/9210"))


def length(shape: shapely.Geometry) -> float:
    """The length of lines; of anything else, 0, as in SQL/MM."""
    return float(shape.length) if "Line" in shape.geom_type else 0.0


def text(node: Any) -> str:
    """An expression as CQL2 text, with every operation in parentheses."""
    match node:
        case {"op": "and" | "or" as op, "args": parts}:
            return "(" + f" {op.upper()} ".join(map(text, parts)) + ")"
        case {"op": "not", "args": [part]}:
            return f"(NOT {text(part)})"
        case {"op": "isNull", "args": [part]}:
            return f"({text(part)} IS NULL)"
        case {"op": "in", "args": [part, choices]}:
            return f"({text(part)} IN ({', '.join(map(text, choices))}))"
        case {"op": "between", "args": [part, low, high]}:
            return f"({text(part)} BETWEEN {text(low)} AND {text(high)})"
        case {"op": op, "args": [left, right]} if op in SIGNS or op in SUMS or op == "like":
            return f"({text(left)} {op.upper()} {text(right)})".replace(" DIV ", " div ")
        case {"op": op, "args": parts}:
            return f"{op if op in CUSTOM else op.upper()}({', '.join(map(text, parts))})"
        case {"property": name}:
            return f'"{name}"'
        case {"date": at}:
            return f"DATE('{at}')"
        case {"timestamp": at}:
            return f"TIMESTAMP('{at}')"
        case {"interval": ends}:
            return "INTERVAL(" + ", ".join(f"'{end}'" if isinstance(end, str) else text(end) for end in ends) + ")"
        case {"bbox": edges}:
            return f"BBOX({', '.join(map(repr, edges))})"
        case {"type": _}:
            return wkt(shapely.geometry.shape(node))
        case list():
            return f"({', '.join(map(text, node))})"
        case bool():
            return str(node).upper()
        case str():
            return "'" + node.replace("\\", "\\\\").replace("'", "''") + "'"
    return f"({node!r})" if node < 0 else repr(node)


def wkt(shape: shapely.Geometry) -> str:
    """Well-known text with every digit, its tags as CQL2 has them."""
    return str(shapely.to_wkt(shape, rounding_precision=-1))
