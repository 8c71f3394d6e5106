"""The city's layers: all there, told in both languages, understood under the headers that agencies use."""

from __future__ import annotations

import csv
import re

import pytest

from mapserver.catalogue import catalogue
from mapserver.layer import Layer
from mapserver.reading import opened, rows
from mapserver.reference import page
from mapserver.settings import ROOT

LAYERS = catalogue(ROOT / "layers")
EACH = pytest.mark.parametrize("layer", list(LAYERS), ids=lambda layer: layer.name)
PROMISED = (
    "wards", "addresses", "roads", "bus_stops", "bus_routes", "health_facilities", "schools", "waterways",
    "water_areas", "parks", "environment", "administration", "economic_units", "petitions", "indicators",
    "elevation", "field_notes",
)  # fmt: skip
VIETNAMESE = re.compile(r"[À-ỹĐđ]")
HEADERS = [
    ("schools", {"MATRUONG": "source_id", "TENTRUONG": "name", "DIACHI": "address", "SOHOCSINH": "pupils"}),
    ("schools", {"Mã trường": "source_id", "Tên trường": "name", "Cấp học": "level", "Số lớp": "classes"}),
    ("health_facilities", {"MACSKCB": "source_id", "TENBV": "name", "SOGIUONG": "beds", "LOAIHINH": "kind"}),
    ("roads", {"MADUONG": "source_id", "TENDUONG": "name", "CAPDUONG": "class", "BERONG": "width_m", "SOLAN": "lanes"}),
    ("addresses", {"Số nhà": "house_number", "Tên đường": "street", "Hẻm": "alley", "Địa chỉ": "full_text"}),
    ("petitions", {"MAPHANANH": "code", "Lĩnh vực": "field", "TINHTRANG": "status", "Ngày tiếp nhận": "received_at"}),
    ("economic_units", {"MST": "code", "Tên doanh nghiệp": "name", "Ngành nghề": "sector", "LAODONG": "employees"}),
    (
        "environment",
        {"MATRAM": "code", "PM2.5": "pm25_ug_m3", "Mực nước": "water_level_m"},
    ),
    ("wards", {"Mã ĐVHC": "code", "Tên đầy đủ": "full_name", "Dân số": "population"}),
]


@pytest.mark.parametrize("name", PROMISED)
def test_the_promised_layer_is_there(name):
    assert name in LAYERS


@EACH
def test_a_layer_is_told_in_vietnamese_and_in_english(layer: Layer):
    texts = [layer.title, layer.description, layer.owner, *(column.title for column in layer.columns)]
    assert VIETNAMESE.search(layer.description.vi)
    assert not any(VIETNAMESE.search(text.en.replace("hẻm", "")) for text in texts)
    assert len({column.title.vi for column in layer.columns}) == len(layer.columns)


@EACH
def test_tiles_carry_only_columns_that_everybody_may_see(layer: Layer):
    carried = layer.tiles.columns or ()
    assert all(layer.by_name[name].access.level == "public" for name in carried)


def test_what_is_not_public_gives_its_reason_and_its_review_date():
    closed = [(x.name, c.name, c.access) for x in LAYERS for c in x.columns if c.access.level != "public"]
    assert ("field_notes", "author") in {(layer, column) for layer, column, _ in closed}
    assert all(access.reason and access.review for *_, access in closed)


def test_only_the_field_notes_are_written_through_the_api():
    assert [layer.name for layer in LAYERS if layer.writable] == ["field_notes"]


@pytest.mark.parametrize(("name", "headers"), HEADERS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(HEADERS)])
def test_headers_of_agencies_are_understood(tmp_path, name, headers):
    with (tmp_path / "file.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([[*headers, "Kinh độ", "Vĩ độ"], ["1"] * len(headers) + ["106.7", "10.78"]])
    with opened(tmp_path / "file.csv", LAYERS[name]) as source:
        frame = next(iter(rows(source)))
    assert set(headers.values()) <= set(frame.columns)


@pytest.mark.parametrize("layer", [x for x in LAYERS if x.origin == "view"], ids=lambda layer: layer.name)
def test_a_view_reads_only_layers(layer: Layer):
    text = (ROOT / "layers" / f"{layer.name}.sql").read_text(encoding="utf-8")
    assert set(re.findall(r"layers\.(\w+)", text)) <= set(LAYERS.layers)


def test_the_page_of_layers_is_fresh():
    assert (ROOT / "docs" / "layers.md").read_text(encoding="utf-8") == page(LAYERS), "run `citymap layers docs`"
