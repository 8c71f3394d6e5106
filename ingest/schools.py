"""Schools and kindergartens: from OSM, an agency's list, or made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import geopandas as gpd
import numpy as np

from ingest.city import City, framed, osm_tags
from ingest.city.names import FLOWERS, PEOPLE
from ingest.city.units import unaccented
from mapserver.reading import Source, osm, rows
from mapserver.text import folded

REAL = "hcm_2018.osm.pbf"
"""The file of the real folder that this layer is filled from."""
TOTAL = 3_400
TAGGED = {"amenity": ("school", "kindergarten")}
LEVELS = ("kindergarten", "primary", "lower_secondary", "upper_secondary", "combined")
SHARES = np.array([0.46, 0.27, 0.16, 0.08, 0.03])
PREFIXES = {"kindergarten": "Trường Mầm non", "primary": "Trường Tiểu học", "lower_secondary": "Trường THCS",
            "upper_secondary": "Trường THPT", "combined": "Trường THCS và THPT"}  # fmt: skip
PUPILS = {"kindergarten": 260, "primary": 1100, "lower_secondary": 1300, "upper_secondary": 1400, "combined": 1500}
SMALL = ("kindergarten", "mamnon")
WORDS = (
    ("lower_secondary", ("thcs", "trung hoc co so", "cap 2", "secondary")),
    ("upper_secondary", ("thpt", "trung hoc pho thong", "cap 3", "high school")),
    ("primary", ("tieu hoc", "cap 1", "primary")),
    ("kindergarten", ("mam non", "mau giao", "nha tre", "kindergarten")),
    ("continuing", ("thuong xuyen", "gdtx", "bo tuc")),
    ("special", ("chuyen biet", "khuyet tat", "khiem thi")),
)
"""Words of a school's name that tell its level, without accents."""


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Points and areas; areas become a point inside them. The level is read out of the name."""
    if source.path.suffix == ".pbf":
        yield from osm(source, points=TAGGED, multipolygons=TAGGED, columns=_OSM)
        return
    for frame in rows(source):
        if "kind" not in frame:
            levels = frame["level"] if "level" in frame else [""] * len(frame)
            frame["kind"] = ["kindergarten" if folded(str(one)) in SMALL else "school" for one in levels]
        yield frame


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """Schools of every level, 3,400 × scale."""
    first = 1
    for number, places in enumerate(city.places("schools", TOTAL)):
        rng = city.rng("schools", number)
        level = rng.choice(LEVELS, len(places), p=SHARES)
        small = level == "kindergarten"
        person = np.where(small, rng.choice(FLOWERS, len(places)), rng.choice(PEOPLE, len(places)))
        usual = np.array([PUPILS[name] for name in level])
        pupils = (usual * np.exp(rng.normal(0, 0.35, len(places)))).round().astype(int)
        columns = {
            "source_id": places.ids,
            "name": [f"{PREFIXES[one]} {name}" for one, name in zip(level, person, strict=True)],
            "kind": np.where(small, "kindergarten", "school"),
            "level": level,
            "ownership": np.where(rng.random(len(places)) < np.where(small, 0.45, 0.85), "public", "private"),
            "address": places.addresses,
            "pupils": pupils,
            "classes": np.maximum(3, pupils // np.where(small, 28, 40)),
            "teachers": np.maximum(5, pupils // np.where(small, 14, 19)),
        }
        yield framed(columns, places.xy, first)
        first += len(places)


def level_of(tags: Mapping[str, str]) -> str | None:
    """The level a name tells; several levels in one name are `combined`."""
    name = unaccented(tags.get("name", "")).casefold()
    told = [level for level, words in WORDS if any(word in name for word in words)]
    if tags.get("amenity") == "kindergarten" or "kindergarten" in told:
        return "kindergarten"
    return None if not told else told[0] if len(told) == 1 else "combined"


_OSM = {
    "kind": "amenity",
    "level": level_of,
    "ownership": osm_tags.ownership,
    "address": osm_tags.address,
    "phone": ("phone", "contact:phone"),
    "website": osm_tags.website,
    "pupils": osm_tags.whole("capacity"),
    "classes": osm_tags.nothing,
    "teachers": osm_tags.nothing,
}
