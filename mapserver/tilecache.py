"""Tiles of one worker, kept as long as their layer's version stands; the one unused for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from mapserver.coding import Coding

ROOM = 64 * 2**20
"""Bytes of tiles that a worker keeps."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile as it is sent; packed once for each coding that somebody takes."""

    version: str
    content: bytes
    packed: dict[Coding, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return 2 * len(self.content) + 500  # with what packing may add


class TileCache:
    """The kept tiles by what they answer."""

    def __init__(self, room: int = ROOM) -> None:
        self._room, self._held = room, 0
        self._tiles: OrderedDict[Hashable, Tile] = OrderedDict()

    def get(self, key: Hashable, version: str) -> Tile | None:
        """The tile of this version; one of another version is let go."""
        tile = self._tiles.get(key)
        if tile is None:
            return None
        if tile.version != version:
            self._drop(key)
            return None
        self._tiles.move_to_end(key)
        return tile

    def keep(self, key: Hashable, tile: Tile) -> Tile:
        """Keeps a tile, and lets go of others where there is no room."""
        self._drop(key)
        self._tiles[key] = tile
        self._held += tile.size
        while self._held > self._room and self._tiles:
            self._drop(next(iter(self._tiles)))
        return tile

    def _drop(self, key: Hashable) -> None:
        gone = self._tiles.pop(key, None)
        self._held -= gone.size if gone else 0
