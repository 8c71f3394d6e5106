"""What an empty city's indicators begin with: a sample dictionary, and made-up years of figures on true area versions.

Figures before the reform are of the units of then, those after it of the units of today; a few wards are unlike
their neighbours, late, or were revised, so that there are signs to be found. Rates carry numerator and denominator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.areas import REFORM
from ingest.city import TODAY, City
from ingest.city import units as package
from ingest.city.indicators import Indicator, indicators
from ingest.city.plane import Array

MONTHS = 24
"""At scale 1 and beyond. Smaller cities have fewer months."""
LATE_MONTHS = 2
"""The latest months, still provisional; a few wards have not handed them in."""
PLANNED = np.datetime64("2026-01")
"""Plans are made from this month on."""
FLOWS = ("births", "new_enterprises", "budget_revenue", "dengue_cases")
"""Counts that add up over time."""
REVISED, JUMPS = 0.004, 0.002
"""Share of final figures that are revised by a fifth, and of the latest that are three times what they should be."""

Months = NDArray[np.datetime64]


def dictionary() -> pd.DataFrame:
    """The sample list. Its groups are numbered in the order of its themes: the names of the city's 20 are not known."""
    known = indicators()
    groups = {theme: f"{number:02}" for number, theme in enumerate(dict.fromkeys(i.theme for i in known), 1)}
    return pd.DataFrame([_entry(one, groups[one.theme]) for one in known])


def _entry(one: Indicator, group: str) -> dict[str, object]:
    rate = one.kind == "rate"
    return {
        "code": one.code, "title": one.title, "title_en": one.title_en, "group_code": group, "unit": one.unit,
        "measure": one.kind, "per": 100, "formula": "100 × tử số / mẫu số" if rate else None,
        "better": one.better, "frequency": "month", "flow": one.code in FLOWS, "agency": one.agency,
    }  # fmt: skip


def demo(city: City) -> Iterator[pd.DataFrame]:
    """Figures with their plan, one indicator at a time: indicator, code, period, status, value, numerator, …"""
    count = round(MONTHS * min(1.0, max(city.scale, 2 / MONTHS)))
    months = TODAY.astype("datetime64[M]") - np.arange(count)[::-1]
    reform = np.datetime64(REFORM, "M")
    for indicator in indicators():
        frames = [_of_units(indicator, one, city) for one in _ground(city, months, reform) if len(one.months)]
        yield pd.concat(frames, ignore_index=True)


@dataclass(frozen=True, slots=True)
class Ground:
    """The units that stood over some months, and how large each is beside a ward of today."""

    name: str
    codes: list[str]
    months: Months
    size: float


def _ground(city: City, months: Months, reform: np.datetime64) -> tuple[Ground, Ground]:
    new = [str(code) for code in city.wards["code"]]
    old = [unit.code for unit in package.old_units() if unit.code != "755"] if len(new) == 168 else []
    before = Ground("old", old, months[months < reform] if old else months[:0], len(new) / max(len(old), 1))
    return before, Ground("new", new, months[months >= reform], 1.0)


def _of_units(indicator: Indicator, ground: Ground, city: City) -> pd.DataFrame:
    """Each unit's own level, growth, season and noise; some have not handed in the latest months."""
    rng = city.rng(f"indicator {ground.name}", indicator.code)
    shape = (len(ground.codes), len(ground.months))
    amounts = _amounts(indicator, ground, rng)
    last = ground.months == TODAY.astype("datetime64[M]")
    amounts = np.where((rng.random(shape) < JUMPS) & last, np.minimum(amounts * 3, _most(indicator)), amounts)
    numerator = denominator = np.full(shape, np.nan)
    if indicator.kind == "rate":
        denominator = np.round(indicator.base * ground.size * rng.uniform(0.4, 1.8, (shape[0], 1))) * np.ones(shape) + 1
        numerator = np.round(amounts / 100 * denominator)
        amounts = 100 * numerator / denominator
    late = np.broadcast_to(ground.months >= TODAY.astype("datetime64[M]") - LATE_MONTHS + 1, shape)
    there = (rng.random(shape) > 0.03) | ~late
    frame = _long(indicator, ground, (amounts, numerator, denominator), late)[there.ravel()]
    return pd.concat([frame, _revised(frame, indicator, rng)], ignore_index=True)


def _most(indicator: Indicator) -> float:
    return np.inf if indicator.kind == "count" else 100.0


def _amounts(indicator: Indicator, ground: Ground, rng: np.random.Generator) -> Array:
    """(units, months) values; counts are whole, rates and scores within 0 to 100."""
    months = ground.months
    month, years = months.astype(int) % 12, (months.astype(int) - 636) / 12  # since January 2023
    own = np.exp(rng.normal(0, indicator.swing, (len(ground.codes), 1)))
    wave = 1 + indicator.season * np.sin((month - 4) * np.pi / 6)
    noise = np.exp(rng.normal(0, min(0.06, indicator.swing / 4), (len(ground.codes), len(months))))
    size = ground.size if indicator.kind == "count" else 1.0
    amounts = indicator.usual * size * own * (1 + indicator.yearly) ** years * wave * noise
    return np.round(amounts) if indicator.kind == "count" else np.round(np.clip(amounts, 0, 100), 2)


def _long(indicator: Indicator, ground: Ground, figures: tuple[Array, Array, Array], late: Array) -> pd.DataFrame:
    """One row for each unit and month."""
    value, numerator, denominator = (figure.ravel() for figure in figures)
    usual = np.nanmean(figures[0], axis=1, keepdims=True) * np.ones(figures[0].shape)
    aim = np.minimum(usual * (1.03 if indicator.better == "higher" else 0.97), _most(indicator))
    return pd.DataFrame(
        {
            "indicator": indicator.code,
            "code": np.repeat(np.array(ground.codes, object), len(ground.months)),
            "period": np.tile(ground.months.astype(str), len(ground.codes)),
            "status": np.where(late.ravel(), "provisional", "final"),
            "value": value,
            "numerator": numerator,
            "denominator": denominator,
            "plan": np.where(np.tile(ground.months >= PLANNED, len(ground.codes)), np.round(aim.ravel(), 1), np.nan),
        }
    )


def _revised(frame: pd.DataFrame, indicator: Indicator, rng: np.random.Generator) -> pd.DataFrame:
    """A second version of a few final counts."""
    again = (rng.random(len(frame)) < REVISED) & (frame["status"] == "final").to_numpy()
    rows = frame[again & (indicator.kind == "count")].assign(status="revised", plan=np.nan)
    return rows.assign(value=np.round(rows["value"] * 1.2))
