"""What a generator made, as frames for loading."""

from __future__ import annotations

from collections.abc import Mapping

import geopandas as gpd
import pandas as pd
import shapely

from ingest.city.plane import Array, to_lonlat


def framed(columns: Mapping[str, object], xy: Array, first: int = 1) -> gpd.GeoDataFrame:
    """Columns and points of the plane as a frame for loading; rows are numbered from `first`."""
    return with_shapes(columns, shapely.points(to_lonlat(xy)), first)


def with_shapes(columns: Mapping[str, object], shapes: object, first: int = 1) -> gpd.GeoDataFrame:
    """Columns and shapes in longitude and latitude as a frame for loading."""
    index = pd.RangeIndex(first, first + len(shapes))  # type: ignore[arg-type]
    frame = gpd.GeoDataFrame(pd.DataFrame(dict(columns), index=index), geometry=shapes, crs=4326)
    frame.attrs["part"] = "demo"
    return frame
