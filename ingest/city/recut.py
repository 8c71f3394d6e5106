"""Outlines of the units before the reform, cut out of whatever outlines their heirs have.

Where the heirs are the demo's own cells, the demo's own old units; else every heir is dealt to its origins by nearness
to places strewn over their real boxes. They nest in their heirs without gap or overlap. Nobody's border."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely

from ingest.city import cells
from ingest.city.plane import Array, to_lonlat, to_plane
from ingest.city.units import OldUnit, links, old_units

STREWN = 7
"""Places along each side of a box."""
SAME = 1e-9
"""Square degrees (10 m²) up to which two outlines are the same."""


def old_outlines(wards: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The 442 origins (code, geometry) inside these wards (code, geometry). EPSG:4326."""
    shapes = dict(zip(wards["code"], wards.geometry, strict=True))
    if _own_cells(shapes):
        made = cells.old_wards()
        return made[["code", "geometry"]]
    pieces: dict[str, list[shapely.Geometry]] = {}
    for heir, origins in _origins().items():
        if heir in shapes:
            for origin, ground in _dealt(shapes[heir], origins):
                pieces.setdefault(origin.code, []).append(ground)
    joined = {code: shapely.union_all(parts) for code, parts in pieces.items()}
    codes = sorted(joined)
    return gpd.GeoDataFrame({"code": codes}, geometry=[_areas_of(joined[code]) for code in codes], crs=4326)


def _own_cells(shapes: dict[str, shapely.Geometry]) -> bool:
    """Whether these are the demo's own outlines."""
    own = cells.wards()
    if set(own["code"]) != set(shapes):
        return False
    given = np.array([shapes[code] for code in own["code"]])
    if np.abs(shapely.area(given) - shapely.area(own.geometry.to_numpy())).max() > SAME:
        return False
    return bool(shapely.area(shapely.symmetric_difference(given, own.geometry.to_numpy())).max() < SAME)


def _origins() -> dict[str, list[OldUnit]]:
    units = {unit.code: unit for unit in old_units()}
    found: dict[str, list[OldUnit]] = {}
    for link in links():
        found.setdefault(link.new, []).append(units[link.old])
    return found


def _dealt(ground: shapely.Geometry, origins: list[OldUnit]) -> list[tuple[OldUnit, shapely.Geometry]]:
    """A heir's ground, dealt to its origins: each gets what lies nearest to the places strewn for it."""
    if len(origins) == 1:
        return [(origins[0], ground)]
    strewn = [_strewn(origin, ground) for origin in origins]
    owner = np.repeat(np.arange(len(origins)), list(map(len, strewn)))
    places = np.concatenate(strewn)
    places += np.random.default_rng(len(places)).uniform(-0.5, 0.5, places.shape)  # no two on one spot
    cells_ = shapely.get_parts(
        shapely.voronoi_polygons(shapely.multipoints(places), extend_to=_plane(ground), ordered=True)
    )
    cut = shapely.intersection(_lonlat(cells_), ground)
    return [(origin, shapely.union_all(cut[owner == i])) for i, origin in enumerate(origins)]


def _strewn(origin: OldUnit, ground: shapely.Geometry) -> Array:
    """Places of the plane in the origin's real box and on this ground; its own point's nearest one at least."""
    west, south, east, north = origin.box
    x, y = np.meshgrid(np.linspace(west, east, STREWN + 2)[1:-1], np.linspace(south, north, STREWN + 2)[1:-1])
    grid = np.column_stack([x.ravel(), y.ravel()])
    grid = grid[shapely.contains_xy(ground, grid)]
    if not len(grid):
        own = shapely.Point(origin.lon, origin.lat)
        grid = shapely.get_coordinates(shapely.shortest_line(ground, own))[:1]
    return to_plane(grid)


def _plane(ground: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(ground, to_plane)


def _lonlat(shapes: object) -> object:
    return shapely.transform(shapes, to_lonlat)


def _areas_of(ground: shapely.Geometry) -> shapely.MultiPolygon:
    """The polygons of a shape, as one multipolygon."""
    parts = [part for part in shapely.get_parts(ground) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.multipolygons([one for part in parts for one in shapely.get_parts(part)])
