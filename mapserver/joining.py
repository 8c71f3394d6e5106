"""A table joined to the units of one day as they are, without any estimate: a row of other boundaries is refused.

What is refused can be moved first, by re-aggregation. Nothing here knows SQL or HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from mapserver.areas import Area, Areas
from mapserver.periods import Period
from mapserver.sheets import Account, Cells, Doubt, sheet


@dataclass(frozen=True, slots=True)
class JoinedRow:
    """A row of the table and the unit it belongs to."""

    area: Area
    cells: Cells
    period: Period | None


@dataclass(frozen=True, slots=True)
class Joined:
    """Every row that was joined, and the account of all."""

    rows: tuple[JoinedRow, ...]
    account: Account
    boundaries: str


def joined(
    areas: Areas, table: Sequence[Cells], day: date, *, as_of: date | None = None, values: Sequence[str] | None = None
) -> Joined:
    """The table joined to the units of a day. as_of: of which day's boundaries its codes and names are."""
    read = sheet(areas, table, as_of=as_of, values=values, figures=False)
    here = {unit.uid for unit in areas.on(day)}
    shown = {*(values or read.columns.values)}
    rows = tuple(
        JoinedRow(e.area, {k: v for k, v in table[e.row - 1].items() if k in shown}, e.period)
        for e in read.entries
        if e.area.uid in here
    )
    strange = tuple(_refused(areas, e.row, e.area, day) for e in read.entries if e.area.uid not in here)
    account = replace(read.account, matched=len(rows), unmatched=(*read.account.unmatched, *strange))
    return Joined(rows, account, areas.boundaries(day))


def _refused(areas: Areas, row: int, area: Area, day: date) -> Doubt:
    """Why a row of another time is not joined, though its code may be one of this day's."""
    same = areas.of_code(area.code, day)
    now = f"; {area.code} is {same.name} there, which is another unit" if same else ""
    why = f"belongs to {area.full_name}, no unit of the boundaries {areas.boundaries(day)}{now}: use `reaggregate`"
    return Doubt(row, f"{area.code} {area.name}", why)
