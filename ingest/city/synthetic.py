"""The synthetic city itself: its wards, its quarters of streets and alleys, and places drawn beside them.

Same wards, seed and scale → the same city, to the byte. Everything streams: memory does not grow with scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from ingest.city import cells, grid
from ingest.city.grid import BATCH, Cells, Whole, bent, chance, key_of
from ingest.city.ground import Ground, bounds_m, ground
from ingest.city.places import Places, joined_places, one_per_ward
from ingest.city.plane import Array, to_plane
from ingest.city.real_roads import RealRoads, real_roads
from ingest.city.rivers import River, rivers
from ingest.city.streets import ALLEY, RESIDENTIAL, Ways, Words, branches, chained, joined_ways, streets

TODAY = np.datetime64("2026-06-30")
"""The last day the demo city knows; fixed, so that the city is the same whenever it is made."""
SEED = 2025
ROADS, ADDRESSES = 25_000, 200_000
"""Streets with alleys, and doors, at scale 1."""
DOORS = (9, 26)
"""How many doors may open on an alley, and on a stretch of street."""
KEPT = 8 * BATCH
"""A city of at most so many squares is made once and kept."""
HALF_WIDTHS_M = (14.0, 10.0, 8.0, 5.0, 4.0, 1.5)
CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


@dataclass(frozen=True)
class Quarter:
    """One batch of the city: its squares, its streets, the alleys off them and off each other, made when asked."""

    city: City
    cells: Cells

    @cached_property
    def streets(self) -> Ways:
        """Streets whose ends and middle are in the city; small ones do not cross rivers."""
        city, way = self.city, streets(self.cells, self.city.seed, self.city.shrink)
        inside = np.all([city.ground.holds(way.at(np.full(len(way), part))) for part in (0.0, 0.5, 1.0)], axis=0)
        way = way[inside]
        return way[~city.crosses(way) | (way.rank < RESIDENTIAL)]

    @cached_property
    def alleys(self) -> Ways:
        """Alleys that end in the city, on this side of the river."""
        city, seed = self.city, self.city.seed
        first = branches(self.streets[self.streets.rank > 0], seed, 4, city.alley_share, 0.42)
        both = joined_ways([first, branches(first, seed + 1, 2, 0.3, 0.6)])
        both = both[city.ground.holds(both.at(np.ones(len(both))))]
        return both[~city.crosses(both)]

    @cached_property
    def ways(self) -> Ways:
        return joined_ways([self.streets, self.alleys])


@dataclass(frozen=True)
class City:
    """A city to draw from. wards: code, name, full_name, geometry (EPSG:4326), by code. scale: 1 is the default."""

    wards: gpd.GeoDataFrame
    scale: float = 1.0
    seed: int = SEED
    real_roads: RealRoads | None = None

    @cached_property
    def ground(self) -> Ground:
        return ground(self.wards)

    @cached_property
    def rivers(self) -> tuple[River, ...]:
        return rivers()

    @cached_property
    def water(self) -> shapely.Geometry:
        """All river surface, in the plane, ready for many questions."""
        surface = shapely.union_all([river.water() for river in self.rivers])
        shapely.prepare(surface)
        return surface

    @cached_property
    def cell_count(self) -> int:
        """How many squares there are in all: what shares are measured by."""
        return sum(len(batch) for batch in self.cells())

    @property
    def shrink(self) -> float:
        """How much smaller everything is than at scale 1, so that N times as much fits in the same wards."""
        return float(min(1.0, self.scale**-0.5))

    def rng(self, *words: str | int) -> np.random.Generator:
        """A generator of its own for each purpose, so that no layer shifts the numbers of another."""
        return np.random.default_rng([self.seed, *(crc32(str(word).encode()) for word in words)])

    def cells(self) -> Iterator[Cells]:
        return grid.batches(self.ground, bounds_m(self.wards), self.scale, self.seed)

    def quarters(self) -> Iterator[Quarter]:
        """The whole city, a batch at a time, always in the same order; a small city is kept in memory."""
        yield from self._kept or self._made()

    @cached_property
    def _kept(self) -> list[Quarter]:
        return list(self._made()) if self.cell_count <= KEPT else []

    def _made(self) -> Iterator[Quarter]:
        return (Quarter(self, batch) for batch in self.cells())

    def places(self, what: str, total: float) -> Iterator[Places]:
        """`total` × scale places in all, spread as the streets are. what: the purpose; each has places of its own."""
        for number, (quarter, count) in enumerate(self._shares(total * self.scale)):
            if count:
                yield self._drawn(quarter.ways, count, self.rng("places", what, number))

    def roomy_places(self, what: str, total: float) -> Iterator[tuple[Places, Array]]:
        """The same, but where streets are far apart, with the distance to the next one in metres."""
        for number, (quarter, count) in enumerate(self._shares(total * self.scale)):
            if count:
                rng, way = self.rng("roomy", what, number), quarter.streets
                chosen = way[rng.choice(len(way), count, p=way.length_m**1.5 / (way.length_m**1.5).sum())]
                yield self._beside(chosen, rng), chosen.length_m

    def on_streets(self, what: str, total: float, least_rank: int = RESIDENTIAL - 1) -> Iterator[Places]:
        """The same, but only along streets of at least that importance (where there are any)."""
        for number, (quarter, count) in enumerate(self._shares(total * self.scale)):
            larger = quarter.streets[quarter.streets.rank <= least_rank]
            if count:
                ways = larger if len(larger) else quarter.streets
                yield self._drawn(ways, count, self.rng("streets", what, number))

    def doors(self, total: float) -> Iterator[Places]:
        """`total` × scale doors in all: slots along every street and alley, no slot twice."""
        for number, (quarter, count) in enumerate(self._shares(total * self.scale)):
            way = quarter.ways
            row = np.repeat(np.arange(len(way)), np.where(way.rank == ALLEY, *DOORS))
            slot = np.arange(len(row)) - np.searchsorted(row, row)
            chosen = np.sort(self.rng("doors", number).permutation(len(row))[:count])
            yield self._door(way[row[chosen]], slot[chosen])

    def squares(self, what: str, total: float, green: bool) -> Iterator[tuple[Cells, Whole]]:
        """`total` × scale squares of the city, each with a key; none twice, none across a river or the city's edge.

        green: from the half of them that parks take; the others are for water."""
        for number, (quarter, count) in enumerate(self._shares(total * self.scale)):
            key = key_of(self.seed, 41, *quarter.cells.numbers())
            free = np.flatnonzero(self._dry_inside(quarter.cells) & ((key % 2 == 0) == green))
            chosen = np.sort(self.rng("squares", what, number).permutation(free)[:count])
            yield quarter.cells[chosen], key[chosen]

    @cached_property
    def ward_places(self) -> Places:
        """One place in every ward, whatever the scale: on the street nearest to its middle, or at the middle."""
        middles = to_plane(shapely.get_coordinates(shapely.point_on_surface(self.wards.geometry.to_numpy())))
        found = [one_per_ward(self._halfway(quarter.streets), middles) for quarter in self.quarters()]
        near = one_per_ward(joined_places(found), middles)
        without = np.setdiff1d(np.arange(len(middles)), near.ward)
        places = joined_places([near, _nameless(middles[without], without)])
        return places[np.argsort(places.ward)]

    def _halfway(self, way: Ways) -> Places:
        """One place on the left of each street, at half its length."""
        half = np.full(len(way), 0.5)
        xy, street = self._by_real_roads(way.at(half, 9.0), way.street)
        number = chained(way.chain, way.numbers(half, half > 0), half + 1)
        return Places(xy, street, number, way.rank, self.ground.ward_at(xy), way.key)

    def _drawn(self, ways: Ways, count: int, rng: np.random.Generator) -> Places:
        return self._beside(ways[rng.integers(0, len(ways), count)], rng)

    def _beside(self, way: Ways, rng: np.random.Generator) -> Places:
        """One place beside each of these ways."""
        count = len(way)
        part, left = rng.uniform(0.03, 0.97, count), rng.random(count) < 0.5
        aside = rng.uniform(0.02, 0.06, count) * way.length_m.clip(40, 300)
        part, xy = self._kept_in(way, part, np.where(left, aside, -aside))
        number = chained(way.chain, way.numbers(part, left), rng.uniform(0, 12, count))
        xy, street = self._by_real_roads(xy, way.street)
        return Places(xy, street, number, way.rank, self.ground.ward_at(xy), rng.integers(0, 1 << 59, count))

    def _by_real_roads(self, xy: Array, street: Words) -> tuple[Array, Words]:
        """Places moved beside real roads, where those were loaded and that does not move them out of the city."""
        if self.real_roads is None:
            return xy, street
        moved, renamed = self.real_roads.beside(xy, street)
        inside = self.ground.holds(moved)
        return np.where(inside[:, None], moved, xy), np.where(inside, renamed, street)

    def _door(self, way: Ways, slot: Whole) -> Places:
        key = key_of(self.seed, 21, way.key, slot)
        slots = np.where(way.rank == ALLEY, *DOORS)
        part, left = (slot + 0.15 + 0.7 * chance(self.seed, 22, key)) / slots, slot % 2 == 0
        aside = 3.0 + np.array(HALF_WIDTHS_M)[way.rank] + 4 * chance(self.seed, 23, key)
        part, xy = self._kept_in(way, part, np.where(left, aside, -aside) * self.shrink)
        number = chained(way.chain, way.numbers(part, left), chance(self.seed, 24, key) * 10)
        return Places(xy, way.street, number, way.rank, self.ground.ward_at(xy), key)

    def _shares(self, total: float) -> Iterator[tuple[Quarter, int]]:
        """Every quarter and how many of `total` features it gets: by its squares, and exact in sum."""
        seen, given = 0, 0
        for quarter in self.quarters():
            seen += len(quarter.cells)
            due = round(total * seen / self.cell_count)
            yield quarter, due - given
            given = due

    @cached_property
    def alley_share(self) -> float:
        """How often an alley opens, so that there are ROADS × scale ways in all."""
        wanted = (ROADS * self.scale - 1.8 * self.cell_count) / self.cell_count
        return float(np.clip(wanted / 10.0, 0.15, 1.0))

    def _kept_in(self, way: Ways, part: Array, aside_m: Array) -> tuple[Array, Array]:
        """Parts and places; where a long way leaves the city for a while, its end, which is in the city."""
        part = np.where(self.ground.holds(way.at(part, aside_m)), part, 1.0)
        return part, way.at(part, np.where(part < 1, aside_m, 0.0))

    def _dry_inside(self, cells: Cells) -> NDArray[np.bool_]:
        """Squares that lie in the city and touch no river."""
        corners = bent(np.stack([cells.at(np.full(len(cells), a), np.full(len(cells), b)) for a, b in CORNERS], axis=1))
        return self.ground.holds(corners).all(axis=1) & ~shapely.intersects(self.water, shapely.polygons(corners))

    def crosses(self, ways: Ways) -> NDArray[np.bool_]:
        """Which ways touch a river."""
        return shapely.intersects(self.water, shapely.linestrings(ways.lines()))


def _nameless(xy: Array, ward: Whole) -> Places:
    """Places in wards without any street: number 1 of the first one there will be."""
    street, number = (np.full(len(ward), text, dtype=object) for text in ("Đường số 1", "1"))
    return Places(xy, street, number, np.full(len(ward), RESIDENTIAL), ward, ward)


def city(
    wards: gpd.GeoDataFrame | None = None,
    scale: float = 1.0,
    seed: int | None = None,
    roads: gpd.GeoDataFrame | None = None,
) -> City:
    """A city in these wards (code, name, full_name, geometry), on made-up outlines when there are none.

    roads: real ones (name, rank, geometry) that places stand beside and buses run along. All in EPSG:4326."""
    real = None if roads is None or roads.empty else real_roads(roads)
    return City(cells.wards() if wards is None else wards, scale, SEED if seed is None else seed, real)
