"""Shared fixtures: one private PostGIS for the whole run, fresh databases of a template, a toy city, a real server."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from mapserver import serving, tokens
from mapserver.catalogue import Catalogue, catalogue
from mapserver.cluster import APP, OWNER, Cluster
from mapserver.database import Database, prepare
from mapserver.settings import ROOT, Settings, settings

HOUSE = "CITYMAP_TEST_HOUSE"
"""Environment name by which all processes of one run find its folder."""
LONG = "CITYMAP_LONG"
"""Environment name that, at 1, asks for the long suites in full."""
TEMPLATE, TOY = "template_house", "toy"
TOY_SCALE = 0.02


def pytest_configure(config: pytest.Config) -> None:
    """The first process of a run makes its folder, readable by the database's user; xdist's workers inherit it.

    Programs of the environment (node, npm) come before the system's; settings of the operator do not reach a test."""
    for name in ("DATABASE_URL", "CITYMAP_DATA", "CITYMAP_URL", "HOST", "PORT"):
        os.environ.pop(name, None)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if not hasattr(config, "workerinput"):
        house = Path(tempfile.mkdtemp(prefix="citymap-tests-"))
        house.chmod(0o755)
        os.environ[HOUSE] = str(house)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The first process ends what the run started."""
    house = Path(os.environ[HOUSE])
    if not hasattr(config, "workerinput") and house.exists():
        serving.stop(settings(data=house))
        shutil.rmtree(house)


@contextmanager
def alone(name: str) -> Iterator[None]:
    """One process of the run at a time."""
    with (Path(os.environ[HOUSE]) / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def house() -> Path:
    """Data folder of the run's cluster."""
    return Path(os.environ[HOUSE])


@pytest.fixture(scope="session")
def layers() -> Catalogue:
    """The real catalogue."""
    return catalogue(ROOT / "layers")


@pytest.fixture(scope="session")
def cluster(house: Path) -> Cluster:
    """The private PostGIS of this run, one for all xdist workers."""
    with alone("cluster"):
        cluster = Cluster(house)
        if not cluster.running:
            cluster.start()
    return cluster


@pytest.fixture(scope="session")
def template(cluster: Cluster, layers: Catalogue) -> str:
    """Name of a prepared database, without data, that others are cloned from."""
    with alone("template"):
        if not exists(cluster, TEMPLATE):
            create(cluster, TEMPLATE, "template0")
            prepare(cluster.dsn(OWNER, TEMPLATE), layers, cluster.dsn(APP, TEMPLATE))
    return TEMPLATE


@contextmanager
def fresh(cluster: Cluster, template: str, promised: Catalogue) -> Iterator[Database]:
    """A prepared database of its own for a catalogue, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    with alone("template"):
        create(cluster, name, template)
    try:
        yield prepare(cluster.dsn(OWNER, name), promised, cluster.dsn(APP, name))
    finally:
        drop(cluster, name)


@pytest.fixture
def database(cluster: Cluster, template: str, layers: Catalogue) -> Iterator[Callable[..., Database]]:
    """Makes a fresh prepared database, for the real catalogue or another; dropped after the test."""
    with ExitStack() as made:
        yield lambda other=None: made.enter_context(fresh(cluster, template, other or layers))


@pytest.fixture(scope="session")
def toy_settings(house: Path) -> Settings:
    """Settings of the toy city: no real data, a data folder of its own for rasters."""
    data, nothing = house / "toy", house / "no-real-data"
    data.mkdir(exist_ok=True)
    return settings(data=data, real_data=nothing, port=free_port(), workers=1)


@pytest.fixture(scope="session")
def toy(cluster: Cluster, template: str, toy_settings: Settings, layers: Catalogue) -> Database:
    """The demo city at a tiny scale, one for all xdist workers: read it, do not write it."""
    with alone("toy"):
        if not exists(cluster, TOY):
            fill_toy(cluster, template, toy_settings, layers)
    return prepare(cluster.dsn(OWNER, TOY), layers, cluster.dsn(APP, TOY))


def fill_toy(cluster: Cluster, template: str, toy_settings: Settings, layers: Catalogue) -> None:
    """Fills a database of another name and renames it when it is whole."""
    from mapserver.commands.demo import fill

    unfinished = f"{TOY}_unfinished"
    drop(cluster, unfinished)
    with alone("template"):
        create(cluster, unfinished, template)
    made = prepare(cluster.dsn(OWNER, unfinished), layers, cluster.dsn(APP, unfinished))
    fill(toy_settings, made.owner_dsn, scale=TOY_SCALE)
    with psycopg.connect(cluster.dsn(OWNER, "postgres"), autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {unfinished} RENAME TO {TOY}")


@pytest.fixture(scope="session")
def server(toy: Database, toy_settings: Settings) -> Iterator[str]:
    """Address of a real server process over the toy city."""
    with serve(toy_settings, toy) as url:
        yield url


@pytest.fixture(scope="session")
def inside(server: str, toy: Database, layers: Catalogue) -> Iterator[httpx.Client]:
    """A client of the toy city's server who may see what is internal."""
    secret = tokens.add(toy.owner_dsn, layers, f"inside-{secrets.token_hex(4)}", (), insider=True)
    with httpx.Client(base_url=server, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:
        yield client


@contextmanager
def serve(chosen: Settings, database: Database) -> Iterator[str]:
    """A web server over a database, as `citymap serve` starts it; its address."""
    env = chosen.environment(CITYMAP_APP_URL=database.app_dsn)
    web = serving.Child(subprocess.Popen(serving.web_command(chosen), env=env, cwd=ROOT, start_new_session=True))
    try:
        until(lambda: serving.alive(chosen) or web.ended is not None, "the server answers")
        assert web.ended is None, "the web server ended at once"
        yield chosen.base_url
    finally:
        web.stop()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real input, or a skip that says how to have it."""
    found = settings().real_data_found
    if found is None:
        pytest.skip("real data folder absent; run `make real` with CITYMAP_REAL_DATA=<folder>")
    return found


def until(true: Callable[[], object], what: str, seconds: float = 150) -> None:
    """Waits for something to become true; fails, naming it, when it does not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def public(layers: Catalogue) -> Catalogue:
    """The layers that anybody may see."""
    return Catalogue({layer.name: layer for layer in layers if layer.access.level == "public"})


def amount(sample: int, full: int) -> int:
    """How much of a long suite to run: the seeded sample of CI, or everything (`make conformance`, `make fuzz`)."""
    return full if os.environ.get(LONG) == "1" else sample


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def citymap(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line as a person would."""
    command = [sys.executable, "-m", "mapserver.cli", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, cwd=ROOT, text=True, capture_output=True, check=False, timeout=240)


def exists(cluster: Cluster, name: str) -> bool:
    """Whether the cluster has a database of this name."""
    with psycopg.connect(cluster.dsn(OWNER, "postgres"), autocommit=True) as conn:
        return conn.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def create(cluster: Cluster, name: str, template: str) -> None:
    """A database, cloned from another."""
    with psycopg.connect(cluster.dsn(OWNER, "postgres"), autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def drop(cluster: Cluster, name: str) -> None:
    """Drops a database, cutting off who is connected."""
    with psycopg.connect(cluster.dsn(OWNER, "postgres"), autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def foreign(cluster: Cluster, user: str, right: str, grant: str) -> Iterator[str]:
    """A PostGIS of somebody else's, with a login that is no superuser; its address for DATABASE_URL."""
    admin = cluster.dsn(OWNER, user)
    with alone("foreign"):
        drop(cluster, user)
        create(cluster, user, "template0")
        try:
            with psycopg.connect(admin, autocommit=True) as conn:
                conn.execute(f"DROP ROLE IF EXISTS {user}; CREATE ROLE {user} LOGIN PASSWORD 'secret' {right}")
                conn.execute(f"CREATE EXTENSION postgis; GRANT CREATE ON DATABASE {user} TO {user}; {grant}")
            yield admin.replace(admin[len("postgresql://") : admin.index("@")], f"{user}:secret")
        finally:
            drop(cluster, user)
            with psycopg.connect(cluster.dsn(OWNER, "postgres"), autocommit=True) as conn:
                conn.execute(f"DROP ROLE IF EXISTS {user}")
