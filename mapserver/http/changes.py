"""`/collections/{id}/changes?since=`: what was added, changed and taken away, for those who keep a copy of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request, Response

from mapserver import changes, parameters
from mapserver.changes import ChangesQuery, Moment, Token
from mapserver.errors import NotFound
from mapserver.house import House
from mapserver.http.hot import visible_layer
from mapserver.http.links import link, with_parameters
from mapserver.layer import Layer
from mapserver.query import Caller

PARAMETERS = ("since", "cursor", "limit", "crs", "f", "lang")
JSON = "application/json"


class Changes:
    """The door of the changes of every layer that keeps its history."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> APIRouter:
        """The one route."""
        router = APIRouter()
        router.add_api_route("/collections/{name}/changes", self.changes, methods=["GET", "HEAD"])
        return router

    async def changes(self, request: Request) -> Response:
        """The net changes since a token, and the token for next time; without `since`, only the token."""
        caller = await self._house.caller(request)
        layer = visible_layer(self._house.catalogue, request.path_params["name"], caller)
        if not layer.history:
            raise NotFound("collectionId", f"{layer.name} does not keep its history; read its items again instead")
        given = parameters.parsed(request.scope["query_string"])
        parameters.known(given, PARAMETERS)
        moment = await self._moment(layer, caller)
        url = f"{self._house.base_url(request)}/collections/{quote(layer.name)}/changes"
        query = _query(layer, given, moment)
        body = await self._page(query, caller, url, given)
        headers = {"Content-Crs": f"<{query.crs.uri}>", "Cache-Control": "no-store"}
        return Response(b"" if request.method == "HEAD" else body, media_type=JSON, headers=headers)

    async def _moment(self, layer: Layer, caller: Caller) -> Moment:
        row = next(iter(await self._house.store.fetch(caller, changes.moment(layer))))
        epoch, snapshot, pruned = ((value or b"").decode() for value in row)
        return Moment(Token(epoch, snapshot), int(pruned))

    async def _page(self, query: ChangesQuery, caller: Caller, url: str, given: Mapping[str, str]) -> bytes:
        rows = list(await self._house.store.fetch(caller, changes.changes(query, caller)))
        shown, more = rows[: query.limit], len(rows) > query.limit
        links = [link(with_parameters(url, given, {}), "self", JSON, "This document")]
        ending: dict[str, object] = {"links": links}
        if more:
            onward = {"since": query.since.text(), "cursor": query.cursor(int(shown[-1][0] or b""))}
            links.append(link(with_parameters(url, given, onward), "next", JSON, "Further changes"))
        else:
            ending["token"] = query.until.text()
            links.append(link(f"{url}?since={query.until.text()}", "monitor", JSON, "What changes from now on"))
        return b'{"collection":%b,"numberReturned":%d,"changes":[%b],%b' % (
            orjson.dumps(query.layer.name),
            len(shown),
            b",".join(map(_change, shown)),
            orjson.dumps(ending)[1:],
        )


def _query(layer: Layer, given: Mapping[str, str], moment: Moment) -> ChangesQuery:
    limit = parameters.limit(given["limit"]) if "limit" in given else changes.DEFAULT_LIMIT
    since = Token.parse(given["since"]) if "since" in given else moment.now
    moment.refuse(since)
    until, after = changes.continued(given["cursor"], moment.now.epoch) if "cursor" in given else (moment.now, None)
    return ChangesQuery(layer, since, until, after, limit, parameters.crs("crs", given.get("crs")))


def _change(row: tuple[bytes | None, ...]) -> bytes:
    number, action, at, feature = row
    told = b'{"id":%b,"action":"%b","at":"%b"' % (number or b"", action or b"", at or b"")
    return told + (b',"feature":%b}' % feature if feature else b"}")
