"""Lines and areas for low zooms: simplified to about a pixel, with borders in common, and the best of too many.

Pure functions over arrays of shapes in EPSG:3857. Areas are simplified as one coverage (GEOS CoverageSimplify, by
Visvalingam and Whyatt 1993): a border that two areas share is one line, simplified once, so neither gap nor sliver
comes between them; PostGIS knows it from 3.4 with GEOS 3.12 on, shapely's wheel brings a GEOS that does. Lines are
simplified each for itself (Douglas and Peucker 1973), and keep their ends, so that they still meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from mapserver.generalised import WORLD_M

TILE_PIXELS = 512
COST_FEATURE, COST_VERTEX = 1.0, 0.05
"""What a feature and a vertex of it cost a tile; by measurement 10 µs and 0.5 µs of a processor at most."""
MOST_COST = 5_000.0
"""What a tile may cost: with it, the slowest was seen to take half of the promised 100 ms."""

Shapes = NDArray[np.object_]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Shapes in EPSG:3857 in the order in which they are kept: by rank, the larger first among equals."""

    ids: NDArray[np.int64]
    ranks: Floats
    shapes: Shapes


def pixel_m(zoom: int) -> float:
    """Side of a pixel of a zoom in metres of EPSG:3857, of tiles with 512 pixels."""
    return WORLD_M / 2.0**zoom / TILE_PIXELS


def ranked(ids: NDArray[np.int64], ranks: Floats, shapes: Shapes) -> Ranked:
    """Shapes put in their order; a rank that is missing (NaN) comes last."""
    west, south, east, north = shapely.bounds(shapes).T
    size = np.hypot(east - west, north - south)
    order = np.lexsort((ids, -np.nan_to_num(size), -np.nan_to_num(ranks, nan=-np.inf)))
    return Ranked(ids[order], ranks[order], shapes[order])


def simplified(shapes: Shapes, zoom: int) -> Shapes:
    """The shapes as they are told apart at a zoom: nothing that a pixel could show is gone."""
    areal = np.isin(shapely.get_type_id(shapes), (3, 6))
    out = shapes.copy()
    out[~areal] = shapely.simplify(shapes[~areal], pixel_m(zoom) / 2, preserve_topology=False)
    sound = areal & shapely.is_valid(shapes)
    out[sound] = shapely.coverage_simplify(shapes[sound], pixel_m(zoom))
    return out


def kept(these: Ranked, zoom: int) -> int:
    """How many of the shapes, from the best on, a zoom has room for, so that no tile costs more than MOST_COST.

    Equal ranks come or stay away together, all over the map, if only the first of them fit in at all."""
    first = _overflows(these, zoom)
    if first == len(these.ids) or np.isnan(these.ranks[first]):
        return first
    begins = int(np.searchsorted(-np.nan_to_num(these.ranks, nan=-np.inf), -these.ranks[first], side="left"))
    return begins or first


def _overflows(these: Ranked, zoom: int) -> int:
    """The place of the first shape with which a tile would cost too much; their number when there is none."""
    if not len(these.ids):
        return 0
    cost = COST_FEATURE + COST_VERTEX * shapely.get_num_coordinates(these.shapes)
    shape, tile = _tiles(shapely.bounds(these.shapes), zoom)
    order = np.argsort(tile, kind="stable")  # within a tile, the best first
    sums = np.cumsum(cost[shape[order]])
    begins = np.flatnonzero(np.diff(tile[order], prepend=-1))
    before = np.repeat(np.append(0.0, sums[begins[1:] - 1]), np.diff(np.append(begins, len(order))))
    over = shape[order][sums - before > MOST_COST]
    return int(over.min()) if len(over) else len(these.ids)


def _tiles(bounds: Floats, zoom: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(place of a shape, number of a tile) for every tile that the box of a shape reaches into."""
    side = 2**zoom
    columns = np.clip((np.nan_to_num(bounds) / WORLD_M + 0.5) * side, 0, side - 1).astype(np.int64)
    west, south, east, north = columns.T
    wide, high = east - west + 1, north - south + 1
    shape = np.repeat(np.arange(len(bounds)), wide * high)
    within = np.arange(len(shape)) - np.repeat(np.cumsum(wide * high) - wide * high, wide * high)
    tile = (south[shape] + within // wide[shape]) * side + west[shape] + within % wide[shape]
    return shape, tile
