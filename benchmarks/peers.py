"""The project beside its peers and two floors, on the same rows, in one interleaved run: writes docs/performance.md.

`python benchmarks/peers.py --rows 2000000` installs the peers, makes the five tables, starts every server, and asks
them by turns. The figure is processor time for each request, of the server and of PostgreSQL together."""

from __future__ import annotations

import argparse
import json
import platform
import signal
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import dataset
import psutil
import psycopg
from meter import Burst, Refused, asked, burst
from page import PAGE, PICTURE, written
from servers import LAUNCHES, Ground, Server, installed, running
from workloads import WORKLOADS, CityMap, urls

from mapserver.cluster import OWNER, Cluster
from mapserver.datafolder import folder
from mapserver.settings import settings

SEEDS = (7, 2027)
"""Two sets of requests, asked by turns."""
SLOW_MS = 1500
"""A server that takes longer than this for a request is asked in the first round only."""
KEPT = "304"


@dataclass(slots=True)
class Cell:
    """What one server took for one workload: bursts by set of requests, or why there are none."""

    bursts: dict[int, list[Burst]] = field(default_factory=dict)
    bytes: int = 0
    fault: str = ""

    def median(self, seed: int | None = None) -> float:
        return statistics.median(b.cpu_ms for b in self._of(seed))

    def spread(self) -> tuple[float, float]:
        figures = [b.cpu_ms for b in self._of(None)]
        return min(figures), max(figures)

    def _of(self, seed: int | None) -> list[Burst]:
        return [b for key, each in self.bursts.items() if seed in (None, key) for b in each]


Table = dict[str, dict[str, Cell]]


def measured(servers: list[Server], postmaster: int, chosen: argparse.Namespace) -> Table:
    """Every workload on every server, round by round."""
    table: Table = {}
    for workload in chosen.only or [*WORKLOADS, KEPT]:
        row = table[workload] = {server.name: Cell() for server in servers}
        for turn in range(chosen.rounds):
            for server in servers:
                _turn(server, postmaster, Turn(workload, SEEDS[turn % len(SEEDS)]), row[server.name], chosen)
        print(workload, *(f"{name} {_told(cell)}" for name, cell in row.items()), sep="  ", flush=True)
    return table


@dataclass(frozen=True, slots=True)
class Turn:
    """One burst to be: of which workload, out of which set of requests."""

    workload: str
    seed: int


def _turn(server: Server, postmaster: int, turn: Turn, cell: Cell, chosen: argparse.Namespace) -> None:
    if cell.fault or (cell.bursts and cell.median() > SLOW_MS):
        return
    try:
        asking, headers = _requests(server, turn.workload, turn.seed, chosen.rows)
        if asking:
            took = burst(asking, server.pid, postmaster, chosen.seconds, headers)
            cell.bursts.setdefault(turn.seed, []).append(took)
            cell.bytes = cell.bytes or len(_body(asking[0])[0])
    except (Refused, OSError) as error:
        cell.fault = str(error)[:200]


def _requests(server: Server, workload: str, seed: int, rows: int) -> tuple[list[str], dict[str, str]]:
    """The urls of a workload, and the headers that go with them."""
    headers = {"Accept": "*/*"}
    if workload == KEPT:
        url = server.dialect.document("/collections")
        tag = _body(url)[1].get("etag") if url and isinstance(server.dialect, CityMap) else None
        if server.name == "fast-pq":
            return [f"{server.dialect.base}/raw/0"], headers
        return ([url], headers | {"If-None-Match": tag}) if url and tag else ([], headers)
    asking = urls(workload, server.dialect, seed, rows)
    if workload.startswith("keyset") and isinstance(server.dialect, CityMap):
        asking = _followed(server.dialect, rows)
    return asking, headers


def _followed(dialect: CityMap, rows: int) -> list[str]:
    """The `next` link of a page far behind."""
    page = json.loads(_body(dialect.items("addresses", f"limit=10&offset={rows // 2}") or "")[0])
    return [link["href"] for link in page["links"] if link["rel"] == "next"]


def _body(url: str) -> tuple[bytes, dict[str, str]]:
    place = urlsplit(url)
    client = HTTPConnection(place.hostname or "", place.port, timeout=120)
    try:
        _, body, headers = asked(client, url[url.index(place.netloc) + len(place.netloc) :], {"Accept": "*/*"})
        return body, {name.lower(): value for name, value in headers.items()}
    finally:
        client.close()


def _told(cell: Cell) -> str:
    return cell.fault[:40] if cell.fault else f"{cell.median():.3f}" if cell.bursts else "-"


def _tables(cluster: Cluster, rows: int) -> str:
    """The address of the database with the five tables of that size, made where it is not there yet."""
    name = f"bench_{rows}"
    with psycopg.connect(cluster.dsn(OWNER, "postgres"), autocommit=True) as conn:
        if conn.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            print(f"making {rows:,} addresses and what goes with them", flush=True)
            conn.execute(f"DROP DATABASE IF EXISTS {name}_unfinished WITH (FORCE)".encode())
            conn.execute(f"CREATE DATABASE {name}_unfinished".encode())
            dataset.made(cluster.dsn(OWNER, f"{name}_unfinished"), rows)
            conn.execute(f"ALTER DATABASE {name}_unfinished RENAME TO {name}".encode())
    return cluster.dsn(OWNER, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000, help="addresses; the other tables follow")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one burst")
    parser.add_argument("--only", nargs="*", help="workloads")
    parser.add_argument("--servers", nargs="*", default=[*LAUNCHES])
    parser.add_argument("--home", type=Path, default=settings().data.resolve() / "bench")
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # so that no server is left behind
    home = folder(chosen.home)
    installed(home)
    cluster = Cluster(home)
    cluster.start()
    try:
        ground = Ground(home, _tables(cluster, chosen.rows))
        postmaster = int((cluster.place.data / "postmaster.pid").read_text().split()[0])
        with running(ground, chosen.servers) as servers:
            table = measured(servers, postmaster, chosen)
            memory = {server.name: _memory(server.pid) for server in servers}
    finally:
        cluster.stop()
    machine = f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} cores"
    chosen.page.write_text(written(chosen.page, table, memory, f"{chosen.rows:,} addresses on {machine}"))
    figures = {
        row: {name: cell.median() for name, cell in cells.items() if cell.bursts} for row, cells in table.items()
    }
    plot = [ground.program("floors", "python"), Path(__file__).parent / "plot.py", chosen.page.parent / PICTURE]
    subprocess.run(plot, input=json.dumps(figures), text=True, check=True)
    print(f"{chosen.page} written", file=sys.stderr)


def _memory(pid: int) -> float:
    """MiB that a server holds, its workers and all."""
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) / 2**20


if __name__ == "__main__":
    main()
