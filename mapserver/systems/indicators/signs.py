"""Abnormal signs of an indicator in a period, each with a sentence that says why, with its figures.

Off target; missing; a jump beyond k x MAD of its own history without the season; a large revision; a unit unlike its
neighbours. Nothing here knows SQL or HTTP; every figure can be recomputed from the observations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from mapserver.areas import Area, Areas
from mapserver.layer import Text
from mapserver.periods import Period
from mapserver.systems.indicators.neighbours import local_moran
from mapserver.systems.indicators.records import Indicator, Observation, Target
from mapserver.systems.indicators.rules import Thresholds
from mapserver.systems.indicators.states import State, due_on, plan_for, state, us, vn

Kind = Literal["off_target", "missing", "jump", "revision", "outlier"]
KINDS: tuple[Kind, ...] = ("off_target", "missing", "jump", "revision", "outlier")
LEAST_SPREAD = 0.005
"""A history that never moved is given this spread, as a share of its median: else its first step would be a jump."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One alert. figures: what the sentence is made of, by name, as they were reckoned."""

    kind: Kind
    indicator: str
    area: Area | None
    period: Period
    sentence: Text
    figures: Mapping[str, float | str]


@dataclass(frozen=True)
class Evidence:
    """What is known of one indicator. observed: every version kept; neighbours: uids that touch, both ways."""

    indicator: Indicator
    observed: Sequence[Observation]
    targets: Sequence[Target]
    areas: Areas
    neighbours: Sequence[tuple[int, int]]
    limits: Thresholds
    today: date

    @cached_property
    def held(self) -> Mapping[int | None, Sequence[Observation]]:
        """The figures that hold, by unit, the oldest first."""
        found: dict[int | None, list[Observation]] = {}
        for one in sorted(self.observed, key=lambda o: (o.period.first, o.period.last)):
            if one.current:
                found.setdefault(one.area, []).append(one)
        return found

    @cached_property
    def planned(self) -> Mapping[int | None, Sequence[Target]]:
        found: dict[int | None, list[Target]] = {}
        for one in self.targets:
            found.setdefault(one.area, []).append(one)
        return found

    @cached_property
    def season(self) -> Mapping[int, float]:
        """By first month of a period, how much of a usual period it is: over the whole years of all units together."""
        return season(self.indicator, self.observed)

    def at(self, period: Period) -> dict[int | None, Observation]:
        """The figures of one period, by unit."""
        return {uid: one for uid, rows in self.held.items() for one in rows if one.period == period}

    def states(self, period: Period) -> list[State]:
        """The state of every unit that has a figure or a plan for the period."""
        made = []
        for uid in sorted({*self.held, *self.planned}, key=lambda one: (one is not None, one or 0)):
            if uid is not None and not self.areas.units[uid].held_on(period.last):
                continue
            rows = [one for one in self.held.get(uid, ()) if one.period.last <= period.last]
            plan = plan_for(self.planned.get(uid, ()), period)
            if rows or plan:
                made.append(state(self.indicator, rows, plan, period, self.limits))
        return made

    def name(self, uid: int | None) -> Text:
        return Text("Toàn thành phố", "The whole city") if uid is None else Text(*[self.areas.units[uid].full_name] * 2)


def signs(known: Evidence, period: Period) -> list[Sign]:
    """Every alert of a period, by kind and unit."""
    found = [*_off_target(known, period), *_missing(known, period), *_jumps(known, period),
             *_revisions(known, period), *_outliers(known, period)]  # fmt: skip
    return sorted(found, key=lambda s: (KINDS.index(s.kind), s.area.code if s.area else ""))


def _sign(known: Evidence, kind: Kind, uid: int | None, at: Period, said: Text, **figures: float | str) -> Sign:
    """The alert; its sentence begins with the indicator, the unit and the period."""
    about, unit = known.indicator, known.name(uid)
    vi, en = f"{about.title}, {unit.vi}, kỳ {at.text}: ", f"{about.title_en or about.title}, {unit.en}, {at.text}: "
    area = known.areas.units[uid] if uid is not None else None
    return Sign(kind, about.code, area, at, Text(f"{vi}{said.vi}.", f"{en}{said.en}."), figures)


def _off_target(known: Evidence, period: Period) -> Iterator[Sign]:
    """Those in red."""
    for one in known.states(period):
        if one.colour == "red" and one.expected is not None and one.plan is not None and one.attained is not None:
            vi = f"sẽ không đạt kế hoạch; {one.why.vi[0].lower()}{one.why.vi[1:]}"
            en = f"will miss the plan; {one.why.en[0].lower()}{one.why.en[1:]}"
            figures = {"expected": one.expected, "plan": one.plan, "attained": one.attained}
            yield _sign(known, "off_target", one.area, period, Text(vi, en), **figures)


def _missing(known: Evidence, period: Period) -> Iterator[Sign]:
    """Units that stood then, of the level that reports this indicator, without a figure after it was due."""
    due, there = due_on(known.indicator, period), known.at(period)
    if known.today <= due or not known.held:
        return
    late = (known.today - due).days
    for unit in known.areas.on(period.last):
        if unit.level == "commune" and unit.uid not in there and any(uid is not None for uid in known.held):
            vi = f"chưa nộp số liệu, hạn {due:%d/%m/%Y}, trễ {late} ngày"
            en = f"no figure was sent; it was due on {due}, {late} days ago"
            yield _sign(known, "missing", unit.uid, period, Text(vi, en), due=due.isoformat(), days_late=float(late))


def season(indicator: Indicator, observed: Iterable[Observation]) -> dict[int, float]:
    """By first month: the mean, over the years that are whole, of the period's share of that year's mean period.

    Of all units together, so that boundaries do not matter: sums of counts, ratios of sums, means of others."""
    sums: dict[tuple[int, int], list[float]] = {}
    for one in observed:
        if one.current and one.area is not None:
            at = (one.period.first.year, one.period.first.month)
            above, below = one.numerator, one.denominator
            parts = (float(above or 0), float(below or 0)) if indicator.measure == "rate" else (float(one.value), 1.0)
            both = sums.setdefault(at, [0.0, 0.0])
            both[0], both[1] = both[0] + parts[0], both[1] + parts[1]
    total = {at: a if indicator.additive else a / b for at, (a, b) in sums.items() if indicator.additive or b}
    return _shares(total, {"month": 12, "quarter": 4, "year": 1}[indicator.frequency])


def _shares(total: Mapping[tuple[int, int], float], per_year: int) -> dict[int, float]:
    years: dict[int, dict[int, float]] = {}
    for (year, month), value in total.items():
        years.setdefault(year, {})[month] = value
    whole = [year for year in years.values() if len(year) == per_year and all(value > 0 for value in year.values())]
    shares: dict[int, list[float]] = {}
    for months in whole:
        usual = sum(months.values()) / per_year
        for month, value in months.items():
            shares.setdefault(month, []).append(value / usual)
    return {month: sum(values) / len(values) for month, values in shares.items()}


def _jumps(known: Evidence, period: Period) -> Iterator[Sign]:
    """Figures further from the median of the unit's own history than k MADs, both without the season."""
    k, least = known.limits.jump_k, known.limits.least_history
    for uid, rows in known.held.items():
        now = next((one for one in rows if one.period == period), None)
        before = [_plain(known, one) for one in rows if one.period.last < period.first]
        if now is None or len(before) < least:
            continue
        usual, value = float(np.median(before)), _plain(known, now)
        spread = max(float(np.median(np.abs(np.array(before) - usual))), LEAST_SPREAD * abs(usual))
        if spread > 0 and abs(value - usual) > k * spread:
            times = abs(value - usual) / spread
            yield _sign(known, "jump", uid, period, _jumped(known, now, (value, usual, spread, times)),
                        value=value, median=usual, mad=spread, times=times, history=float(len(before)))  # fmt: skip


def _plain(known: Evidence, one: Observation) -> float:
    return float(one.value) / known.season.get(one.period.first.month, 1.0)


def _jumped(known: Evidence, now: Observation, figures: tuple[float, float, float, float]) -> Text:
    value, usual, spread, times = figures
    up, k = value > usual, known.limits.jump_k
    kept = ("đã bỏ yếu tố mùa vụ", "season removed") if known.season else ("chưa biết mùa vụ", "season not known")
    return Text(
        f"{'tăng' if up else 'giảm'} đột biến: {vn(float(now.value))} {known.indicator.unit}, {kept[0]} là {vn(value)},"
        f" trung vị các kỳ trước {vn(usual)}, lệch {vn(times)} lần MAD ({vn(spread)}), ngưỡng {vn(k)}",
        f"jumped {'up' if up else 'down'}: {us(float(now.value))}, {kept[1]} {us(value)}, median of the periods before"
        f" {us(usual)}, {us(times)} MADs ({us(spread)}) away, the limit is {us(k)}",
    )


def _revisions(known: Evidence, period: Period) -> Iterator[Sign]:
    """The largest step between two versions of a figure, where it is larger than may be."""
    kept: dict[int | None, list[Observation]] = {}
    for one in sorted(known.observed, key=lambda o: o.number):
        if one.period == period:
            kept.setdefault(one.area, []).append(one)
    for uid, versions in kept.items():
        steps = [(_percent(old, new), old, new) for old, new in pairwise(versions)]
        worst = max(steps, key=lambda step: step[0], default=None)
        if worst is not None and worst[0] > known.limits.revision_percent:
            share, old, new = worst
            was, now, most = float(old.value), float(new.value), known.limits.revision_percent
            vi = f"điều chỉnh từ {vn(was)} thành {vn(now)}, tức {vn(share)} %, quá ngưỡng {vn(most)} %"
            en = f"revised from {us(was)} to {us(now)}, by {us(share)} %, more than {us(most)} %"
            yield _sign(known, "revision", uid, period, Text(vi, en), old=was, new=now, percent=share)


def _percent(old: Observation, new: Observation) -> float:
    if old.value == 0:
        return 0.0 if new.value == 0 else float("inf")
    return float(abs(new.value - old.value) / abs(old.value) * 100)


def _outliers(known: Evidence, period: Period) -> Iterator[Sign]:
    """Units high among low ones, or low among high ones (local Moran's I)."""
    there = {uid: float(one.value) for uid, one in known.at(period).items() if uid is not None}
    uids = sorted(there)
    place = {uid: at for at, uid in enumerate(uids)}
    pairs = [(place[a], place[b]) for a, b in known.neighbours if a in place and b in place]
    if len(uids) < 10 or not pairs:
        return
    values = np.array([there[uid] for uid in uids])
    made, mean = local_moran(values, pairs), float(values.mean())
    for at in made.outliers(known.limits.outlier_p):
        around, p, own = mean + float(made.around[at]), float(made.p[at]), float(values[at])
        high = own > mean
        vi = (
            f"{'cao' if high else 'thấp'} khác các đơn vị giáp ranh: {vn(own)}, trung bình giáp ranh {vn(around)},"
            f" trung bình chung {vn(mean)} (Moran cục bộ {vn(float(made.moran[at]))}, p = {p:.2g})"
        )
        en = (
            f"{'high' if high else 'low'} among its neighbours: {us(own)}, their mean {us(around)}, the mean of all"
            f" {us(mean)} (local Moran's I {us(float(made.moran[at]))}, p = {p:.2g})"
        )
        figures = {"value": own, "neighbours": around, "mean": mean, "moran": float(made.moran[at]), "p": p}
        yield _sign(known, "outlier", uids[int(at)], period, Text(vi, en), **figures)
