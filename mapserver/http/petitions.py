"""`/petitions`: look-up, one petition with its timeline, what a clerk does with it, and the monitor's figures.

Readers need the right to see the layer `petitions`, writers the right to write it: the same rights as at every door."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapserver import parameters, spreadsheets
from mapserver.clerk import ROLE, Clerk
from mapserver.errors import BadFeature, BadQuery, Forbidden, NotFound, TooLarge, Unauthorized, UnsupportedMedia
from mapserver.house import House
from mapserver.http import petition_pages
from mapserver.http.links import with_parameters
from mapserver.negotiation import language, representation
from mapserver.query import Caller, opened
from mapserver.statements import Statement
from mapserver.systems.petitions import desk, monitor
from mapserver.systems.petitions.desk import Move
from mapserver.systems.petitions.monitor import Figures, Key, MonitorQuery
from mapserver.systems.petitions.rules import LAYER, Rules, rules

JSON, HTML, CSV = "application/json", "text/html", "text/csv"
MAX_BODY_BYTES = 1 << 20
MOST = 200
_CITY_TIME = timedelta(hours=7)
ModelT = TypeVar("ModelT", bound=BaseModel)


class MoveBody(BaseModel):
    """`POST /petitions/{code}/moves`: at least one of status, unit and duplicateOf."""

    model_config = ConfigDict(extra="forbid")

    status: str | None = None
    unit: str | None = None
    duplicateOf: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    note: Annotated[str | None, Field(max_length=4000)] = None


class ReplyBody(BaseModel):
    """`POST /petitions/{code}/replies`."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    public: bool = False


class Petitions:
    """The door of the petitions of one worker."""

    def __init__(self, house: House, clerk: Clerk) -> None:
        self._house, self._clerk = house, clerk
        self._rules: Rules = rules(house.catalogue)

    def routes(self) -> APIRouter:
        """The routes; `/petitions/monitor` stands before the codes."""
        router = APIRouter()
        for path, answer in (
            ("/petitions", self.found),
            ("/petitions/monitor", self.monitor),
            ("/petitions/rules", self.law),
            ("/petitions/{code}", self.one),
        ):
            router.add_api_route(path, answer, methods=["GET", "HEAD"], response_model=None)
        router.add_api_route("/petitions/{code}/moves", self.move, methods=["POST"], response_model=None)
        router.add_api_route("/petitions/{code}/replies", self.reply, methods=["POST"], response_model=None)
        return router

    async def found(self, request: Request) -> Response:
        """Petitions by code, or by words of text and address, in a box: the newest first."""
        caller, given = await self._insider(request), parameters.parsed(request.scope["query_string"])
        parameters.known(given, ("q", "bbox", "limit", "f", "lang"))
        form = representation(given.get("f"), request.headers.get("accept"), {"json": (JSON,), "html": (HTML,)})
        box = parameters.box(given.get("bbox"), None)
        edges = (box.west, box.south, box.east, box.north) if box else None
        limit = min(parameters.limit(given.get("limit", "20")), MOST)
        text = given.get("q", "")
        if len(text) > 200:
            raise BadQuery("q", f"is {len(text)} characters long; at most 200 are looked for")
        rows = await self._house.store.fetch(caller, desk.found(text, edges, limit))
        made = [orjson.loads(row[0] or b"null") for row in rows]
        base = self._house.base_url(request)
        if form == "html":
            return _page(petition_pages.found(base, text, made, self._rules))
        for one in made:
            one["links"] = [{"rel": "self", "type": JSON, "href": f"{base}/petitions/{quote(one['code'], safe='')}"}]
        return _said(request, {"petitions": made, "numberReturned": len(made)})

    async def one(self, request: Request) -> Response:
        """One petition: its record, its timeline, replies, what lies near it and may be the same matter."""
        caller, given = await self._insider(request), parameters.parsed(request.scope["query_string"])
        parameters.known(given, ("f", "lang"))
        form = representation(given.get("f"), request.headers.get("accept"), {"json": (JSON,), "html": (HTML,)})
        code = request.path_params["code"]
        made = await self._whole(caller, code)
        rows = await self._house.store.fetch(caller, desk.near(code))
        made["near"] = [orjson.loads(row[0] or b"null") for row in rows]
        made["mayBecome"] = self._rules.file.statuses.get(made["status"], ())
        base = self._house.base_url(request)
        if form == "html":
            return _page(petition_pages.one(base, made, self._rules))
        feature = f"{base}/collections/{LAYER}/items/{made['id']}"
        made["links"] = [{"rel": "related", "type": "application/geo+json", "href": feature}]
        return _said(request, made)

    async def law(self, request: Request) -> Response:
        """The lists and rules that hold: fields, units, statuses and what may follow, deadlines."""
        parameters.known(parameters.parsed(request.scope["query_string"]), ("f", "lang"))
        said = self._rules.file.model_dump(mode="json")
        titles = {code: {"vi": title.vi, "en": title.en} for code, title in self._rules.titles.items()}
        said["fields"] = {code: {"title": titles[code], **said["fields"].get(code, {})} for code in titles}
        return _said(request, said | {"calendarAnnouncedUntil": self._rules.days.settled})

    async def monitor(self, request: Request) -> Response:
        """The figures, each with the filter that finds the petitions behind it."""
        caller, given = await self._insider(request), parameters.parsed(request.scope["query_string"])
        query = monitor.monitor_query(given, (datetime.now(UTC) + _CITY_TIME).date())
        forms = {"json": (JSON,), "csv": (CSV,), "html": (HTML,)}
        form = representation(given.get("f"), request.headers.get("accept"), forms)
        figures = await self._figures(query, caller)
        base = self._house.base_url(request)
        rows = [self._row(query, key, made, base) for key, made in monitor.ranked(query, figures)]
        if form == "csv":
            return Response(spreadsheets.csv_of(map(_flat, rows)), media_type=f"{CSV}; charset=utf-8")
        whole: dict[str, object] = {
            "asOf": query.on.isoformat(),
            "by": given.get("by", ""),
            "exact": True,
            "groups": rows,
        }
        if form == "html":
            lang = language(given.get("lang"), request.headers.get("accept-language"))
            return _page(petition_pages.monitor(base, given, whole, self._rules, lang))
        return _said(request, whole)

    async def _figures(self, query: MonitorQuery, caller: Caller) -> dict[Key, Figures]:
        store = self._house.store
        made = monitor.told(query, await store.fetch(caller, monitor.figures(query)))
        open_ones = monitor.ages(query) if query.step is None else None
        if open_ones is not None:
            monitor.aged(query, made, await store.fetch(caller, open_ones))
        return made

    def _row(self, query: MonitorQuery, key: Key, made: Figures, base: str) -> dict[str, object]:
        items = f"{base}/collections/{LAYER}/items"
        found = {"filter-lang": "cql2-text", "limit": "100"}
        links = {
            name: with_parameters(items, {"filter": text, **found} if text else {"limit": "100"}, {})
            for name, text in monitor.behind(query, key).items()
        }
        named: dict[str, object] = {query.by: key[0]} if query.by else {}
        named |= {"period": key[1]} if query.step else {}
        return {**named, **made.json(), "links": links}

    async def move(self, request: Request) -> Response:
        """Changes status, handling unit or what it is a duplicate of; only along the transitions of the rules."""
        caller, code = await self._writer(request), request.path_params["code"]
        said = await _body(request, MoveBody)
        move = Move(code, said.status, said.unit, said.duplicateOf, said.note, caller.name)
        self._right(move)
        if not await self._written(caller, desk.moved(move, self._rules)):
            there = await self._whole(caller, code, ROLE)
            allowed = ", ".join(self._rules.file.statuses.get(there["status"], ())) or "nothing"
            raise BadFeature("status", f"{code} is {there['status']}; after that comes {allowed}")
        return Response(orjson.dumps(await self._whole(caller, code, ROLE)), media_type=JSON)

    async def reply(self, request: Request) -> Response:
        """Adds a reply, for the citizen (public) or for colleagues."""
        caller, code = await self._writer(request), request.path_params["code"]
        said = await _body(request, ReplyBody)
        if not await self._written(caller, desk.replied(code, said.text, public=said.public, who=caller.name)):
            raise _missing(code)
        return Response(orjson.dumps(await self._whole(caller, code, ROLE)), 201, media_type=JSON)

    def _right(self, move: Move) -> None:
        """Refuses words that are in no list."""
        if move.status is None and move.unit is None and move.parent is None:
            raise BadFeature("body", "needs a status, a unit or duplicateOf")
        if move.status is not None and move.status not in self._rules.ranks:
            raise BadFeature("status", f"needs one of {', '.join(self._rules.ranks)}, got {move.status[:40]!r}")
        if move.unit is not None and move.unit not in self._rules.file.units:
            raise BadFeature("unit", f"needs one of {', '.join(self._rules.file.units)}, got {move.unit[:40]!r}")
        if move.parent == move.code:
            raise BadFeature("duplicateOf", "a petition is no duplicate of itself")
        for name, text in (("note", move.note), ("duplicateOf", move.parent)):
            if "\x00" in (text or ""):
                raise BadFeature(name, "holds a NUL character")

    async def _insider(self, request: Request) -> Caller:
        caller = await self._house.caller(request)
        opened(self._house.catalogue.layers, LAYER, caller)
        return caller

    async def _writer(self, request: Request) -> Caller:
        return writer(await self._house.caller(request))

    async def _whole(self, caller: Caller, code: str, role: str | None = None) -> dict[str, Any]:
        if "\x00" in code:
            raise _missing(code)
        rows = await self._house.store.fetch(caller, desk.whole(code), role=role)
        if not len(rows):
            raise _missing(code)
        made: dict[str, Any] = orjson.loads(rows.value() or b"{}")
        return made

    async def _written(self, caller: Caller, statement: Statement) -> bool:
        return bool(await self._clerk.rows(caller, statement))


def writer(caller: Caller) -> Caller:
    """The caller, who may write petitions. Raises Unauthorized or Forbidden."""
    if not caller.name:
        raise Unauthorized("Authorization", f"writing {LAYER} needs a token: `citymap token add`")
    if LAYER not in caller.writes:
        raise Forbidden("Authorization", f"the token {caller.name} may not write {LAYER}")
    return caller


def _missing(code: str) -> NotFound:
    return NotFound("code", f"there is no petition {code[:60]!r}")


async def raw_body(request: Request) -> bytes:
    """The body of a request. Raises TooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("body", f"is over {MAX_BODY_BYTES // 2**20} MB")
    return bytes(body)


async def _body(request: Request, model: type[ModelT]) -> ModelT:
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media != JSON:
        raise UnsupportedMedia("Content-Type", f"needs {JSON}, got {media[:60] or 'nothing'}")
    try:
        read = model.model_validate_json(await raw_body(request))
    except ValidationError as error:
        faults = tuple(("/" + "/".join(map(str, e["loc"])), e["msg"]) for e in error.errors())
        raise BadFeature("body", faults[0][1], faults) from error
    if any("\x00" in value for value in read.model_dump().values() if isinstance(value, str)):
        raise BadFeature("body", "holds a NUL character")
    return read


def _said(request: Request, document: Mapping[str, object]) -> Response:
    content = b"" if request.method == "HEAD" else orjson.dumps(document)
    return Response(content, media_type=JSON, headers={"cache-control": "private, no-cache"})


def _page(html: str) -> Response:
    return Response(html, media_type=f"{HTML}; charset=utf-8", headers={**petition_pages.HEADERS})


def _flat(row: Mapping[str, object]) -> dict[str, object]:
    """A row of the table: the ageing beside the rest, without links."""
    ageing = row.get("ageing")
    ages = {f"open {bucket} days": count for bucket, count in ageing.items()} if isinstance(ageing, dict) else {}
    return {name: value for name, value in row.items() if name not in ("ageing", "links")} | ages
