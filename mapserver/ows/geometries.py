"""GML geometries of requests, of any of its versions, as shapely's; coordinates stay in the order they are written in.

Linear ones only: a curve of arcs is refused, since no layer could hold it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import shapely

from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.xml import attribute, child, children, name, text

Coordinates = list[tuple[float, float]]
ENVELOPES = ("Envelope", "Box")
GEOMETRIES = (
    "Point", "LineString", "LinearRing", "Curve", "Polygon", "Surface", "MultiPoint", "MultiLineString", "MultiCurve",
    "MultiPolygon", "MultiSurface", "MultiGeometry",
)  # fmt: skip
_MEMBERS = (
    "pointMember", "pointMembers", "lineStringMember", "curveMember", "curveMembers", "polygonMember", "surfaceMember",
    "surfaceMembers", "geometryMember", "geometryMembers",
)  # fmt: skip
_MULTI: dict[str, Any] = {
    "MultiPoint": shapely.multipoints,
    "MultiLineString": shapely.multilinestrings,
    "MultiCurve": shapely.multilinestrings,
    "MultiPolygon": shapely.multipolygons,
    "MultiSurface": shapely.multipolygons,
    "MultiGeometry": shapely.geometrycollections,
}


def found(element: Element) -> Element | None:
    """The geometry or envelope below an element, at any depth; None where there is none."""
    return next((each for each in element.iter() if name(each) in (*GEOMETRIES, *ENVELOPES)), None)


def srs_name(element: Element) -> str | None:
    """The CRS that a geometry names, on itself or on anything within it."""
    named = (attribute(each, "srsName") for each in element.iter())
    return next((srs for srs in named if srs), None)


def geometry(element: Element) -> shapely.Geometry:
    """The geometry of a GML element. Raises OwsFault, InvalidParameterValue, for what is none."""
    try:
        return _geometry(element)
    except (shapely.errors.ShapelyError, ValueError, TypeError, IndexError) as error:
        raise OwsFault(Code.INVALID, name(element), f"is no geometry: {error}") from error


def edges(element: Element) -> tuple[float, float, float, float]:
    """The lower and the upper corner of an Envelope or a Box, first axis first. Raises OwsFault."""
    try:
        return _edges(element)
    except ValueError as error:
        raise OwsFault(Code.INVALID, name(element), f"is no envelope: {error}") from error


def _edges(element: Element) -> tuple[float, float, float, float]:
    corners = _tuples(child(element, "coordinates")) or [
        _coord(each) if name(each) == "coord" else _pair(_numbers(text(each)))
        for each in children(element, "lowerCorner", "upperCorner", "pos", "coord")
    ]
    if len(corners) != 2:
        raise ValueError("it needs a lower and an upper corner")
    (a, b), (c, d) = corners
    return a, b, c, d


def _geometry(element: Element) -> shapely.Geometry:
    kind = name(element)
    match kind:
        case "Point":
            return shapely.Point(_positions(element)[0])
        case "LineString" | "LinearRing":
            return shapely.LineString(_positions(element))
        case "Curve":
            return shapely.LineString(_curve(element))
        case "Polygon":
            return _polygon(element)
        case "Surface":
            patches = [_polygon(patch) for each in children(element, "patches") for patch in children(each)]
            return patches[0] if len(patches) == 1 else shapely.multipolygons(patches)
    if kind in _MULTI:
        whole: shapely.Geometry = _MULTI[kind]([_geometry(part) for part in _parts(element)])
        return whole
    offered = ", ".join(GEOMETRIES)
    raise OwsFault(Code.INVALID, kind[:60], f"is no geometry that is read here; there are {offered}")


def _parts(element: Element) -> Iterator[Element]:
    for member in children(element, *_MEMBERS):
        yield from children(member)


def _polygon(element: Element) -> shapely.Polygon:
    shells = [ring for each in children(element, "exterior", "outerBoundaryIs") for ring in children(each)]
    holes = [ring for each in children(element, "interior", "innerBoundaryIs") for ring in children(each)]
    if len(shells) != 1:
        raise ValueError(f"a {name(element)} needs one exterior")
    return shapely.Polygon(_ring(shells[0]), [_ring(hole) for hole in holes])


def _ring(element: Element) -> Coordinates:
    if name(element) == "Ring":
        return [at for member in children(element, "curveMember") for part in children(member) for at in _curve(part)]
    return _positions(element)


def _curve(element: Element) -> Coordinates:
    if name(element) == "LineString":
        return _positions(element)
    segments = [segment for each in children(element, "segments") for segment in children(each)]
    if not segments or any(name(segment) != "LineStringSegment" for segment in segments):
        raise ValueError("only curves of LineStringSegment are read here")
    return [at for segment in segments for at in _positions(segment)]


def _positions(element: Element) -> Coordinates:
    """The coordinates of `posList`, `pos`, `pointProperty`, `coordinates` or `coord`; heights are left out."""
    listed = child(element, "posList")
    if listed is not None:
        size = _dimension(listed, element)
        numbers = _numbers(text(listed))
        if not numbers or len(numbers) % size:
            raise ValueError(f"a posList needs a multiple of {size} numbers, got {len(numbers)}")
        return [(numbers[i], numbers[i + 1]) for i in range(0, len(numbers), size)]
    found = _tuples(child(element, "coordinates")) or [
        _coord(each) if name(each) == "coord" else _pair(_numbers(text(each)))
        for each in children(element, "pos", "coord", "pointProperty")
    ]
    if not found:
        raise ValueError(f"a {name(element)} has no coordinates")
    return found


def _dimension(*elements: Element) -> int:
    sizes = (attribute(each, key) for each in elements for key in ("srsDimension", "dimension"))
    return 3 if next((size for size in sizes if size), "2") == "3" else 2


def _tuples(element: Element | None) -> Coordinates:
    """GML 2 `coordinates`, with the separators it names."""
    if element is None:
        return []
    decimal, comma, space = (
        attribute(element, key) or usual for key, usual in (("decimal", "."), ("cs", ","), ("ts", " "))
    )
    tuples = text(element).split() if space.isspace() else text(element).split(space)
    return [_pair([_number(part.replace(decimal, ".")) for part in each.split(comma)]) for each in tuples]


def _coord(element: Element) -> tuple[float, float]:
    return _pair([_number(text(child(element, axis))) for axis in ("X", "Y")])


def _pair(numbers: list[float]) -> tuple[float, float]:
    if len(numbers) not in (2, 3):
        raise ValueError(f"a position needs two numbers, got {len(numbers)}")
    return numbers[0], numbers[1]


def _numbers(written: str) -> list[float]:
    return [_number(part) for part in written.split()]


def _number(written: str) -> float:
    number = float(written)
    if not math.isfinite(number) or "_" in written:
        raise ValueError(f"{written[:40]!r} is no finite number")
    return number
