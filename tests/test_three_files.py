"""Adding a layer is three files and no other edit: a copy of the city, three files more, loaded and served."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import shapely
from conftest import free_port, serve

from mapserver.catalogue import catalogue
from mapserver.loading import Provenance, load
from mapserver.reading import opened
from mapserver.scripts import frames
from mapserver.settings import ROOT, settings

LAYER = """
title: { vi: Cây xanh đường phố, en: Street trees }
description: { vi: Cây bóng mát trên vỉa hè, en: Shade trees on pavements }
theme: environment
owner: { vi: Sở Xây dựng, en: Department of Construction }
licence: CC0-1.0
source: { vi: Kiểm kê cây xanh, en: Tree inventory }
update: yearly
geometry: Point
key: code
name: species
columns:
  code: { type: text, required: true, title: { vi: Mã cây, en: Tree code }, aliases: [MACAY] }
  species: { type: text, index: true, title: { vi: Loài, en: Species }, aliases: [ten cay] }
  height_m: { type: number, unit: m, title: { vi: Chiều cao, en: Height }, aliases: [CHIEUCAO] }
  health:
    type: code
    title: { vi: Tình trạng, en: Health }
    codes: { good: { vi: Tốt, en: Good }, poor: { vi: Sâu bệnh, en: Poor } }
"""
SCRIPT = '''
"""Street trees, as the inventory has them."""

from mapserver.reading import rows


def read(source):
    yield from rows(source)
'''
ROWS = """MACAY,Tên cây,CHIEUCAO,Tình trạng,Kinh độ,Vĩ độ
C1,Dầu rái,21.5,Tốt,106.7009,10.7769
C2,Sao đen,18,Sâu bệnh,106.7019,10.7779
C3,Me tây,12.25,Tốt,106.7029,10.7789
C4,Lim xẹt,khá cao,Tốt,106.7039,10.7799
"""


@pytest.fixture
def city(tmp_path) -> Path:
    """A copy of the city's three rooms with the three files in them, and a file of an agency beside."""
    for room in ("layers", "ingest", "styles", "rules", "calendar"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    style = json.loads((tmp_path / "styles" / "flood_spots.json").read_text(encoding="utf-8"))
    (tmp_path / "layers" / "trees.yml").write_text(LAYER, encoding="utf-8")
    (tmp_path / "ingest" / "trees.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "styles" / "trees.json").write_text(json.dumps(style).replace("flood_spots", "trees"), encoding="utf-8")
    (tmp_path / "kiemke.csv").write_text(ROWS, encoding="utf-8")
    return tmp_path


def test_three_files_make_a_layer_that_is_loaded_and_served(city, database):
    layers = catalogue(city / "layers")
    there = database(layers)
    with opened(city / "kiemke.csv", layers["trees"]) as source:
        rows = frames(layers["trees"], source)
        report = load(there.owner_dsn, layers, layers["trees"], rows, Provenance("kiemke.csv", "tester"))
    assert (report.rows_in, report.loaded, report.quarantined) == (4, 3, 1)
    assert "khá cao" in report.refusals[0].examples[0].reason

    chosen = settings(layers=city / "layers", data=city / "data", port=free_port(), workers=1, real_data=city / "none")
    with serve(chosen, there) as url, httpx.Client(base_url=url, timeout=30) as web:
        listed = {one["id"] for one in web.get("/collections", params={"f": "json"}).json()["collections"]}
        found = web.get("/collections/trees/items", params={"health": "poor"}).json()
        tile = web.get("/collections/trees/tiles/WebMercatorQuad/14/7705/13048")
        style = web.get("/styles/citymap").json()
    assert "trees" in listed
    assert [feature["properties"]["species"] for feature in found["features"]] == ["Sao đen"]
    assert shapely.geometry.shape(found["features"][0]["geometry"]).equals_exact(shapely.Point(106.7019, 10.7779), 1e-7)
    assert tile.status_code in (200, 204)
    assert any(one.get("source-layer") == "trees" for one in style["layers"])


def test_the_catalogue_of_the_copy_has_no_problem_and_one_layer_more(city):
    assert len(catalogue(city / "layers").layers) == len(catalogue(ROOT / "layers").layers) + 1


def test_a_missing_third_file_is_named(city):
    (city / "styles" / "trees.json").unlink()
    command = [sys.executable, "-m", "mapserver.cli", "layers", "check"]
    env = settings(layers=city / "layers").environment()
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "trees.yml: has no style; expected styles/trees.json" in done.stderr
