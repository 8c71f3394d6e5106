"""The layer `petitions` follows the records, and the monitor's counts follow the layer: DDL of the triggers.

A change of records changes the layer in its own transaction; a change of the layer adds rows with the difference that
it made to the counts. So figures are what a recount would give, whatever was committed, killed or rolled back."""

from __future__ import annotations

from itertools import combinations

from mapserver.layer import Layer
from mapserver.systems.petitions.rules import LAYER
from mapserver.tables import literal, quoted
from mapserver.tallies import CITY_TIME

RECORDS, TALLY = "citymap.petition", "citymap.petition_tally"
DIMENSIONS = ("field", "unit", "ward_code", "channel")
"""What figures may be told apart by, in the order in which two of them are named together."""
SETS = ((), *((one,) for one in DIMENSIONS), *combinations(DIMENSIONS, 2))
_DAY = f"({{0}} AT TIME ZONE {literal(CITY_TIME)})::date"
_MARKS = "due, late, days, again"
_DRAWN = {
    "closed_on": _DAY.format("r.closed_at"),
    "late": f"coalesce({_DAY.format('r.closed_at')}, {_DAY.format('now()')}) > r.due_on",
}
"""Columns of the layer that are made of others of the record; the rest bear the same name."""


def follow(layer: Layer) -> list[str]:
    """Statements that make layer and counts follow the records, and catch up with them; they may be run again."""
    if layer.system != LAYER:
        return []
    return [*_drawing(layer), *_counting(layer), *_caught_up(layer)]


def counts(source: str) -> str:
    """A query over rows of the layer: (grain, dims, a, b, day, due, late, days, again, amount)."""
    whole = ", ".join(quoted(name) for name in DIMENSIONS)
    grains = {"d": [s for s in SETS if len(s) < 2], "m": SETS}
    sets = [f"({', '.join([day, *map(quoted, dims), _MARKS])})" for day, all_ in grains.items() for dims in all_]
    known = {dims: _mask(dims) for dims in SETS}
    names = " ".join(f"WHEN {mask} THEN {literal(','.join(dims))}" for dims, mask in known.items())
    firsts = " ".join(f"WHEN {known[dims]} THEN {quoted(dims[0])}" for dims in SETS if dims)
    seconds = " ".join(f"WHEN {known[dims]} THEN {quoted(dims[1])}" for dims in SETS if len(dims) > 1)
    return f"""
        SELECT CASE WHEN GROUPING(d) = 0 THEN 'day' ELSE 'month' END AS grain, CASE mask {names} END AS dims,
               CASE mask {firsts} END AS a, CASE mask {seconds} END AS b,
               coalesce(d, m) AS day, {_MARKS}, amount
        FROM (
            SELECT d, m, {whole}, {_MARKS}, GROUPING({whole}) AS mask, count(*) AS amount
            FROM (
                SELECT {whole}, {_DAY.format("received_at")} AS d,
                       date_trunc('month', {_DAY.format("received_at")})::date AS m,
                       CASE WHEN closed_on IS NULL THEN due_on END AS due, closed_on > due_on AS late,
                       closed_on - {_DAY.format("received_at")} AS days, reopened AS again
                FROM {source} AS feature
            ) AS rows
            GROUP BY GROUPING SETS ({", ".join(sets)})
        ) AS counted""".replace("GROUPING(d) = 0", "d IS NOT NULL")


def differences(layer: Layer) -> str:
    """A query for every count that is not what a recount gives: nothing, or something is broken."""
    key = f"grain, dims, a, b, day, {_MARKS}"
    kept = f"SELECT {key}, sum(amount)::bigint AS amount FROM {TALLY} GROUP BY {key} HAVING sum(amount) <> 0"
    true = f"SELECT {key}, amount FROM ({counts(layer.table)}) AS counts"
    return f"({kept} EXCEPT {true}) UNION ALL ({true} EXCEPT {kept})"


def late_now(layer: Layer) -> str:
    """A statement that marks open petitions whose day has passed since they were drawn."""
    return (
        f"UPDATE {layer.table} SET late = true WHERE closed_on IS NULL AND NOT late AND due_on < {_DAY.format('now()')}"
    )


def _mask(dims: tuple[str, ...]) -> int:
    """What GROUPING gives for the dimensions of a set: a bit is 1 for each that is left out."""
    return sum(1 << place for place, name in enumerate(reversed(DIMENSIONS)) if name not in dims)


def _columns(layer: Layer) -> dict[str, str]:
    """SQL of each column of the layer, over a record called `r`."""
    return {name: _DRAWN.get(name, f"r.{quoted(name)}") for name in [*layer.by_name, "geom"]}


def _drawing(layer: Layer) -> list[str]:
    columns = _columns(layer)
    names, values = ", ".join(map(quoted, columns)), ", ".join(columns.values())
    drawn = ", ".join(f"t.{quoted(name)}" for name in columns)
    draw = f"""
        CREATE OR REPLACE FUNCTION citymap.draw_petitions() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $draw$
        BEGIN
            CASE TG_OP
                WHEN 'INSERT' THEN
                    INSERT INTO {layer.table} (id, {names}) SELECT r.id, {values} FROM fresh AS r;
                WHEN 'UPDATE' THEN
                    UPDATE {layer.table} AS t SET ({names}) = ROW({values})
                    FROM fresh AS r
                    WHERE r.id = t.id AND ROW({drawn}) IS DISTINCT FROM ROW({values});
                WHEN 'DELETE' THEN DELETE FROM {layer.table} AS t USING stale AS r WHERE r.id = t.id;
                ELSE TRUNCATE {layer.table};
            END CASE;
            RETURN NULL;
        END $draw$"""
    # the wards of today are assigned in the layer: the record is told, and that is not drawn again
    back = f"""
        CREATE OR REPLACE FUNCTION citymap.petitions_moved() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $moved$
        BEGIN
            IF pg_trigger_depth() = 1 THEN
                UPDATE {RECORDS} AS r SET ward_code = t.ward_code
                FROM fresh AS t
                WHERE r.id = t.id AND r.ward_code IS DISTINCT FROM t.ward_code;
            END IF;
            RETURN NULL;
        END $moved$"""
    moved = (
        f"CREATE OR REPLACE TRIGGER moved AFTER UPDATE ON {layer.table} REFERENCING NEW TABLE AS fresh"
        " FOR EACH STATEMENT EXECUTE FUNCTION citymap.petitions_moved()"
    )
    closed = "REVOKE ALL ON FUNCTION citymap.draw_petitions(), citymap.petitions_moved() FROM PUBLIC"
    return [draw, back, closed, *_triggers("draw", RECORDS, "citymap.draw_petitions()"), moved]


def _counting(layer: Layer) -> list[str]:
    into = f"INSERT INTO {TALLY} (grain, dims, a, b, day, {_MARKS}, amount) SELECT grain, dims, a, b, day, {_MARKS}, "
    added, taken = (f"{into}{sign}amount FROM ({counts(rows)}) AS c" for sign, rows in (("", "fresh"), ("-", "stale")))
    count = f"""
        CREATE OR REPLACE FUNCTION citymap.count_petitions() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $count$
        BEGIN
            CASE TG_OP
                WHEN 'INSERT' THEN {added};
                WHEN 'DELETE' THEN {taken};
                WHEN 'UPDATE' THEN {added}; {taken};
                ELSE DELETE FROM {TALLY};
            END CASE;
            RETURN NULL;
        END $count$"""
    closed = "REVOKE ALL ON FUNCTION citymap.count_petitions() FROM PUBLIC"
    return [count, closed, *_triggers("count", layer.table, "citymap.count_petitions()")]


def _triggers(name: str, table: str, function: str) -> list[str]:
    fresh, stale = "REFERENCING NEW TABLE AS fresh", "REFERENCING OLD TABLE AS stale"
    referring = {"insert": fresh, "update": f"{stale} NEW TABLE AS fresh", "delete": stale, "truncate": ""}
    return [
        f"CREATE OR REPLACE TRIGGER {name}_{event} AFTER {event.upper()} ON {table}"
        f" {seen} FOR EACH STATEMENT EXECUTE FUNCTION {function}"
        for event, seen in referring.items()
    ]


def _caught_up(layer: Layer) -> list[str]:
    """The layer as the records have it, where it was made anew; and its counts."""
    columns = _columns(layer)
    missing = f"NOT EXISTS (SELECT FROM {layer.table} AS t WHERE t.id = r.id)"
    return [
        f"INSERT INTO {layer.table} (id, {', '.join(map(quoted, columns))})"
        f" SELECT r.id, {', '.join(columns.values())} FROM {RECORDS} AS r WHERE {missing}",
        f"DELETE FROM {TALLY}",
        f"INSERT INTO {TALLY} (grain, dims, a, b, day, {_MARKS}, amount) {counts(layer.table)}",
    ]
