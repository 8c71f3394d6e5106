"""The routes of WMTS: KVP at one address, and the RESTful ones; the same tiles behind both."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mapserver.coding import digest, etag, matches
from mapserver.errors import CityMapError
from mapserver.facts import FactBook
from mapserver.house import House
from mapserver.identity import identity, path
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.kvp import Pairs, pairs
from mapserver.ows.refusals import refusal
from mapserver.ows.wms.asking import Asked
from mapserver.ows.wms.door import FRESH, MEDIA
from mapserver.ows.wmts.asking import addressed, tile_query
from mapserver.ows.wmts.capabilities import capabilities
from mapserver.store import StoreError

SERVICE, VERSION = "WMTS", "1.0.0"


class WmtsDoor:
    """One worker's WMTS."""

    def __init__(self, house: House, book: FactBook) -> None:
        self._house, self._book = house, book
        self._identity = identity(path(house.settings))

    def routes(self) -> list[BaseRoute]:
        """The addresses of the service."""
        tile = "/wmts/{layer}/{style}/{matrices}/{level}/{row}/{column}"
        addresses = ("/wmts", "/wmts/1.0.0/WMTSCapabilities.xml", tile)
        return [Route(address, self.answer, methods=["GET", "HEAD"]) for address in addresses]

    async def answer(self, request: Request) -> Response:
        """A tile or the capabilities, or the report of what is wrong."""
        try:
            given = _given(request)
            asked = Asked(given, await self._house.caller(request), self._house.catalogue, VERSION)
            match given.needed("REQUEST").strip().upper():
                case "GETCAPABILITIES":
                    return await self._capabilities(asked, self._house.base_url(request))
                case "GETTILE":
                    return await self._tile(asked, request)
            raise OwsFault(Code.UNSUPPORTED, "REQUEST", f"there is no operation {given['REQUEST'][:40]!r}")
        except (StoreError, CityMapError) as error:
            return refusal(SERVICE, VERSION, error)

    async def _capabilities(self, asked: Asked, base: str) -> Response:
        body = capabilities(asked, base, await self._book.facts(), self._identity)
        return Response(body, media_type="text/xml", headers=FRESH)

    async def _tile(self, asked: Asked, request: Request) -> Response:
        query = tile_query(asked)
        content = await self._house.painter.tile(query, asked.caller)
        tag = digest(content)
        headers = {**FRESH, "etag": etag(tag, "identity")}
        if matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=MEDIA[query.form], headers=headers)


def _given(request: Request) -> Pairs:
    given = pairs(request.scope["query_string"])
    if "layer" in request.path_params:
        return addressed(request.path_params, given)
    if request.url.path.endswith(".xml"):
        return Pairs({**dict(given), "SERVICE": SERVICE, "REQUEST": "GetCapabilities"})
    if given.needed("SERVICE").strip().upper() != SERVICE:
        raise OwsFault(Code.INVALID, "SERVICE", f"is WMTS here, got {given['SERVICE'][:20]!r}")
    return given
