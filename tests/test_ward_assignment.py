"""When the wards are others, every layer follows: in batches, restartable, and never half in a reader's eyes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import geopandas as gpd
import psycopg
import pytest
import shapely
from loads import SOUTH, WEST, asked, loaded, schools, squares

from mapserver import tallies
from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.settings import ROOT
from mapserver.systems.areas import assignment

pytestmark = pytest.mark.postgis
COUNT = 400
LOADED = "INSERT INTO citymap.load (layer, mode, source, who, finished_at) VALUES ('wards', '', '', '', now())"


@pytest.fixture
def turned(database: Callable[..., Database], layers: Catalogue) -> Database:
    """Four hundred schools in ward A, while the wards say that it is ward D now: the layer is pending."""
    made = database()
    loaded(made, layers, "wards", squares())
    loaded(made, layers, "schools", schools(COUNT))
    with psycopg.connect(made.owner_dsn) as conn:
        conn.execute("UPDATE layers.wards SET code = '_' || code")
        conn.execute("UPDATE layers.wards SET code = translate(substr(code, 2), 'ABCD', 'DCBA')")
        conn.execute(LOADED)
    return made


def codes(database: Database) -> list[tuple[str]]:
    return asked(database, "SELECT DISTINCT ward_code FROM layers.schools")


def reassigned(
    database: Database, layers: Catalogue, progress: assignment.Progress | None = None
) -> list[assignment.Moved]:
    with psycopg.connect(database.owner_dsn, autocommit=True) as conn:
        return assignment.reassign_pending(conn, layers, progress)


def test_a_layer_that_has_older_wards_is_known(turned: Database, layers: Catalogue) -> None:
    with psycopg.connect(turned.owner_dsn) as conn:
        assert [layer.name for layer in assignment.pending(conn, layers)] == ["schools"]
    [moved] = reassigned(turned, layers)
    assert (moved.layer, moved.features, moved.moved) == ("schools", COUNT, COUNT)
    assert codes(turned) == [("D",)]
    assert reassigned(turned, layers) == []
    assert asked(turned, tallies.differences(layers["schools"])) == []


RUNNING = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
import psycopg
from mapserver.catalogue import catalogue
from mapserver.systems.areas import assignment
assignment.BATCH = 50
def told(layer, done, of):
    print(done, flush=True)
    if done < {until}:
        return
    sys.stdin.readline()
with psycopg.connect({dsn!r}, autocommit=True) as conn:
    assignment.reassign_pending(conn, catalogue(Path({root!r}) / "layers"), told)
"""


def run(database: Database, until: int) -> subprocess.Popen[str]:
    """A reassignment in batches of 50 that waits once so many features are done."""
    code = RUNNING.format(root=str(ROOT), dsn=database.owner_dsn, until=until)
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def test_a_run_that_is_killed_goes_on_where_it_was(turned: Database, layers: Catalogue) -> None:
    with run(turned, 150) as child:
        assert child.stdout is not None
        assert [child.stdout.readline().strip() for _ in range(3)] == ["50", "100", "150"]
        child.send_signal(signal.SIGKILL)
    assert codes(turned) == [("A",)]
    assert asked(turned, "SELECT cursor FROM citymap.ward_assignment WHERE layer = 'schools'") == [(150,)]
    seen: list[int] = []
    reassigned(turned, layers, lambda _, done, of: seen.append(done))
    assert seen == [COUNT]
    assert codes(turned) == [("D",)]
    assert asked(turned, tallies.differences(layers["schools"])) == []


def test_readers_never_see_half_of_it_and_what_is_written_meanwhile_is_right(
    turned: Database, layers: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assignment, "BATCH", 40)
    seen: set[tuple[tuple[str], ...]] = set()
    stopped = threading.Event()

    def watch() -> None:
        with psycopg.connect(turned.app_dsn, autocommit=True) as conn:
            conn.execute("SET ROLE citymap_reader")
            while not stopped.is_set():
                seen.add(tuple(conn.execute("SELECT DISTINCT ward_code FROM layers.schools").fetchall()))

    def meddle(_: str, done: int, of: int) -> None:
        if done == 80:
            with psycopg.connect(turned.owner_dsn) as conn:
                conn.execute("DELETE FROM layers.schools WHERE id = 7")
                conn.execute("UPDATE layers.schools SET geom = ST_Translate(geom, 0.001, 0) WHERE id = 8")

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        [moved] = reassigned(turned, layers, meddle)
    finally:
        stopped.set()
        reader.join()
    assert seen <= {(("A",),), (("D",),)}
    assert moved.moved == COUNT - 1
    assert codes(turned) == [("D",)]


def test_wards_that_change_once_more_during_a_run_are_the_ones_that_hold(turned: Database, layers: Catalogue) -> None:
    def again(_: str, done: int, of: int) -> None:
        with psycopg.connect(turned.owner_dsn) as conn:
            conn.execute("UPDATE layers.wards SET code = 'Z' WHERE code = 'D'")
            conn.execute(LOADED)

    assert reassigned(turned, layers, again) == []
    assert codes(turned) == [("A",)]
    reassigned(turned, layers)
    assert codes(turned) == [("Z",)]


def test_rows_that_are_added_meanwhile_take_the_whole_layer_with_them(turned: Database, layers: Catalogue) -> None:
    loaded(turned, layers, "schools", schools(10, 1000), mode="append")
    assert codes(turned) == [("D",)]
    with psycopg.connect(turned.owner_dsn) as conn:
        assert assignment.pending(conn, layers) == []


def test_border_gap_and_sea_are_decided_by_the_rule_and_counted(
    database: Callable[..., Database], layers: Catalogue
) -> None:
    """A sliver of 20 m between A and B; a point on the border of A and C; one in the sliver; one far outside."""
    made = database()
    wards = squares()
    wards.loc[1, "geometry"] = shapely.box(WEST + 0.1002, SOUTH, WEST + 0.2, SOUTH + 0.1)
    loaded(made, layers, "wards", wards)
    rows = schools(4)
    places = [
        (WEST + 0.05, SOUTH + 0.05),
        (WEST + 0.05, SOUTH + 0.1),
        (WEST + 0.1001, SOUTH + 0.05),
        (WEST, SOUTH - 0.02),
    ]
    rows = gpd.GeoDataFrame(rows.drop(columns="geometry"), geometry=shapely.points(places), crs=4326)
    loaded(made, layers, "schools", rows)
    with psycopg.connect(made.owner_dsn) as conn:
        conn.execute("DELETE FROM citymap.ward_assignment")
    [moved] = reassigned(made, layers)
    assert (moved.features, moved.moved, moved.border, moved.gap, moved.outside) == (4, 0, 1, 1, 1)
    assert asked(made, "SELECT ward_code FROM layers.schools ORDER BY id") == [("A",), ("A",), (None,), (None,)]
