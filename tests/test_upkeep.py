"""What follows from a load happens behind it: by the server, one run at a time, begun again when it was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
from conftest import citymap, until
from loads import asked, loaded, schools, squares

from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.serving import Child
from mapserver.settings import ROOT, settings
from mapserver.tending import Tending
from mapserver.upkeep import ONE_AT_A_TIME, caught_up, due

pytestmark = pytest.mark.postgis


@pytest.fixture
def city(database: Callable[..., Database], layers: Catalogue) -> Database:
    """Four wards that have just turned around, under fifty schools."""
    made = database()
    loaded(made, layers, "wards", squares())
    loaded(made, layers, "schools", schools(50))
    caught_up(made.owner_dsn, layers)
    turned = squares()
    turned["code"] = list("DCBA")
    loaded(made, layers, "wards", turned)
    return made


def started(database: Database) -> Child:
    """A run, as the server starts it."""
    env = settings().environment(CITYMAP_OWNER_URL=database.owner_dsn)
    command = [sys.executable, "-m", "mapserver.tending"]
    return Child(subprocess.Popen(command, env=env, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL))


@pytest.fixture
def tending(city: Database) -> Iterator[Tending]:
    """Looks without a wait between them."""
    with closing(Tending(city.owner_dsn, lambda: started(city))) as made:
        yield made


def looked(tending: Tending) -> bool:
    """One look, whatever the time; whether all is quiet after it."""
    tending.next_look = 0
    tending.look()
    return tending.run is None


def test_a_load_tells_what_follows_and_does_not_wait_for_it(city: Database, layers: Catalogue) -> None:
    assert asked(city, "SELECT DISTINCT ward_code FROM layers.schools") == [("A",)]
    assert "the wards of schools" in due(city.owner_dsn, layers)
    said = citymap("upkeep", "--dry-run", DATABASE_URL=city.admin_dsn)
    assert "due: the wards of schools" in said.stdout, said.stderr
    assert asked(city, "SELECT DISTINCT ward_code FROM layers.schools") == [("A",)]
    ran = citymap("upkeep", DATABASE_URL=city.admin_dsn)
    assert "50 features of schools are in another ward now" in ran.stdout, ran.stderr
    assert due(city.owner_dsn, layers) == ()


def test_the_server_does_it_behind_and_then_is_quiet(city: Database, layers: Catalogue, tending: Tending) -> None:
    assert not looked(tending)
    until(lambda: looked(tending) and due(city.owner_dsn, layers) == (), "the upkeep has run")
    assert asked(city, "SELECT DISTINCT ward_code FROM layers.schools") == [("D",)]
    until(lambda: looked(tending) and tending.seen == tending._mark(), "what it changed itself was looked at")
    seen = tending.seen
    assert looked(tending)
    assert tending.seen == seen


def test_a_run_that_is_killed_is_begun_again(city: Database, layers: Catalogue, tending: Tending) -> None:
    with psycopg.connect(city.owner_dsn, autocommit=True) as conn:
        conn.execute(ONE_AT_A_TIME.format("pg_advisory_lock").encode())
        looked(tending)
        assert isinstance(tending.run, Child)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"  # noqa: E501
        until(lambda: asked(city, waiting) == [(1,)], "the run waits for its turn")
        tending.run.process.send_signal(signal.SIGKILL)
        until(lambda: looked(tending), "the end of the run is seen")
    assert tending.seen is None
    assert "the wards of schools" in due(city.owner_dsn, layers)
    until(lambda: looked(tending) and due(city.owner_dsn, layers) == (), "it was begun again")


def test_a_database_that_is_away_is_waited_for(city: Database) -> None:
    def never() -> Child:
        raise AssertionError("nothing is started without a database")

    with closing(Tending("host=127.0.0.1 port=1 connect_timeout=2", never)) as away:
        assert looked(away)
        assert away.seen is None
