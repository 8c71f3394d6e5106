"""What a request costs: processor time of a server and of PostgreSQL, for each request that was answered.

The kernel's own count of every thread's time on a processor (`schedstat`, nanoseconds), so that what else the machine
does matters little; wall-clock figures would not hold."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

TICK_S = 0.01
ENOUGH = 4000
"""Requests in one burst, at most."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Requests one after the other over one connection: how many, and milliseconds of processors for each."""

    requests: int
    server_ms: float
    database_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.server_ms + self.database_ms


class Refused(Exception):
    """A server did not answer 200 to a request of the benchmark."""


def tree(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(thread).split():
            yield from tree(int(child))


def spent(pid: int) -> float:
    """Seconds of processors of a process tree, ended children included."""
    total = 0.0
    for each in tree(pid):
        threads = Path(f"/proc/{each}/task").glob("*/schedstat")
        total += sum(int(text.split()[0]) for text in map(_read, threads) if text) / 1e9
        stat = _read(Path(f"/proc/{each}/stat")).rpartition(")")[2].split()
        total += sum(map(int, stat[13:15])) * TICK_S if stat else 0.0
    return total


def burst(urls: Sequence[str], server: int, database: int, seconds: float, headers: dict[str, str]) -> Burst:
    """Asks the urls in turn for a while, each at least once. Raises Refused."""
    place = urlsplit(urls[0])
    client = HTTPConnection(place.hostname or "", place.port, timeout=120)
    paths = [url[url.index(place.netloc) + len(place.netloc) :] for url in urls]
    asked(client, paths[0], headers)  # the first one opens connections and plans
    before, count = (spent(server), spent(database)), 0
    until = time.monotonic() + seconds
    while count < ENOUGH and (time.monotonic() < until or count < len(paths)) and time.monotonic() < until + 10:
        asked(client, paths[count % len(paths)], headers)
        count += 1
    after = (spent(server), spent(database))
    client.close()
    return Burst(count, *(1000 * (b - a) / count for a, b in zip(before, after, strict=True)))


def asked(client: HTTPConnection, path: str, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """One answer, over the connection that is kept; once more where the server has closed it."""
    for last in (False, True):
        try:
            client.request("GET", path, headers=headers)
            answer = client.getresponse()
            body = answer.read()
        except (HTTPException, OSError):
            client.close()
            if last:
                raise
            continue
        if answer.status not in (200, 304):
            raise Refused(f"{answer.status} to {path}: {body[:200]!r}")
        return answer.status, body, dict(answer.getheaders())
    raise Refused(path)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
