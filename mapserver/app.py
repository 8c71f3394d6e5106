"""The roof, the only room that knows all others: the ASGI application out of settings and a prepared database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from mapserver import arcgis, ogc, ows, statements, viewer
from mapserver.bodies import Bodies
from mapserver.catalogue import Catalogue, catalogue
from mapserver.clerk import Clerk
from mapserver.errors import BadQuery, CityMapError, MethodNotAllowed, NotFound, NotReady
from mapserver.freshness import Freshness
from mapserver.http import changes, dti, indicators, open311, petitions, problems, search, writing
from mapserver.http.answers import ALWAYS, VARY
from mapserver.http.files import Files
from mapserver.http.hot import App, Hot
from mapserver.http.links import base_url
from mapserver.http.methods import methods
from mapserver.http.rights import Rights
from mapserver.query import ANYONE, Caller
from mapserver.refusals import refused
from mapserver.rendering.painter import Painter, Sources, painter
from mapserver.settings import Settings
from mapserver.store import Store, StoreError
from mapserver.systems.indicators.rules import kept as keeps_indicators
from mapserver.systems.petitions.rules import kept
from mapserver.tiling import Tiles, tiles

Answering = Callable[[Request], Awaitable[Response]]
Taken = Callable[[Request], tuple[str, ...]]
"""Which methods the address of a request takes."""


@dataclass(frozen=True, slots=True)
class House:
    """What every door is given: settings, catalogue, the store, the painter of pictures, and who is asking."""

    settings: Settings
    catalogue: Catalogue
    store: Store
    painter: Painter
    caller: Callable[[Request], Awaitable[Caller]]
    base_url: Callable[[Request], str]


def create_app(settings: Settings, app_dsn: str) -> Hot:
    """The application of one worker. app_dsn: the database as the web workers' role."""
    layers = catalogue(settings.layers)
    store = Store(app_dsn)
    rights = Rights(store)

    async def caller(request: Request) -> Caller:
        return await rights.caller(request.headers.get("authorization"))

    def base(request: Request) -> str:
        return base_url(settings, request.headers.get("host"), secure=request.url.scheme == "https")

    drawn = tiles(settings, layers, store, app_dsn)
    house, bodies = House(settings, layers, store, _painter(settings, layers, store, drawn), caller, base), Bodies()
    behind = _behind(house, bodies, drawn, app_dsn)
    return Hot(house, rights, Files(app_dsn, bodies), drawn, cast(App, behind))


def _painter(settings: Settings, layers: Catalogue, store: Store, drawn: Tiles) -> Painter:
    sources = Sources(drawn.content, Freshness(layers, store).version, settings)
    return painter(sources, viewer.BUILT / "glyphs")


def _behind(house: House, bodies: Bodies, drawn: Tiles, app_dsn: str) -> FastAPI:
    """Everything that is not hot, as FastAPI."""
    clerk = Clerk(app_dsn)
    desk = writing.Desk(house.catalogue, house.caller, house.base_url, clerk)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await house.painter.close()
        await drawn.close()
        await house.store.close()
        await clerk.close()

    app = FastAPI(title="CityMap", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)

    def taken(request: Request) -> tuple[str, ...]:
        return methods(app.router.routes, request.scope, house.catalogue)

    app.middleware("http")(_always(house, taken))
    for kind in (CityMapError, HTTPException, RequestValidationError, StoreError):
        app.add_exception_handler(kind, _problem_of(house, taken))
    app.add_api_route("/healthz", healthz, methods=["GET", "HEAD"])
    app.add_api_route("/readyz", readyz_of(house), methods=["GET", "HEAD"])
    app.include_router(ogc.routes(house))
    app.include_router(desk.routes())
    app.include_router(changes.Changes(house).routes())
    app.include_router(search.Search(house).routes())
    if kept(house.catalogue):
        app.include_router(petitions.Petitions(house, clerk).routes())
        app.include_router(open311.Open311(house, clerk).routes())
    if keeps_indicators(house.catalogue):
        app.include_router(indicators.Indicators(house, clerk).routes())
        app.include_router(dti.Dti(house, clerk).routes())
    legacy = (*ows.routes(house, bodies, clerk, app_dsn), *arcgis.routes(house))
    for route in (*legacy, *viewer.routes(house.settings)):
        app.router.routes.append(route)
    return app


async def healthz() -> dict[str, str]:
    """Alive."""
    return {"status": "alive"}


def readyz_of(house: House) -> Callable[[], Awaitable[dict[str, object]]]:
    """The readiness probe: the database is reached and every layer is loaded."""

    async def readyz() -> dict[str, object]:
        rows = await house.store.fetch(ANYONE, statements.LOADS)
        loaded = {(row[0] or b"").decode() for row in rows}
        missing = [layer.name for layer in house.catalogue if layer.is_loaded and layer.name not in loaded]
        if missing:
            raise NotReady("", f"still to be loaded: {', '.join(missing)}")
        return {"status": "ready", "layers": len(house.catalogue.layers)}

    return readyz


def _always(house: House, taken: Taken) -> Callable[[Request, Answering], Awaitable[Response]]:
    """Headers of every answer; OPTIONS, a browser's preflight too, is answered here."""

    async def always(request: Request, answer: Answering) -> Response:
        response = _options(house, request, taken(request)) if request.method == "OPTIONS" else await answer(request)
        for name, value in {**ALWAYS, "vary": VARY}.items():
            response.headers.setdefault(name, value)
        return response

    return always


def _options(house: House, request: Request, taken: tuple[str, ...]) -> Response:
    if not taken:
        return _rendered(house, request, NotFound("", f"there is nothing at {request.url.path[:120]}"))
    said = {"Allow": ", ".join(taken)}
    if "access-control-request-method" in request.headers:
        asked = "Authorization, Content-Type, Content-Crs, If-Match, If-None-Match"
        said |= {"Access-Control-Allow-Methods": said["Allow"], "Access-Control-Allow-Headers": asked}
        said["Access-Control-Max-Age"] = "86400"
    return Response(headers=said)


def _problem_of(house: House, taken: Taken) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Renders whatever went wrong as a problem document."""

    async def rendered(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            return _rendered(house, request, _not_taken(request, taken(request)))
        return _rendered(house, request, _told(request, error))

    return rendered


def _rendered(house: House, request: Request, told: CityMapError) -> Response:
    body = problems.rendered(told, house.base_url(request))
    headers = {**ALWAYS, "vary": VARY, **problems.headers(told)}
    return Response(body, told.status, headers=headers, media_type=problems.MEDIA_TYPE)


def _not_taken(request: Request, taken: tuple[str, ...]) -> MethodNotAllowed:
    return MethodNotAllowed("method", f"{request.method} is not taken here; {', '.join(taken)} are", taken)


def _told(request: Request, error: Exception) -> CityMapError:
    match error:
        case CityMapError():
            return error
        case HTTPException(status_code=404):
            return NotFound("", f"there is nothing at {request.url.path[:120]}")
        case StoreError():
            return refused(error.sqlstate, error.message)
        case RequestValidationError():
            first = error.errors()[0]
            return BadQuery(str(first["loc"][-1]), str(first["msg"]))
        case _:
            return CityMapError("", "the server failed to answer; the operator's log says why")
