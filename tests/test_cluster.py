"""The private PostGIS: made, tuned, started after any kill, and made ready for the catalogue."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
from conftest import foreign, until

from mapserver import cluster as clusters
from mapserver import crs, tables
from mapserver.catalogue import Catalogue
from mapserver.cluster import APP, SOCKET_BYTES, Cluster, tuning
from mapserver.database import Database, prepare, renew, started
from mapserver.datafolder import Holder, held, holder
from mapserver.errors import BadCatalogue, BadSetup
from mapserver.settings import settings

pytestmark = pytest.mark.postgis
BEN_THANH = {9210: (603514.537, 1191410.466), 5899: (384785.358, 1191448.640)}
"""WGS 84 106.6983 E, 10.7721 N through EPSG:6960, metres (domain facts of the city)."""


@pytest.fixture
def own(house: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster of the test's own, in a folder with spaces and diacritics."""
    data = house / f"dữ liệu {request.node.name[:20]}" / "var"
    own = Cluster(data)
    yield own
    own.stop()


def value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_cluster_is_durable_local_and_tuned(cluster: Cluster) -> None:
    shown = {
        name: value(cluster.owner_dsn, f"SHOW {name}")
        for name in ("data_checksums", "fsync", "full_page_writes", "synchronous_commit", "listen_addresses", "jit")
    }
    assert shown == {
        "data_checksums": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "listen_addresses": "127.0.0.1",
        "jit": "off",
    }
    assert value(cluster.owner_dsn, "SHOW timezone") == "UTC"


def test_a_cluster_runs_as_an_unprivileged_user(cluster: Cluster) -> None:
    pid = int((cluster.place.data / "postmaster.pid").read_text().split()[0])
    assert psutil.Process(pid).uids().effective != 0
    assert stat.S_IMODE(cluster.place.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((cluster.data / "cluster.json").stat().st_mode) == 0o600


def test_nobody_enters_without_a_password(cluster: Cluster) -> None:
    for dsn in (cluster.owner_dsn.replace("citymap:", "citymap:wrong"), cluster.app_dsn.replace("_app:", "_app:wrong")):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(dsn)


@pytest.mark.parametrize(("memory_gb", "cores"), [(0.5, 1), (4, 2), (24, 2), (512, 64)])
def test_tuning_leaves_room_on_every_machine(memory_gb: float, cores: int) -> None:
    chosen = tuning(int(memory_gb * (1 << 30)), cores)
    megabytes = {name: int(text.removesuffix("MB")) for name, text in chosen.items() if text.endswith("MB")}
    assert megabytes["shared_buffers"] + megabytes["maintenance_work_mem"] <= memory_gb * 1024 / 3
    assert 4 <= megabytes["work_mem"] <= 64
    assert int(chosen["max_parallel_workers"]) == cores


def test_a_killed_postgres_starts_again_with_nothing_lost(own: Cluster) -> None:
    own.start()
    with psycopg.connect(own.owner_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id")
        pid = int((own.place.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
    until(lambda: not own.running, "the killed server is seen to be gone")
    own.start()
    assert value(own.owner_dsn, "SELECT count(*) FROM kept") == 1000


def test_a_running_postgres_is_taken_over_and_its_old_clients_cut_off(own: Cluster) -> None:
    own.start()
    with psycopg.connect(own.owner_dsn, autocommit=True) as left:
        before = value(own.owner_dsn, "SELECT pg_postmaster_start_time()")
        Cluster(own.data).start()
        assert value(own.owner_dsn, "SELECT pg_postmaster_start_time()") == before
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")


def test_a_pid_file_that_names_a_stranger_does_not_stop_a_start(own: Cluster) -> None:
    own.start()
    pid_file = own.place.data / "postmaster.pid"
    text = pid_file.read_text()
    own.stop()
    stranger = next(p.pid for p in psutil.process_iter() if p.pid > 1 and p.name() != "postgres")
    own.place.write(pid_file, "\n".join([str(stranger), *text.splitlines()[1:]]) + "\n")
    assert not own.running
    own.start()
    assert own.running


def test_a_taken_port_is_changed(own: Cluster) -> None:
    own.start()
    port = own._keys().port
    own.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        own.start()
        assert own._keys().port != port
    assert value(own.owner_dsn, "SELECT 1") == 1


def test_a_long_path_gets_a_short_socket(house: Path) -> None:
    own = Cluster(house / ("rất dài " * 12).strip() / "var")
    try:
        own.start()
        short = own._socket()
        assert value(own.owner_dsn, "SELECT 1") == 1
        assert len(os.fsencode(own._socket() / ".s.PGSQL.65535")) <= SOCKET_BYTES
        assert not own._socket().is_relative_to(own.data)
    finally:
        own.stop()
    assert not short.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a cluster as another user; run `sudo make test`")
def test_a_closed_home_moves_the_cluster_and_keeps_it_there(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far, closed = house / "far", house / "closed home"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(clusters, "FAR", far)
    own = Cluster(closed / "var")
    try:
        own.start()
        assert own.moved
        assert own.place.home.is_relative_to(far)
        closed.chmod(0o755)
        assert Cluster(closed / "var").place == own.place
    finally:
        own.stop()


def test_a_data_folder_is_held_by_one_server(house: Path) -> None:
    data = house / "held"
    with held(data, "server"):
        assert holder(data) == Holder(os.getpid(), "server")
        words = rf"in use by another citymap \(process {os.getpid()}\)"
        with pytest.raises(BadSetup, match=words), held(data, "server"):
            pass
    assert holder(data) is None


def test_many_commands_take_turns_while_others_ask_who_it_is(house: Path) -> None:
    """Neither the moment in which a holder comes or goes, nor one who only asks, turns a command away."""
    data, turns, asking = house / "turns", [], threading.Event()

    def work(number: int) -> None:
        for _ in range(5):
            with held(data, "command"):
                turns.append(number)

    def ask() -> None:
        while not asking.is_set():
            holder(data)

    curious = threading.Thread(target=ask)
    curious.start()
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, number) for number in range(4)]:
            done.result()
    asking.set()
    curious.join()
    assert sorted(turns) == sorted([*range(4)] * 5)


def test_commands_wait_for_each_other(house: Path) -> None:
    """Two at once on a stopped cluster: the second must not find PostgreSQL stopped under it by the first."""
    chosen = settings(data=house / "two commands")
    with started(chosen) as (first, _):
        second = threading.Thread(target=lambda: answers.append(asked()))
        answers: list[object] = []

        def asked() -> object:
            with started(chosen) as (dsn, _):
                return value(dsn, "SELECT 42")

        second.start()
        assert value(first, "SELECT pg_sleep(0.5)::text || 'slept'") == "slept"
        assert not answers
    second.join(60)
    assert answers == [42]
    assert not Cluster(chosen.data).running


def test_a_full_disk_is_said_before_anything_is_made(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "ROOM_BYTES", 1 << 62)
    own = Cluster(house / "full")
    with pytest.raises(BadSetup, match="MB are free"):
        own.start()
    assert not own.place.home.exists()


@pytest.mark.parametrize("offset", [0, crs.PRIVATE_SRID])
@pytest.mark.parametrize("code", sorted(BEN_THANH))
def test_ben_thanh_lies_where_the_official_operation_puts_it(
    database: Callable[..., Database], code: int, offset: int
) -> None:
    point = f"ST_Transform(ST_SetSRID(ST_Point(106.6983, 10.7721), 4326), {code + offset})"
    x = value(database().owner_dsn, f"SELECT ST_X({point})")
    y = value(database().owner_dsn, f"SELECT ST_Y({point})")
    assert (x, y) == pytest.approx(BEN_THANH[code], abs=0.001)


def test_every_vn2000_grid_of_the_catalogue_of_crs_is_pinned(database: Callable[..., Database]) -> None:
    with psycopg.connect(database().owner_dsn) as conn:
        rows = conn.execute(
            "SELECT srid, auth_name, proj4text FROM spatial_ref_sys WHERE proj4text LIKE '%-191.90441429%'"
        )
        pinned = {srid: (auth, text) for srid, auth, text in rows}
    for code, grid in crs.VN2000.items():
        assert pinned[code] == pinned[crs.PRIVATE_SRID + code] == (None, grid.proj4)


def test_vietnamese_order_is_at_hand(database: Callable[..., Database]) -> None:
    names = ["Đa Kao", "Dĩ An", "An Đông", "Ân Phú", "Bến Thành"]
    with psycopg.connect(database().owner_dsn) as conn:
        rows = conn.execute("SELECT n FROM unnest(%s::text[]) AS n ORDER BY n COLLATE citymap.vi", (names,))
        assert [name for (name,) in rows] == ["An Đông", "Ân Phú", "Bến Thành", "Dĩ An", "Đa Kao"]


def test_the_web_workers_role_sees_nothing_but_what_a_caller_may(database: Callable[..., Database]) -> None:
    with psycopg.connect(database().app_dsn, autocommit=True) as conn:
        assert conn.execute("SELECT current_user").fetchone() == (APP,)
        for query in ("SELECT * FROM layers.wards", "DELETE FROM citymap.load", "CREATE TABLE layers.mine ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(query.encode())
        conn.execute("SET ROLE citymap_reader")
        conn.execute("SELECT id, name FROM layers.wards")
        conn.execute("RESET ROLE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SET ROLE citymap_loader")


def test_everything_in_the_layers_schema_belongs_to_the_loader(database: Callable[..., Database]) -> None:
    ours = "relnamespace IN ('layers'::regnamespace, 'citymap'::regnamespace)"
    query = f"SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE {ours}"
    assert value(database().owner_dsn, query) == tables.LOADER


def test_a_broken_promise_is_refused_with_its_remedy(database: Callable[..., Database], layers: Catalogue) -> None:
    made = database()
    with psycopg.connect(made.owner_dsn) as conn:
        columns = "layer, mode, source, who, finished_at"
        conn.execute(f"INSERT INTO citymap.load ({columns}) VALUES ('wards', 'replace', 's', 'w', now())".encode())
        for layer in layers:
            if layer.origin == "view":
                conn.execute(f"DROP VIEW IF EXISTS {layer.table} CASCADE".encode())
        conn.execute("ALTER TABLE layers.wards DROP COLUMN name_en")
        conn.execute("ALTER TABLE layers.wards ALTER COLUMN population TYPE text")
        conn.execute("DROP INDEX layers.wards_geom_idx")
    with pytest.raises(BadCatalogue) as refused:
        prepare(made.admin_dsn, layers, made.app_dsn)
    said = str(refused.value)
    assert 'wards.yml: columns.name_en: layers."wards" lacks this column; run `citymap layers renew wards`' in said
    assert 'columns.population: layers."wards" has text, the layer promises bigint' in said
    assert "lacks the index wards_geom_idx; run: CREATE INDEX wards_geom_idx ON layers.wards USING gist (geom)" in said
    renew(made.owner_dsn, layers["wards"])
    prepare(made.admin_dsn, layers, made.app_dsn)


def test_a_never_loaded_table_follows_its_layer_file(database: Callable[..., Database], layers: Catalogue) -> None:
    made = database()
    wards = layers["wards"]
    fewer = replace(wards, columns=tuple(c for c in wards.columns if c.name != "population"))
    wider = replace(fewer, columns=(*fewer.columns, replace(wards.by_name["population"], type="number", name="people")))
    prepare(made.admin_dsn, Catalogue({**layers.layers, "wards": wider}), made.app_dsn)
    people = "attrelid = 'layers.wards'::regclass AND attname = 'people'"
    query = f"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE {people}"
    assert value(made.owner_dsn, query) == "double precision"


def test_a_second_preparation_changes_nothing(database: Callable[..., Database], layers: Catalogue) -> None:
    made = database()
    rows = "FROM pg_class WHERE relnamespace = 'layers'::regnamespace"
    query = f"SELECT string_agg(oid::text || xmin::text, ',' ORDER BY oid) {rows}"
    before = value(made.owner_dsn, query)
    prepare(made.admin_dsn, layers, made.app_dsn)
    assert value(made.owner_dsn, query) == before


def test_a_foreign_postgis_keeps_its_rows(cluster: Cluster, layers: Catalogue) -> None:
    """A database of somebody else's: its user is no superuser, PostGIS is there, roles can be made."""
    with foreign(cluster, "stranger", "CREATEROLE", "GRANT SELECT, INSERT ON spatial_ref_sys TO stranger") as dsn:
        before = value(
            dsn, "SELECT md5(string_agg(s::text, '|' ORDER BY srid)) FROM spatial_ref_sys s WHERE srid < 900000"
        )
        made = prepare(dsn, layers)
        after = value(
            dsn, "SELECT md5(string_agg(s::text, '|' ORDER BY srid)) FROM spatial_ref_sys s WHERE srid < 900000"
        )
        assert before == after
        assert value(made.owner_dsn, "SELECT current_user") == tables.LOADER
        assert value(made.app_dsn, "SELECT set_config('role', 'citymap_reader', true)") == tables.READER
        assert value(
            made.owner_dsn, "SELECT ST_X(ST_Transform(ST_SetSRID(ST_Point(106.6983, 10.7721), 4326), 909210))"
        ) == (pytest.approx(BEN_THANH[9210][0], abs=0.001))


def test_a_missing_right_on_a_foreign_postgis_is_named(cluster: Cluster, layers: Catalogue) -> None:
    with (
        foreign(cluster, "pauper", "CREATEROLE", "SELECT 1") as dsn,
        pytest.raises(BadSetup, match="administrator run: GRANT INSERT ON spatial_ref_sys TO pauper"),
    ):
        prepare(dsn, layers)


def test_a_database_out_of_reach_is_said(layers: Catalogue) -> None:
    with pytest.raises(BadSetup, match="cannot be reached"):
        prepare("postgresql://nobody@127.0.0.1:1/nothing", layers)
