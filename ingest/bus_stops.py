"""Bus stops: an agency's list, or the stops of the demo's lines."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import pandas as pd

from ingest.city import City, framed
from ingest.city.buses import groups, stops_of
from ingest.city.grid import chance
from mapserver.reading import Source, rows


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Stops as the agency has them; several lines in one cell may be parted by commas, too."""
    for frame in rows(source):
        if "routes" in frame and pd.api.types.is_string_dtype(frame["routes"]):
            frame["routes"] = frame["routes"].str.replace(",", ";")
        yield frame


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """Every stop of every line, once."""
    first = 1
    for number, lines in enumerate(groups(city)):
        stops = stops_of(city, lines)
        code = first + np.arange(len(stops.key))
        columns = {
            "code": [f"T{one:06d}" for one in code.tolist()],
            "name": [f"Trạm {street} {one}" for street, one in zip(stops.street, code.tolist(), strict=True)],
            "street": stops.street,
            "routes": stops.lines,
            "shelter": chance(city.seed, 32, stops.key) < 0.35,
            "wheelchair": chance(city.seed, 33, stops.key) < 0.2,
        }
        yield framed(columns, stops.xy + np.array([6.0 + number % 7, -6.0]), first)
        first += len(stops.key)
