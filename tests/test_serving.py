"""`citymap serve` as a process: started, killed, refused, stopped, and what is left behind (nothing)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import psycopg
import pytest
from conftest import citymap, foreign, free_port, until

from mapserver.cluster import Cluster, _processes_in
from mapserver.settings import ROOT

pytestmark = pytest.mark.postgis
LAYERS = ("wards", "field_notes")
"""The toy city of these tests: two layers of the real one, so that a start takes seconds."""


@dataclass(frozen=True)
class Place:
    """A data folder, and the environment of whatever runs on it."""

    data: Path
    port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def status(self, path: str) -> int | None:
        """Status of an answer; None when nobody answers."""
        try:
            with urlopen(f"{self.url}{path}", timeout=10) as response:
                return int(response.status)
        except HTTPError as error:
            return error.code
        except (OSError, HTTPException):
            return None

    def citymap(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return citymap(*arguments, **self.environment)

    def value(self, query: str) -> object:
        with psycopg.connect(Cluster(self.data).owner_dsn) as conn:
            row = conn.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


@dataclass(frozen=True)
class Running:
    """A server process."""

    process: subprocess.Popen[bytes]
    log: Path

    def family(self) -> list[psutil.Process]:
        """The server's own processes, PostgreSQL's apart."""
        own = psutil.Process(self.process.pid)
        return [own, *(p for p in own.children(recursive=True) if p.name() != "postgres")]

    def told(self, number: int) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def toy_layers(house: Path) -> Path:
    """Layer files of a small city."""
    for folder, suffix in (("layers", "yml"), ("ingest", "py"), ("styles", "json")):
        (house / "small city" / folder).mkdir(parents=True, exist_ok=True)
        for name in LAYERS:
            shutil.copy(ROOT / folder / f"{name}.{suffix}", house / "small city" / folder)
    shutil.copy(ROOT / "styles/citymap.json", house / "small city/styles")
    return house / "small city" / "layers"


@pytest.fixture(scope="module")
def filled(house: Path, toy_layers: Path) -> Place:
    """A data folder that was served, and filled, once before."""
    there = place(house / "served" / "var", toy_layers)
    with serving(there) as server:
        until(lambda: there.status("/readyz") == 503, "it is up, and not ready before every layer is loaded")
        until(lambda: "is ready" in server.log.read_text() or server.process.poll() is not None, "the first load ends")
        assert there.status("/readyz") == 200, server.log.read_text()
        assert server.told(signal.SIGINT) == 0
    return there


def place(data: Path, layers: Path, **more: str) -> Place:
    port = free_port()
    environment = {"CITYMAP_DATA": str(data), "CITYMAP_LAYERS": str(layers), "PORT": str(port), "CITYMAP_WORKERS": "1"}
    return Place(data, port, {**environment, "CITYMAP_REAL_DATA": "/nonexistent", **more})


@contextmanager
def serving(there: Place) -> Iterator[Running]:
    """A server being started; ended, whatever happens."""
    there.data.parent.mkdir(parents=True, exist_ok=True)
    log = there.data.parent / f"{there.port}.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "mapserver.cli", "serve"]
        env = {**os.environ, **there.environment}
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        there.citymap("stop")


@contextmanager
def ready(there: Place) -> Iterator[Running]:
    """A server that is ready."""
    with serving(there) as server:
        wait_until_ready(there, server)
        yield server


def wait_until_ready(there: Place, server: Running) -> None:
    until(lambda: there.status("/readyz") == 200 or server.process.poll() is not None, "the server is ready")
    assert server.process.poll() is None, server.log.read_text()


@pytest.fixture(scope="module")
def servers(filled: Place) -> Iterator[Callable[[], Running]]:
    """The server of the filled folder: the one that runs, or a new one when a test ended it."""
    with ExitStack() as stack:
        running: list[Running] = []

        def one() -> Running:
            if not running or running[-1].process.poll() is not None:
                running.append(stack.enter_context(serving(filled)))
            wait_until_ready(filled, running[-1])
            return running[-1]

        yield one


@pytest.fixture
def server(servers: Callable[[], Running]) -> Running:
    """A server that is ready, as the test before left it."""
    return servers()


def postgres(there: Place) -> list[psutil.Process]:
    return _processes_in(Cluster(there.data).place.data)


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_the_addresses_are_printed_for_browser_qgis_and_curl(filled: Place) -> None:
    said = (filled.data.parent / f"{filled.port}.log").read_text()
    assert f"browser  {filled.url}/map" in said
    assert f"QGIS     {filled.url}/ " in said
    assert f"curl '{filled.url}/collections/wards/items?limit=1'" in said


def test_a_later_start_loads_nothing_again(server: Running, filled: Place) -> None:
    assert filled.value("SELECT count(*) FROM citymap.load") == len(LAYERS)
    assert "loading" not in server.log.read_text()


def test_commands_work_beside_a_running_server(server: Running, filled: Place) -> None:
    checked = filled.citymap("layers", "check", "--tables")
    assert checked.stdout == f"{len(LAYERS)} layers, no problem\n", checked.stderr
    doctor = filled.citymap("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert re.search(r"SRID 909210 +Bến Thành is 0\.\d\d mm off", doctor.stdout)


def test_a_second_server_on_the_same_data_folder_is_refused_in_words(server: Running, filled: Place) -> None:
    second = citymap("serve", **{**filled.environment, "PORT": str(free_port())})
    assert second.returncode == 1
    assert f"in use by another citymap (process {server.process.pid})" in second.stderr
    assert second.stderr.count("\n") == 1
    assert filled.status("/readyz") == 200


def test_a_killed_postgres_is_started_again_under_the_running_server(server: Running, filled: Place) -> None:
    for process in postgres(filled):
        process.kill()
    until(lambda: "PostgreSQL was killed; starting it again." in server.log.read_text(), "the loss is seen")
    until(lambda: filled.status("/readyz") == 200, "the server is ready again")
    assert filled.value("SELECT count(*) FROM layers.wards") == 168


def test_a_killed_web_server_is_started_again(server: Running, filled: Place) -> None:
    for process in server.family()[1:]:
        process.kill()
    until(lambda: "web server ended" in server.log.read_text(), "the loss is seen")
    wait_until_ready(filled, server)


def test_a_killed_server_takes_its_children_along_and_starts_again_with_nothing_lost(
    servers: Callable[[], Running], filled: Place
) -> None:
    killed = servers()
    made = filled.citymap("token", "add", "keeper", "--write", "field_notes")
    assert made.returncode == 0, made.stderr
    children = killed.family()[1:]
    killed.told(signal.SIGKILL)
    until(lambda: gone(children), "the web workers end with their server")
    assert postgres(filled), "PostgreSQL goes on, to be taken over"
    servers()
    assert filled.value("SELECT count(*) FROM citymap.token WHERE name = 'keeper'") == 1


def test_ctrl_c_leaves_no_process(server: Running, filled: Place) -> None:
    before = [*server.family(), *postgres(filled)]
    assert len(before) > 5
    assert server.told(signal.SIGINT) == 0
    assert gone(before)
    assert server.log.read_text().endswith("CityMap has stopped.\n")


def test_stop_ends_a_server_and_then_has_nothing_to_end(server: Running, filled: Place) -> None:
    before = [*server.family(), *postgres(filled)]
    assert "stopped what ran" in filled.citymap("stop").stdout
    assert gone(before)
    assert server.process.wait(10) == 0
    assert "nothing runs" in filled.citymap("stop").stdout


def test_a_taken_port_is_said_in_one_line_before_anything_is_made(house: Path, toy_layers: Path) -> None:
    there = place(house / "taken" / "var", toy_layers)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", there.port))
        taken.listen()
        refused = there.citymap("serve")
    assert refused.returncode == 1
    assert re.fullmatch(
        rf"citymap: PORT: {there.port} on 127\.0\.0\.1 is taken .*PORT={there.port + 1}\n", refused.stderr
    )
    assert not (there.data / "postgres").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "http", "PORT"),
        ("PORT", "70000", "PORT"),
        ("HOST", "no.such.host.invalid", "HOST"),
        ("CITYMAP_DATA", "/proc/x", "cannot be made"),
    ],
)
def test_a_bad_setting_is_said_by_its_name(house: Path, toy_layers: Path, name: str, value: str, words: str) -> None:
    there = place(house / "bad setting" / "var", toy_layers, **{name: value})
    refused = there.citymap("serve")
    assert refused.returncode == 1
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_stopped_in_the_middle_of_the_first_load_it_goes_on_at_the_next_start(house: Path, toy_layers: Path) -> None:
    there = place(house / "cut short" / "var", toy_layers)
    with serving(there) as server:
        until(lambda: there.status("/readyz") == 503, "the load has begun")
        before = [*server.family(), *postgres(there)]
        assert server.told(signal.SIGTERM) == 0
        assert gone(before)
    with ready(there):
        assert there.value("SELECT count(*) FROM layers.wards") == 168


def test_a_postgis_of_ones_own_is_served(house: Path, toy_layers: Path, cluster: Cluster) -> None:
    grant = "GRANT SELECT, INSERT ON spatial_ref_sys TO landlord"
    with foreign(cluster, "landlord", "CREATEROLE", grant) as dsn:
        there = place(house / "foreign" / "var", toy_layers, DATABASE_URL=dsn)
        with ready(there) as server:
            assert there.status("/collections/wards/items?limit=1") == 200
            assert server.told(signal.SIGINT) == 0
        assert not (there.data / "postgres").exists()
