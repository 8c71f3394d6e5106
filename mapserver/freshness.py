"""Which version of each layer there is, as one worker knows it: asked again after a moment, by whoever needs it then.

A version is always older than what is asked after it, or as old: what is kept under it is never staler than
`LOOK_S`. Layers whose changes nobody tells of have no version: existing tables, and views that read anything else."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from email.utils import formatdate

from mapserver import generalised
from mapserver.catalogue import Catalogue
from mapserver.errors import Busy, NotReady
from mapserver.layer import Layer
from mapserver.query import ANYONE
from mapserver.statements import DEPENDENCIES, GENERALISED, VERSIONS
from mapserver.store import Store, StoreError

LOOK_S = 0.3
"""A version is trusted this long."""
_MOVING = re.compile(r"\b(now|clock_timestamp|statement_timestamp|random)\s*\(|\b(current_|localtime)", re.IGNORECASE)
"""In the SQL of a view: answers change though nothing was written."""


class Freshness:
    """The versions of one worker."""

    def __init__(self, catalogue: Catalogue, store: Store) -> None:
        self._catalogue, self._store = catalogue, store
        self._versions: Mapping[str, tuple[str, int]] = {}
        self._copies: Mapping[str, tuple[str, int]] = {}
        self._copied = any(layer.tiles.generalise for layer in catalogue)
        self._bases: dict[str, frozenset[str] | None] | None = None
        self._looked = 0.0
        self._looking = asyncio.Lock()

    async def version(self, layer: Layer) -> str | None:
        """The layer's version; None when it has none, or nobody can say."""
        known = await self._of(layer)
        # with its moment: a database that is put back to an earlier day counts on from there, but in another second
        return ".".join(f"{number}-{at}" for number, at in known) if known else None

    async def generalised(self, layer: Layer) -> bool:
        """Whether the layer's generalised copy is of use: made as its file says now, and few rows were touched."""
        if layer.tiles.generalise is None or not await self._of(layer):
            return False
        mark, touched = self._copies.get(layer.name, ("", 0))
        return mark == generalised.mark(layer) and touched <= generalised.MOST_TOUCHED

    async def changed(self, layer: Layer) -> dict[str, str]:
        """When the layer was changed last, as a header; nothing where nobody can say."""
        known = await self._of(layer)
        return {"last-modified": formatdate(max(at for _, at in known), usegmt=True)} if known else {}

    async def _of(self, layer: Layer) -> list[tuple[str, int]]:
        """(version, second of the newest change) of every table that the layer is made of; none where one has none."""
        if layer.existing is not None:
            return []
        if time.monotonic() - self._looked > LOOK_S:
            await self._look()
        bases = (self._bases or {}).get(layer.name)
        if not bases or not bases <= self._versions.keys():
            return []
        return [self._versions[name] for name in sorted(bases)]

    async def _look(self) -> None:
        async with self._looking:
            asked = time.monotonic()
            if asked - self._looked <= LOOK_S:
                return
            try:
                if self._bases is None:
                    self._bases = await self._known_bases()
                rows = await self._store.fetch(ANYONE, VERSIONS)
                self._versions = {
                    (name or b"").decode(): ((number or b"").decode(), int(at or 0)) for name, number, at in rows
                }
                self._copies = await self._known_copies() if self._copied else {}
                self._looked = asked
            except (StoreError, Busy, NotReady):
                self._versions = {}

    async def _known_copies(self) -> dict[str, tuple[str, int]]:
        """(mark, rows touched since) of each generalised copy of which not everything was touched."""
        rows = await self._store.fetch(ANYONE, GENERALISED)
        return {
            (name or b"").decode(): ((mark or b"").decode(), int(touched)) for name, mark, touched in rows if touched
        }

    async def _known_bases(self) -> dict[str, frozenset[str] | None]:
        """The table layers that each layer is made of; None where it is made of anything else."""
        reads: dict[str, set[str]] = {}
        for row in await self._store.fetch(ANYONE, DEPENDENCIES):
            view, read = ((value or b"").decode() for value in row)
            reads.setdefault(view, set()).add(read)
        return {layer.name: self._bases_of(layer, reads) for layer in self._catalogue.vector}

    def _bases_of(self, layer: Layer, reads: Mapping[str, set[str]]) -> frozenset[str] | None:
        if layer.origin == "ingest":
            return frozenset({layer.name})
        if layer.origin != "view" or _MOVING.search(layer.sql) or layer.name not in reads:
            return None
        found: frozenset[str] = frozenset()
        for name in reads[layer.name]:
            known = self._catalogue.layers.get(name)
            bases = self._bases_of(known, reads) if known else None
            if bases is None:
                return None
            found |= bases
        return found
