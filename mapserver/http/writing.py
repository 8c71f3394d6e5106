"""Writing features: POST, PUT, PATCH and DELETE on the items of a writable layer, by a token that may.

A stored feature has a stamp; `If-Match` with an ETag that begins with it keeps two editors from undoing each other."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import orjson
from fastapi import APIRouter, Request, Response

from mapserver import edits, features, parameters, statements
from mapserver.catalogue import Catalogue
from mapserver.clerk import Clerk, permitted
from mapserver.crs import Crs
from mapserver.errors import (
    BadQuery,
    CityMapError,
    NotFound,
    NoVersion,
    Stale,
    TooLarge,
    UnsupportedMedia,
)
from mapserver.http.features import GEOJSON
from mapserver.http.hot import visible_layer
from mapserver.layer import Layer
from mapserver.query import Caller, ItemQuery, feature_id
from mapserver.statements import Statement

MAX_BODY_BYTES = 16 * 1024 * 1024
MERGE_PATCH = "application/merge-patch+json"
_CONTENT_CRS = re.compile(r"^<(.+)>$")
_TAG = re.compile(r'^"(\d+)(?:\.[^"]*)?"$')


class Desk:
    """Where features are written, one address each."""

    def __init__(
        self,
        catalogue: Catalogue,
        caller_of: Callable[[Request], Awaitable[Caller]],
        base_url: Callable[[Request], str],
        clerk: Clerk,
    ) -> None:
        self._catalogue, self._caller_of, self._base_url = catalogue, caller_of, base_url
        self._clerk = clerk

    def routes(self) -> APIRouter:
        """The writing routes."""
        router = APIRouter()
        router.add_api_route("/collections/{name}/items", self.insert, methods=["POST"])
        router.add_api_route("/collections/{name}/items/{id}", self.replace, methods=["PUT"])
        router.add_api_route("/collections/{name}/items/{id}", self.patch, methods=["PATCH"])
        router.add_api_route("/collections/{name}/items/{id}", self.delete, methods=["DELETE"])
        return router

    async def insert(self, request: Request) -> Response:
        """One feature (201 with its place) or a collection of them, all or none (201 with the stored ones)."""
        layer, caller = await self._asked(request)
        raw = features.parsed(await _body(request, GEOJSON, "application/json"))
        made = features.features(layer, raw, caller, _crs(request))
        rows = await self._clerk.rows(caller, edits.insert(layer, made, caller))
        items = f"{self._base_url(request)}/collections/{layer.name}/items"
        if isinstance(raw, dict) and raw.get("type") == "FeatureCollection":
            members = b",".join(body for body, _ in rows)
            return Response(b'{"type":"FeatureCollection","features":[%b]}' % members, 201, media_type=GEOJSON)
        stored, stamp = rows[0]
        headers = {"Location": f"{items}/{orjson.loads(stored)['id']}", "ETag": f'"{stamp}"'}
        return Response(stored, 201, media_type=GEOJSON, headers=headers)

    async def replace(self, request: Request) -> Response:
        """The feature as the body says it."""
        layer, caller = await self._asked(request)
        number = _number(layer, request)
        raw = features.parsed(await _body(request, GEOJSON, "application/json"))
        feature = features.feature(layer, raw, caller, _crs(request))
        edit = edits.replace(layer, number, feature, caller, _stamps(layer, request))
        return await self._changed(request, layer, caller, edit)

    async def patch(self, request: Request) -> Response:
        """The stored feature with a merge patch applied; what was written meanwhile is never undone."""
        layer, caller = await self._asked(request)
        number, wanted = _number(layer, request), _stamps(layer, request)
        patch = features.parsed(await _body(request, MERGE_PATCH, GEOJSON, "application/json"))
        rows = await self._clerk.rows(caller, statements.item(ItemQuery(layer, number), caller))
        if not rows:
            raise _missing(request, layer, number)
        stored, stamp = rows[0]
        if wanted and stamp not in wanted:
            raise _stale(layer, number)
        feature = features.feature(layer, features.patched(orjson.loads(stored), patch), caller)
        return await self._changed(request, layer, caller, edits.replace(layer, number, feature, caller, (stamp,)))

    async def delete(self, request: Request) -> Response:
        """Takes the feature away; its history stays."""
        layer, caller = await self._asked(request)
        number = _number(layer, request)
        await self._one(request, layer, caller, edits.delete(layer, number, caller, _stamps(layer, request)))
        return Response(status_code=204)

    async def _changed(self, request: Request, layer: Layer, caller: Caller, statement: Statement) -> Response:
        stored, stamp = await self._one(request, layer, caller, statement)
        return Response(stored, 200, media_type=GEOJSON, headers={"ETag": f'"{stamp}"'})

    async def _one(self, request: Request, layer: Layer, caller: Caller, statement: Statement) -> tuple[bytes, str]:
        """The one row of an edit. Raises NotFound, or Stale when the feature is there in another version."""
        rows = await self._clerk.rows(caller, statement)
        if rows:
            return rows[0]
        number = _number(layer, request)
        if await self._clerk.rows(caller, statements.item(ItemQuery(layer, number), caller)):
            raise _stale(layer, number)
        raise _missing(request, layer, number)

    async def _asked(self, request: Request) -> tuple[Layer, Caller]:
        caller = await self._caller_of(request)
        layer = visible_layer(self._catalogue, request.path_params["name"], caller)
        permitted(layer, caller)
        return layer, caller


async def _body(request: Request, *media_types: str) -> bytes:
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media not in media_types:
        raise UnsupportedMedia("Content-Type", f"needs {media_types[0]}, got {media[:60] or 'nothing'}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("body", f"is over {MAX_BODY_BYTES // 2**20} MB")
    return bytes(body)


def _crs(request: Request) -> Crs:
    """The CRS of the body's coordinates, by its `Content-Crs` header."""
    header = request.headers.get("content-crs")
    if header is None:
        return parameters.crs("Content-Crs", None)
    named = _CONTENT_CRS.match(header.strip())
    if named is None:
        raise BadQuery("Content-Crs", f"needs a URI in angle brackets, got {header[:80]!r}")
    return parameters.crs("Content-Crs", named.group(1))


def _stamps(layer: Layer, request: Request) -> tuple[str, ...]:
    """The stamps that `If-Match` names; none when it is absent or `*`. Raises NoVersion where the layer wants them."""
    header = request.headers.get("if-match")
    if header is None and layer.if_match:
        raise NoVersion("If-Match", f"{layer.name} is changed only by naming the version: the ETag of its feature")
    if header is None or header.strip() == "*":
        return ()
    found = [_TAG.match(tag.strip()) for tag in header.split(",")]
    return tuple(tag.group(1) if tag else "-" for tag in found)


def _stale(layer: Layer, number: int) -> Stale:
    return Stale("If-Match", f"feature {number} of {layer.name} was changed by somebody else; get it again")


def _missing(request: Request, layer: Layer, number: int) -> CityMapError:
    """A feature that is not there; whoever named a version of it is told that there is none (Part 4, put-rid)."""
    words = f"{layer.name} has no feature {number}"
    named = "if-match" in request.headers and request.method != "DELETE"
    return Stale("If-Match", words) if named else NotFound("featureId", words)


def _number(layer: Layer, request: Request) -> int:
    number = feature_id(request.path_params["id"])
    if number is None:
        raise NotFound("featureId", f"{layer.name} has no feature {request.path_params['id'][:60]!r}")
    return number
