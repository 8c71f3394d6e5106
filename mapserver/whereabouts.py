"""Which unit a ward line, old or new, means on a day, and its heirs today: found, or asked about, never guessed.

A whole address line is looked through for its ward; street and number decide nothing here. Knows no SQL and no HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from mapserver.area_names import Directory, Match, called
from mapserver.areas import Area, Areas
from mapserver.reaggregation import way

Status = Literal["matched", "ambiguous", "unmatched"]


@dataclass(frozen=True, slots=True)
class Heir:
    """A unit of today that holds ground of the unit that was asked for. share: of that ground, None when not cut."""

    area: Area
    share: float | None
    clauses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The answer: units on the day, and their heirs today. status: ambiguous when either is several."""

    status: Status
    day: date
    boundaries: str
    units: tuple[Area, ...]
    now: tuple[Heir, ...]
    why: str = ""


def of_line(areas: Areas, line: str, day: date | None, today: date) -> Whereabouts:
    """What a line means on a day; without a day, on any of the boundaries there were, today's first."""
    for on in [day] if day else _moments(areas, today):
        match = _found(Directory(areas, on), line)
        if match.units:
            return of_units(areas, match.units, on, today, match.why)
    return Whereabouts(
        "unmatched",
        day or today,
        areas.boundaries(day or today),
        (),
        (),
        _found(Directory(areas, day or today), line).why,
    )


def of_units(areas: Areas, units: Iterable[Area], day: date, today: date, why: str = "") -> Whereabouts:
    """Units of a day with their heirs."""
    found = tuple(units)
    heirs: dict[int, Heir] = {}
    for unit in found:
        for heir in _heirs(areas, unit, today):
            heirs.setdefault(heir.area.uid, heir)
    several = len(found) > 1 or len(heirs) > 1
    if len(found) == 1 and len(heirs) > 1:
        why = f"{found[0].name} was split; street and number would have to decide between its heirs"
    status: Status = "ambiguous" if several else "matched" if found else "unmatched"
    return Whereabouts(status, day, areas.boundaries(day), found, tuple(heirs.values()), why)


def _moments(areas: Areas, today: date) -> list[date]:
    """Today, and the last day before each reform, the newest first."""
    return [today, *(date.fromordinal(day.toordinal() - 1) for day in reversed(areas.reforms) if day <= today)]


def _found(directory: Directory, line: str) -> Match:
    """The whole line as a unit; else the last of its parts that is one in what follows it.

    Where a part says that it is a ward, no other part is one."""
    parts = [part.strip() for part in line.replace(";", ",").split(",") if part.strip()]
    whole = directory.code(line.strip()) if line.strip().isdigit() else directory.name(line)
    if whole.units or len(parts) < 2:
        return whole
    said = [i for i, part in enumerate(parts) if called(part).kinds]
    tries = [directory.name(parts[i], parts[i + 1] if i + 1 < len(parts) else None) for i in said or range(len(parts))]
    sure = [match for match in reversed(tries) if match.units and match.how == "name"]
    like = [match for match in reversed(tries) if match.units]
    return min(sure or like, key=lambda match: len(match.units), default=whole)


def _heirs(areas: Areas, unit: Area, today: date) -> list[Heir]:
    if unit.held_on(today):
        return [Heir(unit, None, ())]
    try:
        found = way(areas, unit.uid, today)
    except LookupError:
        return []
    cut = len(found.shares) > 1
    return [
        Heir(
            areas.units[uid],
            float(share) if cut else None,
            tuple(dict.fromkeys(step.link.clause for step in found.steps[uid] if step.link.clause)),
        )
        for uid, share in found.shares.items()
    ]
