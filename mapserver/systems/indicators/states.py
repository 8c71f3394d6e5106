"""Red, orange, green, grey: whether an indicator will make its plan, as the city's execution board tells it.

Red: will miss the plan; orange: still developing; green: expected to reach it; grey: cannot be assessed yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from mapserver.layer import Text
from mapserver.periods import Period
from mapserver.systems.indicators.records import Indicator, Observation, Target
from mapserver.systems.indicators.rules import Thresholds

Colour = Literal["red", "orange", "green", "grey"]
COLOURS: tuple[Colour, ...] = ("red", "orange", "green", "grey")
"""In the order in which they are shown."""
NAMES = {
    "red": Text("Sẽ không đạt kế hoạch", "Will miss the plan"),
    "orange": Text("Đang tiến triển", "Still developing"),
    "green": Text("Dự kiến đạt kế hoạch", "Expected to reach the plan"),
    "grey": Text("Chưa đánh giá được", "Cannot be assessed yet"),
}


@dataclass(frozen=True, slots=True)
class State:
    """One indicator of one unit (None: the city) in a period. expected: what the plan's period will come to.

    attained: expected over plan, the right way round: 1 or more makes the plan. why: what was reckoned, in words."""

    indicator: str
    area: int | None
    period: Period
    colour: Colour
    value: Decimal | None
    expected: float | None
    plan: float | None
    attained: float | None
    why: Text


def state(
    indicator: Indicator, observed: Sequence[Observation], plan: Target | None, at: Period, limits: Thresholds
) -> State:
    """Of one unit. observed: its figures that hold, of one boundary version, up to the end of `at`."""
    latest = next((one for one in observed if one.period == at), None)
    area = observed[0].area if observed else plan.area if plan else None
    if plan is None or latest is None or indicator.better is None or plan.value <= 0:
        why = _grey(indicator, plan, latest)
        value = latest.value if latest else None
        return State(indicator.code, area, at, "grey", value, None, float(plan.value) if plan else None, None, why)
    expected, wanted = _expected(indicator, observed, plan, latest), float(plan.value)
    attained = expected / wanted if indicator.better == "higher" else _inverse(wanted, expected)
    colour = _colour(attained, limits.near_percent)
    why = _why(expected, plan, attained)
    return State(indicator.code, area, at, colour, latest.value, expected, wanted, attained, why)


def _colour(attained: float, near_percent: float) -> Colour:
    if attained >= 1:
        return "green"
    return "orange" if attained >= 1 - near_percent / 100 else "red"


def _inverse(wanted: float, expected: float) -> float:
    return wanted / expected if expected > 0 else float("inf")


def _expected(indicator: Indicator, observed: Sequence[Observation], plan: Target, latest: Observation) -> float:
    """A flow goes on at its pace so far until the plan's period ends; anything else stays where it is."""
    if not indicator.flow or plan.period == latest.period:
        return float(latest.value)
    first, last = plan.period.first, latest.period.last
    within = [one for one in observed if first <= one.period.first and one.period.last <= last]
    days = sum((one.period.last - one.period.first).days + 1 for one in within)
    return float(sum(one.value for one in within)) * _days(plan.period) / days


def _days(period: Period) -> int:
    return (period.last - period.first).days + 1


def plan_for(targets: Iterable[Target], at: Period) -> Target | None:
    """The target whose period is, or holds, this one; the shortest of several."""
    holding = [one for one in targets if one.period.first <= at.first and at.last <= one.period.last]
    return min(holding, key=lambda one: _days(one.period), default=None)


def _grey(indicator: Indicator, plan: Target | None, latest: Observation | None) -> Text:
    if latest is None:
        return Text("Chưa có số liệu của kỳ", "There is no figure for the period yet")
    if plan is None:
        return Text("Chưa có kế hoạch cho kỳ", "There is no plan for the period")
    if indicator.better is None:
        return Text("Chỉ tiêu không có chiều tốt", "The indicator has no good direction")
    return Text("Kế hoạch bằng 0 hoặc âm", "The plan is zero or less")


def _why(expected: float, plan: Target, attained: float) -> Text:
    plan_value, when, share = float(plan.value), plan.period.text, 100 * attained
    return Text(
        f"Dự kiến {vn(expected)} so với kế hoạch {vn(plan_value)} của {when}: đạt {vn(share)} %",
        f"Expected {us(expected)} against a plan of {us(plan_value)} for {when}: {us(share)} %",
    )


def us(figure: float) -> str:
    """A figure with at most two decimals: 1,234.5."""
    text = f"{figure:,.2f}"
    return text.rstrip("0").rstrip(".")


def vn(figure: float) -> str:
    """The same as Vietnamese write it: 1.234,5."""
    return us(figure).translate(str.maketrans(",.", ".,"))


def red_first(states: Iterable[State]) -> list[State]:
    """Red first; within a colour those furthest off their plan."""
    return sorted(states, key=lambda s: (COLOURS.index(s.colour), s.attained or 0.0, s.indicator, s.area or 0))


def due_on(indicator: Indicator, at: Period) -> date:
    """The last day on which a figure for a period may come."""
    return date.fromordinal(at.last.toordinal() + indicator.due_days)
