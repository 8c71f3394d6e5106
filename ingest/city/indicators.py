"""A sample list of indicators (`indicators.csv`), each with the numbers it is made from.

Not the official 110: nobody has sent that list yet."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator. usual: its value in a ward of 80,000 people; swing: how far wards differ; yearly: growth a year.

    season: share it rises and falls by within a year. base: denominator of a rate per ward, 0 for counts and scores."""

    code: str
    title: str
    title_en: str
    unit: str
    kind: Literal["count", "rate", "score"]
    better: Literal["higher", "lower"]
    theme: str
    agency: str
    usual: float
    swing: float
    yearly: float
    season: float
    base: int


def _indicator(row: dict[str, str]) -> Indicator:
    numbers = {name: float(row[name]) for name in ("usual", "swing", "yearly", "season")}
    return Indicator(**{**row, **numbers, "base": int(row["base"])})  # type: ignore[arg-type]


def indicators() -> tuple[Indicator, ...]:
    """The sample list, in the order of its file."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return tuple(_indicator(row) for row in csv.DictReader(file))
