"""OGC API - Features - Part 1: GeoJSON, by RFC 7946 and by the layer's own schema."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import jsonschema
import shapely.geometry
from conftest import amount

from conformance import faults
from conformance.api import GEOJSON, Api, media, requirement

JSON = "ogcapi-features-1/1.0/req/geojson"
ITEMS = r"/items(/\d+)?$"
DEPTH = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}


@requirement(f"{JSON}/definition", broken_by=faults.header("content-type", "application/json", ITEMS))
def test_features_come_as_geojson_and_all_else_as_json(api: Api):
    for name in api.feature_collections:
        wheres = [api.items(name), *(f"{api.items(name)}/{number}" for number in api.table(name).ids[:1])]
        for where in wheres:
            for accept in (GEOJSON, "*/*", f"{GEOJSON}, text/html;q=0.5"):
                assert media(api.get(where, accept)) == GEOJSON, (where, accept)
    for where in ("/", "/conformance", "/collections", *(f"/collections/{name}" for name in api.collections)):
        assert media(api.get(where, "application/json")) == "application/json", where


@requirement(f"{JSON}/content", broken_by=faults.saying('"type": ?"Feature"', '"type":"feature"', ITEMS))
def test_features_are_geojson(api: Api):
    for name in api.feature_collections:
        body = api.json(api.items(name), limit=amount(20, 10000))
        assert (body["type"], "crs" in body, isinstance(body["links"], list)) == ("FeatureCollection", False, True)
        assert len({feature["id"] for feature in body["features"]}) == len(body["features"])
        for feature in body["features"]:
            check_feature(feature)
        for number in api.table(name).ids[:2]:
            alone = api.json(f"{api.items(name)}/{number}")
            check_feature(alone)
            assert alone["id"] == number, "the id of the path, as it is stored"
            assert isinstance(alone["links"], list)


def check_feature(feature: dict[str, Any]) -> None:
    """A Feature object of RFC 7946."""
    assert feature["type"] == "Feature"
    assert isinstance(feature["id"], int | str)
    assert isinstance(feature["properties"], dict)
    assert not {"coordinates", "geometries", "features", "crs"} & set(feature)
    if geometry := feature["geometry"]:
        assert set(geometry) == {"type", "coordinates"}, geometry.keys()
        check_positions(geometry["coordinates"], DEPTH[geometry["type"]])
        check_rings(geometry)


def check_positions(node: Any, depth: int) -> None:
    """Arrays of positions, so deep; a position is two finite numbers, or three."""
    assert isinstance(node, list)
    if depth:
        for inner in node:
            check_positions(inner, depth - 1)
    else:
        assert len(node) in (2, 3), node
        assert all(isinstance(n, int | float) and math.isfinite(n) for n in node), node


def check_rings(geometry: dict[str, Any]) -> None:
    """Rings are closed, of four positions or more, and follow the right-hand rule."""
    parts = {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}.get(geometry["type"], [])
    for polygon in parts:
        for place, ring in enumerate(polygon):
            assert len(ring) >= 4
            assert ring[0] == ring[-1]
            assert shapely.LinearRing(ring).is_ccw == (place == 0), "outer rings run counterclockwise"


@requirement(f"{JSON}/content", broken_by=faults.saying(r'":(\d+)([,}])', r'":"\1"\2', "/items$"))
def test_values_are_as_stored_and_of_their_own_types(api: Api):
    for name in api.feature_collections:
        stored = dict(zip(api.table(name).ids, api.table(name).rows, strict=True))
        for feature in api.json(api.items(name), limit=amount(50, 10000))["features"]:
            row = stored[feature["id"]]
            for column, told in feature["properties"].items():
                assert same(row[column], told), (name, feature["id"], column, row[column], told)


def same(stored: Any, told: Any) -> bool:
    """Whether a JSON value says what is stored."""
    if isinstance(stored, datetime):
        return isinstance(told, str) and told.endswith("Z") and datetime.fromisoformat(told) == stored
    if hasattr(stored, "isoformat"):
        return bool(told == stored.isoformat())
    if isinstance(stored, float) and isinstance(told, int):
        return told == stored
    return type(stored) is type(told) and stored == told


@requirement(f"{JSON}/content", broken_by=faults.without("conformsTo", "collections"))
def test_documents_have_the_members_their_schemas_require(api: Api):
    link = {"type": "object", "required": ["href", "rel"], "properties": {"href": {"type": "string", "format": "uri"}}}
    links = {"type": "array", "items": link}
    schemas = {
        "/": {"required": ["links"], "properties": {"links": links}},
        "/conformance": {"required": ["conformsTo"], "properties": {"conformsTo": {"items": {"type": "string"}}}},
        "/collections": {
            "required": ["links", "collections"],
            "properties": {"links": links, "collections": {"items": collection(links)}},
        },
    }
    for where, schema in schemas.items():
        jsonschema.validate(api.json(where, "application/json"), schema)


def collection(links: dict[str, Any]) -> dict[str, Any]:
    """The schema of a collection object."""
    box = {"type": "array", "oneOf": [{"minItems": n, "maxItems": n} for n in (4, 6)], "items": {"type": "number"}}
    pair = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": ["string", "null"], "format": "date-time"}}
    extent = {
        "spatial": {"properties": {"bbox": {"type": "array", "minItems": 1, "items": box}}},
        "temporal": {"properties": {"interval": {"type": "array", "minItems": 1, "items": pair}}},
    }
    members = {"links": links, "extent": {"properties": extent}, "crs": {"items": {"type": "string"}}}
    return {"type": "object", "required": ["id", "links"], "properties": members}
