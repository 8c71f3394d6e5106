"""Shapes for things with an area: round ones like ponds, and blocks between streets like parks."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from ingest.city.grid import Cells, bent
from ingest.city.plane import Array, to_lonlat

CORNERS = 22


def blobs(xy: Array, radius_m: Array, rng: np.random.Generator) -> NDArray[np.object_]:
    """Smooth closed outlines around places of the plane, as polygons in longitude and latitude."""
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    phase = rng.uniform(0, 2 * np.pi, (len(xy), 1))
    swell = 1 + 0.22 * np.sin(2 * angle + phase) + 0.13 * np.sin(3 * angle + 2 * phase)
    around = np.stack([np.cos(angle) * swell, np.sin(angle) * swell], axis=-1) * radius_m[:, None, None]
    return shapely.polygons(to_lonlat(xy[:, None] + around))


def blocks(cells: Cells, inset: Array, part: Array) -> NDArray[np.object_]:
    """The ground between the streets of each square: inset from them, `part` of the depth, as polygons."""
    walk = np.array([(0, 0), (0.5, 0), (1, 0), (1, 0.5), (1, 1), (0.5, 1), (0, 1), (0, 0.5)], dtype=float)
    a = inset[:, None] + walk[:, 0] * (1 - 2 * inset[:, None])
    b = inset[:, None] + walk[:, 1] * (1 - 2 * inset[:, None]) * part[:, None]
    corners = np.stack(
        [(cells.i[:, None] + a) * cells.side_m[:, None], (cells.j[:, None] + b) * cells.side_m[:, None]], -1
    )
    return shapely.polygons(to_lonlat(bent(corners)))
