"""The formats that a collection of features can be had in, by the names that clients write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.wfs.versions import V100, V110, V200, Version

Kind = Literal["gml", "geojson", "csv", "shp"]


@dataclass(frozen=True, slots=True)
class Output:
    """One format. gml: the version whose GML it is; names: what clients write, the first one is declared."""

    kind: Kind
    media_type: str
    names: tuple[str, ...]
    gml: Version | None = None


OUTPUTS = (
    Output("gml", "application/gml+xml; version=3.2",
           ("application/gml+xml; version=3.2", "text/xml; subtype=gml/3.2", "text/xml; subtype=gml/3.2.1", "gml32",
            "gml3.2", "application/gml+xml"), V200),
    Output("gml", "text/xml; subtype=gml/3.1.1",
           ("text/xml; subtype=gml/3.1.1", "text/xml;subtype=gml/3.1.1/profiles/gmlsf/1.0.0/0",
            "application/gml+xml; version=3.1", "application/gml+xml; version=3.1.1", "gml3", "gml31"), V110),
    Output("gml", "text/xml; subtype=gml/2.1.2",
           ("text/xml; subtype=gml/2.1.2", "gml2", "application/gml+xml; version=2.1"), V100),
    Output("geojson", "application/geo+json", ("application/json", "application/geo+json", "json", "geojson")),
    Output("csv", "text/csv; charset=utf-8", ("csv", "text/csv")),
    Output("shp", "application/zip", ("SHAPE-ZIP", "shape+zip", "shapefile", "application/zip", "shp")),
)  # fmt: skip
"""Every format; its first name is the one that capabilities tell."""
_PLAIN_XML = ("text/xml", "application/xml", "xmlschema", "xml")


def output(text: str | None, version: Version) -> Output:
    """The format that a request means; the version's own GML when it names none. Raises OwsFault."""
    own = next(each for each in OUTPUTS if each.gml is version)
    wanted = _plain(text or "")
    if not wanted or wanted in _PLAIN_XML:
        return own
    found = next((each for each in OUTPUTS if wanted in map(_plain, each.names)), None)
    if found is None:
        raise OwsFault(Code.INVALID, "outputFormat", f"needs one of {', '.join(offered())}, got {(text or '')[:60]!r}")
    return found


def offered() -> list[str]:
    """The names of all formats, as capabilities tell them."""
    return [each.names[0] for each in OUTPUTS]


def _plain(text: str) -> str:
    """A name without blanks, quotes and case; a `+` that came as a blank is one again."""
    mended = text.strip().replace("gml xml", "gml+xml").replace("geo json", "geo+json")
    return mended.replace(" ", "").replace('"', "").lower()
