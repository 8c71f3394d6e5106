"""The coordinate reference systems a client may ask for, and the one pinned way into VN-2000.

PROJ left to itself changes the datum operation inside the city (EPSG:5194 in the centre, EPSG:6960 outside: a step
of 0.8 m). Everything here runs EPSG:6960 everywhere: in PostGIS by spatial reference rows of our own (SRID 900000 +
code, proj4text only, so that PROJ has nothing to choose), in Python by the same proj string."""

from __future__ import annotations

import math
from dataclasses import dataclass

TOWGS84 = "-191.90441429,-39.30318279,-111.45032835,0.00928836,-0.01975479,0.00427372,0.252906278"
"""EPSG:6960 (Decision 05/2007/QD-BTNMT), rotation signs flipped from coordinate frame to position vector."""

PRIVATE_SRID = 900000


@dataclass(frozen=True, slots=True)
class Crs:
    """One CRS of the doors. srid: the row PostGIS transforms with. swap: north comes before east at the doors."""

    uri: str
    code: str
    srid: int
    swap: bool
    title: str
    proj4: str | None = None
    domain: tuple[float, float, float, float] = (-math.inf, -math.inf, math.inf, math.inf)
    """West, south, east, north in the CRS itself: boxes are cut to it, since beyond it the projection folds over."""


TRANSVERSE_MERCATOR = (-2_500_000.0, -6_000_000.0, 3_500_000.0, 6_000_000.0)
"""About 27 degrees each side of the central meridian, and up to latitude 54: far more than the city asks about."""
EDGE_OF_WEB_MERCATOR = 20037508.342789244


def _vn2000(code: int, central_meridian: str, k: str, zone: str) -> Crs:
    proj4 = (
        f"+proj=tmerc +lat_0=0 +lon_0={central_meridian} +k={k} +x_0=500000 +y_0=0 "
        f"+ellps=WGS84 +towgs84={TOWGS84} +units=m +no_defs +type=crs"
    )
    uri = f"http://www.opengis.net/def/crs/EPSG/0/{code}"
    return Crs(uri, f"EPSG:{code}", PRIVATE_SRID + code, False, f"VN-2000 / {zone}", proj4, TRANSVERSE_MERCATOR)


def _epsg(code: int, title: str, *domain: float, swap: bool = False) -> Crs:
    west, south, east, north = domain
    uri = f"http://www.opengis.net/def/crs/EPSG/0/{code}"
    return Crs(uri, f"EPSG:{code}", code, swap, title, None, (west, south, east, north))


CRS84 = Crs("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "OGC:CRS84", 4326, False, "WGS 84 (longitude, latitude)")
WGS84 = _epsg(4326, "WGS 84 (latitude, longitude)", -180, -90, 180, 90, swap=True)
WEB_MERCATOR = _epsg(
    3857,
    "WGS 84 / Pseudo-Mercator",
    -EDGE_OF_WEB_MERCATOR,
    -EDGE_OF_WEB_MERCATOR * 2,
    EDGE_OF_WEB_MERCATOR,
    EDGE_OF_WEB_MERCATOR * 2,
)
UTM48 = _epsg(32648, "WGS 84 / UTM zone 48N", *TRANSVERSE_MERCATOR)

TM3_MERIDIANS = {
    5896: "102", 5897: "105", 5898: "108", 5899: "107.75", 9205: "103", 9206: "104", 9207: "104.5", 9208: "104.75",
    9209: "105.5", 9210: "105.75", 9211: "106", 9212: "106.25", 9213: "106.5", 9214: "107", 9215: "107.25",
    9216: "107.5", 9217: "108.25", 9218: "108.5",
}  # fmt: skip
"""Central meridian by EPSG code of every VN-2000 3-degree zone, as in the EPSG registry."""

VN2000 = {
    3405: _vn2000(3405, "105", "0.9996", "UTM zone 48N"),
    3406: _vn2000(3406, "111", "0.9996", "UTM zone 49N"),
    **{code: _vn2000(code, lon, "0.9999", f"TM-3 {lon}°") for code, lon in TM3_MERIDIANS.items()},
}
"""Every VN-2000 grid by EPSG code, each through the pinned operation."""

OFFERED = (CRS84, WGS84, WEB_MERCATOR, VN2000[9210], VN2000[5899], VN2000[3405], UTM48)
"""What every vector layer answers in."""

BY_URI = {crs.uri: crs for crs in OFFERED}


def pinned(srid: int) -> int:
    """The SRID to transform with: the private row of a VN-2000 grid, else the same."""
    return VN2000[srid].srid if srid in VN2000 else srid


def crs_of(text: str) -> Crs | None:
    """The offered CRS that a URI, an OGC URN, a safe CURIE or `EPSG:9210` names, or None."""
    if text in BY_URI:
        return BY_URI[text]
    plain = text.strip("[]").upper().removeprefix("URN:OGC:DEF:CRS:").replace("::", ":")
    plain = {"OGC:1.3:CRS84": "OGC:CRS84", "CRS84": "OGC:CRS84"}.get(plain, plain)
    return next((crs for crs in OFFERED if crs.code == plain), None)
