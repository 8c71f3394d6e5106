"""JSON-FG 1.0 (OGC 21-045r1) and the profile parameter (OGC 23-058r2)."""

from __future__ import annotations

import re
from typing import Any

import shapely
import shapely.geometry
from conftest import amount

from conformance import faults
from conformance.api import CRS84, GEOJSON, Api, href, media, requirement, some

FG, FG_CONF = "json-fg-1/1.0/req", "http://www.opengis.net/spec/json-fg-1/1.0/conf/"
PROFILE, PROFILES = "ogcapi-common-3/1.0/req/profile-parameter", "http://www.opengis.net/def/profile/OGC/0/"
CODES = "ogcapi-common-3/1.0/req/profile-codelists"
VN2000 = "http://www.opengis.net/def/crs/EPSG/0/9210"
ITEMS = r"/items(/\d+)?$"
DATE, INSTANT = r"\d{4}-\d{2}-\d{2}", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z"
DIMENSIONS = {"Point": 0, "LineString": 1, "Polygon": 2}


def roots(api: Api, profile: str = "jsonfg", **params: Any) -> list[tuple[str, dict[str, Any]]]:
    """JSON-FG documents of every collection: a page of features, and one feature."""
    found = []
    for name in api.feature_collections:
        page = api.json(api.items(name), profile=profile, limit=amount(5, 1000), **params)
        found.append((name, page))
        if page["features"]:
            alone = f"{api.items(name)}/{page['features'][0]['id']}"
            found.append((name, api.json(alone, profile=profile, **params)))
    return found


def features(root: dict[str, Any]) -> list[dict[str, Any]]:
    return root["features"] if root["type"] == "FeatureCollection" else [root]


@requirement(f"{FG}/core/schema-valid", f"{FG}/core/metadata", f"{FG}/types-schemas/metadata",
             broken_by=faults.saying("conformsTo", "conformsToo", ITEMS))  # fmt: skip
def test_the_root_says_what_it_conforms_to_and_nothing_else_does(api: Api):
    for _, root in roots(api):
        assert f"{FG_CONF}core" in root["conformsTo"]
        assert f"{FG_CONF}types-schemas" in root["conformsTo"]
        for feature in features(root):
            assert {"type", "id", "geometry", "properties", "time", "place"} <= set(feature)
            if feature is not root:
                assert not {"conformsTo", "coordRefSys"} & set(feature)


@requirement(
    f"{FG}/core/instant",
    f"{FG}/core/interval",
    f"{FG}/core/instant-and-interval",
    f"{FG}/core/utc",
    broken_by=faults.saying(r'("time":\{"[a-z]+":")', r"\1x", ITEMS),
)
def test_time_is_the_primary_instant_of_the_feature(api: Api):
    timed = 0
    for name, root in roots(api):
        schema = api.json(f"/collections/{name}/schema")["properties"]
        roles = {said["x-ogc-role"]: column for column, said in schema.items() if "x-ogc-role" in said}
        instant, start, end = (roles.get(f"primary-{role}") for role in ("instant", "interval-start", "interval-end"))
        for feature in features(root):
            told = feature["properties"]
            if start:
                assert feature["time"] == {"interval": [told[start] or "..", told[end] or ".."]}
            elif told.get(instant) is None:
                assert feature["time"] is None
            else:
                timed += 1
                ((member, value),) = feature["time"].items()
                assert value == told[instant]
                assert re.fullmatch({"date": DATE, "timestamp": INSTANT}[member], value)
    assert timed


SOMEWHERE = '"place":{"type":"Point","coordinates":[0,0]}'


@requirement(f"{FG}/core/place-geometries", f"{FG}/core/same-crs", f"{FG}/core/fallback", f"{FG}/core/axis-order",
             broken_by=faults.saying('"place":null', SOMEWHERE, ITEMS))  # fmt: skip
def test_place_holds_what_is_not_in_longitude_and_latitude(api: Api):
    for name, root in roots(api):
        assert root.get("coordRefSys", CRS84) == CRS84
        assert all(feature["place"] is None for feature in features(root)), name
    for name in api.spatial():
        for feature_id in some(api.table(name).ids, amount(2, 50)):
            where = f"{api.items(name)}/{feature_id}"
            grid = api.json(where, profile="jsonfg", crs=VN2000)
            assert (grid["coordRefSys"], grid["geometry"]) == (VN2000, None)
            plain = api.json(where, crs=VN2000)
            assert grid["place"] == plain["geometry"]
            assert shapely.geometry.shape(grid["place"]).bounds[0] > 180


@requirement(f"{FG}/core/geometry-wgs84", f"{FG}/core/coordinate-dimension", f"{FG}/core/geometry-no-jsonfg-extension",
             f"{FG}/core/valid-geometry",
             broken_by=faults.saying(r'"coordinates":(\[+)', r'"coordinates":\g<1>999', ITEMS))  # fmt: skip
def test_geometry_is_in_longitude_and_latitude(api: Api):
    for _, root in roots(api):
        for geometry in (feature["geometry"] for feature in features(root) if feature["geometry"]):
            assert set(geometry) == {"type", "coordinates"}
            shape = shapely.geometry.shape(geometry)
            west, south, east, north = shape.bounds
            assert -180 <= west <= east <= 180
            assert -90 <= south <= north <= 90
            assert not shape.has_z
            assert shape.is_valid


@requirement(f"{FG}/types-schemas/feature-type", f"{FG}/types-schemas/feature-schemas",
             f"{FG}/types-schemas/single-feature-schema", f"{FG}/types-schemas/geometry-dimension",
             broken_by=faults.saying('"featureType"', '"featureKind"', ITEMS))  # fmt: skip
def test_the_type_and_the_schema_of_features_are_told(api: Api):
    for name, root in roots(api):
        assert root["featureType"] == name
        schema = api.json(root["featureSchema"])
        assert schema["$id"] == root["featureSchema"]
        if root.get("geometryDimension") is not None:
            for geometry in (feature["geometry"] for feature in features(root) if feature["geometry"]):
                assert DIMENSIONS[geometry["type"].removeprefix("Multi")] == root["geometryDimension"]


@requirement(f"{FG}/profiles/rfc7946", f"{FG}/profiles/jsonfg", f"{FG}/profiles/jsonfg-plus",
             broken_by=faults.saying("OGC/0/rfc7946", "OGC/0/jsonfg", ITEMS))  # fmt: skip
def test_each_profile_is_what_its_link_says(api: Api):
    for name in api.spatial():
        where = f"{api.items(name)}/{api.table(name).ids[0]}"
        for profile in ("rfc7946", "jsonfg", "jsonfg-plus"):
            for crs in (CRS84, VN2000):
                root = api.json(where, profile=profile, crs=crs)
                assert [*href(root, "profile")] == [f"{PROFILES}{profile}"]
                assert ("conformsTo" in root, "place" in root) == (profile != "rfc7946",) * 2
                if profile == "jsonfg-plus" and root["place"]:
                    assert abs(root["geometry"]["coordinates"][0] if root["geometry"]["type"] == "Point" else 0) <= 180
                    assert root["geometry"] == api.json(where)["geometry"]


@requirement(f"{FG}/api/profile-parameter", broken_by=faults.deaf_to("profile", "f"))
def test_json_fg_is_asked_for_by_profile(api: Api):
    name = api.spatial()[0]
    for where in (api.items(name), f"{api.items(name)}/{api.table(name).ids[0]}"):
        assert media(api.get(where, profile="jsonfg")) == GEOJSON
        assert "conformsTo" in api.json(where, profile="jsonfg")
        assert "conformsTo" in api.json(where, f="jsonfg")
        assert "conformsTo" not in api.json(where, profile="rfc7946")
        assert "conformsTo" not in api.json(where), "rfc7946 is the default"


@requirement(f"{PROFILE}/profile-param", broken_by=faults.saying('"name": ?"profile"', '"name":"profil"', "/api$"))
def test_the_parameter_is_in_the_definition(api: Api):
    for name in api.feature_collections:
        for where in (api.items(name), f"{api.items(name)}/{{featureId}}"):
            said = api.parameters(where)["profile"]
            assert (said["in"], said.get("required", False), said["explode"]) == ("query", False, False)
            assert said["schema"]["type"] == "array"


@requirement(f"{PROFILE}/profile-param-response", broken_by=faults.saying('"rel": ?"profile"', '"rel":"none"', ITEMS))
def test_a_profile_is_a_wish_and_the_answer_names_the_one_it_has(api: Api):
    name = api.spatial()[0]
    for asked, got in (
        ("", "rfc7946"), ("no-such-profile", "rfc7946"), ("no-such,jsonfg", "jsonfg"),
        ("rel-as-key,rfc7946", "rfc7946"),
        (f"{PROFILES}jsonfg-plus", "jsonfg-plus"), ("jsonfg,rfc7946", "jsonfg"),
    ):  # fmt: skip
        answer = api.get(api.items(name), profile=asked, limit=1)
        assert [*href(answer.json(), "profile")] == [f"{PROFILES}{got}"]
        assert f'<{PROFILES}{got}>; rel="profile"' in answer.headers["link"]
    assert [*href(api.json(api.items(name)), "profile")] == [f"{PROFILES}rfc7946"]


@requirement(f"{CODES}/consistency", f"{CODES}/codelist-inline", f"{CODES}/codelist-ref",
             broken_by=faults.saying('"oneOf"', '"anyOf"', "/(schema|queryables|sortables)$"))  # fmt: skip
def test_codes_stand_in_the_schema_with_their_titles(api: Api):
    listed = 0
    for name in api.feature_collections:
        for kind in ("schema", "queryables", "sortables"):
            answer = api.get(f"/collections/{name}/{kind}", "application/schema+json")
            assert f'<{PROFILES}codelist-inline>; rel="profile"' in answer.headers["link"]
            for said in answer.json()["properties"].values():
                assert not {"enum", "anyOf", "x-ogc-codelistUri"} & set(said)
                listed += "oneOf" in said
                assert all({"const", "title"} <= set(code) for code in said.get("oneOf", []))
    assert listed
