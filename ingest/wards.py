"""Wards, communes and the special zone: from a file of outlines, or cells around the real points."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd

from ingest.city import City, cells, with_shapes
from mapserver.reading import Source, rows

REAL = "hcmc_wards_2025.gpkg"
"""The file of the real folder that this layer is filled from."""


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Units as the agency writes them; `Phường`, `Xã`, `Đặc khu` are known by the code list's titles."""
    yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """The 168 real units on made-up outlines; the same at every scale."""
    made = cells.wards()
    yield with_shapes(made.drop(columns="geometry").to_dict("list"), made.geometry.to_numpy())
