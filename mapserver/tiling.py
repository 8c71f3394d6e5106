"""The vector tiles of one worker: out of memory, out of the folder that all workers share, or made.

Whoever shows tiles asks here: so what is kept, for how long and for whose eyes is one thing."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from mapserver import __version__
from mapserver.catalogue import Catalogue
from mapserver.coding import digest
from mapserver.encoder import encoder
from mapserver.fetching import Fetching
from mapserver.freshness import Freshness
from mapserver.layer import Layer
from mapserver.query import Caller, TileQuery
from mapserver.settings import Settings
from mapserver.store import Store, StoreError
from mapserver.tilecache import Tile, TileCache
from mapserver.tilefolder import TileFolder, tile_folder

FOLDER = "tiles"
"""In the data folder."""
UNDEFINED_TABLE = "42P01"
MOST_WRITING = 64
"""Tiles that wait to be written to disk; beyond, one is not kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A tile that is asked for, as it will be answered. version: of what it is made of; None where nobody can say."""

    query: TileQuery
    version: str | None


class Tiles:
    """Asks the folder and the store; keeps what it was given."""

    def __init__(self, fetching: Fetching, freshness: Freshness, memory: TileCache | None, folder: TileFolder | None):
        self._fetching, self._freshness = fetching, freshness
        self._memory, self._folder = memory, folder
        self._writer = ThreadPoolExecutor(1, "tiles to disk") if folder else None
        self._writing = set[Future[None]]()

    async def asked(self, query: TileQuery) -> Asked:
        """The question, put to the layer's generalised copy where that can answer it."""
        version = await self.version(query.layer)
        copied = query.whole and version is not None and query.z in query.layer.tiles.generalised_zooms
        if copied and await self._freshness.generalised(query.layer):
            return Asked(replace(query, generalised=True), f"{version} generalised")
        return Asked(query, version)

    async def version(self, layer: Layer) -> str | None:
        """The layer's version; None when nobody can say."""
        return await self._freshness.version(layer)

    async def tile(self, asked: Asked, caller: Caller) -> Tile:
        """The tile; kept by the version of its layer where nothing of the layer is left out by conditions."""
        query, version = asked.query, asked.version
        if self._memory is None or version is None or not query.whole:
            return Tile("", await self._made(query, caller))
        key = (query.layer.name, caller.rights_class, query.z, query.x, query.y)
        return self._memory.get(key, version) or await self._found(key, asked, caller)

    async def content(self, query: TileQuery, caller: Caller) -> bytes:
        """The bytes of a tile, for whoever draws it."""
        return (await self.tile(await self.asked(query), caller)).content

    async def _made(self, query: TileQuery, caller: Caller) -> bytes:
        """The tile, of the layer itself where its copy was thrown away a moment ago."""
        try:
            return await self._fetching.tile(query, caller)
        except StoreError as error:
            if not (query.generalised and error.sqlstate == UNDEFINED_TABLE):
                raise
            return await self._fetching.tile(replace(query, generalised=False), caller)

    def _write(self, key: Hashable, tile: Tile) -> None:
        if self._writer and self._folder and len(self._writing) < MOST_WRITING:
            done = self._writer.submit(self._folder.keep, key, tile)
            self._writing.add(done)
            done.add_done_callback(self._writing.discard)

    async def settled(self) -> None:
        """Waits for the tiles that are on their way to the disk."""
        await asyncio.gather(*map(asyncio.wrap_future, [*self._writing]))

    async def close(self) -> None:
        """Waits for them, and lets go of the disk."""
        if self._writer and self._folder:
            await asyncio.to_thread(self._writer.shutdown)
            self._folder.close()

    async def _found(self, key: Hashable, asked: Asked, caller: Caller) -> Tile:
        """Out of the folder, or made; then kept. Its description beside the version: that changes with its file."""
        lasting = (key, described(asked.query.layer), self._fetching.encodes)
        tile = self._folder.get(lasting, asked.version or "") if self._folder else None
        if tile is None:
            tile = Tile(asked.version or "", await self._made(asked.query, caller))
            self._write(lasting, tile)
        return self._memory.keep(key, tile) if self._memory else tile


def tiles(settings: Settings, catalogue: Catalogue, store: Store, app_dsn: str) -> Tiles:
    """The tiles of a worker, as the settings want them kept."""
    room = settings.tiles_mb * 2**20 if settings.cache else 0
    folder = tile_folder(settings.data / FOLDER, room, _named(app_dsn))
    return Tiles(
        Fetching(store, encoder()), Freshness(catalogue, store), TileCache() if settings.cache else None, folder
    )


@lru_cache(256)
def described(layer: Layer) -> str:
    """What the layer's file says, in short: another description is another answer."""
    return digest(f"{__version__} {replace(layer, folder=Path())!r}".encode())


def _named(dsn: str) -> str:
    """The database, by where it is; not how one enters it."""
    parts = conninfo_to_dict(dsn)
    return repr([parts.get(name) for name in ("host", "hostaddr", "port", "dbname")])
