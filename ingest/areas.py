"""The units before and after the reform of 1 July 2025, the links between them, and outlines for those without any.

What an empty database begins with. Names, codes, points, boxes and links are `vietnamadminunits`'; the package has no
clauses (the crosswalk brings them) and no outlines (made up here, until real ones are loaded)."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import shapely

from ingest.city import units as package
from ingest.city.recut import old_outlines

REFORM = "2025-07-01"
LEGAL_BASIS = "Nghị quyết 1685/NQ-UBTVQH15"
DISTRICT = "755"
"""Huyện Côn Đảo, a district without communes, is the 442nd origin."""
OLD_KINDS = {"Phường": "ward", "Xã": "commune", "Thị": "township", "Huyện": "district"}


def units() -> gpd.GeoDataFrame:
    """442 origins and 168 units: code, name, …, valid_from, valid_to, point, box."""
    rows = [*map(_old, package.old_units()), *map(_new, package.new_units())]
    return gpd.GeoDataFrame(rows, geometry="point", crs=4326)


def links() -> pd.DataFrame:
    """493 links by code: from_code, to_code, kind (whole or part), main (where the unit's seat went)."""
    rows = [(x.old, x.new, "whole" if x.whole else "part", x.default) for x in package.links()]
    return pd.DataFrame(rows, columns=["from_code", "to_code", "kind", "main"])


def outlines(wards: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Made-up outlines of the origins inside these wards (code, geometry): code, geometry. Nobody's border."""
    return old_outlines(wards)


def _old(unit: package.OldUnit) -> dict[str, object]:
    district = unit.code == DISTRICT
    return {
        "code": unit.code,
        "name": unit.name,
        "name_en": package.unaccented(unit.name.split(" ", 2 if unit.name.startswith("Thị trấn") else 1)[-1]),
        "kind": OLD_KINDS[unit.name.split()[0]],
        "level": "district" if district else "commune",
        "parent": None if district else unit.district_code,
        "parent_name": None if district else unit.district,
        "valid_from": None,
        "valid_to": REFORM,
        "legal_basis": None,
        "area_km2_published": None,
        "point": shapely.Point(unit.lon, unit.lat),
        "box": shapely.box(*unit.box),
    }


def _new(unit: package.NewUnit) -> dict[str, object]:
    return {
        "code": unit.code,
        "name": unit.full_name,
        "name_en": package.unaccented(unit.name),
        "kind": unit.unit_type,
        "level": "commune",
        "parent": "79",
        "parent_name": "Thành phố Hồ Chí Minh",
        "valid_from": REFORM,
        "valid_to": None,
        "legal_basis": LEGAL_BASIS,
        "area_km2_published": unit.area_km2,
        "point": shapely.Point(unit.lon, unit.lat),
        "box": None,
    }
