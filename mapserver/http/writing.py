"""Writing single features: POST, PUT and DELETE on the items of a writable layer, by a token that may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from fastapi import APIRouter, Request, Response

from mapserver import edits
from mapserver.catalogue import Catalogue
from mapserver.errors import BadQuery, Forbidden, MethodNotAllowed, NotFound, TooLarge, Unauthorized, UnsupportedMedia
from mapserver.features import Feature, feature, parsed
from mapserver.http.hot import GEOJSON, visible_layer
from mapserver.layer import Layer
from mapserver.query import Caller, feature_id
from mapserver.settings import Settings
from mapserver.statements import Statement
from mapserver.store import Rows, Store, StoreError

MAX_BODY_BYTES = 16 * 1024 * 1024
CLERK = "citymap_clerk"
_INSUFFICIENT_PRIVILEGE, _UNIQUE_VIOLATION = "42501", "23505"
_READS = ("GET", "HEAD", "OPTIONS")


def routes(
    settings: Settings,
    catalogue: Catalogue,
    caller_of: Callable[[Request], Awaitable[Caller]],
    base_url: Callable[[Request], str],
    app_dsn: str,
) -> APIRouter:
    """The writing routes, with a small pool of their own that may write."""
    router = APIRouter()
    store = Store(app_dsn, size=2, read_only=False)

    async def asked(request: Request) -> tuple[Layer, Caller]:
        caller = await caller_of(request)
        layer = visible_layer(catalogue, request.path_params["name"], caller)
        _permitted(layer, caller)
        return layer, caller

    @router.post("/collections/{name}/items")
    async def insert(request: Request) -> Response:
        layer, caller = await asked(request)
        stored = await _stored(store, caller, edits.insert(layer, await _sent(request, layer, caller), caller))
        number = orjson.loads(stored)["id"]
        location = f"{base_url(request)}/collections/{layer.name}/items/{number}"
        return Response(stored, 201, media_type=GEOJSON, headers={"Location": location})

    @router.put("/collections/{name}/items/{id}")
    async def replace(request: Request) -> Response:
        layer, caller = await asked(request)
        number = _number(layer, request)
        statement = edits.replace(layer, number, await _sent(request, layer, caller), caller)
        return Response(await _stored(store, caller, statement), 200, media_type=GEOJSON)

    @router.delete("/collections/{name}/items/{id}")
    async def delete(request: Request) -> Response:
        layer, caller = await asked(request)
        await _stored(store, caller, edits.delete(layer, _number(layer, request), caller))
        return Response(status_code=204)

    return router


def _permitted(layer: Layer, caller: Caller) -> None:
    if not layer.writable:
        raise MethodNotAllowed("method", f"{layer.name} is not written through the API", _READS)
    if not caller.name:
        raise Unauthorized("Authorization", f"writing {layer.name} needs a token: `citymap token add`")
    if layer.name not in caller.writes:
        raise Forbidden("Authorization", f"the token {caller.name} may not write {layer.name}")


async def _sent(request: Request, layer: Layer, caller: Caller) -> Feature:
    """The feature in the body, checked. Raises UnsupportedMedia, TooLarge, BadQuery or BadFeature."""
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media not in (GEOJSON, "application/json"):
        raise UnsupportedMedia("Content-Type", f"needs {GEOJSON}, got {media[:60] or 'nothing'}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("body", f"is over {MAX_BODY_BYTES // 2**20} MB")
    return feature(layer, parsed(bytes(body)), caller)


def _number(layer: Layer, request: Request) -> int:
    number = feature_id(request.path_params["id"])
    if number is None:
        raise NotFound("featureId", f"{layer.name} has no feature {request.path_params['id'][:60]!r}")
    return number


async def _stored(store: Store, caller: Caller, statement: Statement) -> bytes:
    try:
        rows: Rows = await store.fetch(caller, statement, role=CLERK)
    except StoreError as error:
        if error.sqlstate == _INSUFFICIENT_PRIVILEGE:
            raise Forbidden("Authorization", f"the token {caller.name} may not do that") from error
        if error.sqlstate == _UNIQUE_VIOLATION:
            raise BadQuery("body", "another feature has this key already") from error
        raise
    if not len(rows):
        raise NotFound("featureId", "there is no such feature")
    return rows.value() or b""
