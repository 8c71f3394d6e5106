"""HTML pages of our own documents, and what the pages that pygeoapi renders are given besides the features.

The same templates serve both. No script, no other host, Vietnamese first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader

from mapserver.layer import Column, Layer
from mapserver.ogc import sketch
from mapserver.ogc.documents import map_place
from mapserver.ogc.house import Reader
from mapserver.ogc.links import HTML
from mapserver.query import visible_columns

FOLDER = Path(__file__).parent
STYLESHEET = FOLDER / "static" / "pages.css"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'self'"
)
HEADERS = {"content-security-policy": POLICY}
MEDIA_TYPE = f"{HTML}; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands: its path, its parameters, and what it is called."""

    path: str
    title: str
    given: Mapping[str, str]
    forms: tuple[tuple[str, str], ...] = (("JSON", "json"),)
    """Other representations: (label, `f`)."""
    trail: tuple[tuple[str, str], ...] = ()
    """Pages above this one: (title, path)."""
    description: str = ""
    linked_data: str = ""
    """JSON-LD for search engines."""


def rendered(template: str, reader: Reader, place: Place, document: Mapping[str, Any], **more: Any) -> str:
    """A page of a document."""
    page = frame(reader, place)
    return _environment().get_template(template).render(data={**document, "page": page}, locale=None, **more)


def frame(reader: Reader, place: Place) -> dict[str, Any]:
    """What every template is given as `data.page`, in our environment and in pygeoapi's."""
    here = {name: value for name, value in place.given.items() if name not in ("f", "lang")}
    return {
        "base": reader.base,
        "language": reader.language,
        "t": reader.choose,
        "title": place.title,
        "site": reader.identity.title[reader.language],
        "publisher": reader.identity.provider[reader.language],
        "publisher_url": reader.identity.provider_url,
        "description": place.description,
        "linked_data": place.linked_data.replace("</", "<\\/"),
        "canonical": f"{reader.base}{place.path}",
        "stylesheet": f"{reader.base}/pages.css?v={stylesheet_version()}",
        "languages": {language: _url(reader, place.path, {**here, "lang": language}) for language in ("vi", "en")},
        "forms": [(label, _url(reader, place.path, {**here, "f": f})) for label, f in place.forms],
        "trail": [(title, f"{reader.base}{path}") for title, path in place.trail],
    }


@cache
def stylesheet_version() -> str:
    """Changes with the stylesheet, so that it can be kept by browsers for ever."""
    return hashlib.blake2b(STYLESHEET.read_bytes(), digest_size=6).hexdigest()


def _url(reader: Reader, path: str, parameters: Mapping[str, str]) -> str:
    query = urlencode(parameters)
    return f"{reader.base}{path}?{query}" if query else f"{reader.base}{path}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """A column as a table shows it."""

    name: str
    title: str
    unit: str
    numeric: bool
    codes: Mapping[str, str]

    def text(self, value: Any, reader_language: str) -> str:
        """A value as a person reads it: code titles, thousands, the day before the clock."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return {("vi", True): "có", ("vi", False): "không", ("en", True): "yes"}.get((reader_language, value), "no")
        if isinstance(value, int | float):
            return _number(value, reader_language)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return self.codes.get(str(value), str(value))


def _number(value: float, language: str) -> str:
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.6f}".rstrip("0").rstrip(".")
    return text.translate(str.maketrans(",.", ".,")) if language == "vi" else text


def shown(reader: Reader, layer: Layer, names: Iterable[str] | None = None) -> list[Shown]:
    """The columns of a table, in the layer's order."""
    columns = visible_columns(layer, reader.caller)
    chosen = columns if names is None else tuple(column for column in columns if column.name in set(names))
    return [_shown(reader, column) for column in chosen]


def _shown(reader: Reader, column: Column) -> Shown:
    codes = {code: title[reader.language] for code, title in (column.codes or {}).items()}
    numeric = column.type in ("integer", "number")
    return Shown(
        column.name, column.title[reader.language], "" if column.unit in (None, "1") else column.unit, numeric, codes
    )


def layer_trail(reader: Reader, layer: Layer | None = None) -> tuple[tuple[str, str], ...]:
    """The pages above a page of a layer."""
    trail = ((reader.choose("Các lớp dữ liệu", "Collections"), "/collections"),)
    return trail if layer is None else (*trail, (layer.title[reader.language], f"/collections/{layer.name}"))


def feature_page(reader: Reader, layer: Layer, place: Place) -> dict[str, Any]:
    """`data.page` of a feature, or of a page of features."""
    return frame(reader, place) | {
        "layer": layer.name,
        "layer_title": layer.title[reader.language],
        "name_column": layer.name_column,
        "columns": shown(reader, layer),
        "map": f"{reader.base}/map{map_place(reader, layer)}",
        "sketch": sketch.of_geometry,
    }


def locator(reader: Reader, layer: Layer) -> sketch.Sketch | None:
    """Where the layer's data lie, inside the frame of everything that the reader may see."""
    boxes = [box for one in reader.layers if (box := reader.facts.of(one).extent.box)]
    own = reader.facts.of(layer).extent.box
    return sketch.of_boxes(own, boxes) if own else None
