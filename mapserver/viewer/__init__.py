"""The map in the browser: the page at /map, its files below /map/assets, and the glyphs of its labels.

The page is built by `viewer/build.sh` out of `viewer/`; everything else it shows it asks of the public doors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from mapserver.catalogue import Catalogue
from mapserver.coding import etag, matches
from mapserver.errors import NotFound, NotReady
from mapserver.layer import Language
from mapserver.settings import Settings
from mapserver.styles import Theme
from mapserver.viewer import glyphs
from mapserver.viewer.assets import Asset, asset, assets

if TYPE_CHECKING:
    import folium

BUILT = Path(__file__).parent / "static" / "dist"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src blob:",  # MapLibre starts its worker out of its own bundle: 70 kB less than shipping it twice
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)
"""What the page may do: talk to this host, and run what came from it."""
EMBEDDED = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'self'", "frame-ancestors *")
"""The same inside a page of anybody's: `/map?embed=1` takes no key, and shows what is public."""

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(settings: Settings, built: Path = BUILT) -> list[BaseRoute]:
    """The viewer's routes. settings: none matters to the page yet. built: the folder that `viewer/build.sh` wrote."""
    files = assets(built)
    if "index.html" not in files:
        return [Route("/map", _unbuilt), Route("/map/{rest:path}", _unbuilt), Route("/glyphs/{rest:path}", _unbuilt)]
    return [
        Route("/map", _page(files["index.html"])),
        Route("/map/", _to_page),
        Route("/map/assets/{name:path}", _below("map/assets", files)),
        Route("/glyphs/{stack}/{span}.pbf", _glyphs(files)),
    ]


def _page(file: Asset) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        policy = EMBEDDED if request.query_params.get("embed") == "1" else CONTENT_SECURITY_POLICY
        headers = {"content-security-policy": policy, "permissions-policy": "geolocation=(self)"}
        return _sent(file, request, headers)

    return endpoint


def _below(folder: str, files: Mapping[str, Asset]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        name = f"{folder}/{request.path_params['name']}"
        if name not in files:
            raise NotFound("", f"the viewer has no file {name[:120]}")
        return _sent(files[name], request)

    return endpoint


def _glyphs(files: Mapping[str, Asset]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        stack, span = request.path_params["stack"], request.path_params["span"]
        if stack not in glyphs.STACKS:
            raise NotFound("fontstack", f"there is no font {stack[:80]!r}; there are {', '.join(glyphs.STACKS)}")
        if span not in glyphs.RANGES:
            raise NotFound("range", f"{span[:40]!r} is not a range of 256 code points such as 7680-7935")
        name = f"glyphs/{stack}/{span}.pbf"
        return _sent(files.get(name) or asset(name, glyphs.empty(stack, span)), request)

    return endpoint


def _sent(file: Asset, request: Request, headers: Mapping[str, str] | None = None) -> Response:
    coded = file.coding(request.headers.get("accept-encoding"))
    shared = {
        "etag": etag(file.etag, coded),
        "cache-control": file.cache_control,
        "vary": "Accept-Encoding",
        "x-content-type-options": "nosniff",
        **(headers or {}),
    }
    if matches(request.headers.get("if-none-match"), file.etag):
        return Response(status_code=304, headers=shared)
    if coded != "identity":
        shared["content-encoding"] = coded
    return Response(file.bodies[coded], headers=shared, media_type=file.media_type)


def folium_map(
    features: Mapping[str, Any], catalogue: Catalogue, language: Language = "vi", theme: Theme = "light"
) -> folium.Map:
    """A map for a notebook; see `mapserver.viewer.notebook.folium_map`."""
    from mapserver.viewer import notebook  # folium takes a second to import, which no server has to wait for

    return notebook.folium_map(features, catalogue, language, theme)


async def _to_page(_: Request) -> Response:
    return RedirectResponse("../map", status_code=308)


async def _unbuilt(_: Request) -> Response:
    raise NotReady("", "the viewer is not built; run `sh viewer/build.sh`, then start the server again")
