"""The addresses below `/arcgis/rest`, read-only: metadata and `query`, by GET or by a form; errors in Esri's form."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mapserver import parameters, statements
from mapserver.arcgis import metadata, protobuf, words
from mapserver.arcgis.asking import Asked, asked
from mapserver.arcgis.protobuf import Grid
from mapserver.encoder import encoder
from mapserver.errors import BadQuery, CityMapError, NotFound, TooLarge
from mapserver.facts import FactBook
from mapserver.fetching import Fetching
from mapserver.house import House
from mapserver.layer import Language, Layer
from mapserver.negotiation import language
from mapserver.query import Caller, may_see, opened, seen
from mapserver.refusals import refused
from mapserver.statements import DEGREE_DECIMALS, METRE_DECIMALS
from mapserver.store import StoreError

ROOT = "/arcgis/rest"
JSON, GEOJSON, PBF = "application/json; charset=utf-8", "application/geo+json", "application/x-protobuf"
MOST_IDS = 1_000_000
MAX_BODY_BYTES = 1024 * 1024
Answer = Callable[[Request], Awaitable[Response]]


class Door:
    """One worker's ArcGIS door."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._facts = FactBook(house.settings, house.catalogue, house.store)
        self._fetching = Fetching(house.store, encoder())

    def routes(self) -> list[BaseRoute]:
        """Every address of the door."""
        service = f"{ROOT}/services/{{name}}/FeatureServer"
        table: tuple[tuple[str, Answer], ...] = (
            (f"{ROOT}/info", self.info),
            (f"{ROOT}/services", self.services),
            (service, self.service),
            (f"{service}/0", self.layer),
            (f"{service}/0/query", self.query),
        )
        methods = ["GET", "HEAD", "POST"]
        return [Route(where, _telling(answer), methods=methods) for where, answer in table]

    async def info(self, request: Request) -> Response:
        return _json(metadata.info(), await _given(request))

    async def services(self, request: Request) -> Response:
        caller = await self._house.caller(request)
        layers = [layer for layer in self._house.catalogue.vector if may_see(layer, caller)]
        return _json(metadata.services(layers), await _given(request))

    async def service(self, request: Request) -> Response:
        layer, _ = await self._layer(request)
        fact = (await self._facts.facts()).of(layer)
        return _json(metadata.service(layer, fact, _spoken(request)), await _given(request))

    async def layer(self, request: Request) -> Response:
        layer, caller = await self._layer(request)
        fact = (await self._facts.facts()).of(layer)
        return _json(metadata.layer_document(layer, fact, _spoken(request), caller), await _given(request))

    async def query(self, request: Request) -> Response:
        layer, caller = await self._layer(request)
        given = await _given(request)
        form = _form(given)
        wanted = asked(layer, caller, given)
        if wanted.count_only and not wanted.extent_only:
            number = await self._counted(wanted, caller)
            return _binary(protobuf.count(number)) if form == "pbf" else _json({"count": number}, given)
        if wanted.ids_only:
            return await self._ids(wanted, caller, form, given)
        if wanted.extent_only:
            return _json(await self._extent(wanted, caller, given), given)
        return await self._features(wanted, caller, form, given, _spoken(request))

    # Answers to a query

    async def _features(
        self, wanted: Asked, caller: Caller, form: str, given: dict[str, str], spoken: Language
    ) -> Response:
        found = await self._fetching.page(wanted.query, caller)
        if form == "geojson":
            if wanted.query.crs.srid != 4326:
                raise BadQuery("outSR", "is 4326 for GeoJSON")
            more = b'"exceededTransferLimit":true,' if found.more else b""
            body = b'{"type":"FeatureCollection",%b"features":[%b]}' % (more, found.content)
            return Response(body, media_type=GEOJSON)
        told = _told(wanted, caller, orjson.loads(b"[%b]" % found.content), spoken)
        if found.more:
            told["exceededTransferLimit"] = True
        if form == "pbf":
            return _binary(protobuf.features(told, _plane(told, wanted, given)))
        return _json(told, given)

    async def _counted(self, wanted: Asked, caller: Caller) -> int:
        rows = await self._house.store.fetch(caller, statements.count(wanted.query, caller))
        return int(rows.value() or 0)

    async def _ids(self, wanted: Asked, caller: Caller, form: str, given: dict[str, str]) -> Response:
        """Every id, whatever the page: that is what clients ask them for."""
        statement = statements.selection(wanted.query, caller, ["id::text AS _id"], MOST_IDS + 1)
        numbers = [int(row[0] or 0) for row in await self._house.store.fetch(caller, statement)]
        if len(numbers) > MOST_IDS:
            raise TooLarge("returnIdsOnly", f"gives {MOST_IDS} at most; ask for a part of the layer")
        if form == "pbf":
            return _binary(protobuf.ids(words.OID, numbers))
        return _json({"objectIdFieldName": words.OID, "objectIds": numbers}, given)

    async def _extent(self, wanted: Asked, caller: Caller, given: dict[str, str]) -> dict[str, Any]:
        rows = await self._house.store.fetch(caller, statements.bounds(wanted.query, caller))
        *edges, count = next(iter(rows))
        numbers = [float(edge) if edge is not None else "NaN" for edge in edges]
        box = dict(zip(("xmin", "ymin", "xmax", "ymax"), numbers, strict=True))
        told: dict[str, Any] = {"extent": {**box, "spatialReference": words.reference(wanted.query.crs)}}
        return {**told, "count": int(count or 0)} if wanted.count_only else told

    async def _layer(self, request: Request) -> tuple[Layer, Caller]:
        """The layer in the path, for a caller who may see it. Raises NotFound, Unauthorized or Forbidden."""
        caller = await self._house.caller(request)
        layer = opened(self._house.catalogue.layers, request.path_params["name"], caller)
        if not words.offered(layer):
            raise NotFound("name", f"{layer.name} has features that ArcGIS has no layer for")
        return layer, caller


def _told(wanted: Asked, caller: Caller, features: list[words.Feature], spoken: Language) -> dict[str, Any]:
    """The features as Esri's JSON."""
    layer = wanted.query.layer
    visible = seen(layer, caller.insider)
    names = wanted.query.properties
    columns = {name: column for name, column in visible.items() if names is None or name in names}
    told: dict[str, Any] = {
        "objectIdFieldName": words.OID,
        "uniqueIdField": {"name": words.OID, "isSystemMaintained": True},
        "globalIdFieldName": "",
        "fields": words.fields(columns, spoken),
    }
    if layer.geometry:
        told["geometryType"] = words.GEOMETRY_TYPES[layer.geometry]
        told["spatialReference"] = words.reference(wanted.query.crs)
    told["features"] = [
        {
            "attributes": words.attributes(feature, columns),
            **({"geometry": words.geometry(feature["geometry"])} if wanted.geometry else {}),
        }
        for feature in features
    ]
    return told


def _plane(told: dict[str, Any], wanted: Asked, given: dict[str, str]) -> Grid:
    """The grid of an answer in protocol buffers: the one that was asked for, or one that loses nothing."""
    text = given.get("quantizationParameters", "").strip()
    if not text:
        shapes = [feature["geometry"] for feature in told["features"] if feature.get("geometry")]
        decimals = DEGREE_DECIMALS if wanted.query.crs.srid == 4326 else METRE_DECIMALS
        return protobuf.grid(shapes, 10.0**-decimals)
    try:
        raw = json.loads(text)
        extent, step = raw["extent"], float(raw["tolerance"])
        upper = raw.get("originPosition", "upperLeft") == "upperLeft"
        west, south, north = (float(extent[key]) for key in ("xmin", "ymin", "ymax"))
        if not 0 < step < 1e9:
            raise ValueError("tolerance is above 0")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadQuery("quantizationParameters", f"needs extent and tolerance: {str(error)[:80]}") from error
    return Grid(west, north if upper else south, step, upper)


# The frame of every answer


def _telling(answer: Answer) -> Answer:
    """The answer, or what went wrong, in Esri's form and with the true HTTP status."""

    async def told(request: Request) -> Response:
        try:
            return await answer(request)
        except CityMapError as error:
            fault = error
        except StoreError as error:
            fault = refused(error.sqlstate, error.message)
        details = [str(fault).replace("filter: ", "where: ", 1)]  # the name that this door has for a filter
        body = {"error": {"code": fault.status, "message": fault.title, "details": details}}
        headers = {"WWW-Authenticate": 'Basic realm="citymap", Bearer realm="citymap"'} if fault.status == 401 else {}
        return Response(orjson.dumps(body), fault.status, headers, JSON)

    return told


async def _given(request: Request) -> dict[str, str]:
    """The parameters of a request, those of a form that was posted among them. Raises BadQuery."""
    given = parameters.parsed(request.scope["query_string"])
    if request.method != "POST":
        return given
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("body", f"is over {MAX_BODY_BYTES // 2**20} MB")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except (UnicodeDecodeError, ValueError) as error:
        raise BadQuery("body", "is no form in percent-encoded UTF-8") from error
    return {**given, **parameters.single(pairs)}


def _form(given: dict[str, str]) -> str:
    form = given.get("f", "json").lower()
    if form not in ("json", "pjson", "geojson", "pbf"):
        raise BadQuery("f", f"needs json, pjson, geojson or pbf, got {form[:20]!r}")
    return form


def _json(told: dict[str, Any], given: dict[str, str]) -> Response:
    pretty = orjson.OPT_INDENT_2 if given.get("f", "").lower() == "pjson" else 0
    return Response(orjson.dumps(told, option=pretty), headers={"cache-control": "no-cache"}, media_type=JSON)


def _binary(body: bytes) -> Response:
    return Response(body, headers={"cache-control": "no-cache"}, media_type=PBF)


def _spoken(request: Request) -> Language:
    return language(None, request.headers.get("accept-language"))
