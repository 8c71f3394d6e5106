"""The digital transformation index: frameworks by year and audience, totals and ranks of a round, and what-if.

Frameworks are files of the city (`rules/dti/*.yml`). Scores of two frameworks are never compared: a round is of one.
Nothing here knows SQL or HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mapserver.catalogue import Catalogue, TextFile
from mapserver.errors import BadFeature, NotFound
from mapserver.layer import Layer
from mapserver.systems.indicators.rules import LAYER, read

FOLDER = Path("rules") / "dti"
KINDS = ("self", "measured", "review", "objection")
"""Whose score it is, in the order in which one outranks another."""
STAGES = ("open", "review", "objection", "published")
TAKES: Mapping[str, tuple[str, ...]] = {
    "open": ("self", "measured"), "review": ("review", "measured"), "objection": ("objection",), "published": (),
}  # fmt: skip
"""Which scores each stage of a round takes."""
FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "open": ("review",), "review": ("objection",), "objection": ("review", "published"), "published": (),
}  # fmt: skip
"""After an objection was judged a round is published, or reviewed once more."""
MEASURES = ("metadata_share",)
"""What the platform can measure by itself; on-time petitions are a figure of the petitions' monitor."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MainFile(TextFile):
    """A main indicator. components, points: of it; None where they are not known."""

    components: Annotated[int | None, Field(ge=1)] = None
    points: Annotated[float | None, Field(ge=0)] = None


class FrameworkFile(_Strict):
    """`rules/dti/NAME.yml`."""

    year: Annotated[int, Field(ge=2000, le=2200)]
    audience: TextFile
    components: Annotated[int, Field(ge=1, le=1000)]
    max_score: Annotated[float | None, Field(gt=0)] = None
    source: str
    main: Annotated[tuple[MainFile, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _agree(self) -> FrameworkFile:
        counts = [one.components for one in self.main if one.components is not None]
        if len(counts) == len(self.main) and sum(counts) != self.components:
            raise ValueError(f"its main indicators have {sum(counts)} components, not {self.components}")
        return self


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework. Components are numbered `c01`, `c02` … in the framework's order: their names are not known."""

    name: str
    file: FrameworkFile

    @property
    def codes(self) -> tuple[str, ...]:
        width = max(2, len(str(self.file.components)))
        return tuple(f"c{number:0{width}}" for number in range(1, self.file.components + 1))

    @property
    def mains(self) -> Mapping[str, int]:
        """Main indicator (from 1) of each component, where the framework's file knows how many each has."""
        counts = [one.components for one in self.file.main]
        if any(count is None for count in counts):
            return {}
        numbers = [at for at, count in enumerate(counts, 1) for _ in range(count or 0)]
        return dict(zip(self.codes, numbers, strict=True))

    def json(self) -> dict[str, object]:
        """As the doors tell it."""
        return {"name": self.name, **self.file.model_dump(mode="json"), "codes": list(self.codes)}


def frameworks(catalogue: Catalogue) -> dict[str, Framework]:
    """The city's frameworks by name. Raises BadCatalogue naming file and key."""
    return _frameworks(catalogue[LAYER].folder.resolve().parent / FOLDER)


@lru_cache(8)
def _frameworks(folder: Path) -> dict[str, Framework]:
    return {path.stem: Framework(path.stem, read(path, FrameworkFile)) for path in sorted(folder.glob("*.yml"))}


class ComponentBody(BaseModel):
    """A component in a round. main: number of its main indicator; max: its points; measure: what the platform tells."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(pattern=r"^c[0-9]{2,4}$")]
    main: Annotated[int, Field(ge=1)]
    max: Annotated[float, Field(gt=0, le=1000)]
    title: Annotated[str | None, Field(min_length=1, max_length=500)] = None
    measure: Literal["metadata_share"] | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """A component in a round."""

    code: str
    main: int
    max: Decimal
    title: str | None = None
    measure: str | None = None


def components(framework: Framework, given: Sequence[ComponentBody]) -> tuple[Component, ...]:
    """The components of a round, in the framework's order. Raises BadFeature where they are not the framework's."""
    codes, mains = [one.code for one in given], framework.mains
    if sorted(codes) != sorted(framework.codes):
        lacking = ", ".join(sorted(set(framework.codes) - set(codes))[:5])
        first, last = framework.codes[0], framework.codes[-1]
        raise BadFeature("/components", f"needs each of {first} to {last} once; lacks {lacking or 'none'}")
    for one in given:
        if one.main > len(framework.file.main) or (mains and mains[one.code] != one.main):
            raise BadFeature("/components", f"{one.code} is not of the main indicator {one.main}")
    most, total = framework.file.max_score, sum(one.max for one in given)
    if most is not None and abs(total - most) > 1e-6:
        raise BadFeature("/components", f"their points come to {total:g}, but the framework has {most:g}")
    made = (Component(o.code, o.main, Decimal(str(o.max)), o.title, o.measure) for o in given)
    return tuple(sorted(made, key=lambda one: one.code))


@dataclass(frozen=True, slots=True)
class Score:
    """One score of one unit, as somebody gave it. number: later ones are greater."""

    unit: str
    component: str
    kind: str
    score: Decimal
    evidence: str | None
    who: str
    number: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One unit in a round. rank: 1 is the highest total, equal totals share one; radar: share of each main's points."""

    unit: str
    total: Decimal
    rank: int
    scored: int
    by_main: Mapping[int, Decimal]
    radar: Mapping[int, float]


def holding(scores: Iterable[Score]) -> dict[str, dict[str, Score]]:
    """The score that holds of each unit and component: the newest of the highest kind."""
    found: dict[str, dict[str, Score]] = {}
    for one in sorted(scores, key=lambda s: (KINDS.index(s.kind), s.number)):
        found.setdefault(one.unit, {})[one.component] = one
    return found


def standings(of: Sequence[Component], scores: Iterable[Score]) -> list[Standing]:
    """Every unit with any score, the highest total first; what nobody scored counts nothing."""
    held, main_of = holding(scores), {one.code: one.main for one in of}
    most: dict[int, Decimal] = {}
    for one in of:
        most[one.main] = most.get(one.main, Decimal(0)) + one.max
    totals = {unit: sum((s.score for s in own.values()), Decimal(0)) for unit, own in held.items()}
    made = []
    for unit in sorted(held, key=lambda u: (-totals[u], u)):
        by_main = dict.fromkeys(most, Decimal(0))
        for score in held[unit].values():
            by_main[main_of[score.component]] += score.score
        radar = {main: float(points / most[main]) for main, points in by_main.items()}
        rank = 1 + sum(other > totals[unit] for other in totals.values())
        made.append(Standing(unit, totals[unit], rank, len(held[unit]), by_main, radar))
    return made


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a raise would do. given: how much of it the component's points allow."""

    unit: str
    component: str
    given: Decimal
    total: Decimal
    rank_before: int
    rank_after: int

    @property
    def lifted(self) -> int:
        return self.rank_before - self.rank_after


def what_if(of: Sequence[Component], scores: Sequence[Score], unit: str, component: str, by: Decimal) -> WhatIf:
    """Raising one component of one unit, all others as they are. Raises NotFound."""
    about = next((one for one in of if one.code == component), None)
    before = {one.unit: one for one in standings(of, scores)}
    if about is None or unit not in before:
        raise NotFound("component" if about is None else "unit", "is not in this round")
    held = holding(scores)[unit].get(component)
    now = held.score if held else Decimal(0)
    after = max(Decimal(0), min(about.max, now + by))
    total = before[unit].total + after - now
    rank = 1 + sum(other.total > total for name, other in before.items() if name != unit)
    return WhatIf(unit, component, after - now, total, before[unit].rank, rank)


def metadata_share(layers: Iterable[Layer]) -> dict[str, tuple[int, int]]:
    """By owner (in Vietnamese): its layers with description, source, licence and column titles, and all its layers."""
    found: dict[str, tuple[int, int]] = {}
    for layer in layers:
        told = all((layer.description.vi, layer.description.en, layer.source.vi, layer.licence)) and all(
            column.title.vi and column.title.en for column in layer.columns
        )
        good, every = found.get(layer.owner.vi, (0, 0))
        found[layer.owner.vi] = (good + bool(told), every + 1)
    return found
