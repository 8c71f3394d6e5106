"""Precious things are kept: everything is in a backup, and a restore into an empty folder was drilled here."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import citymap

from mapserver import tokens
from mapserver.backup import DUMP, FOLDER, backup, contents, restore, rows
from mapserver.catalogue import Catalogue
from mapserver.cluster import Cluster, programs
from mapserver.database import Database
from mapserver.errors import BadQuery

pytestmark = pytest.mark.postgis
FILL = """
    INSERT INTO citymap.load (layer, mode, source, who, finished_at)
        VALUES ('wards', 'replace', 'Phường.gpkg', 'me', now());
    INSERT INTO citymap.quarantine (load_id, layer, source, reason)
        SELECT id, layer, source, 'vì sao' FROM citymap.load;
    INSERT INTO citymap.history (layer, feature_id, action, who, after)
        VALUES ('field_notes', 1, 'insert', 'me', '{"title": "Ổ gà"}');
    INSERT INTO layers.administration (id, code, name, kind, geom)
        VALUES (1, 'A', 'Uỷ ban A', 'ward_office', ST_SetSRID(ST_Point(106.7, 10.8), 4326));
    UPDATE layers.administration SET name = 'Ủy ban A';
    INSERT INTO layers.wards (id, code, name, full_name, unit_type, geom)
        SELECT 1, '26740', 'Sài Gòn', 'Phường Sài Gòn', 'ward',
            ST_Multi(ST_MakeEnvelope(106.6, 10.7, 106.8, 10.9, 4326));
"""


@pytest.fixture
def city(database: Callable[..., Database], layers: Catalogue) -> Database:
    """A database with a row in every system table, and in a layer."""
    made = database()
    with psycopg.connect(made.owner_dsn) as conn:
        conn.execute(FILL.encode())
    tokens.add(made.owner_dsn, layers, "keeper", ("field_notes",))
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a raster in it."""
    (tmp_path / "var" / FOLDER).mkdir(parents=True)
    (tmp_path / "var" / FOLDER / "elevation.tif").write_bytes(b"II*\0 a raster")
    return tmp_path / "var"


@pytest.fixture
def empty(house: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A place for a data folder; whatever was started there is stopped."""
    there = house / request.node.name / "var"
    yield there
    if there.exists():
        Cluster(there).stop()


def fingerprints(dsn: str) -> dict[str, object]:
    """What stands in every table, as one hash each; numbers of transactions and of versions are the cluster's own."""
    passing = "'{_began,_ended,epoch,pruned,number}'"
    said: dict[str, object] = {}
    with psycopg.connect(dsn) as conn:
        for name in rows(dsn):
            row = f"(to_jsonb(t) - {passing}::text[])::text"
            query = f"SELECT md5(string_agg({row}, '|' ORDER BY {row})) FROM {name} AS t"
            said[name] = conn.execute(query.encode()).fetchone()
    return said


def test_every_precious_table_is_in_a_backup(city: Database, data: Path, tmp_path: Path, layers: Catalogue) -> None:
    backup(city, data, tmp_path / "city.tar")
    with tarfile.open(tmp_path / "city.tar") as tar:
        dump = tar.extractfile(DUMP)
        assert dump is not None
        (tmp_path / DUMP).write_bytes(dump.read())
    listed = subprocess.run(
        [programs() / "pg_restore", "-l", tmp_path / DUMP], capture_output=True, text=True, check=True
    )
    held = {tuple(line.split()[-3:-1]) for line in listed.stdout.splitlines() if " TABLE DATA " in line}
    with psycopg.connect(city.owner_dsn) as conn:
        system = conn.execute("SELECT 'citymap', tablename FROM pg_tables WHERE schemaname = 'citymap'").fetchall()
    writable = [("layers", layer.name) for layer in layers if layer.writable]
    assert len(system) >= 5
    assert writable
    assert {*map(tuple, system), *writable} <= held


def test_a_restore_gives_back_every_row_and_every_right(
    city: Database, data: Path, tmp_path: Path, empty: Path
) -> None:
    made = backup(city, data, tmp_path / "city.tar")
    assert contents(tmp_path / "city.tar") == made
    done = citymap("restore", str(tmp_path / "city.tar"), CITYMAP_DATA=str(empty))
    assert done.returncode == 0, done.stderr
    assert f"restored {len(made.rows)} tables" in done.stdout
    there = Cluster(empty)
    there.start()
    assert fingerprints(there.owner_dsn) == fingerprints(city.owner_dsn)
    assert (empty / FOLDER / "elevation.tif").read_bytes() == b"II*\0 a raster"
    with psycopg.connect(there.app_dsn) as conn:
        assert conn.execute("SELECT name FROM citymap.token").fetchall() == [("keeper",)]
        conn.execute("SET ROLE citymap_reader")
        assert conn.execute("SELECT name FROM layers.wards").fetchall() == [("Sài Gòn",)]
    with psycopg.connect(there.owner_dsn) as conn:
        row = conn.execute(
            "INSERT INTO citymap.load (layer, mode, source, who) VALUES ('a', 'b', 'c', 'd') RETURNING id"
        )
        assert row.fetchone() == (2,)


def test_after_a_restore_all_versions_are_past_and_old_tokens_are_void(
    city: Database, data: Path, tmp_path: Path, empty: Path
) -> None:
    backup(city, data, tmp_path / "city.tar")
    assert citymap("restore", str(tmp_path / "city.tar"), CITYMAP_DATA=str(empty)).returncode == 0
    there = Cluster(empty)
    there.start()
    epochs = "SELECT layer, epoch FROM citymap.kept"
    seen = "SELECT count(*), count(*) FILTER (WHERE pg_visible_in_snapshot(_began, pg_current_snapshot()))"
    with psycopg.connect(there.owner_dsn) as new, psycopg.connect(city.owner_dsn) as old:
        assert new.execute(f"{seen} FROM history.administration").fetchone() == (2, 2)
        assert new.execute("SELECT name FROM history.administration WHERE _to IS NULL").fetchall() == [("Ủy ban A",)]
        assert not {*new.execute(epochs)} & {*old.execute(epochs)}


def test_a_restore_never_mixes_two_cities(city: Database, data: Path, tmp_path: Path) -> None:
    backup(city, data, tmp_path / "city.tar")
    before = fingerprints(city.owner_dsn)
    with pytest.raises(BadQuery, match="a city is there already"):
        restore(city.admin_dsn, data, tmp_path / "city.tar")
    assert fingerprints(city.owner_dsn) == before


def test_a_backup_writes_over_nothing_and_leaves_no_half_file(city: Database, data: Path, tmp_path: Path) -> None:
    (tmp_path / "there.tar").write_text("precious")
    with pytest.raises(BadQuery, match="is there already"):
        backup(city, data, tmp_path / "there.tar")
    with pytest.raises(BadQuery, match="there is no folder"):
        backup(city, data, tmp_path / "nowhere" / "city.tar")
    assert (tmp_path / "there.tar").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.tar", "var"]


@pytest.mark.parametrize("cut", [0, 100, 5000])
def test_what_is_no_whole_backup_is_refused_in_words(city: Database, data: Path, tmp_path: Path, cut: int) -> None:
    backup(city, data, tmp_path / "city.tar")
    (tmp_path / "cut.tar").write_bytes((tmp_path / "city.tar").read_bytes()[:cut])
    with pytest.raises(BadQuery, match="no whole backup"):
        contents(tmp_path / "cut.tar")


def test_a_missing_backup_is_said(tmp_path: Path, empty: Path) -> None:
    done = citymap("restore", str(tmp_path / "none.tar"), CITYMAP_DATA=str(empty))
    assert (done.returncode, done.stderr) == (1, f"citymap: FILE: there is no file {tmp_path / 'none.tar'}\n")
    assert not empty.exists()
