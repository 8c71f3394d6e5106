"""Where petitions are, as far as they say: the point, its ward of today, and how well the place is known.

Who names only a ward gets a point inside it; who names no place at all, a point inside the city. Both are marked so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import shapely

from mapserver.shapes import Array
from mapserver.text import folded
from mapserver.wards import Wards, wards_in

POINT, WARD, CITY = "point", "ward", "city"
SOMEWHERE = (106.7, 10.78)
"""Longitude and latitude for what has no place, before any wards are loaded."""


@dataclass(frozen=True, slots=True)
class Places:
    """Points (EPSG:4326) with their ward code and precision; lost: positions whose coordinates are not in the city.

    unknown: positions of rows whose ward is none, or more than one."""

    points: Array
    wards: list[str | None]
    precision: list[str]
    lost: tuple[int, ...]
    unknown: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Placer:
    """The wards of today, ready to be asked by place, code and name."""

    wards: Wards
    by_word: dict[str, int]
    """Position of a ward by its code, and by its name where only one has it."""
    inside: Array
    anywhere: Any

    def places(self, given: dict[str, list[Any]]) -> Places:
        """Places of rows with `longitude`, `latitude`, `ward` and `precision`, any of which may be missing."""
        count = len(given["longitude"])
        xy = np.array([given["longitude"], given["latitude"]], dtype=float)
        located = np.isfinite(xy).all(axis=0)
        points = np.full(count, self.anywhere, object)
        points[located] = shapely.points(xy[0][located], xy[1][located])
        found = np.full(count, -1, np.int64)
        found[located] = self.wards.holding(points[located])
        named = [self.by_word.get(folded(str(word)), -1) if word else None for word in given["ward"]]
        only = np.array([at if at is not None and not here else -1 for at, here in zip(named, located, strict=True)])
        points[only >= 0] = self.inside[only[only >= 0]] if len(self.inside) else points[only >= 0]
        found = np.where(only >= 0, only, found)
        best = np.where(located, POINT, np.where(found >= 0, WARD, CITY)).tolist()
        return Places(
            points=points,
            wards=self.wards.codes_of(found).to_pylist() if len(self.wards) else [None] * count,
            precision=[_precision(said, able) for said, able in zip(given["precision"], best, strict=True)],
            lost=tuple(int(at) for at in np.flatnonzero(located & ~self._in_city(xy))),
            unknown=tuple(at for at, ward in enumerate(named) if ward == -1 and not located[at]),
        )

    def _in_city(self, xy: Array) -> Array:
        west, south, east, north = self.wards.box
        with np.errstate(invalid="ignore"):
            inside: Array = (xy[0] >= west) & (xy[0] <= east) & (xy[1] >= south) & (xy[1] <= north)
        return inside


def _precision(said: str | None, able: str) -> str:
    """What is said of a point holds; nobody knows a place better than by what they give."""
    return said if said and able == POINT and said not in (WARD, CITY) else able


def placer(conn: psycopg.Connection[Any]) -> Placer:
    """The placer of a database."""
    wards = wards_in(conn)
    inside = shapely.point_on_surface(wards.shapes) if len(wards) else np.array([], object)
    words: dict[str, int] = {}
    twice: set[str] = set()
    for name, code in _names(conn) if len(wards) else ():
        at = int(np.searchsorted(wards.codes.astype(str), code))
        for word in {folded(name), folded(name.split(" ", 1)[-1])}:
            twice |= {word} if words.setdefault(word, at) != at else set()
    words = {word: at for word, at in words.items() if word not in twice}
    words |= {folded(str(code)): at for at, code in enumerate(wards.codes)}
    west, south, east, north = wards.box
    middle = shapely.Point((west + east) / 2, (south + north) / 2) if len(wards) else shapely.Point(SOMEWHERE)
    anywhere = inside[int(np.argmin(shapely.distance(inside, middle)))] if len(inside) else middle
    return Placer(wards, words, inside, anywhere)


def _names(conn: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    return conn.execute("SELECT full_name, code FROM layers.wards").fetchall()
