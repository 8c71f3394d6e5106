"""GetFeatureInfo: what lies at a pixel, asked of the store as the caller, told as text, HTML, GeoJSON or GML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from starlette.concurrency import run_in_threadpool

from mapserver import gml, raster, statements
from mapserver.errors import NotReady
from mapserver.layer import Language, Layer
from mapserver.mapview import Frame
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.kvp import Pairs
from mapserver.ows.wms.asking import WHOLE, Asked, frame_of, interval_of, language_of, layer_of
from mapserver.projection import lon_lat
from mapserver.query import Box, Caller, ItemsQuery, visible_columns
from mapserver.settings import Settings
from mapserver.store import Store
from mapserver.styles import shown_first

NEAR_PX = 5.0
"""Features this near to the pixel are found: about the size of a drawn point."""
MOST_FEATURES = 100
TYPES = {
    "text/plain": "text/plain; charset=utf-8",
    "text/html": "text/html; charset=utf-8",
    "application/json": "application/json",
    "application/geo+json": "application/geo+json",
    "application/vnd.ogc.gml": "application/vnd.ogc.gml",
    "text/xml": "text/xml",
}
"""INFO_FORMAT, and the media type of its answer."""
GML2 = gml.Form("2.1.2", "EPSG:4326", "gml:featureMember")
Json = Any


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked at a pixel."""

    layers: tuple[Layer, ...]
    box: Box
    point: tuple[float, float]
    """Longitude and latitude of the pixel."""
    most: int
    form: str
    language: Language


@dataclass(frozen=True, slots=True)
class Hit:
    """The features found in one layer, as GeoJSON; a raster's is its value there."""

    layer: Layer
    features: tuple[Json, ...]


def question(asked: Asked) -> Question:
    """The question of a GetFeatureInfo. Raises OwsFault."""
    given = asked.given
    names = [name.strip() for name in given.needed("QUERY_LAYERS").split(",")]
    frame = frame_of(asked)
    column, row = (_pixel(given, names, side) for names, side in
                   ((("I", "X"), frame.width), (("J", "Y"), frame.height)))  # fmt: skip
    form = given.get("INFO_FORMAT", "text/plain").partition(";")[0].strip().lower()
    if form not in TYPES:
        raise OwsFault(Code.FORMAT, "INFO_FORMAT", f"needs one of {', '.join(TYPES)}, got {form[:60]!r}")
    whole = shown_first(asked.visible) if WHOLE in names else ()
    named = tuple(layer_of(asked, name, "QUERY_LAYERS") for name in names if name != WHOLE)
    layers = tuple(dict.fromkeys((*named, *whole)))
    most = max(1, given.whole("FEATURE_COUNT", MOST_FEATURES) or 1)
    return Question(layers, *_place(frame, column, row), most, form, language_of(given))


async def told(asked: Asked, what: Question, store: Store, settings: Settings) -> bytes:
    """The answer in the form that was asked for."""
    if "gml" in what.form or "xml" in what.form:
        return await _gml(asked, what, store)
    hits = [await _hit(asked, layer, what, store, settings) for layer in what.layers]
    found = [hit for hit in hits if hit.features]
    match what.form:
        case "text/plain":
            return _text(found, what.language, asked.caller).encode()
        case "text/html":
            return _html(found, what.language, asked.caller).encode()
    features = [{**each, "id": f"{hit.layer.name}.{each.get('id', 1)}"} for hit in found for each in hit.features]
    return orjson.dumps({"type": "FeatureCollection", "features": features})


async def _hit(asked: Asked, layer: Layer, what: Question, store: Store, settings: Settings) -> Hit:
    if layer.origin == "raster":
        return Hit(layer, await run_in_threadpool(_cell, layer, what.point, settings))
    rows = await store.fetch(asked.caller, statements.items(_items(asked, layer, what), asked.caller))
    return Hit(layer, tuple(orjson.loads(text or b"{}") for text in rows.column(0, min(len(rows), what.most))))


async def _gml(asked: Asked, what: Question, store: Store) -> bytes:
    members = []
    for layer in what.layers:
        if layer.origin != "raster":
            query = _items(asked, layer, what)
            rows = await store.fetch(asked.caller, gml.features(query, asked.caller, what.most, GML2))
            members += [text or b"" for text in rows.column(0, len(rows))]
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs"'
        f' xmlns:gml="http://www.opengis.net/gml" xmlns:{gml.PREFIX}="{gml.NAMESPACE}">'
    )
    return head.encode() + b"".join(members) + b"</wfs:FeatureCollection>"


def _items(asked: Asked, layer: Layer, what: Question) -> ItemsQuery:
    return ItemsQuery(layer, limit=what.most, box=what.box, interval=interval_of(asked.given.get("TIME")))


def _pixel(given: Pairs, names: tuple[str, str], side: int) -> float:
    """The middle of a pixel, counted from the left or from the top."""
    text = (given.first(*names) or given.needed(names[0])).strip()
    digits = text.removesuffix(".0")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9 and int(digits) < side):
        raise OwsFault(Code.POINT, names[0], f"needs a whole number from 0 to {side - 1}, got {text[:20]!r}")
    return int(digits) + 0.5


def _place(frame: Frame, column: float, row: float) -> tuple[Box, tuple[float, float]]:
    """The box around a pixel, and its longitude and latitude."""
    west, _, _, north = frame.edges
    across, down = frame.pixel
    x, y = west + column * across, north - row * down
    box = Box(x - NEAR_PX * across, y - NEAR_PX * down, x + NEAR_PX * across, y + NEAR_PX * down, frame.crs)
    (lon, lat) = lon_lat(np.array([[x, y]]), frame.crs)[0]
    return box, (float(lon), float(lat))


def _cell(layer: Layer, point: tuple[float, float], settings: Settings) -> tuple[Json, ...]:
    """The value of a raster's bands there, as a feature; none where it has no cell."""
    try:
        values = raster.values(raster.path(settings, layer), point)
    except NotReady:
        return ()
    if values is None:
        return ()
    named = {column.name: value for column, value in zip(layer.columns, values, strict=False)}
    geometry = {"type": "Point", "coordinates": [round(edge, 7) for edge in point]}
    return ({"type": "Feature", "id": 1, "geometry": geometry, "properties": named},)


def _rows(hit: Hit, feature: Json, language: Language, caller: Caller) -> Iterable[tuple[str, str]]:
    """(title, value) of every column that the caller may see and the feature has."""
    for column in visible_columns(hit.layer, caller):
        value = feature["properties"].get(column.name)
        if value is not None:
            coded = column.codes.get(str(value)) if column.codes else None
            unit = f" {column.unit}" if column.unit else ""
            yield column.title[language], (coded[language] if coded else _said(value, language)) + unit


def _said(value: Json, language: Language) -> str:
    if isinstance(value, bool):
        words = ("có", "không") if language == "vi" else ("yes", "no")
        return words[0] if value else words[1]
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _text(hits: Sequence[Hit], language: Language, caller: Caller) -> str:
    nothing = "Không có đối tượng nào ở đây." if language == "vi" else "Nothing is found here."
    lines = []
    for hit in hits:
        for feature in hit.features:
            lines += [f"{hit.layer.title[language]} ({hit.layer.name}.{feature.get('id', 1)})"]
            lines += [f"  {title}: {value}" for title, value in _rows(hit, feature, language, caller)]
    return "\n".join(lines or [nothing]) + "\n"


def _html(hits: Sequence[Hit], language: Language, caller: Caller) -> str:
    nothing = "Không có đối tượng nào ở đây." if language == "vi" else "Nothing is found here."
    tables = "".join(_table(hit, feature, language, caller) for hit in hits for feature in hit.features)
    looks = "body{font:13px sans-serif}th{text-align:left;padding-right:1em;font-weight:normal;color:#555}"
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><title>GetFeatureInfo</title>'
        f"<style>{looks}</style></head><body>{tables or f'<p>{nothing}</p>'}</body></html>"
    )


def _table(hit: Hit, feature: Json, language: Language, caller: Caller) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(title)}</th><td>{html.escape(value)}</td></tr>"
        for title, value in _rows(hit, feature, language, caller)
    )
    return f"<h3>{html.escape(hit.layer.title[language])}</h3><table>{rows}</table>"
