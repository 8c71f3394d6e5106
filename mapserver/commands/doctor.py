"""`citymap doctor`: what this machine, the data folder and the database are like, and what would mend them."""

from __future__ import annotations

import asyncio
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import typer

from mapserver import cluster, crs, database
from mapserver.catalogue import Catalogue, read
from mapserver.datafolder import holder
from mapserver.errors import BadSetup, CityMapError
from mapserver.mapview import Shot
from mapserver.rendering.job import Job
from mapserver.rendering.pool import Pool
from mapserver.settings import ROOT, Settings, settings
from mapserver.viewer import BUILT

BEN_THANH = (106.6983, 10.7721)
"""A control point of the city, WGS 84 degrees; and where EPSG:6960 puts it on two grids, metres."""
BEN_THANH_ON = {9210: (603514.537, 1191410.466), 5899: (384785.358, 1191448.640)}
WANTED_MEMORY, WANTED_DISK = 2 << 30, 3 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. bad: the server cannot run so; words say what is, or what would mend it."""

    what: str
    words: str
    bad: bool = False


def doctor() -> None:
    """Say what runs, what is missing and what would mend it; exit code 1 when the server cannot run."""
    findings = [*examined(settings())]
    for finding in findings:
        typer.echo(f"{'BAD' if finding.bad else 'ok ':4} {finding.what:12} {finding.words}")
    raise typer.Exit(any(finding.bad for finding in findings))


def examined(chosen: Settings) -> Iterator[Finding]:
    """Every finding, from the ground up."""
    yield Finding("Python", f"{platform.python_version()} at {sys.executable}", sys.version_info[:2] < (3, 11))
    yield _postgresql(chosen)
    yield from _room(chosen)
    yield from _data(chosen)
    yield from _layers(chosen)
    yield _port(chosen)
    yield _pictures(chosen)
    yield _program("Node", ROOT / ".venv/bin/node", "node", "to build the viewer; run `make setup`")
    yield _program("Chromium", None, "chromium", "to run the browser tests; run `make setup`")


def _postgresql(chosen: Settings) -> Finding:
    try:
        folder = cluster.programs()
    except BadSetup as error:
        return Finding("PostgreSQL", str(error), bad=not chosen.database_url)
    control = cluster.EXTENSIONS / folder.parent.name / "extension/postgis.control"
    lines = [line for line in control.read_text().splitlines() if line.startswith("default_version")]
    return Finding("PostgreSQL", f"{folder.parent.name} with PostGIS {lines[0].split(chr(39))[1]}, at {folder}")


def _room(chosen: Settings) -> Iterator[Finding]:
    memory = cluster.memory_bytes()
    yield Finding("memory", f"{memory >> 20} MB; {WANTED_MEMORY >> 20} MB are comfortable")
    folder = next(path for path in (chosen.data.resolve(), *chosen.data.resolve().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    yield Finding(
        "disk", f"{free >> 20} MB free at {folder}; {WANTED_DISK >> 20} MB are comfortable", free < WANTED_DISK // 8
    )


def _data(chosen: Settings) -> Iterator[Finding]:
    if chosen.database_url:
        yield Finding("database", "DATABASE_URL, a PostGIS of your own")
        yield from _database(chosen.database_url, private=False)
        return
    data = chosen.data.resolve()
    now = holder(data)
    yield Finding("data folder", f"{data}, used by {f'a {now.what}, process {now.pid}' if now else 'nobody'}")
    if not (data / "cluster.json").exists():
        yield Finding("database", "not made yet; `make run` makes it")
        return
    private = cluster.Cluster(data)
    where = f"in {private.place.home}" + (
        ", as the database's user cannot reach the data folder" if private.moved else ""
    )
    yield Finding("database", f"{where}; {'runs' if private.running else 'stopped, so not looked into'}")
    if private.running:
        yield from _database(private.owner_dsn, private=True)


def _database(dsn: str, *, private: bool) -> Iterator[Finding]:
    codes = {code: (code,) if private else () for code in BEN_THANH_ON}
    try:
        with psycopg.connect(dsn, connect_timeout=5) as conn:
            for code, public in codes.items():
                for srid in (*public, crs.PRIVATE_SRID + code):
                    yield _control_point(conn, srid, code)
    except psycopg.Error as error:
        yield Finding("database", f"cannot be asked: {' '.join(str(error).split())}", bad=True)


def _control_point(conn: psycopg.Connection[tuple[object, ...]], srid: int, code: int) -> Finding:
    query = "SELECT ST_X(p), ST_Y(p) FROM ST_Transform(ST_SetSRID(ST_Point(%s, %s), 4326), %s::integer) AS p"
    row = conn.execute(query, (*BEN_THANH, srid)).fetchone() or (0.0, 0.0)
    off = max(abs(float(str(got)) - want) for got, want in zip(row, BEN_THANH_ON[code], strict=True))
    return Finding(f"SRID {srid}", f"Bến Thành is {off * 1000:.2f} mm off the official place", bad=off > 0.001)


def _layers(chosen: Settings) -> Iterator[Finding]:
    layers, problems = read(chosen.layers)
    for problem in problems:
        yield Finding("layers", str(problem), bad=True)
    if not problems:
        yield Finding("layers", f"{len(layers)} layer files in {chosen.layers}, no problem")
        yield from _tables(chosen, Catalogue(layers))


def _tables(chosen: Settings, layers: Catalogue) -> Iterator[Finding]:
    data = chosen.data.resolve()
    if not chosen.database_url and not ((data / "cluster.json").exists() and cluster.Cluster(data).running):
        return
    dsn = chosen.database_url or cluster.Cluster(data).owner_dsn
    try:
        with psycopg.connect(dsn, connect_timeout=5) as conn:
            problems = [*database.check(conn, layers)]
    except psycopg.Error as error:
        yield Finding("tables", f"cannot be asked: {' '.join(str(error).split())}", bad=True)
        return
    for problem in problems:
        yield Finding("tables", str(problem), bad=True)
    if not problems:
        yield Finding("tables", "keep what the layer files promise")


def _port(chosen: Settings) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(2)
        answers = probe.connect_ex((chosen.host, chosen.port)) == 0
    said = "is in use (by us, if the data folder is served)" if answers else "is free"
    return Finding("port", f"{chosen.port} on {chosen.host} {said}")


def _pictures(chosen: Settings) -> Finding:
    """Whether a drawing process draws; not bad, since all but pictures runs without."""
    job = Job('{"version": 8, "sources": {}, "layers": []}', Shot(0.0, 0.0, 1.0, 8, 8), "png")

    async def drawn() -> None:
        pool = Pool(chosen, BUILT / "glyphs")
        try:
            await pool.drawn(job)
        finally:
            await pool.close()

    try:
        asyncio.run(drawn())
    except CityMapError as error:
        return Finding("pictures", f"WMS, WMTS and map tiles are refused: {error}")
    return Finding("pictures", "MapLibre Native draws")


def _program(what: str, ours: Path | None, name: str, purpose: str) -> Finding:
    path = str(ours) if ours is not None and ours.exists() else shutil.which(name)
    if path is None:
        return Finding(what, f"not found; it is wanted {purpose}")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return Finding(what, f"{said.strip() or 'does not say its version'}, at {path}")
