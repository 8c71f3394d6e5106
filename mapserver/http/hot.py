"""The hot paths as bare ASGI: a page of items, one item, one vector tile.

Everything else, HTML too, is passed on to the application behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar
from urllib.parse import unquote

from mapserver import parameters, statements
from mapserver.catalogue import Catalogue
from mapserver.coding import digest
from mapserver.encoder import encoder
from mapserver.errors import CityMapError, NotFound
from mapserver.fetching import Fetching
from mapserver.formats import FORMATS
from mapserver.freshness import Freshness
from mapserver.house import House
from mapserver.http import problems
from mapserver.http.answers import Answer, Receive, Scope, Send, Stream, header, sent, streamed, unchanged
from mapserver.http.features import FG_TYPES, GEOJSON, Page, one
from mapserver.http.files import Files
from mapserver.http.kept import Kept
from mapserver.http.links import base_url
from mapserver.http.rights import Rights
from mapserver.layer import Layer
from mapserver.negotiation import language, profile, representation
from mapserver.query import Caller, ItemQuery, ItemsQuery, feature_id, opened
from mapserver.refusals import refused
from mapserver.store import StoreError
from mapserver.tiling import Tiles, described

App = Callable[[Scope, Receive, Send], Awaitable[None]]
MVT = "application/vnd.mapbox-vector-tile"
ITEM_OFFERED = {
    "json": (GEOJSON, "application/json"),
    "html": ("text/html", "application/xhtml+xml"),
    "jsonld": ("application/ld+json",),
    "jsonfg": FG_TYPES,
}
ITEMS_OFFERED = ITEM_OFFERED | {made.name: (made.media_type, *made.also) for made in FORMATS.values()}
PAGES = ("html", "jsonld")
"""Representations of features that the OGC door makes."""
TILE_OFFERED = {"mvt": (MVT, "application/x-protobuf", "application/octet-stream")}
MATRIX_SET = "WebMercatorQuad"


class Hot:
    """ASGI application: answers what is hot, passes on the rest."""

    def __init__(self, house: House, rights: Rights, files: Files, tiles: Tiles, behind: App) -> None:
        self._settings, self._catalogue, self._store = house.settings, house.catalogue, house.store
        self._rights, self._files = rights, files
        self._behind: App = Kept(behind) if house.settings.cache else behind
        self._fetching = Fetching(house.store, encoder())
        self._freshness = Freshness(house.catalogue, house.store)
        self._tiles = tiles

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
            answer = self._problem(refused(error.sqlstate, error.message), scope)
        if answer is None:
            await self._behind(scope, receive, send)
        else:
            await (streamed(answer, scope, receive, send) if isinstance(answer, Stream) else sent(answer, scope, send))

    def _answering(self, scope: Scope) -> Callable[[Scope], Awaitable[Answer | Stream | None]] | None:
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

    async def _items(self, scope: Scope) -> Answer | Stream | None:
        given = parameters_of(scope)
        form = representation(given.get("f"), header(scope, b"accept"), ITEMS_OFFERED)
        if form in PAGES:
            return None
        spoken = language(given.get("lang"), header(scope, b"accept-language"))
        layer, caller = await self._asked(scope)
        query = _profiled(parameters.items_query(layer, caller, given), form, given)
        if form in FORMATS:
            if scope["method"] == "HEAD":
                return self._files.head(query, form)
            return await self._files.file(query, caller, form, query.limit if "limit" in given else None, spoken)
        page = Page(query, f"{self._base(scope)}/collections/{layer.name}", given, _media_type(form, given, scope))
        if parameters.result_type(given) == "hits":
            counted = await self._store.fetch(caller, statements.count(query, caller))
            return page.hits(int(counted.value() or 0))
        tag = tagged(scope, layer, caller, await self._freshness.version(layer), form)
        if tag and unchanged(scope, tag):
            return Answer(200, media_type=page.media_type, tag=tag)
        found, matched = await self._fetching.page(query, caller), await self._matched(query, caller)
        answer = page.answer(found, matched)
        return replace(answer, tag=tag, headers={**answer.headers, **await self._freshness.changed(layer)})

    async def _matched(self, query: ItemsQuery, caller: Caller) -> int | None:
        """How many features there are, for those who ask for one only: so clients (QGIS) learn the size of a layer."""
        if query.limit > 1 or query.cursor is not None:
            return None
        counted = int((await self._store.fetch(caller, statements.probed(query, caller))).value() or 0)
        return counted if counted <= statements.MOST_COUNTED else None

    async def _item(self, scope: Scope) -> Answer | None:
        given = parameters_of(scope)
        form = representation(given.get("f"), header(scope, b"accept"), ITEM_OFFERED)
        if form in PAGES:
            return None
        layer, caller = await self._asked(scope)
        language(given.get("lang"), None)
        query = _profiled(parameters.item_query(layer, caller, given, _feature_id(scope, layer)), form, given)
        found = await self._fetching.one(query, caller)
        if found is None:
            raise NotFound("featureId", f"{layer.name} has no feature {query.id}")
        collection = f"{self._base(scope)}/collections/{layer.name}"
        answer = one(query, found, collection, given, _media_type(form, given, scope))
        return replace(answer, headers={**answer.headers, **await self._freshness.changed(layer)})

    async def _tile(self, scope: Scope) -> Answer | None:
        given = parameters_of(scope)
        representation(given.get("f"), header(scope, b"accept"), TILE_OFFERED)
        layer, caller = await self._asked(scope)
        *_, z, y, x = segments(scope)
        query = parameters.tile(layer, caller, given, (z, y, x))
        if query is None or not layer.tiles.min_zoom <= query.z <= layer.tiles.max_zoom:
            raise NotFound("tile", f"{layer.name} has no tile {z[:20]}/{y[:20]}/{x[:20]} in {MATRIX_SET}")
        asked = await self._tiles.asked(query)
        tag = tagged(scope, layer, caller, asked.version, "mvt")
        if tag and unchanged(scope, tag):
            return Answer(200, media_type=MVT, tag=tag)
        tile = await self._tiles.tile(asked, caller)
        changed = await self._freshness.changed(layer)
        return Answer(200, tile.content, MVT, changed, tag=tag, packed=tile.packed) if tile.content else Answer(204)

    async def _asked(self, scope: Scope) -> tuple[Layer, Caller]:
        """The layer that the path names and the caller, who may see it."""
        caller = await self._rights.caller(header(scope, b"authorization"))
        return visible_layer(self._catalogue, segments(scope)[1], caller), caller

    def _base(self, scope: Scope) -> str:
        return base_url(self._settings, header(scope, b"host"), secure=scope.get("scheme") == "https")

    def _problem(self, error: CityMapError, scope: Scope) -> Answer:
        body = problems.rendered(error, self._base(scope))
        return Answer(error.status, body, problems.MEDIA_TYPE, problems.headers(error), compress=False)


Query = TypeVar("Query", ItemsQuery, ItemQuery)


def _profiled(query: Query, form: str, given: Mapping[str, str]) -> Query:
    """The question in the profile that was asked for, by `profile`, or by `f` or `Accept` for JSON-FG."""
    wanted = given.get("profile", "jsonfg" if form == "jsonfg" else None)
    chosen = profile(wanted)
    return query if query.profile == chosen else replace(query, profile=chosen)


def _media_type(form: str, given: Mapping[str, str], scope: Scope) -> str:
    """JSON-FG is GeoJSON (its clause 16); a client that accepts its older media types only is given those."""
    if form != "jsonfg" or "f" in given:
        return GEOJSON
    accepted = header(scope, b"accept") or ""
    return next((own for own in FG_TYPES if own in accepted), GEOJSON)


def tagged(scope: Scope, layer: Layer, caller: Caller, version: str | None, form: str) -> str:
    """The ETag of an answer, known before it: the version, whose eyes see it, and the question; empty without one."""
    if version is None:
        return ""
    asked = (version, described(layer), caller.rights_class, form, header(scope, b"host"), scope["path"])
    return digest(repr((*asked, scope["query_string"])).encode())


def visible_layer(catalogue: Catalogue, name: str, caller: Caller) -> Layer:
    """A vector layer by name, for a caller who may see it. Raises NotFound, Unauthorized or Forbidden."""
    layer = opened(catalogue.layers, name, caller)
    if layer.origin == "raster":
        raise NotFound("collectionId", f"{name} is a raster, without features; see its coverage")
    return layer


def segments(scope: Scope) -> tuple[str, ...]:
    """The path's segments, split before they are decoded: an encoded slash belongs to its segment."""
    return _split(scope.get("raw_path") or scope["path"].encode())


@lru_cache(256)
def _split(raw: bytes) -> tuple[str, ...]:
    return tuple(unquote(part) for part in raw.decode("latin-1").split("/")[1:])


def parameters_of(scope: Scope) -> dict[str, str]:
    """The query parameters of a request by name. Raises BadQuery."""
    return parameters.parsed(scope["query_string"])


def _feature_id(scope: Scope, layer: Layer) -> int:
    text = segments(scope)[-1]
    number = feature_id(text)
    if number is None:
        raise NotFound("featureId", f"{layer.name} has no feature {text[:60]!r}")
    return number
