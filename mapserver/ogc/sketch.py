"""A feature, or where a collection lies, as a small SVG path: a picture without a script and without another host."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape

Box = tuple[float, float, float, float]

SIDE = 320.0
"""Longest side of the picture in user units."""
_MARGIN = 16.0
_TELLING = 0.8
_LEAST_DEGREES = 0.0005
"""A point is shown in a frame of about 50 m."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """Paths in a view box. kind: polygon, line or point."""

    width: float
    height: float
    path: str
    kind: str


def of_geometry(geometry: Mapping[str, Any] | None) -> Sketch | None:
    """A GeoJSON geometry in longitude and latitude; None where there is nothing to draw."""
    if not geometry:
        return None
    try:
        drawn = shape(dict(geometry))
    except (ShapelyError, ValueError, KeyError, TypeError):
        return None
    if drawn.is_empty:
        return None
    frame = _Frame.around(drawn.bounds)
    parts = shapely.get_parts(shapely.simplify(drawn, max(frame.span / SIDE / 2, 1e-9)))
    kind = {"Point": "point", "LineString": "line"}.get(str(parts[0].geom_type), "polygon")
    return Sketch(frame.width, frame.height, " ".join(_path(part, frame) for part in parts if not part.is_empty), kind)


def of_boxes(own: Box, all_boxes: Iterable[Box]) -> Sketch | None:
    """One box inside the frame of all of them; None where it nearly fills that and would tell nothing."""
    whole = shapely.box(*shapely.total_bounds([shapely.box(*box) for box in all_boxes]))
    if shapely.box(*own).area > whole.area * _TELLING:
        return None
    frame = _Frame.around(whole.bounds)
    return Sketch(frame.width, frame.height, _path(shapely.box(*own), frame), "polygon")


@dataclass(frozen=True, slots=True)
class _Frame:
    west: float
    north: float
    scale: float
    squeeze: float
    width: float
    height: float
    span: float

    @classmethod
    def around(cls, bounds: Iterable[float]) -> _Frame:
        west, south, east, north = bounds
        squeeze = math.cos(math.radians(max(-80.0, min(80.0, (south + north) / 2))))
        wide, high = (east - west) * squeeze, north - south
        span = max(wide, high, _LEAST_DEGREES)
        scale = (SIDE - 2 * _MARGIN) / span
        return cls(west, north, scale, squeeze, wide * scale + 2 * _MARGIN, high * scale + 2 * _MARGIN, span)

    def place(self, coordinate: Iterable[float]) -> str:
        x, y, *_ = coordinate
        right = (x - self.west) * self.squeeze * self.scale + _MARGIN
        return f"{right:.1f} {(self.north - y) * self.scale + _MARGIN:.1f}"


def _path(part: Any, frame: _Frame) -> str:
    match part.geom_type:
        case "Point":
            return f"M{frame.place(part.coords[0])}h0"
        case "Polygon":
            return "".join(f"M{'L'.join(map(frame.place, ring.coords))}Z" for ring in (part.exterior, *part.interiors))
        case _:
            return f"M{'L'.join(map(frame.place, part.coords))}"
