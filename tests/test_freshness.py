"""Nothing stale is told after the stated delay, whoever changed the layer and by whatever way."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import mapbox_vector_tile
import psycopg
import pytest
from conftest import amount, free_port, fresh, serve, until

from mapserver import versions
from mapserver.catalogue import catalogue
from mapserver.database import Database
from mapserver.freshness import LOOK_S
from mapserver.settings import ROOT, settings
from mapserver.tilecache import Tile, TileCache

pytestmark = pytest.mark.postgis
LAYERS = catalogue(ROOT / "layers")
NAME = "field_notes"
PLACE = (106.7, 10.776)
TILE = f"/collections/{NAME}/tiles/WebMercatorQuad/14/7698/13048"
DELAY_S = LOOK_S + 0.7
"""The stated delay, and what a busy machine adds."""


@pytest.fixture(scope="module")
def database(cluster, template) -> Iterator[Database]:
    with fresh(cluster, template, LAYERS) as made:
        yield made


@pytest.fixture(scope="module")
def http(database, tmp_path_factory) -> Iterator[httpx.Client]:
    chosen = settings(data=tmp_path_factory.mktemp("fresh"), port=free_port(), workers=2)
    with serve(chosen, database) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def column(database: Database) -> str:
    """INSERT of one note at PLACE; its required columns filled with whatever they take."""
    layer = LAYERS[NAME]
    needed = [c for c in layer.columns if c.required]
    values = {"text": "'x'", "code": "", "datetime": "now()", "date": "current_date", "integer": "1", "number": "1"}
    given = [f"'{next(iter(c.codes))}'" if c.codes else values[c.type] for c in needed]
    names = ", ".join(["id", *(f'"{c.name}"' for c in needed), "geom"])
    point = f"ST_SetSRID(ST_MakePoint({PLACE[0]}, {PLACE[1]}), 4326)"
    return f"INSERT INTO {layer.table} ({names}) VALUES (%s, {', '.join([*given, point])})"


def version(database: Database) -> int:
    with psycopg.connect(database.owner_dsn) as conn:
        query = "SELECT sum(number)::bigint FROM citymap.change WHERE layer = %s"
        return conn.execute(query, (NAME,)).fetchone()[0]


def shown(http: httpx.Client) -> set[int]:
    answer = http.get(TILE)
    told = mapbox_vector_tile.decode(answer.content) if answer.content else {}
    return {feature["id"] for feature in told.get(NAME, {}).get("features", [])}


CHANGES = {
    "insert": "{insert}",
    "update": "UPDATE {table} SET geom = geom WHERE id = 77",
    "delete": "DELETE FROM {table} WHERE id = 77",
    "truncate": "TRUNCATE {table}",
}


@pytest.mark.parametrize("kind", CHANGES)
def test_the_version_rises_with_every_kind_of_change_by_plain_sql(database, kind):
    sql = CHANGES[kind].format(insert=column(database).replace("%s", "77"), table=LAYERS[NAME].table)
    before = version(database)
    with psycopg.connect(database.admin_dsn) as conn:
        conn.execute(sql.encode())
        assert version(database) == before, "not before it is committed"
    assert version(database) > before


def test_a_change_that_is_rolled_back_changes_no_version(database):
    before = version(database)
    with psycopg.connect(database.admin_dsn) as conn, conn.transaction(force_rollback=True):
        conn.execute(f"DELETE FROM {LAYERS[NAME].table}".encode())
    assert version(database) == before


def test_a_transaction_that_began_early_and_commits_late_is_seen(database):
    insert = column(database).encode()
    with psycopg.connect(database.admin_dsn) as early:
        early.execute(insert, (501,))
        with psycopg.connect(database.admin_dsn) as late:
            late.execute(insert, (502,))
        between = version(database)
    assert version(database) > between


def test_folding_beside_writers_keeps_the_version(database):
    """Writers and folders by turns: at the end every change is counted once."""
    before, times, writers = version(database), amount(40, 400), 4

    def writes(start: int) -> None:
        with psycopg.connect(database.admin_dsn, autocommit=True) as conn:
            for number in range(times):
                conn.execute(column(database).encode(), (start + number,))
                if number % 3 == 0:
                    conn.execute("SELECT citymap.fold_changes(%s)", (NAME,))

    threads = [threading.Thread(target=writes, args=(10_000 * (n + 1),)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert version(database) == before + times * writers
    with psycopg.connect(database.admin_dsn, autocommit=True) as conn:
        conn.execute(f"TRUNCATE {LAYERS[NAME].table}".encode())


def test_no_tile_is_stale_after_the_stated_delay_while_features_come_and_go(database, http):
    """Edits by plain SQL, reads through two workers: what is shown is what stood at most the delay ago."""
    rng, standing = random.Random(4), set[int]()
    insert, delete = column(database).encode(), f"DELETE FROM {LAYERS[NAME].table} WHERE id = %s".encode()
    with psycopg.connect(database.admin_dsn, autocommit=True) as conn:
        for number in range(1, amount(12, 200)):
            conn.execute(insert, (number,))
            standing.add(number)
            if rng.random() < 0.4:
                gone = rng.choice([*standing])
                conn.execute(delete, (gone,))
                standing.discard(gone)
            until(lambda: all(shown(http) == standing for _ in range(6)), "both workers tell of it", DELAY_S)
        conn.execute(f"TRUNCATE {LAYERS[NAME].table}".encode())


def test_304_needs_no_answer_to_be_made_and_ends_with_a_change(database, http):
    url = f"/collections/{NAME}/items?limit=3"
    until(lambda: len({http.get(url).headers["etag"] for _ in range(6)}) == 1, "both workers know the last change", 5)
    first = http.get(url)
    again = http.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    with psycopg.connect(database.admin_dsn, autocommit=True) as conn:
        conn.execute(column(database).encode(), (900,))
    known = {"If-None-Match": first.headers["etag"]}
    until(lambda: http.get(url, headers=known).status_code == 200, "the change is told of", DELAY_S)
    changed = http.get(url)
    assert changed.headers["etag"] != first.headers["etag"]
    other = http.get(f"/collections/{NAME}/items?limit=4", headers={"If-None-Match": changed.headers["etag"]})
    assert other.status_code == 200, "another question"


def test_a_kept_tile_is_the_same_in_every_coding(http):
    plain = http.get(TILE, headers={"accept-encoding": "identity"}).content
    for coded in ("gzip", "br", "zstd", "gzip"):
        assert http.get(TILE, headers={"accept-encoding": coded}).content == plain


def test_a_restore_never_tells_a_version_again(database):
    before = version(database)
    with psycopg.connect(database.admin_dsn, autocommit=True) as conn:
        conn.execute(versions.RESTORED.encode())
    assert version(database) > before + 10**12


def test_the_cache_holds_no_more_than_its_room_and_no_other_version():
    cache = TileCache(room=10_000)
    for number in range(20):
        cache.keep(number, Tile("1", b"x" * 1000))
    assert [number for number in range(20) if cache.get(number, "1")] == [16, 17, 18, 19]
    assert cache.get(0, "1") is None
    assert cache.get(19, "2") is None
    assert cache.get(19, "1") is None, "one of another version is let go"
    cache.keep("large", Tile("1", b"x" * 10_001))
    assert cache.get("large", "1") is None


def test_last_modified_is_when_the_layer_was_changed_last(database, http):
    def modified() -> datetime:
        answer = http.get(f"/collections/{NAME}/items", params={"limit": 2})
        return parsedate_to_datetime(answer.headers["last-modified"])

    with psycopg.connect(database.owner_dsn) as conn:
        conn.execute(f"UPDATE layers.{NAME} SET id = id".encode())
        at = conn.execute("SELECT date_trunc('second', clock_timestamp())").fetchone()[0]
    until(lambda: modified() >= at - timedelta(seconds=1), "the change is told of", 5)
    assert modified() <= datetime.now(UTC)
    assert "last-modified" in http.get(TILE).headers
