"""Pages, features and tiles as bytes, out of the store: through the encoder where it can, else as SQL made them.

Both ways give the same features; for GeoJSON, the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from mapserver import rowstatements, statements
from mapserver.crs import WEB_MERCATOR, Crs
from mapserver.encoder import WHOLE, Encoder, Thinned
from mapserver.query import MAX_BODY_BYTES, Caller, ItemQuery, ItemsQuery, TileQuery
from mapserver.rowstatements import Shape
from mapserver.statements import DEGREE_DECIMALS, METRE_DECIMALS, TILE_BUFFER
from mapserver.store import Rows, Store

PLAIN = "rfc7946"
"""The profile that the encoder writes."""


MOST_TILE_BYTES = 500_000
"""A thinned tile is no larger."""
STEPS = (*(Thinned(grid, WHOLE.most) for grid in (4, 8, 16, 32, 64)), Thinned(128, MOST_TILE_BYTES * 9 // 10))
"""How a tile is thinned, tried in turn: on coarser grids, and at the very last by leaving off at that size."""


@dataclass(frozen=True, slots=True)
class Found:
    """The features of a page, joined by commas, in reading order. first, last: their places in the order, as JSON."""

    content: bytes
    kept: int
    more: bool
    """Whether the question has further features, in the direction it was asked."""
    first: bytes = b""
    last: bytes = b""


@dataclass(frozen=True, slots=True)
class One:
    """A feature, and the version of what is stored (of a layer that may be written)."""

    content: bytes
    stamp: str


class Fetching:
    """What the hot paths ask of one worker's store."""

    def __init__(self, store: Store, encoder: Encoder | None) -> None:
        self._store, self._encoder = store, encoder

    @property
    def encodes(self) -> bool:
        """Whether tiles come from the encoder; SQL rounds in other ways, and thins nothing."""
        return self._encoder is not None

    async def page(self, query: ItemsQuery, caller: Caller) -> Found:
        """A page of features: as many as asked for and as fit into MAX_BODY_BYTES."""
        if self._encoder is not None and query.profile == PLAIN:
            question = rowstatements.items(query, caller)
            rows = await self._store.fetch(caller, question.statement)
            if found := _encoded(self._encoder, query, rows, question.shape):
                return found
        return _joined(query, await self._store.fetch(caller, statements.items(query, caller)))

    async def one(self, query: ItemQuery, caller: Caller) -> One | None:
        """A feature by its id; None when there is none."""
        if self._encoder is not None and query.profile == PLAIN:
            question = rowstatements.item(query, caller)
            rows = await self._store.fetch(caller, question.statement)
            if not len(rows):
                return None
            feature = _features(self._encoder, rows, question.shape, query.crs, limit=1)
            if feature is not None:
                return One(feature[0], (rows.value(0, rows.width - 1) or b"").decode())
        rows = await self._store.fetch(caller, statements.item(query, caller))
        return One(rows.value() or b"", (rows.value(0, 1) or b"").decode()) if len(rows) else None

    async def tile(self, query: TileQuery, caller: Caller) -> bytes:
        """A vector tile; empty when nothing is in it."""
        if self._encoder is not None and rowstatements.can_tile(query):
            question = rowstatements.tile(query, caller)
            rows = await self._store.fetch(caller, question.statement)
            made = tile(self._encoder, query, rows, question.shape)
            if made is not None:
                return made
        return (await self._store.fetch(caller, statements.tile(query, caller))).value() or b""


def tile(encoder: Encoder, query: TileQuery, rows: Rows, shape: Shape) -> bytes | None:
    """The whole tile, or, where the layer allows it and it would be too large, the finest thinned one that is not."""
    layer, zxy = query.layer, (query.z, query.x, query.y)
    mercator = query.generalised or layer.srid == WEB_MERCATOR.srid
    for thinned in (WHOLE, *STEPS):
        made = encoder.tile(rows, shape, layer.name, zxy, buffer=TILE_BUFFER, mercator=mercator, thinned=thinned)
        if made is None or len(made) <= MOST_TILE_BYTES or query.z >= layer.tiles.whole_zoom:
            return made
    return made


def fitting(features: list[bytes], most: int = MAX_BODY_BYTES) -> list[bytes]:
    """As many features, one at least, as fit into `most` bytes."""
    ends = accumulate(map(len, features))
    return features[: max(1, sum(end <= most for end in ends))]


def _encoded(encoder: Encoder, query: ItemsQuery, rows: Rows, shape: Shape) -> Found | None:
    backward = query.cursor is not None and query.cursor.backward
    features = _features(encoder, rows, shape, query.crs, limit=query.limit, backward=backward)
    if features is None:
        return None
    content, kept = features
    ends = (0, kept - 1) if kept else ()
    if query.sort:
        places = [rows.value(row, rows.width - 1) or b"" for row in ends]
    else:
        places = [b"%d" % int.from_bytes(rows.value(row) or b"", "big", signed=True) for row in ends]
    return _found(content, kept, len(rows) > kept, places, backward=backward)


def _features(
    encoder: Encoder, rows: Rows, shape: Shape, crs: Crs, *, limit: int, backward: bool = False
) -> tuple[bytes, int] | None:
    decimals = DEGREE_DECIMALS if crs.srid == 4326 else METRE_DECIMALS
    return encoder.features(rows, shape, limit, MAX_BODY_BYTES, decimals=decimals, swap=crs.swap, backward=backward)


def _joined(query: ItemsQuery, rows: Rows) -> Found:
    """The page out of rows of (feature as JSON text, place)."""
    features = fitting([value or b"" for value in rows.column(0, min(len(rows), query.limit))])
    kept = len(features)
    places = [rows.value(row, 1) or b"" for row in ((0, kept - 1) if kept else ())]
    backward = query.cursor is not None and query.cursor.backward
    if backward:
        features.reverse()
    return _found(b",".join(features), kept, len(rows) > kept, places, backward=backward)


def _found(content: bytes, kept: int, more: bool, places: list[bytes], *, backward: bool) -> Found:
    if not places:
        return Found(content, kept, more)
    first, last = reversed(places) if backward else places
    return Found(content, kept, more, first, last)
