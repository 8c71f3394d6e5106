"""Bus lines of the demo city: out of one ward into another along the larger streets, a stop every half kilometre.

Lines come in groups, so that a large city never holds all of them at once; lines of a group share their stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ingest.city import City
from ingest.city.grid import Whole, bent, flattened, key_of, level_of
from ingest.city.plane import Array
from ingest.city.streets import street_along

GROUP = 130
"""Lines of a group: what there is at scale 1."""
STREET_M, STOP_M, CORNER_M = 1024.0, 512.0, 128.0
REACH_M = 12_000.0


@dataclass(frozen=True, slots=True)
class Line:
    """One bus line. flat: corners in the grid every CORNER_M; origin, destination: indexes of wards."""

    number: str
    origin: int
    destination: int
    flat: Array

    @property
    def course(self) -> Array:
        """(n, 2) corners in the plane."""
        return bent(self.flat)

    @property
    def stops(self) -> Array:
        """(n, 2) grid coordinates of the stops."""
        return self.flat[:: int(STOP_M / CORNER_M)]


@dataclass(frozen=True, slots=True)
class Stops:
    """The stops of a group: flat (n, 2) in the grid, the street each is on, the lines that call there."""

    flat: Array
    street: list[str]
    lines: list[list[str]]
    key: Whole


def groups(city: City) -> Iterator[list[Line]]:
    """All lines, GROUP × scale of them."""
    wanted = max(3, round(GROUP * city.scale))
    for first in range(0, wanted, GROUP):
        yield list(_lines(city, first, min(GROUP, wanted - first)))


def stops_of(city: City, lines: list[Line]) -> Stops:
    """Where the lines of a group call, every place once."""
    flat = np.concatenate([line.stops for line in lines])
    number = np.concatenate([np.full(len(line.stops), index) for index, line in enumerate(lines)])
    places, at = np.unique(np.round(flat).astype(np.int64), axis=0, return_inverse=True)
    calls: list[list[str]] = [[] for _ in places]
    for place, index in zip(at.tolist(), number.tolist(), strict=True):
        if lines[index].number not in calls[place]:
            calls[place].append(lines[index].number)
    level = level_of(STREET_M)
    return Stops(places.astype(float), street_along(places, level, city.seed), calls, key_of(city.seed, 31, *places.T))


def _lines(city: City, first: int, count: int) -> Iterator[Line]:
    """Drawn until enough stay in the city; a line that leaves it is thrown away."""
    rng, found, wards = city.rng("buses", first), 0, flattened(city.ward_places.xy)
    for _ in range(200 * count):
        origin = int(rng.integers(len(wards)))
        distance = np.linalg.norm(wards - wards[origin], axis=1)
        pull = np.where(distance > 3000, np.exp(-distance / REACH_M), 0)
        if pull.sum() == 0:
            continue
        destination = int(rng.choice(len(wards), p=pull / pull.sum()))
        flat = _course(wards[origin], wards[destination], rng.random())
        if len(flat) > 24 and city.ground.holds(bent(flat)).all():
            yield Line(f"{1 + first + found:02d}", origin, destination, flat)
            found += 1
        if found == count:
            return


def _course(start: Array, end: Array, part: float) -> Array:
    """Three legs along the grid's larger streets, with a corner every CORNER_M."""
    (u1, v1), (u2, v2) = np.round(start / STREET_M) * STREET_M, np.round(end / STREET_M) * STREET_M
    turn = np.round((u1 + (u2 - u1) * part) / STREET_M) * STREET_M
    legs = [(u1, v1), (turn, v1), (turn, v2), (u2, v2)]
    parts = [_leg(np.array(a), np.array(b)) for a, b in pairwise(legs)]
    return np.concatenate([*parts, [legs[-1]]])


def _leg(start: Array, end: Array) -> Array:
    steps = int(np.abs(end - start).sum() / CORNER_M)
    return start + (end - start) * np.arange(steps)[:, None] / max(steps, 1)
