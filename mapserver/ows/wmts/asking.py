"""WMTS requests, read: which layer, in which style, which tile. Raises OwsFault with the codes of OGC 07-057r7."""

from __future__ import annotations

from mapserver.matrices import MATRIX_SETS, MatrixSet
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.kvp import Pairs
from mapserver.ows.wms.asking import WHOLE, Asked, form_of, interval_of, language_of, layer_of, theme_of
from mapserver.pictures import SHEET, Drawing, MapTileQuery

ENDINGS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}
"""What a tile's address may end with, and its format."""


def tile_query(asked: Asked) -> MapTileQuery:
    """The tile of a GetTile."""
    given = asked.given
    matrices = _matrices(given.needed("TILEMATRIXSET").strip())
    level = _level(given.needed("TILEMATRIX").strip(), matrices)
    row, column = (_place(given, name, matrices.side(level)) for name in ("TILEROW", "TILECOL"))
    drawing = _drawing(asked)
    background = SHEET if drawing.whole else None
    return MapTileQuery(drawing, matrices, level, column, row, form_of(given.get("FORMAT", "image/png")), background)


def addressed(parts: dict[str, str], given: Pairs) -> Pairs:
    """A RESTful address as the parameters that it stands for. Raises OwsFault for an unknown ending."""
    column, _, ending = parts["column"].partition(".")
    if ending.lower() not in ENDINGS:
        raise OwsFault(Code.FORMAT, "FORMAT", f"the address ends with one of {', '.join(ENDINGS)}, got {ending[:20]!r}")
    named = {
        "LAYER": parts["layer"],
        "STYLE": parts["style"],
        "TILEMATRIXSET": parts["matrices"],
        "TILEMATRIX": parts["level"],
        "TILEROW": parts["row"],
        "TILECOL": column,
        "FORMAT": ENDINGS[ending.lower()],
        "REQUEST": "GetTile",
    }
    return Pairs({**dict(given), **named})


def _drawing(asked: Asked) -> Drawing:
    given = asked.given
    name, themes = given.needed("LAYER").strip(), (theme_of(given.get("STYLE", "")),)
    language, interval = language_of(given), interval_of(given.get("TIME"))
    if name == WHOLE:
        return Drawing(asked.visible, True, language, themes, interval)
    return Drawing((layer_of(asked, name, "LAYER"),), False, language, themes, interval)


def _matrices(name: str) -> MatrixSet:
    if name not in MATRIX_SETS:
        raise OwsFault(Code.INVALID, "TILEMATRIXSET", f"needs one of {', '.join(MATRIX_SETS)}, got {name[:60]!r}")
    return MATRIX_SETS[name]


def _level(text: str, matrices: MatrixSet) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1
    if not 0 <= number < matrices.levels:
        last = matrices.levels - 1
        raise OwsFault(Code.INVALID, "TILEMATRIX", f"needs a whole number from 0 to {last}, got {text[:20]!r}")
    return number


def _place(given: Pairs, name: str, side: int) -> int:
    text = given.needed(name).strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise OwsFault(Code.INVALID, name, f"needs a whole number, got {text[:20]!r}")
    if int(text) >= side:
        raise OwsFault(Code.TILE, name, f"needs a number from 0 to {side - 1} in this matrix, got {text}")
    return int(text)
