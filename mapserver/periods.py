"""Days and periods as office sheets write them: 30/06/2025, 2025-06, 06/2025, tháng 6/2025, quý II/2025, 2025."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime

from mapserver.text import folded

_ISO = re.compile(r"^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?$")
_DAY = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$")
_MONTH = re.compile(r"^(?:thang|t)?0*(\d{1,2})[/.-](\d{4})$|^(\d{4})[-/.]0*(\d{1,2})$")
_QUARTER = re.compile(r"^(?:quy|q)([1-4]|i{1,3}|iv)[/.-]?(?:nam)?(\d{4})$|^(\d{4})[-/.]?q(?:uy)?([1-4])$")
_YEAR = re.compile(r"^(?:nam)?(\d{4})$")
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4}


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of days, both ends in it. text: as it is told."""

    first: date
    last: date
    text: str


def period(said: object) -> Period | None:
    """The period that a cell says; None when it says none."""
    if isinstance(said, datetime):
        said = said.date()
    if isinstance(said, date):
        return Period(said, said, said.isoformat())
    text = str(said).strip()
    try:
        return _day(text) or _longer(text)
    except ValueError:
        return None


def _day(text: str) -> Period | None:
    if found := _ISO.match(text):
        year, month, day = map(int, found.groups())
    elif found := _DAY.match(text):
        day, month, year = map(int, found.groups())
    else:
        return None
    at = date(year, month, day)
    return Period(at, at, at.isoformat())


def _longer(text: str) -> Period | None:
    plain = "".join(c if c in "/.-" else folded(c) for c in text)
    if found := _MONTH.match(plain):
        month, year = (found[1], found[2]) if found[1] else (found[4], found[3])
        return _months(int(year), int(month), 1, f"{int(year):04}-{int(month):02}")
    if found := _QUARTER.match(plain):
        quarter, year = (found[1], found[2]) if found[1] else (found[4], found[3])
        number = _ROMAN.get(quarter) or int(quarter)
        return _months(int(year), 3 * number - 2, 3, f"{int(year):04}-Q{number}")
    if found := _YEAR.match(plain):
        return _months(int(found[1]), 1, 12, found[1])
    return None


def _months(year: int, month: int, count: int, text: str) -> Period:
    last = month + count - 1
    return Period(date(year, month, 1), date(year, last, monthrange(year, last)[1]), text)
