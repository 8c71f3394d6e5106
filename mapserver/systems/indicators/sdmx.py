"""Observations as SDMX-CSV 2.0, out and in: a row for each, dimensions before the value and attributes behind.

REF_AREA is the code that the unit had in TIME_PERIOD (`_T`: the city). OBS_STATUS is SDMX's (A, P); VERSION_STATUS is
ours, since SDMX has no word for `revised`. Source: SDMX-CSV field guide 2.0, sdmx-twg/sdmx-csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from mapserver.areas import Areas
from mapserver.errors import BadQuery
from mapserver.systems.indicators.records import CITY, Indicator, Observation
from mapserver.systems.indicators.sheet import Cell, Read, Wish, read

MEDIA_TYPE = "application/vnd.sdmx.data+csv; version=2.0.0"
STRUCTURE = "CITYMAP:DF_INDICATORS(1.0)"
HEADER = (
    "STRUCTURE", "STRUCTURE_ID", "ACTION", "FREQ", "INDICATOR", "REF_AREA", "TIME_PERIOD", "OBS_VALUE", "OBS_STATUS",
    "VERSION_STATUS", "UNIT_MEASURE", "NUMERATOR", "DENOMINATOR", "BOUNDARIES",
)  # fmt: skip
FREQ = {"month": "M", "quarter": "Q", "year": "A"}
_ADDING = ("I", "A", "M", "R", "")
"""Actions that give figures; all of them add a version here, for nothing is overwritten."""
_NAMED = {
    "INDICATOR": "indicator", "REF_AREA": "code", "TIME_PERIOD": "period", "OBS_VALUE": "value",
    "VERSION_STATUS": "status", "NUMERATOR": "numerator", "DENOMINATOR": "denominator",
}  # fmt: skip


def written(rows: Iterable[Observation], indicators: Mapping[str, Indicator], areas: Areas) -> bytes:
    """Observations as SDMX-CSV 2.0, UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    writer.writerows(_line(one, indicators[one.indicator], areas) for one in rows)
    return out.getvalue().encode()


def _line(one: Observation, about: Indicator, areas: Areas) -> Iterator[str]:
    yield from ("dataflow", STRUCTURE, "I", FREQ[about.frequency], one.indicator)
    yield areas.units[one.area].code if one.area is not None else CITY
    yield from (one.period.text, format(one.value, "f"), "P" if one.status == "provisional" else "A", one.status)
    yield from (about.unit, _plain(one.numerator), _plain(one.denominator), areas.boundaries(one.period.last))


def _plain(figure: Decimal | None) -> str:
    return "" if figure is None else format(figure, "f")


def recognised(content: bytes) -> bool:
    """Whether a file begins as SDMX-CSV does."""
    return content.removeprefix(b"\xef\xbb\xbf")[:10].upper() == b"STRUCTURE,"


def taken(content: bytes, indicators: Mapping[str, Indicator], areas: Areas, wish: Wish) -> Read:
    """Observations of an SDMX-CSV file, checked as every sheet is. Raises BadQuery when it is none."""
    try:
        lines = [*csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadQuery("table", f"is no UTF-8 CSV: {error}") from error
    header, rows = [name.partition(":")[0].strip() for name in lines[0]], [line for line in lines[1:] if any(line)]
    missing = [name for name in ("STRUCTURE_ID", "INDICATOR", "REF_AREA", "TIME_PERIOD", "OBS_VALUE")
               if name not in header]  # fmt: skip
    if missing:
        raise BadQuery("table", f"lacks the columns {', '.join(missing)} of SDMX-CSV 2.0")
    wrong = [*_refused(header, rows)]
    if wrong:
        return Read((), (), tuple(wrong), len(rows), 0)
    plain = io.StringIO(newline="")
    csv.writer(plain).writerows([[_NAMED.get(name, name) for name in header], *(_statused(header, r) for r in rows)])
    return read(plain.getvalue().encode(), indicators, areas, wish)


def _statused(header: list[str], line: list[str]) -> list[str]:
    """A line that says nothing of its version has what its OBS_STATUS means: P provisional, A final."""
    said = dict(zip(header, line, strict=False))
    if not said.get("VERSION_STATUS") and "VERSION_STATUS" in said and said.get("OBS_STATUS") in ("A", "P"):
        said["VERSION_STATUS"] = "provisional" if said["OBS_STATUS"] == "P" else "final"
    return [said.get(name, "") for name in header]


def _refused(header: list[str], rows: list[list[str]]) -> Iterator[Cell]:
    """Lines of another structure, or that would take figures away."""
    at = {name: place for place, name in enumerate(header)}
    for number, line in enumerate(rows, 2):
        if line[at["STRUCTURE_ID"]] != STRUCTURE:
            yield Cell(f"line {number}", "STRUCTURE_ID", f"is {line[at['STRUCTURE_ID']][:60]!r}, not {STRUCTURE}")
        if "ACTION" in at and line[at["ACTION"]].upper() not in _ADDING:
            yield Cell(f"line {number}", "ACTION", "figures are never taken away here; send a revised one")
