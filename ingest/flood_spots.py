"""Flood spots: an agency's list, or made-up ones on streets."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd

from ingest.city import TODAY, City, framed
from mapserver.reading import Source, rows

TOTAL = 180


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Spots as the agency has them."""
    yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """180 × scale spots."""
    first = 1
    for number, places in enumerate(city.on_streets("flood_spots", TOTAL)):
        rng, count = city.rng("flood_spots", number), len(places)
        depth = rng.gamma(3.0, 7.0, count).clip(5, 70).round().astype(int)
        columns = {
            "code": [f"N{one:05d}" for one in range(first, first + count)],
            "name": [f"Trước số {address}" for address in places.addresses],
            "cause": rng.choice(["rain", "tide", "both"], count, p=[0.55, 0.25, 0.2]),
            "depth_cm": depth,
            "drains_in_min": (depth * rng.uniform(1.5, 5, count)).round().astype(int),
            "last_seen_on": TODAY - rng.integers(0, 240, count),
        }
        yield framed(columns, places.xy, first)
        first += count
