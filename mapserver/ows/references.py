"""Names of coordinate reference systems as OWS clients write them, and the axis order that each spelling means.

`EPSG:4326` and `…/srs/epsg.xml#4326` put east first, whatever the version, as every server and client in the field has
it; URNs and `http://www.opengis.net/def/crs/…` put first what the EPSG register puts first (OGC 09-025r2, 7.9.2.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mapserver.crs import CRS84, OFFERED, WGS84, Crs
from mapserver.ows.faults import Code, OwsFault

_EAST_FIRST = re.compile(r"^(?:EPSG:|http://www\.opengis\.net/gml/srs/epsg\.xml#)([0-9]{4,6})$", re.IGNORECASE)
_REGISTERED = re.compile(
    r"^(?:urn:(?:x-)?ogc:def:crs:EPSG:[0-9.]{0,8}:|https?://www\.opengis\.net/def/crs/EPSG/[0-9.]{1,8}/)([0-9]{4,6})$",
    re.IGNORECASE,
)
_CRS84 = re.compile(
    r"^(?:urn:(?:x-)?ogc:def:crs:OGC:[0-9.]{0,5}:CRS84|https?://www\.opengis\.net/def/crs/OGC/[0-9.]{1,5}/CRS84"
    r"|OGC:CRS84|CRS:84)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A CRS with the axis order of the spelling it was asked for under, and that spelling."""

    crs: Crs
    name: str


def reference(text: str, locator: str, code: Code = Code.INVALID) -> Reference:
    """The CRS that a name means. Raises OwsFault naming the parameter when it is none that is offered."""
    name = text.strip()
    if _CRS84.match(name):
        return Reference(CRS84, name)
    east_first, registered = _EAST_FIRST.match(name), _REGISTERED.match(name)
    found = east_first or registered
    crs = next((crs for crs in OFFERED if found and crs.code == f"EPSG:{found.group(1)}"), None)
    if crs is None:
        offered = ", ".join(urn(crs) for crs in OFFERED)
        raise OwsFault(code, locator, f"needs one of {offered}, got {name[:80]!r}")
    return Reference(CRS84 if crs == WGS84 and east_first else crs, name)


def urn(crs: Crs) -> str:
    """The URN of an offered CRS."""
    authority, _, number = crs.code.partition(":")
    return f"urn:ogc:def:crs:{authority}:{'1.3' if authority == 'OGC' else ''}:{number}"
