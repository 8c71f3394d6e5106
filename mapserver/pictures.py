"""Questions for pictures: which layers, in which style, of which place. Every door that draws asks with these.

Also what a picture needs before it can be drawn: its style, and the tiles of it. Nothing here knows HTTP or SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from mapserver import styles
from mapserver.catalogue import Catalogue
from mapserver.errors import BadQuery
from mapserver.layer import Language, Layer
from mapserver.mapview import Frame, Shot, covering
from mapserver.matrices import TILE_PX, MatrixSet
from mapserver.query import Interval, TileQuery
from mapserver.styles import Theme

Form = Literal["png", "jpeg", "webp"]
MEDIA_TYPES: Mapping[str, Form] = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
MAX_SIDE = 4096
"""Pixels of a picture's longer side, at most."""
BLOCK = 4
"""Map tiles are drawn in blocks of so many each way, so that labels are cut at few edges."""
GUTTER_PX = 64
"""Drawn beyond the edges of a block, so that a label there is the same in its neighbour."""
Json = Any


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, lowest first. whole: the map as the viewer shows it, out of all that `layers` names.

    themes: one for each layer, or one for all. shown: layers of the whole that are shown, though not when it opens."""

    layers: tuple[Layer, ...]
    whole: bool = False
    language: Language = "vi"
    themes: tuple[Theme, ...] = ("light",)
    interval: Interval | None = None
    shown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PictureQuery:
    """One picture. background: `#rrggbb`, or None for a transparent one; `sheet` leaves the style's own."""

    drawing: Drawing
    frame: Frame
    form: Form = "png"
    background: str | None = None


@dataclass(frozen=True, slots=True)
class MapTileQuery:
    """One map tile, inside its matrix."""

    drawing: Drawing
    matrices: MatrixSet
    level: int
    column: int
    row: int
    form: Form = "png"
    background: str | None = None

    @property
    def across(self) -> int:
        """Tiles in a row of its block."""
        return min(BLOCK, self.matrices.side(self.level))

    @property
    def corner(self) -> tuple[int, int]:
        """Column and row of the block's first tile."""
        return self.column - self.column % self.across, self.row - self.row % self.across

    @property
    def block(self) -> Frame:
        """The ground of the block, with a gutter."""
        west, south, east, north = self.matrices.edges(self.level, *self.corner, across=self.across)
        gutter = GUTTER_PX * self.matrices.pixel(self.level)
        side = TILE_PX * self.across + 2 * GUTTER_PX
        edges = (west - gutter, south - gutter, east + gutter, north + gutter)
        return Frame(self.matrices.crs, edges, side, side)


SHEET = "sheet"
"""The background that the style itself has."""


@lru_cache(64)
def stylesheet(drawing: Drawing, background: str | None) -> dict[str, Json]:
    """The MapLibre style of a drawing, kept: not to be changed. Raises BadCatalogue."""
    if not drawing.whole:
        return styles.stacked(drawing.layers, drawing.language, drawing.themes)
    seen = Catalogue({layer.name: layer for layer in drawing.layers})
    style = styles.assembled(seen, "", drawing.language, drawing.themes[0])
    kept = [part for part in style["layers"] if part["type"] != "background" or background == SHEET]
    return {**style, "layers": [styles.shown(part) if part.get("source") in drawing.shown else part for part in kept]}


def visible(drawing: Drawing, background: str | None) -> tuple[Layer, ...]:
    """The layers that a drawing shows anything of, at some zoom."""
    parts = stylesheet(drawing, background)["layers"]
    names = {part.get("source") for part in parts if part.get("layout", {}).get("visibility") != "none"}
    return tuple(layer for layer in drawing.layers if layer.name in names)


def active(style: Mapping[str, Json], zoom: float) -> Iterator[Mapping[str, Json]]:
    """The parts of a style that show anything at a zoom."""
    for part in style["layers"]:
        hidden = part.get("layout", {}).get("visibility") == "none"
        if not hidden and part.get("minzoom", 0) <= zoom < part.get("maxzoom", 25):
            yield part


def needed(drawing: Drawing, style: Mapping[str, Json], shot: Shot) -> Iterator[TileQuery]:
    """The tiles that a shot shows something of. Those of a raster layer are pictures."""
    sources = {part.get("source") for part in active(style, shot.zoom)}
    for layer in drawing.layers:
        if layer.name in sources:
            tile_px = 256 if layer.origin == "raster" else 512
            for z, x, y in covering(shot, tile_px, layer.tiles.min_zoom, layer.tiles.max_zoom):
                yield TileQuery(layer, z, x, y, interval=drawing.interval)


def size(name: str, text: str) -> int:
    """The width or the height of a picture, in pixels. Raises BadQuery."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    if not 1 <= number <= MAX_SIDE:
        raise BadQuery(name, f"needs a whole number of pixels from 1 to {MAX_SIDE}, got {text[:40]!r}")
    return number
