"""Counts and sums by ward, day and code, kept exact while rows change: DDL of the triggers that keep them.

A change adds rows with the difference it made, in its own transaction; folding adds rows up. So a sum over the rows is
what a recount would give, whatever was committed, killed or rolled back."""

from __future__ import annotations

from mapserver.layer import Column, Layer
from mapserver.tables import literal, quoted

TABLE = "citymap.ward_tally"
CITY_TIME = "Asia/Ho_Chi_Minh"
"""Days of a moment are the city's."""
COUNT = ""
"""The measure that counts features; others are columns that are summed."""
ADDITIVE = ("1", "m", "km", "m2", "km2", "ha", "t", "kg", "VND", "kWh", "MWh", "m3", "[car]", "{person}")
"""Units of what adds up. A sum of percents, degrees or decibels is nothing."""
MANY = 5_000
"""Rows of one statement above which counts by place are built again instead of followed."""
GRAINS = ("all", "year", "month", "day")
"""How finely in time sums are kept, each by its own rows: a question reads the coarsest that answers it."""
TOTAL = ""
"""The dimension that does not tell codes apart; others are columns of codes."""


def counted(layer: Layer) -> bool:
    """Whether a layer is counted by ward: it carries its ward and has a table of its own."""
    return layer.ward and layer.origin == "ingest" and layer.existing is None and layer.access.level != "secret"


def dimensions(layer: Layer) -> tuple[Column, ...]:
    """Columns of codes that counts are kept by."""
    return tuple(column for column in layer.columns if column.codes and column.access.level != "secret")


def measures(layer: Layer) -> tuple[Column, ...]:
    """Columns of numbers that add up, by their units: their sums are kept."""
    numbers = (column for column in layer.columns if column.type in ("integer", "number"))
    return tuple(c for c in numbers if c.access.level != "secret" and c.unit in ADDITIVE)


def follow(layer: Layer) -> list[str]:
    """Statements that make the tallies follow the layer's table, and recount it; they may be run again."""
    return [*_functions(layer), *_triggers(layer), recount(layer)] if counted(layer) else []


def recount(layer: Layer) -> str:
    """A statement that counts the whole layer anew by its ward codes; counts by place have to be built again."""
    name = literal(layer.name)
    gone = f"DELETE FROM citymap.area_count WHERE layer = {name}; DELETE FROM {TABLE} WHERE layer = {name}"
    return f"{gone}; {_added(layer, layer.table)}"


def build(layer: Layer, day: str) -> str:
    """A statement that counts the whole layer by place on the boundaries of a day, given as SQL."""
    return (
        f"DELETE FROM {TABLE} WHERE layer = {literal(layer.name)} AND on_day = {day}; {_added(layer, layer.table, day)}"
    )


def differences(layer: Layer, day: str | None = None) -> str:
    """A query for every sum that is not what a recount gives: nothing, or something is broken. day: as in `build`."""
    then = f"= {day}" if day else "IS NULL"
    kept = f"""
        SELECT measure, dim, value, ward, grain, day, level, sum(amount) AS amount
        FROM {TABLE}
        WHERE layer = {literal(layer.name)} AND on_day {then}
        GROUP BY 1, 2, 3, 4, 5, 6, 7
        HAVING sum(amount) <> 0"""
    counts = _counts(layer, layer.table, day)
    true = f"SELECT measure, dim, value, ward, grain, day, level, amount FROM ({counts}) AS counts"
    return f"({kept} EXCEPT {true}) UNION ALL ({true} EXCEPT {kept})"


def _added(layer: Layer, source: str, day: str | None = None, sign: str = "") -> str:
    columns = "layer, measure, dim, value, ward, grain, day, amount, level, on_day"
    chosen = f"{literal(layer.name)}, measure, dim, value, ward, grain, day, {sign}amount, level, {day or 'NULL'}"
    return f"INSERT INTO {TABLE} ({columns}) SELECT {chosen} FROM ({_counts(layer, source, day)}) AS counts"


def _counts(layer: Layer, source: str, on_day: str | None = None) -> str:
    """What stands in a set of rows, once over it: (measure, dim, value, ward, grain, day, amount, level)."""
    dims, sums = dimensions(layer), measures(layer)
    times = ["", *(f", {grain}" for grain in GRAINS[1:])] if layer.time else [""]
    sets = [f"(ward{time}{dim})" for time in times for dim in ("", *(f", {quoted(column.name)}" for column in dims))]
    grain, day = _grained(layer)
    totals = ["count(*)::numeric AS n", *(f"sum({quoted(c.name)}::numeric) AS s{i}" for i, c in enumerate(sums))]
    ward = _located(layer, on_day) if on_day else "ward_code"
    inner = [f"{ward} AS ward", *_days(layer), *(quoted(c.name) for c in (*dims, *sums))]
    rows = [_measure(layer, None, "n"), *(_measure(layer, column, f"s{i}") for i, column in enumerate(sums))]
    return f"""
        SELECT m.measure, g.dim, g.value, g.ward, g.grain, g.day, m.amount, least(g.level, m.level) AS level
        FROM (
            SELECT ward, {grain} AS grain, {day} AS day, {_told(dims)}, {", ".join(totals)}
            FROM (SELECT {", ".join(inner)} FROM {source} AS feature) AS rows
            GROUP BY GROUPING SETS ({", ".join(sets)})
        ) AS g
        CROSS JOIN LATERAL (VALUES {", ".join(rows)}) AS m (measure, amount, level)
        WHERE m.amount <> 0"""


def _located(layer: Layer, on_day: str) -> str:
    """The unit of a day that holds a feature; on a shared border the lowest code, as for the wards of today."""
    place = "feature.geom" if layer.geometry == "Point" else "ST_PointOnSurface(feature.geom)"
    held = f"p.on_day = {on_day} AND ST_Intersects(p.geom, {place})"
    return f"(SELECT min(p.code) FROM citymap.area_piece AS p WHERE {held})"


def _told(dims: tuple[Column, ...]) -> str:
    """Which dimension a group is of, its code, and who may see it: of two levels the least, `internal`, holds."""
    if not dims:
        return "'' AS dim, NULL::text AS value, 'public' AS level"
    parts: dict[str, list[str]] = {"dim": [], "value": [], "level": []}
    for column in dims:
        when = f"WHEN GROUPING({quoted(column.name)}) = 0 THEN"
        parts["dim"].append(f"{when} {literal(column.name)}")
        parts["value"].append(f"{when} {quoted(column.name)}::text")
        parts["level"].append(f"{when} {literal(column.access.level)}")
    ends = {"dim": "''", "value": "NULL", "level": "'public'"}
    return ", ".join(f"CASE {' '.join(whens)} ELSE {ends[name]} END AS {name}" for name, whens in parts.items())


def _measure(layer: Layer, column: Column | None, total: str) -> str:
    name, level = (column.name, column.access.level) if column else (COUNT, "public")
    level = "internal" if "internal" in (level, layer.access.level) else "public"
    return f"({literal(name)}, {total}, {literal(level)})"


def _days(layer: Layer) -> list[str]:
    """The day of a feature and the first ones of its month and year, where the layer keeps time."""
    if layer.time is None:
        return []
    column = layer.by_name[layer.time]
    moment = column.type == "datetime"
    day = f"({quoted(column.name)} AT TIME ZONE {literal(CITY_TIME)})::date" if moment else quoted(column.name)
    firsts = (f"date_trunc('{grain}', {day}::timestamp)::date AS {grain}" for grain in ("month", "year"))
    return [f"{day} AS day", *firsts]


def _grained(layer: Layer) -> tuple[str, str]:
    """How finely in time a group counts, and its day: none, the first one of its year or month, itself."""
    if layer.time is None:
        return "'all'", "NULL::date"
    grains = " ".join(f"WHEN GROUPING({grain}) = 0 THEN '{grain}'" for grain in GRAINS[1:])
    days = " ".join(f"WHEN GROUPING({grain}) = 0 THEN {grain}" for grain in GRAINS[1:])
    return f"CASE {grains} ELSE 'all' END", f"CASE {days} END"


def _functions(layer: Layer) -> list[str]:
    """The differences of a change, by ward code and by place on each day that the layer is counted on.

    A change of many rows would look each of them up in old outlines: then these counts are void, to be built again."""
    name, own = _function(layer), literal(layer.name)
    added, taken = _added(layer, "fresh"), _added(layer, "stale", sign="-")
    put, got = _added(layer, "fresh", "past"), _added(layer, "stale", "past", sign="-")
    void = f"DELETE FROM citymap.area_count WHERE layer = {own}; DELETE FROM {TABLE} WHERE layer = {own}"
    days = f"SELECT on_day FROM citymap.area_count WHERE layer = {own}"

    def follow_(now: str, then: str, rows: str) -> str:
        return f"""{now};
            IF EXISTS ({days}) AND (SELECT count(*) FROM {rows}) > {MANY} THEN
                {void} AND on_day IS NOT NULL;
            END IF;
            FOR past IN {days} LOOP {then}; END LOOP;"""

    return [
        f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $tally$
        DECLARE
            past date;
        BEGIN
            CASE TG_OP
                WHEN 'INSERT' THEN {follow_(added, put, "fresh")}
                WHEN 'DELETE' THEN {follow_(taken, got, "stale")}
                WHEN 'UPDATE' THEN {follow_(f"{added}; {taken}", f"{put}; {got}", "fresh")}
                ELSE {void};
            END CASE;
            RETURN NULL;
        END $tally$""",
        f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC",
    ]


def _triggers(layer: Layer) -> list[str]:
    fresh, stale = "REFERENCING NEW TABLE AS fresh", "REFERENCING OLD TABLE AS stale"
    referring = {"insert": fresh, "update": f"{stale} NEW TABLE AS fresh", "delete": stale, "truncate": ""}
    return [
        f"CREATE OR REPLACE TRIGGER tally_{event} AFTER {event.upper()} ON {layer.table}"
        f" {seen} FOR EACH STATEMENT EXECUTE FUNCTION {_function(layer)}()"
        for event, seen in referring.items()
    ]


def _function(layer: Layer) -> str:
    return f"citymap.{quoted(f'tally {layer.name}')}"
