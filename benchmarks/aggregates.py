"""What counts by ward cost when a layer grows: `python benchmarks/aggregates.py` writes docs/aggregates-speed.md.

`--rows 10000 1000000 50000000`: the layer `economic_units` is filled with so many features over ten years, counted as
a load counts them, then asked through the web server with its caches off. The figures are processors' time for each
answer, of PostgreSQL and of the web server."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from ground import cluster
from meter import Burst, burst
from psutil import Process

from mapserver import serving, tallies
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import Database
from mapserver.layer import Layer
from mapserver.settings import ROOT, Settings, settings

LAYER = "economic_units"
SIZES = (10_000, 1_000_000, 50_000_000)
PORT, SECONDS, START_S, BATCH = 8861, 4.0, 60.0, 5_000_000
PAGE = ROOT / "docs" / "aggregates-speed.md"
QUESTIONS = {
    "by ward": "by=ward",
    "by ward and sector": "by=ward,sector",
    "by ward and year": "by=ward,year",
    "by ward and sector, of one year": "by=ward,sector&datetime=2023-01-01/2023-12-31",
    "by ward, of 45 days": "by=ward&datetime=2023-01-10/2023-02-23",
    "employees by ward": "by=ward&value=employees",
}
ROWS = """
    INSERT INTO {table} (id, code, name, kind, sector, status, employees, registered_on, ward_code, geom)
    SELECT n, n::text, 'x', (%(kinds)s::text[])[1 + mod(h, %(k)s)], (%(sectors)s::text[])[1 + mod(h >> 8, %(s)s)],
           'active', 1 + mod(h, 50), date '2015-01-01' + mod(h >> 4, 3650),
           (%(wards)s::text[])[1 + mod(h >> 12, %(w)s)],
           ST_SetSRID(ST_MakePoint(106.7, 10.8), 4326)
    FROM (SELECT n, abs(hashint8(n)) AS h FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A layer of so many features: seconds of counting all of it, rows kept of that, and what answers cost."""

    features: int
    counting_s: float
    kept: int
    bursts: dict[str, Burst]


def filled(conn: psycopg.Connection[tuple[object, ...]], layer: Layer, count: int) -> float:
    """The layer with so many features, counted; seconds that the counting took."""
    wards = [code for (code,) in conn.execute("SELECT code FROM layers.wards ORDER BY code")]
    kinds, sectors = ([*(layer.by_name[name].codes or {})] for name in ("kind", "sector"))
    given = {"kinds": kinds, "k": len(kinds), "sectors": sectors, "s": len(sectors), "wards": wards, "w": len(wards)}
    conn.execute(f"TRUNCATE {layer.table}".encode())
    conn.execute(f"ALTER TABLE {layer.table} DISABLE TRIGGER USER".encode())
    for (name,) in conn.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary",
        (layer.table,),
    ).fetchall():
        conn.execute(f"DROP INDEX {name}".encode())
    for first in range(1, count + 1, BATCH):
        rows = {**given, "first": first, "last": min(count, first + BATCH - 1)}
        conn.execute(ROWS.format(table=layer.table).encode(), rows)
    start = time.monotonic()
    conn.execute(tallies.recount(layer).encode())
    spent = time.monotonic() - start
    conn.execute(f"ALTER TABLE {layer.table} ENABLE TRIGGER USER".encode())
    conn.execute(b"VACUUM ANALYZE citymap.ward_tally")
    return spent


@contextmanager
def served(chosen: Settings, database: Database) -> Iterator[int]:
    """The web server over the database, with its caches off; its process."""
    env = chosen.environment(CITYMAP_APP_URL=database.app_dsn, CITYMAP_CACHE="off")
    web = serving.Child(subprocess.Popen(serving.web_command(chosen), env=env, cwd=ROOT, start_new_session=True))
    deadline = time.monotonic() + START_S
    try:
        while not serving.alive(chosen):
            if time.monotonic() > deadline:
                sys.exit("the web server does not answer")
            time.sleep(0.1)
        yield web.process.pid
    finally:
        web.stop()


def measured(database: Database, layers: Catalogue, postmaster: Process, count: int) -> Outcome:
    """One size of the layer."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as conn:
        counting = filled(conn, layers[LAYER], count)
        row = conn.execute("SELECT count(*) FROM citymap.ward_tally WHERE layer = %s", (LAYER,)).fetchone()
    chosen = settings(port=PORT, workers=1)
    bursts = {}
    with served(chosen, database) as web:
        for name, asked in QUESTIONS.items():
            url = f"{chosen.base_url}/collections/{LAYER}/aggregate?{asked}&skipGeometry=true"
            bursts[name] = burst([url], web, postmaster.pid, SECONDS, {})
            print(f"{count:,} features, {name}: {bursts[name]}", flush=True)
    return Outcome(count, counting, row[0] if row else 0, bursts)


def page(outcomes: list[Outcome]) -> str:
    """The figures as a page of the documentation."""
    head = " | ".join(f"{outcome.features:,}" for outcome in outcomes)
    rows = [f"| features | {head} |", "| --- |" + " ---: |" * len(outcomes)]
    for name in QUESTIONS:
        cells = (f"{o.bursts[name].database_ms:.1f} + {o.bursts[name].server_ms:.1f}" for o in outcomes)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    rows.append("| rows kept of the counts | " + " | ".join(f"{o.kept:,}" for o in outcomes) + " |")
    rows.append("| counting all anew, seconds | " + " | ".join(f"{o.counting_s:.1f}" for o in outcomes) + " |")
    table = "\n".join(rows)
    return f"""# What counts by ward cost when a layer grows

Written by `python benchmarks/aggregates.py`; do not edit. Milliseconds of processors for each answer of
`/collections/{LAYER}/aggregate`, PostgreSQL + web server, one request after the other, caches off, on
{platform.system()} {platform.machine()} with {os.cpu_count()} cores. The features lie in all wards, all
sectors and ten years of days.

{table}

Sums are kept by day, month and year and in all. A question reads the coarsest rows that answer it: whole months need no
days, all of time no months. So an answer costs what its own groups cost, and days are read only where they are
asked for.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    layers = catalogue(settings().layers)
    with cluster(layers) as (database, clock):
        subprocess.run(
            [sys.executable, "-m", "mapserver.cli", "demo", "wards"],
            env={**os.environ, "DATABASE_URL": database.admin_dsn}, cwd=ROOT, check=True,
        )  # fmt: skip
        outcomes = [measured(database, layers, clock.server, count) for count in chosen.rows]
    chosen.page.write_text(page(outcomes), encoding="utf-8")


if __name__ == "__main__":
    main()
