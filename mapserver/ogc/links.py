"""Link objects of the OGC APIs, and the names of their relations and media types."""

from __future__ import annotations

from collections.abc import Iterator

from mapserver.ogc.house import Reader

JSON = "application/json"
HTML = "text/html"
GEOJSON = "application/geo+json"
JSONLD = "application/ld+json"
SCHEMA = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
MVT = "application/vnd.mapbox-vector-tile"
STYLE = "application/vnd.mapbox.style+json"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"

Link = dict[str, object]


def link(href: str, rel: str, media_type: str, title: str, **more: object) -> Link:
    """One link object."""
    return {"href": href, "rel": rel, "type": media_type, "title": title, **more}


def ways(reader: Reader, path: str, media_type: str = JSON, *, ld: bool = False) -> Iterator[Link]:
    """The links of a document to itself and to its other representations."""
    url = f"{reader.base}{path}"
    yield link(url, "self", media_type, reader.choose("Tài liệu này", "This document"))
    title = reader.choose("Tài liệu này dạng trang web", "This document as a page")
    yield link(f"{url}?f=html", "alternate", HTML, title)
    if ld:
        title = reader.choose("Tài liệu này dạng JSON-LD", "This document as JSON-LD")
        yield link(f"{url}?f=jsonld", "alternate", JSONLD, title)
