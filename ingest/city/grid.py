"""A grid that looks like streets: squares that halve where the city is denser, laid over a bent plane.

Every number here is a function of whole grid coordinates and the seed, so that any part of the city can be made alone,
in any order, and neighbours still meet. Coordinates of the flat grid are u, v (metres); bent, they are x, y of the
plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.city.ground import Ground
from ingest.city.plane import Array

Whole = NDArray[np.int64]

BASE_M = 8192.0
"""Side of the largest square."""
DEEPEST = 10
CELLS_PER_WARD = 26.0
"""Squares in a ward at scale 1; wards are made to hold about the same number of people."""
BATCH = 1200
"""Squares handed out together: what bounds memory at any scale."""
TURN = np.deg2rad(14.0)
WAVES = ((9000.0, 400.0, 0.3), (9000.0, 420.0, 1.9), (2600.0, 70.0, 0.9), (2600.0, 65.0, 2.4), (800.0, 9.0, 1.3))
"""(length, height, direction) of the waves that bend the grid; steep ones would fold it."""
LATTICE = (np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2) + 0.5) / 6


@dataclass(frozen=True, slots=True)
class Cells:
    """Squares of the grid: the one at (level, i, j) spans BASE_M / 2**level from (i, j) times that."""

    level: Whole
    i: Whole
    j: Whole

    def __len__(self) -> int:
        return len(self.level)

    @property
    def side_m(self) -> Array:
        return BASE_M / 2.0**self.level

    def at(self, a: Array, b: Array) -> Array:
        """(…, 2) grid coordinates of the fractions a, b of each square."""
        return np.stack([(self.i + a) * self.side_m, (self.j + b) * self.side_m], axis=-1)

    def numbers(self) -> tuple[Whole, Whole, Whole]:
        """What tells a square from all others."""
        return self.level, self.i, self.j

    def children(self) -> Cells:
        level, i, j = (np.repeat(part, 4) for part in (self.level, self.i, self.j))
        corner = np.tile(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]), (len(self), 1))
        return Cells(level + 1, 2 * i + corner[:, 0], 2 * j + corner[:, 1])

    def __getitem__(self, chosen: NDArray[np.generic]) -> Cells:
        return Cells(self.level[chosen], self.i[chosen], self.j[chosen])


def joined(parts: list[Cells]) -> Cells:
    """Several sets of squares as one."""
    return Cells(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("level", "i", "j")))


def bent(uv: Array) -> Array:
    """Grid coordinates → the plane: turned, and pushed about by slow waves."""
    u, v = uv[..., 0], uv[..., 1]
    x = u * np.cos(TURN) - v * np.sin(TURN)
    y = u * np.sin(TURN) + v * np.cos(TURN)
    for length, height, direction in WAVES:
        phase = 2 * np.pi * (u * np.cos(direction) + v * np.sin(direction)) / length
        x, y = x + height * np.sin(phase + direction), y + height * np.cos(1.07 * phase)
    return np.stack([x, y], axis=-1)


def level_of(side_m: float) -> int:
    """The level whose squares have this side."""
    return round(float(np.log2(BASE_M / side_m)))


def flattened(xy: Array) -> Array:
    """The plane → grid coordinates: `bent` turned back, to a millimetre."""
    back = np.array([[np.cos(TURN), np.sin(TURN)], [-np.sin(TURN), np.cos(TURN)]])
    uv = xy @ back.T
    for _ in range(60):
        uv = uv + (xy - bent(uv)) @ back.T * 0.7
    return uv


def key_of(seed: int, salt: int, *numbers: Whole) -> Whole:
    """A whole number of 62 bits for each tuple of whole numbers: splitmix64, so the same everywhere and always."""
    with np.errstate(over="ignore"):
        state = _mixed(np.array(seed * 0x9E3779B1 + salt * 0x85EBCA77, dtype=np.uint64))
        for number in numbers:
            state = _mixed(state ^ np.asarray(number, dtype=np.int64).astype(np.uint64))
        return (state >> np.uint64(2)).astype(np.int64)


def chance(seed: int, salt: int, *numbers: Whole) -> Array:
    """A number in [0, 1) for each tuple of whole numbers, by the same hash."""
    return (key_of(seed, salt, *numbers) >> 9).astype(np.float64) / 2.0**53


def batches(ground: Ground, bounds: Array, scale: float, seed: int) -> Iterator[Cells]:
    """All squares of the city, BATCH or a few more at a time; the memory of a batch does not grow with scale."""
    pending: list[Cells] = []
    for tile in _tiles(ground, bounds, scale):
        pending.append(_leaves(tile, ground, scale, seed))
        if sum(map(len, pending)) >= BATCH:
            yield joined(pending)
            pending = []
    if pending:
        yield joined(pending)


def expected(ground: Ground, scale: float) -> float:
    """About how many squares `batches` gives in all."""
    return CELLS_PER_WARD * scale * len(ground.areas_m2)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _spacing(cells: Cells, ground: Ground, scale: float) -> Array:
    """(n, samples) wanted side of a square at sample places of each square; infinite off the city's ground."""
    places = bent(cells.at(*(part[:, None] for part in LATTICE.T)).swapaxes(0, 1))
    ward = ground.ward_at(places)
    wanted = np.sqrt(ground.areas_m2 / (CELLS_PER_WARD * scale))
    return np.where(ward >= 0, wanted[ward], np.inf)


def _tiles(ground: Ground, bounds: Array, scale: float) -> Iterator[Cells]:
    """Squares small enough to hold fewer than BATCH, depth first."""
    stack = _base(bounds)[::-1]
    while stack:
        tile = stack.pop()
        spacing = _spacing(tile, ground, scale)
        if not np.isfinite(spacing).any():
            continue
        held = (tile.side_m[0] ** 2 / spacing**2).mean()
        if held > BATCH and tile.level[0] < DEEPEST:
            children = tile.children()
            stack += [children[np.array([k])] for k in (3, 2, 1, 0)]
        else:
            yield tile


def _base(bounds: Array) -> list[Cells]:
    """The largest squares that may touch the bounds."""
    (west, south), (east, north) = bounds
    corners = np.array([(west, south), (west, north), (east, south), (east, north)])
    back = np.array([[np.cos(TURN), np.sin(TURN)], [-np.sin(TURN), np.cos(TURN)]])
    flat = corners @ back.T / BASE_M
    (i0, j0), (i1, j1) = np.floor(flat.min(axis=0)).astype(int) - 1, np.ceil(flat.max(axis=0)).astype(int) + 1
    zero = np.zeros(1, dtype=np.int64)
    return [Cells(zero, zero + i, zero + j) for j in range(j0, j1) for i in range(i0, i1)]


def _leaves(tile: Cells, ground: Ground, scale: float, seed: int) -> Cells:
    """The squares of a tile once each is as small as the densest ward it touches wants, on average exactly."""
    done: list[Cells] = []
    open_cells = tile
    while len(open_cells):
        spacing = _spacing(open_cells, ground, scale)
        on_ground = np.isfinite(spacing).any(axis=1)
        open_cells, spacing = open_cells[on_ground], spacing[on_ground]
        halving = (open_cells.side_m**2 / spacing.min(axis=1, initial=np.inf) ** 2 - 1) / 3
        dice = chance(seed, 1, open_cells.level, open_cells.i, open_cells.j)
        halved = (dice < halving) & (open_cells.level < DEEPEST)
        done.append(open_cells[~halved])
        open_cells = open_cells[halved].children()
    return joined(done)
