"""Counts and sums by ward as a collection with geometry, as CSV and as vector tiles, on the boundaries of any day.

On the boundaries that the layer's wards are of the figures are exact; on others they are re-aggregated, and say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import orjson
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mapserver import aggregates, parameters, spreadsheets
from mapserver.aggregates import AggregateQuery, aggregate_query
from mapserver.areas import WEIGHTS, Area, Areas
from mapserver.errors import BadQuery, NotFound
from mapserver.house import House
from mapserver.negotiation import representation
from mapserver.ogc.answers import body, response
from mapserver.ogc.documents import Document
from mapserver.ogc.joined import number
from mapserver.ogc.links import GEOJSON, JSON, MVT
from mapserver.query import ANYONE, Caller, opened, tile_query
from mapserver.reaggregation import Estimate, Reaggregator
from mapserver.statements import Statement
from mapserver.systems.areas.book import Books
from mapserver.systems.areas.outlines import MADE_UP

FORMS = {"geojson": (GEOJSON,), "json": (JSON,), "csv": ("text/csv",)}
MATRIX_SET = "WebMercatorQuad"
MAX_ZOOM = 14
Key = tuple[str | None, str | None]
"""Code and period of a figure."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Figures by unit and key. in_no_ward: what lies in none of them; made_up: some outlines are nobody's border."""

    query: AggregateQuery
    areas: Areas
    boundaries: str
    by_place: bool
    made_up: bool
    units: tuple[Area, ...]
    figures: Mapping[int, Mapping[Key, Estimate | Decimal]]
    in_no_ward: Decimal

    @property
    def exact(self) -> bool:
        """Whether no figure is an estimate: counted by place, in outlines that are somebody's."""
        return self.by_place and not self.made_up

    def total(self, uid: int) -> Decimal:
        """The sum of a unit's figures."""
        return sum((_value(figure) for figure in self.figures.get(uid, {}).values()), Decimal(0))


class AggregateDoor:
    """One worker's aggregates."""

    def __init__(self, house: House, books: Books) -> None:
        self._house, self._books = house, books
        self._ground: tuple[int, dict[int, tuple[float | None, int | None]]] | None = None

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        here = "/collections/{collectionId}/aggregate"
        tile = f"{here}/tiles/{{tileMatrixSetId}}/{{z}}/{{y}}/{{x}}"
        for where, answer in ((here, self.aggregate), (tile, self.tile)):
            router.add_api_route(where, answer, methods=["GET", "HEAD"], response_model=None)
        return router

    async def aggregate(self, request: Request) -> Response:
        """The collection: a feature for each unit, with its figures."""
        given = parameters.parsed(request.scope["query_string"])
        query, caller = await self._asked(request, given)
        form = representation(given.get("f"), request.headers.get("accept"), FORMS)
        made = await self._counted(query, caller, given)
        ground = await self._ground_of(made.areas)
        rates = {unit.uid: _rate(query, made.total(unit.uid), ground.get(unit.uid)) for unit in made.units}
        if form == "csv":
            return response(request, body(spreadsheets.csv_of(_rows(made, rates)), "text/csv; charset=utf-8"))
        bare = form == "json" or parameters_true("skipGeometry", given)
        outlines = {} if bare else await self._books.outlines(unit.uid for unit in made.units)
        content = await run_in_threadpool(_collection, made, rates, outlines)
        return response(request, body(content, GEOJSON if form == "geojson" else JSON))

    async def tile(self, request: Request) -> Response:
        """One vector tile of the units, each with its value, for a choropleth."""
        given = parameters.parsed(request.scope["query_string"])
        query, caller = await self._asked(request, given)
        place = tile_query(query.layer, *(request.path_params[name] for name in ("z", "y", "x")))
        if place is None or place.z > MAX_ZOOM or request.path_params["tileMatrixSetId"] != MATRIX_SET:
            raise NotFound("tile", f"there is no such tile in {MATRIX_SET} down to zoom {MAX_ZOOM}")
        made = await self._counted(query, caller, given)
        ground = await self._ground_of(made.areas) if query.per else {}
        values: dict[int, float | None] = {}
        for unit in made.units:
            total = made.total(unit.uid)
            values[unit.uid] = _rate(query, total, ground.get(unit.uid)) if query.per else float(total)
        rows = await self._house.store.fetch(ANYONE, aggregates.tile((place.z, place.x, place.y), values))
        content = rows.value() or b""
        return response(request, body(content, MVT)) if content else Response(status_code=204)

    async def _asked(self, request: Request, given: Mapping[str, str]) -> tuple[AggregateQuery, Caller]:
        caller = await self._house.caller(request)
        layer = opened(self._house.catalogue.layers, request.path_params["collectionId"], caller)
        return aggregate_query(layer, caller, given), caller

    async def _counted(self, query: AggregateQuery, caller: Caller, given: Mapping[str, str]) -> Counted:
        """The figures: by place where the layer is counted so, else re-aggregated; `weight` asks for the latter."""
        areas, today = await self._books.areas(), date.today()
        past = None if "weight" in given else _last_day(areas, query.on or today, today)
        if past is not None and not len(await self._house.store.fetch(ANYONE, aggregates.by_place(query, past))):
            past = None
        rows = await self._house.store.fetch(caller, aggregates.aggregate(query, past))
        kept: dict[Key, dict[str | None, Decimal]] = {}
        for unit, code, when, amount in rows:
            key = (_text(code), _text(when))
            kept.setdefault(key, {})[_text(unit)] = Decimal((amount or b"0").decode())
        onto = (query.on or today, past or today)
        return await run_in_threadpool(_on_boundaries, query, areas, kept, onto, _options(given))

    async def _ground_of(self, areas: Areas) -> dict[int, tuple[float | None, int | None]]:
        """Square kilometres and people of every unit, kept as long as the areas stay what they are."""
        if self._ground is None or self._ground[0] != areas.version:
            rows = await self._house.store.fetch(ANYONE, Statement(aggregates.GROUND))
            found = {
                int(uid or 0): (float(km2) if km2 else None, int(people) if people else None)
                for uid, km2, people in rows
            }
            self._ground = (areas.version, found)
        return self._ground[1]


def _last_day(areas: Areas, on: date, today: date) -> date | None:
    """The last day of the boundaries of a day, when these are not today's."""
    if not areas.reforms_between(on, today):
        return None
    later = min((day for day in areas.reforms if day > on), default=None)
    return date.fromordinal(later.toordinal() - 1) if later else None


def _on_boundaries(
    query: AggregateQuery, areas: Areas, kept: Mapping[Key, Mapping[str | None, Decimal]], days: tuple[date, date],
    options: tuple[str, bool],
) -> Counted:  # fmt: skip
    """Figures that were kept by the units of one day, on the boundaries of another. days: (wanted, kept)."""
    on, counted_on = days
    now = {unit.code: unit.uid for unit in areas.on(counted_on)}
    onto = Reaggregator(areas, on, *options) if areas.reforms_between(on, counted_on) else None
    figures: dict[int, dict[Key, Estimate | Decimal]] = {}
    outside = Decimal(0)
    for key, wards in kept.items():
        inside = {now[ward]: amount for ward, amount in wards.items() if ward in now}
        outside += sum((amount for ward, amount in wards.items() if ward not in now), Decimal(0))
        if onto is None:
            for uid, amount in inside.items():
                figures.setdefault(uid, {})[key] = amount
        else:
            for figure in onto.counts(inside).figures:
                figures.setdefault(figure.area.uid, {})[key] = figure
    units = tuple(unit for unit in areas.on(on) if unit.level == "commune" or unit.uid in figures)
    made_up = any(unit.geometry_source == MADE_UP for unit in units)
    return Counted(query, areas, areas.boundaries(on), onto is None, made_up, units, figures, outside)


def _options(given: Mapping[str, str]) -> tuple[str, bool]:
    """Weight and wholeness of a re-aggregation."""
    weight = given.get("weight", WEIGHTS[0])
    if weight not in WEIGHTS:
        raise BadQuery("weight", f"needs one of {', '.join(WEIGHTS)}, got {weight[:40]!r}")
    return weight, parameters_true("whole", given)


def parameters_true(name: str, given: Mapping[str, str]) -> bool:
    """A parameter that is true or false; false when it is not given."""
    said = given.get(name, "false")
    if said not in ("true", "false"):
        raise BadQuery(name, f"needs true or false, got {said[:40]!r}")
    return said == "true"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _value(figure: Estimate | Decimal) -> Decimal:
    return figure.value if isinstance(figure, Estimate) else figure


def _rate(query: AggregateQuery, amount: Decimal, ground: tuple[float | None, int | None] | None) -> float | None:
    """The amount per square kilometre, or per 1,000 people; None where that is not known."""
    km2, people = ground or (None, None)
    if query.per == "km2":
        return float(amount) / km2 if km2 else None
    return 1000 * float(amount) / people if query.per and people else None


def _told(figure: Estimate | Decimal) -> Document:
    """A figure with what an estimate has besides."""
    if not isinstance(figure, Estimate):
        return {"value": figure}
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "estimated": round(figure.estimated, 4),
        "weights": figure.weights,
    }


def _rows(made: Counted, rates: Mapping[int, float | None]) -> list[dict[str, object]]:
    """One row for each unit and key; units without any figure have one of zero."""
    found: list[dict[str, object]] = []
    for unit in made.units:
        figures = made.figures.get(unit.uid) or {(None, None): Decimal(0)}
        for key in sorted(figures, key=lambda k: (k[1] or "", k[0] or "")):
            said: dict[str, object] = {"code": unit.code, "name": unit.name, "uid": unit.uid}
            said |= {made.query.code.name: key[0]} if made.query.code else {}
            said |= {"period": key[1]} if made.query.step else {}
            said |= {"value": _value(figures[key])}
            said |= {made.query.per: rates[unit.uid]} if made.query.per else {}
            found.append({**said, "boundaries": made.boundaries, "exact": made.exact})
    return found


def _collection(made: Counted, rates: Mapping[int, float | None], outlines: Mapping[int, str]) -> bytes:
    """The feature collection; it names its boundaries, and what lies in none of its units."""
    features = [_feature(made, unit, rates, outlines) for unit in made.units]
    document = {
        "type": "FeatureCollection",
        "boundaries": made.boundaries,
        "exact": made.exact,
        "counted": "by place" if made.by_place else "re-aggregated",
        "layer": made.query.layer.name,
        "value": made.query.value.name if made.query.value else "count",
        "by": [
            "ward",
            *([made.query.code.name] if made.query.code else []),
            *([made.query.step] if made.query.step else []),
        ],
        "total": sum((made.total(unit.uid) for unit in made.units), Decimal(0)),
        "inNoWard": made.in_no_ward,
        "notes": _notes(made),
        "numberReturned": len(features),
        "features": features,
    }
    return orjson.dumps(document, default=number)


def _feature(
    made: Counted, unit: Area, rates: Mapping[int, float | None], outlines: Mapping[int, str]
) -> dict[str, object]:
    figures = made.figures.get(unit.uid, {})
    said: Document = {"code": unit.code, "name": unit.name, "value": made.total(unit.uid)}
    if made.query.per:
        said[made.query.per] = rates[unit.uid]
    if made.query.code or made.query.step:
        said["figures"] = [
            {
                **({made.query.code.name: key[0]} if made.query.code else {}),
                **({"period": key[1]} if made.query.step else {}),
                **_told(figures[key]),
            }
            for key in sorted(figures, key=lambda k: (k[1] or "", k[0] or ""))
        ]
    elif (None, None) in figures:
        said |= _told(figures[None, None])
    shape = orjson.Fragment(outlines[unit.uid]) if unit.uid in outlines else None
    return {"type": "Feature", "id": unit.uid, "geometry": shape, "properties": said}


def _notes(made: Counted) -> list[str]:
    """What a reader of a chart has to know."""
    if made.by_place:
        notes = ["counted by place on these boundaries, at every time alike: no break"]
        return notes + (["some of these outlines are made up: load real ones with `citymap areas load`"] * made.made_up)
    return [
        "counted on the boundaries of today and re-aggregated: estimates where units were cut",
        *(f"weights by {kind} from {version}" for kind, version in made.areas.data_versions.items()),
    ]
