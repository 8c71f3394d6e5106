"""Rivers, canals and ditches: OSM lines with `waterway`, an agency's lines, or the demo's meanders."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import shapely

from ingest.city import City, osm_tags, with_shapes
from ingest.city.measures import length_m
from ingest.city.names import WATERS
from ingest.city.plane import to_lonlat
from mapserver.reading import Source, osm, rows

REAL = "hcm_2018.osm.pbf"
"""The file of the real folder that this layer is filled from."""
TOTAL, BENDS = 1_400, 12
CLASSES_KNOWN = ("river", "riverbank", "canal", "stream", "drain", "ditch", "dock", "weir", "dam")
KINDS, SHARES = ("canal", "stream", "drain"), (0.3, 0.55, 0.15)
PREFIXES = {"canal": "Kênh", "stream": "Rạch", "drain": "Mương"}


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Every line with `waterway`."""
    frames = osm(source, lines={"waterway": True}, columns=_OSM) if source.path.suffix == ".pbf" else rows(source)
    for frame in frames:
        if frame.crs is not None and ("length_m" not in frame or frame["length_m"].isna().all()):
            frame["length_m"] = length_m(frame)
        yield frame


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """A few long rivers, and 1,400 × scale canals and streams."""
    lines = [to_lonlat(river.course) for river in city.rivers]
    rivers = with_shapes(
        {
            "source_id": [f"demo/river/{n}" for n in range(len(lines))],
            "name": [river.name for river in city.rivers],
            "class": "river",
            "width_m": [float(river.widths_m.mean().round()) for river in city.rivers],
        },
        np.array([shapely.linestrings(line) for line in lines]),
    )
    yield _measured(rivers)
    first = 1 + len(lines)
    for number, (places, room_m) in enumerate(city.roomy_places("waterways", TOTAL)):
        rng = city.rng("waterways", number)
        kind = rng.choice(KINDS, len(places), p=SHARES)
        turn = rng.normal(0, 0.4, (len(places), BENDS)).cumsum(axis=1) + rng.uniform(0, 2 * np.pi, (len(places), 1))
        step = (room_m * rng.uniform(0.12, 0.3, len(places)))[:, None]
        walk = np.stack([np.cos(turn) * step, np.sin(turn) * step], axis=-1).cumsum(axis=1)
        columns = {
            "source_id": places.ids,
            "name": [f"{PREFIXES[k]} {name}" for k, name in zip(kind, rng.choice(WATERS, len(places)), strict=True)],
            "class": kind,
            "width_m": rng.integers(3, 30, len(places)).astype(float),
        }
        yield _measured(with_shapes(columns, shapely.linestrings(to_lonlat(places.xy[:, None] + walk)), first))
        first += len(places)


def _measured(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    frame["length_m"] = length_m(frame)
    return frame


_OSM = {
    "class": lambda tags: tags["waterway"] if tags["waterway"] in CLASSES_KNOWN else "other",
    "width_m": osm_tags.number("width"),
}
