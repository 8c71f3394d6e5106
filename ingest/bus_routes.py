"""Bus lines: an agency's file, or lines along the demo's larger streets."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import shapely

from ingest.city import City, with_shapes
from ingest.city.buses import groups
from ingest.city.names import OPERATORS
from ingest.city.plane import to_lonlat
from mapserver.reading import Source, rows


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Lines as the agency has them."""
    yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """130 × scale lines."""
    names, first = city.wards["name"].to_numpy(), 1
    for lines in groups(city):
        rng = city.rng("bus_routes", first)
        shapes = np.array([shapely.multilinestrings([to_lonlat(line.course)]) for line in lines], dtype=object)
        columns = {
            "number": [line.number for line in lines],
            "name": [f"{names[line.origin]} - {names[line.destination]}" for line in lines],
            "operator": rng.choice(OPERATORS, len(lines)),
            "origin": [names[line.origin] for line in lines],
            "destination": [names[line.destination] for line in lines],
            "length_km": [round(line.length_m / 1000, 1) for line in lines],
            "stops": [len(line.stops) for line in lines],
            "headway_min": rng.choice([8, 10, 12, 15, 20, 30], len(lines)),
            "hours": rng.choice(["04:30-21:00", "05:00-20:30", "05:00-19:00", "05:30-18:30"], len(lines)),
            "fare_vnd": rng.choice([5000, 6000, 7000], len(lines)),
            "electric": rng.random(len(lines)) < 0.3,
        }
        yield with_shapes(columns, shapes, first)
        first += len(lines)
