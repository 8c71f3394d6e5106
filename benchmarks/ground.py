"""What the benchmarks stand on: a PostGIS of their own, and a clock that reads processors as well as walls."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from mapserver.catalogue import Catalogue
from mapserver.cluster import NAME, OWNER, Cluster
from mapserver.database import Database, prepare
from mapserver.settings import ROOT

SETTLE_S = 20


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of wall clock, and of processors: in the program, and in PostgreSQL."""

    wall: float
    client: float
    server: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} | {self.client:.1f} + {self.server:.1f}"


@dataclass(frozen=True, slots=True)
class Clock:
    """Reads wall clock and processor times; PostgreSQL's backends are counted once they have ended."""

    server: psutil.Process

    def now(self) -> Spent:
        ours = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = time.process_time()
        theirs = self.server.cpu_times()
        ended = theirs.children_user + theirs.children_system
        return Spent(time.monotonic(), ours.ru_utime + ours.ru_stime + own, ended)

    def spent(self, deed: Callable[[], None]) -> Spent:
        """What a deed took."""
        self._settle()
        start = self.now()
        deed()
        wall = time.monotonic() - start.wall
        self._settle()
        end = self.now()
        return Spent(wall, end.client - start.client, end.server - start.server)

    def _settle(self) -> None:
        """Waits until no backend is left: an ended one is counted."""
        deadline = time.monotonic() + SETTLE_S
        while any(_is_backend(child) for child in self.server.children()):
            if time.monotonic() > deadline:
                sys.exit("a backend of PostgreSQL does not end")
            time.sleep(0.05)


def _is_backend(process: psutil.Process) -> bool:
    """Whether a child of the postmaster serves a client, or has ended and is not counted yet."""
    try:
        title = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return True
    return f" {OWNER} {NAME} " in title or not title.strip()


@contextmanager
def cluster(layers: Catalogue) -> Iterator[tuple[Database, Clock]]:
    """A PostGIS of its own, as `citymap serve` makes it, thrown away at the end."""
    with tempfile.TemporaryDirectory(prefix="citymap-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        house = Cluster(Path(folder))
        try:
            house.start()
            postmaster = psutil.Process(int((house.place.data / "postmaster.pid").read_text().split()[0]))
            yield prepare(house.owner_dsn, layers, house.app_dsn), Clock(postmaster)
        finally:
            house.stop()


def run(command: list[str], environment: dict[str, str]) -> str:
    """What a program prints; the benchmark ends where it fails."""
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr or done.stdout}")
    return done.stdout


def citymap(database: Database, *arguments: str) -> str:
    """`citymap …` on that database, start of the program included; what it prints."""
    return run([sys.executable, "-m", "mapserver.cli", *arguments], {**os.environ, "DATABASE_URL": database.admin_dsn})
