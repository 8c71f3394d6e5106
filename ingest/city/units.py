"""The commune-level units and the links of the 2025 reform, as `vietnamadminunits` ships them.

Names, codes, points, boxes, areas and links are the package's; nothing of them is made up here."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import vietnamadminunits
from vietnamadminunits.database import query

PROVINCE = "thanhphohochiminh"
UNIT_TYPES: Mapping[str, str] = {"Phường": "ward", "Xã": "commune", "Đặc khu": "special_zone"}


@dataclass(frozen=True, slots=True)
class NewUnit:
    """A unit since 1 July 2025; lon, lat is a point inside it."""

    code: str
    name: str
    full_name: str
    unit_type: str
    area_km2: float
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class OldUnit:
    """A unit before the reform; box is (west, south, east, north). Côn Đảo, a district without communes, is 755."""

    code: str
    name: str
    district: str
    district_code: str
    lon: float
    lat: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Link:
    """Old → new; whole: all of the old unit went there. default: where an address of unknown street is looked for."""

    old: str
    new: str
    whole: bool
    default: bool


@cache
def new_units() -> tuple[NewUnit, ...]:
    """The 168 units, by code."""
    rows = query(f"SELECT * FROM admin_units WHERE provinceKey = '{PROVINCE}' ORDER BY wardCode")
    return tuple(_new_unit(row) for row in rows)


@cache
def old_units() -> tuple[OldUnit, ...]:
    """The 442 origins of the reform, by code."""
    keys = ", ".join(f"'{key}'" for key in _converter()["DICT_PROVINCE"][PROVINCE])
    rows = query(f"SELECT * FROM admin_units_legacy WHERE provinceKey IN ({keys})")
    return tuple(sorted((_old_unit(row) for row in rows), key=lambda unit: unit.code))


@cache
def links() -> tuple[Link, ...]:
    """The 493 links, 395 of them whole."""
    return tuple(sorted(_links(), key=lambda link: (link.new, link.old)))


def unaccented(text: str) -> str:
    """`Sài Gòn` → `Sai Gon`."""
    plain = unicodedata.normalize("NFD", text.replace("Đ", "D").replace("đ", "d"))
    return "".join(char for char in plain if not unicodedata.combining(char))


def _new_unit(row: Mapping[str, str]) -> NewUnit:
    full_name = unicodedata.normalize("NFC", row["ward"])
    return NewUnit(
        code=row["wardCode"],
        name=unicodedata.normalize("NFC", row["wardShort"]),
        full_name=full_name,
        unit_type=UNIT_TYPES[row["wardType"]],
        area_km2=float(row["wardAreaKm2"]),
        lon=float(row["wardLon"]),
        lat=float(row["wardLat"]),
    )


def _old_unit(row: Mapping[str, str]) -> OldUnit:
    level = "ward" if row["wardCode"] else "district"
    south, west, north, east = (float(number) for number in re.findall(r"[\d.]+", row[f"{level}Bounds"]))
    return OldUnit(
        code=row[f"{level}Code"],
        name=unicodedata.normalize("NFC", row[level]),
        district=unicodedata.normalize("NFC", row["district"]),
        district_code=row["districtCode"],
        lon=float(row[f"{level}Lon"]),
        lat=float(row[f"{level}Lat"]),
        box=(west, south, east, north),
    )


def _links() -> Iterator[Link]:
    new = {
        row["wardKey"]: row["wardCode"] for row in query(f"SELECT * FROM admin_units WHERE provinceKey = '{PROVINCE}'")
    }
    old = {
        f"{row['provinceKey']}_{row['districtKey']}_{row['wardKey'] or ''}": row["wardCode"] or row["districtCode"]
        for row in query("SELECT * FROM admin_units_legacy")
    }
    for key, origins in _converter()["DICT_PROVINCE_WARD_NO_DIVIDED"][PROVINCE].items():
        yield from (Link(old[origin], new[key], True, True) for origin in origins)
    for origin, heirs in _converter()["DICT_PROVINCE_WARD_DIVIDED"][PROVINCE].items():
        yield from (Link(old[origin], new[heir["newWardKey"]], False, heir["isDefaultNewWard"]) for heir in heirs)


@cache
def _converter() -> dict[str, dict[str, dict[str, list[dict[str, str]]]]]:
    path = Path(vietnamadminunits.__file__).parent / "data" / "converter_2025.json"
    return json.loads(path.read_text(encoding="utf-8"))
