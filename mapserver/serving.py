"""Serves in the foreground: holds the data folder, starts the private PostGIS, the web workers and the first load.

Whatever ends it (Ctrl-C, SIGTERM, a fault), no process of its own is left behind. When it is killed outright, the
kernel ends its children, and PostgreSQL goes on until the next start takes it over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType

import psutil
import psycopg

from mapserver.catalogue import Catalogue, catalogue
from mapserver.cluster import Cluster
from mapserver.database import Database, prepare
from mapserver.datafolder import held, holder
from mapserver.errors import BadSetup
from mapserver.settings import ROOT, Settings
from mapserver.tending import Tending

MARK = "CITYMAP_SERVED_FROM"
"""Environment name by which the children of a server are known; its value is the data folder."""
LOOK_S, STOP_S, START_S = 0.3, 10.0, 60.0

Say = Callable[[str], None]


class Stopped(BaseException):
    """Raised, wherever the server stands, when it is told to stop."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours with all that it starts; the kernel ends it when we die."""

    process: subprocess.Popen[bytes]

    @property
    def ended(self) -> int | None:
        """Its exit code, once it has one."""
        return self.process.poll()

    def stop(self) -> None:
        """Ends it and everything it started: asks first, then kills."""
        if self.ended is None:
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(slots=True)
class Serving:
    """One server being run: what it serves, and what it started."""

    settings: Settings
    layers: Catalogue
    say: Say
    house: ExitStack
    cluster: Cluster | None = None

    def run(self) -> None:
        """Starts everything in order and watches over it; never returns of itself."""
        self.house.enter_context(held(self.settings.data, "server"))
        _end_leftovers(self.settings.data)
        _port_is_free(self.settings.host, self.settings.port)
        database = self._database()
        web = self._web(database)
        missing = never_loaded(database, self.layers)
        loader = self._loader(database, missing) if missing else None
        if loader is None:
            self._announce()
        self._watch(database, web, loader)

    def _database(self) -> Database:
        if self.settings.database_url:
            return prepare(self.settings.database_url, self.layers)
        self.cluster = Cluster(self.settings.data)
        if self.cluster.moved:
            self.say(
                f"The database's user cannot reach {self.settings.data}; the database is in {self.cluster.place.home}."
            )
        self.house.callback(self.cluster.stop)
        self.cluster.start()
        return prepare(self.cluster.owner_dsn, self.layers, self.cluster.app_dsn)

    def _loader(self, database: Database, missing: list[str]) -> Child:
        self.say(f"{self.settings.base_url}/map is up; loading {', '.join(missing)} …")
        return self._child([sys.executable, "-m", "mapserver.filling"], CITYMAP_OWNER_URL=database.owner_dsn)

    def _tending(self, database: Database) -> Tending:
        """Whatever follows from changed data, behind them."""
        command = [sys.executable, "-m", "mapserver.tending"]
        tending = Tending(database.owner_dsn, lambda: self._started(command, CITYMAP_OWNER_URL=database.owner_dsn))
        self.house.callback(tending.close)
        return tending

    def _child(self, command: list[str], **further: str) -> Child:
        """A process that ends when the server does."""
        child = self._started(command, **further)
        self.house.callback(child.stop)
        return child

    def _started(self, command: list[str], **further: str) -> Child:
        env = self.settings.environment(**{MARK: str(self.settings.data)}, **further)
        dying_with_us = ["setpriv", "--pdeathsig", "TERM", *command]
        return Child(
            subprocess.Popen(dying_with_us, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
        )

    def _web(self, database: Database) -> Child:
        """The web server, answering."""
        web = self._child(web_command(self.settings), CITYMAP_APP_URL=database.app_dsn)
        deadline = time.monotonic() + START_S
        while not alive(self.settings):
            if web.ended is not None or time.monotonic() > deadline:
                raise BadSetup("web server", "does not answer; what it said stands above")
            time.sleep(0.05)
        return web

    def _watch(self, database: Database, web: Child, loader: Child | None) -> None:
        """Brings back what is killed from outside; a web server that ends at its start was refused already."""
        tending = self._tending(database)
        while True:
            if web.ended is not None:
                self.say(f"The web server ended (code {web.ended}); starting it again.")
                web.stop()
                self._port_comes_free()
                web = self._web(database)
            if loader is not None and loader.ended is not None:
                self._announce() if loader.ended == 0 else self._lament(loader.ended)
                loader = None
            if loader is None:
                tending.look()
            if self.cluster is not None and not self.cluster.running:
                self.say("PostgreSQL was killed; starting it again.")
                self.cluster.start()
            time.sleep(LOOK_S)

    def _port_comes_free(self) -> None:
        """Returns when killed workers have let go of the port. Raises BadSetup when somebody else has it."""
        deadline = time.monotonic() + STOP_S
        while True:
            try:
                return _port_is_free(self.settings.host, self.settings.port)
            except BadSetup:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _announce(self) -> None:
        base = self.settings.base_url
        self.say(
            f"CityMap is ready; Ctrl-C stops it.\n"
            f"  browser  {base}/map\n"
            f"  QGIS     {base}/   (Layer > Add Layer > Add WFS / OGC API - Features Layer > New)\n"
            f"  curl     curl '{base}/collections/wards/items?limit=1'"
        )

    def _lament(self, code: int) -> None:
        self.say(f"Loading ended with code {code}; what failed stands above. Start again to load what is missing.")


def serve(settings: Settings, say: Say) -> None:
    """Serves until told to stop. Raises BadSetup or BadCatalogue, in words, when it cannot."""
    chosen = settings.model_copy(update={"data": settings.data.resolve()})
    with _told_by_signals(), suppress(Stopped), ExitStack() as house:
        Serving(chosen, catalogue(chosen.layers), say, house).run()
    say("CityMap has stopped.")


def stop(settings: Settings) -> bool:
    """Stops whatever serves from the data folder, and what such a server left; whether there was anything."""
    data = settings.data.resolve()
    serving = holder(data)
    if serving is not None:
        _end(serving.pid)
    found = _end_leftovers(data)
    if not (data / "cluster.json").exists():
        return found or serving is not None
    cluster = Cluster(data)
    running = cluster.running
    cluster.stop()
    return found or running or serving is not None


def never_loaded(database: Database, layers: Catalogue) -> list[str]:
    """Layers that no load has filled yet; views fill themselves."""
    with psycopg.connect(database.owner_dsn) as conn:
        rows = conn.execute("SELECT DISTINCT layer FROM citymap.load WHERE finished_at IS NOT NULL")
        loaded = {layer for (layer,) in rows}
    return [layer.name for layer in layers if layer.is_loaded and layer.name not in loaded]


def alive(settings: Settings) -> bool:
    """Whether a web worker answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection = HTTPConnection(host, settings.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def web_command(settings: Settings) -> list[str]:
    """The command of the web server; it wants CITYMAP_APP_URL in its environment."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--no-ws", "--log-level", "error"),
        *("--host", settings.host, "--port", str(settings.port), "--workers", str(settings.workers)),
        *("--workers-kill-timeout", "5", "mapserver.asgi:app"),
    ]


def _port_is_free(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise BadSetup("HOST", f"{host} is no address: {error.strerror}") from error
    except PermissionError as error:
        raise BadSetup("PORT", f"{port} may be used by root only; choose one above 1023, e.g. PORT=8000") from error
    except OSError as error:
        taken = f"{port} on {host} is taken or not ours ({error.strerror}); choose another, e.g. PORT={port + 1}"
        raise BadSetup("PORT", taken) from error


@contextmanager
def _told_by_signals() -> Iterator[None]:
    """Turns the first SIGINT or SIGTERM into Stopped; further ones do not disturb the tidying up."""

    def told(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_leftovers(data: Path) -> bool:
    """Ends children of a server that was killed outright; whether there were any."""
    left = [process for process in psutil.process_iter() if _marked(process) == str(data)]
    for process in left:
        _end(process.pid)
    return bool(left)


def _marked(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def _end(pid: int) -> None:
    """Ends a process, its own way if it takes it; one that only waits to be reaped has ended."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for number, seconds in ((signal.SIGTERM, 4 * STOP_S), (signal.SIGKILL, STOP_S)):
            process.send_signal(number)
            deadline = time.monotonic() + seconds
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            else:
                return
