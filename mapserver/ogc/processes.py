"""OGC API - Processes: what the engine computes for anybody who asks. Executed while the client waits.

A process that only reads needs no token. Nothing is kept: there are no jobs here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mapserver import parameters, spreadsheets
from mapserver.areas import WEIGHTS
from mapserver.errors import BadQuery, NotFound, TooLarge
from mapserver.house import House
from mapserver.negotiation import language, representation
from mapserver.ogc.answers import body, response
from mapserver.ogc.documents import Document
from mapserver.ogc.joined import FORMS, Output, written
from mapserver.ogc.links import JSON, REL, link
from mapserver.periods import period
from mapserver.reaggregation import MEASURES
from mapserver.regrouping import RateOf, Wanted, regrouped
from mapserver.sheets import Cells
from mapserver.systems.areas.book import Books
from mapserver.whereabouts import Heir, Whereabouts, of_line, of_units

MAX_BODY_BYTES = 16 * 1024 * 1024
VERSION = "1.0.0"
Inputs = Mapping[str, Any]

_TABLE = {
    "oneOf": [
        {"type": "array", "items": {"type": "object"}},
        {"type": "string", "contentMediaType": "text/csv"},
        {"type": "string", "contentMediaType": spreadsheets.XLSX, "contentEncoding": "base64"},
    ]
}
_DAY = {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a process. required: it has no default."""

    title: str
    schema: Mapping[str, object]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """What is told of a process."""

    id: str
    title: tuple[str, str]
    description: tuple[str, str]
    inputs: Mapping[str, Input]
    outputs: Mapping[str, object]

    def summary(self, base: str, lang: str) -> Document:
        """The process in a list."""
        at, here = int(lang == "en"), f"{base}/processes/{self.id}"
        return {
            "id": self.id,
            "title": self.title[at],
            "description": self.description[at],
            "version": VERSION,
            "jobControlOptions": ["sync-execute"],
            "outputTransmission": ["value"],
            "links": [
                link(here, "self", JSON, self.title[at]),
                link(f"{here}/execution", f"{REL}execute", JSON, "Execute"),
            ],
        }

    def document(self, base: str, lang: str) -> Document:
        """The process with its inputs and outputs."""
        inputs = {
            name: {"title": given.title, "schema": dict(given.schema), "minOccurs": int(given.required)}
            for name, given in self.inputs.items()
        }
        return {**self.summary(base, lang), "inputs": inputs, "outputs": dict(self.outputs)}


REAGGREGATE = Process(
    "reaggregate",
    ("Chuyển số liệu sang ranh giới khác", "Figures on other boundaries"),
    (
        "Chuyển bảng số liệu theo mã hoặc tên đơn vị và thời gian sang ranh giới của một ngày; tổng được giữ nguyên.",
        "Moves a table of figures by code or name and time onto the boundaries of a day; sums are kept exactly.",
    ),
    {
        "table": Input("Rows as JSON, CSV text, or an XLSX workbook in base64", _TABLE, required=True),
        "to": Input("Day of the wanted boundaries; today by default", _DAY),
        "as_of": Input("Day of the boundaries that the table is on, whatever its dates say", _DAY),
        "values": Input("Columns of figures; all others by default", {"type": "array", "items": {"type": "string"}}),
        "measure": Input("What the figures are", {"type": "string", "enum": [*MEASURES]}),
        "rates": Input(
            "Rates to be made: name, numerator, denominator, per", {"type": "array", "items": {"type": "object"}}
        ),
        "weight": Input("What split units are cut by first", {"type": "string", "enum": [*WEIGHTS]}),
        "whole": Input("Whole numbers, by largest remainder", {"type": "boolean", "default": False}),
    },
    {"result": {"title": "The table on the wanted boundaries", "schema": {"oneOf": [
        {"type": "object", "contentMediaType": "application/geo+json"},
        {"type": "string", "contentMediaType": "text/csv"},
        {"type": "string", "contentMediaType": spreadsheets.XLSX, "contentEncoding": "binary"},
    ]}}},
)  # fmt: skip
WHICH_AREA = Process(
    "which-area",
    ("Thuộc đơn vị nào", "Which area"),
    (
        "Đơn vị của một điểm hoặc một dòng tên phường cũ hay mới vào một ngày, và các đơn vị kế thừa hiện nay.",
        "The unit of a point, or of a ward line old or new, on a day, and its heirs today.",
    ),
    {
        "point": Input("Longitude and latitude", {"type": "array", "items": {"type": "number"}, "minItems": 2}),
        "line": Input("A ward, or an address with one: `Phường 15, Quận Tân Bình`", {"type": "string"}),
        "date": Input("A day; today for a point, any for a line", _DAY),
    },
    {"result": {"title": "Units on the day, and their heirs", "schema": {"type": "object"}}},
)
PROCESSES = {process.id: process for process in (REAGGREGATE, WHICH_AREA)}


class ProcessDoor:
    """One worker's processes."""

    def __init__(self, house: House, books: Books) -> None:
        self._house, self._books = house, books
        self._runs: Mapping[str, Callable[[Request, Inputs, Document], Awaitable[Response]]] = {
            REAGGREGATE.id: self._reaggregate,
            WHICH_AREA.id: self._which_area,
        }

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        read = {"methods": ["GET", "HEAD"], "response_model": None}
        router.add_api_route("/processes", self.processes, **read)  # type: ignore[arg-type]
        router.add_api_route("/processes/{processId}", self.process, **read)  # type: ignore[arg-type]
        router.add_api_route("/processes/{processId}/execution", self.execute, methods=["POST"], response_model=None)
        return router

    async def processes(self, request: Request) -> Response:
        """The list of processes."""
        given, base = _given(request), self._house.base_url(request)
        lang = language(given.get("lang"), request.headers.get("accept-language"))
        listed = [process.summary(base, lang) for process in PROCESSES.values()]
        document = {"processes": listed, "links": [link(f"{base}/processes", "self", JSON, "Processes")]}
        return response(request, body(orjson.dumps(document), JSON))

    async def process(self, request: Request) -> Response:
        """One process with its inputs."""
        given, base = _given(request), self._house.base_url(request)
        lang = language(given.get("lang"), request.headers.get("accept-language"))
        return response(request, body(orjson.dumps(_named(request).document(base, lang)), JSON))

    async def execute(self, request: Request) -> Response:
        """Runs a process on the inputs of the body, and answers with its result."""
        process = _named(request)
        await self._house.caller(request)  # a token that is sent must be a good one
        asked = _object(await read_body(request))
        inputs = asked.get("inputs", {})
        if not isinstance(inputs, dict):
            raise BadQuery("inputs", "needs an object of inputs by name")
        for name in inputs:
            if name not in process.inputs:
                raise BadQuery(f"inputs.{name[:40]}", f"is no input; there are {', '.join(process.inputs)}")
        for name, wanted in process.inputs.items():
            if wanted.required and name not in inputs:
                raise BadQuery(f"inputs.{name}", "is missing")
        return await self._runs[process.id](request, inputs, asked)

    async def _reaggregate(self, request: Request, inputs: Inputs, asked: Document) -> Response:
        form = _form(request, asked)
        wanted = _wanted(inputs)
        table = _table(inputs["table"])
        areas = await self._books.areas()
        made = await run_in_threadpool(regrouped, areas, table, wanted)
        outlines = await self._books.outlines(row.area.uid for row in made.rows) if form == "geojson" else {}
        output: Output = await run_in_threadpool(written, made, areas, form, outlines)
        return Response(output.content, media_type=output.media_type, headers=output.headers)

    async def _which_area(self, request: Request, inputs: Inputs, asked: Document) -> Response:
        day, today = _day("date", inputs.get("date")), date.today()
        areas = await self._books.areas()
        if ("point" in inputs) == ("line" in inputs):
            raise BadQuery("inputs", "needs either a point or a line")
        if "line" in inputs:
            if not isinstance(inputs["line"], str) or len(inputs["line"]) > 300:
                raise BadQuery("inputs.line", "needs a text of at most 300 letters")
            found = await run_in_threadpool(of_line, areas, inputs["line"], day, today)
        else:
            lon, lat = _point(inputs["point"])
            units = [areas.units[uid] for uid in await self._books.holding(lon, lat, day or today)]
            heirs = [areas.units[uid] for uid in await self._books.holding(lon, lat, today)]
            found = _of_point(of_units(areas, units[:1], day or today, today), len(units), heirs[:1])
        return Response(orjson.dumps(_told(found)), media_type=JSON)


def _of_point(found: Whereabouts, holders: int, heirs: list[Any]) -> Whereabouts:
    """A point decides between the heirs of its unit; on a shared border the lowest code holds it."""
    why = "on a shared border; the lowest code holds it" if holders > 1 else ""
    now = tuple(Heir(area, None, ()) for area in heirs)
    if not found.units:
        return Whereabouts("unmatched", found.day, found.boundaries, (), now, "no unit with an outline held this place")
    return Whereabouts("matched", found.day, found.boundaries, found.units, now or found.now, why)


def _told(found: Whereabouts) -> Document:
    return {
        "status": found.status,
        "date": found.day,
        "boundaries": found.boundaries,
        "why": found.why or None,
        "units": [
            {"uid": u.uid, "code": u.code, "name": u.full_name, "valid_from": u.valid_from, "valid_to": u.valid_to}
            for u in found.units
        ],
        "now": [
            {"uid": h.area.uid, "code": h.area.code, "name": h.area.name, "share": h.share, "clauses": h.clauses}
            for h in found.now
        ],
    }


def _given(request: Request) -> dict[str, str]:
    given = parameters.parsed(request.scope["query_string"])
    parameters.known(given, ("f", "lang"))
    representation(given.get("f"), request.headers.get("accept"), {"json": (JSON,)})
    return given


def _named(request: Request) -> Process:
    name = request.path_params["processId"]
    if name not in PROCESSES:
        raise NotFound("processId", f"there is no process {name[:60]!r}; there are {', '.join(PROCESSES)}")
    return PROCESSES[name]


async def read_body(request: Request) -> bytes:
    """The body of a request. Raises TooLarge."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise TooLarge("body", f"is over {MAX_BODY_BYTES // 2**20} MB")
    return bytes(content)


def _object(content: bytes) -> dict[str, Any]:
    try:
        read = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadQuery("body", f"is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise BadQuery("body", 'needs a JSON object with "inputs"')
    return read


def _form(request: Request, asked: Mapping[str, Any]) -> str:
    """The representation of the result: by `outputs`, by `f`, or by the Accept header."""
    given = parameters.parsed(request.scope["query_string"])
    parameters.known(given, ("f", "lang"))
    outputs = asked.get("outputs")
    media = None
    if isinstance(outputs, dict) and isinstance(outputs.get("result"), dict):
        chosen = outputs["result"].get("format")
        media = chosen.get("mediaType") if isinstance(chosen, dict) else None
    if media is not None:
        for name, types in FORMS.items():
            if media in types:
                return name
        raise BadQuery("outputs.result.format", f"needs one of {', '.join(types[0] for types in FORMS.values())}")
    return representation(given.get("f"), request.headers.get("accept"), FORMS)


def _wanted(inputs: Inputs) -> Wanted:
    to = _day("to", inputs.get("to"))
    values = inputs.get("values")
    if values is not None and not (isinstance(values, list) and all(isinstance(name, str) for name in values)):
        raise BadQuery("inputs.values", "needs a list of columns")
    whole = inputs.get("whole", False)
    if not isinstance(whole, bool):
        raise BadQuery("inputs.whole", "needs true or false")
    for name in ("measure", "weight"):
        if not isinstance(inputs.get(name, ""), str):
            raise BadQuery(f"inputs.{name}", "needs a text")
    return Wanted(
        to=to or date.today(),
        as_of=_day("as_of", inputs.get("as_of")),
        values=tuple(values) if values else None,
        measure=inputs.get("measure"),
        rates=tuple(_rate(i, rate) for i, rate in enumerate(_list(inputs.get("rates", [])))),
        weight=inputs.get("weight", WEIGHTS[0]),
        whole=whole,
    )


def _list(rates: object) -> list[object]:
    if not isinstance(rates, list):
        raise BadQuery("inputs.rates", "needs a list of rates")
    return rates


def _rate(index: int, rate: object) -> RateOf:
    names = ("name", "numerator", "denominator")
    if not isinstance(rate, dict) or not all(isinstance(rate.get(name), str) for name in names):
        raise BadQuery(f"inputs.rates[{index}]", "needs name, numerator and denominator")
    per = rate.get("per", 1)
    if isinstance(per, bool) or not isinstance(per, int | float) or not per > 0:
        raise BadQuery(f"inputs.rates[{index}].per", "needs a number above 0")
    return RateOf(rate["name"], rate["numerator"], rate["denominator"], float(per))


def _table(given: object) -> list[Cells]:
    """The table of an input: rows, a text, or a qualified value with a media type."""
    match given:
        case [*rows] if all(isinstance(row, dict) for row in rows):
            return _even([row for row in rows if isinstance(row, dict)])
        case str():
            return spreadsheets.rows(given.encode())
        case {"value": [*_] as rows}:
            return _table(rows)
        case {"value": str() as text, "encoding": "base64"}:
            try:
                return spreadsheets.rows(base64.b64decode(text, validate=True))
            except binascii.Error as error:
                raise BadQuery("inputs.table", "is not base64") from error
        case {"value": str() as text}:
            return spreadsheets.rows(text.encode())
    raise BadQuery("inputs.table", "needs rows as a list of objects, CSV text, or a workbook in base64")


def _even(rows: list[dict[str, object]]) -> list[Cells]:
    """Rows that all have every column."""
    if len(rows) > spreadsheets.MAX_ROWS:
        raise BadQuery("inputs.table", f"has more than {spreadsheets.MAX_ROWS:,} rows")
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in names} for row in rows]


def _day(name: str, text: object) -> date | None:
    if text is None:
        return None
    read = period(text) if isinstance(text, str) else None
    if read is None or read.first != read.last:
        raise BadQuery(f"inputs.{name}", f"needs a day such as 2025-07-01, got {str(text)[:40]!r}")
    return read.first


def _point(point: object) -> tuple[float, float]:
    match point:
        case [int() | float() as lon, int() | float() as lat] if abs(lon) <= 180 and abs(lat) <= 90:
            return float(lon), float(lat)
    raise BadQuery("inputs.point", "needs [longitude, latitude]")
