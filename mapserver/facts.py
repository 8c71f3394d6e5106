"""What only the database and the raster files know of a layer: its extent, its time span, its newest load.

Kept per worker. The loads are asked again after a moment; an extent is asked again only when its layer was loaded
since, or, where people write into it, after a while."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from mapserver import raster, statements
from mapserver.catalogue import Catalogue
from mapserver.errors import Busy, NotReady
from mapserver.layer import Layer
from mapserver.query import ANYONE, Caller
from mapserver.raster import Grid
from mapserver.settings import Settings
from mapserver.store import Store, StoreError

FRESH_S = 2.0
"""The loads are trusted this long."""
LIVE_S = 5.0
"""The extent of a layer that people write into is trusted this long."""
EXISTING_S = 600.0
"""That of an existing table, which nobody tells us of when it changes: to ask is to read all of it."""
_INSIDER = Caller(insider=True)

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Extent:
    """Where and when a layer's features are. box: west, south, east, north in degrees; times as in JSON."""

    box: Bounds | None = None
    first: str | None = None
    last: str | None = None


Load = tuple[bytes | None, ...]
"""One row of statements.LOADS."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of one layer today."""

    extent: Extent = Extent()
    synthetic: bool | None = None
    source: str | None = None
    updated: str | None = None
    rows: int | None = None
    grid: Grid | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of every layer. version: changes whenever anything in it does."""

    layers: Mapping[str, Fact]
    version: str

    def of(self, layer: Layer) -> Fact:
        """What is known of a layer; an empty fact before its first load."""
        return self.layers.get(layer.name, Fact())


NOTHING = Facts({}, "")


class FactBook:
    """The facts of one worker, kept fresh."""

    def __init__(self, settings: Settings, catalogue: Catalogue, store: Store) -> None:
        self._settings, self._catalogue, self._store = settings, catalogue, store
        self._facts = NOTHING
        self._checked = 0.0
        self._extents: dict[str, tuple[str, float, Extent, Grid | None]] = {}
        self._lock = asyncio.Lock()

    async def facts(self) -> Facts:
        """The facts of this moment; while one request looks for newer ones, the others get those that are known.

        Raises NotReady or Busy when nothing is known yet and the database does not answer."""
        known = self._facts is not NOTHING
        if known and (time.monotonic() - self._checked < FRESH_S or self._lock.locked()):
            return self._facts
        async with self._lock:
            if self._facts is NOTHING or time.monotonic() - self._checked >= FRESH_S:
                await self._look()
        return self._facts

    async def _look(self) -> None:
        try:
            self._facts = await self._fresh()
        except (NotReady, Busy):
            if self._facts is NOTHING:
                raise
        self._checked = time.monotonic()

    async def _fresh(self) -> Facts:
        loads = {_text(row[0]): row for row in await self._store.fetch(ANYONE, statements.LOADS)}
        stamp = repr(sorted(loads.items()))
        layers = {}
        for layer in self._catalogue:
            extent, grid = await self._extent(layer, repr(loads.get(layer.name)) if layer.origin != "view" else stamp)
            layers[layer.name] = _fact(_load_of(layer, loads), extent, grid)
        return Facts(layers, hashlib.blake2b(repr(layers).encode(), digest_size=8).hexdigest())

    async def _extent(self, layer: Layer, stamp: str) -> tuple[Extent, Grid | None]:
        """The extent as it was asked last, or asked now. stamp: tells the loads that it depends on."""
        kept = self._extents.get(layer.name)
        now = time.monotonic()
        trusted = EXISTING_S if layer.existing else LIVE_S if layer.writable else math.inf
        if kept and kept[0] == stamp and now - kept[1] <= trusted:
            return kept[2], kept[3]
        extent, grid = await self._asked(layer)
        self._extents[layer.name] = (stamp, now, extent, grid)
        return extent, grid

    async def _asked(self, layer: Layer) -> tuple[Extent, Grid | None]:
        try:
            if layer.origin == "raster":
                grid = await run_in_threadpool(raster.grid, raster.path(self._settings, layer))
                return Extent(grid.box), grid
            rows = await self._store.fetch(_INSIDER, statements.extent(layer))
        except (StoreError, NotReady, Busy):
            return Extent(), None  # not loaded yet, secret, or too slow today: a document without an extent is valid
        *edges, first, last = next(iter(rows))
        numbers = tuple(float(edge) for edge in edges if edge is not None)
        box = (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == 4 else None
        return Extent(box, _text(first) or None, _text(last) or None), None


def _load_of(layer: Layer, loads: Mapping[str, Load]) -> Load | None:
    """The newest load of a layer; a view is as synthetic, and as fresh, as what it reads."""
    if layer.origin != "view":
        return loads.get(layer.name)
    read = [loads[name] for name in sorted(layer.reads) if name in loads]
    if not read:
        return None
    synthetic = b"true" if any(load[1] == b"true" for load in read) else b"false"
    sources = ", ".join(dict.fromkeys(_text(load[2]) for load in read))
    return layer.name.encode(), synthetic, sources.encode(), max(load[3] or b"" for load in read), None


def _fact(load: Load | None, extent: Extent, grid: Grid | None) -> Fact:
    if load is None:
        return Fact(extent, grid=grid)
    _, synthetic, source, finished, rows = map(_text, load)
    return Fact(extent, synthetic == "true", source, _rfc3339(finished), int(rows) if rows else None, grid)


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _rfc3339(at: str) -> str:
    """PostgreSQL's `2025-07-01 12:00:00.5+00` as RFC 3339, to the second."""
    date, _, clock = at.partition(" ")
    hours = clock.split(".")[0].split("+")[0]
    return f"{date}T{hours}Z" if clock else at
