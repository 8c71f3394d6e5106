"""Health facilities: OSM hospitals, clinics, practices and pharmacies, an agency's list, or made-up ones."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np

from ingest.city import City, framed, osm_tags
from ingest.city.names import HOUSES, PEOPLE
from mapserver.reading import Source, osm, rows

REAL = "hcm_2018.osm.pbf"
"""The file of the real folder that this layer is filled from."""
KINDS = ("hospital", "clinic", "doctors", "dentist", "pharmacy", "preventive")
SHARES = np.array([0.04, 0.10, 0.22, 0.12, 0.515, 0.005])
TOTAL = 2_900
"""Facilities at scale 1, apart from the one health station of every ward."""
TAGGED = {"amenity": ("hospital", "clinic", "doctors", "dentist", "pharmacy")}
PREFIXES = {
    "hospital": "Bệnh viện",
    "clinic": "Phòng khám đa khoa",
    "doctors": "Phòng khám bác sĩ",
    "dentist": "Nha khoa",
    "pharmacy": "Nhà thuốc",
    "preventive": "Trung tâm Kiểm soát bệnh tật",
}


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Points and areas with these amenities; areas become a point inside them."""
    if source.path.suffix == ".pbf":
        yield from osm(source, points=TAGGED, multipolygons=TAGGED, columns=_OSM)
    else:
        yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """A health station in every ward, and 2,900 × scale others."""
    stations = city.ward_places
    yield framed(
        {
            "source_id": [f"demo/station/{code}" for code in city.wards["code"]],
            "name": [f"Trạm y tế {name}" for name in city.wards["full_name"]],
            "kind": "health_station",
            "ownership": "public",
            "address": stations.addresses,
            "beds": np.full(len(stations), 5),
            "doctors": 1 + (stations.dice(1) * 3).astype(int),
            "emergency": np.zeros(len(stations), dtype=bool),
        },
        stations.xy + np.array([18.0, 0.0]),
    )
    first = 1 + len(stations)
    for number, places in enumerate(city.places("health", TOTAL)):
        rng = city.rng("health", number)
        kind = rng.choice(KINDS, len(places), p=SHARES)
        hospital = kind == "hospital"
        house = np.where(hospital, rng.choice(PEOPLE, len(places)), rng.choice(HOUSES, len(places)))
        columns = {
            "source_id": places.ids,
            "name": [f"{PREFIXES[k]} {h}" for k, h in zip(kind, house, strict=True)],
            "kind": kind,
            "ownership": np.where(rng.random(len(places)) < np.where(hospital, 0.6, 0.1), "public", "private"),
            "address": places.addresses,
            "beds": np.where(hospital, (np.exp(rng.normal(5.2, 0.8, len(places)))).round(), np.nan),
            "doctors": np.where(hospital, rng.integers(20, 400, len(places)), rng.integers(1, 12, len(places))),
            "emergency": hospital,
        }
        yield framed(columns, places.xy, first)
        first += len(places)


_OSM = {
    "kind": "amenity",
    "ownership": osm_tags.ownership,
    "address": osm_tags.address,
    "phone": ("phone", "contact:phone"),
    "website": osm_tags.website,
    "beds": osm_tags.whole("beds"),
    "doctors": osm_tags.nothing,
    "emergency": osm_tags.flag("emergency"),
}
