"""The documents of the OGC door as pure functions of the catalogue: what they promise, for every layer."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from mapserver.catalogue import Catalogue, catalogue
from mapserver.crs import OFFERED
from mapserver.errors import BadQuery, CityMapError, Forbidden, NotFound, TooLarge, Unauthorized
from mapserver.facts import NOTHING, Extent, Fact, Facts
from mapserver.identity import identity, path
from mapserver.layer import LANGUAGES, Access, Language, Layer
from mapserver.ogc import config as rendering
from mapserver.ogc import conformance, documents, problem_pages, schemas, sketch, stylebook, tilesets
from mapserver.ogc.coverage import coverage_query
from mapserver.ogc.house import Reader
from mapserver.query import ANYONE, Caller, opened
from mapserver.raster import Grid
from mapserver.settings import ROOT, settings

BASE = "https://map.example.vn"
LAYERS = catalogue(ROOT / "layers")
VECTOR = [layer for layer in LAYERS if layer.origin != "raster"]
DRAWN = [layer for layer in VECTOR if layer.geometry]
RASTERS = [layer for layer in LAYERS if layer.origin == "raster"]
INSIDER = Caller("clerk", insider=True)


def name_of(layer: Layer) -> str:
    return layer.name


def reader(
    layers: Catalogue = LAYERS, language: Language = "en", caller: Caller = ANYONE, facts: Facts = NOTHING
) -> Reader:
    return Reader(BASE, language, caller, layers, facts, identity(path(settings())))


def closed(layers: Catalogue, name: str, level: str) -> Catalogue:
    """The catalogue with one layer closed."""
    shut = replace(layers[name], access=Access(level, "held back for a test", "2030-01-01"))  # type: ignore[arg-type]
    return Catalogue({**layers.layers, name: shut})


def rels(document: documents.Document) -> set[object]:
    links = document["links"]
    assert isinstance(links, list)
    return {link["rel"] for link in links}


def test_the_landing_page_has_every_link_that_clients_look_for() -> None:
    landing = documents.landing(reader())
    assert {"self", "alternate", "service-desc", "service-doc", "conformance", "data"} <= rels(landing)
    described = next(link for link in landing["links"] if link["rel"] == "service-desc")
    assert described["type"] == "application/vnd.oai.openapi+json;version=3.0"


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_in_the_language_that_was_asked_for(language: Language) -> None:
    for layer in LAYERS:
        said = documents.collection(reader(language=language), layer)
        assert said["title"] == layer.title[language]
        assert said["owner"] == layer.owner[language]


@pytest.mark.parametrize("layer", list(LAYERS), ids=name_of)
def test_a_collection_says_the_same_alone_and_in_the_list(layer: Layer) -> None:
    inside = reader(caller=INSIDER)
    listed = documents.collections(inside)["collections"]
    assert isinstance(listed, list)
    assert documents.collection(inside, layer) in listed


@pytest.mark.parametrize("layer", VECTOR, ids=name_of)
def test_a_vector_collection_has_items_queryables_and_schema(layer: Layer) -> None:
    said = documents.collection(reader(), layer)
    assert said["itemType"] == "feature"
    wanted = {"self", "alternate", "items", f"{documents.REL}queryables", f"{documents.REL}schema"}
    assert wanted <= rels(said)
    assert (f"{documents.REL}tilesets-vector" in rels(said)) == (layer.geometry is not None)
    assert (said.get("crs") == [crs.uri for crs in OFFERED]) == (layer.geometry is not None)
    assert all(link.get("type") for link in said["links"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("layer", RASTERS, ids=name_of)
def test_a_raster_collection_has_a_coverage_and_no_items(layer: Layer) -> None:
    said = documents.collection(reader(), layer)
    assert f"{documents.REL}coverage" in rels(said)
    assert "items" not in rels(said)


def test_an_extent_holds_everything_after_rounding() -> None:
    west, south, east, north = documents.outward((106.12345678, 10.12345671, 106.98765432, 10.98765439))
    assert (west, south) <= (106.12345678, 10.12345671)
    assert east >= 106.98765432
    assert north >= 10.98765439


def test_an_extent_is_told_when_it_is_known_and_left_out_when_not() -> None:
    layer = next(layer for layer in DRAWN if layer.time)
    fact = Fact(Extent((106.0, 10.0, 107.0, 11.0), "2025-01-01", "2025-06-30T08:00:00Z"))
    said = documents.extent(reader(facts=Facts({layer.name: fact}, "1")), layer)
    assert said["spatial"] == {"bbox": [[106.0, 10.0, 107.0, 11.0]], "crs": documents.CRS84}
    interval = said["temporal"]["interval"]  # type: ignore[index]
    assert interval == [["2025-01-01T00:00:00Z", "2025-06-30T08:00:00Z"]]
    assert "spatial" not in documents.extent(reader(), layer)


@pytest.mark.parametrize("level", ["internal", "secret"])
def test_a_closed_layer_is_not_in_any_list(level: str) -> None:
    layers = closed(LAYERS, "schools", level)
    for said in (documents.collections(reader(layers)), stylebook.styles(reader(layers))):
        assert "schools" not in json.dumps(said)
    assert "schools" not in stylebook.style(reader(layers), "citymap", "light")["sources"]  # type: ignore[operator]


def test_an_insider_sees_internal_layers_and_columns_and_no_secret_ones() -> None:
    inside = reader(closed(LAYERS, "schools", "internal"), caller=INSIDER)
    assert "schools" in [layer.name for layer in inside.layers]
    assert documents.collection(inside, inside.catalogue["schools"])["access"] == "internal"
    assert "schools" not in [layer.name for layer in reader(closed(LAYERS, "schools", "secret"), caller=INSIDER).layers]
    author = [schemas.schema(one, LAYERS["field_notes"])["properties"] for one in (reader(), reader(caller=INSIDER))]
    assert ["author" in columns for columns in author] == [False, True]  # type: ignore[operator]


def test_a_closed_layer_asks_who_you_are_then_says_no() -> None:
    layers = closed(LAYERS, "schools", "internal").layers
    with pytest.raises(Unauthorized):
        opened(layers, "schools", ANYONE)
    with pytest.raises(Forbidden, match="held back for a test"):
        opened(layers, "schools", Caller("somebody"))
    assert opened(layers, "schools", INSIDER).name == "schools"
    with pytest.raises(NotFound):
        opened(layers, "no_such", INSIDER)


@pytest.mark.parametrize("layer", VECTOR, ids=name_of)
@pytest.mark.parametrize("made", [schemas.schema, schemas.queryables, schemas.sortables])
def test_schemas_are_json_schemas_that_say_type_format_and_role(layer, made) -> None:  # type: ignore[no-untyped-def]
    said = made(reader(), layer)
    jsonschema.Draft202012Validator.check_schema(said)
    assert said["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert said["$id"] == f"{BASE}/collections/{layer.name}/{made.__name__}"
    for name, column in said["properties"].items():
        spatial = name == "geometry"
        assert ("type" in column) != spatial
        assert str(column.get("format", "")).startswith("geometry-") == spatial
        assert column["title"]
    roles = [column["x-ogc-role"] for column in said["properties"].values() if "x-ogc-role" in column]
    assert len(roles) == len(set(roles))


def test_a_code_list_is_told_with_its_titles() -> None:
    kinds = schemas.schema(reader(language="vi"), LAYERS["wards"])["properties"]["unit_type"]  # type: ignore[index]
    assert {"const": "ward", "title": "Phường"} in kinds["oneOf"]


@pytest.mark.parametrize("layer", [*DRAWN, *RASTERS], ids=name_of)
def test_a_tileset_is_what_the_standard_asks(layer: Layer) -> None:
    said = tilesets.tileset(reader(), layer, "WebMercatorQuad")
    assert said["tileMatrixSetURI"] == "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
    item = next(link for link in said["links"] if link["rel"] == "item")  # type: ignore[attr-defined]
    assert item["templated"] is True
    assert item["href"].endswith("/{tileMatrix}/{tileRow}/{tileCol}")
    assert f"{documents.REL}tiling-scheme" in rels(said)
    zooms = [int(limit["tileMatrix"]) for limit in said["tileMatrixSetLimits"]]  # type: ignore[attr-defined]
    assert (zooms[0], zooms[-1]) == (layer.tiles.min_zoom, layer.tiles.max_zoom)
    with pytest.raises(NotFound):
        tilesets.tileset(reader(), layer, "NZTM2000Quad")


@pytest.mark.parametrize("layer", DRAWN, ids=name_of)
def test_tilejson_names_the_layer_and_its_columns(layer: Layer) -> None:
    said = tilesets.tilejson(reader(), layer)
    assert said["tilejson"] == "3.0.0"
    vector = said["vector_layers"][0]  # type: ignore[index]
    assert vector["id"] == layer.name
    if layer.tiles.columns is not None:
        assert set(vector["fields"]) <= set(layer.tiles.columns)


def test_conformance_classes_are_whole_uris_told_once() -> None:
    said = conformance.conformance(reader())["conformsTo"]
    assert isinstance(said, list)
    assert len(said) == len(set(said))
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in said


def test_pygeoapis_file_is_fresh() -> None:
    file = path(settings())
    assert file.read_text(encoding="utf-8") == rendering.rendered(file, LAYERS), "run `citymap pygeoapi config`"


def test_pygeoapis_file_is_one_that_pygeoapi_takes() -> None:
    import yaml
    from pygeoapi.config import validate_config

    assert validate_config(yaml.safe_load(path(settings()).read_text(encoding="utf-8")))


def test_every_kind_of_error_is_explained_and_no_other() -> None:
    family = problem_pages.kinds()
    assert set(problem_pages.sections()) == set(family)
    assert set(family.values()) == {CityMapError, *CityMapError.__subclasses__()}
    for kind in family:
        assert len(problem_pages.explained(kind).html) > 100


GRID = Grid((106.0, 10.0, 107.0, 11.0), 100, 100, (0.01, 0.01), "EPSG:4326", 1, "float32", None)


@pytest.mark.parametrize(
    ("given", "cells"),
    [
        ({"bbox": "106.001,10.001,106.009,10.009"}, (0, 99, 1, 100)),
        ({"bbox": "106.005,10.005,106.015,10.015"}, (0, 98, 2, 100)),
        ({"bbox": "105,9,108,12"}, (0, 0, 100, 100)),
        ({"subset": "Lat(10.5:10.6),Lon(106.1:106.2)"}, (10, 40, 20, 50)),
        ({"subset": "Lat(*:10.1)"}, (0, 90, 100, 100)),
    ],
)
def test_a_coverage_is_cut_along_its_cells(given: dict[str, str], cells: tuple[int, int, int, int]) -> None:
    query = coverage_query(RASTERS[0], ANYONE, GRID, "json", given)
    assert query is not None
    assert query.box is not None
    west, south, east, north = query.box
    left, top, right, bottom = cells
    assert (west, north) == pytest.approx((106 + left / 100, 11 - top / 100), abs=1e-6)
    assert (east, south) == pytest.approx((106 + right / 100, 11 - bottom / 100), abs=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {"bbox": "1,2,3"},
        {"bbox": "a,b,c,d"},
        {"subset": "Lat(10:11"},
        {"subset": "Height(1:2)"},
        {"subset": "Lat(11:10)"},
        {"subset": "Lat(10:11),Lat(10:11)"},
        {"subset": "Lat(nan:inf)"},
        {"subset": "Lat(10:11)", "bbox": "106,10,107,11"},
        {"properties": "no_such"},
        {"properties": ""},
        {"limit": "1"},
        {"bbox": "106,10,107,11", "bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/9210"},
    ],
)
def test_a_bad_coverage_question_is_named(given: dict[str, str]) -> None:
    with pytest.raises(BadQuery):
        coverage_query(RASTERS[0], ANYONE, GRID, "json", given)


def test_too_many_cells_are_refused_and_none_are_none() -> None:
    wide = replace(GRID, width=10_000, height=10_000)
    with pytest.raises(TooLarge):
        coverage_query(RASTERS[0], ANYONE, wide, "json", {})
    assert coverage_query(RASTERS[0], ANYONE, GRID, "json", {"bbox": "0,0,1,1"}) is None


@pytest.mark.parametrize(
    ("geometry", "kind"),
    [
        ({"type": "Point", "coordinates": [106.7, 10.8]}, "point"),
        ({"type": "MultiLineString", "coordinates": [[[106, 10], [107, 11]]]}, "line"),
        ({"type": "Polygon", "coordinates": [[[106, 10], [107, 10], [107, 11], [106, 10]]]}, "polygon"),
    ],
)
def test_a_geometry_is_drawn_inside_its_picture(geometry: dict[str, object], kind: str) -> None:
    drawn = sketch.of_geometry(geometry)
    assert drawn is not None
    assert drawn.kind == kind
    assert drawn.path.startswith("M")
    assert drawn.width <= sketch.SIDE + 1
    assert drawn.height <= sketch.SIDE + 1


@pytest.mark.parametrize("geometry", [None, {}, {"type": "Point", "coordinates": []}, {"type": "Nothing"}])
def test_nothing_is_drawn_of_nothing(geometry: dict[str, object] | None) -> None:
    assert sketch.of_geometry(geometry) is None
