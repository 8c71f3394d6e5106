"""Which features a question means, as a piece of WHERE with its arguments.

An absent filter leaves no text behind. Literals are transformed, never columns. Nothing here runs anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import shapely

from mapserver import history
from mapserver.crs import pinned
from mapserver.layer import Column, Layer, Text
from mapserver.projection import lon_lat
from mapserver.query import Box, Cursor, Interval, Scalar, Sort
from mapserver.tables import quoted

EDGE_POINTS = 64
"""Points along each edge of a box in a projected CRS, so that its edges keep their shape in longitude and latitude."""


class Arguments:
    """Collects arguments in text form and gives their places, `$n`."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    def add(self, argument: Scalar, sql_type: str) -> str:
        """The place of an argument, cast to its SQL type."""
        self.values.append(text_form(argument))
        return f"${len(self.values)}::{sql_type}"


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions joined by AND; none means everything."""

    conditions: tuple[str, ...] = ()

    @property
    def clause(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def text_form(argument: Scalar) -> bytes | None:
    """An argument as PostgreSQL reads it from text."""
    match argument:
        case None:
            return None
        case bool():
            return b"true" if argument else b"false"
        case datetime():
            return argument.isoformat().encode()
        case _:
            return str(argument).encode()


def in_box(layer: Layer, box: Box, arguments: Arguments) -> str:
    """Features that meet the box exactly; in a view also those without geometry, as the standard asks."""
    if layer.geometry is None:
        return "true"
    parts = [_in_part(layer, part, arguments) for part in box.parts]
    if layer.origin == "view":
        parts.append("geom IS NULL")
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _in_part(layer: Layer, box: Box, arguments: Arguments) -> str:
    if box.crs.srid != layer.srid or layer.srid != 4326:
        outline = arguments.add(shapely.to_wkb(_outline(box), hex=True, include_srid=True), "geometry")
        return f"ST_Intersects(geom, {placed(layer, outline)})"
    edges = [arguments.add(edge, "float8") for edge in (box.west, box.south, box.east, box.north)]
    envelope = f"ST_MakeEnvelope({', '.join(edges)}, {layer.srid})"
    if layer.geometry == "Point":
        # `&&` is a float32 box: up to 1 % too many; the two BETWEEN are exact and cost half of ST_Intersects
        west, south, east, north = edges
        return (
            f"(geom && {envelope} AND ST_X(geom) BETWEEN {west} AND {east} AND ST_Y(geom) BETWEEN {south} AND {north})"
        )
    return f"ST_Intersects(geom, {envelope})"


def placed(layer: Layer, shape: str) -> str:
    """A geometry in longitude and latitude, as SQL, in the CRS that the layer is stored in."""
    if layer.srid == 4326:
        return shape
    # in a SELECT of its own, so that a generic plan computes it once and not for each row
    return f"(SELECT ST_SetSRID(ST_Transform({shape}, {pinned(layer.srid)}), {layer.srid}))"


def _outline(box: Box) -> shapely.Polygon:
    """The box's outline in longitude and latitude, its edges densified; empty outside its CRS's domain."""
    west, south, east, north = box.crs.domain
    cut = shapely.box(max(box.west, west), max(box.south, south), min(box.east, east), min(box.north, north))
    if box.west > east or box.east < west or box.south > north or box.north < south:
        return shapely.set_srid(shapely.Polygon(), 4326)
    step = max(cut.bounds[2] - cut.bounds[0], cut.bounds[3] - cut.bounds[1]) / EDGE_POINTS
    ring = shapely.get_coordinates(shapely.segmentize(cut, step) if step > 0 else cut)
    return shapely.set_srid(shapely.Polygon(lon_lat(ring, box.crs)), 4326)


def in_interval(layer: Layer, interval: Interval, arguments: Arguments) -> str | None:
    """Features whose time meets the interval, or that have none; None where the layer keeps no time."""
    if layer.as_of:
        return _then(layer, interval, arguments)
    if layer.time is None:
        return None
    column = layer.by_name[layer.time]
    name = quoted(column.name)
    conditions = []
    if layer.until is not None:
        return _held(column, layer.by_name[layer.until], interval, arguments)
    if interval.start is not None:
        conditions.append(f"{name} >= {_bound(column, interval.start, arguments, end=False)}")
    if interval.end is not None:
        beyond = "<" if _whole_day(column, interval.end) else "<="
        conditions.append(f"{name} {beyond} {_bound(column, interval.end, arguments, end=True)}")
    if not conditions:
        return None
    met = " AND ".join(conditions)
    return met if column.required else f"({met} OR {name} IS NULL)"


def _held(began: Column, ended: Column, interval: Interval, arguments: Arguments) -> str | None:
    """Features that held on some day of the interval; an empty end of theirs is open."""
    conditions = []
    if interval.start is not None:
        day, name = _bound(ended, interval.start, arguments, end=False), quoted(ended.name)
        conditions.append(f"({name} > {day} OR {name} IS NULL)")
    if interval.end is not None:
        day, name = _bound(began, interval.end, arguments, end=True), quoted(began.name)
        conditions.append(f"({name} <= {day} OR {name} IS NULL)")
    return " AND ".join(conditions) or None


def _then(layer: Layer, interval: Interval, arguments: Arguments) -> str | None:
    """Of each feature that there was in the interval, the last version that was true in it."""
    versions, moment = history.table(layer), Column("_from", "datetime", Text("", ""))
    until = "true"
    if interval.end is not None:
        beyond = "<" if _whole_day(moment, interval.end) else "<="
        until = f"{{}}._from {beyond} {_bound(moment, interval.end, arguments, end=True)}"
    conditions = [until.format(versions)]
    if interval.start is not None:
        start = _bound(moment, interval.start, arguments, end=False)
        conditions.append(f"(_to IS NULL OR _to > {start})")
    later = f"later.id = {versions}.id AND later._from > {versions}._from AND {until.format('later')}"
    return " AND ".join([*conditions, f"NOT EXISTS (SELECT FROM {versions} AS later WHERE {later})"])


def _whole_day(column: Column, end: date | datetime) -> bool:
    return column.type == "datetime" and not isinstance(end, datetime)


def _bound(column: Column, at: date | datetime, arguments: Arguments, *, end: bool) -> str:
    """An end of the interval in the column's own type; a plain date means the whole day (UTC)."""
    if column.type == "date":
        return arguments.add(at.date() if isinstance(at, datetime) else at, "date")
    if isinstance(at, datetime):
        return arguments.add(at, "timestamptz")
    if end and at == date.max:
        return "'infinity'::timestamptz"
    day = at + timedelta(days=1) if end else at
    return arguments.add(datetime(day.year, day.month, day.day, tzinfo=UTC), "timestamptz")


def equal(column: Column, wanted: Scalar, arguments: Arguments) -> str:
    """Features whose column has this value; an array has it as one of its members."""
    if column.type == "text[]":
        return f"{quoted(column.name)} @> ARRAY[{arguments.add(wanted, 'text')}]"
    return f"{quoted(column.name)} = {arguments.add(wanted, column.kind.sql)}"


def sort_expression(column: Column) -> str:
    """What a column is sorted by: text for people in Vietnamese order, codes and keys bytewise."""
    ordered = column.type == "text" and column.name != "ward_code"
    return quoted(column.name) + (' COLLATE citymap."vi"' if ordered else "")


def order(layer: Layer, sort: tuple[Sort, ...], *, backward: bool) -> str:
    """ORDER BY terms with the id as tie-break; nulls last, or first when walking backward."""
    terms = []
    for term in sort:
        down = term.descending != backward
        nulls = "FIRST" if backward else "LAST"
        terms.append(f"{sort_expression(layer.by_name[term.column])} {'DESC' if down else 'ASC'} NULLS {nulls}")
    return ", ".join([*terms, "id DESC" if backward else "id"])


def beyond(layer: Layer, sort: tuple[Sort, ...], cursor: Cursor, arguments: Arguments) -> str:
    """Features after the cursor in the order (before it, when it looks backward)."""
    sign = "<" if cursor.backward else ">"
    alternatives, equal_so_far = [], list[str]()
    for term, last in zip(sort, cursor.values, strict=True):
        column = layer.by_name[term.column]
        expression = sort_expression(column)
        place = arguments.add(last, column.kind.sql)
        alternatives.append(
            " AND ".join([*equal_so_far, _past(expression, place, term, cursor.backward, last is None)])
        )
        equal_so_far.append(f"{expression} IS NOT DISTINCT FROM {place}")
    alternatives.append(" AND ".join([*equal_so_far, f"id {sign} {arguments.add(cursor.id, 'bigint')}"]))
    return alternatives[0] if len(alternatives) == 1 else "(" + " OR ".join(f"({a})" for a in alternatives) + ")"


def _past(expression: str, place: str, term: Sort, backward: bool, at_null: bool) -> str:
    """Strictly past one sort value, where nulls stand last."""
    sign = "<" if term.descending != backward else ">"
    if at_null:
        return f"{expression} IS NOT NULL" if backward else "false"
    past = f"{expression} {sign} {place}"
    return past if backward else f"({past} OR {expression} IS NULL)"
