"""Which unit a code or a name means on a day: without accents, with a slip of the pen, and never by a guess.

`Phường 1` existed eleven times: where several units fit, all of them are given back, to be asked about."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from difflib import SequenceMatcher
from functools import cached_property
from typing import Literal

from mapserver.areas import Area, Areas
from mapserver.text import folded

LIKE = 0.8
"""Likeness from which a name may be a slip of the pen."""
LEAD = 0.04
"""How much more alike the best must be than the next."""
_KINDS = {
    "phuong": ("ward",), "p": ("ward",), "f": ("ward",), "ward": ("ward",),
    "xa": ("commune",), "x": ("commune",), "commune": ("commune",),
    "thitran": ("township",), "tt": ("township",), "township": ("township",),
    "dackhu": ("special_zone",), "huyen": ("district",), "h": ("district",),
}  # fmt: skip
_PARENTS = ("thanhpho", "quan", "huyen", "thixa", "tp", "tx", "q", "h", "district")
_PARTS = re.compile(r"\s*[,;(–]\s*|\s+-\s+")
_PREFIX = re.compile(
    r"^(?:phường|phuong|xã|xa|thị trấn|thi tran|đặc khu|dac khu|huyện|huyen|ward|commune|township)\b\.?\s*"
    r"|^(?:p|f|x|tt|h)(?:\.\s*|\s+|(?=\d))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Match:
    """What a code or name means: one unit, several (to be asked about), or none. why: in words."""

    units: tuple[Area, ...] = ()
    why: str = ""
    how: Literal["code", "name", "like", ""] = ""

    @property
    def status(self) -> Literal["matched", "ambiguous", "unmatched"]:
        return ("unmatched", "matched")[len(self.units)] if len(self.units) < 2 else "ambiguous"


@dataclass(frozen=True, slots=True)
class Called:
    """A name taken apart: its kinds, its bare name and what it lies in, the last two folded."""

    kinds: tuple[str, ...]
    bare: str
    parent: str
    marked: str = ""
    """The bare name with its marks, where the name was written with marks: Thanh An is not Thạnh An."""


def called(name: str, parent: str | None = None) -> Called:
    """`P.1, Q3` → ward, 1, 3. parent: what another column says."""
    first, *rest = [part for part in _PARTS.split(name.strip(" )")) if part] or [""]
    prefix = _PREFIX.match(first)
    kinds = _KINDS.get(folded(prefix.group()), ()) if prefix else ()
    bare = first[prefix.end() :] if prefix else first
    marked = "" if name.isascii() else " ".join(unicodedata.normalize("NFC", bare).casefold().split())
    return Called(kinds, _bare(bare), _parent(parent or (rest[0] if rest else "")), marked)


def _bare(text: str) -> str:
    plain = folded(text)
    return plain.lstrip("0") or plain if plain.isdigit() else plain


def _parent(text: str) -> str:
    plain = folded(text)
    for prefix in _PARENTS:
        if plain.startswith(prefix) and (len(plain[len(prefix) :]) > 1 or plain[len(prefix) :].isdigit()):
            return _bare(plain[len(prefix) :])
    return _bare(plain)


@dataclass(frozen=True)
class Directory:
    """The units of one day, to be looked up."""

    areas: Areas
    day: date
    _likes: dict[Called, Match] = field(default_factory=dict)

    @cached_property
    def _known(self) -> tuple[tuple[Called, Area], ...]:
        return tuple((called(unit.name, unit.parent_name), unit) for unit in self.areas.on(self.day))

    @cached_property
    def _by_bare(self) -> dict[str, list[tuple[Called, Area]]]:
        found: dict[str, list[tuple[Called, Area]]] = {}
        for one in self._known:
            found.setdefault(one[0].bare, []).append(one)
        return found

    def code(self, code: str) -> Match:
        """The unit of a code on this day; what the code means on other days is told."""
        code = code.strip()
        unit = self.areas.of_code(code, self.day)
        if unit is not None:
            return Match((unit,), how="code")
        others = self.areas.versions(code)
        if others:
            told = "; ".join(f"{u.name} from {u.valid_from or '…'} to {u.valid_to or '…'}" for u in others)
            return Match(why=f"{code} was no unit's code on {self.day} ({told})")
        return Match(why=f"there never was a unit {code}")

    def name(self, name: str, parent: str | None = None) -> Match:
        """The unit of a name on this day: as it stands, else the one name it is like."""
        asked = called(name, parent)
        if not asked.bare:
            return Match(why="is empty")
        if asked not in self._likes:
            self._likes[asked] = self._exact(asked) or self._like(asked, name)
        return self._likes[asked]

    def _exact(self, asked: Called) -> Match | None:
        """Units of this very name; of another kind only where no unit of any day fits better."""
        known = self._by_bare.get(asked.bare, [])
        strict = _fitting(asked, known, strict=True)
        if strict or self._elsewhere(asked):
            return _match(strict, "name") if strict else None
        loose = _fitting(asked, known, strict=False)
        return _match(loose, "name") if loose else None

    def _like(self, asked: Called, name: str) -> Match:
        """The name it is most like. Numbers are never like each other, nor is what was a name on another day."""
        there = self._elsewhere(asked)
        none = Match(why=f"no unit was called {name!r} on {self.day}{there}")
        if there or any(char.isdigit() for char in asked.bare):
            return none
        scored = sorted(((_likeness(asked.bare, bare), bare) for bare in self._by_bare), reverse=True)
        best = [(score, bare) for score, bare in scored[:6] if score >= max(LIKE, scored[0][0] - LEAD)]
        found = [unit for _, bare in best for unit in _fitting(asked, self._by_bare[bare], strict=False)]
        return _match(found, "like") if found else none

    def _elsewhere(self, asked: Called) -> str:
        """What the name was on other days, in words; empty when it was nothing."""
        others = [u for u in self.areas.units.values() if not u.held_on(self.day) and called(u.name).bare == asked.bare]
        fitting = _fitting(asked, [(called(u.name, u.parent_name), u) for u in others], strict=True)
        told = ", ".join(f"{u.full_name} until {u.valid_to}" if u.valid_to else u.full_name for u in fitting[:3])
        return f"; there was {told}" if told else ""


def _fitting(asked: Called, known: Iterable[tuple[Called, Area]], *, strict: bool) -> list[Area]:
    """Of units of one name those of the asked kind and place.

    Loosely, a kind that none has is no reason, nor is a district where today's units lie in none."""
    found = [*known]
    if asked.parent:
        here = [one for one in found if asked.parent in (one[0].parent, folded(one[1].parent or ""))]
        found = here if here or strict or any(one[1].valid_to for one in found) else found
    if asked.kinds:
        same = [one for one in found if one[1].kind in asked.kinds]
        found = same if same or strict else found
    if len(found) > 1 and asked.marked:
        found = [one for one in found if one[0].marked == asked.marked] or found
    return [unit for _, unit in found]


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _match(units: list[Area], how: Literal["name", "like"]) -> Match:
    if len(units) == 1:
        return Match((units[0],), how=how)
    shown = "; ".join(f"{unit.code} {unit.full_name}" for unit in units[:12])
    return Match(tuple(units), f"fits {len(units)} units: {shown}", how)
