"""The streets and alleys of a batch of squares: where they run, what they are called, where on them a door is.

Numbers follow the local grammar: odd left, even right, counted from the street's beginning; an alley (hem) bears the
number of the house it opens beside, so 45/12/3A is door 3A in alley 12 of alley 45."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from ingest.city.grid import BASE_M, Cells, Whole, bent, chance, key_of
from ingest.city.names import HIGHWAYS, STREETS
from ingest.city.plane import Array, to_lonlat

Words = NDArray[np.object_]
Flags = NDArray[np.bool_]

CLASSES = ("trunk", "primary", "secondary", "tertiary", "residential", "alley")
RESIDENTIAL, ALLEY = 4, 5
_RANK_OF_HALVING = np.array([0, 1, 2, 3, 3, 4])
RUNS_M = np.array([30_000.0, 12_000.0, 5_000.0, 2_000.0, 900.0])
"""How far a street of each class keeps its name."""
LEFT_OUT = 0.12
"""Share of the residential stretches that are not there, so that blocks differ."""
LONGEST_ALLEY_M = 450.0
BENDS = 5
"""Corners a stretch is drawn with."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Stretches of street or alley, straight in the grid; one row each.

    start: (n, 2) grid coordinates. along: (n, 2) unit vectors. rank: index into CLASSES. chain: the alleys that lead
    there, `45/12`, empty for a street. offset_m: from the beginning of the street. front_m: front per number."""

    start: Array
    along: Array
    length_m: Array
    rank: Whole
    street: Words
    chain: Words
    offset_m: Array
    front_m: Array
    key: Whole

    def __len__(self) -> int:
        return len(self.rank)

    def __getitem__(self, chosen: NDArray[np.generic]) -> Ways:
        return Ways(*(getattr(self, name)[chosen] for name in self.__slots__))

    def at(self, part: Array, aside_m: Array | float = 0.0) -> Array:
        """Places in the plane: `part` of the way along, so many metres to the left (negative: to the right)."""
        return bent(self.flat(part, aside_m))

    def flat(self, part: Array, aside_m: Array | float = 0.0) -> Array:
        """The same in grid coordinates."""
        walked = (part * self.length_m)[..., None] * self.along
        return (
            self.start + walked + np.broadcast_to(np.asarray(aside_m), np.shape(part))[..., None] * left_of(self.along)
        )

    def numbers(self, part: Array, left: Flags) -> Whole:
        """House number at a part of the way: odd on the left, even on the right."""
        walked = self.offset_m + part * self.length_m
        return 2 * np.floor(walked / self.front_m).astype(np.int64) + np.where(left, 1, 2)

    def lines(self) -> Array:
        """(n, BENDS, 2) corners in the plane."""
        return np.stack([self.at(np.full(len(self), part)) for part in np.linspace(0, 1, BENDS)], axis=1)

    def shapes(self) -> NDArray[np.object_]:
        """LineStrings in longitude and latitude."""
        return shapely.linestrings(to_lonlat(self.lines()))


def joined_ways(parts: list[Ways]) -> Ways:
    """Several sets of ways as one."""
    return Ways(*(np.concatenate([getattr(part, name) for part in parts]) for name in Ways.__slots__))


def left_of(along: Array) -> Array:
    """Unit vectors a quarter turn to the left."""
    return np.stack([-along[..., 1], along[..., 0]], axis=-1)


def streets(cells: Cells, seed: int, shrink: float) -> Ways:
    """The southern and the western side of every square. shrink: how much smaller house fronts are than at scale 1."""
    both = joined_ways([_sides(cells, seed, shrink, side) for side in (0, 1)])
    return both[(both.rank < RESIDENTIAL) | (chance(seed, 3, both.key) > LEFT_OUT)]


def branches(ways: Ways, seed: int, slots: int, share: float, reach: float) -> Ways:
    """Alleys off these ways: up to `slots` on each, each with a chance of `share`, `reach` of its length."""
    way = np.repeat(np.arange(len(ways)), slots)
    slot = np.tile(np.arange(slots), len(ways))
    key = key_of(seed, 11, ways.key[way], slot)
    there = chance(seed, 12, key) < share
    way, slot, key = way[there], slot[there], key[there]
    parent, left = ways[way], chance(seed, 13, key) < 0.5
    part = (slot + 0.2 + 0.6 * chance(seed, 14, key)) / slots
    number = parent.numbers(part, left)
    return Ways(
        start=parent.flat(part),
        along=left_of(parent.along) * np.where(left, 1.0, -1.0)[:, None],
        length_m=np.minimum(parent.length_m * reach, LONGEST_ALLEY_M) * (0.55 + 0.45 * chance(seed, 15, key)),
        rank=np.full(len(key), ALLEY),
        street=parent.street,
        chain=chained(parent.chain, number, chance(seed, 16, key) * 8),
        offset_m=np.zeros(len(key)),
        front_m=parent.front_m * 0.6,
        key=key,
    )


def chained(chain: Words, number: Whole, dice: Array) -> Words:
    """`45/12` and 3 → `45/12/3`, or `45/12/3A` for the few whose dice are below one."""
    letters = np.where(dice < 1, np.array(["A", "B", "C", "D"])[(dice * 4).astype(np.int64) % 4], "")
    texts = zip(chain.tolist(), number.tolist(), letters.tolist(), strict=True)
    return np.array([f"{c}/{n}{x}" if c else f"{n}{x}" for c, n, x in texts], dtype=object)


def _sides(cells: Cells, seed: int, shrink: float, side: int) -> Ways:
    """One side of every square: 0 the southern, which runs east, 1 the western, which runs north."""
    line, step = (cells.i, cells.j) if side else (cells.j, cells.i)
    ids = side + cells.level * 2
    rank = _rank(cells.level, line)
    street, offset = _named(line * cells.side_m, step * cells.side_m, rank, side, seed)
    return Ways(
        start=cells.at(np.zeros(len(cells)), np.zeros(len(cells))),
        along=np.tile([0.0, 1.0] if side else [1.0, 0.0], (len(cells), 1)),
        length_m=cells.side_m,
        rank=rank,
        street=street,
        chain=np.full(len(cells), "", dtype=object),
        offset_m=offset,
        front_m=np.maximum(7.0, RUNS_M[rank] / 1000) * shrink,
        key=key_of(seed, 2, ids, cells.i, cells.j),
    )


def _rank(level: Whole, line: Whole) -> Whole:
    """How important a grid line is: by the largest square whose side it is."""
    lowest_bit = np.where(line == 0, 1 << 40, line & -line)
    halvings = np.clip(level - np.log2(lowest_bit), 0, 5).astype(np.int64)
    return _RANK_OF_HALVING[halvings]


def _named(line_m: Array, walked_m: Array, rank: Whole, side: int, seed: int) -> tuple[Words, Array]:
    """The street that runs along a grid line there, and how far from its beginning that is."""
    line, sides = np.round(line_m * 8).astype(np.int64), np.full(len(rank), side)
    shift = chance(seed, 4, line, rank, sides) * RUNS_M[rank]
    run = np.floor((walked_m + shift) / RUNS_M[rank]).astype(np.int64)
    pick, kind = (chance(seed, salt, line, run, sides) for salt in (5, 6))
    numbered = np.array([f"Đường số {number}" for number in range(1, 61)], dtype=object)
    names = np.where(rank == 0, _picked(HIGHWAYS, pick), _picked(STREETS, pick))
    names = np.where((rank == RESIDENTIAL) & (kind < 0.5), _picked(numbered, pick), names)
    return names, walked_m + shift - run * RUNS_M[rank]


def _picked(words: NDArray[np.generic], dice: Array) -> Words:
    return words.astype(object)[(dice * len(words)).astype(np.int64)]


def street_along(places: Whole, level: int, seed: int) -> list[str]:
    """Names of the streets that run through whole places (n, 2) on lines of the grid at this level."""
    side_m = BASE_M / 2.0**level
    eastward = places[:, 1] % side_m == 0
    line_m = np.where(eastward, places[:, 1], places[:, 0])
    walked_m = np.where(eastward, places[:, 0], places[:, 1]).astype(float)
    rank = _rank(np.full(len(places), level), (line_m // side_m).astype(np.int64))
    by_side = [_named(line_m.astype(float), walked_m, rank, side, seed)[0] for side in (0, 1)]
    return [str(name) for name in np.where(eastward, *by_side)]
