"""OGC API - Joins (draft 22-026): an office table joined to a boundary version, by code and date or by name.

Answered at once, as GeoJSON, CSV, a workbook or JSON, with an account of every row; no join is kept here."""

from __future__ import annotations

from datetime import date

import orjson
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mapserver import parameters, spreadsheets
from mapserver.areas import Areas
from mapserver.errors import BadQuery, NotFound, UnsupportedMedia
from mapserver.house import House
from mapserver.joining import joined
from mapserver.layer import Layer
from mapserver.negotiation import representation
from mapserver.ogc.answers import body, response
from mapserver.ogc.joined import FORMS, joined_written
from mapserver.ogc.links import JSON, link
from mapserver.ogc.processes import read_body
from mapserver.ogc.uploads import form, text
from mapserver.periods import period
from mapserver.query import Caller, opened, visible_columns
from mapserver.statements import Statement
from mapserver.systems.areas.book import Books

KEYS = ("code", "name")
CONF = "http://www.opengis.net/spec/ogcapi-joins-1/1.0/conf/"
OUTPUTS = {f"{CONF}output/geojson-direct": "geojson", f"{CONF}output/geojson": "geojson"}
FIELDS = (
    "collection-id", "collection-key", "collection-date", "right-dataset-file", "right-dataset-format",
    "right-dataset-key", "right-dataset-date", "right-dataset-data-value-list", "output-formats",
    "include-join-metadata",
)  # fmt: skip
"""Fields of the draft's form, and two of ours: the day of the boundaries, and the day of the table's codes."""


class JoinDoor:
    """One worker's joins."""

    def __init__(self, house: House, books: Books) -> None:
        self._house, self._books = house, books

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        keys = "/collections/{collectionId}/keys"
        for where, answer in ((keys, self.keys), (f"{keys}/{{keyFieldId}}", self.key_values), ("/joins", self.joins)):
            router.add_api_route(where, answer, methods=["GET", "HEAD"], response_model=None)
        router.add_api_route("/joins", self.join, methods=["POST"], response_model=None)
        return router

    async def keys(self, request: Request) -> Response:
        """The columns of a collection that a table can be joined by."""
        given = _given(request, ("f", "lang"))
        layer, _ = await self._layer(request, request.path_params["collectionId"])
        here = f"{self._house.base_url(request)}/collections/{layer.name}/keys"
        listed = [
            {"id": key, "isDefault": key == KEYS[0], "links": [link(f"{here}/{key}", "key-values", JSON, key)]}
            for key in _keys(layer)
        ]
        del given
        return response(
            request, body(orjson.dumps({"keys": listed, "links": [link(here, "self", JSON, "Keys")]}), JSON)
        )

    async def key_values(self, request: Request) -> Response:
        """The values of one key column."""
        given = _given(request, ("f", "lang", "limit", "key"))
        layer, caller = await self._layer(request, request.path_params["collectionId"])
        key = request.path_params["keyFieldId"]
        if key not in _keys(layer):
            raise NotFound("keyFieldId", f"{layer.name} has no key {key[:40]!r}; there are {', '.join(_keys(layer))}")
        wanted = given.get("key")
        sql = (
            f'SELECT DISTINCT "{key}" FROM {layer.table} WHERE $1::text IS NULL OR "{key}" = $1::text'
            " ORDER BY 1 LIMIT $2::bigint"
        )
        arguments = (wanted.encode() if wanted else None, str(parameters.limit(given.get("limit"))).encode())
        rows = await self._house.store.fetch(caller, Statement(sql, arguments))
        values = [{"key": (value or b"").decode()} for (value,) in rows]
        return response(request, body(orjson.dumps({"id": key, "keys": values}), JSON))

    async def joins(self, request: Request) -> Response:
        """The joins that are kept here: none, every join is answered at once."""
        _given(request, ("f", "lang", "limit", "datetime"))
        here = f"{self._house.base_url(request)}/joins"
        return response(request, body(orjson.dumps({"joins": [], "links": [link(here, "self", JSON, "Joins")]}), JSON))

    async def join(self, request: Request) -> Response:
        """Joins a table to a boundary version, and answers with the joined collection."""
        given = _given(request, ("f", "lang"))
        parts = await _parts(request)
        name = text(parts, "collection-id")
        if name is None:
            raise BadQuery("collection-id", "is missing")
        layer, caller = await self._layer(request, name)
        areas = await self._books.areas()
        day = await self._day(layer, caller, areas, text(parts, "collection-date"))
        values = text(parts, "right-dataset-data-value-list")
        table = await run_in_threadpool(_table, parts)
        made = await run_in_threadpool(
            joined, areas, table, day,
            as_of=_date(parts, "right-dataset-date"),
            values=[value.strip() for value in values.split(",")] if values else None,
        )  # fmt: skip
        shape = _form(request, given, text(parts, "output-formats"))
        outlines = await self._books.outlines(row.area.uid for row in made.rows) if shape == "geojson" else {}
        output = await run_in_threadpool(joined_written, made, shape, outlines)
        return Response(output.content, media_type=output.media_type, headers=output.headers)

    async def _layer(self, request: Request, name: str) -> tuple[Layer, Caller]:
        caller = await self._house.caller(request)
        layer = opened(self._house.catalogue.layers, name, caller)
        columns = {column.name for column in visible_columns(layer, caller)}
        if layer.origin == "raster" or "code" not in columns:
            raise NotFound("collectionId", f"{name} has no key that a table could be joined by")
        return layer, caller

    async def _day(self, layer: Layer, caller: Caller, areas: Areas, said: str | None) -> date:
        """The day of the boundaries that a collection shows: as said, or the day on which its codes were the units."""
        if said is not None:
            read = period(said)
            if read is None or read.first != read.last:
                raise BadQuery("collection-date", f"needs a day such as 2025-07-01, got {said[:40]!r}")
            return read.first
        rows = await self._house.store.fetch(caller, Statement(f"SELECT DISTINCT code FROM {layer.table}"))
        codes = {(code or b"").decode() for (code,) in rows}
        moments = [date.today(), *(date.fromordinal(day.toordinal() - 1) for day in areas.reforms)]
        for day in moments:
            if {unit.code for unit in areas.on(day) if unit.level == "commune"} == codes:
                return day
        raise BadQuery(
            "collection-date", f"say on which day's boundaries; {layer.name} holds units of several, or of none"
        )


def _keys(layer: Layer) -> tuple[str, ...]:
    return tuple(key for key in KEYS if key in layer.by_name)


def _given(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    given = parameters.parsed(request.scope["query_string"])
    parameters.known(given, known)
    return given


async def _parts(request: Request) -> dict[str, bytes]:
    """The form, or a bare table with the form's fields as query parameters left at their defaults."""
    media = request.headers.get("content-type", "")
    content = await read_body(request)
    if not media.lower().startswith("multipart/form-data"):
        raise UnsupportedMedia("Content-Type", f"needs multipart/form-data, got {media[:60] or 'nothing'}")
    parts = dict(form(media, content))
    for name in parts:
        if name not in FIELDS:
            raise BadQuery(name[:60], f"is no field of a join; there are {', '.join(FIELDS)}")
    return parts


def _table(parts: dict[str, bytes]) -> list[spreadsheets.Cells]:
    """The table of the form, its named key column told apart as code or name."""
    if "right-dataset-file" not in parts:
        raise BadQuery("right-dataset-file", "is missing; send the table with the form")
    rows = spreadsheets.rows(parts["right-dataset-file"])
    key, onto = text(parts, "right-dataset-key"), text(parts, "collection-key") or KEYS[0]
    if onto not in KEYS:
        raise BadQuery("collection-key", f"needs one of {', '.join(KEYS)}, got {onto[:40]!r}")
    if key is None:
        return rows
    if key not in rows[0]:
        raise BadQuery("right-dataset-key", f"the table has no column {key[:40]!r}; there are {', '.join(rows[0])}")
    return [
        {(onto if name == key else name): cell for name, cell in row.items() if name == key or name != onto}
        for row in rows
    ]


def _date(parts: dict[str, bytes], name: str) -> date | None:
    said = text(parts, name)
    read = period(said) if said else None
    if said and (read is None or read.first != read.last):
        raise BadQuery(name, f"needs a day such as 2025-07-01, got {said[:40]!r}")
    return read.first if read else None


def _form(request: Request, given: dict[str, str], wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in OUTPUTS and wanted not in FORMS:
            raise BadQuery("output-formats", f"needs one of {', '.join([*OUTPUTS, *FORMS])}, got {wanted[:80]!r}")
        return OUTPUTS.get(wanted, wanted)
    return representation(given.get("f"), request.headers.get("accept"), FORMS)
