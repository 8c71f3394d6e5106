"""A layer as a file, whatever kind of it: the same features, values and places as its items, read by other programs."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import socket
from contextlib import closing
from urllib.parse import urlsplit

import geopandas as gpd
import httpx
import openpyxl
import pandas as pd
import psutil
import psycopg
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely
import zstandard
from conftest import amount, free_port, fresh, serve, until

from mapserver.catalogue import catalogue
from mapserver.crs import OFFERED, VN2000
from mapserver.downloads import Download
from mapserver.formats import FORMATS, offered
from mapserver.loading import Provenance, load
from mapserver.query import ANYONE, ItemsQuery
from mapserver.settings import ROOT, settings

pytestmark = pytest.mark.postgis
LAYERS = catalogue(ROOT / "layers")
TABLES = [layer for layer in LAYERS.vector if layer.access.level == "public"]
PLACED = [layer for layer in TABLES if layer.geometry]
BY_GDAL = [name for name, made in FORMATS.items() if made.driver]


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


def asked(http: httpx.Client, layer: str, **given: str) -> httpx.Response:
    answer = http.get(f"/collections/{layer}/items", params=given)
    assert answer.status_code == 200, answer.text
    return answer


def features(http: httpx.Client, layer: str, **given: str) -> list[dict]:
    """All features of a question, as the pages of its items have them."""
    found, url = [], f"/collections/{layer}/items"
    params: dict | None = {"limit": "10000", **given}
    while url:
        page = http.get(url, params=params).json()
        found += page["features"]
        url, params = next((link["href"] for link in page["links"] if link["rel"] == "next"), None), None
    return found


def read(content: bytes, name: str, layer: str, path) -> pd.DataFrame:
    """A file as another program reads it: rows by id, the shape in `geometry`."""
    file = path / f"{layer}.{FORMATS[name].suffix}"
    file.write_bytes(content)
    match name:
        case "csv":
            frame = pd.read_csv(file, dtype={column.name: "string" for column in LAYERS[layer].columns})
            return frame.set_index("id")
        case "geojsonseq":
            texts = content.decode().split("\x1e")[1:]
            rows = [json.loads(text) for text in texts]
            frame = pd.DataFrame([row["properties"] | {"id": row["id"]} for row in rows])
            if LAYERS[layer].geometry:
                shapes = [row["geometry"] and shapely.geometry.shape(row["geometry"]) for row in rows]
                frame["geometry"] = shapes
            return frame.set_index("id")
        case "parquet":
            frame = gpd.read_parquet(file) if LAYERS[layer].geometry else pd.read_parquet(file)
            return frame.set_index("id")
        case "xlsx":
            rows = openpyxl.load_workbook(file, read_only=True).active.iter_rows(values_only=True)
            header = next(rows)
            whole = [(*row, *[None] * (len(header) - len(row))) for row in rows]
            return pd.DataFrame(whole, columns=header).set_index("id")
        case _:
            frame = pyogrio.read_dataframe(file).set_index("id")
            return frame.sort_index() if name == "fgb" else frame  # its features lie along its index


EVERY = [(layer.name, name) for layer in TABLES for name in FORMATS]
SEEDED = random.Random(2025).sample(EVERY, amount(24, len(EVERY)))


@pytest.mark.parametrize(("layer", "name"), sorted(SEEDED))
def test_a_file_holds_every_feature_of_the_layer_once(http, layer, name, tmp_path):
    if FORMATS[name] not in offered(LAYERS[layer]):
        answer = http.get(f"/collections/{layer}/items", params={"f": name})
        assert (answer.status_code, answer.json()["parameter"]) == (400, "f")
        return
    answer = asked(http, layer, f=name)
    assert answer.headers["content-type"].split(";")[0] == FORMATS[name].media_type
    assert answer.headers["content-disposition"] == f'attachment; filename="{layer}.{FORMATS[name].suffix}"'
    frame = read(answer.content, name, layer, tmp_path)
    assert [*frame.index] == [feature["id"] for feature in features(http, layer)]


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("csv", "xlsx", "shp")])
@pytest.mark.parametrize("layer", ["wards", "roads", "field_notes", "environment"][: amount(2, 4)])
def test_values_and_places_are_those_of_the_items(http, layer, name, tmp_path):
    frame = read(asked(http, layer, f=name).content, name, layer, tmp_path)
    wanted = features(http, layer)
    for feature in wanted[:200]:
        row = frame.loc[feature["id"]]
        for column, value in feature["properties"].items():
            got = row[column]
            if value is None:
                assert got is None or pd.isna(got), column
            elif LAYERS[layer].by_name[column].type == "datetime":
                at = pd.Timestamp(got)
                assert (at if at.tzinfo else at.tz_localize("UTC")) == pd.Timestamp(value)
            elif LAYERS[layer].by_name[column].type == "date":
                assert str(got)[:10] == value
            else:
                assert got == value, column
        shape = shapely.geometry.shape(feature["geometry"])
        assert shapely.hausdorff_distance(row["geometry"], shape) < 2e-7


@pytest.mark.parametrize("name", ["parquet", "fgb", "gpkg", "shp"])
@pytest.mark.parametrize("crs", [crs for crs in OFFERED if crs.srid != 4326][: amount(2, 9)], ids=lambda crs: crs.code)
def test_a_file_in_another_crs_says_so_and_has_its_coordinates(http, crs, name, tmp_path):
    answer = asked(http, "schools", f=name, crs=crs.uri)
    assert answer.headers["content-crs"] == f"<{crs.uri}>"
    frame = read(answer.content, name, "schools", tmp_path)
    assert frame.crs.to_epsg() == int(crs.code.removeprefix("EPSG:"))
    grid = crs.proj4 or crs.code
    to = pyproj.Transformer.from_crs("EPSG:4326", grid, always_xy=True)
    if crs.proj4:
        to = pyproj.Transformer.from_pipeline(
            "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84 +step +inv"
            f" +proj=helmert {helmert(crs.proj4)} +convention=position_vector +step +inv +proj=cart +ellps=WGS84"
            f" +step {plain(crs.proj4)}"
        )
    for feature in features(http, "schools")[:50]:
        x, y = to.transform(*feature["geometry"]["coordinates"])
        assert frame.loc[feature["id"]].geometry.distance(shapely.Point(x, y)) < 0.02  # items have 1e-7 degrees


def helmert(proj4: str) -> str:
    """The seven parameters of a proj string as a Helmert step."""
    values = next(part for part in proj4.split() if part.startswith("+towgs84=")).removeprefix("+towgs84=").split(",")
    return " ".join(
        f"+{name}={value}" for name, value in zip(["x", "y", "z", "rx", "ry", "rz", "s"], values, strict=True)
    )


def plain(proj4: str) -> str:
    return " ".join(part for part in proj4.split() if not part.startswith(("+towgs84", "+no_defs", "+type", "+units")))


def test_the_tables_of_people_have_coordinates_titles_and_labels(http, tmp_path):
    (first, *_) = features(http, "schools")
    rows = [*csv.DictReader(io.StringIO(asked(http, "schools", f="csv").text))]
    assert (float(rows[0]["longitude"]), float(rows[0]["latitude"])) == tuple(first["geometry"]["coordinates"])
    grid = [*csv.DictReader(io.StringIO(asked(http, "schools", f="csv", crs=VN2000[9210].uri).text))]
    assert float(grid[0]["easting"]) > float(rows[0]["longitude"])
    outline = next(csv.DictReader(io.StringIO(asked(http, "wards", f="csv", limit="1").text)))
    assert shapely.from_wkt(outline["geometry"]).geom_type == LAYERS["wards"].geometry
    for language in ("vi", "en"):
        sheet = read(asked(http, "schools", f="xlsx", lang=language).content, "xlsx", "schools", tmp_path)
        for column in LAYERS["schools"].columns:
            unit = f" [{column.unit}]" if column.unit else ""
            assert f"{column.title[language]}{unit}" in sheet.columns
        kind = LAYERS["schools"].by_name["kind"]
        assert sheet[kind.title[language]].iloc[0] == kind.codes[first["properties"]["kind"]][language]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_holds_what_the_question_means(http, name, tmp_path):
    given = {"filter": "pupils > 500 OR name LIKE '%''%'", "bbox": "106.6,10.6,106.9,10.9", "kind": "school"}
    wanted = features(http, "schools", **given)
    assert wanted
    frame = read(asked(http, "schools", f=name, **given).content, name, "schools", tmp_path)
    assert [*frame.index] == [feature["id"] for feature in wanted]
    few = read(asked(http, "schools", f=name, limit="3", sortby="-pupils").content, name, "schools", tmp_path)
    assert {*few.index} == {feature["id"] for feature in features(http, "schools", sortby="-pupils")[:3]}
    some = read(asked(http, "schools", f=name, properties="name", limit="2").content, name, "schools", tmp_path)
    title = LAYERS["schools"].by_name["name"].title.vi
    assert {"name", title} & {*some.columns}
    assert not {"pupils", "kind"} & {*some.columns}


def test_a_text_that_looks_like_sql_or_a_formula_is_a_text(cluster, template, layers, house, tmp_path):
    name = '=1+1\'); DROP TABLE layers.schools; -- \\ $1 "Đ"'
    frame = gpd.GeoDataFrame(
        {"source_id": ["S1"], "name": [name], "kind": ["school"]}, geometry=[shapely.Point(106.7, 10.8)], crs=4326
    )
    chosen = settings(data=house, real_data=house / "nothing", port=free_port(), workers=1)
    with fresh(cluster, template, layers) as made, serve(chosen, made) as url:
        load(made.owner_dsn, layers, layers["schools"], [frame], Provenance("test", "tester"))
        with httpx.Client(base_url=url, timeout=60) as http:
            for kind in FORMATS:
                table = read(asked(http, "schools", f=kind, name=name).content, kind, "schools", tmp_path)
                column = LAYERS["schools"].by_name["name"].title.vi if kind == "xlsx" else "name"
                assert [*table[column]] == [name], kind
            book = openpyxl.load_workbook(tmp_path / "schools.xlsx")
            assert book.active.cell(2, 3).data_type == "s"


def test_features_without_geometry_stand_in_every_file(database, layers, tmp_path):
    """Before any wards are loaded, units have no outline."""
    made = database()
    query = ItemsQuery(layers["wards_before_2025_07"])
    for kind in FORMATS.values():
        content = b"".join(Download(made.app_dsn, query, ANYONE, kind))
        assert len(read(content, kind.name, query.layer.name, tmp_path)) == 441, kind.name


@pytest.mark.parametrize("name", FORMATS)
def test_a_bad_question_fails_before_anything_is_sent(http, name):
    answer = http.get("/collections/schools/items", params={"f": name, "filter": "pupils / 0 = 1"})
    assert (answer.status_code, answer.headers["content-type"]) in (
        (400, "application/problem+json"), (200, answer.headers["content-type"])
    )  # fmt: skip
    for given in ({"filter": "nix = 1"}, {"bbox": "1,2,3"}, {"limt": "1"}):
        answer = http.get("/collections/schools/items", params={"f": name, **given})
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_a_file_is_negotiated_and_head_has_its_headers(http):
    for name, made in FORMATS.items():
        answer = http.head("/collections/schools/items", headers={"Accept": made.media_type})
        assert answer.headers["content-type"].split(";")[0] == made.media_type, name
        assert answer.content == b""


def test_texts_are_packed_on_their_way(http):
    url = "/collections/schools/items?f=csv"
    plain = http.get(url, headers={"Accept-Encoding": "identity"}).content
    with http.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(answer.iter_raw())) == plain
    with http.stream("GET", url, headers={"Accept-Encoding": "zstd"}) as answer:
        assert answer.headers["content-encoding"] == "zstd"
        assert zstandard.ZstdDecompressor().decompressobj().decompress(b"".join(answer.iter_raw())) == plain


def test_a_client_that_leaves_ends_its_statement(server, toy):
    """The client asks for a file that takes long, and hangs up."""
    host, port = urlsplit(server).hostname, urlsplit(server).port
    slow = "/collections/addresses/items?f=csv&filter=S_INTERSECTS(geometry,BBOX(100,0,110,30))&sortby=-full_text"
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'citymap download' AND state = 'active'"
    with psycopg.connect(toy.admin_dsn, autocommit=True) as conn:
        for _ in range(12):
            with closing(socket.create_connection((host, port))) as client:
                client.sendall(f"GET {slow} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        until(lambda: conn.execute(running).fetchone() == (0,), "every statement ended", 30)
    with httpx.Client(base_url=server, timeout=60) as http:
        assert asked(http, "schools", f="csv").text.startswith("id,")


def workers(port: int) -> list[psutil.Process]:
    """The processes that serve a port: whoever listens there, and their children."""
    listening = {
        c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port and c.pid
    }
    found = [psutil.Process(pid) for pid in listening]
    return [*found, *(child for parent in found for child in parent.children(recursive=True))]


def test_memory_stays_flat_however_long_the_file(cluster, template, layers, house):
    """Files of 300,000 features, read slowly enough that the server would have to hold what it cannot send."""
    chosen = settings(data=house, real_data=house / "nothing", port=free_port(), workers=1)
    with fresh(cluster, template, layers) as made, serve(chosen, made) as url:
        with psycopg.connect(made.owner_dsn) as conn:
            conn.execute(
                "INSERT INTO layers.addresses (id, source_id, house_number, full_text, geom)"
                " SELECT n, n::text, n::text, repeat('đường ', 40) || n, ST_SetSRID(ST_Point(106.7, 10.8), 4326)"
                " FROM generate_series(1, 300000) AS n"
            )
        with httpx.Client(base_url=url, timeout=120) as http:
            asked(http, "addresses", f="csv", limit="10000")
            family = workers(chosen.port)
            before = sum(p.memory_info().rss for p in family)
            most, sizes = before, {}
            for name in ("csv", "geojsonseq", "parquet"):
                with http.stream("GET", f"/collections/addresses/items?f={name}",
                                 headers={"Accept-Encoding": "identity"}) as answer:  # fmt: skip
                    sizes[name] = 0
                    for number, piece in enumerate(answer.iter_raw(65536)):
                        sizes[name] += len(piece)
                        if number % 50 == 0:
                            most = max(most, sum(p.memory_info().rss for p in family))
            assert sizes["csv"] > 60e6
            assert before > 0
            assert most - before < 120e6


def test_geoparquet_says_what_it_is(http, tmp_path):
    file = tmp_path / "wards.parquet"
    file.write_bytes(asked(http, "wards", f="parquet", crs=VN2000[9210].uri).content)
    geo = json.loads(pq.read_metadata(file).metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    column = geo["columns"]["geometry"]
    assert column["geometry_types"] == [LAYERS["wards"].geometry]
    assert pyproj.CRS.from_json_dict(column["crs"]).to_epsg() == 9210
