"""Roads: OSM ways with `highway`, an agency's centre lines, or the demo's streets and alleys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import geopandas as gpd
import numpy as np

from ingest.city import City, osm_tags, with_shapes
from ingest.city.measures import length_m
from ingest.city.streets import CLASSES
from mapserver.reading import Source, osm, rows
from mapserver.text import folded

REAL = "hcm_2018.osm.pbf"
"""The file of the real folder that this layer is filled from."""
RANKS = {
    "motorway": 9, "trunk": 8, "primary": 7, "secondary": 6, "tertiary": 5, "unclassified": 4, "residential": 4,
    "road": 4, "pedestrian": 3, "living_street": 3, "construction": 2, "service": 2, "alley": 1,
}  # fmt: skip
"""Rank of each class; links stand just below the road they leave, anything else is 0."""
LINKED = ("motorway", "trunk", "primary", "secondary", "tertiary")
PATHS = ("track", "footway", "cycleway", "path", "steps", "platform", "proposed", "other")
CLASSES_KNOWN = frozenset((*RANKS, *(f"{name}_link" for name in LINKED), *PATHS))
SURFACES = {
    "asphalt": "asphalt", "concrete": "concrete", "concrete:plates": "concrete", "concrete:lanes": "concrete",
    "cement": "concrete", "paving_stones": "paving_stones", "sett": "paving_stones", "cobblestone": "paving_stones",
    "paved": "paved", "gravel": "gravel", "fine_gravel": "gravel", "pebblestone": "gravel", "compacted": "gravel",
    "unpaved": "unpaved", "ground": "ground", "dirt": "ground", "earth": "ground", "sand": "ground", "grass": "ground",
}  # fmt: skip
LANES, WIDTHS_M, SPEEDS = (6, 4, 4, 2, 2, 1), (22.0, 16.0, 12.0, 8.0, 6.0, 2.5), (80, 60, 60, 50, 40, 20)
"""Of the demo's streets, by rank in CLASSES."""


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Every line with `highway`; from other files the columns as they are called."""
    if source.path.suffix == ".pbf":
        for frame in osm(source, lines={"highway": True}, columns=_OSM):
            frame["length_m"] = length_m(frame)
            yield frame
        return
    titles = {folded(title.vi): code for code, title in (source.layer.by_name["class"].codes or {}).items()}
    for frame in rows(source):
        if "class" in frame and "rank" not in frame:
            frame["rank"] = [rank_of(titles.get(folded(str(kind)), kind)) for kind in frame["class"]]
        yield frame


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """Streets and alleys, 25,000 × scale."""
    first = 1
    for quarter in city.quarters():
        way = quarter.ways
        names = [
            f"Hẻm {chain} {street}" if chain else street for chain, street in zip(way.chain, way.street, strict=True)
        ]
        kind = np.array(CLASSES)[way.rank]
        bridge = city.crosses(way)
        columns = {
            "source_id": [f"demo/{key:015x}" for key in way.key.tolist()],
            "name": names,
            "class": kind,
            "rank": [rank_of(name) for name in kind],
            "oneway": way.key % 7 == 0,
            "lanes": np.array(LANES)[way.rank],
            "width_m": np.array(WIDTHS_M)[way.rank],
            "maxspeed_km_h": np.array(SPEEDS)[way.rank],
            "surface": np.where(way.rank == 5, "concrete", "asphalt"),
            "bridge": bridge,
            "tunnel": np.zeros(len(way), dtype=bool),
            "length_m": np.round(np.linalg.norm(np.diff(way.lines(), axis=1), axis=-1).sum(axis=1), 1),
        }
        yield with_shapes(columns, way.shapes(), first)
        first += len(way)


def rank_of(kind: object) -> int:
    """How early a class is drawn: 9 motorways … 0 paths."""
    name = str(kind)
    return max(0, RANKS[name.removesuffix("_link")] - 1) if name.endswith("_link") else RANKS.get(name, 0)


def _class(tags: Mapping[str, str]) -> str:
    kind = "alley" if tags["highway"] == "service" and tags.get("service") == "alley" else tags["highway"]
    return kind if kind in CLASSES_KNOWN else "other"


_OSM = {
    "class": _class,
    "rank": lambda tags: rank_of(_class(tags)),
    "lanes": osm_tags.whole("lanes"),
    "width_m": osm_tags.number("width"),
    "maxspeed_km_h": osm_tags.whole("maxspeed"),
    "surface": lambda tags: SURFACES.get(tags["surface"], "other") if "surface" in tags else None,
    "oneway": osm_tags.flag("oneway"),
    "bridge": osm_tags.flag("bridge"),
    "tunnel": osm_tags.flag("tunnel"),
}
