"""Open311 GeoReport v2 at `/open311/v2/`: services for everybody, requests for those who may see petitions.

A client's `api_key` is a token of ours. Faults are told as the specification has them, in JSON or XML."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Request, Response

from mapserver import parameters
from mapserver.clerk import ROLE, Clerk
from mapserver.errors import BadQuery, CityMapError, NotFound, UnsupportedMedia
from mapserver.house import House
from mapserver.http.petitions import raw_body, writer
from mapserver.layer import Language
from mapserver.negotiation import language
from mapserver.query import Caller, opened
from mapserver.statements import Statement
from mapserver.systems.petitions import desk, open311
from mapserver.systems.petitions.desk import Report, Wanted
from mapserver.systems.petitions.rules import LAYER, Rules, rules
from mapserver.times import moment

HERE = "/open311/v2"
FORM = "application/x-www-form-urlencoded"
MOST, DEFAULT = 1000, 50
CHANNEL = "app"
"""How a petition came that came through this door."""
_ATTRIBUTE = re.compile(r"^attribute\[([a-z0-9_]{1,60})\]$")
Answer = Callable[[Request, "Asked"], Awaitable[bytes]]


class Asked:
    """What one request says: parameters of its address and form, language, and form of the answer."""

    def __init__(self, given: Mapping[str, str], form: open311.Form, lang: Language) -> None:
        self.given, self.form, self.lang = given, form, lang

    def moment(self, name: str) -> datetime | date | None:
        return moment(name, self.given[name]) if self.given.get(name) else None

    def several(self, name: str) -> tuple[str, ...]:
        return tuple(part for part in self.given.get(name, "").split(",") if part)


class Open311:
    """The door of one worker."""

    def __init__(self, house: House, clerk: Clerk) -> None:
        self._house, self._clerk = house, clerk
        self._rules: Rules = rules(house.catalogue)
        self._started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def routes(self) -> APIRouter:
        """The routes, each in JSON and XML."""
        router = APIRouter()
        reads: tuple[tuple[str, Answer], ...] = (
            (f"{HERE}/services", self.services),
            (f"{HERE}/services/{{code}}", self.definition),
            (f"{HERE}/requests", self.requests),
            (f"{HERE}/requests/{{code}}", self.request),
            (f"{HERE}/tokens/{{code}}", self.token),
            (f"{HERE}/servicerequestupdates", self.updates),
            ("/open311/discovery", self.discovery),
        )
        for path, answer in reads:
            where = f"{path}.{{form}}"
            router.add_api_route(where, self._said(answer), methods=["GET", "HEAD"], response_model=None)
        router.add_api_route(f"{HERE}/requests.{{form}}", self._said(self.post), methods=["POST"], response_model=None)
        return router

    def _said(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """Runs an answer; its faults are told in the words of the specification."""

        async def said(request: Request) -> Response:
            form = request.path_params["form"]
            if form not in open311.MEDIA:
                raise NotFound("format", f"there are .json and .xml, not .{form[:20]}")
            try:
                given = await _given(request)
                lang = language(given.pop("lang", None), request.headers.get("accept-language"))
                content, status = await answer(request, Asked(given, form, lang)), 200
            except CityMapError as error:
                told = [{"code": error.status, "description": str(error)}]
                content, status = open311.rendered("errors", "error", told, form), error.status
            headers = {"cache-control": "private, no-cache"}
            headers |= {"WWW-Authenticate": 'Bearer realm="citymap"'} if status == 401 else {}
            body = b"" if request.method == "HEAD" else content
            return Response(body, status, media_type=open311.MEDIA[form], headers=headers)

        return said

    async def services(self, _: Request, asked: Asked) -> bytes:
        """The list of services; open to everybody."""
        return open311.rendered("services", "service", open311.services(self._rules, asked.lang), asked.form)

    async def definition(self, request: Request, asked: Asked) -> bytes:
        """The attributes of one service."""
        code = request.path_params["code"]
        if code not in self._rules.titles:
            raise NotFound("service_code", f"there is no service {code[:60]!r}")
        return open311.rendered("service_definition", "", open311.definition(self._rules, code, asked.lang), asked.form)

    async def requests(self, request: Request, asked: Asked) -> bytes:
        """The newest requests, or those that are named."""
        caller = await self._reader(request, asked)
        status = asked.given.get("status")
        if status not in (None, "", "open", "closed"):
            raise BadQuery("status", f"needs open or closed, got {status[:40]!r}")
        size = parameters.whole("page_size", asked.given.get("page_size", str(DEFAULT)), 1, MOST)
        page = parameters.whole("page", asked.given.get("page", "1"), 1, 1_000_000)
        wanted = Wanted(
            codes=asked.several("service_request_id"),
            fields=asked.several("service_code"),
            open=None if not status else status == "open",
            since=asked.moment("start_date"),
            until=asked.moment("end_date"),
            limit=size,
            offset=(page - 1) * size,
        )
        return await self._requests(caller, desk.listed(wanted), asked)

    async def request(self, request: Request, asked: Asked) -> bytes:
        """One request."""
        caller, code = await self._reader(request, asked), request.path_params["code"]
        if "\x00" in code or not len(await self._house.store.fetch(caller, desk.whole(code))):
            raise NotFound("service_request_id", f"there is no request {code[:60]!r}")
        return await self._requests(caller, desk.listed(Wanted(codes=(code,))), asked)

    async def token(self, request: Request, asked: Asked) -> bytes:
        """The request of a token: it is numbered at once, so the token is its number."""
        caller, code = await self._reader(request, asked), request.path_params["code"]
        if "\x00" in code or not len(await self._house.store.fetch(caller, desk.whole(code))):
            raise NotFound("token", f"there is no request of the token {code[:60]!r}")
        told = [{"service_request_id": code, "token": code}]
        return open311.rendered("service_requests", "request", told, asked.form)

    async def updates(self, request: Request, asked: Asked) -> bytes:
        """Changes of status between two moments, with mySociety's extended statuses."""
        caller = await self._reader(request, asked)
        limit = parameters.whole("page_size", asked.given.get("page_size", str(MOST)), 1, MOST)
        rows = await self._house.store.fetch(
            caller, desk.updates(asked.moment("start_date"), asked.moment("end_date"), limit)
        )
        told = [open311.update(orjson.loads(row[0] or b"{}")) for row in rows]
        return open311.rendered("service_request_updates", "request_update", told, asked.form)

    async def discovery(self, request: Request, asked: Asked) -> bytes:
        """Where the services stand."""
        document = open311.discovery(self._house.base_url(request), self._started)
        return open311.rendered("discovery", "", document, asked.form)

    async def post(self, request: Request, asked: Asked) -> bytes:
        """A new request, by a client whose key may write petitions."""
        caller = writer(await self._caller(request, asked))
        report = self._report(asked.given, caller)
        rows = await self._clerk.rows(caller, desk.added(report, desk.new_code(report.received_at), self._rules))
        notice = f"Hạn trả lời {self._rules.due_on(report.received_at, report.field, self._rules.unit(report.field))}"
        told = [{"service_request_id": rows[0][0].decode(), "service_notice": notice, "account_id": ""}]
        return open311.rendered("service_requests", "request", told, asked.form)

    def _report(self, given: Mapping[str, str], caller: Caller) -> Report:
        code = given.get("service_code", "")
        if code not in self._rules.titles:
            raise BadQuery("service_code", f"needs one of {', '.join(self._rules.titles)}, got {code[:60]!r}")
        longitude, latitude = _degrees("long", given), _degrees("lat", given)
        sub_field = self._sub_field(code, given)
        media = given.get("media_url", "")
        if media and not media.startswith(("https://", "http://")):
            raise BadQuery("media_url", "needs an address such as https://example.vn/a.jpg")
        return Report(
            field=code, sub_field=sub_field, channel=CHANNEL, said=_text("description", given, 4000),
            address=_text("address_string", given, 500), asset=_text("address_id", given, 200),
            photos=(media,) if media else (), longitude=longitude, latitude=latitude,
            received_at=datetime.now(UTC), who=caller.name,
        )  # fmt: skip

    def _sub_field(self, code: str, given: Mapping[str, str]) -> str | None:
        known = self._rules.file.fields[code].sub_fields if code in self._rules.file.fields else {}
        for name, value in given.items():
            attribute = _ATTRIBUTE.match(name)
            if attribute is None:
                continue
            if attribute[1] != "sub_field" or value not in known:
                raise BadQuery(name[:60], f"needs sub_field, one of {', '.join(known) or 'none'}, got {value[:40]!r}")
            return value
        return None

    async def _requests(self, caller: Caller, statement: Statement, asked: Asked) -> bytes:
        rows = await self._house.store.fetch(caller, statement, role=None if caller.insider else ROLE)
        told = [open311.request(self._rules, orjson.loads(row[0] or b"{}"), asked.lang) for row in rows]
        return open311.rendered("service_requests", "request", told, asked.form)

    async def _reader(self, request: Request, asked: Asked) -> Caller:
        caller = await self._caller(request, asked)
        opened(self._house.catalogue.layers, LAYER, caller)
        return caller

    async def _caller(self, request: Request, asked: Asked) -> Caller:
        """Who asks: by the header, or by the specification's `api_key`."""
        key = asked.given.get("api_key")
        if not key or "authorization" in request.headers:
            return await self._house.caller(request)
        header = (b"authorization", f"Bearer {key}".encode("latin-1", "replace"))
        return await self._house.caller(Request({**request.scope, "headers": [*request.scope["headers"], header]}))


async def _given(request: Request) -> dict[str, str]:
    """The parameters of the address and, of a POST, of its form."""
    given = parameters.parsed(request.scope["query_string"])
    if request.method != "POST":
        return given
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media != FORM:
        raise UnsupportedMedia("Content-Type", f"needs {FORM}, got {media[:60] or 'nothing'}")
    try:
        pairs = parse_qsl(
            (await raw_body(request)).decode(), keep_blank_values=True, errors="strict", max_num_fields=100
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise BadQuery("body", "is not a form in percent-encoded UTF-8") from error
    return given | parameters.single(pairs)


def _degrees(name: str, given: Mapping[str, str]) -> float:
    most = 180 if name == "long" else 90
    try:
        number = float(given.get(name, ""))
    except ValueError:
        number = math.nan
    if not -most <= number <= most:
        raise BadQuery(name, f"needs degrees from -{most} to {most} (WGS 84), got {given.get(name, '')[:40]!r}")
    return number


def _text(name: str, given: Mapping[str, str], most: int) -> str | None:
    text = given.get(name, "").strip()
    if len(text) > most:
        raise BadQuery(name, f"is {len(text)} characters long; at most {most} are taken")
    return text or None
