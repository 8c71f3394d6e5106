"""Programs on agency desks, as far as they run here: GDAL by its OAPIF driver, and OWSLib."""

from __future__ import annotations

import json
import subprocess

import httpx
import pytest
from owslib.ogcapi.features import Features

from mapserver.catalogue import catalogue
from mapserver.settings import ROOT

pytestmark = pytest.mark.postgis

LAYERS = catalogue(ROOT / "layers")


def ogrinfo(*arguments: str) -> dict:
    done = subprocess.run(
        ["ogrinfo", "-json", "-ro", *arguments], text=True, capture_output=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
