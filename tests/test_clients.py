"""Programs on agency desks, as far as they run here: QGIS, GDAL, OWSLib, and what ArcGIS Pro asks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest
import shapely
from conftest import amount, public
from owslib.ogcapi.features import Features
from pyproj import Transformer
from test_items import PINNED_9210

from mapserver.catalogue import catalogue
from mapserver.settings import ROOT

pytestmark = pytest.mark.postgis

LAYERS = public(catalogue(ROOT / "layers"))


def ogrinfo(*arguments: str) -> str:
    command = ["ogrinfo", "-ro", *arguments]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_gdal_lists_every_layer(server):
    done = subprocess.run(
        ["ogrinfo", "-ro", f"OAPIF:{server}"], text=True, capture_output=True, check=True, timeout=240
    )
    for layer in LAYERS.vector:
        assert f": {layer.name} " in done.stdout or f": {layer.name}\n" in done.stdout, done.stdout


@pytest.mark.parametrize("layer", LAYERS.vector, ids=lambda layer: layer.name)
def test_gdal_reads_every_feature_of_every_layer(server, layer):
    hits = httpx.get(f"{server}/collections/{layer.name}/items", params={"resultType": "hits"}).json()["numberMatched"]
    done = subprocess.run(
        ["ogr2ogr", "-f", "GeoJSONSeq", "/vsistdout/", f"OAPIF:{server}", layer.name],
        text=True, capture_output=True, check=True, timeout=240,
    )  # fmt: skip
    features = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(features) == hits, done.stderr
    if features:
        assert set(features[0]["properties"]) <= {column.name for column in layer.columns}


def test_gdal_asks_only_for_what_lies_in_a_box(server):
    box = ("106.6", "10.7", "106.75", "10.85")
    done = subprocess.run(
        ["ogr2ogr", "-f", "GeoJSONSeq", "/vsistdout/", "-spat", *box, f"OAPIF:{server}", "schools"],
        text=True, capture_output=True, check=True, timeout=240,
    )  # fmt: skip
    found = {json.loads(line)["properties"]["source_id"] for line in done.stdout.splitlines()}
    asked = httpx.get(f"{server}/collections/schools/items", params={"bbox": ",".join(box), "limit": 10000}).json()
    assert found == {feature["properties"]["source_id"] for feature in asked["features"]}
    assert found


def test_gdal_reads_a_page_of_vector_tiles(server):
    done = subprocess.run(
        ["ogrinfo", "-ro", "-al", "-so", f"MVT:{server}/collections/wards/tiles/WebMercatorQuad/10/481/815"],
        text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert "wards" in done.stdout, done.stdout + done.stderr


def test_owslib_finds_its_way_from_the_landing_page(server):
    client = Features(server)
    assert client.conformance()["conformsTo"]
    assert set(client.feature_collections()) == {layer.name for layer in LAYERS.vector}
    assert client.api()["openapi"].startswith("3.0")
    for layer in LAYERS.vector:
        assert client.collection(layer.name)["id"] == layer.name
        assert "properties" in client.collection_queryables(layer.name)
        page = client.collection_items(layer.name, limit=2)
        assert page["type"] == "FeatureCollection"
        if page["features"]:
            number = page["features"][0]["id"]
            assert client.collection_item(layer.name, str(number))["id"] == number


GRID = "http://www.opengis.net/def/crs/EPSG/0/9210"
BOX = (106.6, 10.7, 106.75, 10.85)


@pytest.fixture(scope="module")
def qgis(server) -> dict:
    """What QGIS, without a screen, reads of the schools."""
    grid = f"{server}/collections/schools/items?limit=10000&f=json&crs={quote(GRID, safe='')}"
    box = ",".join(map(str, BOX))
    script = str(Path(__file__).with_name("qgis_reads.py"))
    command = ["/usr/bin/python3", script, server, "schools", "\"kind\" = 'school'", box, grid]
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def schools(toy) -> dict[str, dict]:
    """The schools as they are stored, by their own key."""
    with psycopg.connect(toy.admin_dsn, row_factory=psycopg.rows.dict_row) as conn:
        rows = conn.execute("SELECT *, ST_X(geom) AS x, ST_Y(geom) AS y FROM layers.schools").fetchall()
    return {row["source_id"]: row for row in rows}


def test_qgis_reads_every_feature_with_its_attributes_in_vietnamese(qgis, schools):
    assert {one["source_id"] for one in qgis["all"]} == set(schools)
    assert len(qgis["all"]) == qgis["count"] == len(schools), "every page by `next`, each feature once"
    assert qgis["crs"] in ("EPSG:4326", "OGC:CRS84")
    for one in qgis["all"]:
        stored = schools[one["source_id"]]
        assert (one["name"], one["level"]) == (stored["name"] or "NULL", stored["level"] or "NULL")
        assert one["at"] == pytest.approx([stored["x"], stored["y"]], abs=1e-7)
    assert any(ord(letter) > 0x1E00 for one in qgis["all"] for letter in one["name"])
    assert (qgis["fields"]["pupils"].lower(), qgis["fields"]["name"].lower()) in {
        ("integer", "string"), ("integer64", "string"), ("int8", "text"), ("longlong", "string"),
    }  # fmt: skip


def test_qgis_filters_by_extent_and_by_attribute(qgis, schools):
    box = shapely.box(*BOX)
    inside = {key for key, row in schools.items() if shapely.intersects(box, shapely.Point(row["x"], row["y"]))}
    assert {one["source_id"] for one in qgis["inside"]} == inside
    assert inside
    chosen = {key for key, row in schools.items() if row["kind"] == "school"}
    assert {one["source_id"] for one in qgis["chosen"]} == chosen
    assert qgis["counted"] == len(chosen) < len(schools)


def test_qgis_has_vn2000_from_the_server_within_a_millimetre(qgis, schools):
    """QGIS by itself takes PROJ's choice of operation, up to 0.8 m off inside the city."""
    pinned = Transformer.from_pipeline(PINNED_9210)
    assert len(qgis["grid"]) == len(schools)
    for one in qgis["grid"]:
        stored = schools[one["source_id"]]
        assert one["at"] == pytest.approx(pinned.transform(stored["x"], stored["y"]), abs=0.001)


def test_gdal_reads_a_page_as_geojson_over_http(server):
    for layer in LAYERS.vector:
        url = f"{server}/collections/{layer.name}/items?limit=50&f=json"
        expected = len(httpx.get(url).json()["features"])
        if expected:
            assert f"Feature Count: {expected}\n" in ogrinfo("-so", "-al", f"/vsicurl/{url}"), layer.name


def test_gdal_learns_ids_from_a_page_that_is_bounded(server):
    """GDAL asks for one full page first; what it gets is cut by bytes too, and says that more follows."""
    for layer in LAYERS.vector:
        answer = httpx.get(f"{server}/collections/{layer.name}/items", params={"limit": 10000}, timeout=60)
        body = answer.json()
        assert len(answer.content) < 24_000_000, layer.name
        assert all(isinstance(feature["id"], int) for feature in body["features"])
        hits = httpx.get(f"{server}/collections/{layer.name}/items", params={"resultType": "hits"}).json()
        follows = any(link["rel"] == "next" for link in body["links"])
        assert follows == (len(body["features"]) < hits["numberMatched"]), layer.name


def test_the_landing_page_has_the_links_that_qgis_and_gdal_need(server):
    links = {link["rel"]: link for link in httpx.get(server, headers={"accept": "application/json"}).json()["links"]}
    assert {"service-desc", "conformance", "data"} <= set(links)
    assert httpx.get(links["service-desc"]["href"]).json()["openapi"].startswith("3.0")
    for address in (server, f"{server}/", f"{server}/collections/schools"):
        done = subprocess.run(["ogrinfo", "-ro", f"OAPIF:{address}"], text=True, capture_output=True, check=False)
        assert "schools" in done.stdout, address + done.stderr


def test_items_stand_at_the_address_that_qgis_builds_itself(server):
    for layer in some_layers():
        url = f"{server}/collections/{layer.name}/items"
        features = httpx.get(url, params={"limit": 1}).json()["features"]
        for feature in features:
            assert httpx.get(f"{url}/{feature['id']}").json()["id"] == feature["id"]


def test_what_arcgis_pro_asks_for_is_answered(server):
    """Part 1 only, read-only, and everything by `f=json` with plain parameters."""
    paths = ["/", "/conformance", "/collections", "/api"]
    for layer in some_layers():
        paths += [f"/collections/{layer.name}", f"/collections/{layer.name}/items"]
    for path in paths:
        answer = httpx.get(
            f"{server}{path}", params={"f": "json"}, headers={"user-agent": "ArcGIS Pro 3.4", "accept": "*/*"}
        )
        assert answer.status_code == 200, path
        assert "json" in answer.headers["content-type"]
    asked = {"f": "json", "limit": "500", "bbox": "106,10,107.5,11.5", "offset": "0"}
    answer = httpx.get(f"{server}/collections/schools/items", params=asked)
    assert answer.json()["type"] == "FeatureCollection"
    extent = httpx.get(f"{server}/collections/schools", params={"f": "json"}).json()["extent"]["spatial"]["bbox"][0]
    assert all(isinstance(edge, float) for edge in extent)


def some_layers() -> list:
    return LAYERS.vector[:: amount(4, 1)]


def test_openapi_spec_validator_accepts_the_definition(server, tmp_path):
    file = tmp_path / "api.json"
    file.write_bytes(httpx.get(f"{server}/api").content)
    command = [sys.executable, "-m", "openapi_spec_validator", "--schema", "3.0", str(file)]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_is_read_in_ranges(server):
    url = f"{server}/collections/wards/items?limit=100"
    plain = {"accept-encoding": "identity"}
    whole = httpx.get(url, headers=plain)
    for asked, first, last in (("0-99", 0, 99), ("100-", 100, len(whole.content) - 1), ("5-999999999", 5, None)):
        part = httpx.get(url, headers={**plain, "range": f"bytes={asked}"})
        end = len(whole.content) - 1 if last is None else last
        assert (part.status_code, part.content) == (206, whole.content[first : end + 1])
        assert part.headers["content-range"] == f"bytes {first}-{end}/{len(whole.content)}"
    assert httpx.get(url, headers={**plain, "range": "bytes=999999999-"}).status_code == 416
    for odd in ("bytes=-5", "bytes=1-2,5-6", "lines=1-2", "bytes=x"):
        assert httpx.get(url, headers={**plain, "range": odd}).status_code == 200
