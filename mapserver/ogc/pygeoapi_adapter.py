"""Calls pygeoapi's pure functions, `fn(api, request, …) → headers, status, body`, and nothing else of it.

Works with pygeoapi 0.21 (Python 3.11) and 0.24 (3.12, 3.13). `pygeoapi.starlette_app` is never imported: it reads the
environment at import. Templates get nothing out of pygeoapi's configuration: `l10n.translate_struct` keeps the first
one of each language for the life of the process, whoever it was made for."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pygeoapi.api import API, APIRequest, describe_collections, landing_page
from pygeoapi.api.coverages import get_collection_coverage
from pygeoapi.api.itemtypes import get_collection_item, get_collection_items
from pygeoapi.linked_data import geojson2jsonld
from starlette.concurrency import run_in_threadpool

from mapserver.errors import BadQuery, CityMapError, NotFound
from mapserver.layer import Layer
from mapserver.ogc.config import live
from mapserver.ogc.house import Reader
from mapserver.ogc.provider import ASKED, Asked
from mapserver.settings import Settings

MOST_KEPT = 16
"""APIs that a worker keeps: base URLs × languages × rights classes, of the newest facts."""

logging.getLogger("pygeoapi").setLevel(logging.CRITICAL)  # it logs every mistake of a client as an error


@dataclass(frozen=True, slots=True)
class Question:
    """What pygeoapi reads of a web framework's request."""

    args: Mapping[str, str]
    path_info: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Pygeoapi:
    """pygeoapi, as one reader may see it at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._apis: OrderedDict[tuple[str, ...], API] = OrderedDict()

    async def landing_ld(self, reader: Reader) -> str:
        """The landing page as a schema.org DataCatalog."""
        return await self._text(landing_page, reader, {"f": "jsonld"}, "/")

    async def collections_ld(self, reader: Reader) -> str:
        """The collections as schema.org Datasets."""
        return await self._text(describe_collections, reader, {"f": "jsonld"}, "/collections")

    async def collection_ld(self, reader: Reader, layer: Layer) -> str:
        """One collection as a schema.org Dataset."""
        path = f"/collections/{layer.name}"
        return await self._text(describe_collections, reader, {"f": "jsonld"}, path, layer.name)

    async def items_page(self, reader: Reader, asked: Asked) -> str:
        """A page of features as HTML, through our provider and our template."""
        layer = asked.question.layer
        ASKED.set(asked)
        return await self._text(get_collection_items, reader, {"f": "html"}, "", layer.name)

    async def item_page(self, reader: Reader, asked: Asked, number: int) -> str:
        """One feature as HTML, through our provider and our template. Raises NotFound."""
        layer = asked.question.layer
        ASKED.set(asked)
        return await self._text(get_collection_item, reader, {"f": "html"}, "", layer.name, str(number))

    async def features_ld(self, reader: Reader, layer: Layer, features: dict[str, Any], uri: str | None) -> str:
        """GeoJSON as JSON-LD. uri: of one feature, or None for a collection. Gives pygeoapi the features for good."""
        api = self._api(reader)
        text: str = await run_in_threadpool(geojson2jsonld, api, features, layer.name, uri, "id")
        return text

    async def coverage(self, reader: Reader, layer: Layer, args: Mapping[str, str]) -> bytes:
        """Cells of a raster, as the format in `f` (GTiff or json). Raises BadQuery."""
        path = f"/collections/{layer.name}/coverage"
        _, content = await self._called(get_collection_coverage, reader, args, path, layer.name)
        return content if isinstance(content, bytes) else content.encode()

    async def _text(self, fn: Callable[..., Any], reader: Reader, args: Mapping[str, str], *path: str) -> str:
        where, *parts = path
        _, content = await self._called(fn, reader, args, where, *parts)
        return str(content)

    async def _called(
        self, fn: Callable[..., Any], reader: Reader, args: Mapping[str, str], path: str, *parts: str
    ) -> tuple[Mapping[str, str], Any]:
        """Headers and content. Raises what pygeoapi's status means."""
        api = self._api(reader)
        request = APIRequest(Question({**args, "lang": reader.language}, path), api.locales)
        headers, status, content = await run_in_threadpool(fn, api, request, *parts)
        if int(status) >= 400:
            raise _refusal(int(status), content)
        return headers, content

    def _api(self, reader: Reader) -> API:
        key = (reader.base, reader.language, reader.caller.rights_class, reader.facts.version)
        if key not in self._apis:
            self._apis[key] = API(live(reader, self._settings), {})
            while len(self._apis) > MOST_KEPT:
                self._apis.popitem(last=False)
        self._apis.move_to_end(key)
        return self._apis[key]


def _refusal(status: int, content: Any) -> CityMapError:
    try:
        said = str(json.loads(content)["description"])
    except (ValueError, KeyError, TypeError):
        said = "pygeoapi could not answer this"
    if status == 404:
        return NotFound("", said)
    return BadQuery("", said) if status < 500 else CityMapError("", said)
