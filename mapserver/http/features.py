"""Features as GeoJSON and JSON-FG 1.0: a page of them, one of them, and the links of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mapserver.crs import CRS84
from mapserver.fetching import Found, One
from mapserver.formats import offered
from mapserver.http.answers import Answer
from mapserver.http.links import link, with_parameters
from mapserver.linking import link_header, profile_link
from mapserver.query import Cursor, ItemQuery, ItemsQuery

GEOJSON = "application/geo+json"
FG_TYPES = ("application/fg+json", "application/vnd.ogc.fg+json")
"""What JSON-FG was called before 1.0."""
FG = "http://www.opengis.net/spec/json-fg-1/1.0/conf/"
OTHERS = (("html", "text/html"), ("jsonld", "application/ld+json"), ("jsonfg", GEOJSON))
"""Other representations of every answer, besides the files of a page."""
Link = dict[str, object]
DIMENSIONS = {"Point": 0, "MultiPoint": 0, "LineString": 1, "MultiLineString": 1, "Polygon": 2, "MultiPolygon": 2}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of features being made. url: of the collection; given: the parameters that its links keep."""

    query: ItemsQuery
    collection: str
    given: Mapping[str, str]
    media_type: str

    @property
    def url(self) -> str:
        return f"{self.collection}/items"

    def hits(self, matched: int) -> Answer:
        """Only how many there are."""
        return self._answer(b"", self._links(), 0, matched)

    def answer(self, found: Found, matched: int | None = None) -> Answer:
        """The features that were found, with the ways on and back. matched: how many there are, where that is known."""
        query, kept, more = self.query, found.kept, found.more
        backward = query.cursor is not None and query.cursor.backward
        started = bool(kept) and (query.cursor is not None or query.offset > 0)
        follows, precedes = (bool(kept), more) if backward else (more, started)
        links = self._links()
        if follows:
            links.append(self._turn(found.last, "next"))
        if precedes:
            links.append(self._turn(found.first, "prev"))
        whole = not more and query.cursor is None and query.offset == 0
        return self._answer(found.content, links, kept, kept if whole else matched)

    def _answer(self, features: bytes, links: list[Link], returned: int, matched: int | None) -> Answer:
        known = b"" if matched is None else b'"numberMatched":%d,' % matched
        body = b'{"type":"FeatureCollection",%b%b"numberReturned":%d,"features":[%b],"links":%b}' % (
            root(self.query, self.collection, many=True),
            known,
            returned,
            features,
            orjson.dumps(links),
        )
        headers = {"Content-Crs": f"<{self.query.crs.uri}>", "Link": link_header(links)}
        return Answer(200, body, self.media_type, headers)

    def _links(self) -> list[Link]:
        files = [(made.name, made.media_type) for made in offered(self.query.layer)]
        return [*_ways(self.url, self.given, self.media_type, [*OTHERS, *files]), profile_link(self.query.profile)]

    def _turn(self, place: bytes, rel: str) -> Link:
        """A link to the page after or before a place."""
        raw: Any = orjson.loads(place)
        *values, feature = raw if isinstance(raw, list) else [raw]
        cursor = Cursor(tuple(values), feature, backward=rel == "prev")
        changes = {"cursor": cursor.text(), "offset": None}
        title = "Next page" if rel == "next" else "Previous page"
        return link(with_parameters(self.url, self.given, changes), rel, self.media_type, title)


def one(query: ItemQuery, found: One, collection: str, given: Mapping[str, str], media_type: str) -> Answer:
    """One feature, with its links."""
    url = f"{collection}/items/{query.id}"
    links = [
        *_ways(url, given, media_type, OTHERS),
        link(collection, "collection", "application/json", query.layer.title.en),
        profile_link(query.profile),
    ]
    root_members = root(query, collection, many=False)
    body = found.content[:-1] + b',%b"links":' % root_members + orjson.dumps(links) + b"}"
    headers = {"Content-Crs": f"<{query.crs.uri}>", "Link": link_header(links)}
    return Answer(200, body, media_type, headers, stamp=found.stamp)


def root(query: ItemsQuery | ItemQuery, collection: str, *, many: bool) -> bytes:
    """What JSON-FG adds to the outermost object, each member with its comma; nothing for plain GeoJSON."""
    if query.profile == "rfc7946":
        return b""
    layer = query.layer
    members: dict[str, object] = {
        "conformsTo": [f"{FG}core", f"{FG}types-schemas"],
        "featureType": layer.name,
        "featureSchema": f"{collection}/schema",
    }
    if query.crs != CRS84:
        members["coordRefSys"] = query.crs.uri
    if many and layer.geometry in DIMENSIONS:
        members["geometryDimension"] = DIMENSIONS[layer.geometry]
    return orjson.dumps(members)[1:-1] + b","


def _ways(url: str, given: Mapping[str, str], media_type: str, others: Iterable[tuple[str, str]]) -> list[Link]:
    """Links to an answer and to its other representations. others: value of `f`, media type."""
    plain = with_parameters(url, {name: text for name, text in given.items() if name not in ("f", "profile")}, {})
    form = f"{plain}{'&' if '?' in plain else '?'}f="
    return [
        link(with_parameters(url, given, {}), "self", media_type, "This document"),
        *(link(form + name, "alternate", kind, f"As {name}") for name, kind in others),
    ]
