"""Indicator values: an agency's report, or three made-up years by month and ward.

Rates carry numerator and denominator, and their value is exactly the one over the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ingest.city import TODAY, City
from ingest.city.indicators import Indicator, indicators
from ingest.city.plane import Array
from mapserver.reading import Source, rows

Months = NDArray[np.datetime64]
Words = NDArray[np.object_]

MONTHS = 36
"""At scale 1 and beyond: there are no more wards, months and indicators to fill. Smaller cities have fewer months."""
CITY_CODE = "79"
LATE_MONTHS = 2
"""The latest months, still provisional; a few wards have not handed them in."""


def read(source: Source) -> Iterator[pd.DataFrame]:
    """Values as the agency reports them."""
    yield from rows(source)


@dataclass(frozen=True, slots=True)
class Series:
    """Values of several areas over several months, (areas, months); for a rate also what it is made of."""

    codes: Words
    level: str
    months: Months
    value: Array
    numerator: Array
    denominator: Array


def demo(city: City) -> Iterator[pd.DataFrame]:
    """Every indicator for every ward and month, then for the city as a whole; one indicator at a time."""
    count = round(MONTHS * min(1.0, max(city.scale, 2 / MONTHS)))
    months = TODAY.astype("datetime64[M]") - np.arange(count)[::-1]
    first = 1
    for indicator in indicators():
        of_wards = _of_wards(indicator, months, city)
        both = [_long(indicator, series) for series in (of_wards, _of_city(indicator, of_wards))]
        frame = pd.concat(both, ignore_index=True)
        frame.index = pd.RangeIndex(first, first + len(frame))
        frame.attrs["part"] = "demo"
        yield frame
        first += len(frame)


def _of_wards(indicator: Indicator, months: Months, city: City) -> Series:
    """Each ward's own level, growth, season and noise; some have not handed in the latest months."""
    codes, rng = city.wards["code"].to_numpy(), city.rng("indicator", indicator.code)
    amounts = _amounts(indicator, months, len(codes), rng)
    denominator = np.round(indicator.base * rng.uniform(0.4, 1.8, (len(codes), 1))) * np.ones(amounts.shape)
    numerator = np.round(amounts / 100 * denominator)
    handed_in = (rng.random(amounts.shape) > 0.03) | (np.arange(len(months)) < len(months) - LATE_MONTHS)
    value = _ratio(numerator, denominator) if indicator.kind == "rate" else amounts
    return Series(codes, "ward", months, *(np.where(handed_in, x, np.nan) for x in (value, numerator, denominator)))


def _of_city(indicator: Indicator, wards: Series) -> Series:
    """Counts added up, rates from added numerators and denominators, scores as the mean."""
    value, part, base = (np.nansum(x, axis=0, keepdims=True) for x in (wards.value, wards.numerator, wards.denominator))
    match indicator.kind:
        case "rate":
            value = _ratio(part, base)
        case "score":
            value = np.nanmean(wards.value, axis=0, keepdims=True)
    return Series(np.array([CITY_CODE]), "city", wards.months, value, part, base)


def _ratio(numerator: Array, denominator: Array) -> Array:
    return 100 * numerator / denominator


def _amounts(indicator: Indicator, months: Months, wards: int, rng: np.random.Generator) -> Array:
    """(wards, months) values; counts are whole, rates and scores within 0 to 100."""
    month, years = months.astype(int) % 12, np.arange(len(months)) / 12
    own = np.exp(rng.normal(0, indicator.swing, (wards, 1)))
    wave = 1 + indicator.season * np.sin((month - 4) * np.pi / 6)
    noise = np.exp(rng.normal(0, min(0.06, indicator.swing / 4), (wards, len(months))))
    amounts = indicator.usual * own * (1 + indicator.yearly) ** years * wave * noise
    return np.round(amounts) if indicator.kind == "count" else np.round(np.clip(amounts, 0, 100), 2)


def _long(indicator: Indicator, series: Series) -> pd.DataFrame:
    """One row for each area and month."""
    areas, count = len(series.codes), len(series.months)
    area, month = np.repeat(series.codes, count), np.tile(series.months, areas)
    late = np.tile(np.arange(count) >= count - LATE_MONTHS, areas)
    value, rate = series.value.ravel(), indicator.kind == "rate"
    plan = np.nanmean(value) * (1.05 if indicator.better == "higher" else 0.95)
    return pd.DataFrame(
        {
            "code": [f"{indicator.code}/{a}/{m}" for a, m in zip(area, month, strict=True)],
            "indicator": indicator.code,
            "area_code": area,
            "area_level": series.level,
            "period": month.astype("datetime64[s]"),
            "period_type": "month",
            "value": value,
            "numerator": series.numerator.ravel() if rate else np.nan,
            "denominator": series.denominator.ravel() if rate else np.nan,
            "plan": round(float(plan), 1),
            "status": np.where(np.isnan(value), "missing", np.where(late, "provisional", "final")),
        }
    )
