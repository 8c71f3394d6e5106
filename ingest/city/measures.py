"""Lengths and areas of shapes in longitude and latitude, on the ellipsoid's UTM zone 48N (EPSG:32648)."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely

UTM = 32648


def length_m(frame: gpd.GeoDataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Length of every shape in metres, to a decimetre."""
    return np.round(shapely.length(frame.geometry.to_crs(UTM).to_numpy()), 1)


def area_m2(frame: gpd.GeoDataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Area of every shape in square metres, to a square metre."""
    return np.round(shapely.area(frame.geometry.to_crs(UTM).to_numpy()))
