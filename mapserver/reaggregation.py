"""Counts of one set of boundaries, estimated on another: sums are kept to the last digit, in either direction.

Weighted areal interpolation (Goodchild & Lam 1980) along the links of every reform between. Nothing here knows SQL or
HTTP, and nothing here adds up what does not add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from mapserver.areas import EQUAL, LEAST_COUNTED, WEIGHTS, Area, Areas, Link
from mapserver.errors import NotAdditive

Measure = Literal["count", "rate", "median", "rank", "share"]
MEASURES: tuple[Measure, ...] = ("count", "rate", "median", "rank", "share")
SPARE_DECIMALS = 6
"""Decimals that a split adds to those of what is split."""
REFUSALS: Mapping[str, str] = {
    "median": "a median cannot be taken apart or put together: the median of a union is not made of its parts' medians;"
    " send the counts by class, or the single values",
    "rank": "a rank says nothing of the amounts behind it; send the amounts and rank what comes back",
    "share": "a share of an unknown base cannot be weighed; send its numerator and its denominator (a rate)",
}
Shares = Mapping[int, Fraction]


@dataclass(frozen=True, slots=True)
class Step:
    """One link that a figure came by. share: of the unit it comes from, in the direction taken; 1 if it was not cut."""

    link: Link
    share: Fraction
    weight: str
    """The kind of weight it was cut by; empty when nothing was cut."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where one unit's amount goes on the wanted day: share of each target, and the links on the way."""

    shares: Shares
    steps: Mapping[int, tuple[Step, ...]]

    @property
    def cut(self) -> bool:
        return any(step.weight for steps in self.steps.values() for step in steps)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure on the wanted boundaries. low, high: None where one kind of weight, or none, was at hand."""

    area: Area
    value: Decimal
    low: Decimal | None
    high: Decimal | None
    weights: tuple[str, ...]
    """Kinds of weight that the value was cut by, those of the value itself; empty when nothing was cut."""
    estimated: float
    """Share of the value that came by cutting, 0 to 1."""
    steps: tuple[Step, ...]
    band: str
    """Why there is a band, or none."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """A series on the wanted boundaries."""

    boundaries: str
    figures: tuple[Estimate, ...]
    lost: tuple[Area, ...] = ()
    """Units without any link to the wanted day; their amounts are in no figure."""

    @property
    def total(self) -> Decimal:
        return sum((figure.value for figure in self.figures), Decimal(0))


def additive(measure: str, what: str = "") -> None:
    """Raises NotAdditive, with the reason, for what is no count and no rate."""
    if measure in REFUSALS:
        raise NotAdditive(what or "measure", REFUSALS[measure])


def way(areas: Areas, uid: int, day: date, kind: str = WEIGHTS[0]) -> Way:
    """From a unit to those of a day, through every reform between, cut by `kind` or the next best that is known."""
    shares, steps = {uid: Fraction(1)}, {uid: tuple[Step, ...]()}
    while open_ := [one for one in shares if not areas.units[one].held_on(day)]:
        for one in open_:
            amount, before = shares.pop(one), steps.pop(one)
            for step, target in _onward(areas, one, day, kind):
                shares[target] = shares.get(target, Fraction(0)) + amount * step.share
                steps[target] = (*steps.get(target, ()), *before, step)
    return Way(shares, steps)


def _onward(areas: Areas, uid: int, day: date, kind: str) -> list[tuple[Step, int]]:
    """The links out of a unit towards a day, with the share that each takes."""
    unit = areas.units[uid]
    forward = unit.valid_to is not None and unit.valid_to <= day
    links = areas.heirs(uid) if forward else areas.origins(uid)
    if not links or any(_beyond(areas, link, day, forward) for link in links):
        raise _Lost(unit)
    used = weight_of(links, kind)
    shares = cut(links, used)
    label = used if len(links) > 1 else ""
    return [
        (Step(link, share, label), link.heir if forward else link.origin)
        for link, share in zip(links, shares, strict=True)
    ]


def _beyond(areas: Areas, link: Link, day: date, forward: bool) -> bool:
    """Whether a link leads past the wanted day: between its two ends there was nothing."""
    if forward:
        start = areas.units[link.heir].valid_from
        return start is not None and start > day
    end = areas.units[link.origin].valid_to
    return end is not None and end <= day


class _Lost(LookupError):
    """A unit has no link towards the wanted day."""

    def __init__(self, unit: Area) -> None:
        super().__init__(unit.code)
        self.unit = unit


def weight_of(links: tuple[Link, ...], wanted: str) -> str:
    """The wanted kind of weight where it is known of all these links, else the best that is."""
    order = dict.fromkeys((wanted, *WEIGHTS))
    return next((kind for kind in order if known(links, kind)), EQUAL)


def known(links: tuple[Link, ...], kind: str) -> bool:
    """Whether a kind of weight can cut these links: measured on each, and enough of it on all."""
    if not all(kind in link.measured for link in links):
        return False
    least = LEAST_COUNTED if kind in ("addresses", "buildings") else 0
    return sum(link.measured[kind] for link in links) > least


def cut(links: tuple[Link, ...], kind: str) -> list[Fraction]:
    """The share of each link, exactly; their sum is 1."""
    if len(links) == 1:
        return [Fraction(1)]
    if kind == EQUAL:
        return [Fraction(1, len(links))] * len(links)
    amounts = [Fraction(link.measured[kind]) for link in links]
    return [amount / sum(amounts) for amount in amounts]


def dealt(amount: int, shares: Iterable[Fraction]) -> list[int]:
    """A whole number dealt by shares that sum to 1, by largest remainder: the parts sum to it exactly."""
    exact = [amount * share for share in shares]
    parts = [value.numerator // value.denominator for value in exact]
    order = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: amount - sum(parts)]:
        parts[i] += 1
    return parts


@dataclass(frozen=True)
class Reaggregator:
    """Ways onto the boundaries of one day, kept between series. whole: figures are whole numbers."""

    areas: Areas
    day: date
    weight: str = WEIGHTS[0]
    whole: bool = False
    _ways: dict[tuple[int, str], Way] = field(default_factory=dict)

    def counts(self, series: Mapping[int, Decimal]) -> Estimates:
        """Amounts by uid, on the wanted boundaries; their sum is the sum of the series, exactly.

        Amounts are what adds up: people, petitions, hectares; never rates."""
        scale = self._decimals(series.values())
        going, lost = self._split(series)
        landed, bands = self._landed(going, scale), self._bands(going)
        figures = (self._estimate(uid, landed[uid], scale, bands.get(uid)) for uid in self._ordered(landed))
        return Estimates(self.areas.boundaries(self.day), tuple(figures), lost)

    def _ordered(self, uids: Iterable[int]) -> list[int]:
        return sorted(uids, key=lambda uid: self.areas.units[uid].code)

    def _split(self, series: Mapping[int, Decimal]) -> tuple[dict[int, Decimal], tuple[Area, ...]]:
        going, lost = {}, []
        for uid, amount in series.items():
            try:
                self._way(uid, self.weight)
                going[uid] = amount
            except _Lost:
                lost.append(self.areas.units[uid])
        return going, tuple(lost)

    def _way(self, uid: int, kind: str) -> Way:
        if (uid, kind) not in self._ways:
            self._ways[uid, kind] = way(self.areas, uid, self.day, kind)
        return self._ways[uid, kind]

    def _decimals(self, amounts: Iterable[Decimal]) -> int:
        """Decimals of the figures: enough to hold every amount, and some more for its parts."""
        amounts = list(amounts)
        given = max((max(0, -int(amount.as_tuple().exponent)) for amount in amounts), default=0)
        return 0 if self.whole and not given else given + (0 if self.whole else SPARE_DECIMALS)

    def _landed(self, series: Mapping[int, Decimal], scale: int) -> dict[int, _Landed]:
        """What arrives at each target, in units of 10^-scale."""
        arrived: dict[int, _Landed] = {}
        for uid, amount in series.items():
            way_ = self._way(uid, self.weight)
            parts = dealt(int(amount.scaleb(scale)), way_.shares.values())
            for target, part in zip(way_.shares, parts, strict=True):
                arrived.setdefault(target, _Landed()).add(part, way_.steps[target])
        return arrived

    def _bands(self, series: Mapping[int, Decimal]) -> dict[int, tuple[Fraction, Fraction, int]]:
        """Least and most of each figure over the kinds of weight at hand, and how many kinds there are."""
        found: dict[int, dict[str, Fraction]] = {}
        used: dict[int, set[str]] = {}
        for kind in WEIGHTS:
            for uid, amount in series.items():
                way_ = self._way(uid, kind)
                for target, share in way_.shares.items():
                    sums = found.setdefault(target, {})
                    sums[kind] = sums.get(kind, Fraction(0)) + Fraction(amount) * share
                    used.setdefault(target, set()).update(step.weight for step in way_.steps[target] if step.weight)
        return {
            uid: (min(sums.values()), max(sums.values()), len(used[uid])) for uid, sums in found.items() if used[uid]
        }

    def _estimate(self, uid: int, landed: _Landed, scale: int, band: tuple[Fraction, Fraction, int] | None) -> Estimate:
        value = Decimal(landed.value).scaleb(-scale)
        low = high = None
        if band and band[2] > 1:
            low, high = min(value, _rounded(band[0], scale)), max(value, _rounded(band[1], scale))
        weights = tuple(dict.fromkeys(step.weight for step in landed.steps if step.weight))
        estimated = landed.cut / landed.value if landed.value else float(bool(weights))
        words = _band_words(band, weights)
        return Estimate(self.areas.units[uid], value, low, high, weights, estimated, tuple(landed.steps), words)


@dataclass(slots=True)
class _Landed:
    """What arrived at one target. cut: the part of it that came by cutting."""

    value: int = 0
    cut: int = 0
    steps: list[Step] = field(default_factory=list)

    def add(self, part: int, steps: tuple[Step, ...]) -> None:
        self.value += part
        self.cut += part if any(step.weight for step in steps) else 0
        self.steps += steps


def _rounded(value: Fraction, scale: int) -> Decimal:
    return Decimal(round(value * 10**scale)).scaleb(-scale)


def _band_words(band: tuple[Fraction, Fraction, int] | None, weights: tuple[str, ...]) -> str:
    if band is None:
        return "nothing was cut"
    if band[2] > 1:
        return f"over {band[2]} kinds of weight"
    return "no band: nothing is known to cut by" if weights == (EQUAL,) else "no band: one kind of weight only"


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate on the wanted boundaries: numerator and denominator were carried apart."""

    numerator: Estimate
    denominator: Estimate | None
    value: float | None
    low: float | None
    high: float | None


def rates(numerators: Estimates, denominators: Estimates, per: float = 1.0) -> tuple[Rate, ...]:
    """Rates of two re-aggregated counts. The band is the widest that both bands allow."""
    below = {figure.area.uid: figure for figure in denominators.figures}
    return tuple(_rate(figure, below.get(figure.area.uid), per) for figure in numerators.figures)


def _rate(above: Estimate, below: Estimate | None, per: float) -> Rate:
    if below is None or not below.value:
        return Rate(above, below, None, None, None)
    value = per * float(above.value / below.value)
    if above.low is None and below.low is None:
        return Rate(above, below, value, None, None)
    low, high = _or(above.low, above.value), _or(above.high, above.value)
    least, most = _or(below.low, below.value), _or(below.high, below.value)
    return Rate(
        above, below, value, per * float(low / most) if most else None, per * float(high / least) if least else None
    )


def _or(bound: Decimal | None, value: Decimal) -> Decimal:
    return value if bound is None else bound
