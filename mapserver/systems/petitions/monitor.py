"""Figures of how petitions are handled, out of kept counts: received, handled, open, late, days, reopened, ageing.

Every figure carries the filter of the layer `petitions` that finds exactly the petitions behind it. Told apart by two
things at once, figures are of whole months; by one or none, of any days. Nothing here runs anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal

from mapserver import parameters
from mapserver.errors import BadQuery
from mapserver.filters import Arguments
from mapserver.statements import Statement
from mapserver.systems.petitions.drawing import DIMENSIONS, TALLY

Step = Literal["day", "week", "month", "quarter", "year"]
STEPS: tuple[Step, ...] = ("day", "week", "month", "quarter", "year")
NAMES = {"field": "field", "unit": "unit", "ward": "ward_code", "channel": "channel"}
"""What figures may be told apart by, and the column of the layer."""
PARAMETERS = ("by", *NAMES, "datetime", "asOf", "rank", "f", "lang")
AGES = ((0, 5), (6, 10), (11, 30), (31, None))
"""Ageing buckets: days since an open petition was received, both ends included."""
RANKS = ("received", "open", "late", "onTimeRate", "medianDays", "p90Days", "reopenRate")


@dataclass(frozen=True, slots=True)
class MonitorQuery:
    """What is asked. by: what figures are told apart by; where: (dimension, value); first, last: days of receipt."""

    by: str | None
    step: Step | None
    where: tuple[tuple[str, str], ...]
    first: date | None
    last: date | None
    on: date
    rank: str | None = None

    @property
    def dims(self) -> tuple[str, ...]:
        """Columns that the question needs counts of, in their order."""
        named = {NAMES[name] for name, _ in self.where} | ({NAMES[self.by]} if self.by else set())
        return tuple(name for name in DIMENSIONS if name in named)


def monitor_query(given: Mapping[str, str], today: date) -> MonitorQuery:
    """The question of `/petitions/monitor`. Raises BadQuery naming the parameter."""
    parameters.known(given, PARAMETERS)
    by, step = _groups(given.get("by", ""))
    where = tuple((name, given[name]) for name in NAMES if name in given)
    first, last = _days(given)
    query = MonitorQuery(by, step, where, first, last, _day("asOf", given.get("asOf")) or today, _rank(given))
    if len(query.dims) > 2 or (by and any(name == by for name, _ in where)):
        raise BadQuery("by", f"takes at most two of {', '.join(NAMES)} together with the filters, each once")
    if len(query.dims) == 2:
        _whole_months(query)
    return query


def _groups(text: str) -> tuple[str | None, Step | None]:
    """`field`, `month` or `field,month`."""
    names = [name for name in text.split(",") if name]
    dims, steps = [n for n in names if n in NAMES], [s for s in STEPS if s in names]
    strange = next((n for n in names if n not in NAMES and n not in STEPS), None)
    if strange is not None or len(dims) > 1 or len(steps) > 1:
        got = f", got {strange[:40]!r}" if strange else ""
        raise BadQuery("by", f"takes one of {', '.join(NAMES)} and one of {', '.join(STEPS)}{got}")
    return (dims[0] if dims else None), (steps[0] if steps else None)


def _days(given: Mapping[str, str]) -> tuple[date | None, date | None]:
    """First and last day of receipt, of the city."""
    interval = parameters.interval(given.get("datetime"))
    if interval is None:
        return None, None
    for end in (interval.start, interval.end):
        if isinstance(end, datetime):
            raise BadQuery("datetime", "needs whole days, such as 2026-01-01/2026-03-31")
    return interval.start, interval.end


def _day(name: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise BadQuery(name, f"needs a day such as 2026-06-30, got {text!r:.40}") from None


def _rank(given: Mapping[str, str]) -> str | None:
    rank = given.get("rank")
    if rank is not None and rank.lstrip("-") not in RANKS:
        raise BadQuery("rank", f"needs one of {', '.join(RANKS)}, with - before it for the greatest first")
    return rank


def _whole_months(query: MonitorQuery) -> None:
    starts = query.first is None or query.first.day == 1
    ends = query.last is None or (query.last + timedelta(days=1)).day == 1
    if not (starts and ends) or query.step in ("day", "week"):
        raise BadQuery("datetime", "needs whole months where figures are told apart by two things at once")


def figures(query: MonitorQuery) -> Statement:
    """Rows (group, period, due, late, days, again, amount): a few for each group, whatever the number of petitions."""
    arguments = Arguments()
    dims, place = query.dims, dict(zip(query.dims, ("a", "b"), strict=False))
    group = place[NAMES[query.by]] if query.by else "NULL::text"
    moment = f"date_trunc('{query.step}', day)::date::text" if query.step else "NULL::text"
    conditions = [f"dims = {arguments.add(','.join(dims), 'text')}"]
    conditions += [f"{place[NAMES[name]]} = {arguments.add(value, 'text')}" for name, value in query.where]
    conditions.append(_when(query, arguments))
    sql = f"""
        SELECT {group}, {moment}, due::text, late::text, days::text, again::text, sum(amount)::text
        FROM {TALLY}
        WHERE {" AND ".join(conditions)}
        GROUP BY 1, 2, due, late, days, again
        HAVING sum(amount) <> 0"""
    return Statement(sql, tuple(arguments.values))


def _when(query: MonitorQuery, arguments: Arguments) -> str:
    """Whole months by the counts of months, the days at either end by those of days."""
    if len(query.dims) == 2 or (query.step in ("month", "quarter", "year") and _bare(query)):
        return f"grain = 'month'{_between(query.first, query.last, arguments)}"
    if query.step in ("day", "week"):
        return f"grain = 'day'{_between(query.first, query.last, arguments)}"
    inner_first, inner_last = _first_whole(query.first), _last_whole(query.last)
    if inner_first is not None and inner_last is not None and inner_first > inner_last:
        return f"grain = 'day'{_between(query.first, query.last, arguments)}"
    parts = [f"(grain = 'month'{_between(inner_first, inner_last, arguments)})"]
    if inner_first is not None and query.first != inner_first:
        parts.append(f"(grain = 'day'{_between(query.first, inner_first - timedelta(days=1), arguments)})")
    if inner_last is not None and query.last != inner_last:
        parts.append(f"(grain = 'day'{_between(inner_last + timedelta(days=1), query.last, arguments)})")
    return f"({' OR '.join(parts)})"


def _bare(query: MonitorQuery) -> bool:
    return query.first is None and query.last is None


def _between(first: date | None, last: date | None, arguments: Arguments) -> str:
    text = f" AND day >= {arguments.add(first, 'date')}" if first is not None else ""
    return text + (f" AND day <= {arguments.add(last, 'date')}" if last is not None else "")


def _first_whole(day: date | None) -> date | None:
    """The first day of the first month that lies wholly behind a day."""
    if day is None or day.day == 1:
        return day
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _last_whole(day: date | None) -> date | None:
    """The last day of the last month that is over on a day."""
    if day is None or (day + timedelta(days=1)).day == 1:
        return day
    return day.replace(day=1) - timedelta(days=1)


def ages(query: MonitorQuery) -> Statement | None:
    """Rows (group, day, amount) of open petitions by day of receipt; None where only months are known."""
    if len(query.dims) == 2:
        return None
    arguments = Arguments()
    group = "a" if query.by else "NULL::text"
    conditions = [f"dims = {arguments.add(','.join(query.dims), 'text')}", "due IS NOT NULL", "grain = 'day'"]
    conditions += [f"a = {arguments.add(value, 'text')}" for _, value in query.where]
    extra = _between(query.first, query.last, arguments)
    sql = (
        f"SELECT {group}, day::text, sum(amount)::text FROM {TALLY} WHERE {' AND '.join(conditions)}{extra}"
        " GROUP BY 1, 2 HAVING sum(amount) <> 0"
    )
    return Statement(sql, tuple(arguments.values))


@dataclass(slots=True)
class Figures:
    """The figures of one group: counts add up; rates and quantiles are made of counts."""

    received: int = 0
    handled: int = 0
    in_time: int = 0
    late_handled: int = 0
    late_open: int = 0
    reopened: int = 0
    days: dict[int, int] = field(default_factory=dict)
    ages: list[int] | None = None

    @property
    def open(self) -> int:
        return self.received - self.handled

    @property
    def late(self) -> int:
        """Answered after it was due, or open and past due."""
        return self.late_handled + self.late_open

    @property
    def decided(self) -> int:
        """Those of whom it is known whether they were in time: all but the open ones that are not due yet."""
        return self.handled + self.late_open

    def quantile(self, share: float) -> int | None:
        """Days from receipt to answer that this share of the handled took at most (inverted CDF); exact."""
        wanted, seen = math.ceil(share * self.handled - 1e-9), 0
        for days in sorted(self.days):
            seen += self.days[days]
            if seen >= max(wanted, 1):
                return days
        return None

    def json(self) -> dict[str, object]:
        said: dict[str, object] = {
            "received": self.received, "handled": self.handled, "open": self.open, "late": self.late,
            "lateHandled": self.late_handled, "lateOpen": self.late_open,
            "onTimeRate": _share(self.in_time, self.decided), "onTimeOf": self.decided,
            "medianDays": self.quantile(0.5), "p90Days": self.quantile(0.9),
            "reopened": self.reopened, "reopenRate": _share(self.reopened, self.received),
        }  # fmt: skip
        return said | ({"ageing": dict(zip(map(_bucket, AGES), self.ages, strict=True))} if self.ages else {})


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _bucket(age: tuple[int, int | None]) -> str:
    return f"{age[0]}-{age[1]}" if age[1] is not None else f"{age[0]}+"


Key = tuple[str | None, str | None]


def told(query: MonitorQuery, rows: Iterable[Sequence[bytes | None]]) -> dict[Key, Figures]:
    """Figures by group and first day of the period, out of the rows of `figures`."""
    found: dict[Key, Figures] = {}
    for row in rows:
        group, period, due, late, days, again, amount = (None if v is None else v.decode() for v in row)
        count, made = int(amount or 0), found.setdefault((group, period), Figures())
        made.received += count
        made.reopened += count if again == "true" else 0
        if due is not None:
            made.late_open += count if due < query.on.isoformat() else 0
            continue
        made.handled += count
        made.in_time += count if late == "false" else 0
        made.late_handled += count if late == "true" else 0
        made.days[int(days or 0)] = made.days.get(int(days or 0), 0) + count
    return found


def aged(query: MonitorQuery, found: dict[Key, Figures], rows: Iterable[Sequence[bytes | None]]) -> None:
    """Ageing buckets of groups without a period."""
    for made in found.values():
        made.ages = [0] * len(AGES)
    for group, day, amount in rows:
        made = found[None if group is None else group.decode(), None]
        age = max(0, (query.on - date.fromisoformat((day or b"").decode())).days)
        at = next(at for at, (least, most) in enumerate(AGES) if age >= least and (most is None or age <= most))
        if made.ages is not None:
            made.ages[at] += int(amount or 0)


def behind(query: MonitorQuery, key: Key) -> dict[str, str]:
    """For each figure the parameters of `/collections/petitions/items` that find exactly the petitions behind it."""
    parts = [_equal(NAMES[name], value) for name, value in query.where]
    parts += [_equal(NAMES[query.by], key[0])] if query.by else []
    first, last = _span(query, key[1])
    parts += [f"received_at >= TIMESTAMP('{_midnight(first)}')"] if first else []
    parts += [f"received_at < TIMESTAMP('{_midnight(last + timedelta(days=1))}')"] if last else []
    closed, late_open = "closed_on IS NOT NULL", f"closed_on IS NULL AND due_on < DATE('{query.on}')"
    further = {
        "received": "", "handled": closed, "open": "closed_on IS NULL",
        "lateHandled": f"{closed} AND closed_on > due_on",
        "lateOpen": late_open, "late": f"(closed_on > due_on OR ({late_open}))", "reopened": "reopened = TRUE",
    }  # fmt: skip
    return {name: " AND ".join([*parts, *([more] if more else [])]) for name, more in further.items()}


def _equal(column: str, value: str | None) -> str:
    return f"{column} IS NULL" if value is None else f"{column} = '{value.replace(chr(39), chr(39) * 2)}'"


def _midnight(day: date) -> str:
    """The first moment of a day of the city (UTC+7, without summer time), in UTC."""
    return (datetime(day.year, day.month, day.day) - timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _span(query: MonitorQuery, period: str | None) -> tuple[date | None, date | None]:
    """The days of a period, within those that were asked for."""
    if period is None or query.step is None:
        return query.first, query.last
    start = date.fromisoformat(period)
    end = _after(start, query.step) - timedelta(days=1)
    return max(start, query.first or start), min(end, query.last or end)


def _after(start: date, step: Step) -> date:
    """The first day after a period."""
    if step in ("day", "week"):
        return start + timedelta(days=1 if step == "day" else 7)
    months = {"month": 1, "quarter": 3, "year": 12}[step]
    years, month = divmod(start.month - 1 + months, 12)
    return date(start.year + years, month + 1, 1)


def ranked(query: MonitorQuery, found: dict[Key, Figures]) -> list[tuple[Key, Figures]]:
    """The groups in the order that was asked for, else by name and period; who has no such figure comes last."""
    rows = sorted(found.items(), key=lambda item: (item[0][1] or "", item[0][0] or "\uffff"))
    if query.rank is None:
        return rows
    name, down = query.rank.lstrip("-"), query.rank.startswith("-")

    def place(item: tuple[Key, Figures]) -> tuple[bool, float]:
        value = item[1].json()[name]
        number = float(value) if isinstance(value, int | float) else 0.0
        return value is None, -number if down else number

    return sorted(rows, key=place)
