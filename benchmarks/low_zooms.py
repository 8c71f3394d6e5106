"""What tiles cost at every zoom, cold: `python benchmarks/low_zooms.py --rows 2000000`.

Layers of ours with the rows of dataset.py, their generalised copies made: of each zoom the dearest of its densest,
asked of the store as a worker asks it: bytes, and processor time of the worker and of PostgreSQL. No tile is kept."""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path

import dataset
import psycopg
from ground import cluster

from mapserver import generalising
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import Database
from mapserver.encoder import encoder
from mapserver.fetching import Fetching
from mapserver.layer import Layer, Tiles
from mapserver.query import ANYONE, TileQuery
from mapserver.settings import ROOT
from mapserver.statements import Statement
from mapserver.store import Store

TILED = {
    "addresses": Tiles(6, 18, whole_from=17, generalise="best"),
    "petitions": Tiles(6, 17, whole_from=16, generalise="clusters"),
    "roads": Tiles(6, 16, whole_from=15, generalise="shapes"),
    "wards": Tiles(6, 14, whole_from=11, generalise="shapes"),
}
DENSEST = 3
"""Tiles of a zoom that are asked."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The dearest tile of a zoom."""

    size: int
    worker_ms: float
    server_ms: float


def ours() -> Catalogue:
    """The layers of the benchmark as tables of ours."""
    found = catalogue(ROOT / "benchmarks/layers").layers
    return Catalogue({name: _ours(found[name]) for name in TILED})


def _ours(layer: Layer) -> Layer:
    return replace(layer, origin="ingest", existing=None, tiles=TILED[layer.name])


def _moved(database: Database, layers: Catalogue) -> None:
    """The rows of the data set into the tables of the layers."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as conn:
        for layer in layers:
            names = ", ".join(["id", *(f'"{column.name}"' for column in layer.columns), "geom"])
            conn.execute(f"INSERT INTO {layer.table} ({names}) SELECT {names} FROM public.{layer.name}".encode())
            conn.execute(f"VACUUM (ANALYZE, FREEZE) {layer.table}".encode())


async def costs(database: Database, layer: Layer) -> dict[int, Cost]:
    """By zoom, what the dearest tile costs; each is asked of a store that has asked its like before."""
    store = Store(database.app_dsn, size=1)
    fetching, out = Fetching(store, encoder()), {}
    backend = int((await store.fetch(ANYONE, Statement("SELECT pg_backend_pid()::text"))).value() or 0)
    for zoom in range(layer.tiles.min_zoom, layer.tiles.max_zoom + 1):
        with psycopg.connect(database.owner_dsn) as conn:
            places = _places(conn, layer, zoom)
        found = [await _cost(fetching, backend, tile_of(layer, zoom, *place)) for place in places]
        out[zoom] = max(found, key=lambda cost: cost.worker_ms + cost.server_ms)
    await store.close()
    return out


def _places(conn: psycopg.Connection[tuple[int, int]], layer: Layer, zoom: int) -> list[tuple[int, int]]:
    """The tiles of a zoom with the most vertices in them."""
    x = f"floor((ST_X(c) + 180) / 360 * {2**zoom})::int"
    y = f"floor((0.5 - asinh(tan(radians(ST_Y(c)))) / (2 * pi())) * {2**zoom})::int"
    centres = f"SELECT ST_Centroid(geom) AS c, ST_NPoints(geom) AS n FROM {layer.table}"
    query = f"SELECT {x}, {y} FROM ({centres}) AS f GROUP BY 1, 2 ORDER BY sum(n) DESC LIMIT {DENSEST}"
    return conn.execute(query.encode()).fetchall()


def tile_of(layer: Layer, zoom: int, x: int, y: int) -> TileQuery:
    """The tile as a worker asks for it while the copy is up to date."""
    return TileQuery(layer, zoom, x, y, generalised=zoom in layer.tiles.generalised_zooms)


async def _cost(fetching: Fetching, backend: int, query: TileQuery) -> Cost:
    """The least of three."""
    found = []
    for _ in range(3):
        ran, worked = _run_s(backend), time.process_time()
        tile = await fetching.tile(query, ANYONE)
        worked, ran = time.process_time() - worked, _run_s(backend) - ran
        found.append(Cost(len(tile), 1000 * worked, 1000 * ran))
    return min(found, key=lambda cost: cost.worker_ms + cost.server_ms)


def _run_s(backend: int) -> float:
    """Seconds that a backend of PostgreSQL has run, by the scheduler's own clock."""
    return int(Path(f"/proc/{backend}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def main() -> None:
    """Prints a table for each layer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="addresses; petitions half, roads 3/40 of them")
    rows = parser.parse_args().rows
    layers = ours()
    with cluster(layers) as (database, _):
        dataset.made(database.admin_dsn, rows)
        _moved(database, layers)
        for layer in layers:
            with psycopg.connect(database.owner_dsn, autocommit=True) as conn:
                print(f"\n{generalising.rebuild(conn, layer)}")
            print("| zoom | kB | CPU ms, worker | PostgreSQL | |\n|---|---|---|---|---|")
            for zoom, cost in asyncio.run(costs(database, layer)).items():
                told = layer.tiles.generalise if zoom in layer.tiles.generalised_zooms else "whole"
                print(f"| {zoom} | {cost.size / 1000:.0f} | {cost.worker_ms:.1f} | {cost.server_ms:.1f} | {told} |")


if __name__ == "__main__":
    main()
