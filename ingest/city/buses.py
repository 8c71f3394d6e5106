"""Bus lines of the demo city: out of one ward into another along the larger streets, a stop every half kilometre.

Lines come in groups, so that a large city never holds all of them at once; lines of a group share their stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ingest.city import City
from ingest.city.grid import Whole, bent, chance, flattened, key_of, level_of
from ingest.city.plane import Array
from ingest.city.real_roads import Network
from ingest.city.streets import street_along

GROUP = 130
"""Lines of a group: what there is at scale 1."""
STREET_M, STOP_M, CORNER_M = 1024.0, 512.0, 128.0
SHORTEST_M, REACH_M = 3_000.0, 12_000.0
NEAR_M = 1_500.0
"""A line runs along real roads when both its ends are this near to one."""
TRIES = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One bus line, in the plane. origin, destination: indexes of wards; streets: the one each stop is on."""

    number: str
    origin: int
    destination: int
    course: Array
    stops: Array
    streets: list[str]

    @property
    def length_m(self) -> float:
        return float(np.linalg.norm(np.diff(self.course, axis=0), axis=1).sum())


@dataclass(frozen=True, slots=True)
class Stops:
    """The stops of a group, every place once: xy in the plane, the street, the lines that call there."""

    xy: Array
    street: list[str]
    lines: list[list[str]]
    key: Whole


def groups(city: City) -> Iterator[list[Line]]:
    """All lines, GROUP × scale of them."""
    wanted = max(3, round(GROUP * city.scale))
    for first in range(0, wanted, GROUP):
        yield list(_lines(city, first, min(GROUP, wanted - first)))


def stops_of(city: City, lines: list[Line]) -> Stops:
    """Where the lines of a group call."""
    calls: dict[tuple[int, int], list[str]] = {}
    streets: dict[tuple[int, int], str] = {}
    for line in lines:
        for (x, y), street in zip(np.round(line.stops).astype(int).tolist(), line.streets, strict=True):
            streets.setdefault((x, y), street)
            called = calls.setdefault((x, y), [])
            if line.number not in called:
                called.append(line.number)
    places = np.array(list(calls))
    return Stops(places.astype(float), list(streets.values()), list(calls.values()), key_of(city.seed, 31, *places.T))


def _lines(city: City, first: int, count: int) -> Iterator[Line]:
    """Drawn until enough stay in the city; a line that leaves it is thrown away."""
    rng, found, wards = city.rng("buses", first), 0, city.ward_places.xy
    for _ in range(TRIES * count):
        origin = int(rng.integers(len(wards)))
        distance = np.linalg.norm(wards - wards[origin], axis=1)
        pull = np.where(distance > SHORTEST_M, np.exp(-distance / REACH_M), 0)
        if pull.sum() == 0:
            continue
        destination = int(rng.choice(len(wards), p=pull / pull.sum()))
        line = _line(city, f"{1 + first + found:02d}", origin, destination, rng.random())
        if line.length_m > SHORTEST_M and city.ground.holds(line.course).all():
            yield line
            found += 1
        if found == count:
            return


def _line(city: City, number: str, origin: int, destination: int, part: float) -> Line:
    """Along real roads where there are any near both ends, else along the generator's own streets."""
    ends = city.ward_places.xy[[origin, destination]]
    network = city.real_roads.network if city.real_roads else None
    path = network.path(*ends, NEAR_M) if network else np.empty(0, dtype=np.int64)
    if network and len(path) > 1:
        calls = _calls(network, path, city.seed)
        return Line(number, origin, destination, network.xy[path], network.xy[calls], network.names[calls].tolist())
    flat = _course(*flattened(ends), part)
    stops = flat[:: int(STOP_M / CORNER_M)]
    streets = street_along(np.round(stops).astype(np.int64), level_of(STREET_M), city.seed)
    return Line(number, origin, destination, bent(flat), bent(stops), streets)


def _calls(network: Network, path: Whole, seed: int) -> Whole:
    """Nodes of a path where its buses stop: the ends, and in every half kilometre the node that drew the lowest number.

    Every line draws the same numbers, so that those along one road mostly share their stops."""
    xy = network.xy[path]
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(xy, axis=0), axis=1))])
    dice = chance(seed, 34, path)
    order = np.lexsort((dice, walked // STOP_M))
    first = order[np.unique((walked // STOP_M)[order], return_index=True)[1]]
    return path[np.unique(np.concatenate([[0], first, [len(path) - 1]]))]


def _course(start: Array, end: Array, part: float) -> Array:
    """Three legs along the grid's larger streets, in the grid, with a corner every CORNER_M."""
    (u1, v1), (u2, v2) = np.round(start / STREET_M) * STREET_M, np.round(end / STREET_M) * STREET_M
    turn = np.round((u1 + (u2 - u1) * part) / STREET_M) * STREET_M
    legs = [(u1, v1), (turn, v1), (turn, v2), (u2, v2)]
    parts = [_leg(np.array(a), np.array(b)) for a, b in pairwise(legs)]
    return np.concatenate([*parts, [legs[-1]]])


def _leg(start: Array, end: Array) -> Array:
    steps = int(np.abs(end - start).sum() / CORNER_M)
    return start + (end - start) * np.arange(steps)[:, None] / max(steps, 1)
