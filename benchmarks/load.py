"""How long a load of a million points takes, beside ogr2ogr: `python benchmarks/load.py` writes docs/ingest-speed.md.

Both read the same CSV file (six columns and the place) into the same PostGIS and build the same indexes, in
interleaved rounds. `citymap ingest` also checks every value, finds the ward of each point, takes a checksum, looks for
duplicate keys, analyses the table and swaps it in; ogr2ogr does none of these."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import psycopg
from ground import Spent, citymap, cluster, run
from psycopg.conninfo import conninfo_to_dict

from mapserver import tables
from mapserver.catalogue import catalogue
from mapserver.database import Database
from mapserver.layer import Layer
from mapserver.settings import ROOT, settings

LAYER = "addresses"
COLUMNS = ("source_id", "house_number", "street", "alley", "depth", "full_text", "lon", "lat")
STREETS = ("Lê Lợi", "Nguyễn Huệ", "Hai Bà Trưng", "Huỳnh Tấn Phát", "Cách Mạng Tháng Tám", "Phạm Thế Hiển")
TARGET = 1.3
SETTLE_S = 20
PAGE = ROOT / "docs" / "ingest-speed.md"


def points(path: Path, count: int) -> None:
    """A CSV file of addresses around the centre of the city; the same every time."""
    rng = random.Random(2025)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(count):
            alley, door, street = rng.randint(1, 900), rng.randint(1, 200), rng.choice(STREETS)
            house = f"{alley}/{door}/{number % 7}"
            place = (round(rng.gauss(106.69, 0.06), 6), round(rng.gauss(10.79, 0.05), 6))
            writer.writerow([f"A{number}", house, street, f"{alley}/{door}", 2, f"{house} {street}", *place])


def ogr2ogr(database: Database, path: Path, layer: Layer) -> None:
    """ogr2ogr with COPY, and the same indexes but for the one on the ward, which it does not know."""
    parts = conninfo_to_dict(database.admin_dsn)
    address = " ".join(
        f"{key}='{parts[key]}'" for key in ("host", "port", "user", "password", "dbname") if key in parts
    )
    command = ["ogr2ogr", "-f", "PostgreSQL", f"PG:{address}", str(path), "-nln", "public.peer", "-overwrite",
               "--config", "PG_USE_COPY", "YES",
               "-lco", "GEOMETRY_NAME=geom", "-lco", "FID=id", "-lco", "SPATIAL_INDEX=NONE",
               "-oo", "X_POSSIBLE_NAMES=lon", "-oo", "Y_POSSIBLE_NAMES=lat", "-oo", "AUTODETECT_TYPE=YES",
               "-a_srs", "EPSG:4326", "-nlt", "POINT"]  # fmt: skip
    run(command, dict(os.environ))
    with psycopg.connect(database.admin_dsn) as conn:
        for statement in tables.indexes(layer, "public", "peer"):
            if "ward_code" not in statement:
                conn.execute(statement.encode())


def page(count: int, size: int, ours: list[Spent], theirs: list[Spent]) -> str:
    """The figures as a page of the documentation."""
    here, there = (statistics.median(spent.wall for spent in side) for side in (ours, theirs))
    rows = "\n".join(
        f"| {n} | {one} | {other} | {one.wall / other.wall:.2f} |"
        for n, (one, other) in enumerate(zip(ours, theirs, strict=True), 1)
    )
    return f"""# How fast a load is

Written by `python benchmarks/load.py`; do not edit. {count:,} points from a CSV file of {size / 1e6:.0f} MB with
{len(COLUMNS) - 2} columns and a place, into the layer `{LAYER}`, on {platform.system()} {platform.machine()} with
{os.cpu_count()} cores; seconds of wall clock and of processors, the two programs by turns.

| round | `citymap ingest` | CPU: own + PostgreSQL | `ogr2ogr`, same indexes | CPU: own + PostgreSQL | ratio |
|---|---|---|---|---|---|
{rows}
| **median** | **{here:.1f}** | | **{there:.1f}** | | **{here / there:.2f}** |

The target is a ratio of at most {TARGET}.

`citymap ingest` also starts Python, takes a checksum, checks every value, assigns the ward of each point among the real
wards, refuses duplicate keys, analyses the table and swaps it in. `ogr2ogr` runs with `PG_USE_COPY=YES`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    if shutil.which("ogr2ogr") is None:
        sys.exit("ogr2ogr is not installed (apt-get install gdal-bin)")
    layers = catalogue(settings().layers)
    with cluster(layers) as (database, clock), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.csv"
        points(path, chosen.rows)
        _wards(database)
        ours, theirs = [], []
        for _ in range(chosen.rounds):
            _emptied(database, layers[LAYER])
            ours.append(clock.spent(lambda: citymap(database, "ingest", LAYER, str(path))))
            theirs.append(clock.spent(lambda: ogr2ogr(database, path, layers[LAYER])))
            print(f"citymap {ours[-1]}, ogr2ogr {theirs[-1]}", flush=True)
        chosen.page.write_text(page(chosen.rows, path.stat().st_size, ours, theirs), encoding="utf-8")


def _wards(database: Database) -> None:
    folder = settings().real_data_found
    if folder:
        citymap(database, "ingest", "wards", str(folder / "hcmc_wards_2025.gpkg"))
    else:
        citymap(database, "demo", "wards")


def _emptied(database: Database, layer: Layer) -> None:
    """Both programs fill an empty table."""
    with psycopg.connect(database.owner_dsn) as conn:
        conn.execute(f"TRUNCATE {layer.table}".encode())


if __name__ == "__main__":
    main()
