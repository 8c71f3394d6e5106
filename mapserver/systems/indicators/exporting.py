"""Observations as files: long CSV, the wide sheet of one indicator, SDMX-CSV 2.0. Each can be imported again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mapserver import spreadsheets
from mapserver.areas import Areas
from mapserver.systems.indicators import sdmx
from mapserver.systems.indicators.records import CITY, Indicator, Observation

FORMS: Mapping[str, tuple[str, ...]] = {
    "csv": ("text/csv",), "xlsx": (spreadsheets.XLSX,), "sdmx": (sdmx.MEDIA_TYPE, "application/vnd.sdmx.data+csv"),
}  # fmt: skip


def exported(form: str, rows: Sequence[Observation], indicators: Mapping[str, Indicator], areas: Areas) -> bytes:
    """The observations in a form; a workbook of one indicator is its wide sheet, of several the long one."""
    if form == "sdmx":
        return sdmx.written(rows, indicators, areas)
    if form == "csv":
        return spreadsheets.csv_of(_long(one, areas) for one in rows)
    if len({one.indicator for one in rows}) > 1:
        return spreadsheets.xlsx_of({"figures": [_long(one, areas) for one in rows]})
    return spreadsheets.xlsx_of(_wide(rows, areas))


def _long(one: Observation, areas: Areas) -> dict[str, object]:
    unit = areas.units[one.area] if one.area is not None else None
    return {
        "indicator": one.indicator, "code": unit.code if unit else CITY, "name": unit.name if unit else "",
        "period": one.period.text, "value": one.value, "numerator": one.numerator, "denominator": one.denominator,
        "status": one.status, "boundaries": areas.boundaries(one.period.last), "sent_at": one.at,
    }  # fmt: skip


def _wide(rows: Sequence[Observation], areas: Areas) -> dict[str, list[dict[str, object]]]:
    """A sheet for each set of boundaries, since a row is one unit: code, name, and a column for each period."""
    held = [one for one in rows if one.current]
    by_boundaries: dict[str, list[Observation]] = {}
    for one in held:
        by_boundaries.setdefault(areas.boundaries(one.period.last), []).append(one)
    return {_title(name): [*_lines(some, areas)] for name, some in by_boundaries.items()} or {"figures": []}


def _title(boundaries: str) -> str:
    return boundaries.replace("..", " - ").strip()


def _lines(rows: Sequence[Observation], areas: Areas) -> Iterator[dict[str, object]]:
    periods = [text for _, text in sorted({(one.period.first, one.period.text) for one in rows})]
    figures = {(one.area, one.period.text): one.value for one in rows}
    for uid in sorted({one.area for one in rows}, key=lambda u: areas.units[u].code if u is not None else ""):
        unit = areas.units[uid] if uid is not None else None
        named = {"code": unit.code if unit else CITY, "name": unit.full_name if unit else ""}
        yield {**named, **{text: figures.get((uid, text)) for text in periods}}
