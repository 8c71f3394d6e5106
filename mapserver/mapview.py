"""Where a picture lies on the ground, and what has to be drawn in Web Mercator to make it.

A Frame is what is asked for, in any CRS; a Shot is what MapLibre draws. Pure arithmetic; lengths are metres of Web
Mercator unless a name says otherwise. Source of the constants: the style specification's 512 px tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mapserver.crs import EDGE_OF_WEB_MERCATOR, WEB_MERCATOR, Crs
from mapserver.matrices import Edges
from mapserver.projection import lon_lat

WORLD_M = 2 * EDGE_OF_WEB_MERCATOR
RADIUS_M = EDGE_OF_WEB_MERCATOR / math.pi
TILE_PX = 512
MAX_ZOOM = 24.0
MAX_SIDE_PX = 8192
"""The longest side of a drawn picture, in device pixels."""
FINE = 2
"""Device pixels for each pixel of a picture that is warped: letters stay sharp."""
MOST_FINE_PX = 2048 * 2048
"""Above this many pixels a warped picture is drawn at its own resolution."""
_SAMPLES = 33
"""Points along each side of the lattice that a frame is looked at through."""
_SQUARE = 1e-6


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture: its edges (west, south, east, north, x before y) in a CRS, and its size in pixels."""

    crs: Crs
    edges: Edges
    width: int
    height: int

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel in units of the CRS."""
        west, south, east, north = self.edges
        return (east - west) / self.width, (north - south) / self.height


@dataclass(frozen=True, slots=True)
class Shot:
    """A north-up Web Mercator picture: its top left corner, the ground of a pixel, size in pixels, and finer pixels."""

    left: float
    top: float
    pixel: float
    width: int
    height: int
    ratio: int = 1

    @property
    def zoom(self) -> float:
        """The zoom at which MapLibre draws it."""
        return math.log2(WORLD_M / (TILE_PX * self.pixel))

    @property
    def edges(self) -> Edges:
        """West, south, east, north."""
        return self.left, self.top - self.height * self.pixel, self.left + self.width * self.pixel, self.top

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of its middle, degrees."""
        west, south, east, north = self.edges
        x, y = (west + east) / 2, (south + north) / 2
        return math.degrees(x / RADIUS_M), math.degrees(math.atan(math.sinh(y / RADIUS_M)))


@dataclass(frozen=True, slots=True)
class View:
    """How a frame comes about. straight: the shot is the picture; else it is warped into it."""

    shot: Shot
    straight: bool


def view(frame: Frame) -> View | None:
    """The shot that shows all of a frame; None where the frame meets no place that Web Mercator has."""
    straight = _straight(frame)
    if straight is not None:
        return View(straight, True)
    ground = _ground(frame)
    if ground is None:
        return None
    (west, south, east, north), pixel = ground
    fine = FINE if frame.width * frame.height <= MOST_FINE_PX else 1
    most = MAX_SIDE_PX // fine - 4
    pixel = max(pixel, WORLD_M / (TILE_PX * 2**MAX_ZOOM), (east - west) / most, (north - south) / most)
    pixel = min(pixel, WORLD_M / TILE_PX)
    width, height = (math.ceil(side / pixel) + 2 for side in (east - west, north - south))
    if pixel * TILE_PX >= WORLD_M:
        return View(Shot(-EDGE_OF_WEB_MERCATOR, EDGE_OF_WEB_MERCATOR, pixel, TILE_PX, TILE_PX, fine), False)
    return View(Shot(west - pixel, north + pixel, pixel, width, height, fine), False)


def covering(shot: Shot, tile_px: int, min_zoom: int, max_zoom: int) -> list[tuple[int, int, int]]:
    """(z, x, y) of every tile that MapLibre takes for a shot from a source of these zooms.

    Sources of 512 px (vectors) are taken at the zoom below, those of 256 px (pictures) at the nearest."""
    wanted = shot.zoom + math.log2(TILE_PX / tile_px)
    zoom = min(math.floor(wanted + 1e-9) if tile_px == TILE_PX else round(wanted), max_zoom)
    if zoom < min_zoom:
        return []
    span, last = WORLD_M / 2**zoom, 2**zoom - 1
    west, south, east, north = shot.edges
    columns = _cells(west + EDGE_OF_WEB_MERCATOR, east + EDGE_OF_WEB_MERCATOR, span, last)
    rows = _cells(EDGE_OF_WEB_MERCATOR - north, EDGE_OF_WEB_MERCATOR - south, span, last)
    return [(zoom, x, y) for y in rows for x in columns]


def _cells(first: float, end: float, span: float, last: int) -> range:
    return range(max(0, math.floor(first / span)), min(last, math.floor(end / span)) + 1)


def _straight(frame: Frame) -> Shot | None:
    """The frame itself as a shot, where it is a square-pixelled piece of the Web Mercator world."""
    west, south, east, north = frame.edges
    across, down = frame.pixel
    edge = EDGE_OF_WEB_MERCATOR * (1 + 1e-9)
    inside = min(west, south) >= -edge and max(east, north) <= edge
    if frame.crs != WEB_MERCATOR or not inside or abs(across / down - 1) > _SQUARE:
        return None
    shot = Shot(west, north, across, frame.width, frame.height)
    return shot if 0 <= shot.zoom <= MAX_ZOOM else None


def _ground(frame: Frame) -> tuple[Edges, float] | None:
    """The box in Web Mercator that a frame meets, and the ground of one of its pixels there."""
    x, y = _mercator(frame, *_lattice(frame))
    seen = np.isfinite(x) & np.isfinite(y)
    if not seen.any():
        return None
    box = (float(x[seen].min()), float(y[seen].min()), float(x[seen].max()), float(y[seen].max()))
    pixel = math.sqrt((box[2] - box[0]) * (box[3] - box[1]) / (frame.width * frame.height))
    return (box, pixel) if pixel > 0 else None


def _lattice(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    west, south, east, north = frame.edges
    domain_west, domain_south, domain_east, domain_north = frame.crs.domain
    xs = np.linspace(max(west, domain_west), min(east, domain_east), _SAMPLES)
    ys = np.linspace(max(south, domain_south), min(north, domain_north), _SAMPLES)
    across, down = np.meshgrid(xs, ys)
    return across.ravel(), down.ravel()


def _mercator(frame: Frame, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the frame's CRS in Web Mercator, cut to its world; infinite where there are none."""
    if frame.crs == WEB_MERCATOR:
        return _cut(x), _cut(y)
    degrees = lon_lat(np.column_stack([x, y]), frame.crs)
    longitude, latitude = np.radians(degrees[:, 0]), np.radians(np.clip(degrees[:, 1], -89.9, 89.9))
    return _cut(RADIUS_M * longitude), _cut(RADIUS_M * np.arcsinh(np.tan(latitude)))


def _cut(values: np.ndarray) -> np.ndarray:
    cut: np.ndarray = np.clip(values, -EDGE_OF_WEB_MERCATOR, EDGE_OF_WEB_MERCATOR)
    return np.where(np.isfinite(values), cut, values)
