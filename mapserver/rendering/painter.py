"""Pictures for a caller: the tiles that they need are asked with the caller's rights, then drawn by a child process.

The process that draws sees nothing else, so a picture holds what its caller may see, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import orjson
from starlette.concurrency import run_in_threadpool

from mapserver import raster, styles
from mapserver.errors import NotReady
from mapserver.layer import Layer
from mapserver.mapview import Frame, View, view
from mapserver.matrices import TILE_PX
from mapserver.pictures import GUTTER_PX, SHEET, Drawing, Form, MapTileQuery, PictureQuery, needed, stylesheet, visible
from mapserver.query import Caller, TileQuery
from mapserver.rendering import canvas
from mapserver.rendering.job import GLYPHS, HERE, Colour, Job, Window
from mapserver.rendering.pool import Pool
from mapserver.settings import Settings
from mapserver.tilecache import Tile, TileCache

TileOf = Callable[[TileQuery, Caller], Awaitable[bytes]]
"""Where a vector tile comes from, asked as the caller."""
VersionOf = Callable[[Layer], Awaitable[str | None]]
"""The version of a layer; None when nobody can say."""
AT_ONCE = 6
"""Tiles of one picture that are asked for at the same time: fewer than the store has connections."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the painter has its tiles from, and how it knows that a layer has changed."""

    tile: TileOf
    version: VersionOf
    settings: Settings


class Painter:
    """The pictures of one worker."""

    def __init__(self, sources: Sources, pool: Pool) -> None:
        self._sources, self._pool = sources, pool
        self._kept = TileCache() if sources.settings.cache else None
        self._drawing: dict[object, asyncio.Task[tuple[bytes, ...]]] = {}

    async def picture(self, query: PictureQuery, caller: Caller) -> bytes:
        """A picture file. Raises Busy, NotDrawn or NoRenderer."""
        style = stylesheet(query.drawing, query.background)
        (made,) = await self._drawn(query, style, caller, ())
        return made

    async def sheet(self, style: Mapping[str, object], frame: Frame, form: Form, background: str | None) -> bytes:
        """A picture of a style that needs no tiles, such as a legend."""
        seen = view(frame)
        assert seen is not None, "the ground of a legend is ours to choose"
        query = PictureQuery(Drawing(()), frame, form, background)
        (made,) = await self._pool.drawn(_job(query, style, seen, {}, ()))
        return made

    async def tile(self, query: MapTileQuery, caller: Caller) -> bytes:
        """A map tile; its whole block is drawn and kept, as long as none of its layers changes."""
        version = await self._version(visible(query.drawing, query.background))
        key = self._key(query, caller)
        place = (query.column - query.corner[0]) + (query.row - query.corner[1]) * query.across
        if version is not None and self._kept is not None:
            kept = self._kept.get((key, place), version)
            if kept is not None:
                return kept.content
        tiles = await self._block(query, caller, (key, version))
        if version is not None and self._kept is not None:
            for at, content in enumerate(tiles):
                self._kept.keep((key, at), Tile(version, content))
        return tiles[place]

    async def close(self) -> None:
        """Ends the drawing processes."""
        await self._pool.close()

    async def _block(self, query: MapTileQuery, caller: Caller, key: object) -> tuple[bytes, ...]:
        """The tiles of a block; whoever asks for one that is being drawn waits for it."""
        task = self._drawing.get(key)
        if task is None:
            task = asyncio.create_task(self._block_drawn(query, caller))
            self._drawing[key] = task
            task.add_done_callback(lambda _: self._drawing.pop(key, None))
        return await asyncio.shield(task)

    async def _block_drawn(self, query: MapTileQuery, caller: Caller) -> tuple[bytes, ...]:
        places = range(query.across)
        windows = tuple(
            Window(GUTTER_PX + column * TILE_PX, GUTTER_PX + row * TILE_PX, TILE_PX, TILE_PX)
            for row in places
            for column in places
        )
        picture = PictureQuery(query.drawing, query.block, query.form, query.background)
        return await self._drawn(picture, stylesheet(query.drawing, query.background), caller, windows)

    async def _drawn(
        self, query: PictureQuery, style: Mapping[str, object], caller: Caller, windows: tuple[Window, ...]
    ) -> tuple[bytes, ...]:
        seen = view(query.frame)
        files = await self._files([*needed(query.drawing, style, seen.shot)], caller) if seen else {}
        if seen is None or not (files or query.background == SHEET):
            return _blank(query.frame, query.form, query.background, windows)
        return await self._pool.drawn(_job(query, style, seen, files, windows))

    async def _files(self, queries: Sequence[TileQuery], caller: Caller) -> dict[str, bytes]:
        """The tiles that hold anything, by the path under which the style names them."""
        places = asyncio.Semaphore(AT_ONCE)

        async def content(query: TileQuery) -> bytes:
            async with places:
                return await self._content(query, caller)

        made = await asyncio.gather(*map(content, queries))
        return {f"{q.layer.name}/{q.z}/{q.x}/{q.y}": body for q, body in zip(queries, made, strict=True) if body}

    async def _content(self, query: TileQuery, caller: Caller) -> bytes:
        if query.layer.origin != "raster":
            return await self._sources.tile(query, caller)
        file, colours = raster.path(self._sources.settings, query.layer), styles.raster_colours(query.layer)
        try:
            return await run_in_threadpool(raster.picture, file, (query.z, query.x, query.y), colours) or b""
        except NotReady:  # not loaded yet: a map without its hills is better than none
            return b""

    async def _version(self, layers: Sequence[Layer]) -> str | None:
        """The versions of some layers together; None where one has none."""
        versions = [await self._version_of(layer) for layer in layers]
        return None if None in versions else " ".join(version or "" for version in versions)

    async def _version_of(self, layer: Layer) -> str | None:
        if layer.origin != "raster":
            return await self._sources.version(layer)
        file = raster.path(self._sources.settings, layer)
        return str(file.stat().st_mtime_ns) if file.exists() else "0"

    def _key(self, query: MapTileQuery, caller: Caller) -> tuple[object, ...]:
        drawing = query.drawing
        names = tuple(layer.name for layer in drawing.layers)
        look = (names, drawing.whole, drawing.language, drawing.themes, drawing.interval, drawing.shown)
        return (look, query.form, query.background, caller.rights_class, query.matrices.name, query.level, query.corner)


def _job(
    query: PictureQuery,
    style: Mapping[str, object],
    seen: View,
    files: Mapping[str, bytes],
    windows: tuple[Window, ...],
) -> Job:
    text = orjson.dumps({**style, **_addresses(style), "metadata": {}}).decode()
    onto = None if seen.straight else query.frame
    return Job(text, seen.shot, query.form, files, onto, colour(query.background), windows)


def _addresses(style: Mapping[str, object]) -> dict[str, object]:
    """Sources and glyphs at the places where the drawing process has them."""
    sources = style.get("sources")
    assert isinstance(sources, dict)
    tiled = {name: _source(name, source) for name, source in sources.items()}
    return {"sources": tiled, "glyphs": f"{GLYPHS}/{{fontstack}}/{{range}}.pbf"}


def _source(name: str, source: Mapping[str, object]) -> Mapping[str, object]:
    return {**source, "tiles": [f"{HERE}/{name}/{{z}}/{{x}}/{{y}}"]} if "tiles" in source else source


def colour(background: str | None) -> Colour | None:
    """`#rrggbb` as numbers; None for a picture that shows what lies below it, or brings its own background."""
    if background is None or background == SHEET:
        return None
    return int(background[1:3], 16), int(background[3:5], 16), int(background[5:7], 16)


@lru_cache(64)
def _blank(frame: Frame, form: Form, background: str | None, windows: tuple[Window, ...]) -> tuple[bytes, ...]:
    size = (windows[0].width, windows[0].height) if windows else (frame.width, frame.height)
    empty = canvas.encoded(canvas.blank(*size), form, colour(background))
    return (empty,) * max(1, len(windows))


def painter(sources: Sources, glyphs: Path) -> Painter:
    """A painter with its processes. glyphs: the folder of the labels' glyphs, one folder below it for each font."""
    return Painter(sources, Pool(sources.settings, glyphs))
