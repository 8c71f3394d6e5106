"""Areas through time: what a unit is, whose heir it is, and which unit a code meant on a day.

Identity is a uid; code, name and outline are attributes that hold between two dates. Nothing here knows SQL or HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import Any

WEIGHTS = ("addresses", "buildings", "population", "area")
"""Kinds of weight, the best first: people live at addresses."""
EQUAL = "equal"
"""The weight of links of which nothing is known: all alike."""
LEAST_COUNTED = 30
"""Addresses or buildings on the ground of a split unit below which their shares would be chance."""


@dataclass(frozen=True, slots=True)
class Area:
    """One unit as it was from `valid_from` up to the day before `valid_to`; None is not known, or not come."""

    uid: int
    code: str
    name: str
    kind: str = "ward"
    level: str = "commune"
    name_en: str | None = None
    parent: str | None = None
    parent_name: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    legal_basis: str | None = None
    geometry_status: str = "provisional"
    geometry_source: str | None = None

    def held_on(self, day: date) -> bool:
        """Whether the unit was there on that day, as far as is known."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    @property
    def full_name(self) -> str:
        """`Phường 1, Quận 3`: the name, and what it lay in where that is known."""
        return f"{self.name}, {self.parent_name}" if self.parent_name and self.level == "commune" else self.name


@dataclass(frozen=True, slots=True)
class Link:
    """Ground of `origin` that went to `heir`. measured: how much of each kind of weight stands on it."""

    origin: int
    heir: int
    whole: bool
    unchanged: bool = False
    main: bool = True
    clause: str | None = None
    measured: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Areas:
    """Every version of every unit, and the links between them. version: changes whenever anything in it does."""

    units: Mapping[int, Area]
    links: tuple[Link, ...] = ()
    version: int = 0
    data_versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What each kind of weight was measured from."""

    def on(self, day: date) -> tuple[Area, ...]:
        """The units that held on a day, by code."""
        return tuple(sorted((unit for unit in self.units.values() if unit.held_on(day)), key=lambda u: u.code))

    def of_code(self, code: str, day: date) -> Area | None:
        """The unit a code meant on a day; a commune rather than a district of the same code."""
        found = [unit for unit in self.versions(code) if unit.held_on(day)]
        return min(found, key=lambda unit: unit.level != "commune", default=None)

    def versions(self, code: str) -> tuple[Area, ...]:
        """Every unit that ever had this code, the oldest first."""
        return self._by_code.get(code, ())

    def heirs(self, uid: int) -> tuple[Link, ...]:
        """Links out of a unit, by its heirs' codes."""
        return self._out.get(uid, ())

    def origins(self, uid: int) -> tuple[Link, ...]:
        """Links into a unit, by its origins' codes."""
        return self._in.get(uid, ())

    @cached_property
    def reforms(self) -> tuple[date, ...]:
        """The days on which units became other units, in order."""
        days = {self.units[link.heir].valid_from for link in self.links}
        return tuple(sorted(day for day in days if day is not None))

    def reforms_between(self, one: date, other: date) -> tuple[date, ...]:
        """The reforms after the earlier day, up to and on the later one."""
        first, last = sorted((one, other))
        return tuple(day for day in self.reforms if first < day <= last)

    def boundaries(self, day: date) -> str:
        """The name of the boundaries that held on a day: `2025-07-01..` or `..2025-06-30` (both ends held)."""
        start = max((reform for reform in self.reforms if reform <= day), default=None)
        end = min((reform for reform in self.reforms if reform > day), default=None)
        last = date.fromordinal(end.toordinal() - 1).isoformat() if end else ""
        return f"{start.isoformat() if start else ''}..{last}"

    @cached_property
    def _by_code(self) -> Mapping[str, tuple[Area, ...]]:
        found: dict[str, tuple[Area, ...]] = {}
        for unit in sorted(self.units.values(), key=lambda u: (u.valid_from or date.min, u.uid)):
            found[unit.code] = (*found.get(unit.code, ()), unit)
        return found

    @cached_property
    def _out(self) -> Mapping[int, tuple[Link, ...]]:
        return self._grouped("origin", "heir")

    @cached_property
    def _in(self) -> Mapping[int, tuple[Link, ...]]:
        return self._grouped("heir", "origin")

    def _grouped(self, key: str, other: str) -> Mapping[int, tuple[Link, ...]]:
        found: dict[int, list[Link]] = {}
        for link in self.links:
            found.setdefault(getattr(link, key), []).append(link)
        return {
            uid: tuple(sorted(links, key=lambda x: self.units[getattr(x, other)].code)) for uid, links in found.items()
        }


def areas_of(raw: Mapping[str, Any]) -> Areas:
    """Areas out of what the database says of them as JSON: version, areas, links, weights."""
    measured: dict[tuple[int, int], dict[str, float]] = {}
    sources: dict[str, str] = {}
    for origin, heir, kind, amount, source in raw["weights"]:
        measured.setdefault((origin, heir), {})[kind] = amount
        sources[kind] = source
    units = {unit["uid"]: _area(unit) for unit in raw["areas"]}
    links = tuple(
        Link(origin, heir, kind == "whole", unchanged, main, clause, measured.get((origin, heir), {}))
        for origin, heir, kind, unchanged, main, clause in raw["links"]
    )
    return Areas(units, links, raw["version"], sources)


def _area(raw: Mapping[str, Any]) -> Area:
    dates = {name: date.fromisoformat(raw[name]) if raw[name] else None for name in ("valid_from", "valid_to")}
    return Area(**{**raw, **dates})


@dataclass(frozen=True, slots=True)
class Figures:
    """What there is to know of one reform at a glance."""

    day: date
    origins: int
    heirs: int
    kinds: Mapping[str, int]
    whole: int
    part: int
    split: Mapping[int, int]
    """How many origins have so many heirs."""
    of_parts: int
    """Heirs that hold at least one part of an origin: they are no sum of old units."""
    codes_reused: int
    changed_extent: int
    changed_name: int
    repeated_names: int
    unchanged: tuple[str, ...]


def figures(areas: Areas, day: date) -> Figures:
    """The reform of a day in figures. Names are compared as they are written."""
    links = [link for link in areas.links if areas.units[link.heir].valid_from == day]
    origins = {link.origin: areas.units[link.origin] for link in links}
    heirs = {link.heir: areas.units[link.heir] for link in links}
    old = {unit.code: unit for unit in origins.values()}
    reused = [unit for unit in heirs.values() if unit.code in old]
    same = [link for link in links if link.unchanged]
    ways = _tally(link.origin for link in links)
    return Figures(
        day=day,
        origins=len(origins),
        heirs=len(heirs),
        kinds=_tally(unit.kind for unit in heirs.values()),
        whole=sum(link.whole for link in links),
        part=sum(not link.whole for link in links),
        split=_tally(ways.values()),
        of_parts=len({link.heir for link in links if not link.whole}),
        codes_reused=len(reused),
        changed_extent=len(reused) - sum(heirs[link.heir].code in old for link in same),
        changed_name=sum(unit.name != old[unit.code].name for unit in reused),
        repeated_names=sum(n > 1 for n in _tally(u.name for u in origins.values() if u.level == "commune").values()),
        unchanged=tuple(sorted(heirs[link.heir].name for link in same)),
    )


def _tally(values: Iterator[Any] | Any) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found
