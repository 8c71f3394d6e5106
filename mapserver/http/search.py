"""`/search?q=`: one box for wards old and new, streets, places, addresses, codes and coordinates, as GeoJSON.

Everything is asked of the database as the caller: what somebody may not see is not found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from mapserver import names, parameters
from mapserver.areas import Area, Areas
from mapserver.errors import BadQuery
from mapserver.house import House
from mapserver.layer import Language, Layer
from mapserver.negotiation import language, representation
from mapserver.query import Caller
from mapserver.sought import LONGEST, VIETNAM, Box, Sought, Spot, folded, found_in, sought, spots
from mapserver.systems.areas.book import Books
from mapserver.whereabouts import Heir, of_line, of_units

GEOJSON = "application/geo+json"
PARAMETERS = ("q", "limit", "lang", "f")
DEFAULT_LIMIT, MAX_LIMIT = 12, 50
MOST_OLD, MOST_STREETS = 6, 12
SHORTEST = 2
"""Letters from which a text is looked for among names."""
_KINDS = ("phuong", "xa", "quan", "huyen", "duong")
"""First words of a name that people leave out."""
_CITY_TIME = timedelta(hours=7)


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: what it is, what it is called, what tells it from others of that name, and where it is."""

    kind: str
    title: str
    detail: str
    lon: float
    lat: float
    box: tuple[float, ...] = ()
    layer: str | None = None
    feature: int | None = None
    order: tuple[float, ...] = ()
    more: Mapping[str, object] = field(default_factory=dict)

    def json(self) -> dict[str, object]:
        """The hit as a GeoJSON feature."""
        said = {"kind": self.kind, "title": self.title, "detail": self.detail, "layer": self.layer}
        return {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [round(self.lon, 7), round(self.lat, 7)]},
            **({"bbox": [round(edge, 7) for edge in self.box]} if self.box else {}),
            "properties": {**said, "feature": self.feature, **self.more},
        }


@dataclass(frozen=True, slots=True)
class Question:
    """A question with everything that is needed to answer it."""

    asked: Sought
    caller: Caller
    limit: int
    lang: Language
    areas: Areas
    today: date

    def say(self, vi: str, en: str) -> str:
        return vi if self.lang == "vi" else en

    def ward(self, code: str | None) -> str:
        """The name of a ward of today; empty when the code is none."""
        unit = self.areas.of_code(code, self.today) if code else None
        return self.name(unit) if unit else ""

    def name(self, unit: Area) -> str:
        return unit.name if self.lang == "vi" else unit.name_en or unit.name


class Search:
    """The search box's door."""

    def __init__(self, house: House) -> None:
        self._house, self._books = house, Books(house.store)
        layers = house.catalogue.vector
        self._named = [layer for layer in layers if names.named(layer)]
        self._coded = [layer for layer in layers if names.coded(layer)]
        self._addresses = [layer for layer in layers if names.addresses(layer)]
        self._city: tuple[int, Box] = (-1, VIETNAM)

    def routes(self) -> APIRouter:
        """The one route."""
        router = APIRouter()
        router.add_api_route("/search", self.search, methods=["GET", "HEAD"], response_model=None)
        return router

    async def search(self, request: Request) -> Response:
        """What the text means, the likeliest first; nothing for no text."""
        given = parameters.parsed(request.scope["query_string"])
        parameters.known(given, PARAMETERS)
        representation(given.get("f"), request.headers.get("accept"), {"json": (GEOJSON, "application/json")})
        lang = language(given.get("lang"), request.headers.get("accept-language"))
        text, limit = _text(given.get("q", "")), _limit(given.get("limit"))
        caller = await self._house.caller(request)
        areas = await self._books.areas()
        question = Question(sought(text), caller, limit, lang, areas, _today())
        hits = await self._hits(question)
        body = orjson.dumps({"type": "FeatureCollection", "features": [hit.json() for hit in hits[:limit]]})
        headers = {"Content-Language": lang, "Cache-Control": "private, max-age=30"}
        return Response(b"" if request.method == "HEAD" else body, media_type=GEOJSON, headers=headers)

    async def _hits(self, question: Question) -> list[Hit]:
        text = question.asked.text
        at = [_spot(spot, question) for spot in spots(text, await self._extent(question))]
        if at or len(question.asked.phrase) < SHORTEST:
            return at
        houses = await self._houses(question)
        found = [*await self._old_units(question), *await self._by_words(question)]
        if not found and question.asked.number:
            found = await self._by_words(replace(question, asked=replace(question.asked, words=question.asked.street)))
        if not found and not houses:
            found = await self._by_likeness(question)
        return [*await self._by_code(question), *houses, *sorted(found, key=lambda hit: hit.order)]

    async def _extent(self, question: Question) -> Box:
        """The city's box, asked anew when its areas change."""
        if self._city[0] != question.areas.version:
            row = (await self._house.store.fetch(question.caller, names.EXTENT)).value() if self._has_wards() else None
            west, south, east, north = orjson.loads(row) if row else VIETNAM
            self._city = question.areas.version, (west - 0.1, south - 0.1, east + 0.1, north + 0.1)
        return self._city[1]

    def _has_wards(self) -> bool:
        return "wards" in self._house.catalogue.layers

    # Names

    async def _by_words(self, question: Question) -> list[Hit]:
        layers = [layer for layer in self._named if names.open_to(layer, question.caller)]
        if not layers:
            return []
        rows = await self._house.store.fetch(question.caller, names.by_words(layers, question.asked, question.limit))
        return self._told(rows, question, "")

    async def _by_likeness(self, question: Question) -> list[Hit]:
        layers = [layer for layer in self._named if names.open_to(layer, question.caller)]
        if not layers or len(question.asked.phrase) < 4:
            return []
        rows = await self._house.store.fetch(question.caller, names.by_likeness(layers, question.asked, 4))
        return self._told(rows, question, question.say("gần giống", "similar"))

    async def _by_code(self, question: Question) -> list[Hit]:
        code = question.asked.text.strip().upper()
        layers = [layer for layer in self._coded if names.open_to(layer, question.caller)]
        if not layers or " " in code or not any(c.isdigit() for c in code):
            return []
        return self._told(await self._house.store.fetch(question.caller, names.by_code(layers, code)), question, "")

    def _told(self, rows: Iterable[tuple[bytes | None, ...]], question: Question, note: str) -> list[Hit]:
        return [self._hit(orjson.loads(row[0] or b"null"), question, note) for row in rows]

    def _hit(self, row: list[Any], question: Question, note: str, kind: str = "feature") -> Hit:
        name, number, title, ward, rank, place = row
        layer = self._house.catalogue.layers[name]
        within = "" if name == "wards" else question.ward(ward)
        detail = " · ".join(filter(None, (layer.title[question.lang], within, note)))
        *box, lon, lat = place
        order = (_closeness(title, question.asked), _weight(layer), -(rank or 0), len(title))
        return Hit(kind, title, detail, lon, lat, tuple(box), name, number, order)

    # Addresses

    async def _houses(self, question: Question) -> list[Hit]:
        """Houses by number and street; where the street's name is not one only, of each street."""
        asked = question.asked
        layers = [layer for layer in self._addresses if names.open_to(layer, question.caller)]
        lines = [one for one in self._named if names.streets(one) and names.open_to(one, question.caller)]
        if not asked.number or not layers or not lines:
            return []
        found = await self._house.store.fetch(question.caller, names.street_names(lines, asked, MOST_STREETS))
        streets = [(name or b"").decode() for (name,) in found]
        if not streets:
            return []
        wards = _wards_of(question)
        hits: list[Hit] = []
        for layer in layers:
            statement = names.by_address(layer, asked.number, streets, wards, question.limit)
            rows = await self._house.store.fetch(question.caller, statement)
            hits += [self._hit(orjson.loads(row[0] or b"null"), question, "", "address") for row in rows]
        return hits[: max(3, question.limit // 2)]

    # Units that are no more

    async def _old_units(self, question: Question) -> list[Hit]:
        """For a unit that is no more, each of its heirs, in its place."""
        words, areas = question.asked.words, question.areas
        gone = [unit for unit in areas.units.values() if unit.valid_to and unit.valid_to <= question.today]
        old = [unit for unit in gone if found_in(words, folded(unit.full_name))]
        old.sort(key=lambda unit: (_closeness(unit.name, question.asked), unit.level != "commune", unit.full_name))
        pairs = [(unit, heir) for unit in old[:MOST_OLD] for heir in _heirs(question, unit)]
        places = await self._places({heir.area.code for _, heir in pairs}, question)
        return [
            _inherited(question, unit, heir, places[heir.area.code])
            for unit, heir in pairs
            if heir.area.code in places and not _same(unit, heir.area)
        ]

    async def _places(self, codes: set[str], question: Question) -> dict[str, list[float]]:
        if not codes or not self._has_wards():
            return {}
        rows = await self._house.store.fetch(question.caller, names.by_ward(sorted(codes)))
        return {(code or b"").decode(): orjson.loads(place or b"[]") for code, place in rows}


def _text(text: str) -> str:
    if len(text) > LONGEST:
        raise BadQuery("q", f"is {len(text)} characters long; at most {LONGEST} are looked for")
    return text.strip()


def _limit(text: str | None) -> int:
    return min(parameters.limit(text), MAX_LIMIT) if text is not None else DEFAULT_LIMIT


def _today() -> date:
    """The day in the city."""
    return (datetime.now(UTC) + _CITY_TIME).date()


def _closeness(title: str, asked: Sought) -> float:
    """0 the very name, 1 it begins so, 2 the words stand together in it, 3 they are in it; marks that agree count."""
    name, phrase = folded(title), asked.phrase
    said = asked.text.strip().casefold()
    marked = 0.0 if said.isascii() or said in title.casefold() else 0.5
    kind, *bare = name.split()
    if name.strip() == phrase or (kind in _KINDS and bare == list(asked.words)):
        return marked
    if name.startswith(f" {phrase}"):
        return 1 + marked
    return (2 if f" {phrase}" in name else 3) + marked


def _weight(layer: Layer) -> float:
    """What people mean first by a name: a ward, a street, a place."""
    if layer.name == "wards":
        return 0
    return 1 if names.streets(layer) and layer.tiles.rank else 2


def _heirs(question: Question, unit: Area) -> tuple[Heir, ...]:
    if unit.valid_to is None:
        return ()
    return of_units(question.areas, [unit], unit.valid_to - timedelta(days=1), question.today).now


def _same(unit: Area, heir: Area) -> bool:
    """Whether the heir is the old unit under its old name: the layer of wards tells of it already."""
    return unit.name == heir.name and unit.parent_name in (None, heir.parent_name)


def _inherited(question: Question, unit: Area, heir: Heir, place: list[float]) -> Hit:
    *box, lon, lat = place
    until = unit.valid_to - timedelta(days=1) if unit.valid_to else None
    day = f"{until.day}/{until.month}/{until.year}" if until else ""
    whole = heir.share is None
    vi = f"{'Thay' if whole else 'Nhận một phần'} {unit.full_name} (đến {day})"
    en = f"{'Took the place of' if whole else 'Took part of'} {unit.full_name} (until {day})"
    close = _closeness(unit.name, question.asked)
    order = (close - 0.1 if close < 1 else close + 0.6, 0.5, -(heir.share or 1.0), len(unit.full_name))
    more = {"was": unit.full_name, "share": heir.share, "code": heir.area.code}
    return Hit("unit", question.name(heir.area), question.say(vi, en), lon, lat, tuple(box), "wards", None, order, more)


def _wards_of(question: Question) -> list[str]:
    """Codes of the wards of today that stand behind the street in the line; none when it says none."""
    if not question.asked.area:
        return []
    return [heir.area.code for heir in of_line(question.areas, question.asked.area, None, question.today).now]


def _spot(spot: Spot, question: Question) -> Hit:
    degrees = spot.crs.srid == 4326
    first, second = ("vĩ độ, kinh độ", "latitude, longitude"), ("kinh độ, vĩ độ", "longitude, latitude")
    north, east = ("Bắc (X), Đông (Y)", "northing, easting"), ("Đông (Y), Bắc (X)", "easting, northing")
    pair = (first if spot.north_first else second) if degrees else (north if spot.north_first else east)
    crs = "WGS 84" if degrees else f"{spot.crs.title.replace('TM-3', question.say('múi 3°', 'TM-3'))} ({spot.crs.code})"
    title = f"{spot.lat:.6f}, {spot.lon:.6f}"
    detail = f"{crs} · {question.say(*pair)}"
    return Hit("coordinates", title, detail, spot.lon, spot.lat, more={"crs": spot.crs.uri})
