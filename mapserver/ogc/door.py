"""The routes of the OGC door: documents, pages, coverages and styles. Items and vector tiles as such are answered hot.

Every path takes `f` and `lang`, refuses any parameter it does not know, and answers HEAD."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

import orjson
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from mapserver import parameters, raster, styles
from mapserver.coding import KEEP
from mapserver.errors import NotFound
from mapserver.facts import FactBook
from mapserver.house import House
from mapserver.identity import identity, path
from mapserver.layer import Layer
from mapserver.linking import link_header, profile_link
from mapserver.negotiation import language, representation
from mapserver.ogc import documents, maps, pages, problem_pages, schemas, stylebook, tilesets
from mapserver.ogc.answers import Body, Shelf, body, response
from mapserver.ogc.conformance import CLASSES, SPEC, conformance
from mapserver.ogc.coverage import coverage_query
from mapserver.ogc.documents import Document
from mapserver.ogc.features import FeaturePages
from mapserver.ogc.house import Reader
from mapserver.ogc.links import HTML, JSON, JSONLD, OPENAPI, SCHEMA, STYLE
from mapserver.ogc.openapi import openapi
from mapserver.ogc.pages import Place
from mapserver.ogc.pygeoapi_adapter import Pygeoapi
from mapserver.pictures import MEDIA_TYPES
from mapserver.query import opened, tile_query

PAGE = (HTML, "application/xhtml+xml")
PLAIN = {"json": (JSON,), "html": PAGE}
LINKED = {**PLAIN, "jsonld": (JSONLD,)}
SCHEMAS = {"json": (SCHEMA, JSON, "application/schema"), "html": PAGE}
DEFINITION = {"json": ("application/vnd.oai.openapi+json", JSON, "application/openapi+json"), "html": PAGE}
STYLES = {"json": (STYLE, "application/vnd.maplibre.style+json", JSON), "html": PAGE, **stylebook.ENCODINGS}
TILESETS = {**PLAIN, "tilejson": ("application/vnd.mapbox.tilejson+json",)}
COVERAGES = {
    "GTiff": ("image/tiff", "image/geotiff", "application/geotiff"),
    "json": ("application/prs.coverage+json", "application/vnd.cov+json", JSON),
}
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
LINKED_FORMS = (("JSON", "json"), ("JSON-LD", "jsonld"))
_RANGE = re.compile(r"^bytes=(\d{1,18})-(\d{0,18})$")

Forms = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read: which representation, for whom, with which parameters."""

    request: Request
    form: str
    reader: Reader
    given: Mapping[str, str]

    @property
    def path(self) -> str:
        return self.request.url.path

    def layer(self) -> Layer:
        """The layer in the path. Raises NotFound, Unauthorized or Forbidden."""
        return opened(self.reader.catalogue.layers, self.request.path_params["collectionId"], self.reader.caller)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a document is made, and what its page is given besides."""

    made: Callable[[Reader], Document]
    template: str = ""
    media_type: str = JSON
    linked: Callable[[Reader], Awaitable[str]] | None = None
    """The document as JSON-LD."""
    trail: tuple[tuple[str, str], ...] = ()
    forms: tuple[tuple[str, str], ...] = (("JSON", "json"),)
    more: Mapping[str, object] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    """OGC profiles that the document follows."""


class Door:
    """One worker's OGC door."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._identity = identity(path(house.settings))
        self._book = FactBook(house.settings, house.catalogue, house.store)
        self._shelf = Shelf()
        self._pygeoapi = Pygeoapi(house.settings)
        self._features = FeaturePages(house.store, self._pygeoapi)

    def router(self) -> APIRouter:
        """Every route of the door."""
        router = APIRouter()
        here, tiles = "/collections/{collectionId}", "/collections/{collectionId}/tiles"
        pictures, quad = "/collections/{collectionId}/map/tiles", "{tileMatrixSetId}"
        table: tuple[tuple[str, Callable[[Request], Awaitable[Response]]], ...] = (
            ("/", self.landing),
            ("/conformance", self.conformance),
            ("/api", self.api),
            ("/collections", self.collections),
            (here, self.collection),
            (f"{here}/schema", self.schema),
            (f"{here}/queryables", self.queryables),
            (f"{here}/sortables", self.sortables),
            (f"{here}/items", self.items),
            (f"{here}/items/{{featureId}}", self.item),
            (f"{here}/coverage", self.coverage),
            (tiles, self.tilesets),
            (f"{tiles}/{quad}", self.tileset),
            (f"{tiles}/{quad}/{{z}}/{{y}}/{{x}}", self.vector_tile),
            (f"{here}/map", self.map),
            (pictures, self.tilesets),
            (f"{pictures}/{quad}", self.tileset),
            (f"{pictures}/{quad}/{{z}}/{{y}}/{{x}}", self.picture),
            ("/tileMatrixSets", self.matrix_sets),
            (f"/tileMatrixSets/{quad}", self.matrix_set),
            ("/functions", self.functions),
            ("/styles", self.styles),
            ("/styles/{styleId}", self.style),
            ("/problems/{kind}", self.problem),
            ("/pages.css", self.stylesheet),
        )
        for where, answer in table:
            router.add_api_route(where, answer, methods=["GET", "HEAD"], response_model=None)
        return router

    async def landing(self, request: Request) -> Response:
        asked = await self._asked(request, LINKED)
        more = {"example": next((layer.name for layer in asked.reader.layers if layer.geometry), "")}
        linked = self._pygeoapi.landing_ld
        recipe = Recipe(documents.landing, "landing.html", linked=linked, forms=LINKED_FORMS, more=more)
        return await self._said(asked, recipe)

    async def conformance(self, request: Request) -> Response:
        more = {"spec": SPEC, "classes": CLASSES}
        return await self._said(await self._asked(request, PLAIN), Recipe(conformance, "conformance.html", more=more))

    async def api(self, request: Request) -> Response:
        asked = await self._asked(request, DEFINITION)
        return await self._said(asked, Recipe(openapi, "api.html", OPENAPI, forms=(("OpenAPI 3.0", "json"),)))

    async def collections(self, request: Request) -> Response:
        asked = await self._asked(request, LINKED)
        linked, more = self._pygeoapi.collections_ld, {"themes": _themes(asked.reader), "facts": asked.reader.facts}
        recipe = Recipe(documents.collections, "collections.html", linked=linked, forms=LINKED_FORMS, more=more)
        return await self._said(asked, recipe)

    async def collection(self, request: Request) -> Response:
        asked = await self._asked(request, LINKED)
        layer = asked.layer()

        async def linked(reader: Reader) -> str:
            return await self._pygeoapi.collection_ld(reader, layer)

        more = {
            "layer": layer,
            "fact": asked.reader.facts.of(layer),
            "columns": schemas.schema(asked.reader, layer)["properties"],
            "sketch": pages.locator(asked.reader, layer),
        }
        trail = pages.layer_trail(asked.reader)
        recipe = Recipe(
            lambda reader: documents.collection(reader, layer),
            "collection.html",
            linked=linked,
            trail=trail,
            forms=LINKED_FORMS,
            more=more,
        )
        return await self._said(asked, recipe)

    async def schema(self, request: Request) -> Response:
        return await self._schema(request, schemas.schema, rasters=True, kinds=True)

    async def queryables(self, request: Request) -> Response:
        return await self._schema(request, schemas.queryables)

    async def sortables(self, request: Request) -> Response:
        return await self._schema(request, schemas.sortables)

    async def _schema(
        self,
        request: Request,
        made: Callable[[Reader, Layer], Document],
        *,
        rasters: bool = False,
        kinds: bool = False,
    ) -> Response:
        asked = await self._asked(request, SCHEMAS, ("type",) if kinds else ())
        layer = asked.layer()
        if layer.origin == "raster" and not rasters:
            raise NotFound("collectionId", f"{layer.name} is a raster; its bands stand in its schema")
        if "type" in asked.given:
            made = schemas.sent(layer, asked.given["type"])
        more = {"kind": asked.path.rsplit("/", 1)[1]}
        forms, trail = (("JSON Schema", "json"),), pages.layer_trail(asked.reader, layer)
        profiles = ("codelist-inline", "valid-domain")
        recipe = Recipe(lambda reader: made(reader, layer), "schema.html", SCHEMA, None, trail, forms, more, profiles)
        return await self._said(asked, recipe)

    async def items(self, request: Request) -> Response:
        """The page, or JSON-LD; GeoJSON is answered hot."""
        given = parameters.parsed(request.scope["query_string"])
        reader = await self._reader(request, given)
        layer = _with_features(opened(reader.catalogue.layers, request.path_params["collectionId"], reader.caller))
        form = representation(given.get("f"), request.headers.get("accept"), LINKED)
        said = await self._features.items(reader, layer, form, given)
        return response(request, said)

    async def item(self, request: Request) -> Response:
        """The page, or JSON-LD; GeoJSON is answered hot."""
        given = parameters.parsed(request.scope["query_string"])
        reader = await self._reader(request, given)
        layer = _with_features(opened(reader.catalogue.layers, request.path_params["collectionId"], reader.caller))
        form = representation(given.get("f"), request.headers.get("accept"), LINKED)
        said = await self._features.item(reader, layer, form, request.path_params["featureId"], given)
        return response(request, said)

    async def coverage(self, request: Request) -> Response:
        given = parameters.parsed(request.scope["query_string"])
        reader = await self._reader(request, given)
        layer = opened(reader.catalogue.layers, request.path_params["collectionId"], reader.caller)
        if layer.origin != "raster":
            raise NotFound("collectionId", f"{layer.name} is not a raster; see its items")
        form = representation(given.get("f"), request.headers.get("accept"), COVERAGES)
        file = raster.path(self._house.settings, layer)
        grid = await run_in_threadpool(raster.grid, file)
        query = coverage_query(layer, reader.caller, grid, form, given)
        if query is None:
            return Response(status_code=204)
        media = documents.COVERAGE_TYPES[form]
        if query.whole and form == "GTiff":
            _drop_odd_range(request, file.stat().st_size)
            return FileResponse(file, media_type=media, filename=file.name)
        content = await self._pygeoapi.coverage(reader, layer, query.args)
        return response(request, body(content, media, kept=False))

    async def tilesets(self, request: Request) -> Response:
        asked = await self._asked(request, PLAIN)
        layer = _with_tiles(asked)
        trail = pages.layer_trail(asked.reader, layer)
        recipe = Recipe(lambda reader: tilesets.tilesets(reader, layer), "tilesets.html", trail=trail)
        return await self._said(asked, recipe)

    async def tileset(self, request: Request) -> Response:
        asked = await self._asked(request, TILESETS)
        layer, name = _with_tiles(asked), request.path_params["tileMatrixSetId"]
        tilesets.known(name)
        if asked.form == "tilejson":
            return await self._said(asked, Recipe(lambda reader: tilesets.tilejson(reader, layer)))
        trail, forms = pages.layer_trail(asked.reader, layer), (("JSON", "json"), ("TileJSON", "tilejson"))
        recipe = Recipe(lambda reader: tilesets.tileset(reader, layer, name), "tileset.html", trail=trail, forms=forms)
        return await self._said(asked, recipe)

    async def vector_tile(self, request: Request) -> Response:
        """Only tiles of an unknown tile matrix set come here; the others are answered hot."""
        asked = await self._asked(request, {"mvt": ("application/vnd.mapbox-vector-tile",)})
        layer, name = _with_tiles(asked), request.path_params["tileMatrixSetId"]
        raise NotFound("tileMatrixSetId", f"{layer.name} has no tiles in {name[:60]!r}; there is {tilesets.MATRIX_SET}")

    async def map(self, request: Request) -> Response:
        """A picture of a layer."""
        asked = await self._asked(request, maps.FORMS, maps.MAP)
        layer, form = _with_picture(asked), MEDIA_TYPES[maps.FORMS[asked.form][0]]
        extent = asked.reader.facts.of(layer).extent.box
        query = maps.picture_query(layer, asked.given, form, asked.reader.language, extent)
        content = await self._house.painter.picture(query, asked.reader.caller)
        headers = {"content-crs": f"<{query.frame.crs.uri}>", "content-bbox": maps.box_header(query.frame)}
        return response(request, body(content, maps.FORMS[asked.form][0], headers, kept=False))

    async def picture(self, request: Request) -> Response:
        """One map tile: of a raster in Web Mercator by rio-tiler, of anything else by the painter."""
        asked = await self._asked(request, maps.FORMS, maps.LOOKS)
        layer, parts = _with_picture(asked), request.path_params
        if layer.origin == "raster" and parts["tileMatrixSetId"] == tilesets.MATRIX_SET and asked.form == "png":
            return await self._raster_tile(request, layer)
        place = (parts["tileMatrixSetId"], parts["z"], parts["y"], parts["x"])
        form = MEDIA_TYPES[maps.FORMS[asked.form][0]]
        query = maps.tile_query(layer, asked.given, form, asked.reader.language, place)
        content = await self._house.painter.tile(query, asked.reader.caller)
        return response(request, body(content, maps.FORMS[asked.form][0], kept=False))

    async def _raster_tile(self, request: Request, layer: Layer) -> Response:
        z, y, x = (request.path_params[name] for name in ("z", "y", "x"))
        query = tile_query(layer, z, y, x)
        if query is None or not layer.tiles.min_zoom <= query.z <= layer.tiles.max_zoom:
            raise NotFound("tile", f"{layer.name} has no tile {z[:20]}/{y[:20]}/{x[:20]}")
        file = raster.path(self._house.settings, layer)
        colours = styles.raster_colours(layer)
        png = await run_in_threadpool(raster.picture, file, (query.z, query.x, query.y), colours)
        return Response(status_code=204) if png is None else response(request, body(png, "image/png"))

    async def matrix_sets(self, request: Request) -> Response:
        asked = await self._asked(request, PLAIN)
        return await self._said(asked, Recipe(tilesets.matrix_sets, "matrix_sets.html"))

    async def matrix_set(self, request: Request) -> Response:
        asked = await self._asked(request, PLAIN)
        name = request.path_params["tileMatrixSetId"]
        trail = ((asked.reader.choose("Lưới ô bản đồ", "Tile matrix sets"), "/tileMatrixSets"),)
        recipe = Recipe(lambda reader: tilesets.matrix_set(reader, name), "matrix_set.html", trail=trail)
        return await self._said(asked, recipe)

    async def functions(self, request: Request) -> Response:
        asked = await self._asked(request, PLAIN)
        return await self._said(asked, Recipe(schemas.functions, "functions.html"))

    async def styles(self, request: Request) -> Response:
        asked = await self._asked(request, PLAIN)
        return await self._said(asked, Recipe(stylebook.styles, "styles.html"))

    async def style(self, request: Request) -> Response:
        asked = await self._asked(request, STYLES, ("theme",))
        name, theme = request.path_params["styleId"], stylebook.theme(asked.given.get("theme"))
        if asked.form in stylebook.ENCODINGS:
            content = stylebook.encoded(asked.reader, name, theme, asked.form)
            return response(request, body(content, stylebook.ENCODINGS[asked.form][0]))
        trail = ((asked.reader.choose("Kiểu hiển thị", "Styles"), "/styles"),)
        forms = (("MapLibre", "json"), ("SLD 1.0", "sld10"), ("SLD 1.1", "sld11"), ("QML", "qml"))
        recipe = Recipe(
            lambda reader: stylebook.style(reader, name, theme), "style.html", STYLE, trail=trail, forms=forms
        )
        return await self._said(asked, recipe)

    async def problem(self, request: Request) -> Response:
        asked = await self._asked(request, {"html": PAGE, "json": (JSON,)})
        explained = problem_pages.explained(request.path_params["kind"])
        more = {"html": explained.html}
        return await self._said(
            asked, Recipe(lambda reader: explained.document(reader.base), "problem.html", more=more)
        )

    async def stylesheet(self, request: Request) -> Response:
        """The stylesheet of the pages, kept for ever by browsers: its address changes with it."""
        parameters.known(parameters.parsed(request.scope["query_string"]), ("v",))
        return response(request, body(pages.STYLESHEET.read_bytes(), "text/css; charset=utf-8", FOR_EVER))

    async def _asked(self, request: Request, forms: Forms, more: tuple[str, ...] = ()) -> Asked:
        given = parameters.parsed(request.scope["query_string"])
        parameters.known(given, ("f", "lang", *more))
        form = representation(given.get("f"), request.headers.get("accept"), forms)
        return Asked(request, form, await self._reader(request, given), given)

    async def _reader(self, request: Request, given: Mapping[str, str]) -> Reader:
        house = self._house
        caller = await house.caller(request)
        spoken = language(given.get("lang"), request.headers.get("accept-language"))
        facts = await self._book.facts()
        return Reader(house.base_url(request), spoken, caller, house.catalogue, facts, self._identity)

    async def _said(self, asked: Asked, recipe: Recipe) -> Response:
        """The document in the form that was asked for, from the shelf when it is there."""
        reader = asked.reader
        whose = (reader.base, reader.language, reader.caller.rights_class)
        key = (asked.path, asked.form, asked.given.get("theme"), asked.given.get("type"), *whose)
        said = await self._shelf.get(key, reader.facts.version, lambda: _made(asked, recipe))
        if (kept := asked.request.scope.get(KEEP)) is not None:
            kept.tag = said.tag
        return response(asked.request, said)


async def _made(asked: Asked, recipe: Recipe) -> Body:
    """The document, freshly made."""
    reader = asked.reader
    headers: dict[str, str] = {"content-language": reader.language}
    if asked.form == "jsonld" and recipe.linked:
        return body((await recipe.linked(reader)).encode(), JSONLD, headers)
    document = recipe.made(reader)
    headers |= _told(reader, asked, document, recipe)
    if asked.form != "html":
        return body(orjson.dumps(document), recipe.media_type, headers)
    linked = await recipe.linked(reader) if recipe.linked else ""
    html = pages.rendered(recipe.template, reader, _place(asked, document, recipe, linked), document, **recipe.more)
    return body(html.encode(), pages.MEDIA_TYPE, headers | pages.HEADERS)


def _told(reader: Reader, asked: Asked, document: Document, recipe: Recipe) -> dict[str, str]:
    """What a client may want to know without reading the body: links, and the newest load that it tells of."""
    links = document.get("links")
    profiles = [profile_link(name) for name in recipe.profiles]
    said = link_header([*(links if isinstance(links, list) else []), *profiles])
    name = asked.request.path_params.get("collectionId")
    facts = [fact for layer, fact in reader.facts.layers.items() if name in (None, layer)]
    newest = max((fact.updated for fact in facts if fact.updated), default=None)
    dated = {"last-modified": format_datetime(datetime.fromisoformat(newest), usegmt=True)} if newest else {}
    return {"link": said, **dated} if said else dated


def _place(asked: Asked, document: Document, recipe: Recipe, linked: str) -> Place:
    info = document.get("info")
    named = info if isinstance(info, dict) else document
    title = str(named.get("title") or named.get("name") or named.get("id") or asked.path)
    given = {name: text for name, text in asked.given.items() if name in ("theme", "type")}
    description = str(named.get("description") or "")
    return Place(asked.path, title, given, recipe.forms, recipe.trail, description, linked)


def _drop_odd_range(request: Request, size: int) -> None:
    """A range that cannot be answered is passed over, as RFC 9110 lets a server do; the whole file is sent then."""
    asked = _RANGE.match(request.headers.get("range", "bytes=0-"))
    first, last = (int(asked[1]), int(asked[2] or size)) if asked else (size, 0)
    if first >= size or first > last:
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]


def _with_features(layer: Layer) -> Layer:
    if layer.origin == "raster":
        raise NotFound("collectionId", f"{layer.name} is a raster, without features; see its coverage")
    return layer


def _with_tiles(asked: Asked) -> Layer:
    """The layer in the path, if it has tiles of the kind in the path."""
    layer = asked.layer()
    pictures = "/map/tiles" in asked.path
    if (layer.origin == "raster") != pictures or not styles.drawn(layer):
        raise NotFound("collectionId", f"{layer.name} has no {'map' if pictures else 'vector'} tiles")
    return layer


def _with_picture(asked: Asked) -> Layer:
    """The layer in the path, if it can be drawn."""
    layer = asked.layer()
    if not styles.drawn(layer):
        raise NotFound("collectionId", f"{layer.name} has no geometry, so no map")
    return layer


def _themes(reader: Reader) -> dict[str, list[Layer]]:
    """The visible layers by theme."""
    out: dict[str, list[Layer]] = {}
    for layer in reader.layers:
        out.setdefault(layer.theme, []).append(layer)
    return out
