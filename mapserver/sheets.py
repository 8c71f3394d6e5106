"""A table of figures by unit and time, read against the areas: which rows are whose, and which must be asked about.

Rows are never guessed: a code is read on its row's date, a period across a reform is asked about. Nothing here knows
SQL or HTTP."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from mapserver.area_names import Directory, Match
from mapserver.areas import Area, Areas
from mapserver.errors import BadQuery
from mapserver.periods import Period, period
from mapserver.text import folded

CODE = (
    "code",
    "ma",
    "madonvi",
    "madvhc",
    "maphuong",
    "maphuongxa",
    "wardcode",
    "areacode",
    "unitcode",
    "oldcode",
    "macu",
)
NAME = (
    "name", "ten", "tendonvi", "phuong", "phuongxa", "xa", "xaphuong", "tenphuong", "tenphuongxa", "ward", "unit",
    "diaban", "donvi", "fullname", "tenxaphuong",
)  # fmt: skip
PARENT = ("parent", "district", "quan", "huyen", "quanhuyen", "thuocquan", "tenquan", "tenquanhuyen", "quanhuyentp")
DATE = (
    "date",
    "ngay",
    "ky",
    "period",
    "thang",
    "nam",
    "quy",
    "year",
    "month",
    "thoigian",
    "time",
    "kybaocao",
    "datetime",
)
BETRAYING = {
    "median": ("trungvi", "median"),
    "rank": ("xephang", "thuhang", "rank", "ranking"),
    "share": ("tyle", "tile", "phantram", "percent", "pct", "share", "rate", "tysuat", "matdo", "density", "binhquan",
              "trungbinh", "average", "mean"),
}  # fmt: skip
"""Words in a header that say that a column is no count."""
SHOWN = 500
"""Rows that an account shows of each kind; all are counted."""
_NUMBER = re.compile(r"^[+-]?\d+(?:\.\d+)?$")

Cells = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which header says what. values: the figures."""

    code: str | None
    name: str | None
    parent: str | None
    date: str | None
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row that is a unit's. period: None where the sheet has no dates."""

    row: int
    area: Area
    period: Period | None
    values: Mapping[str, Decimal | None]


@dataclass(frozen=True, slots=True)
class Doubt:
    """One row that is nobody's yet. candidates: the units it may be; why: what to ask."""

    row: int
    said: str
    why: str
    candidates: tuple[Area, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """What became of every row of a sheet: rows = matched + ambiguous + unmatched."""

    rows: int
    matched: int
    ambiguous: tuple[Doubt, ...] = ()
    unmatched: tuple[Doubt, ...] = ()
    by: Mapping[str, int] = field(default_factory=dict)
    """How many rows were matched by code, by name, and by a name that is like it."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table read against the areas."""

    columns: Columns
    entries: tuple[Entry, ...]
    account: Account


def columns(headers: Sequence[str], values: Sequence[str] | None = None) -> Columns:
    """Which header is the code, the name, the district, the date; the others, or those named, are figures."""
    known = {header: folded(header) for header in headers}
    taken: dict[str, str | None] = {}
    for what, words in (("code", CODE), ("name", NAME), ("parent", PARENT), ("date", DATE)):
        taken[what] = next(
            (h for w in words for h, plain in known.items() if plain == w and h not in taken.values()), None
        )
    if taken["code"] is None and taken["name"] is None:
        raise BadQuery(
            "table", f"needs a column of codes (code, mã) or of names (name, tên); it has {', '.join(headers)}"
        )
    left = [h for h in headers if h not in taken.values()]
    for value in values or ():
        if value not in left:
            raise BadQuery("values", f"there is no column {value[:40]!r} of figures; there are {', '.join(left)}")
    return Columns(taken["code"], taken["name"], taken["parent"], taken["date"], tuple(values or left))


def betrayed(header: str) -> str | None:
    """`median`, `rank` or `share` when a header says that its column does not add up."""
    plain = folded(header)
    return next((what for what, words in BETRAYING.items() if any(word in plain for word in words)), None)


def sheet(
    areas: Areas,
    rows: Sequence[Cells],
    *,
    as_of: date | None = None,
    values: Sequence[str] | None = None,
    figures: bool = True,
) -> Sheet:
    """Rows (header → cell) against the areas. as_of: the day of whose boundaries they are, whatever they say.

    figures: whether the other columns are numbers; else they are left as they are.
    Raises BadQuery when there are no rows, or no column to know a unit by."""
    if not rows:
        raise BadQuery("table", "holds no rows")
    found = columns([*rows[0]], values)
    reader = _Reader(areas, found, as_of, figures)
    outcomes = [reader.read(number, row) for number, row in enumerate(rows, 1)]
    entries = tuple(one for one in outcomes if isinstance(one, Entry))
    doubts = [one for one in outcomes if isinstance(one, Doubt)]
    account = Account(
        len(rows),
        len(entries),
        tuple(doubt for doubt in doubts if doubt.candidates),
        tuple(doubt for doubt in doubts if not doubt.candidates),
        dict(reader.by),
    )
    return Sheet(found, entries, account)


class _Reader:
    """One sheet being read."""

    def __init__(self, areas: Areas, found: Columns, as_of: date | None, figures: bool) -> None:
        self.areas, self.columns, self.as_of, self.figures = areas, found, as_of, figures
        self.by: Counter[str] = Counter()
        self._directories: dict[date, Directory] = {}

    def read(self, number: int, row: Cells) -> Entry | Doubt:
        said = ", ".join(
            str(row[c]) for c in (self.columns.code, self.columns.name, self.columns.parent) if c and _said(row[c])
        )
        when = period(row[self.columns.date]) if self.columns.date else None
        if self.columns.date and when is None:
            return Doubt(number, said, f"{row[self.columns.date]!r} is no date or period")
        match = self._unit(row, when)
        if match.status != "matched":
            return Doubt(number, said, match.why, match.units)
        figures: dict[str, Decimal | None] = {}
        for column in self.columns.values if self.figures else ():
            figure = number_of(row[column])
            if figure is None and _said(row[column]):
                return Doubt(number, said, f"{column}: {row[column]!r} is no number")
            figures[column] = figure
        self.by[match.how] += 1
        return Entry(number, match.units[0], when, figures)

    def _unit(self, row: Cells, when: Period | None) -> Match:
        """The unit that a row means, by its code or else by its name, on the boundaries of its time."""
        if self.as_of is not None:
            return self._on(self.as_of, row)
        if when is None:
            return self._timeless(row)
        crossed = self.areas.reforms_between(when.first, when.last)
        if crossed:
            days = (when.first, when.last)
            units = tuple({unit.uid: unit for day in days for unit in self._on(day, row).units}.values())
            if len(units) != 1:
                return Match(units, f"the period {when.text} has the reform of {crossed[0]} in it; say as_of which day")
            return Match(units, how=self._on(when.first, row).how)
        return self._on(when.last, row)

    def _timeless(self, row: Cells) -> Match:
        """A row without a date means a unit only if it can mean but one, whenever."""
        days = {date.fromordinal(day.toordinal() - 1) for day in self.areas.reforms} | {*self.areas.reforms[-1:]}
        matches = [match for day in sorted(days or {date.today()}) if (match := self._on(day, row)).units]
        units = {unit.uid: unit for match in matches for unit in match.units}
        if not units:
            return self._on(max(days, default=date.today()), row)
        if len(units) == 1:
            return Match(tuple(units.values()), how=matches[0].how)
        told = "; ".join(f"{u.code} {u.full_name} ({_dates(u)})" for u in [*units.values()][:12])
        return Match(tuple(units.values()), f"without a date it may be {told}; give a date column or as_of")

    def _on(self, day: date, row: Cells) -> Match:
        directory = self._directories.setdefault(day, Directory(self.areas, day))
        code = code_of(row[self.columns.code]) if self.columns.code else ""
        name = str(row[self.columns.name]) if self.columns.name and _said(row[self.columns.name]) else ""
        parent = str(row[self.columns.parent]) if self.columns.parent and _said(row[self.columns.parent]) else None
        if not code:
            return directory.name(name, parent) if name else Match(why="has neither code nor name")
        by_code = directory.code(code)
        if by_code.units and name:
            return self._agreed(directory, by_code, name, parent, day)
        return by_code

    def _agreed(self, directory: Directory, by_code: Match, name: str, parent: str | None, day: date) -> Match:
        """The unit of the code, unless the name says that the code is meant as of another time."""
        by_name = directory.name(name, parent)
        if not by_name.units or by_code.units[0] in by_name.units:
            other = self._renamed(by_code.units[0], name)
            return by_code if other is None else Match((by_code.units[0], other), _two(by_code.units[0], other, day))
        return Match((*by_code.units, *by_name.units), _two(by_code.units[0], by_name.units[0], day))

    def _renamed(self, unit: Area, name: str) -> Area | None:
        """Another unit that had this code under this name, when the unit itself is not called so."""
        wanted = folded(name)
        if wanted in folded(unit.full_name):
            return None
        return next(
            (u for u in self.areas.versions(unit.code) if u.uid != unit.uid and wanted in folded(u.full_name)), None
        )


def _two(one: Area, other: Area, day: date) -> str:
    return f"the code says {one.full_name} ({_dates(one)}), the name {other.full_name} ({_dates(other)}), on {day}"


def _dates(unit: Area) -> str:
    return f"{unit.valid_from or '…'} to {unit.valid_to or '…'}"


def _said(cell: object) -> bool:
    return cell is not None and str(cell).strip() not in ("", "nan", "NaT", "None")


def code_of(cell: object) -> str:
    """A code as text: workbooks make numbers of codes."""
    if not _said(cell):
        return ""
    text = str(cell).strip()
    return text.removesuffix(".0") if re.fullmatch(r"\d+\.0", text) else text


def number_of(cell: object) -> Decimal | None:
    """A number as an office writes it: 1234, 1234.5, 1.234.567,8 and 1,234,567.8."""
    if isinstance(cell, bool) or not _said(cell):
        return None
    text = str(cell).strip().replace("\u00a0", "").replace(" ", "")
    if re.fullmatch(r"[+-]?\d{1,3},\d{3}", text):
        return None  # a thousand and something, or a decimal comma: nobody can tell
    if "," in text and "." in text:
        thousands, point = (",", ".") if text.rfind(".") > text.rfind(",") else (".", ",")
        text = text.replace(thousands, "").replace(point, ".")
    elif text.count(".") > 1 or text.count(",") > 1:
        text = text.replace(".", "").replace(",", "")
    else:
        text = text.replace(",", ".")
    try:
        figure = Decimal(text)
    except InvalidOperation:
        return None
    return figure if figure.is_finite() else None


def series(entries: Iterable[Entry], column: str) -> dict[Period | None, dict[int, Decimal]]:
    """Amounts by period and unit; rows of one unit and period are added up."""
    found: dict[Period | None, dict[int, Decimal]] = {}
    for entry in entries:
        amount = entry.values[column]
        if amount is not None:
            amounts = found.setdefault(entry.period, {})
            amounts[entry.area.uid] = amounts.get(entry.area.uid, Decimal(0)) + amount
    return found
