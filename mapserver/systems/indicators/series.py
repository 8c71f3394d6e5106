"""One indicator's series on the boundaries of a day: sums kept, rates by numerator and denominator, breaks marked.

Figures of other boundaries are re-aggregated by `mapserver.reaggregation`, with the band over its weights; what does
not add up is refused with the reason. Nothing here knows SQL or HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from mapserver.areas import WEIGHTS, Area, Areas
from mapserver.errors import NotAdditive
from mapserver.periods import Period
from mapserver.reaggregation import REFUSALS, Estimate, Estimates, Reaggregator, rates
from mapserver.systems.indicators.records import Indicator, Observation

SCORES = "a score is no sum of its parts: a union's score cannot be made of scores; score the new unit itself"
NO_PARTS = "came without numerator and denominator; a rate can only be moved onto other boundaries by these"


@dataclass(frozen=True, slots=True)
class Point:
    """One period of one unit (None: the city). low, high: the band where the figure was cut. source: its boundaries.

    estimated: the share of it that came by cutting, 0 to 1; breaks: other boundaries than in the period before."""

    area: Area | None
    period: Period
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    status: str
    source: str
    breaks: bool
    estimated: float = 0.0
    weights: tuple[str, ...] = ()
    numerator: Decimal | None = None
    denominator: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Points by unit and period, on boundaries that have a name. notes: what a reader must know."""

    indicator: Indicator
    boundaries: str
    points: tuple[Point, ...]
    notes: tuple[str, ...]


def series(
    indicator: Indicator, observed: Iterable[Observation], areas: Areas, day: date, weight: str = WEIGHTS[0]
) -> Series:
    """Observations on the boundaries of a day. Raises NotAdditive when not one of them can be moved there."""
    onto, points, refused = Reaggregator(areas, day, weight), list[Point](), dict[str, int]()
    for when, rows in _by_period(observed).items():
        source = areas.boundaries(when.last)
        made, why = _moved(indicator, rows, onto, source)
        points += made
        if why:
            refused[why] = refused.get(why, 0) + 1
    if refused and not points:
        raise NotAdditive(indicator.code, next(iter(refused)))
    marked = tuple(_broken(points))
    return Series(indicator, areas.boundaries(day), marked, tuple(_notes(areas, marked, refused)))


def _by_period(observed: Iterable[Observation]) -> dict[Period, list[Observation]]:
    found: dict[Period, list[Observation]] = {}
    for one in observed:
        found.setdefault(one.period, []).append(one)
    return dict(sorted(found.items(), key=lambda pair: (pair[0].first, pair[0].last)))


def _moved(
    indicator: Indicator, rows: Sequence[Observation], onto: Reaggregator, source: str
) -> tuple[list[Point], str]:
    """The points of one period, and why there are none where there are none."""
    areas, city = onto.areas, [_as_it_is(one, None, source) for one in rows if one.area is None]
    units = [(one, areas.units[one.area]) for one in rows if one.area is not None]
    if all(unit.held_on(onto.day) for _, unit in units):
        return city + [_as_it_is(one, unit, source) for one, unit in units], ""
    if indicator.measure not in ("count", "rate"):
        return city, REFUSALS.get(indicator.measure, SCORES)
    status = min((one.status for one, _ in units), key=("provisional", "revised", "final").index)
    if indicator.measure == "count":
        made = onto.counts({unit.uid: one.value for one, unit in units})
        return city + [_counted(figure, rows[0].period, status, source) for figure in made.figures], _lost(made)
    if any(one.numerator is None or one.denominator is None for one, _ in units):
        return city, NO_PARTS
    above = onto.counts({unit.uid: one.numerator for one, unit in units if one.numerator is not None})
    below = onto.counts({unit.uid: one.denominator for one, unit in units if one.denominator is not None})
    per = indicator.per
    return city + [
        Point(rate.numerator.area, rows[0].period, _text(rate.value), _text(rate.low), _text(rate.high), status, source,
              False, rate.numerator.estimated, rate.numerator.weights, rate.numerator.value,
              rate.denominator.value if rate.denominator else None)
        for rate in rates(above, below, per)
    ], _lost(above)  # fmt: skip


def _lost(made: Estimates) -> str:
    names = ", ".join(unit.full_name for unit in made.lost)
    return f"no link leads from {names}, which is in no figure" if names else ""


def _as_it_is(one: Observation, unit: Area | None, source: str) -> Point:
    return Point(unit, one.period, one.value, None, None, one.status, source, False,
                 numerator=one.numerator, denominator=one.denominator)  # fmt: skip


def _counted(figure: Estimate, when: Period, status: str, source: str) -> Point:
    return Point(figure.area, when, figure.value, figure.low, figure.high, status, source, False, figure.estimated,
                 figure.weights)  # fmt: skip


def _text(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


def _broken(points: Sequence[Point]) -> Iterable[Point]:
    """The points by unit and period, each knowing whether a line may be drawn to it from the one before."""
    before: dict[int | None, str] = {}
    ordered = sorted(points, key=lambda p: (p.area.code if p.area else "", p.period.first, p.period.last))
    for point in ordered:
        uid = point.area.uid if point.area else None
        yield replace(point, breaks=uid in before and before[uid] != point.source)
        before[uid] = point.source


def _notes(areas: Areas, points: Sequence[Point], refused: Mapping[str, int]) -> Iterable[str]:
    breaks = sorted({point.period.text for point in points if point.breaks})
    if breaks:
        yield f"the series breaks at {', '.join(breaks)}: other boundaries before; draw no line across"
    used = {kind for point in points for kind in point.weights}
    yield from (f"cut by {kind} from {areas.data_versions.get(kind, 'no data')}" for kind in sorted(used))
    yield from (f"in {count} periods: {why}" for why, count in refused.items())


def ancestry(areas: Areas, uid: int) -> frozenset[int]:
    """The unit, those it came of and those that came of it: what a series of it can be made of."""
    found = {uid}
    for onward in (False, True):
        open_ = [uid]
        while open_:
            one = open_.pop()
            links = areas.heirs(one) if onward else areas.origins(one)
            new = {link.heir if onward else link.origin for link in links} - found
            found |= new
            open_ += sorted(new)
    return frozenset(found)
