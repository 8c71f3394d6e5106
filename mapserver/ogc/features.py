"""Features as pages and as JSON-LD, by pygeoapi, out of the same question that GeoJSON is answered from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import orjson

from mapserver import parameters, statements
from mapserver.errors import BadQuery, NotFound
from mapserver.layer import Layer
from mapserver.ogc import pages
from mapserver.ogc.answers import Body, body
from mapserver.ogc.house import Reader
from mapserver.ogc.links import GEOJSON, HTML, JSON, JSONLD, Link, link
from mapserver.ogc.pages import Place
from mapserver.ogc.provider import Asked, collection
from mapserver.ogc.pygeoapi_adapter import Pygeoapi
from mapserver.query import Cursor, ItemQuery, ItemsQuery, feature_id
from mapserver.store import Store

FORMS = (("GeoJSON", "json"), ("JSON-LD", "jsonld"))
MOST_ROWS = 1000
"""A page of HTML holds at most this many features; GeoJSON takes more."""


class FeaturePages:
    """Pages and JSON-LD of features, for one worker."""

    def __init__(self, store: Store, pygeoapi: Pygeoapi) -> None:
        self._store, self._pygeoapi = store, pygeoapi

    async def items(self, reader: Reader, layer: Layer, form: str, given: Mapping[str, str]) -> Body:
        """A page of features as HTML or JSON-LD. Raises BadQuery."""
        query = _modest(parameters.items_query(layer, reader.caller, given))
        if given.get("resultType", "results") != "results":
            raise BadQuery("resultType", "a count is given as GeoJSON only: leave `f` out, or use f=json")
        where = f"/collections/{layer.name}/items"
        headers = _headers(reader, query.crs.uri)
        if form == "html":
            place = Place(where, reader.choose("Dữ liệu", "Features"), given, FORMS, pages.layer_trail(reader, layer))
            page = pages.feature_page(reader, layer, place) | {"turns": _turns(reader, query, where, given)}
            html = await self._pygeoapi.items_page(reader, self._beside(reader, query, page))
            return body(html.encode(), pages.MEDIA_TYPE, headers | pages.HEADERS, kept=False)
        rows = await self._store.fetch(reader.caller, statements.items(query, reader.caller))
        found = collection(query, rows)
        links = [*_forms(reader, where, given), *_turn_links(reader, query, where, given, found)]
        features = {"type": "FeatureCollection", "features": found["features"], "links": links}
        text = await self._pygeoapi.features_ld(reader, layer, features, None)
        return body(text.encode(), JSONLD, headers, kept=False)

    async def item(self, reader: Reader, layer: Layer, form: str, text: str, given: Mapping[str, str]) -> Body:
        """One feature as HTML or JSON-LD. Raises BadQuery or NotFound."""
        number = feature_id(text)
        if number is None:
            raise NotFound("featureId", f"{layer.name} has no feature {text[:60]!r}")
        query = parameters.item_query(layer, reader.caller, given, number)
        where = f"/collections/{layer.name}/items/{number}"
        headers = _headers(reader, query.crs.uri)
        if form == "html":
            page = pages.feature_page(reader, layer, _item_place(reader, layer, where, given))
            html = await self._pygeoapi.item_page(reader, self._beside(reader, query, page), number)
            return body(html.encode(), pages.MEDIA_TYPE, headers | pages.HEADERS, kept=False)
        rows = await self._store.fetch(reader.caller, statements.item(query, reader.caller))
        if not len(rows):
            raise NotFound("featureId", f"{layer.name} has no feature {number}")
        feature = orjson.loads(rows.value() or b"") | {"links": list(_forms(reader, where, given))}
        linked = await self._pygeoapi.features_ld(reader, layer, feature, f"{reader.base}{where}")
        return body(linked.encode(), JSONLD, headers, kept=False)

    def _beside(self, reader: Reader, query: ItemsQuery | ItemQuery, page: dict[str, Any]) -> Asked:
        """What travels beside a call of pygeoapi."""
        return Asked(self._store, reader.caller, query, asyncio.get_running_loop(), page)


def _modest(query: ItemsQuery) -> ItemsQuery:
    return replace(query, limit=min(query.limit, MOST_ROWS))


def _headers(reader: Reader, crs: str) -> dict[str, str]:
    return {"content-language": reader.language, "content-crs": f"<{crs}>"}


def _item_place(reader: Reader, layer: Layer, where: str, given: Mapping[str, str]) -> Place:
    trail = (
        *pages.layer_trail(reader, layer),
        (reader.choose("Dữ liệu", "Features"), f"/collections/{layer.name}/items"),
    )
    return Place(where, where.rsplit("/", 1)[1], given, FORMS, trail)


def _forms(reader: Reader, where: str, given: Mapping[str, str]) -> Iterator[Link]:
    """Links to this answer, to its other forms, and to the collection."""
    yield link(_url(reader, where, given, {"f": "jsonld"}), "self", JSONLD, "JSON-LD")
    yield link(_url(reader, where, given, {"f": "json"}), "alternate", GEOJSON, "GeoJSON")
    yield link(_url(reader, where, given, {"f": "html"}), "alternate", HTML, "HTML")
    yield link(
        f"{reader.base}{where.split('/items', maxsplit=1)[0]}", "collection", JSON, reader.choose("Lớp", "Collection")
    )


def _turn_links(
    reader: Reader, query: ItemsQuery, where: str, given: Mapping[str, str], found: Mapping[str, Any]
) -> Iterator[Link]:
    for rel, url in _turns(reader, query, where, given)(found).items():
        title = (
            reader.choose("Trang trước", "Previous page") if rel == "prev" else reader.choose("Trang sau", "Next page")
        )
        yield link(url, rel, JSONLD, title)


def _turns(
    reader: Reader, query: ItemsQuery, where: str, given: Mapping[str, str]
) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    """A function of the features that were found: the addresses of the pages before and after."""

    def turns(found: Mapping[str, Any]) -> dict[str, str]:
        out = {}
        for rel, there, place in (("prev", found["before"], 0), ("next", found["after"], -1)):
            if there:
                cursor = _cursor(found["places"][place], backward=rel == "prev")
                out[rel] = _url(reader, where, given, {"cursor": cursor.text(), "offset": None})
        return out

    return turns


def _cursor(place: Any, *, backward: bool) -> Cursor:
    *values, number = place if isinstance(place, list) else [place]
    return Cursor(tuple(values), number, backward)


def _url(reader: Reader, where: str, given: Mapping[str, str], changes: Mapping[str, str | None]) -> str:
    query = urlencode({name: value for name, value in {**given, **changes}.items() if value is not None})
    return f"{reader.base}{where}?{query}" if query else f"{reader.base}{where}"
