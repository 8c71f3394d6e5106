"""The API definition: valid, complete, and true: what it describes is what answers."""

from __future__ import annotations

import re

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route

from mapserver import tallies
from mapserver.catalogue import Catalogue, catalogue
from mapserver.facts import NOTHING
from mapserver.identity import identity, path
from mapserver.ogc import openapi
from mapserver.ogc.house import Reader
from mapserver.query import ANYONE, Caller, may_see, visible_columns
from mapserver.settings import ROOT, settings

LAYERS = catalogue(ROOT / "layers")
OLD_PROTOCOLS = ("/wfs", "/wms", "/wmts", "/arcgis")
"""Addresses that describe themselves, each in its own standard's way."""
INSIDER = Caller("clerk", insider=True)
NOT_THE_API = ("/map", "/glyphs/{stack}/{span}.pbf", "/pages.css", "/wms", "/wmts", "/wfs")
"""Parts of pages: no operation of the API."""


def definition(caller: Caller = ANYONE, layers: Catalogue = LAYERS, language: str = "en") -> dict:
    return openapi.openapi(Reader("http://127.0.0.1", language, caller, layers, NOTHING, identity(path(settings()))))


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("caller", [ANYONE, INSIDER])
def test_it_is_valid_openapi_3_0(caller, language):
    said = definition(caller, language=language)
    assert said["openapi"].startswith("3.0.")
    validate(said)


def test_every_operation_has_its_own_name():
    names = [
        operation["operationId"] for operations in definition()["paths"].values() for operation in operations.values()
    ]
    assert len(names) == len(set(names))


def test_every_reference_points_into_the_document_itself():
    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            for member in node.values():
                yield from references(member)
        if isinstance(node, list):
            for member in node:
                yield from references(member)

    said = definition()
    for reference in set(references(said)):
        assert reference.startswith("#/components/")
        _, *keys = reference.split("/")
        place = said
        for key in keys:
            place = place[key]
        assert place


def test_every_column_that_may_be_filtered_by_is_a_parameter_and_no_other():
    for caller in (ANYONE, INSIDER):
        paths = definition(caller)["paths"]
        for layer in (layer for layer in LAYERS.vector if may_see(layer, caller)):
            given = paths[f"/collections/{layer.name}/items"]["get"]["parameters"]
            own = {parameter["name"] for parameter in given if "name" in parameter} - {"sortby", "properties"}
            assert own == {column.name for column in visible_columns(layer, caller)}


def test_tiles_have_the_operation_ids_of_the_standard():
    names = {
        operation["operationId"] for operations in definition()["paths"].values() for operation in operations.values()
    }
    for suffix in ("getTileSetsList", "getTileSet", "getTile"):
        assert any(name.endswith(f".collection.vector.{suffix}") for name in names)
        assert any(name.endswith(f".collection.map.{suffix}") for name in names)


@pytest.mark.postgis
def test_every_path_that_answers_is_in_it(toy, toy_settings):
    from mapserver.app import create_app

    app = create_app(toy_settings, toy.app_dsn)
    described = {
        (re.sub(r"\{[^}]+\}", "{}", where), method.upper())
        for where, operations in definition(INSIDER)["paths"].items()
        for method in operations
    }
    for route in routes(app._behind._behind.router):
        if route.path.startswith(OLD_PROTOCOLS):
            continue
        for method in route.methods - {"HEAD", "OPTIONS"}:
            for where in spelled_out(route.path, method):
                assert (re.sub(r"\{[^}]+\}", "{}", where), method) in described, (method, where)


def routes(router):
    for route in router.routes:
        if isinstance(route, Route):
            yield route
        elif hasattr(route, "original_router"):
            yield from routes(route.original_router)


def spelled_out(where: str, method: str) -> list[str]:
    """A path with each layer's name where it has one, as far as the layer is of that kind."""
    if where.startswith(NOT_THE_API):
        return []
    if "/collections/{" not in where or where.endswith("/map"):
        return [where]
    named = re.sub(r"^/collections/\{[^}]+\}", "/collections/%s", where)
    return [named % layer.name for layer in LAYERS if takes(layer, where, method)]


def takes(layer, where: str, method: str) -> bool:
    if method != "GET":
        return layer.writable
    if "/aggregate" in where:
        return tallies.counted(layer)
    if "/keys" in where:
        return "code" in layer.by_name and layer.origin != "raster"
    if where.endswith("/changes"):
        return layer.history
    raster = layer.origin == "raster"
    if "/map/tiles" in where or where.endswith("/coverage"):
        return raster
    if "/tiles" in where:
        return layer.geometry is not None
    return not raster or where.count("/") == 2 or where.endswith("/schema")


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.mark.postgis
def test_every_plain_get_answers_as_described(http):
    said = http.get("/api").json()
    for where, operations in said["paths"].items():
        if "{" in where or "get" not in operations:
            continue
        described = operations["get"]["responses"]["200"]["content"]
        for media in described:
            answer = http.get(where, headers={"accept": media.split(";")[0]})
            assert answer.status_code == 200, (where, media, answer.text[:200])
            assert answer.headers["content-type"].split(";")[0] == media.split(";")[0]


@pytest.mark.postgis
@pytest.mark.parametrize("layer", LAYERS.vector, ids=lambda layer: layer.name)
def test_features_are_as_their_schema_says(inside, layer):
    said = inside.get("/api").json()
    schema = said["components"]["schemas"][f"{layer.name}Feature"]["properties"]["properties"]
    features = inside.get(f"/collections/{layer.name}/items", params={"limit": 50}).json()["features"]
    for feature in features:
        for name, value in feature["properties"].items():
            column = schema["properties"][name]
            if value is None:
                assert column["nullable"], name
            else:
                jsonschema.validate(value, {k: v for k, v in column.items() if k != "nullable"})


@pytest.mark.postgis
@pytest.mark.parametrize("layer", LAYERS.vector, ids=lambda layer: layer.name)
def test_features_validate_against_the_layers_own_schema(inside, layer):
    schema = inside.get(f"/collections/{layer.name}/schema").json()
    features = inside.get(f"/collections/{layer.name}/items", params={"limit": 50}).json()["features"]
    for feature in features:
        logical = {"id": feature["id"], **{k: v for k, v in feature["properties"].items() if v is not None}}
        if feature["geometry"] is not None:
            logical["geometry"] = feature["geometry"]
        jsonschema.Draft202012Validator(schema).validate(logical)
