"""Parks: OSM areas of leisure, an agency's areas, or blocks of the demo city kept green."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import shapely

from ingest.city import City, osm_tags, with_shapes
from ingest.city.measures import area_m2
from ingest.city.names import STREETS
from ingest.city.shapes import blocks
from mapserver.reading import Source, osm, rows

REAL = "hcm_2018.osm.pbf"
"""The file of the real folder that this layer is filled from."""
TOTAL = 700
CLASSES_KNOWN = ("park", "garden", "playground", "recreation_ground", "nature_reserve")
TAGGED = {"leisure": CLASSES_KNOWN, "landuse": ("recreation_ground",)}
KINDS, SHARES = ("park", "garden", "playground"), (0.5, 0.3, 0.2)
PREFIXES = {"park": "Công viên", "garden": "Vườn hoa", "playground": "Sân chơi"}
DEPTHS = {"park": 0.9, "garden": 0.35, "playground": 0.2}
"""How much of its block each kind takes."""


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Areas of leisure that are green."""
    frames = osm(source, multipolygons=TAGGED, columns=_OSM) if source.path.suffix == ".pbf" else rows(source)
    for frame in frames:
        if frame.crs is not None:
            frame["area_m2"] = area_m2(frame)
        yield frame


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """Parks, gardens and playgrounds, 700 × scale, between the streets of small squares."""
    first = 1
    for number, (cells, key) in enumerate(city.squares("parks", TOTAL, green=True)):
        rng = city.rng("parks", number)
        kind = rng.choice(KINDS, len(cells), p=SHARES)
        inset = np.maximum(0.08, 0.5 - 220 / cells.side_m)
        shapes = shapely.multipolygons(blocks(cells, inset, np.array([DEPTHS[k] for k in kind]))[:, None])
        columns = {
            "source_id": [f"demo/{one:015x}" for one in key.tolist()],
            "name": [f"{PREFIXES[k]} {name}" for k, name in zip(kind, rng.choice(STREETS, len(cells)), strict=True)],
            "class": kind,
            "managed_by": "Đơn vị quản lý mẫu",
        }
        frame = with_shapes(columns, shapes, first)
        frame["area_m2"] = area_m2(frame)
        frame["trees"] = (frame["area_m2"] / 90).round().astype(int)
        yield frame
        first += len(cells)


_OSM = {
    "class": lambda tags: tags["leisure"] if tags.get("leisure") in CLASSES_KNOWN else "recreation_ground",
    "managed_by": "operator",
    "trees": osm_tags.nothing,
}
