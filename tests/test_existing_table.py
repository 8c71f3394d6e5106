"""An existing table is served where it stands: renamed columns, id and SRID as they are; its room stays as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import mapbox_vector_tile
import psycopg
import pytest
from conftest import citymap, foreign, free_port, serve
from pyproj import Transformer

from mapserver.catalogue import catalogue, json_schema, read
from mapserver.cluster import Cluster
from mapserver.crs import VN2000
from mapserver.database import Database, prepare
from mapserver.errors import BadCatalogue
from mapserver.settings import ROOT, settings

pytestmark = pytest.mark.postgis
BEN_THANH = (106.6983, 10.7721)
LAYER = """
title: { vi: Trụ nước chữa cháy, en: Hydrants }
description: { vi: Trụ nước của công ty cấp nước, en: Hydrants of the water company }
theme: utilities
owner: { vi: Công ty cấp nước, en: Water company }
licence: CC0-1.0
source: { vi: Cơ sở dữ liệu của công ty, en: Their own database }
update: live
geometry: Point
table: { name: Water.HYDRANTS, id: gid, geometry: the_geom, srid: 9210 }
time: tested
columns:
  code: { type: text, required: true, index: true, stored_as: MATRU, title: { vi: Mã, en: Code } }
  pressure: { type: number, unit: kPa, title: { vi: Áp lực, en: Pressure } }
  outlets: { type: integer, unit: "1", title: { vi: Số họng, en: Outlets } }
  tested: { type: datetime, title: { vi: Kiểm tra, en: Tested } }
  keeper:
    type: text
    title: { vi: Người giữ, en: Keeper }
    access: { level: internal, reason: names of staff, review: "2027-06-30" }
"""
TABLE = """
CREATE SCHEMA "Water";
CREATE TABLE "Water"."HYDRANTS" (
    gid serial PRIMARY KEY,
    "MATRU" varchar(12) NOT NULL,
    pressure numeric(8,2),
    outlets smallint,
    tested timestamptz,
    keeper text,
    unasked bytea,
    the_geom geometry(Point, 9210)
);
INSERT INTO "Water"."HYDRANTS" ("MATRU", pressure, outlets, tested, keeper, the_geom)
SELECT 'T' || n, CASE WHEN n = 7 THEN 'NaN' ELSE n / 4.0 END, n % 3, '2026-01-01Z'::timestamptz + n * interval '1 day',
    'Bà Năm', CASE WHEN n < 200 THEN ST_SetSRID(ST_Point({x} + n, {y} - n), 9210) END
FROM generate_series(1, 200) AS n;
CREATE INDEX ON "Water"."HYDRANTS" ("MATRU");
CREATE INDEX ON "Water"."HYDRANTS" (tested);
CREATE INDEX ON "Water"."HYDRANTS" USING gist (the_geom);
ANALYZE "Water"."HYDRANTS";
"""


def grid(x: float, y: float) -> tuple[float, float]:
    there = Transformer.from_crs("OGC:CRS84", VN2000[9210].proj4, always_xy=True)
    return there.transform(x, y)


def files(folder: Path, text: str = LAYER) -> Path:
    layers = folder / "layers"
    layers.mkdir(parents=True, exist_ok=True)
    (layers / "hydrants.yml").write_text(text, encoding="utf-8")
    return layers


def schema_of(dsn: str) -> list[tuple[object, ...]]:
    """Everything that the catalogue of PostgreSQL says of the table and its schema, rights too."""
    with psycopg.connect(dsn) as conn:
        return conn.execute(
            """
            SELECT n.nspacl::text, c.relname, c.relkind::text, c.relacl::text, c.relowner, c.xmin::text, c.relfilenode,
                (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid),
                (SELECT string_agg(a::text, ' ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'Water' ORDER BY c.relname
            """
        ).fetchall()


@pytest.fixture(scope="module")
def theirs(cluster: Cluster) -> Iterator[str]:
    """A PostGIS of somebody else's, whose login may read their table, and no more of it."""
    with foreign(cluster, "waterreader", "CREATEROLE", "GRANT INSERT ON spatial_ref_sys TO waterreader") as dsn:
        admin = cluster.dsn("citymap", "waterreader")
        x, y = grid(*BEN_THANH)
        with psycopg.connect(admin, autocommit=True) as conn:
            conn.execute("CREATE EXTENSION IF NOT EXISTS unaccent; CREATE EXTENSION IF NOT EXISTS pg_trgm")
            conn.execute(TABLE.format(x=x, y=y))
            conn.execute(
                'GRANT USAGE ON SCHEMA "Water" TO waterreader; GRANT SELECT ON "Water"."HYDRANTS" TO waterreader'
            )
        yield dsn


@pytest.fixture(scope="module")
def served(theirs: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Database]]:
    folder = tmp_path_factory.mktemp("theirs")
    layers = files(folder)
    before = schema_of(theirs)
    database = prepare(theirs, catalogue(layers))
    assert schema_of(theirs) == before, "nothing is written to their schema"
    chosen = settings(data=folder, layers=layers, port=free_port(), workers=1, database_url=theirs)
    with serve(chosen, database) as url, httpx.Client(base_url=url, timeout=60) as http:
        yield http, database


def test_it_is_walked_whole_under_the_names_of_the_layer(served):
    http, _ = served
    url, seen = "/collections/hydrants/items?limit=70", []
    while url:
        body = http.get(url).json()
        seen += body["features"]
        url = next((link["href"] for link in body["links"] if link["rel"] == "next"), None)
    assert [f["id"] for f in seen] == list(range(1, 200)), "the row without a place is left out"
    assert seen[2]["properties"] == {
        "code": "T3",
        "pressure": 0.75,
        "outlets": 0,
        "tested": "2026-01-04T00:00:00.000000Z",
    }
    assert seen[6]["properties"]["pressure"] is None, "JSON knows no NaN"
    assert http.get("/collections/hydrants/items/3").json()["properties"] == seen[2]["properties"]


def test_its_grid_is_transformed_by_the_pinned_operation(served):
    http, _ = served
    x, y = grid(*BEN_THANH)
    back = Transformer.from_crs(VN2000[9210].proj4, "OGC:CRS84", always_xy=True)
    lon, lat = http.get("/collections/hydrants/items/5").json()["geometry"]["coordinates"]
    assert (lon, lat) == pytest.approx(back.transform(x + 5, y - 5), abs=1e-7)
    stored = http.get("/collections/hydrants/items/5?crs=EPSG:9210").json()["geometry"]["coordinates"]
    assert stored == pytest.approx((x + 5, y - 5), abs=1e-4)


@pytest.mark.parametrize("crs", ["", "&bbox-crs=EPSG:9210"])
def test_a_box_finds_what_lies_in_it(served, crs):
    http, _ = served
    x, y = grid(*BEN_THANH)
    back = Transformer.from_crs(VN2000[9210].proj4, "OGC:CRS84", always_xy=True)
    corners = [(x + 9.5, y - 20.5), (x + 20.5, y - 9.5)]
    low, high = corners if crs else [back.transform(*corner) for corner in corners]
    body = http.get(f"/collections/hydrants/items?limit=100&bbox={low[0]},{low[1]},{high[0]},{high[1]}{crs}").json()
    assert [f["id"] for f in body["features"]] == list(range(10, 21))
    near = f"S_INTERSECTS(geometry, BBOX({low[0]}, {low[1]}, {high[0]}, {high[1]})) AND outlets = 0"
    asked = {"filter": near, **({"filter-crs": "EPSG:9210"} if crs else {})}
    found = http.get("/collections/hydrants/items", params=asked).json()["features"]
    assert [f["id"] for f in found] == [12, 15, 18]


def test_it_is_asked_by_time_by_value_and_in_order(served):
    http, _ = served
    late = http.get("/collections/hydrants/items?datetime=2026-07-10/..&limit=50").json()["features"]
    assert [f["id"] for f in late] == list(range(190, 200))
    assert http.get("/collections/hydrants/items?code=T42").json()["features"][0]["id"] == 42
    assert http.get("/collections/hydrants/items?sortby=-tested&limit=1").json()["features"][0]["id"] == 199


def test_it_has_tiles_an_extent_and_a_style(served):
    http, _ = served
    link = http.get("/collections/hydrants").json()
    west, south, east, north = link["extent"]["spatial"]["bbox"][0]
    assert west <= BEN_THANH[0] + 0.00001
    assert north >= BEN_THANH[1] - 0.00002
    assert 0 < east - west < 0.01
    assert 0 < north - south < 0.01
    tile = mapbox_vector_tile.decode(http.get("/collections/hydrants/tiles/WebMercatorQuad/10/481/815").content)
    assert {f["id"] for f in tile["hydrants"]["features"]} == set(range(1, 200))
    style = http.get("/styles/hydrants").json()
    assert style["layers"][-1]["type"] == "circle"


def test_a_column_that_is_not_public_is_closed_by_the_database(served, theirs):
    http, database = served
    assert "keeper" not in http.get("/collections/hydrants/items/1").json()["properties"]
    assert http.get("/collections/hydrants/items?keeper=x").status_code == 400
    with psycopg.connect(database.app_dsn) as conn:
        conn.execute("SELECT set_config('role', 'citymap_reader', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT keeper FROM layers.hydrants")


def test_new_rows_of_theirs_are_seen_at_once(served, cluster):
    http, _ = served
    x, y = grid(*BEN_THANH)
    values = f"VALUES (900, 'MỚI', ST_SetSRID(ST_Point({x}, {y}), 9210))"
    with psycopg.connect(cluster.dsn("citymap", "waterreader"), autocommit=True) as conn:
        conn.execute(f'INSERT INTO "Water"."HYDRANTS" (gid, "MATRU", the_geom) {values}')
        try:
            assert http.get("/collections/hydrants/items/900").json()["properties"]["code"] == "MỚI"
        finally:
            conn.execute('DELETE FROM "Water"."HYDRANTS" WHERE gid = 900')


WRONG = {
    "no table there": ("name: Water.HYDRANTS", "name: Water.NOTHING", "Water.NOTHING is not there"),
    "no such column": ("stored_as: MATRU", "stored_as: MA", "has no column MA; it has gid, MATRU"),
    "another type": ("tested: { type: datetime", "tested: { type: date", "stored as timestamp with time zone"),
    "nulls where none may be": ("type: number,", "type: number, required: true,", "have it SET NOT NULL"),
    "another geometry": ("geometry: Point", "geometry: Polygon", "the layer promises geometry(Polygon,9210)"),
    "another grid": ("srid: 9210", "srid: 4326", "the layer promises geometry(Point,4326)"),
    "no index": ("type: integer,", "type: integer, index: true,", 'CREATE INDEX ON "Water"."HYDRANTS" ("outlets")'),
    "no id": ("id: gid", "id: outlets", "an id is a whole number that is never null"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_the_table_does_not_keep_is_told_in_words_at_the_start(theirs, tmp_path, kind):
    was, becomes, told = WRONG[kind]
    assert was in LAYER
    layers = catalogue(files(tmp_path, LAYER.replace(was, becomes)))
    with pytest.raises(BadCatalogue, match=r"hydrants\.yml") as refused:
        prepare(theirs, layers)
    assert told in str(refused.value)


def test_a_login_that_may_not_read_a_column_is_told_so(theirs, cluster, tmp_path):
    table = '"Water"."HYDRANTS"'
    with psycopg.connect(cluster.dsn("citymap", "waterreader"), autocommit=True) as conn:
        conn.execute(
            f"REVOKE SELECT ON {table} FROM waterreader; GRANT SELECT (gid, the_geom) ON {table} TO waterreader"
        )
        try:
            with pytest.raises(BadCatalogue, match="may not read the column MATRU"):
                prepare(theirs, catalogue(files(tmp_path)))
        finally:
            conn.execute(f"REVOKE ALL ON {table} FROM waterreader; GRANT SELECT ON {table} TO waterreader")


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("update: live", "update: live\nwritable: true", "writable: an existing table is only read"),
        ("update: live", "update: live\nward: true", "declare the column if it has one"),
        ("table: {", "raster: true\ntable: {", "take one of the two away"),
        ("table: { name: Water.HYDRANTS, id: gid, geometry: the_geom, srid: 9210 }", "table: HYDRANTS", "table"),
    ],
)
def test_a_layer_file_that_cannot_be_is_refused(tmp_path, was, becomes, told):
    _, problems = read(files(tmp_path, LAYER.replace(was, becomes)))
    assert told in "\n".join(map(str, problems))


def test_the_layer_file_is_checked_from_the_command_line(theirs, tmp_path):
    layers = files(tmp_path)
    done = citymap("layers", "check", "--tables", CITYMAP_LAYERS=str(layers), DATABASE_URL=theirs)
    assert done.returncode == 0, done.stderr
    files(tmp_path, LAYER.replace("id: gid", "id: nummer"))
    done = citymap("layers", "check", "--tables", CITYMAP_LAYERS=str(layers), DATABASE_URL=theirs)
    assert done.returncode == 1
    assert "Water.HYDRANTS has no column nummer" in done.stderr


def test_the_tables_of_the_benchmark_are_described_rightly():
    layers, problems = read(ROOT / "benchmarks" / "layers")
    assert not problems
    assert {layer.existing.schema for layer in layers.values()} == {"public"}


def test_editors_know_the_key():
    schema = json.dumps(json_schema())
    assert '"table"' in schema
    assert "served in place" in schema
