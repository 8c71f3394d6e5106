"""Economic units: the register's extract, or made-up shops and firms."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np

from ingest.city import TODAY, City, framed
from ingest.city.names import HOUSES
from mapserver.reading import Source, rows

TOTAL = 30_000
SECTORS = {
    "A": 1, "B": 0.1, "C": 13, "D": 0.4, "E": 0.6, "F": 9, "G": 37, "H": 6, "I": 9, "J": 4, "K": 1.5, "L": 4, "M": 8,
    "N": 4, "P": 3, "Q": 1.5, "R": 1, "S": 3,
}  # fmt: skip
"""VSIC section → share in percent, about."""
KINDS = {"household": 0.58, "enterprise": 0.35, "branch": 0.06, "cooperative": 0.01}
PREFIXES = {
    "household": "Hộ kinh doanh",
    "enterprise": "Công ty TNHH",
    "branch": "Chi nhánh",
    "cooperative": "Hợp tác xã",
}
USUAL_EMPLOYEES = {"household": 2.0, "enterprise": 12.0, "branch": 8.0, "cooperative": 15.0}


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Units as the register has them."""
    yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """30,000 × scale units; codes begin with `DEMO`, so that nobody takes them for tax numbers."""
    share = np.array(list(SECTORS.values())) / sum(SECTORS.values())
    first = 1
    for number, places in enumerate(city.places("economic_units", TOTAL)):
        rng, count = city.rng("economic_units", number), len(places)
        kind = rng.choice(list(KINDS), count, p=list(KINDS.values()))
        usual = np.array([USUAL_EMPLOYEES[one] for one in kind])
        columns = {
            "code": [f"DEMO{one:08d}" for one in range(first, first + count)],
            "name": [f"{PREFIXES[k]} {a} {b}" for k, a, b in zip(kind, *rng.choice(HOUSES, (2, count)), strict=True)],
            "kind": kind,
            "sector": rng.choice(list(SECTORS), count, p=share),
            "status": rng.choice(["active", "suspended", "dissolved"], count, p=[0.86, 0.09, 0.05]),
            "employees": np.maximum(1, (usual * np.exp(rng.normal(0, 0.9, count))).round()).astype(int),
            "registered_on": TODAY - (rng.beta(1.1, 2.2, count) * 9000).astype(int),
            "address": places.addresses,
        }
        yield framed(columns, places.xy, first)
        first += count
