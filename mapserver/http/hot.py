"""The hot paths as bare ASGI: a page of items, one item, one vector tile.

Everything else, HTML too, is passed on to the application behind."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from itertools import accumulate
from typing import Any
from urllib.parse import unquote

from mapserver import parameters, statements
from mapserver.catalogue import Catalogue
from mapserver.errors import BadQuery, CityMapError, NotFound
from mapserver.http import problems
from mapserver.http.answers import Answer, Receive, Scope, Send, header, sent
from mapserver.http.links import base_url, link, with_parameters
from mapserver.http.rights import Rights
from mapserver.layer import Layer
from mapserver.negotiation import language, representation
from mapserver.query import MAX_BODY_BYTES, Caller, Cursor, ItemQuery, ItemsQuery, feature_id, opened
from mapserver.settings import Settings
from mapserver.store import Rows, Store, StoreError

App = Callable[[Scope, Receive, Send], Awaitable[None]]
GEOJSON = "application/geo+json"
MVT = "application/vnd.mapbox-vector-tile"
ITEMS_OFFERED = {
    "json": (GEOJSON, "application/json"),
    "html": ("text/html", "application/xhtml+xml"),
    "jsonld": ("application/ld+json",),
}
TILE_OFFERED = {"mvt": (MVT, "application/x-protobuf", "application/octet-stream")}
MATRIX_SET = "WebMercatorQuad"


class Hot:
    """ASGI application: answers what is hot, passes on the rest."""

    def __init__(self, settings: Settings, catalogue: Catalogue, store: Store, rights: Rights, behind: App) -> None:
        self._settings, self._catalogue, self._store = settings, catalogue, store
        self._rights, self._behind = rights, behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = self._answering(scope)
        if answering is None:
            await self._behind(scope, receive, send)
            return
        try:
            answer = await answering(scope)
        except CityMapError as error:
            answer = self._problem(error, scope)
        except StoreError as error:
            answer = self._problem(problems.refused(error.sqlstate, error.message), scope)
        if answer is None:
            await self._behind(scope, receive, send)
        else:
            await sent(answer, scope, send)

    def _answering(self, scope: Scope) -> Callable[[Scope], Awaitable[Answer | None]] | None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return None
        match segments(scope):
            case ["collections", _, "items"]:
                return self._items
            case ["collections", _, "items", _]:
                return self._item
            case ["collections", _, "tiles", tiling, _, _, _] if tiling == MATRIX_SET:
                return self._tile
        return None

    async def _items(self, scope: Scope) -> Answer | None:
        given = parameters_of(scope)
        if representation(given.get("f"), header(scope, b"accept"), ITEMS_OFFERED) != "json":
            return None
        language(given.get("lang"), None)
        layer, caller = await self._asked(scope)
        result_type = given.get("resultType", "results")
        if result_type not in ("results", "hits"):
            raise BadQuery("resultType", f"needs results or hits, got {result_type[:40]!r}")
        query = parameters.items_query(layer, caller, given)
        url = f"{self._base(scope)}/collections/{layer.name}/items"
        crs = {"Content-Crs": f"<{query.crs.uri}>"}
        if result_type == "hits":
            matched = int((await self._store.fetch(caller, statements.count(query, caller))).value() or 0)
            return Answer(200, _collection([], [_self(url, given), *_alternates(url, given)], 0, matched), GEOJSON, crs)
        rows = await self._store.fetch(caller, statements.items(query, caller))
        return Answer(200, _page(query, rows, url, given), GEOJSON, crs)

    async def _item(self, scope: Scope) -> Answer | None:
        given = parameters_of(scope)
        if representation(given.get("f"), header(scope, b"accept"), ITEMS_OFFERED) != "json":
            return None
        layer, caller = await self._asked(scope)
        parameters.known(given, ("crs", "f", "lang"))
        language(given.get("lang"), None)
        query = ItemQuery(layer, _feature_id(scope, layer), parameters.crs("crs", given.get("crs")))
        rows = await self._store.fetch(caller, statements.item(query, caller))
        if not len(rows):
            raise NotFound("featureId", f"{layer.name} has no feature {query.id}")
        collection = f"{self._base(scope)}/collections/{layer.name}"
        links = [
            _self(f"{collection}/items/{query.id}", given),
            *_alternates(f"{collection}/items/{query.id}", given),
            link(collection, "collection", "application/json", layer.title.en),
        ]
        body = (rows.value() or b"")[:-1] + b',"links":' + json.dumps(links).encode() + b"}"
        stamp = (rows.value(0, 1) or b"").decode()
        return Answer(200, body, GEOJSON, {"Content-Crs": f"<{query.crs.uri}>"}, stamp=stamp)

    async def _tile(self, scope: Scope) -> Answer | None:
        given = parameters_of(scope)
        representation(given.get("f"), header(scope, b"accept"), TILE_OFFERED)
        layer, caller = await self._asked(scope)
        *_, z, y, x = segments(scope)
        query = parameters.tile(layer, caller, given, (z, y, x))
        if query is None or not layer.tiles.min_zoom <= query.z <= layer.tiles.max_zoom:
            raise NotFound("tile", f"{layer.name} has no tile {z[:20]}/{y[:20]}/{x[:20]} in {MATRIX_SET}")
        rows = await self._store.fetch(caller, statements.tile(query, caller))
        body = rows.value() or b""
        return Answer(200, body, MVT) if body else Answer(204)

    async def _asked(self, scope: Scope) -> tuple[Layer, Caller]:
        """The layer that the path names and the caller, who may see it."""
        caller = await self._rights.caller(header(scope, b"authorization"))
        return visible_layer(self._catalogue, segments(scope)[1], caller), caller

    def _base(self, scope: Scope) -> str:
        return base_url(self._settings, header(scope, b"host"), secure=scope.get("scheme") == "https")

    def _problem(self, error: CityMapError, scope: Scope) -> Answer:
        body = problems.rendered(error, self._base(scope))
        return Answer(error.status, body, problems.MEDIA_TYPE, problems.headers(error), compress=False)


def visible_layer(catalogue: Catalogue, name: str, caller: Caller) -> Layer:
    """A vector layer by name, for a caller who may see it. Raises NotFound, Unauthorized or Forbidden."""
    layer = opened(catalogue.layers, name, caller)
    if layer.origin == "raster":
        raise NotFound("collectionId", f"{name} is a raster, without features; see its coverage")
    return layer


def segments(scope: Scope) -> list[str]:
    """The path's segments, split before they are decoded: an encoded slash belongs to its segment."""
    raw = scope.get("raw_path") or scope["path"].encode()
    return [unquote(part) for part in raw.decode("latin-1").split("/")[1:]]


def parameters_of(scope: Scope) -> dict[str, str]:
    """The query parameters of a request by name. Raises BadQuery."""
    return parameters.parsed(scope["query_string"])


def _feature_id(scope: Scope, layer: Layer) -> int:
    text = segments(scope)[-1]
    number = feature_id(text)
    if number is None:
        raise NotFound("featureId", f"{layer.name} has no feature {text[:60]!r}")
    return number


def _page(query: ItemsQuery, rows: Rows, url: str, given: Mapping[str, str]) -> bytes:
    """The feature collection of a page: as many rows as asked for and as fit into MAX_BODY_BYTES."""
    features = fitting([value or b"" for value in rows.column(0, min(len(rows), query.limit))])
    kept = len(features)
    more = len(rows) > kept
    places = [rows.value(row, 1) or b"" for row in ((0, kept - 1) if kept else ())]
    backward = query.cursor is not None and query.cursor.backward
    if backward:
        features.reverse()
        places.reverse()
    started = bool(kept) and (query.cursor is not None or query.offset > 0)
    follows, precedes = (bool(kept), more) if backward else (more, started)
    links = [_self(url, given), *_alternates(url, given)]
    if follows:
        links.append(_turn(query, url, given, places[-1], "next"))
    if precedes:
        links.append(_turn(query, url, given, places[0], "prev"))
    whole = not more and query.cursor is None and query.offset == 0
    return _collection(features, links, kept, kept if whole else None)


def fitting(features: list[bytes], most: int = MAX_BODY_BYTES) -> list[bytes]:
    """As many features, one at least, as fit into `most` bytes."""
    ends = accumulate(map(len, features))
    return features[: max(1, sum(end <= most for end in ends))]


def _collection(features: list[bytes], links: list[dict[str, object]], returned: int, matched: int | None) -> bytes:
    known = b"" if matched is None else b'"numberMatched":%d,' % matched
    return b'{"type":"FeatureCollection",%b"numberReturned":%d,"features":[%b],"links":%b}' % (
        known,
        returned,
        b",".join(features),
        json.dumps(links).encode(),
    )


def _self(url: str, given: Mapping[str, str]) -> dict[str, object]:
    return link(with_parameters(url, given, {}), "self", GEOJSON, "This document")


def _alternates(url: str, given: Mapping[str, str]) -> list[dict[str, object]]:
    """Links to every other representation of the same answer."""
    return [
        link(with_parameters(url, given, {"f": "html"}), "alternate", "text/html", "This document as HTML"),
        link(with_parameters(url, given, {"f": "jsonld"}), "alternate", "application/ld+json", "As JSON-LD"),
    ]


def _turn(query: ItemsQuery, url: str, given: Mapping[str, str], place: bytes, rel: str) -> dict[str, object]:
    """A link to the page after or before a place."""
    raw: Any = json.loads(place)
    *values, feature = raw if isinstance(raw, list) else [raw]
    cursor = Cursor(tuple(values), feature, backward=rel == "prev")
    changes = {"cursor": cursor.text(), "offset": None}
    return link(with_parameters(url, given, changes), rel, GEOJSON, "Next page" if rel == "next" else "Previous page")
