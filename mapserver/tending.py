"""What the server does behind every change of data: a process of its own for each run of the upkeep, one at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg

from mapserver.catalogue import catalogue
from mapserver.errors import BadSetup, CityMapError
from mapserver.settings import settings
from mapserver.upkeep import MARK, caught_up

LOOK_S, AGAIN_S = 1.0, 60.0
"""Seconds between two looks, and after a run that failed."""
Mark = tuple[Any, ...]


class Run(Protocol):
    """A process that does what is due, once. ended: its exit code, once it has one."""

    @property
    def ended(self) -> int | None: ...
    def stop(self) -> None: ...


@dataclass(slots=True)
class Tending:
    """Looks whether data were changed, and starts the upkeep when they were."""

    owner_dsn: str
    start: Callable[[], Run]
    run: Run | None = None
    seen: Mark | None = None
    next_look: float = 0.0
    _conn: psycopg.Connection[Any] | None = field(default=None, repr=False)

    def look(self) -> None:
        """One look; returns at once. A run that failed is begun again after a minute."""
        if self.run is not None:
            self._over(self.run)
        elif time.monotonic() >= self.next_look:
            self.next_look = time.monotonic() + LOOK_S
            mark = self._mark()
            if mark is not None and mark != self.seen:
                self.seen, self.run = mark, self.start()

    def close(self) -> None:
        """Ends the run and lets go of the database."""
        if self.run is not None:
            self.run.stop()
        if self._conn is not None:
            self._conn.close()

    def _over(self, run: Run) -> None:
        if run.ended is None:
            return
        run.stop()
        self.run = None
        if run.ended != 0:
            self.seen, self.next_look = None, time.monotonic() + AGAIN_S

    def _mark(self) -> Mark | None:
        """None while the database cannot be reached."""
        with suppress(psycopg.Error):
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(self.owner_dsn, autocommit=True)
            return self._conn.execute(MARK.encode()).fetchone()
        if self._conn is not None:
            self._conn.close()
        return None


def main() -> None:
    """Does what is due, out of the environment given to it; exit code 1 and one line when that fails."""
    chosen = settings()
    try:
        if chosen.owner_url is None:
            raise BadSetup("CITYMAP_OWNER_URL", "is not set; the upkeep is started by `citymap serve`")
        for note in caught_up(chosen.owner_url, catalogue(chosen.layers)):
            print(f"citymap: {note}", flush=True)
    except (CityMapError, psycopg.Error) as error:
        sys.exit(f"citymap: upkeep: {error}")


if __name__ == "__main__":
    main()
