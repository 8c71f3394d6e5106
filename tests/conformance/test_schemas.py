"""OGC API - Common - Part 3 (OGC 23-058r2): schemas, roles, returnables, sortables; sorting; property selection."""

from __future__ import annotations

import itertools
import unicodedata
from datetime import date, datetime
from typing import Any

import jsonschema
from conftest import amount

from conformance import faults
from conformance.api import PROBLEM, REL, SCHEMA, Api, href, media, requirement

COMMON = "ogcapi-common-3/1.0/req"
SORTING, SELECTION = "ogcapi-features-8/1.0/req", "ogcapi-features-6/1.0/req"
ITEMS, ANY = r"/items(/\d+)?$", "/(schema|queryables|sortables)$"
GEOMETRIES = ("point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "any")
KINDS = ("schema", "queryables", "sortables")


def schemas(api: Api, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    """Every schema document with its address."""
    names = [(name, kind) for name in api.feature_collections for kind in kinds or KINDS]
    names += [(name, "schema") for name in api.collections if name not in api.feature_collections]
    return [(f"/collections/{name}/{kind}", api.json(f"/collections/{name}/{kind}")) for name, kind in names]


def properties(api: Api, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{where}#{name}", p) for where, said in schemas(api, *kinds) for name, p in said["properties"].items()]


@requirement(f"{COMMON}/schemas/json-schema", broken_by=faults.saying('"type": ?"integer"', '"type":"int"', ANY))
def test_schemas_are_valid_json_schema(api: Api):
    for where, said in schemas(api):
        jsonschema.Draft202012Validator.check_schema(said)
        assert said["$schema"] == "https://json-schema.org/draft/2020-12/schema", where
        assert said["$id"] == f"{str(api.http.base_url).rstrip('/')}{where}"
        assert said["type"] == "object"


@requirement(f"{COMMON}/schemas/properties", broken_by=faults.without("type", where="/schema$"))
def test_properties_have_a_type_and_geometry_has_a_format(api: Api):
    for where, said in properties(api):
        if said.get("format", "").startswith("geometry-"):
            assert not {"type", "$ref"} & set(said), where
            assert said["format"].removeprefix("geometry-") in GEOMETRIES, where
        else:
            assert said["type"] in ("string", "number", "integer", "boolean", "array"), where


@requirement(
    f"{COMMON}/schemas/properties", broken_by=faults.saying('"format": ?"date-time"', '"format":"date"', "/schema$")
)
def test_features_are_as_the_schema_says(api: Api):
    for name in api.feature_collections:
        said = api.json(f"/collections/{name}/schema")
        validator = jsonschema.Draft202012Validator(said)
        for feature in api.json(api.items(name), limit=amount(20, 10000))["features"]:
            validator.validate(logical(feature))
        for row in api.table(name).rows[:1]:
            for column, stored in row.items():
                if isinstance(stored, date) and column in said["properties"]:
                    wanted = "date-time" if isinstance(stored, datetime) else "date"
                    assert said["properties"][column]["format"] == wanted, (name, column)


def logical(feature: dict[str, Any]) -> dict[str, Any]:
    """A GeoJSON feature as the schema sees it: its members beside each other, what is null left out."""
    members = {"id": feature["id"], "geometry": feature["geometry"], **feature["properties"]}
    return {name: member for name, member in members.items() if member is not None}


KEYWORDS = frozenset(
    [
        "title",
        "description",
        "type",
        "format",
        "enum",
        "oneOf",
        "items",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "readOnly",
        "writeOnly",
        "const",
        "default",
    ]
)


@requirement(f"{COMMON}/schemas/additional-keywords", broken_by=faults.saying("x-ogc-", "x-", ANY))
def test_additional_keywords_start_with_x_ogc(api: Api):
    for where, said in properties(api):
        assert not {keyword for keyword in said if keyword not in KEYWORDS and not keyword.startswith("x-ogc-")}, where


@requirement(
    f"{COMMON}/schemas/role", f"{COMMON}/schemas/role-id", broken_by=faults.saying('"x-ogc-role": ?"id",', "", ANY)
)
def test_one_property_is_the_id(api: Api):
    for where, said in schemas(api, "schema", "queryables"):
        if where.split("/")[2] not in api.feature_collections:
            continue
        (identifier,) = [p for p in said["properties"].values() if p.get("x-ogc-role") == "id"]
        assert identifier["type"] in ("string", "integer"), where


@requirement(
    f"{COMMON}/schemas/property-seq", broken_by=faults.saying('"x-ogc-propertySeq": ?', '"x-ogc-propertySeq": 0.', ANY)
)
def test_the_order_of_properties_is_told_in_whole_numbers(api: Api):
    for where, said in schemas(api):
        places = [p["x-ogc-propertySeq"] for p in said["properties"].values() if "x-ogc-propertySeq" in p]
        assert all(isinstance(place, int) for place in places), where
        assert len(places) == len(set(places)), where


@requirement(
    f"{COMMON}/schemas/unit",
    f"{COMMON}/schemas/definition",
    f"{COMMON}/schemas/nullvalues",
    broken_by=faults.saying('"x-ogc-unit": ?"[^"]*"', '"x-ogc-unit": 5', ANY),
)
def test_units_are_texts_definitions_are_uris_null_values_are_lists(api: Api):
    units = 0
    for where, said in properties(api):
        units += "x-ogc-unit" in said
        assert isinstance(said.get("x-ogc-unit", ""), str), where
        assert "x-ogc-unit" not in said or said["type"] in ("number", "integer"), where
        assert str(said.get("x-ogc-definition", "http")).startswith("http"), where
        assert isinstance(said.get("x-ogc-nullValues", []), list), where
    assert units


ROLES = (
    "primary-geometry",
    "primary-instant",
    "primary-interval-start",
    "primary-interval-end",
    "primary-interval",
    "type",
)


@requirement(
    *(f"{COMMON}/advanced-property-roles/role-{role}" for role in ROLES),
    f"{COMMON}/advanced-property-roles/primary-temporal-constraints",
    broken_by=faults.saying('"type": ?"string"', '"type":"string","x-ogc-role":"primary-instant"', "/schema$"),
)
def test_roles_are_had_once_and_by_the_right_kind(api: Api):
    for where, said in schemas(api, "schema"):
        by_role: dict[str, list[dict[str, Any]]] = {role: [] for role in ROLES}
        for property_ in said["properties"].values():
            by_role.setdefault(property_.get("x-ogc-role", ""), []).append(property_)
        assert all(len(by_role[role]) <= 1 for role in ROLES), where
        assert all(p["format"].startswith("geometry-") for p in by_role["primary-geometry"]), where
        assert all(p["format"] in ("date", "date-time") for role in ROLES[1:4] for p in by_role[role]), where
        assert not (
            by_role["primary-instant"] and (by_role["primary-interval-start"] or by_role["primary-interval-end"])
        )
        spatial = [p for p in said["properties"].values() if p.get("format", "").startswith("geometry-")]
        assert len(spatial) < 2 or by_role["primary-geometry"], where
        assert {role for role in by_role if role} <= {*ROLES, "id", "reference"}, where
        ends = [p["format"] for role in ROLES[2:4] for p in by_role[role]]
        assert len(set(ends)) <= 1, where


@requirement(f"{COMMON}/returnables-and-receivables/link", broken_by=faults.unlinked(f"{REL}schema"))
def test_every_collection_links_to_its_schema(api: Api):
    for name in api.collections:
        (where,) = href(api.json(f"/collections/{name}"), f"{REL}schema")
        assert api.json(where)["properties"], name


@requirement(
    f"{COMMON}/returnables-and-receivables/op",
    f"{COMMON}/returnables-and-receivables/response",
    broken_by=faults.header("content-type", "application/json", "/schema$"),
)
def test_the_schema_lists_what_comes_back(api: Api):
    for name in api.collections:
        answer = api.get(f"/collections/{name}/schema", SCHEMA)
        assert (answer.status_code, media(answer)) == (200, SCHEMA), name
    for name in api.feature_collections:
        said = api.json(f"/collections/{name}/schema")
        for feature in api.json(api.items(name), limit=5)["features"]:
            assert {"id", *feature["properties"]} | ({"geometry"} if feature["geometry"] else set()) <= set(
                said["properties"]
            )
            assert set(said.get("required", ())) <= set(logical(feature)), name


@requirement(
    f"{COMMON}/sortables/link",
    f"{SORTING}/sortables/sortables-link",
    f"{SORTING}/features-sorting/sortable-link",
    broken_by=faults.unlinked(f"{REL}sortables"),
)
def test_every_collection_links_to_its_sortables(api: Api):
    for name in api.feature_collections:
        (where,) = href(api.json(f"/collections/{name}"), f"{REL}sortables")
        assert api.json(where)["properties"], name


@requirement(
    f"{COMMON}/queryables/link",
    f"{COMMON}/queryables/op",
    f"{COMMON}/queryables/response",
    broken_by=faults.header("content-type", "application/json", "/queryables$"),
)
def test_queryables_are_a_schema_too(api: Api):
    for name in api.feature_collections:
        (where,) = href(api.json(f"/collections/{name}"), f"{REL}queryables")
        answer = api.get(where, SCHEMA)
        assert (answer.status_code, media(answer)) == (200, SCHEMA), name
        assert answer.json()["additionalProperties"] is False
        assert api.get(api.items(name), filter="no_such IS NULL").status_code == 400, name


@requirement(
    f"{COMMON}/sortables/op",
    f"{COMMON}/sortables/response",
    f"{SORTING}/sortables/get-sortables-op",
    f"{SORTING}/sortables/get-sortables-success",
    f"{SORTING}/features-sorting/get-sortables-op",
    broken_by=faults.forgiving(ITEMS),
)
def test_sortables_are_scalars_and_all_that_can_be_sorted_by(api: Api):
    for name in api.feature_collections:
        answer = api.get(f"/collections/{name}/sortables", SCHEMA)
        assert (answer.status_code, media(answer)) == (200, SCHEMA), name
        said = answer.json()
        for column, property_ in said["properties"].items():
            assert property_["type"] in ("string", "number", "integer", "boolean"), (name, column)
            assert not property_.get("format", "").startswith("geometry"), (name, column)
        assert said["additionalProperties"] is False
        for bad in ("no-such", "geometry", "-", "", "+no_such"):
            refused = api.get(api.items(name), sortby=bad)
            assert (refused.status_code, media(refused)) == (400, PROBLEM), refused.url


@requirement(
    f"{SORTING}/sorting/sortby-definition", broken_by=faults.saying('"name": ?"sortby"', '"name":"sort"', "^/api$")
)
def test_sortby_is_defined(api: Api):
    for name in api.feature_collections:
        said = api.parameters(api.items(name))["sortby"]
        assert (said["in"], said["schema"]["type"], said["schema"]["items"]["type"]) == ("query", "array", "string")
        assert (said["style"], said["explode"]) == ("form", False)


@requirement(
    f"{SORTING}/sorting/sortby-response", f"{SORTING}/features-sorting/response", broken_by=faults.deaf_to("sortby")
)
def test_features_come_sorted_with_no_one_lost_or_twice(api: Api):
    for name in api.feature_collections:
        rows = {row["id"]: row for row in api.table(name).rows}
        if not 0 < len(rows) <= amount(700, 10**9):
            continue
        sortable = api.json(f"/collections/{name}/sortables")["properties"]
        for column, said in itertools.islice(sortable.items(), 0, amount(4, 99)):
            for sign in ("", "+", "-"):
                asked = {"sortby": f"{sign}{column}", "limit": max(3, len(rows) // 3), "properties": ""}
                pages = list(api.pages(api.items(name), **asked))
                ids = [feature["id"] for body in pages for feature in body["features"]]
                assert sorted(ids) == sorted(rows), (name, column, sign)
                values = [rows[number][column] for number in ids if rows[number][column] is not None]
                if said["type"] == "string" and "format" not in said and "oneOf" not in said:
                    values = [key(value) for value in values]
                ordered = sorted(values, reverse=sign == "-")
                assert values == ordered, (name, column, sign)


def key(text: str) -> str:
    """What every order of Vietnamese texts agrees upon: digits come before letters."""
    first = unicodedata.normalize("NFD", text.strip().casefold().replace("đ", "d~"))[:1]
    return "0" if first.isdigit() else "1" if first.isalpha() else ""


@requirement(
    f"{SELECTION}/properties/parameter",
    f"{SELECTION}/properties/response",
    f"{SELECTION}/properties-features/request",
    broken_by=faults.deaf_to("properties"),
)
def test_only_the_properties_that_are_asked_for_come(api: Api):
    for name in api.feature_collections:
        for feature in api.json(api.items(name), limit=1)["features"]:
            every = list(feature["properties"])
            for where in (api.items(name), f"{api.items(name)}/{feature['id']}"):
                for chosen in (every[:1], every[1:3], every[::-1]):
                    body = api.json(where, properties=",".join(chosen), **({"limit": 1} if where.endswith("s") else {}))
                    one = body["features"][0] if "features" in body else body
                    assert one["properties"] == {c: feature["properties"][c] for c in chosen}, (where, chosen)
                    assert one["geometry"] == feature["geometry"], where
                assert api.get(where, properties="no_such").status_code == 400, where
