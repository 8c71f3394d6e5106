"""`citymap tiles`: tiles made before anybody asks for them, and tiles in a file for offline use."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from pmtiles.tile import zxy_to_tileid
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mapserver import generalising, parameters, statements
from mapserver.archives import About, Archive, vector_layer, written
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import Database, opened
from mapserver.errors import BadQuery
from mapserver.layer import Layer
from mapserver.query import ANYONE, MAX_ZOOM, Box, Caller, TileQuery, may_see
from mapserver.settings import Settings, settings
from mapserver.store import Store
from mapserver.tilecache import Tile
from mapserver.tiling import Tiles, tiles
from mapserver.walking import Region, drawn, extent, peopled

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Tiles before they are asked for.")
Names = Annotated[list[str], typer.Argument(metavar="LAYER…", help="Layers, as `citymap layers list` gives them.")]
Zooms = Annotated[str | None, typer.Option(help="Zooms A-B, or one; else those of the layers.")]
Bbox = Annotated[str | None, typer.Option(help="west,south,east,north in degrees; else all of the layers.")]
Insider = Annotated[bool, typer.Option("--insider", help="With what only insiders may see.")]
SEEDED_TO = 14
"""The last zoom that is seeded unless told: finer tiles are cheap to make, and many."""


@dataclass(frozen=True, slots=True)
class Job:
    """Which tiles are meant, and for whose eyes."""

    settings: Settings
    catalogue: Catalogue
    layers: list[Layer]
    region: Region
    caller: Caller


@dataclass(frozen=True, slots=True)
class Work:
    """A job under way."""

    job: Job
    tiles: Tiles
    store: Store

    async def queries(self, region: Region) -> list[TileQuery]:
        """The tiles of all layers in the order of a PMTiles file; those of one place side by side."""
        found = [
            query for layer in self.job.layers for query in await peopled(self.store, layer, region, self.job.caller)
        ]
        return sorted(found, key=lambda query: zxy_to_tileid(query.z, query.x, query.y))

    async def drawn(self, queries: list[TileQuery]) -> AsyncIterator[tuple[TileQuery, Tile]]:
        """Each tile, with a bar that tells how far it is."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns) as bar:
            async for pair in drawn(self.tiles, bar.track(queries, description="tiles"), self.job.caller):
                yield pair

    async def versions(self) -> list[str | None]:
        return [await self.tiles.version(layer) for layer in self.job.layers]


@app.command()
def seed(layers: Names, zooms: Zooms = None, bbox: Bbox = None, insider: Insider = False) -> None:
    """Make tiles before they are asked for, into the folder that the server's workers look into."""
    job = _job(layers, zooms, bbox, insider=insider)
    if not (job.settings.cache and job.settings.tiles_mb):
        raise BadQuery("CITYMAP_TILES_MB", "no tiles are kept on disk by these settings, so there is nothing to seed")
    count = _done(job, _seeded)
    typer.echo(f"{count:,} tiles of {', '.join(layers)} are on disk")


@app.command()
def export(
    layers: Names,
    file: Annotated[Path, typer.Argument(help="A new file, .pmtiles or .mbtiles.")],
    zooms: Zooms = None,
    bbox: Bbox = None,
    insider: Insider = False,
) -> None:
    """Write the tiles of layers into one file, for offline use."""
    job = _job(layers, zooms, bbox, insider=insider)
    with written(file) as archive:
        count = _done(job, partial(_exported, archive))
    typer.echo(f"{count:,} tiles of {', '.join(layers)} are in {file} ({file.stat().st_size / 1e6:,.1f} MB)")


def _done(job: Job, deed: Callable[[Work], Awaitable[int]]) -> int:
    """Does it on the database of the settings; due copies are made first, or what is seeded would be of no use."""

    async def work(database: Database) -> int:
        store = Store(database.app_dsn)
        made = tiles(job.settings, job.catalogue, store, database.app_dsn)
        try:
            return await deed(Work(job, made, store))
        finally:
            await made.close()
            await store.close()

    with opened(job.settings, job.catalogue) as database:
        with psycopg.connect(database.owner_dsn, autocommit=True) as conn:
            for layer in filter(partial(generalising.due, conn), job.layers):
                generalising.rebuild(conn, layer)
        return asyncio.run(work(database))


async def _seeded(work: Work) -> int:
    for layer, version in zip(work.job.layers, await work.versions(), strict=True):
        if version is None:
            raise BadQuery("LAYER", f"nobody tells when {layer.name} changes, so its tiles are not kept")
    region = work.job.region
    queries = await work.queries(region if region.zooms else Region(region.box, range(SEEDED_TO + 1)))
    async for _ in work.drawn(queries):
        pass
    return len(queries)


async def _exported(archive: Archive, work: Work) -> int:
    """Layers of a place stand one after the other in its tile."""
    before, region = await work.versions(), _to_the_last(work.job)
    place, content, count = (0, 0, 0), b"", 0
    async for query, tile in work.drawn(await work.queries(region)):
        if content and (query.z, query.x, query.y) != place:
            archive.add(*place, content)
            content, count = b"", count + 1
        place, content = (query.z, query.x, query.y), content + tile.content
    if content:
        archive.add(*place, content)
        count += 1
    if not count:
        raise BadQuery("LAYER", "nothing is there, at these zooms and in this box")
    archive.finish(await _about(work, region))
    if before != await work.versions():
        typer.echo("The layers were changed meanwhile; some tiles may be older than others.", err=True)
    return count


async def _about(work: Work, region: Region) -> About:
    layers, caller = work.job.layers, work.job.caller
    boxes = [box for layer in layers if (box := await extent(work.store, layer, caller))]
    zooms = [region.of(layer) for layer in layers]
    return About(
        name=", ".join(layer.title.vi for layer in layers),
        description=" ".join(layer.description.vi for layer in layers),
        attribution="; ".join(dict.fromkeys(f"{layer.source.vi} ({layer.licence})" for layer in layers)),
        box=region.box or reduce(_both, boxes),
        zooms=range(min(z.start for z in zooms), max(z.stop for z in zooms)),
        layers=tuple(
            vector_layer(layer, statements.tile_columns(layer, caller), statements.counted(layer), those)
            for layer, those in zip(layers, zooms, strict=True)
        ),
    )


def _both(one: Box, other: Box) -> Box:
    return Box(
        min(one.west, other.west), min(one.south, other.south), max(one.east, other.east), max(one.north, other.north)
    )


def _to_the_last(job: Job) -> Region:
    """A layer goes on to the last zoom of the file: programs show nothing of it beyond its own last one."""
    first, last = min(layer.tiles.min_zoom for layer in job.layers), max(layer.tiles.max_zoom for layer in job.layers)
    return Region(job.region.box, job.region.zooms or range(first, last + 1))


def _job(names: list[str], zooms: str | None, bbox: str | None, *, insider: bool) -> Job:
    chosen = settings()
    every = catalogue(chosen.layers)
    caller = Caller("citymap tiles", insider=True) if insider else ANYONE
    return Job(chosen, every, _named(every, names, caller), Region(_box(bbox), _zooms(zooms)), caller)


def _named(every: Catalogue, names: list[str], caller: Caller) -> list[Layer]:
    open_ones = {layer.name: layer for layer in every.vector if layer.geometry and may_see(layer, caller)}
    for name in names:
        if name not in open_ones:
            raise BadQuery("LAYER", f"there are no such tiles of {name}; there are those of {', '.join(open_ones)}")
    return [open_ones[name] for name in dict.fromkeys(names)]


def _zooms(text: str | None) -> range | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not 0 <= first <= last <= MAX_ZOOM:
        raise BadQuery("--zooms", f"{text!r} is no range of zooms; write 6-12, or 9, up to {MAX_ZOOM}")
    return range(first, last + 1)


def _box(text: str | None) -> Box | None:
    box = parameters.box(text, None)
    if box is not None and not (box.west < box.east and box.south < box.north):
        raise BadQuery("--bbox", "needs west before east, and south before north")
    return box
