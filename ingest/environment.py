"""Environmental monitoring stations with their latest values: an agency's feed, or made up."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np

from ingest.city import TODAY, City, framed
from mapserver.reading import Source, rows

TOTAL = 150
KINDS, SHARES = ("air", "water", "noise", "weather"), (0.4, 0.28, 0.17, 0.15)
NAMES = {"air": "Trạm không khí", "water": "Trạm nước mặt", "noise": "Trạm tiếng ồn", "weather": "Trạm khí tượng"}
PM25_STEPS, AQI_STEPS = (0, 25, 50, 80, 150, 250, 500), (0, 50, 100, 150, 200, 300, 500)
"""24-hour PM2.5 in ug/m3 and the VN_AQI it stands for (Decision 1459/QĐ-TCMT, 2019)."""


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Stations and values as the agency has them."""
    yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """150 × scale stations; each kind fills the values it measures and no others."""
    first = 1
    for number, places in enumerate(city.places("environment", TOTAL)):
        rng, count = city.rng("environment", number), len(places)
        kind = rng.choice(KINDS, count, p=SHARES)
        air, water, noise, weather = (kind == name for name in KINDS)
        pm25 = rng.gamma(4.0, 7.0, count)

        def of(which: np.ndarray, values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
            return np.where(which, np.round(values, 1), np.nan)

        columns = {
            "code": [f"QT{one:05d}" for one in range(first, first + count)],
            "name": [f"{NAMES[k]} {street}" for k, street in zip(kind, places.street, strict=True)],
            "kind": kind,
            "measured_at": [
                f"{TODAY}T{hour:02d}:{minute:02d}:00+07:00" for hour, minute in rng.integers(0, 10, (count, 2)) * (1, 6)
            ],
            "aqi": np.where(air, np.interp(pm25, PM25_STEPS, AQI_STEPS).round(), np.nan),
            "pm25_ug_m3": of(air, pm25),
            "pm10_ug_m3": of(air, pm25 * rng.uniform(1.4, 2.1, count)),
            "no2_ug_m3": of(air, rng.gamma(3.0, 9.0, count)),
            "o3_ug_m3": of(air, rng.gamma(4.0, 12.0, count)),
            "ph": of(water, rng.normal(6.9, 0.35, count).clip(5.5, 8.5)),
            "dissolved_oxygen_mg_l": of(water, rng.normal(4.2, 1.3, count).clip(0.5, 8.5)),
            "bod5_mg_l": of(water, rng.gamma(3.0, 4.0, count)),
            "water_level_m": of(water, rng.normal(0.6, 0.5, count).clip(-1.5, 1.8)),
            "noise_dba": of(noise, rng.normal(69, 6, count).clip(45, 95)),
            "temperature_c": of(weather | air, rng.normal(30.5, 2.0, count)),
            "rain_mm": of(weather, rng.gamma(0.4, 22.0, count)),
        }
        yield framed(columns, places.xy, first)
        first += count
