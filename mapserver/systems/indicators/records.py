"""The dictionary, targets and observations as values, and the SQL that adds and reads them: rows are never overwritten.

Nothing here runs anything; figures are decimals from the cell to the answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import orjson

from mapserver.filters import Arguments
from mapserver.periods import Period
from mapserver.statements import Statement

Measure = Literal["count", "rate", "score", "median", "rank"]
Status = Literal["provisional", "final", "revised"]
STATUSES: tuple[Status, ...] = ("provisional", "final", "revised")
"""In the order in which one outranks another."""
CITY = "_T"
"""What stands for the city as a whole where an area's code stands."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One entry of the dictionary. per: what a rate is told per (100, 1000); due_days: after the end of a period.

    flow: whether values add up over time, as births do and inhabitants do not. version: rises with every change."""

    code: str
    title: str
    title_en: str | None
    group_code: str
    unit: str
    measure: Measure
    per: float = 100
    formula: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    better: Literal["higher", "lower"] | None = None
    frequency: Literal["month", "quarter", "year"] = "month"
    flow: bool = False
    agency: str | None = None
    legal_basis: str | None = None
    due_days: int = 10
    version: int = 1

    @property
    def additive(self) -> bool:
        """Whether it adds up over areas."""
        return self.measure == "count"

    def json(self) -> dict[str, object]:
        """As the doors tell it."""
        return {**asdict(self), "additive": self.additive}


@dataclass(frozen=True, slots=True)
class Observation:
    """One figure of one area version (None: the city) and period. number: its id, 0 before it is kept."""

    indicator: str
    area: int | None
    period: Period
    status: Status
    value: Decimal
    numerator: Decimal | None = None
    denominator: Decimal | None = None
    number: int = 0
    current: bool = True
    at: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What is planned of one area version (None: the city) for a period."""

    indicator: str
    area: int | None
    period: Period
    value: Decimal


COLUMNS = (
    "code", "title", "title_en", "group_code", "unit", "measure", "per", "formula", "numerator", "denominator",
    "better", "frequency", "flow", "agency", "legal_basis", "due_days",
)  # fmt: skip
_DICTIONARY = """
    SELECT row_to_json(i)::text FROM (
        SELECT code, title, title_en, group_code, unit, measure, per::float8 AS per, formula, numerator, denominator,
               better, frequency, flow, agency, legal_basis, due_days, version
        FROM citymap.indicator
    ) AS i"""
_TYPES = (
    "code text, title text, title_en text, group_code text, unit text, measure text, per numeric, formula text,"
    " numerator text, denominator text, better text, frequency text, flow boolean, agency text, legal_basis text,"
    " due_days integer"
)


def dictionary() -> Statement:
    """Rows (JSON of an indicator), by group and code."""
    return Statement(f"{_DICTIONARY} ORDER BY i.group_code, i.code")


def entry(code: str) -> Statement:
    """The row (JSON) of one indicator, or none."""
    return Statement(f"{_DICTIONARY} WHERE i.code = $1::text", (code.encode(),))


def indicator_of(row: bytes | str) -> Indicator:
    """An indicator out of a row of `dictionary`."""
    return Indicator(**json.loads(row))


def entered(entries: Iterable[Indicator], who: str, *, version: int | None = None) -> Statement:
    """Rows (code, version) of entries added or changed. version: the one that a change is of; None changes any.

    An entry that says nothing new keeps its version."""
    arguments = Arguments()
    given = arguments.add(json.dumps([asdict(one) for one in entries], default=str), "jsonb")
    name = arguments.add(who, "text")
    told = ", ".join(COLUMNS)
    new = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])
    old, now = (", ".join(f"{row}.{column}" for column in COLUMNS) for row in ("i", "excluded"))
    differs = f"({old}) IS DISTINCT FROM ({now})"
    held = f" AND i.version = {arguments.add(version, 'int')}" if version is not None else ""
    return Statement(
        f"""
        INSERT INTO citymap.indicator AS i ({told}, who)
        SELECT {told}, {name} FROM jsonb_to_recordset({given}) AS g ({_TYPES})
        ON CONFLICT (code) DO UPDATE SET {new}, version = i.version + 1, changed_at = now(), who = excluded.who
        WHERE {differs}{held}
        RETURNING code, version::text""",
        tuple(arguments.values),
    )


def created(one: Indicator, who: str) -> Statement:
    """One row (code, version) when there was no such indicator; none when there was."""
    made = entered((one,), who)
    return Statement(made.sql[: made.sql.index("ON CONFLICT")] + "ON CONFLICT DO NOTHING RETURNING code, version::text",
                     made.arguments)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures come from. checksum: SHA-256 of the file."""

    name: str
    checksum: str
    who: str
    synthetic: bool = False


ONE_AT_A_TIME = Statement(
    "SELECT '0', '0' || pg_advisory_xact_lock(hashtextextended('indicator_observation', 3))::text"
)
"""One row (0, 0). Before figures are added: so that of two who send the same at once one finds it there already."""


def observed(rows: Iterable[Observation], source: Source) -> Statement:
    """One row (number of the import, how many were new): what says the same as is known in its status adds nothing."""
    given = [
        {"indicator": o.indicator, "area": o.area, "first_day": o.period.first, "last_day": o.period.last,
         "period": o.period.text, "status": o.status, "value": o.value, "numerator": o.numerator,
         "denominator": o.denominator} for o in rows
    ]  # fmt: skip
    return _added("indicator_observation", given, source, ("status", "value", "numerator", "denominator"))


def planned(rows: Iterable[Target], source: Source) -> Statement:
    """One row (number of the import, how many were new)."""
    given = [
        {"indicator": t.indicator, "area": t.area, "first_day": t.period.first, "last_day": t.period.last,
         "period": t.period.text, "value": t.value} for t in rows
    ]  # fmt: skip
    return _added("indicator_target", given, source, ("value",))


def _added(table: str, given: list[dict[str, Any]], source: Source, said: tuple[str, ...]) -> Statement:
    arguments = Arguments()
    rows = arguments.add(json.dumps(given, default=str), "jsonb")
    who = [arguments.add(text, "text") for text in (source.name, source.checksum, source.who)]
    synthetic = "true" if source.synthetic else "false"
    kinds = {"status": "text"}
    types = ", ".join(f"{name} {kinds.get(name, 'numeric')}" for name in said)
    told, same = ", ".join(said), " AND o.status = g.status" if "status" in said else ""
    key = "indicator, area, first_day, last_day, period"
    old, new = (", ".join(f"{row}.{name}" for name in said) for row in ("o", "g"))
    return Statement(
        f"""
        WITH g AS MATERIALIZED (
            SELECT * FROM jsonb_to_recordset({rows}) AS g (indicator text, area bigint, first_day date, last_day date,
                                                          period text, {types})
        ), made AS (
            INSERT INTO citymap.indicator_import (source, checksum, who, synthetic)
            VALUES ({", ".join(who)}, {synthetic}) RETURNING id
        ), put AS (
            INSERT INTO citymap.{table} ({key}, {told}, import)
            SELECT {key}, {told}, made.id FROM g, made
            WHERE NOT coalesce((
                SELECT ROW({old}) IS NOT DISTINCT FROM ROW({new}) FROM citymap.{table} AS o
                WHERE o.indicator = g.indicator AND o.area IS NOT DISTINCT FROM g.area
                AND o.first_day = g.first_day AND o.last_day = g.last_day{same}
                ORDER BY o.id DESC LIMIT 1), false)
            RETURNING 1
        )
        SELECT (SELECT id FROM made)::text, (SELECT count(*) FROM put)::text""",
        tuple(arguments.values),
    )


_OBSERVED = """
    SELECT json_build_array(indicator, area, first_day, last_day, period, status, value::text, numerator::text,
                            denominator::text, id, current,
                            to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text
    FROM citymap.indicator_observation AS o"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which observations are meant. areas: uids (None in it: the city), or everywhere; days: both ends, by overlap."""

    indicator: str | None = None
    areas: tuple[int | None, ...] | None = None
    first: date | None = None
    last: date | None = None
    all_versions: bool = False


def observations(wanted: Wanted) -> Statement:
    """Rows (JSON for `observation_of`), the oldest period first."""
    where, arguments = _where(wanted)
    conditions = where if wanted.all_versions else [*where, "o.current"]
    clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Statement(f"{_OBSERVED}{clause} ORDER BY indicator, first_day, last_day, area, id", tuple(arguments.values))


def observation_of(row: bytes | str) -> Observation:
    """An observation out of a row of `observations`."""
    code, area, first, last, text, status, value, above, below, number, current, at = orjson.loads(row)
    figures = (Decimal(value), _decimal(above), _decimal(below))
    return Observation(code, area, _period(first, last, text), status, *figures, number, current, at)


def targets(wanted: Wanted) -> Statement:
    """Rows (JSON for `target_of`) of the targets that hold, the oldest period first."""
    where, arguments = _where(wanted)
    sql = (
        "SELECT json_build_array(indicator, area, first_day, last_day, period, value::text)::text"
        " FROM citymap.indicator_target AS o WHERE " + " AND ".join([*where, "o.current"])
    )
    return Statement(f"{sql} ORDER BY indicator, first_day, area", tuple(arguments.values))


def target_of(row: bytes | str) -> Target:
    """A target out of a row of `targets`."""
    code, area, first, last, text, value = orjson.loads(row)
    return Target(code, area, _period(first, last, text), Decimal(value))


@lru_cache(4096)
def _period(first: str, last: str, text: str) -> Period:
    return Period(date.fromisoformat(first), date.fromisoformat(last), text)


def _where(wanted: Wanted) -> tuple[list[str], Arguments]:
    arguments, conditions = Arguments(), list[str]()
    if wanted.indicator is not None:
        conditions.append(f"o.indicator = {arguments.add(wanted.indicator, 'text')}")
    if wanted.areas is not None:
        uids = ",".join(str(uid) for uid in wanted.areas if uid is not None)
        known = f"o.area = ANY ({arguments.add('{' + uids + '}', 'bigint[]')})"
        conditions.append(f"({known} OR o.area IS NULL)" if None in wanted.areas else known)
    for sign, column, day in (("<=", "first_day", wanted.last), (">=", "last_day", wanted.first)):
        if day is not None:
            conditions.append(f"o.{column} {sign} {arguments.add(day, 'date')}")
    return conditions, arguments


def _decimal(text: str | None) -> Decimal | None:
    return Decimal(text) if text is not None else None


DATA_VERSION = Statement("SELECT coalesce(max(id), 0)::text FROM citymap.indicator_import")
"""One row: the newest import, which is the version of the data."""
LATEST = """
    SELECT period, first_day::text, last_day::text FROM citymap.indicator_observation
    WHERE current AND ($1::text IS NULL OR indicator = $1::text) ORDER BY last_day DESC, first_day DESC LIMIT 1"""
"""One row (period, its ends): the newest that anything is known of."""
