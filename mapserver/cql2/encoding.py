"""CQL2 JSON as an expression."""

from __future__ import annotations

import json
import math
from typing import Any

import shapely
import shapely.geometry

from mapserver.cql2.expression import MAX_DEPTH, Array, Bbox, Call, Expression, Geometry, Interval, Literal, Property
from mapserver.cql2.text import box_edges, instant, interval_end, sound
from mapserver.errors import BadQuery


def parse_json(text: str) -> Expression:
    """The expression of a CQL2 JSON text. Raises BadQuery for what is not JSON or not CQL2."""
    try:
        raw = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadQuery("filter", f"is not JSON: {error}") from error
    return _expression(raw, 0)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _expression(raw: Any, depth: int) -> Expression:
    if depth > MAX_DEPTH:
        raise BadQuery("filter", f"is nested deeper than {MAX_DEPTH} levels")
    match raw:
        case bool() | int() | str():
            return Literal(raw)
        case float():
            if not math.isfinite(raw):
                raise BadQuery("filter", "holds a number beyond the range of numbers")
            return Literal(raw)
        case list():
            return Array(tuple(_expression(item, depth + 1) for item in raw))
        case dict():
            return _object(raw, depth)
    raise BadQuery("filter", "null is no value; use isNull")


def _object(raw: dict[str, Any], depth: int) -> Expression:
    match raw:
        case {"op": str(name), "args": list(arguments)}:
            return _call(name.lower(), tuple(_expression(item, depth + 1) for item in arguments))
        case {"property": str(name)}:
            return Property(name)
        case {"date": str(text)}:
            return instant(text, "DATE")
        case {"timestamp": str(text)}:
            return instant(text, "TIMESTAMP")
        case {"interval": [start, end]}:
            return Interval(
                *(interval_end(e if isinstance(e, str) else _expression(e, depth + 1)) for e in (start, end))
            )
        case {"bbox": list(edges)}:
            return Bbox(box_edges(edges))
        case {"type": str(), "coordinates": list()} | {"type": "GeometryCollection", "geometries": list()}:
            return Geometry(_shape(raw))
    raise BadQuery("filter", f"cannot read the object with {', '.join(map(repr, list(raw)[:5])) or 'no members'}")


def _call(name: str, arguments: tuple[Expression, ...]) -> Call:
    """`in` and `isNull` with their one operand, as in text."""
    if name == "isnull" and len(arguments) == 1 and isinstance(arguments[0], Array) and len(arguments[0].items) == 1:
        return Call(name, arguments[0].items)
    return Call(name, arguments)


def _shape(raw: dict[str, Any]) -> shapely.Geometry:
    try:
        return sound(shapely.geometry.shape(raw))
    except (ValueError, TypeError, IndexError, AttributeError, shapely.errors.ShapelyError) as error:
        raise BadQuery("filter", f"a {str(raw.get('type'))[:30]} is not valid GeoJSON: {error}") from error
