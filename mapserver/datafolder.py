"""The data folder: made, and held by one server or one command at a time.

The hold is a `flock`, so the kernel ends it with the process, however that ends; the file says who holds it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from mapserver.errors import BadSetup

What = Literal["server", "command"]
WAIT_S, PASSING_S = 600.0, 2.0
"""How long a command waits for another one to end; and anybody for one who only asks who holds the folder."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a data folder, and what it is."""

    pid: int
    what: What


def folder(data: Path) -> Path:
    """The data folder, made when it is missing. Raises BadSetup when it cannot be."""
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetup("CITYMAP_DATA", f"{data} cannot be made: {error.strerror}") from error
    if not os.access(data, os.W_OK | os.X_OK):
        raise BadSetup("CITYMAP_DATA", f"{data} cannot be written by this user; choose another folder")
    return data


@contextmanager
def held(data: Path, what: What) -> Iterator[None]:
    """Holds the data folder for this process alone; a command waits for another one. Raises BadSetup when another
    holds it."""
    with _lock_file(folder(data)) as file:
        _taken(file, data, what)
        file.truncate(0)
        file.write(f"{os.getpid()} {what}")
        file.flush()
        yield
        file.truncate(0)


def holder(data: Path) -> Holder | None:
    """Who holds the data folder, if anybody does who has written down so."""
    if not (data / "lock").exists():
        return None
    with _lock_file(data) as file:
        if _locked(file):
            return None
        file.seek(0)
        pid, _, what = file.read().partition(" ")
    return Holder(int(pid), "command" if what == "command" else "server") if pid else None


def _taken(file: TextIO, data: Path, what: What) -> None:
    start = time.monotonic()
    while not _locked(file):
        now, waited = holder(data), time.monotonic() - start
        longest = WAIT_S if what == "command" and (now is None or now.what == "command") else PASSING_S
        if waited > longest or (now is not None and longest == PASSING_S):
            raise BadSetup("CITYMAP_DATA", _refusal(data))
        time.sleep(0.1)


@contextmanager
def _lock_file(data: Path) -> Iterator[TextIO]:
    try:
        with (data / "lock").open("a+") as file:
            yield file
    except PermissionError as error:
        raise BadSetup("CITYMAP_DATA", f"{data / 'lock'} belongs to another user; start as that user") from error


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refusal(data: Path) -> str:
    now = holder(data)
    by = f" (process {now.pid})" if now and now.pid else ""
    return f"{data} is in use by another citymap{by}; stop that with `make stop`, or choose another folder"
