"""The city's ingest scripts on what agencies send: what they complete, mend and translate on the way."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin
from rio_cogeo.cogeo import cog_validate

from ingest import addresses, roads, schools
from ingest.city import osm_tags
from mapserver.catalogue import catalogue
from mapserver.errors import BadLoad
from mapserver.loading import Provenance
from mapserver.loading_raster import load_raster
from mapserver.reading import Source, opened
from mapserver.settings import ROOT

LAYERS = catalogue(ROOT / "layers")


def read(tmp_path: Path, name: str, text: str) -> pd.DataFrame:
    """A CSV of an agency through the layer's script."""
    (tmp_path / "file.csv").write_text(text, encoding="utf-8")
    with opened(tmp_path / "file.csv", LAYERS[name]) as source:
        return pd.concat(list(importlib.import_module(f"ingest.{name}").read(source)))


def test_an_address_gets_its_full_text_its_alley_and_its_depth(tmp_path):
    frame = read(
        tmp_path,
        "addresses",
        "MADIACHI,SONHA,TENDUONG,lon,lat\n1,45/12/3A,Lê Lợi,106.7,10.78\n2,7,Pasteur,106.7,10.78\n",
    )
    assert list(frame["full_text"]) == ["45/12/3A Lê Lợi", "7 Pasteur"]
    assert list(frame["alley"].fillna("")) == ["45/12", ""]
    assert list(frame["depth"]) == [2, 0]


def test_a_road_gets_its_rank_from_a_class_in_vietnamese(tmp_path):
    frame = read(tmp_path, "roads", 'MADUONG,CAPDUONG,WKT\n1,Quốc lộ,"LINESTRING(106.7 10.7,106.8 10.7)"\n')
    assert list(frame["rank"]) == [roads.RANKS["trunk"]]


@pytest.mark.parametrize(("kind", "rank"), [("motorway", 9), ("motorway_link", 8), ("alley", 1), ("steps", 0)])
def test_links_stand_just_below_the_road_they_leave(kind, rank):
    assert roads.rank_of(kind) == rank


def test_a_school_without_a_kind_gets_it_from_its_level(tmp_path):
    frame = read(
        tmp_path, "schools", "MATRUONG,TENTRUONG,CAPHOC,lon,lat\n1,A,Mầm non,106.7,10.78\n2,B,Tiểu học,106.7,10.78\n"
    )
    assert list(frame["kind"]) == ["kindergarten", "school"]


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("Trường Tiểu học Nguyễn Văn Bá", "primary"),
        ("THPT Trần Nhân Tông", "upper_secondary"),
        ("Trường THCS-THPT Nguyễn Khuyến", "combined"),
        ("Trường Mầm Non Hoạ Mi", "kindergarten"),
        ("Lycée Français", None),
    ],
)
def test_the_level_of_a_school_is_read_out_of_its_name(name, level):
    assert schools.level_of({"amenity": "school", "name": name}) == level


def test_bus_lines_in_one_cell_may_be_parted_by_commas(tmp_path):
    frame = read(tmp_path, "bus_stops", 'MATRAM,TENTRAM,TUYEN,lon,lat\n1,A,"01, 19",106.7,10.78\n')
    assert list(frame["routes"]) == ["01; 19"]


@pytest.mark.parametrize(("street", "kept"), [("a", None), (" ", None), ("Lê Lợi", "Lê Lợi")])
def test_a_filler_is_no_street(street, kept):
    assert addresses.street_of({"addr:street": street}) == kept


@pytest.mark.parametrize(("given", "kept"), [("3.5 m", 3.5), ("2,5", 2.5), ("wide", None), ("", None)])
def test_a_number_is_what_a_tag_begins_with(given, kept):
    assert osm_tags.number("width")({"width": given}) == kept


def test_a_website_gets_the_scheme_that_people_leave_out():
    assert osm_tags.website({"website": "www.example.vn"}) == "http://www.example.vn"
    assert osm_tags.website({"contact:website": "https://example.vn"}) == "https://example.vn"


def geotiff(path: Path, crs: str | None, bands: int = 1) -> Path:
    heights = np.arange(600 * 600, dtype="float32").reshape(1, 600, 600).repeat(bands, axis=0)
    profile = {"driver": "GTiff", "width": 600, "height": 600, "count": bands, "dtype": "float32"}
    with rasterio.open(path, "w", **profile, crs=crs, transform=from_origin(680_000, 1_195_000, 10, 10)) as data:
        data.write(heights)
    return path


@pytest.mark.parametrize(("in_file", "said"), [("EPSG:32648", None), (None, "EPSG:32648")])
def test_any_geotiff_becomes_a_cloud_optimized_one(tmp_path, in_file, said):
    source = Source(geotiff(tmp_path / "dem.tif", in_file), LAYERS["elevation"], crs=said)
    importlib.import_module("ingest.elevation").read(source, tmp_path / "out.tif")
    good, faults, _ = cog_validate(tmp_path / "out.tif", quiet=True)
    with rasterio.open(tmp_path / "out.tif") as made, rasterio.open(tmp_path / "dem.tif") as given:
        assert (good, faults) == (True, [])
        assert made.crs == "EPSG:32648"
        assert made.overviews(1)
        assert (made.read(1) == given.read(1)).all()


def test_a_raster_with_other_bands_is_refused_and_the_old_file_stays(tmp_path, database):
    layer, target = LAYERS["elevation"], tmp_path / "elevation.tif"
    target.write_bytes(b"the old one")
    source = Source(geotiff(tmp_path / "rgb.tif", "EPSG:32648", bands=3), layer)
    script = importlib.import_module("ingest.elevation")
    with pytest.raises(BadLoad, match="has 3 bands; elevation has 1: elevation_m"):
        load_raster(database().owner_dsn, layer, lambda path: script.read(source, path), target, Provenance("x", "y"))
    assert target.read_bytes() == b"the old one"
