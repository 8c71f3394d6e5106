"""WMS requests, read: which layers in which style, which piece of the ground, in which format.

Raises OwsFault with the codes of OGC 06-042, table E.1. Unknown parameters are ignored, as that standard asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mapserver import parameters
from mapserver.catalogue import Catalogue
from mapserver.crs import CRS84, OFFERED, WGS84, Crs, crs_of
from mapserver.errors import BadQuery, CityMapError
from mapserver.layer import LANGUAGES, Language, Layer
from mapserver.mapview import Frame
from mapserver.matrices import Edges
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.kvp import Pairs
from mapserver.periods import period
from mapserver.pictures import MEDIA_TYPES, SHEET, Drawing, Form, PictureQuery, size
from mapserver.query import Caller, Interval, may_see, opened
from mapserver.styles import Theme, drawn

WHOLE = "citymap"
"""The root layer: the map as the viewer shows it."""
STYLES: Mapping[str, Theme] = {"": "light", "default": "light", "light": "light", "dark": "dark"}
VERSIONS = ("1.3.0", "1.1.1")
MOST_LAYERS = 40
_COLOUR = re.compile(r"^(?:0[xX]|#)([0-9a-fA-F]{6})$")
_YEAR, _MONTH = re.compile(r"^\d{4}$"), re.compile(r"^\d{4}-\d{2}$")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and whom it is answered for."""

    given: Pairs
    caller: Caller
    catalogue: Catalogue
    version: str

    @property
    def visible(self) -> tuple[Layer, ...]:
        """The layers with a picture that the caller may see, in the catalogue's order."""
        return visible(self.catalogue, self.caller)


def visible(catalogue: Catalogue, caller: Caller) -> tuple[Layer, ...]:
    """The layers with a picture that a caller may see, in the catalogue's order."""
    return tuple(layer for layer in catalogue if drawn(layer) and may_see(layer, caller))


def version_of(given: Pairs) -> str:
    """The version that a request is answered in: the highest that is not above the one asked for, else the lowest."""
    text = given.first("VERSION", "WMTVER")
    if text is None:
        return "1.1.1" if "SRS" in given else "1.3.0"
    asked = tuple(int(part) if part.isdigit() else 0 for part in text.strip()[:20].split("."))
    return next((known for known in VERSIONS if tuple(map(int, known.split("."))) <= asked), VERSIONS[-1])


def picture_query(asked: Asked) -> PictureQuery:
    """The picture that GetMap asks for."""
    given = asked.given
    drawing = drawing_of(asked, given.needed("LAYERS"))
    form = form_of(given.needed("FORMAT"))
    return PictureQuery(drawing, frame_of(asked), form, _background(given, form, whole=drawing.whole))


def drawing_of(asked: Asked, text: str) -> Drawing:
    """The layers and styles of a request, and its TIME and LANGUAGE."""
    names = [name.strip() for name in text.split(",")]
    if len(names) > MOST_LAYERS:
        raise OwsFault(Code.LAYER, "LAYERS", f"takes {MOST_LAYERS} layers at most")
    styles = (asked.given.get("STYLES") or asked.given.get("STYLE") or "").split(",")
    if len(styles) == 1 and not styles[0].strip():
        styles = [""] * len(names)
    if len(styles) != len(names):
        raise OwsFault(Code.STYLE, "STYLES", f"names {len(styles)} styles for {len(names)} layers")
    themes = tuple(map(theme_of, styles))
    language, interval = language_of(asked.given), interval_of(asked.given.get("TIME"))
    named = tuple(layer_of(asked, name, "LAYERS") for name in names if name != WHOLE)
    if WHOLE not in names:
        return Drawing(named, language=language, themes=themes, interval=interval)
    shown = frozenset(layer.name for layer in named)
    return Drawing(asked.visible, True, language, themes[:1], interval, shown)


def layer_of(asked: Asked, name: str, parameter: str) -> Layer:
    """A layer with a picture. Raises OwsFault, LayerNotDefined; Unauthorized or Forbidden for what is closed."""
    if name not in asked.catalogue or not drawn(asked.catalogue[name]):
        there = ", ".join([WHOLE, *(layer.name for layer in asked.visible)])
        raise OwsFault(Code.LAYER, parameter, f"there is no layer {name[:60]!r}; there are {there}")
    return opened(asked.catalogue.layers, name, asked.caller)


def theme_of(text: str) -> Theme:
    """The theme that a style's name stands for."""
    if text.strip() not in STYLES:
        raise OwsFault(Code.STYLE, "STYLES", f"there is no style {text[:40]!r}; there are default and dark")
    return STYLES[text.strip()]


def language_of(given: Pairs) -> Language:
    """The language of labels, legends and titles: `LANGUAGE=vi` or `en`; Vietnamese unless English is asked for."""
    text = (given.first("LANGUAGE", "LANG") or "vi").lower()
    wanted = {"vie": "vi", "eng": "en"}.get(text, text)
    for known in LANGUAGES:
        if wanted == known:
            return known
    raise OwsFault(Code.INVALID, "LANGUAGE", f"needs vi or en, got {text[:20]!r}")


def form_of(text: str) -> Form:
    """The format of a picture, whatever parameters its media type carries (`image/png; mode=8bit`)."""
    written = text.partition(";")[0].strip().lower()
    plain = {"image/jpg": "image/jpeg", "image/png8": "image/png"}.get(written, written)
    if plain not in MEDIA_TYPES:
        raise OwsFault(Code.FORMAT, "FORMAT", f"needs one of {', '.join(MEDIA_TYPES)}, got {text[:60]!r}")
    return MEDIA_TYPES[plain]


def frame_of(asked: Asked) -> Frame:
    """The ground and the size of the picture."""
    given, crs = asked.given, _crs(asked)
    width, height = (size(name, given.needed(name).strip()) for name in ("WIDTH", "HEIGHT"))
    return Frame(crs, _edges(given.needed("BBOX"), crs, asked.version), width, height)


def interval_of(text: str | None) -> Interval | None:
    """TIME as an interval: a year, a month, a day, a moment, or two of them with a slash between (and a resolution)."""
    if text is None:
        return None
    parts = text.strip().split("/")
    if "," in text or len(parts) > 3 or text.strip() == "current":
        raise OwsFault(Code.DIMENSION, "TIME", f"needs one time or start/end, got {text[:60]!r}")
    ends = [*parts[:1], *parts[-2:-1]] if len(parts) == 3 else parts
    try:
        return parameters.interval("/".join([_first(ends[0]), _last(ends[-1])]))
    except (BadQuery, ValueError) as error:
        raise OwsFault(Code.DIMENSION, "TIME", f"cannot be read: {error}") from error


def names_of(crs: Crs, version: str) -> str:
    """The name of a CRS in capabilities; empty where the version has none for it."""
    if crs == CRS84:
        return "CRS:84" if version == "1.3.0" else ""
    return crs.code


def _first(text: str) -> str:
    found = period(text) if _YEAR.match(text) or _MONTH.match(text) else None
    return found.first.isoformat() if found else text


def _last(text: str) -> str:
    found = period(text) if _YEAR.match(text) or _MONTH.match(text) else None
    return found.last.isoformat() if found else text


def _crs(asked: Asked) -> Crs:
    name, code = ("CRS", Code.CRS) if asked.version == "1.3.0" else ("SRS", Code.CRS_111)
    text = (asked.given.first(name, "CRS", "SRS") or asked.given.needed(name)).strip().upper()
    found = crs_of({"CRS:84": "OGC:CRS84", "EPSG:900913": "EPSG:3857"}.get(text, text))
    if found is None:
        offered = ", ".join(names_of(crs, asked.version) for crs in OFFERED)
        raise OwsFault(code, name, f"needs one of {offered}, got {text[:60]!r}")
    return CRS84 if found == WGS84 and asked.version == "1.1.1" else found


def _edges(text: str, crs: Crs, version: str) -> Edges:
    """West, south, east, north. Version 1.3.0 has the axes in the order of the CRS, 1.1.1 always east first."""
    try:
        numbers = [parameters.number("BBOX", part.strip()) for part in text.split(",")]
    except CityMapError as error:
        raise OwsFault(Code.INVALID, "BBOX", f"needs numbers, got {text[:80]!r}") from error
    if len(numbers) != 4:
        raise OwsFault(Code.INVALID, "BBOX", f"needs 4 numbers, got {len(numbers)}")
    a, b, c, d = numbers
    west, south, east, north = (b, a, d, c) if crs.swap and version == "1.3.0" else (a, b, c, d)
    if west >= east or south >= north or max(map(abs, numbers)) > 1e9:
        raise OwsFault(Code.INVALID, "BBOX", f"needs its lower corner before its upper one, got {text[:80]!r}")
    return west, south, east, north


def _background(given: Pairs, form: Form, *, whole: bool) -> str | None:
    wanted = given.get("TRANSPARENT", "FALSE").strip().upper()
    if wanted not in ("TRUE", "FALSE"):
        raise OwsFault(Code.INVALID, "TRANSPARENT", f"needs TRUE or FALSE, got {wanted[:20]!r}")
    colour = _COLOUR.match(given.get("BGCOLOR", "0xFFFFFF").strip())
    if colour is None:
        raise OwsFault(Code.INVALID, "BGCOLOR", f"needs 0xRRGGBB, got {given['BGCOLOR'][:20]!r}")
    if wanted == "TRUE" and form != "jpeg":
        return None
    return SHEET if whole and "BGCOLOR" not in given else f"#{colour[1].lower()}"
