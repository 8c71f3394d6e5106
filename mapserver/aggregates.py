"""Questions for counts and sums by ward, and the one statement that answers each: from what is kept, never from rows.

The boundary version is part of every question. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from mapserver import parameters, tallies
from mapserver.errors import BadQuery, NotFound
from mapserver.filters import Arguments
from mapserver.layer import Column, Layer
from mapserver.periods import period
from mapserver.query import Caller, Interval, visible_columns
from mapserver.statements import Statement
from mapserver.tallies import TABLE

STEPS = ("day", "week", "month", "quarter", "year")
PER = ("km2", "1000people")
PARAMETERS = ("by", "value", "per", "datetime", "boundaries", "weight", "whole", "skipGeometry", "f", "lang")
Per = Literal["km2", "1000people"]


@dataclass(frozen=True, slots=True)
class AggregateQuery:
    """What is to be counted by ward. value: a column to be summed, or None for features; on: day of the boundaries."""

    layer: Layer
    value: Column | None = None
    code: Column | None = None
    step: str | None = None
    per: Per | None = None
    interval: Interval | None = None
    on: date | None = None


def aggregate_query(layer: Layer, caller: Caller, given: Mapping[str, str]) -> AggregateQuery:
    """The question that the parameters of `/collections/{id}/aggregate` ask. Raises BadQuery, NotFound."""
    if not tallies.counted(layer):
        raise NotFound("collectionId", f"{layer.name} carries no ward, and is not counted by ward")
    parameters.known(given, PARAMETERS)
    columns = {column.name: column for column in visible_columns(layer, caller)}
    code, step = _groups(layer, given.get("by", "ward"), columns)
    per = given.get("per")
    if per is not None and per not in PER:
        raise BadQuery("per", f"needs one of {', '.join(PER)}, got {per[:40]!r}")
    return AggregateQuery(
        layer=layer,
        value=_value(layer, given.get("value", "count"), columns),
        code=code,
        step=step,
        per="km2" if per == "km2" else "1000people" if per else None,
        interval=_interval(layer, given),
        on=_on(given.get("boundaries")),
    )


def _groups(layer: Layer, by: str, columns: Mapping[str, Column]) -> tuple[Column | None, str | None]:
    """`ward,field,month`: ward always, then at most one column of codes and one step of time."""
    names = by.split(",")
    codes = {column.name: column for column in tallies.dimensions(layer) if column.name in columns}
    allowed = ["ward", *codes, *(STEPS if layer.time else ())]
    for name in names:
        if name not in allowed:
            raise BadQuery("by", f"needs ward, then {', '.join(allowed[1:]) or 'nothing'}; got {name[:40]!r}")
    chosen, steps = [codes[name] for name in names if name in codes], [name for name in names if name in STEPS]
    if "ward" not in names or len(names) != len(set(names)) or len(chosen) > 1 or len(steps) > 1:
        raise BadQuery("by", "takes ward, one column of codes and one step of time, each once: by=ward,field,month")
    return (chosen[0] if chosen else None), (steps[0] if steps else None)


def _value(layer: Layer, name: str, columns: Mapping[str, Column]) -> Column | None:
    sums = {column.name: column for column in tallies.measures(layer) if column.name in columns}
    if name == "count":
        return None
    if name not in sums:
        raise BadQuery("value", f"needs one of {', '.join(['count', *sums])}, got {name[:40]!r}")
    return sums[name]


def _interval(layer: Layer, given: Mapping[str, str]) -> Interval | None:
    interval = parameters.interval(given.get("datetime"))
    if interval is not None and layer.time is None:
        raise BadQuery("datetime", f"{layer.name} keeps no time")
    return interval


def _on(text: str | None) -> date | None:
    read = period(text) if text is not None else None
    if text is not None and (read is None or read.first != read.last):
        raise BadQuery("boundaries", f"needs the day whose boundaries are meant, such as 2025-06-30, got {text[:40]!r}")
    return read.first if read else None


def by_place(query: AggregateQuery, day: date) -> Statement:
    """One row when the layer is counted by place on the boundaries that end with a day."""
    sql = "SELECT 'yes' FROM citymap.area_count WHERE layer = $1::text AND on_day = $2::date"
    return Statement(sql, (query.layer.name.encode(), day.isoformat().encode()))


def aggregate(query: AggregateQuery, day: date | None = None) -> Statement:
    """Rows (unit, code, first day of the step, amount); the unit is null for what lies in none.

    day: the last day of earlier boundaries, counted by place; None counts by the wards of today."""
    arguments = Arguments()
    conditions = [
        f"layer = {arguments.add(query.layer.name, 'text')}",
        f"measure = {arguments.add(query.value.name if query.value else tallies.COUNT, 'text')}",
        f"dim = {arguments.add(query.code.name if query.code else tallies.TOTAL, 'text')}",
        f"grain = {arguments.add(grain(query), 'text')}",
    ]
    conditions.append(f"on_day = {arguments.add(day, 'date')}" if day else "on_day IS NULL")
    if query.interval is not None:
        conditions += _within(query.interval, arguments)
    moment = f"date_trunc('{query.step}', day)::date::text" if query.step else "NULL"
    sql = (
        f"SELECT ward, value, {moment}, sum(amount)::text FROM {TABLE}"
        f" WHERE {' AND '.join(conditions)} GROUP BY 1, 2, 3 HAVING sum(amount) <> 0"
    )
    return Statement(sql, tuple(arguments.values))


def grain(query: AggregateQuery) -> str:
    """The coarsest of `tallies.GRAINS` that answers a question: whole months need no days, all of time no months."""
    if query.layer.time is None or (query.interval is None and query.step is None):
        return "all"
    firsts = _firsts(query.interval) if query.interval else []
    if query.step in (None, "year") and all((first.month, first.day) == (1, 1) for first in firsts):
        return "year"
    by_month = query.step in (None, "month", "quarter", "year")
    return "month" if by_month and all(first.day == 1 for first in firsts) else "day"


def _firsts(interval: Interval) -> list[date]:
    """The day on which an interval begins, and the one after it, where it begins and ends."""
    begins = [_day(interval.start)] if interval.start is not None else []
    return begins + ([_day(interval.end) + timedelta(days=1)] if interval.end is not None else [])


def _within(interval: Interval, arguments: Arguments) -> list[str]:
    """Whole days of the city; counts are kept by day."""
    ends = (("day >= {}", interval.start), ("day <= {}", interval.end))
    return [text.format(arguments.add(_day(end), "date")) for text, end in ends if end is not None]


def _day(at: date) -> date:
    return date(at.year, at.month, at.day)


TILE = """
    SELECT ST_AsMVT(rows, 'aggregate', 4096, 'geom', 'id')
    FROM (
        SELECT area.uid AS id, area.code, area.name, given.value,
               ST_AsMVTGeom(ST_Transform(area.geometry, 3857), ST_TileEnvelope($1::int, $2::int, $3::int)) AS geom
        FROM unnest($4::bigint[], $5::float8[]) AS given (uid, value)
        JOIN citymap.area AS area ON area.uid = given.uid
        WHERE area.geometry && ST_Transform(ST_TileEnvelope($1::int, $2::int, $3::int, margin => 0.016), 4326)
    ) AS rows"""
GROUND = "SELECT uid::text, (ST_Area(geometry::geography) / 1e6)::text, population::text FROM citymap.area"
"""Rows (uid, square kilometres, people) of every unit."""


def tile(place: tuple[int, int, int], values: Mapping[int, float | None]) -> Statement:
    """One row (MVT bytes): the units in a tile (z, x, y), each with its value."""
    numbers = ",".join("NULL" if value is None else repr(value) for value in values.values())
    arrays = ("{" + ",".join(map(str, values)) + "}", "{" + numbers + "}")
    return Statement(TILE, tuple(str(part).encode() for part in (*place, *arrays)))
