"""Hexagons of several sizes, nested by their centres: each is of one larger hexagon, the one that holds its centre.

The plane is EPSG:3857; a hexagon's size is its edge in units of that plane. Axial coordinates and rounding: pointy-top
hexagons as in Snyder, Qi and Sander 1999 (coordinate systems for hexagonal pixels)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

EDGES = (600.0, 1800.0, 5400.0, 16200.0, 48600.0)
"""Edges of the hexagons, the finest first; in the city a unit of the plane is about 0.98 m."""
TOP = len(EDGES) - 1
_ROOT3 = math.sqrt(3)
_RADIUS = 6378137.0
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, order=True)
class Hex:
    """One hexagon: its level (a position in EDGES) and its axial coordinates."""

    level: int
    q: int
    r: int

    @property
    def centre(self) -> tuple[float, float]:
        """In EPSG:3857."""
        edge = EDGES[self.level]
        return edge * _ROOT3 * (self.q + self.r / 2), edge * 1.5 * self.r

    @property
    def parent(self) -> Hex:
        """The hexagon one level up that holds its centre. Raises IndexError at the top."""
        (q,), (r,) = axial(np.array([self.centre[0]]), np.array([self.centre[1]]), self.level + 1)
        return Hex(self.level + 1, int(q), int(r))

    @property
    def corners(self) -> list[tuple[float, float]]:
        """Longitude and latitude of its six corners, the first one again at the end."""
        x, y = self.centre
        edge = EDGES[self.level]
        turns = [math.radians(60 * n + 30) for n in (0, 1, 2, 3, 4, 5, 0)]
        return [_degrees(x + edge * math.cos(turn), y + edge * math.sin(turn)) for turn in turns]


def axial(x: Array, y: Array, level: int) -> tuple[Array, Array]:
    """Axial coordinates of the hexagons of a level that hold points (EPSG:3857)."""
    edge = EDGES[level]
    q, r = (_ROOT3 / 3 * x - y / 3) / edge, (2 / 3 * y) / edge
    s = -q - r
    whole_q, whole_r, whole_s = np.rint(q), np.rint(r), np.rint(s)
    off_q, off_r, off_s = np.abs(whole_q - q), np.abs(whole_r - r), np.abs(whole_s - s)
    turn_q = (off_q > off_r) & (off_q > off_s)
    turn_r = ~turn_q & (off_r > off_s)
    whole_q = np.where(turn_q, -whole_r - whole_s, whole_q)
    whole_r = np.where(turn_r, -whole_q - whole_s, whole_r)
    return whole_q.astype(np.int64), whole_r.astype(np.int64)


def holding(longitude: Array, latitude: Array, level: int = 0) -> list[Hex]:
    """The hexagon of each place (EPSG:4326)."""
    x = np.radians(longitude) * _RADIUS
    y = np.log(np.tan(math.pi / 4 + np.radians(latitude) / 2)) * _RADIUS
    q, r = axial(x, y, level)
    return [Hex(level, int(a), int(b)) for a, b in zip(q, r, strict=True)]


@lru_cache(100_000)
def parent(hexagon: Hex) -> Hex:
    """`Hex.parent`, kept."""
    return hexagon.parent


@lru_cache(100_000)
def children(hexagon: Hex) -> tuple[Hex, ...]:
    """The hexagons one level down whose parent it is."""
    x, y = hexagon.centre
    (q,), (r,) = axial(np.array([x]), np.array([y]), hexagon.level - 1)
    around = range(-3, 4)
    near = (Hex(hexagon.level - 1, int(q) + a, int(r) + b) for a in around for b in around)
    return tuple(sorted(one for one in near if parent(one) == hexagon))


def above(hexagon: Hex, level: int) -> Iterator[Hex]:
    """The hexagon and those above it, up to a level."""
    yield hexagon
    while hexagon.level < level:
        hexagon = parent(hexagon)
        yield hexagon


def _degrees(x: float, y: float) -> tuple[float, float]:
    return math.degrees(x / _RADIUS), math.degrees(2 * math.atan(math.exp(y / _RADIUS)) - math.pi / 2)
