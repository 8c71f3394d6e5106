"""Water surfaces: OSM areas of water, an agency's areas, or the demo's rivers, lakes and ponds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import geopandas as gpd
import numpy as np
import shapely

from ingest.city import City, with_shapes
from ingest.city.grid import bent
from ingest.city.measures import area_m2
from ingest.city.names import WATERS
from ingest.city.plane import to_lonlat
from ingest.city.shapes import blobs
from mapserver.reading import Source, osm, rows

REAL = "hcm_2018.osm.pbf"
"""The file of the real folder that this layer is filled from."""
TOTAL = 900
TAGGED = {
    "natural": ("water", "wetland"),
    "waterway": ("riverbank", "dock"),
    "landuse": ("reservoir", "basin"),
}
KINDS, SHARES, ROOM = ("pond", "lake", "basin"), (0.75, 0.17, 0.08), {"pond": 0.14, "lake": 0.3, "basin": 0.2}
"""Kinds, how common each is, and its radius in sides of its square."""
PREFIXES = {"pond": "Ao", "lake": "Hồ", "basin": "Hồ điều tiết"}


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Areas of water of every kind."""
    frames = (
        osm(source, multipolygons=TAGGED, columns={"class": class_of}) if source.path.suffix == ".pbf" else rows(source)
    )
    for frame in frames:
        if frame.crs is not None:
            frame["area_m2"] = area_m2(frame)
        yield frame


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """The rivers' surfaces, and 900 × scale lakes and ponds."""
    surfaces = np.array([shapely.transform(river.water(), to_lonlat) for river in city.rivers])
    names = [river.name for river in city.rivers]
    ids = [f"demo/river/{n}" for n in range(len(names))]
    yield _measured(with_shapes({"source_id": ids, "name": names, "class": "river"}, _multi(surfaces)))
    first = 1 + len(names)
    for number, (cells, key) in enumerate(city.squares("water_areas", TOTAL, green=False)):
        rng, count = city.rng("water_areas", number), len(cells)
        kind = rng.choice(KINDS, count, p=SHARES)
        room = np.array([ROOM[one] for one in kind]) * cells.side_m
        radius = np.minimum(room, 260.0) * np.exp(rng.normal(0, 0.2, count))
        middle = bent(cells.at(np.full(count, 0.5), np.full(count, 0.5)))
        columns = {
            "source_id": [f"demo/{one:015x}" for one in key.tolist()],
            "name": [f"{PREFIXES[k]} {name}" for k, name in zip(kind, rng.choice(WATERS, count), strict=True)],
            "class": kind,
        }
        yield _measured(with_shapes(columns, _multi(blobs(middle, radius, rng)), first))
        first += count


def class_of(tags: Mapping[str, str]) -> str:
    """The layer's class out of the tags that say water."""
    if tags.get("waterway") == "riverbank" or tags.get("water") == "river":
        return "river"
    if tags.get("natural") == "wetland":
        return "wetland"
    landuse = tags.get("landuse", "")
    if landuse in ("reservoir", "basin"):
        return landuse
    water = tags.get("water", "")
    return water if water in ("canal", "lake", "pond", "reservoir", "basin") else "water"


def _multi(polygons: np.ndarray[tuple[int], np.dtype[np.object_]]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.array([shapely.multipolygons(_areas(one)) for one in polygons], dtype=object)


def _areas(shape: shapely.Geometry) -> list[shapely.Polygon]:
    return [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]


def _measured(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    frame["area_m2"] = area_m2(frame)
    return frame
