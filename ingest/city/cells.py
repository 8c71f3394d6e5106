"""Outlines for units that come without any: cells around the real points, joined along the real links of the reform.

Every old unit is a patch of small Voronoi cells inside its real box; a new unit is the union of what its links give
it. All outlines share their corners, so there is no gap and no overlap. Synthetic: the shapes are nobody's border."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from ingest.city.plane import Array, to_lonlat, to_plane
from ingest.city.units import links, new_units, old_units, unaccented

if TYPE_CHECKING:
    from scipy.spatial import Voronoi

Labels = NDArray[np.int64]

SEED = 2025
SEEDS_PER_UNIT = 44
REACH = 1.7
"""How far seeds are strewn, in half boxes from the middle of a unit."""
EDGE = 1.1
"""Beyond this many half boxes from every unit lies the sea or another province."""
OUTSIDE = -1


@cache
def pieces() -> gpd.GeoDataFrame:
    """One row per link of the reform: old_code, new_code, whole, and the ground that went that way. 493 rows."""
    from scipy.spatial import Voronoi  # late: scipy takes a second to start, and only demo cities need it

    centres, halves = _ellipses()
    seeds = _seeds(centres, halves)
    voronoi = Voronoi(seeds)
    units = _connected(_filled(_nearest(seeds, centres, halves), voronoi), voronoi)
    link_of = _link_labels(seeds, units)
    frame = pd.DataFrame(
        [(link.old, link.new, link.whole) for link in links()], columns=["old_code", "new_code", "whole"]
    )
    return gpd.GeoDataFrame(frame, geometry=_unions(voronoi, link_of, len(frame)), crs=4326)


@cache
def old_wards() -> gpd.GeoDataFrame:
    """The 442 origins as they were before the reform: code, name, district, geometry."""
    ground = _joined("old_code")
    rows = [(unit.code, unit.name, unit.district, ground[unit.code]) for unit in old_units()]
    return gpd.GeoDataFrame(rows, columns=["code", "name", "district", "geometry"], crs=4326)


@cache
def wards() -> gpd.GeoDataFrame:
    """The 168 units with the columns of the layer `wards`, sorted by code."""
    ground = _joined("new_code")
    rows = [
        (u.code, u.name, u.full_name, unaccented(u.name), u.unit_type, u.area_km2, ground[u.code]) for u in new_units()
    ]
    columns = ["code", "name", "full_name", "name_en", "unit_type", "area_km2_published", "geometry"]
    return gpd.GeoDataFrame(rows, columns=columns, crs=4326)


def _joined(column: str) -> dict[str, shapely.MultiPolygon]:
    grouped = pieces().groupby(column)["geometry"]
    return {code: _multi(shapely.coverage_union_all(shapely.get_parts(part.to_numpy()))) for code, part in grouped}


def _multi(geometry: shapely.Geometry) -> shapely.MultiPolygon:
    return shapely.multipolygons(shapely.get_parts(geometry))


def _ellipses() -> tuple[Array, Array]:
    """Middle and half box of every old unit, in metres. Units the source puts on one and the same point are spread."""
    units = old_units()
    points = to_plane(np.array([(u.lon, u.lat) for u in units]))
    boxes = to_plane(np.array([(u.box[:2], u.box[2:]) for u in units]))
    middles, halves = boxes.mean(axis=1), (boxes[:, 1] - boxes[:, 0]) / 2
    _, group, size = np.unique(points.round(-1), axis=0, return_inverse=True, return_counts=True)
    for shared in np.flatnonzero(size > 1):
        members = np.flatnonzero(group == shared)
        points[members], halves[members] = _spread(members)
    centred = 0.5 * points + 0.5 * np.where(np.abs(middles - points) < halves, middles, points)
    return np.where((size > 1)[group][:, None], points, centred), halves


def _spread(members: Labels) -> tuple[Array, Array]:
    """Places near the heirs of units whose own place is not known: on a small ring around the heir's point."""
    heirs = {unit.code: unit for unit in new_units()}
    heir_of = {link.old: heirs[link.new] for link in links() if link.default}
    chosen = [heir_of[old_units()[member].code] for member in members]
    radius = np.array([np.sqrt(heir.area_km2 / np.pi) * 1000 for heir in chosen])
    angle = np.arange(len(members)) * 2 * np.pi / len(members)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None] * 0.4
    return to_plane(np.array([(heir.lon, heir.lat) for heir in chosen])) + ring, np.repeat(
        radius[:, None] * 0.6, 2, axis=1
    )


def _seeds(centres: Array, halves: Array) -> Array:
    """The middles first, then points strewn over every ellipse, then a ring that closes the outermost cells."""
    rng = np.random.default_rng(SEED)
    radius = np.sqrt(rng.uniform(0.01, REACH**2, (len(centres), SEEDS_PER_UNIT)))
    angle = rng.uniform(0, 2 * np.pi, radius.shape)
    strewn = centres[:, None] + halves[:, None] * np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    around = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    ring = centres[:, None] + halves[:, None] * 1.9 * np.stack([np.cos(around), np.sin(around)], axis=-1)
    return np.concatenate([centres, strewn.reshape(-1, 2), ring.reshape(-1, 2)])


def _nearest(seeds: Array, centres: Array, halves: Array) -> Labels:
    """The unit each seed belongs to: its own middle's, else the nearest in half boxes, OUTSIDE beyond EDGE of all."""
    labels = np.empty(len(seeds), dtype=np.int64)
    for start in range(0, len(seeds), 4096):
        part = seeds[start : start + 4096, None]
        distance = np.hypot(*np.moveaxis((part - centres) / halves, -1, 0))
        labels[start : start + 4096] = np.where(distance.min(axis=1) > EDGE, OUTSIDE, distance.argmin(axis=1))
    labels[: len(centres)] = np.arange(len(centres))
    return labels


def _components(labels: Labels, voronoi: Voronoi) -> Labels:
    """A number for every patch of touching cells with one label."""
    from scipy.sparse import coo_array  # late: scipy takes a second to start, and only demo cities need it
    from scipy.sparse.csgraph import connected_components  # as above

    one, other = voronoi.ridge_points[labels[voronoi.ridge_points[:, 0]] == labels[voronoi.ridge_points[:, 1]]].T
    graph = coo_array((np.ones(len(one)), (one, other)), shape=(len(labels), len(labels)))
    return connected_components(graph, directed=False)[1]


def _filled(labels: Labels, voronoi: Voronoi) -> Labels:
    """Holes inside the city go to a neighbour; only what reaches the unbounded rim stays outside."""
    patch = _components(labels, voronoi)
    rim = np.array([-1 in voronoi.regions[region] for region in voronoi.point_region])
    hole = (labels == OUTSIDE) & ~np.isin(patch, patch[rim & (labels == OUTSIDE)])
    return _given_away(labels, hole, voronoi)


def _connected(labels: Labels, voronoi: Voronoi) -> Labels:
    """Of every unit only the patch around its own middle stays; splinters go to a neighbour."""
    patch = _components(labels, voronoi)
    splinter = (labels != OUTSIDE) & (patch != patch[labels])  # the seed of a unit's middle bears the unit's number
    return _given_away(labels, splinter, voronoi)


def _given_away(labels: Labels, loose: NDArray[np.bool_], voronoi: Voronoi) -> Labels:
    """Labels where every loose cell has taken that of a settled neighbour inside the city, ring by ring."""
    labels, loose = labels.copy(), loose.copy()
    pairs = np.concatenate([voronoi.ridge_points, voronoi.ridge_points[:, ::-1]])
    while loose.any():
        taker, giver = pairs[loose[pairs[:, 0]] & ~loose[pairs[:, 1]] & (labels[pairs[:, 1]] != OUTSIDE)].T
        if not len(taker):
            labels[loose] = OUTSIDE
            break
        labels[taker] = labels[giver]
        loose[taker] = False
    return labels


def _link_labels(seeds: Array, units: Labels) -> Labels:
    """The link each cell went by: the unit's only one, or the heir whose real point is nearest."""
    unit_index = {unit.code: i for i, unit in enumerate(old_units())}
    heirs = {unit.code: to_plane(np.array([unit.lon, unit.lat])) for unit in new_units()}
    by_unit: dict[int, list[int]] = {}
    for index, link in enumerate(links()):
        by_unit.setdefault(unit_index[link.old], []).append(index)
    chosen = np.full(len(units), OUTSIDE)
    for unit, options in by_unit.items():
        cells = np.flatnonzero(units == unit)
        chosen[cells] = options[0] if len(options) == 1 else _split(seeds[cells], options, heirs)
    return chosen


def _split(seeds: Array, options: list[int], heirs: dict[str, Array]) -> Labels:
    """Cells of a split unit dealt to its heirs by direction; every heir gets at least a fair part of one in five."""
    targets = np.array([heirs[links()[option].new] for option in options])
    middle = seeds.mean(axis=0)
    aims = (targets - middle) / np.linalg.norm(targets - middle, axis=1, keepdims=True)
    pull = (seeds - middle) @ aims.T
    dealt = pull.argmax(axis=1)
    fair = max(1, len(seeds) // (5 * len(options)))
    for heir in range(len(options)):
        if (dealt == heir).sum() < fair:
            dealt[np.argsort(-pull[:, heir])[:fair]] = heir
    return np.array(options)[dealt]


def _unions(voronoi: Voronoi, labels: Labels, count: int) -> list[shapely.Geometry]:
    """The ground of each label: its cells dissolved along their shared edges."""
    cells = np.flatnonzero(labels != OUTSIDE)
    regions = [voronoi.regions[voronoi.point_region[cell]] for cell in cells]
    sizes = np.array([len(region) for region in regions])
    corners = to_lonlat(voronoi.vertices)[np.concatenate(regions)]
    polygons = shapely.polygons(shapely.linearrings(corners, indices=np.repeat(np.arange(len(cells)), sizes)))
    order = np.argsort(labels[cells], kind="stable")
    bounds = np.searchsorted(labels[cells][order], np.arange(count + 1))
    return [_multi(shapely.coverage_union_all(polygons[order[a:b]])) for a, b in pairwise(bounds)]
