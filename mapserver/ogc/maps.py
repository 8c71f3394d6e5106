"""Map pictures of a layer: `/collections/{id}/map` (OGC 20-058) and its map tiles, by the painter that draws WMS.

Reads parameters; draws nothing itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from mapserver import parameters
from mapserver.crs import Crs
from mapserver.errors import BadQuery, NotFound
from mapserver.layer import Language, Layer
from mapserver.mapview import Frame
from mapserver.matrices import MATRIX_SETS
from mapserver.pictures import MAX_SIDE, Drawing, Form, MapTileQuery, PictureQuery, size
from mapserver.projection import from_lon_lat, lon_lat
from mapserver.query import Box
from mapserver.styles import THEMES, Theme

FORMS: Mapping[str, tuple[str, ...]] = {"png": ("image/png",), "webp": ("image/webp",), "jpeg": ("image/jpeg",)}
LOOKS = ("datetime", "theme", "f", "lang", "transparent", "bgcolor")
MAP = ("bbox", "bbox-crs", "crs", "width", "height", *LOOKS)
SIDE_PX = 1024
"""The longer side of a picture whose size is not asked for."""
_COLOUR = re.compile(r"^(?:0x|#)?([0-9a-fA-F]{6})$")
_EDGE_POINTS = 21


def picture_query(
    layer: Layer, given: Mapping[str, str], form: Form, language: Language, extent: tuple[float, ...] | None
) -> PictureQuery:
    """The picture that the parameters of `/map` ask for. extent: of the layer, degrees, for when no box is asked for.

    Raises BadQuery."""
    parameters.known(given, MAP)
    crs = parameters.crs("crs", given.get("crs"))
    box = parameters.box(given.get("bbox"), given.get("bbox-crs")) or _everything(extent)
    edges = _edges(box, crs)
    width, height = _size(given, (edges[2] - edges[0]) / (edges[3] - edges[1]))
    frame = Frame(crs, edges, width, height)
    return PictureQuery(_drawing(layer, given, language), frame, form, _background(given, form))


def tile_query(
    layer: Layer, given: Mapping[str, str], form: Form, language: Language, place: tuple[str, str, str, str]
) -> MapTileQuery:
    """The map tile of (matrix set, level, row, column). Raises NotFound for one that does not exist, and BadQuery."""
    parameters.known(given, LOOKS)
    name, *numbers = place
    if name not in MATRIX_SETS:
        there = ", ".join(MATRIX_SETS)
        raise NotFound("tileMatrixSetId", f"there are no map tiles in {name[:60]!r}; there are {there}")
    matrices = MATRIX_SETS[name]
    if not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in numbers):
        raise NotFound("tile", f"{layer.name} has no map tile {'/'.join(part[:20] for part in numbers)}")
    level, row, column = map(int, numbers)
    if level >= matrices.levels or max(row, column) >= matrices.side(level):
        raise NotFound("tile", f"{layer.name} has no map tile {level}/{row}/{column} in {name}")
    drawing = _drawing(layer, given, language)
    return MapTileQuery(drawing, matrices, level, column, row, form, _background(given, form))


def _drawing(layer: Layer, given: Mapping[str, str], language: Language) -> Drawing:
    interval = parameters.interval(given.get("datetime"))
    return Drawing((layer,), language=language, themes=(_theme(given.get("theme")),), interval=interval)


def _theme(text: str | None) -> Theme:
    for known in THEMES:
        if text in (None, known):
            return known
    raise BadQuery("theme", f"needs one of {', '.join(THEMES)}, got {(text or '')[:40]!r}")


def _everything(extent: tuple[float, ...] | None) -> Box:
    west, south, east, north = extent or (-180.0, -85.0, 180.0, 85.0)
    return Box(west, south, max(east, west + 1e-4), max(north, south + 1e-4))


def _edges(box: Box, crs: Crs) -> tuple[float, float, float, float]:
    """The box in the CRS of the picture: itself, or what holds its outline."""
    if box.west >= box.east or box.south >= box.north:
        raise BadQuery("bbox", "needs some width and height, west of the antimeridian or east of it")
    if box.crs.srid == crs.srid:
        return box.west, box.south, box.east, box.north
    xs, ys = np.meshgrid(np.linspace(box.west, box.east, _EDGE_POINTS), np.linspace(box.south, box.north, _EDGE_POINTS))
    placed = from_lon_lat(lon_lat(np.column_stack([xs.ravel(), ys.ravel()]), box.crs), crs)
    if not np.isfinite(placed).all():
        raise BadQuery("crs", f"does not reach all of the box; {crs.code} is made for another part of the earth")
    (west, south), (east, north) = placed.min(axis=0), placed.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _size(given: Mapping[str, str], shape: float) -> tuple[int, int]:
    """Width and height in pixels; what is not asked for follows from the shape of the ground (width to height)."""
    width, height = (size(name, given[name]) if name in given else None for name in ("width", "height"))
    if width is None and height is None:
        width, height = (SIDE_PX, None) if shape >= 1 else (None, SIDE_PX)
    wide = width or round((height or 1) * shape)
    high = height or round(wide / shape)
    return tuple(min(max(side, 1), MAX_SIDE) for side in (wide, high))  # type: ignore[return-value]


def _background(given: Mapping[str, str], form: Form) -> str | None:
    """The colour behind the picture; none where it shall be transparent, which it is unless a colour is asked for."""
    colour = _COLOUR.match(given["bgcolor"]) if "bgcolor" in given else None
    if "bgcolor" in given and colour is None:
        raise BadQuery("bgcolor", f"needs 0xRRGGBB, got {given['bgcolor'][:20]!r}")
    wanted = given.get("transparent", "false" if colour else "true")
    if wanted not in ("true", "false"):
        raise BadQuery("transparent", f"needs true or false, got {wanted[:20]!r}")
    if wanted == "true" and form != "jpeg":
        return None
    return f"#{colour[1].lower()}" if colour else "#ffffff"


def box_header(frame: Frame) -> str:
    """The edges of a picture as `Content-Bbox` tells them, in the axis order of its CRS."""
    west, south, east, north = frame.edges
    edges = (south, west, north, east) if frame.crs.swap else (west, south, east, north)
    return ",".join(f"{edge:.9g}" if math.isfinite(edge) else "0" for edge in edges)
