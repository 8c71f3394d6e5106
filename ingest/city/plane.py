"""The local plane the demo city is drawn on: metres east and north of Bến Thành, and back to longitude and latitude.

Good to one part in a thousand over the city, which is all a synthetic city needs; surveyed data never passes here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ORIGIN = (106.70, 10.78)
"""Longitude and latitude of the plane's origin."""
METRES = (109_360.0, 110_600.0)
"""Metres in one degree of longitude and of latitude at the origin."""


def to_plane(lonlat: Array) -> Array:
    """(…, 2) degrees → (…, 2) metres."""
    return (np.asarray(lonlat, dtype=float) - ORIGIN) * METRES


def to_lonlat(xy: Array) -> Array:
    """(…, 2) metres → (…, 2) degrees, rounded to 7 decimals (1 cm) so that shared corners stay shared."""
    return np.round(np.asarray(xy, dtype=float) / METRES + ORIGIN, 7)
