"""`/dti`: frameworks, rounds from self-score to publication, ranks and radar, what-if, and what the platform measures.

A round that is not published is for insiders; writers need the right to write the layer `indicators`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from html import escape
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from mapserver import parameters
from mapserver.clerk import ROLE, Clerk
from mapserver.errors import BadFeature, BadQuery, NotFound, Stale
from mapserver.house import House
from mapserver.http.indicator_pages import page, table
from mapserver.http.indicators import HTML, JSON, body_of, form_of, html_page, number_of_path, said, seen, writer
from mapserver.query import Caller, opened
from mapserver.systems.indicators import dti, rounds
from mapserver.systems.indicators.dti import ComponentBody, Framework, Score, Standing
from mapserver.systems.indicators.rules import LAYER

Line = Annotated[str, Field(min_length=1, max_length=500)]


class RoundBody(BaseModel):
    """`POST /dti/rounds`. components: each of the framework's, with its main indicator and its points."""

    model_config = ConfigDict(extra="forbid")

    framework: str
    title: Line
    closesOn: date | None = None
    components: Annotated[list[ComponentBody], Field(max_length=1000)]


class StageBody(BaseModel):
    """`POST /dti/rounds/{id}/moves`."""

    model_config = ConfigDict(extra="forbid")

    stage: str


class ScoreBody(BaseModel):
    """One score. evidence: an address or a few words; a unit's own score needs it."""

    model_config = ConfigDict(extra="forbid")

    component: str
    score: Annotated[float, Field(ge=0, le=1000)]
    evidence: Annotated[str | None, Field(min_length=1, max_length=4000)] = None


class ScoresBody(BaseModel):
    """`POST /dti/rounds/{id}/scores`: of one unit; all of them are kept, or none."""

    model_config = ConfigDict(extra="forbid")

    unit: Line
    kind: str
    scores: Annotated[list[ScoreBody], Field(min_length=1, max_length=1000)]


class Dti:
    """The door of the DTI of one worker."""

    def __init__(self, house: House, clerk: Clerk) -> None:
        self._house, self._clerk = house, clerk
        self._frameworks = dti.frameworks(house.catalogue)

    def routes(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        for path, answer in (
            ("/dti/frameworks", self.listed), ("/dti/frameworks/{name}", self.framework), ("/dti/rounds", self.rounds),
            ("/dti/rounds/{id}", self.round), ("/dti/rounds/{id}/ranking", self.ranking),
            ("/dti/rounds/{id}/what-if", self.what_if),
        ):  # fmt: skip
            router.add_api_route(path, answer, methods=["GET", "HEAD"], response_model=None)
        for path, answer in (
            ("/dti/rounds", self.open), ("/dti/rounds/{id}/moves", self.move), ("/dti/rounds/{id}/scores", self.score),
            ("/dti/rounds/{id}/measure", self.measure),
        ):  # fmt: skip
            router.add_api_route(path, answer, methods=["POST"], response_model=None)
        return router

    async def listed(self, request: Request) -> Response:
        """The frameworks, each for its year and audience."""
        await self._asked(request, ("f", "lang"))
        return said(request, {"frameworks": [one.json() for one in self._frameworks.values()]})

    async def framework(self, request: Request) -> Response:
        """One framework."""
        await self._asked(request, ("f", "lang"))
        return said(request, self._framework(request.path_params["name"]).json())

    async def rounds(self, request: Request) -> Response:
        """The rounds that the caller may see, the newest first."""
        caller, given = await self._asked(request, ("f", "lang", "framework"))
        name = self._framework(given["framework"]).name if "framework" in given else None
        rows = await self._house.store.fetch(caller, rounds.listed(name))
        return said(request, {"rounds": [orjson.loads(row[0] or b"null") for row in rows]})

    async def round(self, request: Request) -> Response:
        """One round with every score ever given; its ETag is its version."""
        caller, _ = await self._asked(request, ("f", "lang"))
        made = await self._round(caller, request)
        given = await self._scores(caller, made["id"])
        history = [{"unit": s.unit, "component": s.component, "kind": s.kind, "score": float(s.score),
                    "evidence": s.evidence, "who": s.who} for s in given]  # fmt: skip
        return said(request, {**made, "scores": history}, etag=made["version"])

    async def ranking(self, request: Request) -> Response:
        """Totals, ranks and radar of the units of one round."""
        caller, given = await self._asked(request, ("f", "lang"))
        form = form_of(request, given, {"json": (JSON,), "html": (HTML,)})
        made = await self._round(caller, request)
        found = dti.standings(rounds.components_of(made), await self._scores(caller, made["id"]))
        framework = self._framework(made["framework"])
        if form == "html":
            return html_page(_ranking(self._house.base_url(request), made, framework, found))
        names = {str(at): {"vi": one.vi, "en": one.en} for at, one in enumerate(framework.file.main, 1)}
        return said(request, {"round": made["id"], "framework": framework.name, "stage": made["stage"],
                              "mainIndicators": names, "units": [_standing(one) for one in found]})  # fmt: skip

    async def what_if(self, request: Request) -> Response:
        """What raising one component of one unit would do to its rank, all others as they are."""
        caller, given = await self._asked(request, ("f", "lang", "unit", "component", "by"))
        for name in ("unit", "component", "by"):
            if name not in given:
                raise BadQuery(name, "is needed: the unit, the component and by how many points")
        made = await self._round(caller, request)
        of, scores = rounds.components_of(made), await self._scores(caller, made["id"])
        done = dti.what_if(of, scores, given["unit"], given["component"], _points(given["by"]))
        by, name = float(done.given), done.component
        ranks = done.rank_before, done.rank_after
        vi = f"Tăng {name} thêm {by:g} điểm nâng {done.unit} lên {done.lifted} bậc, từ {ranks[0]} đến {ranks[1]}"
        en = f"Raising {name} by {by:g} lifts {done.unit} {done.lifted} ranks, from {ranks[0]} to {ranks[1]}"
        return said(request, {"unit": done.unit, "component": name, "by": by, "total": float(done.total),
                              "rankBefore": done.rank_before, "rankAfter": done.rank_after,
                              "sentence": {"vi": vi, "en": en}})  # fmt: skip

    async def open(self, request: Request) -> Response:
        """Opens a round of one framework."""
        caller, body = writer(await self._house.caller(request)), await body_of(request, RoundBody)
        framework = self._framework(body.framework)
        of = dti.components(framework, body.components)
        statement = rounds.opened(framework.name, body.title, body.closesOn, of, caller.name)
        [(number, _)] = await self._clerk.rows(caller, statement)
        made = await self._of(caller, int(number), ROLE)
        place = f"{self._house.base_url(request)}/dti/rounds/{made['id']}"
        return said(request, made, status=201, etag=made["version"], location=place)

    async def move(self, request: Request) -> Response:
        """Takes the round to its next stage; If-Match names the version."""
        caller, number = writer(await self._house.caller(request)), number_of_path(request)
        body, version = await body_of(request, StageBody), seen(request)
        if body.stage not in dti.STAGES:
            raise BadFeature("/stage", f"needs one of {', '.join(dti.STAGES)}, got {body.stage[:40]!r}")
        if not await self._clerk.rows(caller, rounds.moved(number, body.stage, version)):
            there = await self._of(caller, number, ROLE)
            if there["version"] != version:
                raise Stale("If-Match", f"round {number} is version {there['version']} now; get it again")
            after = ", ".join(dti.FOLLOWS[there["stage"]]) or "nothing"
            raise BadFeature("/stage", f"round {number} is at {there['stage']}; after that comes {after}")
        made = await self._of(caller, number, ROLE)
        return said(request, made, etag=made["version"])

    async def score(self, request: Request) -> Response:
        """Scores of one unit: its own, the reviewer's, or what an objection led to."""
        caller, number = writer(await self._house.caller(request)), number_of_path(request)
        body = await body_of(request, ScoresBody)
        made = await self._of(caller, number, ROLE)
        if body.kind not in dti.KINDS or body.kind == "measured":
            raise BadFeature("/kind", f"needs one of self, review, objection, got {body.kind[:40]!r}")
        _fits(body, {one.code: one.max for one in rounds.components_of(made)})
        rows = [(one.component, Decimal(str(one.score)), one.evidence) for one in body.scores]
        if not await self._clerk.rows(caller, rounds.scored(number, body.unit, body.kind, rows, caller.name)):
            taken = ", ".join(dti.TAKES[made["stage"]]) or "no"
            raise BadFeature("/kind", f"round {number} is at {made['stage']}, where {taken} scores are taken")
        return said(request, {"round": number, "unit": body.unit, "kept": len(rows)}, status=201)

    async def measure(self, request: Request) -> Response:
        """Fills in the components that the platform measures itself, for every unit that owns a layer."""
        caller, number = writer(await self._house.caller(request)), number_of_path(request)
        made = await self._of(caller, number, ROLE)
        wanted = [one for one in rounds.components_of(made) if one.measure == "metadata_share"]
        statements, told = [], list[dict[str, object]]()
        for unit, (good, every) in sorted(dti.metadata_share(self._house.catalogue).items()):
            evidence = f"{good} of {every} layers have their metadata"
            rows = [(one.code, one.max * good / every, evidence) for one in wanted]
            statements.append(rounds.scored(number, unit, "measured", rows, caller.name))
            told.append({"unit": unit, "share": good / every, "evidence": evidence})
        if not wanted:
            known = ", ".join(dti.MEASURES)
            raise BadFeature("/components", f"none of round {number} names a measure; there are {known}")
        if not any(await self._clerk.all_rows(caller, statements)):
            raise BadFeature("/stage", f"round {number} is at {made['stage']}, where nothing is measured")
        return said(request, {"round": number, "components": [one.code for one in wanted], "units": told}, status=201)

    async def _scores(self, caller: Caller, number: int) -> list[Score]:
        rows = await self._house.store.fetch(caller, rounds.scores(number))
        return [rounds.score_of(row[0] or b"") for row in rows]

    async def _round(self, caller: Caller, request: Request) -> dict[str, Any]:
        return await self._of(caller, number_of_path(request))

    async def _of(self, caller: Caller, number: int, role: str | None = None) -> dict[str, Any]:
        rows = await self._house.store.fetch(caller, rounds.one(number), role=role)
        if not len(rows):
            raise NotFound("id", f"there is no round {number} that you may see")
        made: dict[str, Any] = orjson.loads(rows.value() or b"{}")
        return made

    async def _asked(self, request: Request, allowed: tuple[str, ...]) -> tuple[Caller, dict[str, str]]:
        caller, given = await self._house.caller(request), parameters.parsed(request.scope["query_string"])
        opened(self._house.catalogue.layers, LAYER, caller)
        parameters.known(given, allowed)
        return caller, given

    def _framework(self, name: str) -> Framework:
        if name not in self._frameworks:
            raise NotFound("framework", f"there is no framework {name[:60]!r}; there are {', '.join(self._frameworks)}")
        return self._frameworks[name]


def _fits(body: ScoresBody, most: dict[str, Decimal]) -> None:
    """Refuses components that are not the round's, points above theirs, and own scores without evidence."""
    for at, one in enumerate(body.scores):
        if one.component not in most:
            raise BadFeature(f"/scores/{at}/component", f"there is no component {one.component[:20]!r} in this round")
        if Decimal(str(one.score)) > most[one.component]:
            raise BadFeature(f"/scores/{at}/score", f"{one.component} has at most {most[one.component]} points")
        if body.kind == "self" and one.evidence is None:
            raise BadFeature(f"/scores/{at}/evidence", "a unit's own score needs its evidence")
    codes = [one.component for one in body.scores]
    if len({*codes}) < len(codes):
        raise BadFeature("/scores", "names a component twice")


def _points(text: str) -> Decimal:
    try:
        points = Decimal(text)
    except ArithmeticError:
        raise BadQuery("by", f"needs a number of points, got {text[:40]!r}") from None
    if not points.is_finite() or abs(points) > 1000:
        raise BadQuery("by", f"needs a number of points up to 1000, got {text[:40]!r}")
    return points


def _standing(one: Standing) -> dict[str, object]:
    by_main = {str(main): float(points) for main, points in one.by_main.items()}
    radar = {str(main): round(share, 4) for main, share in one.radar.items()}
    return {"unit": one.unit, "total": float(one.total), "rank": one.rank, "scored": one.scored, "byMain": by_main,
            "radar": radar}  # fmt: skip


def _ranking(base: str, made: dict[str, Any], framework: Framework, found: list[Standing]) -> str:
    mains = [(at, one.vi) for at, one in enumerate(framework.file.main, 1)]
    rows = [
        [str(one.rank), one.unit, f"{one.total:f}", *(f"{one.by_main.get(at, Decimal(0)):f}" for at, _ in mains)]
        for one in found
    ]
    words = f"<p>{escape(framework.file.audience.vi)}, {framework.file.year}. Không so sánh với bộ chỉ số khác.</p>"
    heads = ("Hạng", "Đơn vị", "Tổng", *(f"{at}. {name}" for at, name in mains))
    return page(base, f"Xếp hạng chuyển đổi số: {made['title']}", words + table(heads, rows))
