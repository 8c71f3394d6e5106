"""`/indicators`: the dictionary, figures in and out, series across the reform, states red first, alerts, classes,
and explanation requests.

Readers need the right to see the layer `indicators`, writers the right to write it; requests are for insiders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from mapserver import parameters, spreadsheets
from mapserver.areas import WEIGHTS, Area, Areas
from mapserver.clerk import ROLE, Clerk
from mapserver.errors import (
    BadFeature,
    BadQuery,
    Forbidden,
    NotFound,
    NoVersion,
    Stale,
    TooLarge,
    Unauthorized,
    UnsupportedMedia,
)
from mapserver.house import House
from mapserver.http import indicator_pages as pages
from mapserver.negotiation import representation
from mapserver.periods import Period, period
from mapserver.query import Caller, opened
from mapserver.systems.areas.book import Books
from mapserver.systems.indicators import explaining, exporting, importing, records
from mapserver.systems.indicators.board import Board
from mapserver.systems.indicators.classes import METHODS, classes
from mapserver.systems.indicators.dictionary import IndicatorBody, entry_of
from mapserver.systems.indicators.records import CITY, STATUSES, Indicator, Observation, Wanted
from mapserver.systems.indicators.rules import LAYER, rules
from mapserver.systems.indicators.series import Point, Series, ancestry, series
from mapserver.systems.indicators.sheet import YEARS, Wish
from mapserver.systems.indicators.signs import KINDS, Sign
from mapserver.systems.indicators.states import COLOURS, NAMES, State, red_first

JSON, HTML, CSV = "application/json", "text/html", "text/csv"
MAX_BODY_BYTES = 1 << 20
MOST = 5000
_TAG = re.compile(r'^\s*(?:W/)?"(\d{1,9})"\s*$')
ModelT = TypeVar("ModelT", bound=BaseModel)
Text = Annotated[str, Field(min_length=1, max_length=4000)]


class QuestionBody(BaseModel):
    """`POST /indicators/requests`: of an indicator, of a ward, or of both. view: the map as the leader sees it."""

    model_config = ConfigDict(extra="forbid")

    indicator: Annotated[str | None, Field(max_length=64)] = None
    area: Annotated[int | None, Field(ge=1, le=2**31)] = None
    period: Annotated[str | None, Field(max_length=20)] = None
    view: Annotated[str | None, Field(max_length=4000)] = None
    unit: Annotated[str, Field(min_length=1, max_length=200)]
    question: Text
    dueOn: date


class DeedBody(BaseModel):
    """`POST /indicators/requests/{id}/moves`."""

    model_config = ConfigDict(extra="forbid")

    status: str
    text: Text | None = None


class Indicators:
    """The door of the indicators of one worker."""

    def __init__(self, house: House, clerk: Clerk) -> None:
        self._house, self._clerk = house, clerk
        self._board = Board(house.store, Books(house.store), rules(house.catalogue))

    def routes(self) -> APIRouter:
        """The routes; fixed names stand before the codes."""
        router = APIRouter()
        for path, answer in (
            ("/indicators", self.listed),
            ("/indicators/states", self.states),
            ("/indicators/alerts", self.alerts),
            ("/indicators/export", self.exported),
            ("/indicators/requests", self.requests),
            ("/indicators/requests/{id}", self.request),
            ("/indicators/{code}", self.entry),
            ("/indicators/{code}/series", self.series),
            ("/indicators/{code}/observations", self.observations),
            ("/indicators/{code}/classes", self.classes),
        ):
            router.add_api_route(path, answer, methods=["GET", "HEAD"], response_model=None)
        for path, answer in (
            ("/indicators/import", self.imported),
            ("/indicators/requests", self.ask),
            ("/indicators/requests/{id}/moves", self.move),
        ):
            router.add_api_route(path, answer, methods=["POST"], response_model=None)
        router.add_api_route("/indicators/{code}", self.put, methods=["PUT"], response_model=None)
        return router

    # the dictionary

    async def listed(self, request: Request) -> Response:
        """The dictionary, and the groups that it is in."""
        caller, given = await self._asked(request, ("f", "lang"))
        form = form_of(request, given, {"json": (JSON,), "csv": (CSV,), "html": (HTML,)})
        known = [*(await self._board.dictionary(caller)).values()]
        groups = {code: {"vi": title.vi, "en": title.en} for code, title in self._board.rules.groups.items()}
        if form == "csv":
            return _file(spreadsheets.csv_of(one.json() for one in known), f"{CSV}; charset=utf-8")
        if form == "html":
            return html_page(pages.dictionary(self._base(request), known, self._board.rules.groups))
        return said(request, {"indicators": [one.json() for one in known], "groups": groups})

    async def entry(self, request: Request) -> Response:
        """One entry; its ETag is its version."""
        caller, _ = await self._asked(request, ("f", "lang"))
        one = await self._board.entry(caller, request.path_params["code"])
        return said(request, one.json(), etag=one.version)

    async def put(self, request: Request) -> Response:
        """Adds an entry (If-None-Match: *), or changes the version that If-Match names."""
        caller = writer(await self._house.caller(request))
        body = await body_of(request, IndicatorBody)
        if body.code != request.path_params["code"]:
            raise BadFeature("/code", f"is {body.code!r}, but the address says {request.path_params['code'][:60]!r}")
        one = entry_of(body, self._board.rules.groups)
        if request.headers.get("if-none-match", "").strip() == "*":
            if not await self._clerk.rows(caller, records.created(one, caller.name)):
                raise Stale("If-None-Match", f"there is an indicator {one.code} already")
            return said(request, one.json(), status=201, etag=1)
        there = await self._board.entry(caller, one.code, role=ROLE)
        version = seen(request)
        change = records.entered((one,), caller.name, version=version)
        if version != there.version or (not _same(one, there) and not await self._clerk.rows(caller, change)):
            raise Stale("If-Match", f"{one.code} was changed by somebody else; get it again")
        kept = await self._board.entry(caller, one.code, role=ROLE)
        return said(request, kept.json(), etag=kept.version)

    # figures

    async def imported(self, request: Request) -> Response:
        """Takes in a sheet: CSV, XLSX or SDMX-CSV as the body; with one wrong cell nothing."""
        caller = writer(await self._house.caller(request))
        given = parameters.parsed(request.scope["query_string"])
        parameters.known(given, ("indicator", "status", "asOf", "year", "plan", "dryRun", "name", "lang"))
        _without_nul(given)
        wish, dry_run = _wish(given), _flag(given, "dryRun")
        content = await _raw(request, importing.MAX_BYTES)
        known, areas = await self._board.dictionary(caller), await self._board.areas()
        read = await run_in_threadpool(importing.parsed, content, known, areas, wish)
        if read.wrong and not dry_run:
            faults = tuple((f"/{cell.place}", f"{cell.column}: {cell.reason}") for cell in read.wrong[:500])
            raise BadFeature("table", f"{len(read.wrong)} cells are not right; nothing was changed", faults)
        if dry_run:
            return said(request, importing.Report(read, 0, dry_run=True).json())
        source = importing.source_of(given.get("name", "body")[:200], content, caller.name)
        statements = importing.statements(read, source)
        done = await self._clerk.all_rows(caller, statements) if statements else []
        numbers, added = [int(rows[0][0]) for rows in done], sum(int(rows[0][1]) for rows in done)
        report = importing.Report(read, added, dry_run=False, number=max(numbers, default=None))
        return said(request, report.json(), status=201)

    async def exported(self, request: Request) -> Response:
        """Figures as CSV, as the wide XLSX sheet of one indicator, or as SDMX-CSV 2.0."""
        caller, given = await self._asked(request, ("f", "lang", "indicator", "from", "to", "allVersions"))
        form = form_of(request, given, exporting.FORMS)
        days = _day(given, "from"), _day(given, "to")
        wanted = Wanted(given.get("indicator"), None, *days, all_versions=_flag(given, "allVersions"))
        rows = await self._board.observations(caller, wanted)
        known, areas = await self._board.dictionary(caller), await self._board.areas()
        content = await run_in_threadpool(exporting.exported, form, rows, known, areas)
        return _file(content, exporting.FORMS[form][0])

    async def observations(self, request: Request) -> Response:
        """Every version of every figure of one indicator and unit."""
        caller, given = await self._asked(request, ("f", "lang", "area", "period"))
        one, areas = await self._board.entry(caller, request.path_params["code"]), await self._board.areas()
        unit = _unit(areas, given)
        wanted = Wanted(one.code, None if unit == () else (unit[0].uid if unit else None,), all_versions=True)
        when = _period(given)
        rows = [o for o in await self._board.observations(caller, wanted) if when is None or o.period == when]
        return said(request, {"indicator": one.code, "observations": [_observed(o, areas) for o in rows[:MOST]],
                               "numberMatched": len(rows)})  # fmt: skip

    async def series(self, request: Request) -> Response:
        """A unit's series on the boundaries of a day, with breaks and bands; all units where none is named."""
        allowed = ("f", "lang", "area", "boundaries", "weight", "from", "to")
        caller, given = await self._asked(request, allowed)
        form = form_of(request, given, {"json": (JSON,), "csv": (CSV,), "html": (HTML,)})
        one, areas = await self._board.entry(caller, request.path_params["code"]), await self._board.areas()
        day, unit = _day(given, "boundaries") or date.today(), _unit(areas, given)
        weight = _one_of(given, "weight", WEIGHTS) or WEIGHTS[0]
        among = None if unit == () else tuple(ancestry(areas, unit[0].uid)) if unit else (None,)
        rows = await self._board.observations(caller, Wanted(one.code, among, _day(given, "from"), _day(given, "to")))
        made = await run_in_threadpool(series, one, rows, areas, day, weight)
        points = [point for point in made.points if unit == () or point.area == (unit[0] if unit else None)]
        if form == "csv":
            return _file(spreadsheets.csv_of(_point(p) for p in points), f"{CSV}; charset=utf-8")
        if form == "html":
            return html_page(pages.series(self._base(request), made, points))
        return said(request, _series(made, points, await self._board.version(caller)))

    # judgement

    async def states(self, request: Request) -> Response:
        """Red, orange, green, grey: red first."""
        caller, given = await self._asked(request, ("f", "lang", "indicator", "period", "colour", "limit"))
        form = form_of(request, given, {"json": (JSON,), "html": (HTML,)})
        wanted = _one_of(given, "colour", COLOURS)
        when, judged = await self._judged(caller, given)
        states = red_first(state for one in judged.values() for state in one.states)
        counts = {colour: sum(state.colour == colour for state in states) for colour in COLOURS}
        shown = [state for state in states if wanted in (None, state.colour)][: _limit(given)]
        areas, known = await self._board.areas(), await self._board.dictionary(caller)
        if form == "html":
            signs = [sign for one in judged.values() for sign in one.signs][:300]
            rows = [(state, known[state.indicator], _area(areas, state.area)) for state in shown[:300]]
            return html_page(pages.board(self._base(request), when, counts, rows, signs))
        names = {colour: {"vi": name.vi, "en": name.en} for colour, name in NAMES.items()}
        return said(request, {"period": when.text if when else None, "counts": counts, "colours": names,
                               "dataVersion": await self._board.version(caller),
                               "states": [_state(state, areas) for state in shown]})  # fmt: skip

    async def alerts(self, request: Request) -> Response:
        """Abnormal signs, each with its sentence and figures."""
        caller, given = await self._asked(request, ("f", "lang", "indicator", "period", "kind", "limit"))
        wanted = _one_of(given, "kind", KINDS)
        when, judged = await self._judged(caller, given)
        signs = [sign for one in judged.values() for sign in one.signs if wanted in (None, sign.kind)]
        counts = {kind: sum(sign.kind == kind for sign in signs) for kind in KINDS}
        return said(request, {"period": when.text if when else None, "counts": counts,
                               "dataVersion": await self._board.version(caller),
                               "alerts": [_sign(sign) for sign in signs[: _limit(given)]]})  # fmt: skip

    async def _judged(self, caller: Caller, given: Mapping[str, str]) -> tuple[Period | None, dict[str, Any]]:
        """The period that is meant, and every wanted indicator judged in it."""
        code = given.get("indicator")
        known = await self._board.dictionary(caller)
        if code is not None and code not in known:
            raise NotFound("indicator", f"there is no indicator {code[:60]!r}")
        when = _period(given) or await self._board.latest(caller, code)
        wanted = [one for one in known.values() if code in (None, one.code)]
        return when, {one.code: await self._board.judged(caller, one, when) for one in wanted if when is not None}

    async def classes(self, request: Request) -> Response:
        """Classes of a period's values for a choropleth, with their colours and legend."""
        caller, given = await self._asked(request, ("f", "lang", "datetime", "method", "k"))
        one, areas = await self._board.entry(caller, request.path_params["code"]), await self._board.areas()
        method = _one_of(given, "method", METHODS) or METHODS[0]
        asked = _period({"period": given["datetime"]}) if "datetime" in given else None
        when = asked or await self._board.latest(caller, one.code)
        rows = await self._board.observations(caller, Wanted(one.code, None, when.first, when.last)) if when else []
        there = [o for o in rows if o.area is not None and when is not None and o.period.first == when.first]
        values = [float(o.value) for o in there]
        made = await run_in_threadpool(classes, values, method, _number(given, "k", 5))
        legend = [{"above": c.above, "upTo": c.up_to, "count": c.count, "colour": c.colour,
                   "title": f"{c.above:,.6g} – {c.up_to:,.6g} {one.unit}"} for c in made]  # fmt: skip
        items = f"{self._base(request)}/collections/{LAYER}/items?indicator={one.code}&limit=1000"
        return said(request, {
            "indicator": one.code, "period": there[0].period.text if there else None, "method": method,
            "boundaries": areas.boundaries(when.last) if when else None, "values": len(values), "classes": legend,
            "links": [{"rel": "items", "type": "application/geo+json",
                       "href": f"{items}&datetime={when.first.isoformat()}" if when else items}],
        })  # fmt: skip

    # explanations

    async def requests(self, request: Request) -> Response:
        """Explanation requests, what is due first."""
        caller, given = await self._insider(request, ("f", "lang", "status", "unit"))
        form = form_of(request, given, {"json": (JSON,), "html": (HTML,)})
        status = _one_of(given, "status", explaining.STATUSES)
        unit = given.get("unit")
        if "\x00" in (unit or ""):
            raise BadQuery("unit", "holds a NUL character")
        rows = await self._house.store.fetch(caller, explaining.listed(status, unit))
        made = [orjson.loads(row[0] or b"null") for row in rows]
        if form == "html":
            return html_page(pages.requests(self._base(request), made))
        return said(request, {"requests": made})

    async def request(self, request: Request) -> Response:
        """One request with its history; its ETag is its version."""
        caller, _ = await self._insider(request, ("f", "lang"))
        made = await self._request(caller, number_of_path(request))
        return said(request, made, etag=made["version"])

    async def ask(self, request: Request) -> Response:
        """Asks for an explanation; the request keeps the map view and the version of the data."""
        caller = writer(await self._house.caller(request))
        body = await body_of(request, QuestionBody)
        areas = await self._board.areas()
        if body.indicator is None and body.area is None:
            raise BadFeature("body", "needs an indicator, an area (uid), or both")
        if body.indicator is not None:
            await self._board.entry(caller, body.indicator, role=ROLE)
        if body.area is not None and body.area not in areas.units:
            raise BadFeature("/area", f"there is no area with the uid {body.area}")
        if body.period is not None and period(body.period) is None:
            raise BadFeature("/period", f"is no period such as 2026-05, got {body.period!r}")
        asked = explaining.Question(body.indicator, body.area, body.period, body.view, body.unit, body.question,
                                    body.dueOn, caller.name)  # fmt: skip
        [(number, _)] = await self._clerk.rows(caller, explaining.asked(asked))
        made = await self._request(caller, int(number), ROLE)
        place = f"{self._base(request)}/indicators/requests/{made['id']}"
        return said(request, made, status=201, etag=made["version"], location=place)

    async def move(self, request: Request) -> Response:
        """Answers, sends back or accepts the version that If-Match names."""
        caller, number = writer(await self._house.caller(request)), number_of_path(request)
        body, version = await body_of(request, DeedBody), seen(request)
        if body.status not in explaining.FOLLOWS:
            raise BadFeature("/status", f"needs one of {', '.join(explaining.FOLLOWS)}, got {body.status[:40]!r}")
        if body.status != "accepted" and body.text is None:
            raise BadFeature("/text", "an answer, and what is sent back, needs a text")
        deed = explaining.Deed(number, body.status, body.text, caller.name, version)
        if not await self._clerk.rows(caller, explaining.done(deed)):
            there = await self._request(caller, number, ROLE)
            if there["version"] != version:
                raise Stale("If-Match", f"request {number} is version {there['version']} now; get it again")
            raise BadFeature("/status", f"request {number} is {there['status']}; it cannot become {body.status}")
        made = await self._request(caller, number, ROLE)
        return said(request, made, etag=made["version"])

    async def _request(self, caller: Caller, number: int, role: str | None = None) -> dict[str, Any]:
        rows = await self._house.store.fetch(caller, explaining.one(number), role=role)
        if not len(rows):
            raise NotFound("id", f"there is no request {number}")
        made: dict[str, Any] = orjson.loads(rows.value() or b"{}")
        return made

    async def _asked(self, request: Request, allowed: tuple[str, ...]) -> tuple[Caller, dict[str, str]]:
        """Who asks, and what; those who may see the layer."""
        caller, given = await self._house.caller(request), parameters.parsed(request.scope["query_string"])
        opened(self._house.catalogue.layers, LAYER, caller)
        parameters.known(given, allowed)
        _without_nul(given)
        return caller, given

    async def _insider(self, request: Request, allowed: tuple[str, ...]) -> tuple[Caller, dict[str, str]]:
        caller, given = await self._asked(request, allowed)
        return insider(caller), given

    def _base(self, request: Request) -> str:
        return self._house.base_url(request)


def _without_nul(given: Mapping[str, str]) -> None:
    for name, text in given.items():
        if "\x00" in text:
            raise BadQuery(name, "holds a NUL character")


def insider(caller: Caller) -> Caller:
    """The caller, who is of the house. Raises Unauthorized or Forbidden."""
    if not caller.name:
        raise Unauthorized("Authorization", "explanations are internal; send a token that may read them")
    if not caller.insider:
        raise Forbidden("Authorization", f"the token {caller.name} reads nothing internal")
    return caller


def writer(caller: Caller) -> Caller:
    """The caller, who may write indicators. Raises Unauthorized or Forbidden."""
    if not caller.name:
        raise Unauthorized("Authorization", f"writing {LAYER} needs a token: `citymap token add`")
    if LAYER not in caller.writes:
        raise Forbidden("Authorization", f"the token {caller.name} may not write {LAYER}")
    return caller


def _same(one: Indicator, there: Indicator) -> bool:
    return {**one.json(), "version": 0} == {**there.json(), "version": 0}


def seen(request: Request) -> int:
    """The version that If-Match names. Raises NoVersion, or Stale for what is no version of ours."""
    header = request.headers.get("if-match")
    if header is None:
        raise NoVersion("If-Match", "a change names the version that it changes: the ETag")
    tag = _TAG.match(header)
    if tag is None:
        raise Stale("If-Match", f"{header[:60]!r} is no version of it; get it again")
    return int(tag[1])


def _wish(given: Mapping[str, str]) -> Wish:
    status = _one_of(given, "status", STATUSES) or STATUSES[0]
    year = _number(given, "year", 0) or None
    if year is not None and year not in YEARS:
        raise BadQuery("year", f"needs a year such as 2026, got {year}")
    return Wish(given.get("indicator"), status, _day(given, "asOf"), year, _flag(given, "plan"))


def _one_of(given: Mapping[str, str], name: str, values: tuple[Any, ...]) -> Any:
    text = given.get(name)
    if text is not None and text not in values:
        raise BadQuery(name, f"needs one of {', '.join(values)}, got {text[:40]!r}")
    return text


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise BadQuery(name, f"needs a whole number, got {text[:40]!r}")
    return int(text)


def _limit(given: Mapping[str, str]) -> int:
    return min(parameters.limit(given.get("limit", "500")), MOST)


def _flag(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in ("true", "false"):
        raise BadQuery(name, f"needs true or false, got {text[:40]!r}")
    return text == "true"


def _day(given: Mapping[str, str], name: str) -> date | None:
    text = given.get(name)
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise BadQuery(name, f"needs a day such as 2025-07-01, got {str(text)[:40]!r}") from None


def _period(given: Mapping[str, str]) -> Period | None:
    """A month, quarter or year; a first day of a month stands for the month."""
    text = given.get("period")
    when = period(text) if text is not None else None
    if text is not None and (when is None or when.first.year not in YEARS):
        raise BadQuery("period", f"needs a period such as 2026-05, 2026-Q2 or 2026, got {text[:40]!r}")
    if when is not None and when.first == when.last:
        return period(f"{when.first:%Y-%m}")
    return when


def _unit(areas: Areas, given: Mapping[str, str]) -> tuple[Area, ...] | None:
    """The unit of `area` as (unit,): a uid `#123`, or a code of today; None for the city; () where none is named."""
    text = given.get("area")
    if text is None:
        return ()
    if text == CITY:
        return None
    number = text.removeprefix("#")
    unit = areas.units.get(int(number)) if text.startswith("#") and re.fullmatch(r"[0-9]{1,9}", number) else None
    unit = unit or areas.of_code(text, date.today())
    if unit is None:
        raise NotFound("area", f"there is no unit {text[:40]!r} today; a unit of another day is named by #uid")
    return (unit,)


def _area(areas: Areas, uid: int | None) -> Area | None:
    return areas.units[uid] if uid is not None else None


def _named(unit: Area | None) -> dict[str, object]:
    if unit is None:
        return {"area": None, "areaCode": CITY, "areaName": "Toàn thành phố"}
    return {"area": unit.uid, "areaCode": unit.code, "areaName": unit.full_name}


def _observed(one: Observation, areas: Areas) -> dict[str, object]:
    return {
        **_named(_area(areas, one.area)), "period": one.period.text, "status": one.status, "value": float(one.value),
        "numerator": _float(one.numerator), "denominator": _float(one.denominator), "holds": one.current,
        "sentAt": one.at, "boundaries": areas.boundaries(one.period.last),
    }  # fmt: skip


def _point(point: Point) -> dict[str, object]:
    return {
        **_named(point.area), "period": point.period.text, "value": _float(point.value), "low": _float(point.low),
        "high": _float(point.high), "status": point.status, "sourceBoundaries": point.source, "break": point.breaks,
        "estimated": round(point.estimated, 4), "weights": ",".join(point.weights),
    }  # fmt: skip


def _series(made: Series, points: list[Point], version: int) -> dict[str, object]:
    return {"indicator": made.indicator.json(), "boundaries": made.boundaries, "dataVersion": version,
            "points": [_point(point) for point in points], "notes": list(made.notes)}  # fmt: skip


def _state(state: State, areas: Areas) -> dict[str, object]:
    return {
        **_named(_area(areas, state.area)), "indicator": state.indicator, "period": state.period.text,
        "colour": state.colour, "value": _float(state.value), "expected": state.expected, "plan": state.plan,
        "attained": state.attained, "why": {"vi": state.why.vi, "en": state.why.en},
    }  # fmt: skip


def _sign(sign: Sign) -> dict[str, object]:
    said = {"vi": sign.sentence.vi, "en": sign.sentence.en}
    return {**_named(sign.area), "kind": sign.kind, "indicator": sign.indicator, "period": sign.period.text,
            "sentence": said, "figures": dict(sign.figures)}  # fmt: skip


def _float(figure: Any) -> float | None:
    return None if figure is None else float(figure)


def number_of_path(request: Request) -> int:
    """The number in an address. Raises NotFound."""
    text = request.path_params["id"]
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise NotFound("id", f"there is nothing with the number {text[:40]!r}")
    return int(text)


def form_of(request: Request, given: Mapping[str, str], offered: Mapping[str, tuple[str, ...]]) -> str:
    """The representation that a request wants."""
    return representation(given.get("f"), request.headers.get("accept"), offered)


async def _raw(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge("body", f"is over {most // 2**20} MB")
    return bytes(body)


async def body_of(request: Request, model: type[ModelT]) -> ModelT:
    """A JSON body, checked. Raises UnsupportedMedia, TooLarge or BadFeature with its pointers."""
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media != JSON:
        raise UnsupportedMedia("Content-Type", f"needs {JSON}, got {media[:60] or 'nothing'}")
    try:
        read = model.model_validate_json(await _raw(request, MAX_BODY_BYTES))
    except ValidationError as error:
        faults = tuple(("/" + "/".join(map(str, e["loc"])), e["msg"]) for e in error.errors())
        raise BadFeature("body", faults[0][1], faults) from error
    if b"\\u0000" in orjson.dumps(read.model_dump(mode="json")):
        raise BadFeature("body", "holds a NUL character")
    return read


def said(
    request: Request, document: Mapping[str, object], *, status: int = 200, etag: int | None = None, location: str = ""
) -> Response:
    """A JSON document; etag: its version."""
    headers = {"cache-control": "private, no-cache"}
    headers |= {"ETag": f'"{etag}"'} if etag is not None else {}
    headers |= {"Location": location} if location else {}
    content = b"" if request.method == "HEAD" else orjson.dumps(document)
    return Response(content, status, media_type=JSON, headers=headers)


def _file(content: bytes, media: str) -> Response:
    return Response(content, media_type=media, headers={"cache-control": "private, no-cache"})


def html_page(html: str) -> Response:
    """A page for people."""
    return Response(html, media_type=f"{HTML}; charset=utf-8", headers={**pages.HEADERS})
