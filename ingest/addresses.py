"""Addresses: OSM points with a house number, an agency's list, or the demo's doors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import geopandas as gpd
import numpy as np

from ingest.city import ADDRESSES, City, framed
from mapserver.reading import Source, osm, rows

REAL = "hcm_2018.osm.pbf"
"""The file of the real folder that this layer is filled from."""
FILLER_STREET = "a"
"""What 3,568 OSM addresses say for a street; it means that none was known."""


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Points with `addr:housenumber`; areas and lines with one are counted apart."""
    if source.path.suffix == ".pbf":
        numbered = {"addr:housenumber": True}
        apart = {"multipolygons": numbered, "lines": numbered}
        yield from osm(source, points=numbered, columns=_OSM, apart=apart)
        return
    for frame in rows(source):
        yield _completed(frame)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """Doors along every street and alley, 200,000 × scale."""
    first = 1
    for doors in city.doors(ADDRESSES):
        columns = {
            "source_id": doors.ids,
            "house_number": doors.house_number,
            "street": doors.street,
            "alley": [alley_of(number) for number in doors.house_number],
            "depth": [number.count("/") for number in doors.house_number],
            "full_text": doors.addresses,
        }
        yield framed(columns, doors.xy, first)
        first += len(doors)


def alley_of(house_number: str) -> str | None:
    """The alley chain of a house number: `45/12/3A` → `45/12`; none on the street front."""
    return house_number.rpartition("/")[0] or None


def street_of(tags: Mapping[str, str]) -> str | None:
    """The street, unless a filler stands in its place."""
    street = tags.get("addr:street", "").strip()
    return None if street in ("", FILLER_STREET) else street


def _full(tags: Mapping[str, str]) -> str:
    return " ".join(part for part in (tags["addr:housenumber"], street_of(tags)) if part)


def _building(tags: Mapping[str, str]) -> str | None:
    name = tags.get("addr:housename", "").strip()
    return None if name in ("", FILLER_STREET) else name


def _completed(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Full text, alley and depth where the source leaves them out."""
    if "house_number" not in frame:
        return frame
    number = frame["house_number"].astype("string")
    if "full_text" not in frame:
        street = frame["street"].astype("string") if "street" in frame else ""
        frame["full_text"] = (number + " " + street).str.strip().astype(object).where(number.notna(), None)
    if "alley" not in frame:
        frame["alley"] = [alley_of(text) if isinstance(text, str) else None for text in number.astype(object)]
    if "depth" not in frame:
        frame["depth"] = np.where(number.isna(), None, number.str.count("/").astype(object))
    return frame


_OSM = {
    "house_number": "addr:housenumber",
    "street": street_of,
    "building": _building,
    "alley": lambda tags: alley_of(tags["addr:housenumber"]),
    "depth": lambda tags: tags["addr:housenumber"].count("/"),
    "full_text": _full,
}
