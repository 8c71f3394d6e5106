"""What lies at a place of the plane: which ward, and whether it is safely on the city's ground.

One small raster answers for any number of points at once; it never grows with the scale of the demo."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from ingest.city.plane import METRES, ORIGIN, Array, to_plane

STEP_DEGREES = 0.001
NOWHERE = 0


@dataclass(frozen=True, slots=True)
class Ground:
    """ward: 1 + index of the ward, by row (south to north) and column. inner: the pixel and all around it are city."""

    west: float
    south: float
    ward: NDArray[np.int16]
    inner: NDArray[np.bool_]
    areas_m2: Array

    def ward_at(self, xy: Array) -> NDArray[np.int64]:
        """Index of the ward at each point of the plane, or -1; right to about a hundred metres."""
        return self._looked_up(self.ward, xy).astype(np.int64) - 1

    def holds(self, xy: Array) -> NDArray[np.bool_]:
        """Whether a point lies in the city, at least a pixel away from its edge."""
        return self._looked_up(self.inner, xy).astype(bool)

    def _looked_up(self, raster: NDArray[np.generic], xy: Array) -> NDArray[np.generic]:
        lonlat = xy / METRES + ORIGIN
        column = np.floor((lonlat[..., 0] - self.west) / STEP_DEGREES).astype(np.int64)
        row = np.floor((lonlat[..., 1] - self.south) / STEP_DEGREES).astype(np.int64)
        there = (row >= 0) & (row < raster.shape[0]) & (column >= 0) & (column < raster.shape[1])
        return np.where(there, raster[np.where(there, row, 0), np.where(there, column, 0)], raster.dtype.type(NOWHERE))


def ground(wards: gpd.GeoDataFrame) -> Ground:
    """The ground of a city whose wards these are (EPSG:4326)."""
    from scipy.ndimage import minimum_filter  # late: scipy takes a second to start, and only demo cities need it

    west, south, east, north = wards.total_bounds + np.array([-1, -1, 1, 1]) * 3 * STEP_DEGREES
    shape = (int(np.ceil((north - south) / STEP_DEGREES)), int(np.ceil((east - west) / STEP_DEGREES)))
    upward = Affine(STEP_DEGREES, 0, west, 0, STEP_DEGREES, south)
    numbered = ((geometry, index + 1) for index, geometry in enumerate(wards.geometry))
    ward = rasterize(numbered, out_shape=shape, transform=upward, fill=NOWHERE, dtype="int16")
    areas = np.bincount(ward.ravel(), minlength=len(wards) + 1)[1:] * (STEP_DEGREES**2 * METRES[0] * METRES[1])
    return Ground(west, south, ward, minimum_filter(ward, size=3) > NOWHERE, np.maximum(areas, 1.0))


def bounds_m(wards: gpd.GeoDataFrame) -> Array:
    """((west, south), (east, north)) of the wards in the plane."""
    return to_plane(wards.total_bounds.reshape(2, 2))
