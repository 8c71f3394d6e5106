"""Tiles on disk, shared by all workers of a host and kept over restarts: packed once, bounded, oldest out first.

A tile is found by all that it depends on, its layer's version too, so that none is ever stale; what is outdated is not
looked for and goes when room is needed. A folder that cannot be used, or breaks, only makes tiles slower."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Hashable
from pathlib import Path

import zstandard
from diskcache_community import FanoutCache, SafeDisk
from diskcache_community import Timeout as Locked

from mapserver.coding import KEPT, digest
from mapserver.tilecache import Tile

SHARDS = 4
"""Files that writers lock one at a time."""
LOCKED_S = 0.05
"""A writer waits so long for another; then the tile is not kept."""
MOST_BYTES = 64 * 2**20
"""No packed tile unpacks to more."""
_log = logging.getLogger(__name__)
_FAULTS = (sqlite3.Error, OSError, Locked, zstandard.ZstdError)


class TileFolder:
    """The folder. of: names what the tiles come from, so that two databases never share one."""

    def __init__(self, folder: Path, room_bytes: int, of: str) -> None:
        self._of = of
        self._cache = FanoutCache(
            str(folder), shards=SHARDS, timeout=LOCKED_S, size_limit=room_bytes, disk=SafeDisk,
            eviction_policy="least-recently-stored", tag_index=False, statistics=False,
            sqlite_mmap_size=0,  # a mapped file that somebody cuts short would end the worker by a signal
        )  # fmt: skip

    def get(self, key: Hashable, version: str) -> Tile | None:
        """The tile of this version, if it is here."""
        try:
            packed = self._cache.get(self._name(key, version))
            if not isinstance(packed, bytes):
                return None
            content = zstandard.ZstdDecompressor().decompress(packed, max_output_size=MOST_BYTES) if packed else b""
        except _FAULTS as fault:
            _log.warning("a tile on disk cannot be read: %s", fault)
            return None
        return Tile(version, content, {"zstd": packed} if packed else {})

    def keep(self, key: Hashable, tile: Tile) -> None:
        """Keeps a tile, packed; its packed form serves those who take it, too."""
        packed = KEPT["zstd"](tile.content) if tile.content else b""
        try:
            self._cache.set(self._name(key, tile.version), packed)
        except _FAULTS as fault:
            _log.warning("a tile cannot be kept on disk: %s", fault)
        if packed:
            tile.packed.setdefault("zstd", packed)

    @property
    def held_bytes(self) -> int:
        """What the folder takes, by its own count."""
        return int(self._cache.volume())

    def close(self) -> None:
        """Lets go of the files."""
        self._cache.close()

    def _name(self, key: Hashable, version: str) -> str:
        return digest(repr((self._of, key, version)).encode())


def tile_folder(folder: Path, room_bytes: int, of: str) -> TileFolder | None:
    """The folder, ready; None when there shall be none, or it cannot be made."""
    if room_bytes <= 0:
        return None
    try:
        return TileFolder(folder, room_bytes, of)
    except _FAULTS as fault:
        _log.warning("no tiles are kept on disk: %s: %s", folder, fault)
        return None
