"""Filter Encoding 1.0, 1.1 and 2.0 as the expression that CQL2 is read into; one reading for all three.

Where the versions differ they add names, so that no version needs to be told: `PropertyName` and `ValueReference`,
`FeatureId`, `GmlObjectId` and `ResourceId`, `Box` and `Envelope`. A literal takes the type of the property it is
compared with."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import shapely

from mapserver import parameters
from mapserver.cql2.expression import (
    MAX_DEPTH,
    SPATIAL,
    Array,
    Bbox,
    Call,
    Expression,
    Geometry,
    Instant,
    Interval,
    Literal,
    Property,
)
from mapserver.cql2.sql import GEOMETRY, ID
from mapserver.crs import Crs
from mapserver.errors import BadQuery
from mapserver.layer import Column, Layer, Text
from mapserver.ows import geometries
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.references import reference
from mapserver.ows.xml import attribute, children, local, name, text
from mapserver.projection import in_lon_lat
from mapserver.query import Filter, feature_id
from mapserver.times import moment

COMPARISONS = {
    "PropertyIsEqualTo": "=",
    "PropertyIsNotEqualTo": "<>",
    "PropertyIsLessThan": "<",
    "PropertyIsGreaterThan": ">",
    "PropertyIsLessThanOrEqualTo": "<=",
    "PropertyIsGreaterThanOrEqualTo": ">=",
}
ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}
RELATIONS = tuple(relation.capitalize() for relation in SPATIAL)
DISTANCES = ("DWithin", "Beyond")
TEMPORAL = {
    "After": "after", "Before": "before", "Begins": "starts", "BegunBy": "startedby", "TContains": "contains",
    "During": "during", "EndedBy": "finishedby", "Ends": "finishes", "TEquals": "equals", "Meets": "meets",
    "MetBy": "metby", "TOverlaps": "overlaps", "OverlappedBy": "overlappedby", "AnyInteracts": "intersects",
}  # fmt: skip
"""Temporal operators of FES 2.0, by their names in CQL2."""
IDS = ("FeatureId", "GmlObjectId", "ResourceId")
METRES = {
    "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "km": 1000.0, "kilometer": 1000.0,
    "kilometre": 1000.0, "kilometers": 1000.0, "kilometres": 1000.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048,
    "feet": 0.3048, "foot": 0.3048, "mi": 1609.344, "mile": 1609.344, "miles": 1609.344,
    "statute miles": 1609.344, "nautical miles": 1852.0,
}  # fmt: skip
"""Units of a distance; metre is what EPSG calls unit 9001."""
_METRE = re.compile(r"^(?:urn:ogc:def:uom:(?:EPSG::9001|UCUM::m)|.*#(?:metre|meter|m)|.*/9001)$", re.IGNORECASE)
METRES_A_DEGREE = 110_000.0
"""Fewer than a degree of latitude has anywhere, so that a margin made with it is never too small."""
MOST_ELEMENTS = 10_000
"""Elements of one filter: the ids of a large selection; more would keep the database busy with reading it."""
NEVER = Literal(False)
_NUMBER = Column("number", "number", Text("", ""))
_KEY = Column(ID, "integer", Text("", ""))
_PATH = re.compile(r"^[\w:./@*\[\]()-]{1,200}$")
_ZONELESS = re.compile(r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)$", re.ASCII)


@dataclass(frozen=True, slots=True)
class About:
    """What a filter is about. columns: those the caller may see; crs: of geometries that name none."""

    layer: Layer
    columns: Mapping[str, Column]
    crs: Crs


def filtering(element: Element, about: About) -> Filter:
    """The filter of a `Filter` element. Raises OwsFault saying which element is wrong."""
    if sum(1 for _ in element.iter()) > MOST_ELEMENTS:
        raise OwsFault(Code.INVALID, "Filter", f"holds more than {MOST_ELEMENTS} elements")
    conditions = [each for each in children(element) if name(each) != "ExtendedCapabilities"]
    if not conditions:
        raise OwsFault(Code.INVALID, "Filter", "holds no condition")
    named = [each for each in conditions if name(each) in IDS]
    if named and len(named) < len(conditions):
        raise OwsFault(Code.INVALID, "Filter", "holds ids or conditions, not both")
    if named:
        return by_ids([attribute(each, key) or "" for each in named for key in _id_keys(each)], about.layer)
    if len(conditions) > 1:
        raise OwsFault(Code.INVALID, "Filter", "holds one condition; join several by And or Or")
    return Filter(_Reader(about).condition(conditions[0], 0))


def by_ids(given: list[str], layer: Layer) -> Filter:
    """Features by id, `schools.5` as they are given out; ids of other layers mean none of this one's."""
    numbers = [feature_id(text.strip().rpartition(".")[2]) for text in given if _of(text, layer)]
    found = tuple(Literal(number) for number in numbers if number is not None)
    return Filter(Call("in", (Property(ID), Array(found))) if found else NEVER)


def property_name(path: str, locator: str) -> str:
    """The property that an XPath of one or two steps names: `citymap:name`, `schools/name`, `citymap:schools/name`."""
    if not _PATH.match(path.strip()):
        raise OwsFault(Code.INVALID, locator, f"names no property: {path[:60]!r}")
    step = re.sub(r"\[[0-9*]{1,3}\]$", "", path.strip().rpartition("/")[2])
    return ID if step == "@gml:id" else local(step.removeprefix("@"))


def _of(text: str, layer: Layer) -> bool:
    stem, point, _ = text.strip().rpartition(".")
    return not point or local(stem) == layer.name


def _id_keys(element: Element) -> tuple[str, ...]:
    return {"FeatureId": ("fid",), "GmlObjectId": ("id",)}.get(name(element), ("rid",))


class _Reader:
    def __init__(self, about: About) -> None:
        self._about = about

    def condition(self, element: Element, depth: int) -> Expression:
        """An operator that is true or false."""
        operator = name(element)
        if depth > MAX_DEPTH:
            raise OwsFault(Code.INVALID, "Filter", f"is nested deeper than {MAX_DEPTH} levels")
        match operator:
            case "And" | "Or":
                parts = tuple(self.condition(each, depth + 1) for each in children(element))
                return self._joined(operator, parts)
            case "Not":
                (inner,) = _exactly(element, 1)
                return Call("not", (self.condition(inner, depth + 1),))
        read = self._readers().get(operator)
        if read is None:
            raise OwsFault(Code.INVALID, operator[:60], "is no operator that is known here")
        return read(element)

    def _joined(self, operator: str, parts: tuple[Expression, ...]) -> Expression:
        if not parts:
            raise OwsFault(Code.INVALID, operator, "joins nothing")
        return parts[0] if len(parts) == 1 else Call(operator.lower(), parts)

    def _readers(self) -> dict[str, Callable[[Element], Expression]]:
        return {
            **dict.fromkeys(COMPARISONS, self._comparison),
            **dict.fromkeys(RELATIONS, self._relation),
            **dict.fromkeys(DISTANCES, self._distance),
            **dict.fromkeys(TEMPORAL, self._temporal),
            **dict.fromkeys(IDS, self._named),
            "PropertyIsLike": self._like,
            "PropertyIsNull": self._null,
            "PropertyIsNil": self._null,
            "PropertyIsBetween": self._between,
            "BBOX": self._bbox,
        }

    def _named(self, element: Element) -> Expression:
        return by_ids([attribute(element, key) or "" for key in _id_keys(element)], self._about.layer).expression

    # Values

    def _operand(self, element: Element, column: Column | None = None, depth: int = 0) -> Expression:
        """A property, a literal of the type of `column`, a function or a sum."""
        if depth > MAX_DEPTH:
            raise OwsFault(Code.INVALID, "Filter", f"is nested deeper than {MAX_DEPTH} levels")
        match name(element):
            case "PropertyName" | "ValueReference":
                return self._property(element)
            case "Literal":
                return self._literal(element, column)
            case "Function":
                called = (attribute(element, "name") or "").lower()
                return Call(called, tuple(self._operand(each, None, depth + 1) for each in children(element)))
            case sign if sign in ARITHMETIC:
                return Call(ARITHMETIC[sign], tuple(self._operand(e, _NUMBER, depth + 1) for e in children(element)))
        return self._geometry(element)

    def _property(self, element: Element) -> Property:
        wanted = property_name(text(element), name(element))
        known = [ID, *([GEOMETRY] if self._about.layer.geometry else []), *self._about.columns]
        if wanted not in known:
            offered = ", ".join(known)
            raise OwsFault(Code.INVALID, name(element), f"there is no property {wanted[:60]!r}; there are {offered}")
        return Property(wanted)

    def _literal(self, element: Element, column: Column | None) -> Expression:
        inside = geometries.found(element)
        if inside is not None:
            return self._geometry(inside)
        return typed("".join(element.itertext()), column)

    def _column(self, parts: list[Expression | None]) -> Column | None:
        """The column that one of several operands names, by which the literals beside it are read."""
        names = [part.name for part in parts if isinstance(part, Property)]
        return _KEY if ID in names else next((self._about.columns[n] for n in names if n in self._about.columns), None)

    def _operands(self, elements: list[Element]) -> list[Expression]:
        """Operands, the literals among them of the type of the property among them."""
        first = [self._operand(each) if name(each) in ("PropertyName", "ValueReference") else None for each in elements]
        column = self._column(first)
        return [known or self._operand(each, column) for known, each in zip(first, elements, strict=True)]

    # Operators

    def _comparison(self, element: Element) -> Expression:
        parts = self._operands(_exactly(element, 2))
        column = self._column([*parts])
        if column is not None and column.type == "text[]":
            return self._membership(name(element), parts)
        if (attribute(element, "matchCase") or "true").lower() == "false" and _textual(parts, column):
            parts = [Call("casei", (part,)) for part in parts]
        return Call(COMPARISONS[name(element)], tuple(parts))

    def _membership(self, operator: str, parts: list[Expression]) -> Expression:
        """A list has a value as one of its members."""
        lists, texts = ([p for p in parts if isinstance(p, kind)] for kind in (Property, Literal))
        if not (lists and texts) or operator not in ("PropertyIsEqualTo", "PropertyIsNotEqualTo"):
            raise OwsFault(Code.INVALID, operator, "asks of a list only whether it has a value")
        has = Call("a_contains", (lists[0], Array((texts[0],))))
        return has if operator == "PropertyIsEqualTo" else Call("not", (has,))

    def _like(self, element: Element) -> Expression:
        left, right = _exactly(element, 2)
        value, pattern = self._operand(left), pattern_of(element, "".join(right.itertext()))
        parts: tuple[Expression, ...] = (value, Literal(pattern))
        if (attribute(element, "matchCase") or "true").lower() == "false":
            parts = tuple(Call("casei", (part,)) for part in parts)
        return Call("like", parts)

    def _null(self, element: Element) -> Expression:
        (of,) = _exactly(element, 1)
        return Call("isnull", (self._operand(of),))

    def _between(self, element: Element) -> Expression:
        value, low, high = _exactly(element, 3)
        bounds = {name(each): _exactly(each, 1)[0] for each in (low, high)}
        if set(bounds) != {"LowerBoundary", "UpperBoundary"}:
            raise OwsFault(Code.INVALID, "PropertyIsBetween", "needs a LowerBoundary and an UpperBoundary")
        parts = self._operands([value, bounds["LowerBoundary"], bounds["UpperBoundary"]])
        return Call("between", tuple(parts))

    def _relation(self, element: Element) -> Expression:
        """A spatial relation; the property may be left out before a geometry."""
        first, second = self._places(element)
        return Call(f"s_{name(element).lower()}", (first, second))

    def _bbox(self, element: Element) -> Expression:
        first, second = self._places(element)
        return Call("s_intersects", (first, second))

    def _places(self, element: Element) -> tuple[Expression, Expression]:
        parts = [self._operand(each) for each in children(element) if name(each) != "Distance"]
        if len(parts) == 1:
            parts = [Property(GEOMETRY), *parts]
        if len(parts) != 2 or self._about.layer.geometry is None:
            raise OwsFault(Code.INVALID, name(element), "needs the geometry property and a geometry")
        return parts[0], parts[1]

    def _distance(self, element: Element) -> Expression:
        """Nearer than, or beyond, a distance that is measured on the city's grid; a box before it finds by index."""
        distance = next(children(element, "Distance"), None)
        if distance is None:
            raise OwsFault(Code.MISSING, "Distance", f"is required in {name(element)}")
        metres = _metres(distance)
        first, second = self._places(element)
        if not isinstance(second, Geometry):
            raise OwsFault(Code.INVALID, name(element), "needs a geometry to measure from")
        measured = Call("distance_m", (first, second))
        if name(element) == "Beyond":
            return Call(">", (measured, Literal(metres)))
        near = Call("s_intersects", (first, _around(second.shape, metres)))
        return Call("and", (near, Call("<=", (measured, Literal(metres)))))

    def _temporal(self, element: Element) -> Expression:
        left, right = _exactly(element, 2)
        value = self._operand(left)
        return Call(f"t_{TEMPORAL[name(element)]}", (value, _time(right)))

    def _geometry(self, element: Element) -> Expression:
        """A geometry in longitude and latitude, whatever CRS it is given in."""
        if name(element) not in (*geometries.GEOMETRIES, *geometries.ENVELOPES):
            raise OwsFault(Code.INVALID, name(element)[:60], "cannot stand there")
        srs = geometries.srs_name(element)
        crs = reference(srs, "srsName").crs if srs else self._about.crs
        if name(element) in geometries.ENVELOPES:
            return box(geometries.edges(element), crs, name(element))
        placed = in_lon_lat(geometries.geometry(element), crs)
        if placed is None:
            raise OwsFault(Code.INVALID, name(element), f"lies outside the earth in {crs.code}{_order(crs)}")
        return Geometry(placed)


def box(edges: tuple[float, float, float, float], crs: Crs, locator: str) -> Expression:
    """A box in the axis order of its CRS as an expression in longitude and latitude. Raises OwsFault."""
    a, b, c, d = edges
    west, south, east, north = (b, a, d, c) if crs.swap else (a, b, c, d)
    if south > north or (west > east and crs.srid != 4326):
        raise OwsFault(Code.INVALID, locator, f"needs its lower corner first{_order(crs)}")
    if crs.srid == 4326:
        if not (-180 <= west <= 180 and -180 <= east <= 180 and south >= -90 and north <= 90):
            raise OwsFault(Code.INVALID, locator, f"lies outside longitude -180..180, latitude -90..90{_order(crs)}")
        return Bbox((west, south, east, north))
    least_x, least_y, most_x, most_y = crs.domain
    cut = shapely.box(max(west, least_x), max(south, least_y), min(east, most_x), min(north, most_y))
    side = max(east - west, north - south) / 64
    placed = in_lon_lat(shapely.segmentize(cut, side) if side > 0 else cut, crs)
    if placed is None:
        raise OwsFault(Code.INVALID, locator, f"lies outside the domain of {crs.code}")
    return Geometry(placed)


def _order(crs: Crs) -> str:
    return "; latitude comes first in this CRS" if crs.swap else "; longitude or easting comes first in this CRS"


def typed(given: str, column: Column | None) -> Expression:
    """A literal as the type of a column reads it; text where there is none."""
    if column is None:
        return _number_or_text(given)
    try:
        match column.type:
            case "integer" | "number":
                return Literal(_number(column.name, given.strip()))
            case "boolean":
                spelled = {"1": "true", "0": "false"}.get(given.strip(), given.strip().lower())
                return Literal(bool(parameters.value(column, spelled)))
            case "date" | "datetime":
                return _instant(column.name, given.strip())
    except BadQuery as error:
        raise OwsFault(Code.INVALID, "Literal", str(error)) from error
    if "\x00" in given:
        raise OwsFault(Code.INVALID, "Literal", "holds a NUL character")
    return Literal(given)


def pattern_of(element: Element, given: str) -> str:
    """The pattern of PropertyIsLike as LIKE has it; its wild cards are what the element's attributes say."""
    wild, single = (attribute(element, key) or "" for key in ("wildCard", "singleChar"))
    escape = attribute(element, "escapeChar") or attribute(element, "escape") or ""
    out, at = [], 0
    while at < len(given):
        mark = next((mark for mark in (escape, wild, single) if mark and given.startswith(mark, at)), given[at])
        at += len(mark)
        if mark == escape and at < len(given):
            out.append(_plain(given[at]))
            at += 1
        else:
            out.append("%" if mark == wild else "_" if mark == single else _plain(mark))
    return "".join(out)


def _plain(letter: str) -> str:
    return f"\\{letter}" if letter in ("%", "_", "\\") else letter


def _number_or_text(given: str) -> Literal:
    """A literal that nothing says the type of, such as an argument of a function."""
    try:
        return Literal(_number("Literal", given.strip()))
    except BadQuery:
        return Literal(given)


def _number(locator: str, given: str) -> int | float:
    read = parameters.number(locator, given)
    whole = given.lstrip("+-").isdigit() and len(given) <= 30
    return int(given) if whole else read


def _instant(locator: str, given: str) -> Instant:
    """A moment; without a time zone it is in UTC, as QGIS and GDAL mean it."""
    return Instant(moment(locator, f"{given}Z" if _ZONELESS.match(given) else given))


def _time(element: Element) -> Expression:
    """A GML time, or a literal."""
    inside = next((each for each in element.iter() if name(each) in ("TimePeriod", "TimeInstant")), element)
    moments = [text(each) for each in inside.iter() if name(each) in ("beginPosition", "endPosition", "timePosition")]
    if not moments and name(inside) == "TimeInstant":
        raise OwsFault(Code.INVALID, "TimeInstant", "needs a timePosition")
    try:
        if name(inside) == "TimePeriod":
            start, end = [*moments, "", ""][:2]
            return Interval(*(_instant("TimePeriod", at) if at else None for at in (start, end)))
        return _instant(name(inside), moments[0] if moments else text(inside))
    except BadQuery as error:
        raise OwsFault(Code.INVALID, name(inside), str(error)) from error


def _metres(element: Element) -> float:
    unit = (attribute(element, "uom") or attribute(element, "units") or "m").strip()
    factor = 1.0 if _METRE.match(unit) else METRES.get(unit.lower())
    if factor is None:
        raise OwsFault(Code.INVALID, "Distance", f"needs a unit of length such as m or km, got {unit[:40]!r}")
    try:
        metres = parameters.number("Distance", text(element)) * factor
    except BadQuery as error:
        raise OwsFault(Code.INVALID, "Distance", str(error)) from error
    if not 0 <= metres <= 1e7:
        raise OwsFault(Code.INVALID, "Distance", "needs 0 to 10,000 km")
    return metres


def _around(shape: shapely.Geometry, metres: float) -> Bbox:
    """A box in longitude and latitude that holds everything nearer to a shape than a distance."""
    west, south, east, north = shapely.bounds(shape)
    up = metres / METRES_A_DEGREE
    furthest = min(89.0, max(abs(south - up), abs(north + up)))
    across = up / math.cos(math.radians(furthest))
    return Bbox((max(-180.0, west - across), max(-90.0, south - up), min(180.0, east + across), min(90.0, north + up)))


def _textual(parts: list[Expression], column: Column | None) -> bool:
    return column is None or column.type in ("text", "code", "uri")


def _exactly(element: Element, number: int) -> list[Element]:
    parts = [*children(element)]
    if len(parts) != number:
        raise OwsFault(Code.INVALID, name(element), f"needs {number} elements in it, got {len(parts)}")
    return parts
