"""Sheets that departments send, as observations and targets: wide (a row a ward, a column a month) or long.

Every cell that is not right is told by its place in the file, and a ward that may be several is asked about; a sheet
with one such cell gives nothing to keep. Nothing here knows SQL or HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property

from openpyxl.utils import get_column_letter

from mapserver import spreadsheets
from mapserver.area_names import Directory, Match
from mapserver.areas import Area, Areas
from mapserver.errors import BadQuery
from mapserver.periods import Period, period
from mapserver.sheets import CODE, NAME, PARENT, code_of, number_of
from mapserver.systems.indicators.records import CITY, STATUSES, Indicator, Observation, Status, Target
from mapserver.text import folded

Cells = Mapping[str, object]
FREQUENCY_DAYS = {"month": (28, 31), "quarter": (90, 92), "year": (365, 366)}
YEARS = range(1900, 2201)
"""Years that a period may be in."""
MOST_DIGITS = 30
"""Digits before or behind the point that a figure may have."""
EMPTY = ("", "-", "–", "—", "…", "...", "x", "nan", "n/a", "none")
"""What stands in a cell that was not filled in."""
_BARE_MONTH = re.compile(r"^(?:thang|t)0*(\d{1,2})$")
_LONG: Mapping[str, tuple[str, ...]] = {
    "indicator": ("indicator", "machitieu", "chitieu", "indicatorcode"),
    "period": ("period", "ky", "kybaocao", "thoigian", "thang", "quy", "nam", "time", "timeperiod"),
    "value": ("value", "giatri", "solieu", "obsvalue"),
    "numerator": ("numerator", "tuso"),
    "denominator": ("denominator", "mauso"),
    "status": ("status", "tinhtrang", "tinhtrangsolieu"),
    "target": ("target", "plan", "kehoach"),
    **{"code": CODE, "name": NAME, "parent": PARENT},
}
_STATUS_WORDS: Mapping[str, Status] = {
    "provisional": "provisional", "sobo": "provisional", "uoc": "provisional", "final": "final",
    "chinhthuc": "final", "revised": "revised", "dieuchinh": "revised",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell that is not right: its place as office programs name it, its column, and what would be right."""

    place: str
    column: str
    reason: str
    candidates: tuple[Area, ...] = ()

    def __str__(self) -> str:
        return f"{self.place} ({self.column}): {self.reason}"


@dataclass(frozen=True, slots=True)
class Wish:
    """How a sheet is meant. indicator: what a wide sheet is of; as_of: on whose boundaries it is, whatever its months.

    year: of headers such as `Tháng 5`; status: of figures whose row says none; plan: the figures are targets."""

    indicator: str | None = None
    status: Status = "provisional"
    as_of: date | None = None
    year: int | None = None
    plan: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What a sheet says. wrong: empty when it may be kept; cells: how many figures were looked at."""

    observations: tuple[Observation, ...]
    targets: tuple[Target, ...]
    wrong: tuple[Cell, ...]
    rows: int
    cells: int
    ignored: tuple[str, ...] = ()
    """Columns that say neither a unit nor a period."""


def read(content: bytes, indicators: Mapping[str, Indicator], areas: Areas, wish: Wish) -> Read:
    """A CSV or XLSX sheet. Raises BadQuery when it is no such table at all."""
    table = spreadsheets.numbered(content)
    headers = [*table[0][1]]
    roles = _roles(headers)
    reader = _Reader(indicators, areas, wish, headers, roles)
    if "period" in roles and "indicator" in roles:
        return reader.long(table)
    return reader.wide(table)


def _roles(headers: Sequence[str]) -> dict[str, str]:
    """Which header is the indicator, the period, the code …"""
    plain, found = {header: folded(header) for header in headers}, dict[str, str]()
    for role, words in _LONG.items():
        header = next((h for word in words for h, p in plain.items() if p == word and h not in found.values()), None)
        if header is not None:
            found[role] = header
    return found


@dataclass(frozen=True, slots=True)
class _Of:
    """Whose figure stands on a line: indicator, unit (None: the city), period."""

    line: int
    indicator: Indicator
    area: int | None
    period: Period


_Made = tuple[Observation | None, Target | None]


@dataclass
class _Reader:
    """One sheet being read."""

    indicators: Mapping[str, Indicator]
    areas: Areas
    wish: Wish
    headers: Sequence[str]
    roles: Mapping[str, str]
    wrong: list[Cell] = field(default_factory=list)
    cells: int = 0
    _directories: dict[date, Directory] = field(default_factory=dict)
    _places: dict[tuple[str, int | None, Period], str] = field(default_factory=dict)

    def wide(self, table: Sequence[tuple[int, Cells]]) -> Read:
        """A row for each unit, a column for each period."""
        one = self.indicators.get(self.wish.indicator or "")
        if one is None:
            known = ", ".join([*self.indicators][:20])
            raise BadQuery("indicator", f"a wide sheet needs the code of its indicator, one of {known}")
        columns = {h: when for h in self.headers if h not in self.roles.values() and (when := self._header(h, one))}
        if not columns:
            raise BadQuery("table", "has no column that is headed by a period, such as 2026-05 or Tháng 5/2026")
        found: list[_Made] = []
        for line, row in table:
            found += self._wide_row(line, row, one, columns)
        told = {*columns, *self.roles.values()}
        return self._read(found, len(table), tuple(h for h in self.headers if h not in told))

    def _wide_row(self, line: int, row: Cells, one: Indicator, columns: Mapping[str, Period]) -> Iterator[_Made]:
        units: dict[str, int | None] = {}
        for header, when in columns.items():
            if str(row[header] if row[header] is not None else "").strip().lower() in EMPTY:
                continue
            unit = self._unit(line, row, when)
            if unit == ():
                return
            units[header] = unit[0].uid if isinstance(unit, tuple) else None
        if len({*units.values()}) > 1:
            crossed = self.areas.reforms_between(*_span([columns[h] for h in units]))
            column = self.roles.get("code") or self.roles.get("name") or ""
            why = f"its months lie on both sides of the reform of {', '.join(map(str, crossed))}; say as_of which day,"
            self._say(line, column, f"{why} or send two sheets")
            return
        for header, unit_uid in units.items():
            figure = self._figure(line, header, row[header])
            if figure is not None:
                of = _Of(line, one, unit_uid, columns[header])
                yield self._made(of, header, (figure, None, None), self.wish.status)

    def long(self, table: Sequence[tuple[int, Cells]]) -> Read:
        """A row for each figure."""
        found = [made for line, row in table if (made := self._long_row(line, row))]
        return self._read(found, len(table))

    def _long_row(self, line: int, row: Cells) -> _Made | None:
        code = str(row[self.roles["indicator"]] or "").strip()
        one = self.indicators.get(code)
        if one is None:
            self._say(line, self.roles["indicator"], f"there is no indicator {code[:40]!r} in the dictionary")
            return None
        when = self._header(str(row[self.roles["period"]] or ""), one)
        if when is None:
            said = str(row[self.roles["period"]])[:40]
            self._say(line, self.roles["period"], f"{said!r} is no {one.frequency}, such as 2026-05 or 2026-Q2")
            return None
        unit = self._unit(line, row, when)
        status = self._status(line, row)
        if unit == () or status is None:
            return None
        uid = unit[0].uid if isinstance(unit, tuple) else None
        figures = {r: self._figure(line, self.roles[r], row[self.roles[r]]) for r in _FIGURES if r in self.roles}
        return self._of_figures(_Of(line, one, uid, when), figures, status)

    def _of_figures(self, of: _Of, figures: Mapping[str, Decimal | None], status: Status) -> _Made | None:
        above, below, value = (figures.get(name) for name in ("numerator", "denominator", "value"))
        if (above is None) != (below is None):
            missing = "numerator" if above is None else "denominator"
            self._say(of.line, self.roles.get(missing, missing), "numerator and denominator come together")
            return None
        if below == 0:
            self._say(of.line, self.roles["denominator"], "a denominator of 0 makes no rate")
            return None
        if value is None and above is not None and below is not None:
            value = Decimal(str(of.indicator.per)) * above / below
        plan = figures.get("target")
        target = Target(of.indicator.code, of.area, of.period, plan) if plan is not None else None
        if value is None:
            return (None, target) if target else None
        made = self._made(of, self.roles.get("value", ""), (value, above, below), status)
        return made[0], target or made[1]

    def _made(
        self, of: _Of, header: str, figures: tuple[Decimal, Decimal | None, Decimal | None], status: Status
    ) -> _Made:
        """The figure, unless another cell says one of the same unit and period."""
        key = (of.indicator.code, of.area, of.period)
        if key in self._places:
            self._say(of.line, header, f"{self._places[key]} tells of the same unit and period already")
            return None, None
        self._places[key] = self._place(of.line, header)
        if self.wish.plan:
            return None, Target(*key, figures[0])
        return Observation(*key, status, *figures), None

    def _header(self, said: str, one: Indicator) -> Period | None:
        """A period of the indicator's frequency; a first day of one stands for it, as workbooks make days of months."""
        bare = _BARE_MONTH.match(folded(said))
        when = period(f"{bare[1]}/{self.wish.year}" if bare and self.wish.year else said.removesuffix(" 00:00:00"))
        if when is not None and when.first == when.last and one.frequency == "month" and when.first.day == 1:
            when = period(f"{when.first:%Y-%m}")
        if when is None or when.first.year not in YEARS:
            return None
        least, most = FREQUENCY_DAYS[one.frequency]
        days = (when.last - when.first).days + 1
        longer = self.wish.plan and days >= least
        return when if least <= days <= most or longer else None

    def _unit(self, line: int, row: Cells, when: Period) -> tuple[Area, ...] | None:
        """The unit of a row as (unit,), None for the city, () when it was said to be wrong."""
        code = code_of(row[self.roles["code"]]) if "code" in self.roles else ""
        name = str(row[self.roles["name"]] or "").strip() if "name" in self.roles else ""
        if code == CITY or (not code and folded(name) in ("toanthanhpho", "thanhpho", "thewholecity")):
            return None
        day = self.wish.as_of or when.last
        crossed = self.areas.reforms_between(when.first, when.last)
        if crossed and self.wish.as_of is None:
            self._say(line, self._named(), f"{when.text} has the reform of {crossed[0]} in it; say as_of which day")
            return ()
        match = self._match(day, code, name, row)
        if match.status != "matched":
            self._say(line, self._named(), match.why or "has neither code nor name", match.units)
            return ()
        return match.units

    def _match(self, day: date, code: str, name: str, row: Cells) -> Match:
        directory = self._directories.setdefault(day, Directory(self.areas, day))
        parent = str(row[self.roles["parent"]] or "") if "parent" in self.roles else ""
        by_name = directory.name(name, parent or None) if name else Match(why="has neither code nor name")
        if not code:
            return by_name
        by_code = directory.code(code)
        if by_code.units and name and by_name.units and by_code.units[0] not in by_name.units:
            told = f"the code says {by_code.units[0].full_name}, the name {by_name.units[0].full_name}, on {day}"
            return Match((*by_code.units, *by_name.units), told)
        return by_code

    def _figure(self, line: int, header: str, cell: object) -> Decimal | None:
        text = str(cell if cell is not None else "").strip()
        if text.lower() in EMPTY:
            return None
        self.cells += 1
        figure = None if isinstance(cell, datetime | date | timedelta) else number_of(cell)
        if figure is None or abs(figure.adjusted()) > MOST_DIGITS:
            self._say(line, header, f"{text[:40]!r} is no number, or may be two (write 1234 or 1234,5)")
            return None
        return figure

    def _status(self, line: int, row: Cells) -> Status | None:
        header = self.roles.get("status")
        said = folded(str(row[header] or "")) if header else ""
        if not header or not said:
            return self.wish.status
        if said not in _STATUS_WORDS:
            self._say(line, header, f"needs one of {', '.join(STATUSES)}, got {str(row[header])[:40]!r}")
            return None
        return _STATUS_WORDS[said]

    def _named(self) -> str:
        return self.roles.get("code") or self.roles.get("name") or ""

    def _say(self, line: int, header: str, reason: str, candidates: tuple[Area, ...] = ()) -> None:
        self.wrong.append(Cell(self._place(line, header), header, reason, candidates))

    def _place(self, line: int, header: str) -> str:
        return f"{self._letters.get(header, '')}{line}"

    @cached_property
    def _letters(self) -> Mapping[str, str]:
        return {header: get_column_letter(at) for at, header in enumerate(self.headers, 1)}

    def _read(self, found: Sequence[_Made], rows: int, ignored: tuple[str, ...] = ()) -> Read:
        kept = () if self.wrong else tuple(found)
        observations = tuple(o for o, _ in kept if o is not None)
        targets = tuple(t for _, t in kept if t is not None)
        return Read(observations, targets, tuple(self.wrong), rows, self.cells, ignored)


_FIGURES = ("value", "numerator", "denominator", "target")


def _span(periods: Sequence[Period]) -> tuple[date, date]:
    return min(p.last for p in periods), max(p.last for p in periods)
