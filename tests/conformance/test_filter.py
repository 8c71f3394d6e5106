"""OGC API - Features - Part 3: queryables, queryables as parameters, filter, features-filter."""

from __future__ import annotations

import json

import numpy as np
import shapely
from conftest import amount

from conformance import cases, faults
from conformance.api import PROBLEM, REL, SCHEMA, Api, href, media, requirement, some
from conformance.oracle import GRIDS, text, to_crs, wkt
from conformance.test_features_core import bounds

PART3 = "ogcapi-features-3/1.0/req"
COMMON = "ogcapi-common-3/1.0/req/queryables"
ITEMS, QUERYABLES = "/items$", "/queryables$"


def queryables(api: Api, name: str) -> dict:
    return api.json(f"/collections/{name}/queryables")["properties"]


@requirement(
    f"{PART3}/queryables/get-queryables-op",
    f"{PART3}/features-filter/get-queryables-op",
    f"{COMMON}/get-queryables-op",
    broken_by=faults.header("content-type", "application/json", QUERYABLES),
)
def test_every_collection_has_queryables_as_json_schema(api: Api):
    for name in api.feature_collections:
        answer = api.get(f"/collections/{name}/queryables", SCHEMA)
        assert (answer.status_code, media(answer)) == (200, SCHEMA), name


@requirement(
    f"{PART3}/queryables/queryables-link",
    f"{PART3}/features-filter/queryables-link",
    f"{COMMON}/queryables-link",
    broken_by=faults.unlinked(f"{REL}queryables"),
)
def test_every_collection_links_to_its_queryables(api: Api):
    for name in api.feature_collections:
        (where,) = href(api.json(f"/collections/{name}"), f"{REL}queryables")
        assert api.json(where)["properties"], name


@requirement(
    f"{PART3}/queryables/get-queryables-response",
    f"{COMMON}/get-queryables-response",
    broken_by=faults.saying('"format": ?"geometry-', '"type":"object","format":"geometry-', QUERYABLES),
)
def test_queryables_are_a_schema_of_what_can_be_filtered(api: Api):
    for name in api.feature_collections:
        said = api.json(f"/collections/{name}/queryables?lang=en")
        assert said["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert said["$id"] == f"{api.http.base_url}/collections/{name}/queryables".replace("//coll", "/coll")
        assert (said["type"], said["additionalProperties"]) == ("object", False)
        for column, property_ in said["properties"].items():
            if property_.get("format", "").startswith("geometry-"):
                assert not {"type", "$ref"} & set(property_), (name, column)
                assert property_["format"].removeprefix("geometry-") in KINDS, (name, column)
            else:
                assert property_["type"] in ("string", "number", "integer", "boolean", "array"), (name, column)
        for row in api.table(name).rows[:1]:
            for column, stored in row.items():
                if hasattr(stored, "isoformat") and column in said["properties"]:
                    format_ = "date-time" if hasattr(stored, "hour") else "date"
                    assert (said["properties"][column]["type"], said["properties"][column]["format"]) == (
                        "string",
                        format_,
                    )


KINDS = {"point", "multipoint", "linestring", "multilinestring", "polygon", "multipolygon", "geometrycollection", "any"}


@requirement(f"{PART3}/queryables/expression-construction", broken_by=faults.forgiving(ITEMS))
def test_only_queryables_may_stand_in_a_filter(api: Api):
    for name in api.feature_collections:
        for bad in ("no_such = 1", "no_such IS NULL", '"geom" IS NULL', "xmin IS NULL", "NOT no_such = 'x' OR id > 0"):
            answer = api.get(api.items(name), filter=bad)
            assert (answer.status_code, media(answer)) == (400, PROBLEM), answer.url
        for column in queryables(api, name):
            assert api.get(api.items(name), filter=f'"{column}" IS NULL', limit=1).status_code == 200, (name, column)


@requirement(
    f"{PART3}/queryables-query-parameters/parameters",
    broken_by=faults.asking(lambda given: {n: given[n] for n in given if n in ("limit", "properties")}, ITEMS),
)
def test_every_simple_queryable_is_a_parameter(api: Api):
    for name in api.feature_collections:
        described, schemas = api.parameters(api.items(name)), queryables(api, name)
        for kind in (cases.TEXTS, cases.NUMBERS, cases.BOOLEANS):
            for column, values in cases.kinds_of(api, name).get(kind, {}).items():
                said = described[column]["schema"]
                assert said["type"] == schemas[column]["type"], (name, column)
                for value in some([v for v in values if v != ""], amount(1, 5), column):
                    written = str(value).lower() if isinstance(value, bool) else str(value)
                    expected = api.table(name).where(lambda row: row[column] == value)  # noqa: B023
                    api.check(name, expected, **{column: written})


@requirement(
    f"{PART3}/filter/filter-param", f"{PART3}/features-filter/filter-param", broken_by=faults.deaf_to("filter")
)
def test_filter_is_defined_and_filters(api: Api):
    for name in api.feature_collections:
        assert api.parameters(api.items(name))["filter"]["schema"]["type"] == "string"
        for number in api.table(name).ids[:1]:
            api.check(name, [number], filter=f"id = {number}")
            api.check(name, api.table(name).ids[1:], filter=f"id <> {number}")


@requirement(
    f"{PART3}/filter/filter-lang-param",
    f"{PART3}/features-filter/filter-lang-param",
    broken_by=faults.deaf_to("filter-lang"),
)
def test_filter_lang_names_the_encoding(api: Api):
    for name in api.feature_collections:
        schema = api.parameters(api.items(name))["filter-lang"]["schema"]
        assert {"cql2-text", "cql2-json"} <= set(schema["enum"])
        assert schema["default"] in schema["enum"]
        plain = {"cql2-text": "id > 0", "cql2-json": '{"op":">","args":[{"property":"id"},0]}'}
        for language, written in plain.items():
            api.check(name, api.table(name).ids, filter=written, filter_lang=language)
            (other,) = set(plain) - {language}
            assert api.get(api.items(name), filter=written, filter_lang=other).status_code == 400, (name, language)
        api.check(name, api.table(name).ids, filter=plain[schema["default"]])


@requirement(
    f"{PART3}/filter/filter-crs-param",
    f"{PART3}/features-filter/filter-crs-param",
    broken_by=faults.deaf_to("filter-crs"),
)
def test_filter_crs_is_that_of_the_geometries_in_the_filter(api: Api):
    for name in api.spatial():
        assert "filter-crs" in api.parameters(api.items(name))
        table = api.table(name)
        middle = shapely.get_coordinates(next(iter(table.placed().values())))[0]
        for uri in api.collections[name]["crs"]:
            x, y = to_crs(uri)(np.array([middle]))[0]
            wide = 0.02 if abs(x) <= 360 else 2000
            ring = shapely.segmentize(shapely.box(x - wide, y - wide, x + wide, y + wide), wide / 50)
            there = {i: shapely.transform(shape, to_crs(uri)) for i, shape in table.placed().items()}
            expected = {i for i, shape in there.items() if shapely.intersects(shape, ring)}
            unsure = {i for i, shape in there.items() if shapely.distance(shape, ring.exterior) < wide / 1000}
            found = set(api.ids(name, filter=f"S_INTERSECTS(geometry, {wkt(ring)})", filter_crs=uri))
            assert found ^ expected <= unsure, (name, uri)
            assert found, (name, uri)


@requirement(f"{PART3}/filter/filter-crs-wgs84", broken_by=faults.asking(
    lambda given: {"filter-crs": "http://www.opengis.net/def/crs/EPSG/0/4326"} | given if "filter" in given else given
))  # fmt: skip
def test_without_filter_crs_it_is_crs84(api: Api):
    for subject in cases.subjects(api, cases.SHAPES):
        cases.check(
            subject,
            *(cases.call("s_intersects", {"property": "geometry"}, cases.geojson(b)) for b in cases.near(subject)),
        )


@requirement(f"{PART3}/filter/mixing-expressions", broken_by=faults.deaf_to("bbox", "datetime"))
def test_filter_and_the_other_parameters_are_all_true(api: Api):
    for name in api.spatial():
        table = api.table(name)
        west, south, east, north = bounds(table)
        box = (west, south, (west + east) / 2, north)
        half = table.ids[len(table.ids) // 2]
        expected = [number for number in table.meeting(shapely.box(*box)) if number <= half]
        api.check(name, expected, bbox=",".join(map(repr, box)), filter=f"id <= {half}")
        alone = set(api.ids(name, datetime="2026-01-01"))
        assert set(api.ids(name, datetime="2026-01-01", filter=f"id <= {half}")) == {i for i in alone if i <= half}, (
            name
        )


@requirement(
    f"{PART3}/filter/response", f"{PART3}/features-filter/response", broken_by=faults.mishearing("filter", "<=", "<")
)
def test_a_feature_is_in_the_answer_when_the_filter_is_true_and_only_then(api: Api):
    for subject in cases.subjects(api):
        for property_, values in subject.of(cases.NUMBERS) + subject.of(cases.TEXTS):
            low = [cases.call("<=", property_, value) for value in values]
            cases.check(subject, *low, *map(cases.negated, low[:1]))


@requirement(f"{PART3}/features-filter/response", broken_by=faults.forgiving(ITEMS))
def test_what_is_wrong_in_a_filter_is_400_and_named(api: Api):
    bad = [
        {"filter": "id ="}, {"filter": "id = 1", "filter-lang": "no-such"}, {"filter": "id = 1", "filter-lang": ""},
        {"filter": "id = 1", "filter-crs": "http://www.opengis.net/def/crs/EPSG/0/0"}, {"filter": "id = 'x'"},
        {"filter": "id = 1 AND"}, {"filter": "(" * 5000}, {"filter": "NOT " * 3000 + "id = 1"}, {"filter": ""},
        {"filter": '{"op":"nope","args":[]}', "filter-lang": "cql2-json"}, {"filter": "version() = 'x'"},
        {"filter": "pg_sleep(1) = 1"}, {"filter": "current_setting('x') = 'y'"}, {"filter": "id = DATE('2020-02-30')"},
        {"filter": "id = DATE('0000-01-01')"}, {"filter": "id = DATE('10000-01-01')"}, {"filter": "id = 1;"},
    ]  # fmt: skip
    for name in some(api.feature_collections, amount(5, 100), "bad filters"):
        for asked in bad:
            answer = api.get(api.items(name), **asked)
            assert (answer.status_code, media(answer)) == (400, PROBLEM), (answer.status_code, asked)
            assert "filter" in answer.json()["detail"], asked


@requirement(f"{PART3}/features-filter/response", broken_by=faults.status(500, ITEMS))
def test_odd_values_in_a_filter_are_no_fault_of_the_server(api: Api):
    odd = [
        "id / 0 = 1", "id % 0 = 1", "id div 0 = 1", "0 ^ -1 > id", "id = 99999999999999999999999999", "id ^ 9999 > 1",
        "id = 1e308", "id = 1e999", "id = -9223372036854775809", "id > 9223372036854775807", "10 ^ 400 > id",
        "id * 9223372036854775807 > 1", "id IN (1,2,3,99999999999999999999)", "2 ^ 0.5 < id", "(-8) ^ 0.5 < id",
    ]  # fmt: skip
    for name in some(api.feature_collections, amount(3, 100), "odd"):
        for written in odd:
            answer = api.get(api.items(name), filter=written, limit=1)
            assert answer.status_code in (200, 400), (answer.status_code, written)


@requirement(
    f"{PART3}/filter/get-functions-operation",
    f"{PART3}/filter/get-functions-response-json",
    broken_by=faults.status(404, "^/functions$"),
)
def test_the_functions_are_listed(api: Api):
    for function in api.json("/functions", "application/json")["functions"]:
        assert function["name"]
        assert function["returns"]
        assert all(argument["type"] for argument in function["arguments"])


@requirement(f"{PART3}/filter/response", broken_by=faults.deaf_to("filter"))
def test_pages_of_a_filter_keep_it(api: Api):
    for name in api.feature_collections:
        ids = api.table(name).ids
        if len(ids) > 3:
            written = json.dumps({"op": ">", "args": [{"property": "id"}, ids[1]]})
            pages = api.pages(api.items(name), filter=written, filter_lang="cql2-json", limit=-(-len(ids) // 2))
            assert [f["id"] for body in pages for f in body["features"]] == ids[2:], name


@requirement(f"{PART3}/filter/filter-crs-param", broken_by=faults.deaf_to("filter-crs"))
def test_a_box_in_a_filter_is_in_its_crs(api: Api):
    for name in some(api.spatial(), amount(4, 100), "box"):
        table = api.table(name)
        for uri in GRIDS:
            (first, shape), *_ = table.placed().items()
            x, y = to_crs(uri)(shapely.get_coordinates(shape)[:1])[0].tolist()
            tree = {"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": [x - 9, y - 9, x + 9, y + 9]}]}
            assert first in api.ids(name, filter=text(tree), filter_crs=uri), (name, uri)
