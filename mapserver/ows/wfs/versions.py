"""What differs between WFS 1.0.0, 1.1.0 and 2.0.0, in one table; and which version a request means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mapserver import gml
from mapserver.crs import CRS84, WGS84
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.kvp import Pairs, listed
from mapserver.ows.references import Reference


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its namespaces, its GML, and the names it has for the same things."""

    number: str
    wfs: str
    """Namespace of the service."""
    filter: str
    filter_prefix: str
    ows: str
    gml_namespace: str
    gml_schema: str
    wfs_schema: str
    gml: gml.Version
    member: str
    """Element around each feature of a collection."""
    output: str
    """The format that is given when none is asked for."""
    default: Reference
    """The CRS that coordinates are in when none is named."""
    types: str
    """The parameter that names feature types."""
    count: str
    """The parameter that limits how many features are given."""


_SCHEMAS = "http://schemas.opengis.net"
_URN = Reference(WGS84, "urn:ogc:def:crs:EPSG::4326")

V100 = Version(
    "1.0.0",
    "http://www.opengis.net/wfs",
    "http://www.opengis.net/ogc",
    "ogc",
    "",
    "http://www.opengis.net/gml",
    f"{_SCHEMAS}/gml/2.1.2/feature.xsd",
    f"{_SCHEMAS}/wfs/1.0.0/WFS-basic.xsd",
    "2.1.2",
    "gml:featureMember",
    "GML2",
    Reference(CRS84, "EPSG:4326"),
    "typeName",
    "maxFeatures",
)
V110 = Version(
    "1.1.0",
    "http://www.opengis.net/wfs",
    "http://www.opengis.net/ogc",
    "ogc",
    "http://www.opengis.net/ows",
    "http://www.opengis.net/gml",
    f"{_SCHEMAS}/gml/3.1.1/base/gml.xsd",
    f"{_SCHEMAS}/wfs/1.1.0/wfs.xsd",
    "3.1.1",
    "gml:featureMember",
    "text/xml; subtype=gml/3.1.1",
    _URN,
    "typeName",
    "maxFeatures",
)
V200 = Version(
    "2.0.0",
    "http://www.opengis.net/wfs/2.0",
    "http://www.opengis.net/fes/2.0",
    "fes",
    "http://www.opengis.net/ows/1.1",
    "http://www.opengis.net/gml/3.2",
    f"{_SCHEMAS}/gml/3.2.1/gml.xsd",
    f"{_SCHEMAS}/wfs/2.0/wfs.xsd",
    "3.2.1",
    "wfs:member",
    "application/gml+xml; version=3.2",
    _URN,
    "typeNames",
    "count",
)
VERSIONS: Mapping[str, Version] = {version.number: version for version in (V100, V110, V200)}
_SAME = {"2.0.2": "2.0.0", "2.0": "2.0.0", "1.1": "1.1.0", "1.0": "1.0.0", "1.1.3": "1.1.0"}
"""Corrigenda and short forms that clients write."""
NEWEST = V200


def meant(text: str | None) -> Version:
    """The version that a request names; the newest when it names none. Raises OwsFault."""
    if text is None:
        return NEWEST
    found = VERSIONS.get(_SAME.get(text.strip(), text.strip()))
    if found is None:
        raise OwsFault(Code.INVALID, "version", f"needs one of {', '.join(VERSIONS)}, got {text[:20]!r}")
    return found


def negotiated(given: Pairs) -> Version:
    """The version of a capabilities document: `acceptVersions` in its order, or `version` by the older rules.

    Raises OwsFault, VersionNegotiationFailed, when none of the accepted ones is spoken here."""
    if "ACCEPTVERSIONS" in given:
        wanted = [_SAME.get(text, text) for text in listed(given["ACCEPTVERSIONS"])]
        found = next((VERSIONS[text] for text in wanted if text in VERSIONS), None)
        if found is None:
            raise OwsFault(Code.NEGOTIATION, "acceptVersions", f"offered here: {', '.join(VERSIONS)}")
        return found
    text = given.get("VERSION")
    if text is None:
        return NEWEST
    known = VERSIONS.get(_SAME.get(text, text))
    lower = [version for version in VERSIONS.values() if _key(version.number) <= _key(text)]
    return known or (lower[-1] if lower else V100)


def _key(number: str) -> tuple[int, ...]:
    """A version as numbers; anything else comes after all."""
    parts = number.strip().split(".")
    numeric = all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts)
    return tuple(map(int, parts)) if numeric else (99,)
