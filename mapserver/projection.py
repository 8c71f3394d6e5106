"""Geometries from the CRS of a door into longitude and latitude, through the pinned operation for VN-2000."""

from __future__ import annotations

from functools import cache

import numpy as np
import shapely
from pyproj import Transformer
from pyproj.enums import TransformDirection

from mapserver.crs import Crs

Coordinates = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@cache
def transformer(source: str) -> Transformer:
    """From a CRS (proj string or code, x before y) to longitude and latitude."""
    return Transformer.from_crs(source, "OGC:CRS84", always_xy=True)


def lon_lat(coordinates: Coordinates, crs: Crs) -> Coordinates:
    """Coordinates (n, 2), x before y, in longitude and latitude; infinite where the CRS is not defined."""
    if crs.srid == 4326:
        return coordinates
    x, y = transformer(crs.proj4 or crs.code).transform(coordinates[:, 0], coordinates[:, 1])
    return np.column_stack([x, y])


def from_lon_lat(coordinates: Coordinates, crs: Crs) -> Coordinates:
    """Longitudes and latitudes (n, 2) in a CRS, x before y; infinite where it is not defined."""
    if crs.srid == 4326:
        return coordinates
    direction = TransformDirection.INVERSE
    x, y = transformer(crs.proj4 or crs.code).transform(coordinates[:, 0], coordinates[:, 1], direction=direction)
    return np.column_stack([x, y])


def in_lon_lat(shape: shapely.Geometry, crs: Crs) -> shapely.Geometry | None:
    """A geometry given in the axis order of its CRS, in longitude and latitude; None when it leaves the earth."""
    turned = shapely.transform(shape, lambda c: c[:, ::-1]) if crs.swap else shape
    placed = shapely.transform(turned, lambda c: lon_lat(c, crs))
    coordinates = shapely.get_coordinates(placed)
    on_earth = np.isfinite(coordinates).all() and bool((abs(coordinates) <= (180, 90)).all())
    return placed if on_earth else None
