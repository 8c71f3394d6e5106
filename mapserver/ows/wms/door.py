"""The route of WMS: one address, the operation in REQUEST, faults as service exceptions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mapserver.errors import CityMapError
from mapserver.facts import FactBook
from mapserver.house import House
from mapserver.identity import identity, path
from mapserver.legends import legend, stylesheet
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.kvp import pairs
from mapserver.ows.refusals import refusal
from mapserver.ows.wms.asking import (
    WHOLE,
    Asked,
    form_of,
    language_of,
    layer_of,
    picture_query,
    theme_of,
    version_of,
)
from mapserver.ows.wms.capabilities import capabilities, described
from mapserver.ows.wms.info import TYPES, question, told
from mapserver.pictures import Form
from mapserver.store import StoreError
from mapserver.styles import Theme, shown_first
from mapserver.symbology.rules import symbology
from mapserver.symbology.sld import Version, sld

SERVICE = "WMS"
MEDIA: Mapping[Form, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
FRESH = {"cache-control": "no-cache"}

PAPER: Mapping[Theme, str] = {"light": "#ffffff", "dark": "#20262b"}
"""What a legend stands on, unless it is asked for without."""

Operation = Callable[[Asked, str], Awaitable[Response]]


class WmsDoor:
    """One worker's WMS."""

    def __init__(self, house: House, book: FactBook) -> None:
        self._house, self._book = house, book
        self._identity = identity(path(house.settings))
        self._operations: Mapping[str, Operation] = {
            "GETCAPABILITIES": self._capabilities,
            "CAPABILITIES": self._capabilities,
            "GETMAP": self._map,
            "MAP": self._map,
            "GETFEATUREINFO": self._info,
            "FEATURE_INFO": self._info,
            "GETLEGENDGRAPHIC": self._legend,
            "DESCRIBELAYER": self._described,
            "GETSTYLES": self._styles,
        }

    def routes(self) -> list[BaseRoute]:
        """The one route of the service."""
        return [Route("/wms", self.answer, methods=["GET", "HEAD"])]

    async def answer(self, request: Request) -> Response:
        """What an operation says, or the report of what is wrong."""
        version = "1.3.0"
        try:
            given = pairs(request.scope["query_string"])
            version = version_of(given)
            asked = Asked(given, await self._house.caller(request), self._house.catalogue, version)
            return await self._operation(asked)(asked, self._house.base_url(request))
        except (StoreError, CityMapError) as error:
            return refusal(SERVICE, version, error)

    def _operation(self, asked: Asked) -> Operation:
        service = asked.given.get("SERVICE", SERVICE).upper()
        if service != SERVICE:
            raise OwsFault(Code.INVALID, "SERVICE", f"is WMS here, got {service[:20]!r}")
        for unread in ("SLD", "SLD_BODY"):
            if unread in asked.given:
                raise OwsFault(Code.UNSUPPORTED, unread, "is not read here: the styles are the city's, see GetStyles")
        name = asked.given.needed("REQUEST").strip()
        if name.upper() not in self._operations:
            raise OwsFault(Code.UNSUPPORTED, "REQUEST", f"there is no operation {name[:40]!r}")
        return self._operations[name.upper()]

    async def _map(self, asked: Asked, base: str) -> Response:
        del base
        query = picture_query(asked)
        picture = await self._house.painter.picture(query, asked.caller)
        return Response(picture, media_type=MEDIA[query.form], headers=FRESH)

    async def _capabilities(self, asked: Asked, base: str) -> Response:
        if "SERVICE" not in asked.given:
            raise OwsFault(Code.MISSING, "SERVICE", "is required: SERVICE=WMS")
        body = capabilities(asked, base, await self._book.facts(), self._identity)
        media = "text/xml" if asked.version == "1.3.0" else "application/vnd.ogc.wms_xml"
        return Response(body, media_type=media, headers=FRESH)

    async def _info(self, asked: Asked, base: str) -> Response:
        del base
        what = question(asked)
        body = await told(asked, what, self._house.store, self._house.settings)
        return Response(body, media_type=TYPES[what.form], headers=FRESH)

    async def _legend(self, asked: Asked, base: str) -> Response:
        del base
        given, form = asked.given, form_of(asked.given.get("FORMAT", "image/png"))
        name, theme = given.needed("LAYER").strip(), theme_of(given.get("STYLE", ""))
        layers = shown_first(asked.visible) if name == WHOLE else (layer_of(asked, name, "LAYER"),)
        shown = legend(layers, language_of(given), theme)
        paper = None if given.get("TRANSPARENT", "").strip().upper() == "TRUE" else PAPER[theme]
        picture = await self._house.painter.sheet(stylesheet(shown), shown.frame, form, paper)
        return Response(picture, media_type=MEDIA[form], headers=FRESH)

    async def _described(self, asked: Asked, base: str) -> Response:
        layers = [layer_of(asked, name.strip(), "LAYERS") for name in asked.given.needed("LAYERS").split(",")]
        return Response(described(layers, asked.version, base), media_type="text/xml", headers=FRESH)

    async def _styles(self, asked: Asked, base: str) -> Response:
        del base
        layers = [layer_of(asked, name.strip(), "LAYERS") for name in asked.given.needed("LAYERS").split(",")]
        version: Version = "1.1.0" if asked.given.get("SLD_VERSION", "1.0.0").startswith("1.1") else "1.0.0"
        said = [symbology(layer, language_of(asked.given)) for layer in layers]
        media = f"application/vnd.ogc.sld+xml; version={version[:3]}"
        return Response(sld(said, version), media_type=media, headers=FRESH)
