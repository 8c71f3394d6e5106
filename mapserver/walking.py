"""Walks the tiles that hold something of a layer: to keep them before they are asked for, or to write them down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import morecantile

from mapserver import statements
from mapserver.layer import Layer
from mapserver.query import ANYONE, Box, Caller, TileQuery
from mapserver.store import Store
from mapserver.tilecache import Tile
from mapserver.tiling import Tiles

TOGETHER = 16
"""Tiles that are asked for at a time."""
CHUNK = 2000
"""Tiles that one question asks whether anything is in them."""
_QUAD = morecantile.tms.get("WebMercatorQuad")
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Region:
    """Where and at which zooms. box: in longitude and latitude; None means all of a layer. zooms: None, all of them."""

    box: Box | None = None
    zooms: range | None = None

    def of(self, layer: Layer) -> range:
        """The zooms of a layer that are meant; beyond its last one it goes on, so that it does not vanish."""
        asked = self.zooms or range(layer.tiles.min_zoom, layer.tiles.max_zoom + 1)
        return range(max(asked.start, layer.tiles.min_zoom), asked.stop)


async def extent(store: Store, layer: Layer, caller: Caller = ANYONE) -> Box | None:
    """The box of a layer in longitude and latitude; None when it holds nothing."""
    edges = next(iter(await store.fetch(caller, statements.extent(layer))))[:4]
    if None in edges:
        return None
    west, south, east, north = (float(edge or 0) for edge in edges)
    last = statements.MERCATOR_LATITUDE
    return Box(west, min(max(south, -last), last), east, min(max(north, -last), last))


async def peopled(store: Store, layer: Layer, region: Region, caller: Caller = ANYONE) -> list[TileQuery]:
    """The tiles of a region that anything of the layer reaches into, zoom by zoom."""
    box = region.box or await extent(store, layer, caller)
    zooms, out = region.of(layer), list[TileQuery]()
    if box is None or not zooms:
        return out
    places = [*product(*_edges(box, zooms.start))]
    for zoom in zooms:
        full = [place async for place in _full(store, layer, zoom, places, caller)]
        out += [TileQuery(layer, zoom, x, y) for x, y in full]
        columns, rows = _edges(box, zoom + 1)
        finer = ((2 * x + i, 2 * y + j) for x, y in full for i in (0, 1) for j in (0, 1))
        places = [(x, y) for x, y in finer if x in columns and y in rows]
    return out


async def drawn(tiles: Tiles, queries: Iterable[TileQuery], caller: Caller) -> AsyncIterator[tuple[TileQuery, Tile]]:
    """Each tile, as the server would send it, some at a time."""

    async def one(query: TileQuery) -> Tile:
        return await tiles.tile(await tiles.asked(query), caller)

    asked = list(queries)
    for start in range(0, len(asked), TOGETHER):
        some = asked[start : start + TOGETHER]
        for query, tile in zip(some, await asyncio.gather(*map(one, some)), strict=True):
            yield query, tile
        await tiles.settled()


async def _full(store: Store, layer: Layer, zoom: int, places: Sequence[Place], caller: Caller) -> AsyncIterator[Place]:
    for start in range(0, len(places), CHUNK):
        rows = await store.fetch(caller, statements.peopled(layer, zoom, places[start : start + CHUNK]))
        for x, y in rows:
            yield int(x or 0), int(y or 0)


def _edges(box: Box, zoom: int) -> tuple[range, range]:
    """The columns and the rows of tiles that a box reaches into."""
    first, last = _QUAD.tile(box.west, box.north, zoom), _QUAD.tile(box.east, box.south, zoom)
    return range(first.x, last.x + 1), range(first.y, last.y + 1)
