"""OGC API - Features - Part 4: create, replace, update, delete; optimistic locking; the CRS of bodies.

Walks every collection that says by OPTIONS that it can be written; features are made out of its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely.geometry

from conformance import faults
from conformance.api import GEOJSON, PROBLEM, Api, media, requirement
from conformance.oracle import to_crs

PART4 = "ogcapi-features-4/1.0/req"
CRUD, FEATURES, LOCKS = f"{PART4}/create-replace-delete", f"{PART4}/features", f"{PART4}/optimistic-locking-etags"
UPDATE = f"{PART4}/update"
PATCH = "application/merge-patch+json"
HERE = (106.7012345, 10.7765432)
SHAPES: dict[str, Any] = {
    "point": HERE, "multipoint": [HERE], "linestring": [HERE, (106.71, 10.78)],
    "multilinestring": [[HERE, (106.71, 10.78)]], "polygon": [[HERE, (106.71, 10.77), (106.71, 10.78), HERE]],
    "multipolygon": [[[HERE, (106.71, 10.77), (106.71, 10.78), HERE]]],
}  # fmt: skip
NAMES = {"linestring": "LineString", "multipoint": "MultiPoint", "multilinestring": "MultiLineString",
         "multipolygon": "MultiPolygon", "point": "Point", "polygon": "Polygon"}  # fmt: skip


def allowed(api: Api, where: str) -> set[str]:
    answer = api.send("OPTIONS", where, media="")
    assert answer.status_code in (200, 204), f"OPTIONS {where}: {answer.status_code}"
    return {method.strip() for method in answer.headers["allow"].split(",")}


def writable(api: Api) -> list[str]:
    """The collections that take new features, by what their API definition offers."""
    found = [name for name in api.feature_collections if "post" in api.definition["paths"][api.items(name)]]
    assert found, "no collection can be written"
    return found


def made(api: Api, name: str, variant: int = 0) -> dict[str, Any]:
    """A feature that the schema allows, of two kinds."""
    said = api.json(f"/collections/{name}/schema")
    columns = {n: p for n, p in said["properties"].items() if not p.get("readOnly") and "x-ogc-role" not in p}
    columns |= {n: p for n, p in said["properties"].items() if p.get("x-ogc-role", "").startswith("primary-in")}
    format_ = next((p["format"] for p in said["properties"].values() if p.get("x-ogc-role") == "primary-geometry"), "")
    kind = format_.removeprefix("geometry-").replace("any", "point")
    return {
        "type": "Feature",
        "geometry": {"type": NAMES[kind], "coordinates": SHAPES[kind]} if kind else None,
        "properties": {column: example(p, variant) for column, p in columns.items()},
    }


def example(said: dict[str, Any], variant: int) -> Any:
    """A value that a property's schema allows."""
    if codes := said.get("oneOf", said.get("enum")):
        one = codes[variant % len(codes)]
        return one["const"] if isinstance(one, dict) else one
    match said["type"], said.get("format"):
        case "string", "date":
            return f"2024-02-{10 + variant}"
        case "string", "date-time":
            return f"2024-02-{10 + variant}T01:02:03Z"
        case "string", "uri":
            return f"https://example.org/{variant}"
        case "integer", _:
            return 7 + variant
        case "number", _:
            return 2.5 + variant
        case "boolean", _:
            return variant % 2 == 0
        case "array", _:
            return ["một", f"hai {variant}"]
    return f"Đường số {variant}"


def same(sent: dict[str, Any], got: dict[str, Any]) -> None:
    """What was sent is what is there."""
    for name, value in sent["properties"].items():
        there = got["properties"][name]
        assert plain(there) == plain(value), (name, value, there)
    here, there = (np.array(shapely.get_coordinates(shapely.geometry.shape(f["geometry"]))) for f in (sent, got))
    assert np.abs(here - there).max() <= 1e-7


def plain(value: Any) -> Any:
    """A time as an instant, whatever way it is written."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) and "T" in value else value
    except ValueError:
        return value


def born(api: Api) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A new feature in every collection that can be written: its collection, place and body."""
    for name in writable(api):
        body = made(api, name)
        answer = api.send("POST", api.items(name), body)
        assert answer.status_code == 201, answer.text
        yield name, answer.headers["location"], body


@requirement(
    f"{CRUD}/post-op",
    f"{CRUD}/post-body",
    f"{CRUD}/post-content-type",
    f"{CRUD}/post-response",
    f"{FEATURES}/resources-endpoint",
    f"{FEATURES}/resource-endpoint",
    f"{FEATURES}/schema",
    f"{FEATURES}/geojson-create-replace",
    broken_by=faults.header("location", "", "/items$"),
)
def test_what_is_posted_is_created_and_found_at_its_location(desk: Api):
    for name, place, body in born(desk):
        assert place.startswith(f"{desk.http.base_url}".rstrip("/") + f"{desk.items(name)}/")
        same(body, desk.json(place))
        assert int(place.rsplit("/", 1)[1]) in desk.oracle.table(name, again=True).ids
        for media_ in ("text/plain", "application/xml"):
            assert desk.send("POST", desk.items(name), body, media_).status_code == 415


@requirement(f"{CRUD}/post-response-rid", broken_by=faults.saying("/items/[0-9]+", "/items/1"))
def test_a_new_feature_has_a_new_id_whatever_its_body_says(desk: Api):
    for name in writable(desk):
        ids = []
        for _ in range(3):
            stored = desk.send("POST", desk.items(name), {**made(desk, name), "id": 1}).json()
            ids.append(stored["id"])
        assert len(set(ids)) == 3
        assert set(ids) <= set(desk.oracle.table(name, again=True).ids)
        assert [
            int(link["href"].rsplit("/", 1)[1]) for link in desk.json(f"{desk.items(name)}/{ids[0]}")["links"][:1]
        ] == ids[:1]


@requirement(
    f"{CRUD}/put-op",
    f"{CRUD}/put-body",
    f"{CRUD}/put-content-type",
    f"{CRUD}/put-response",
    f"{CRUD}/put-rid",
    broken_by=faults.status(500, r"/items/\d+$"),
)
def test_put_replaces_the_whole_feature_and_not_its_id(desk: Api):
    for name, place, _ in born(desk):
        version, other = desk.get(place).headers["etag"], made(desk, name, 1)
        answer = desk.send("PUT", place, {**other, "id": 999999}, if_match=version)
        assert answer.status_code in (200, 204), answer.text
        same(other, desk.json(place))
        assert desk.json(place)["id"] == int(place.rsplit("/", 1)[1])
        required = set(desk.json(f"/collections/{name}/schema").get("required", ()))
        bare = {**other, "properties": {n: v for n, v in other["properties"].items() if n in required}}
        assert desk.send("PUT", place, bare, if_match=desk.get(place).headers["etag"]).status_code in (200, 204)
        gone = {
            n: v for n, v in desk.json(place)["properties"].items() if n in other["properties"] and n not in required
        }
        assert not any(gone.values()), "what a replacement leaves out is unset"


@requirement(f"{CRUD}/put-rid-exception", broken_by=faults.status(200, r"/items/\d+$"))
def test_put_makes_no_new_feature(desk: Api):
    for name in writable(desk):
        place = f"{desk.items(name)}/987654321"
        assert desk.send("PUT", place, made(desk, name), if_match='"1"').status_code == 412
        assert desk.send("PUT", place, made(desk, name)).status_code in (404, 428)
        assert desk.get(place).status_code == 404


@requirement(f"{CRUD}/delete-op", f"{CRUD}/delete-response", broken_by=faults.status(202, r"/items/\d+$"))
def test_what_is_deleted_is_gone(desk: Api):
    for name, place, _ in born(desk):
        assert desk.send("DELETE", place, if_match=desk.get(place).headers["etag"]).status_code in (200, 204)
        assert desk.get(place).status_code == 404
        assert int(place.rsplit("/", 1)[1]) not in desk.oracle.table(name, again=True).ids
        assert desk.send("DELETE", place).status_code in (404, 428)


@requirement(
    f"{CRUD}/options-op",
    f"{CRUD}/options-response",
    f"{PART4}/core/methods",
    f"{UPDATE}/methods",
    broken_by=faults.header("allow", "GET"),
)
def test_options_says_what_can_be_done(desk: Api):
    for name, place, _ in born(desk):
        assert {"GET", "HEAD", "OPTIONS", "POST"} <= allowed(desk, desk.items(name))
        assert {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"} <= allowed(desk, place)
    for name in desk.feature_collections:
        if name not in writable(desk):
            assert not {"POST", "PUT", "PATCH", "DELETE"} & allowed(desk, desk.items(name)), name
            assert desk.send("POST", desk.items(name), {"type": "Feature"}).status_code in (403, 405), name


@requirement(
    f"{UPDATE}/update-patch-op",
    f"{UPDATE}/update-patch-body",
    f"{UPDATE}/update-patch-response",
    f"{UPDATE}/rid",
    f"{FEATURES}/update-json-merge-patch",
    broken_by=faults.status(418, r"/items/\d+$"),
)
def test_a_merge_patch_changes_what_it_names(desk: Api):
    for name, place, body in born(desk):
        before = desk.json(place)
        required = desk.json(f"/collections/{name}/schema").get("required", ())
        first, *others = [n for n in body["properties"] if n not in required]
        patch = {"properties": {first: made(desk, name, 1)["properties"][first]} | dict.fromkeys(others[:1])}
        answer = desk.send("PATCH", place, patch, PATCH, if_match=desk.get(place).headers["etag"])
        assert answer.status_code in (200, 204), answer.text
        after = desk.json(place)
        assert {n: plain(v) for n, v in after["properties"].items()} == {
            n: plain(v) for n, v in {**before["properties"], **patch["properties"]}.items()
        }
        assert (after["geometry"], after["id"]) == (before["geometry"], before["id"])


@requirement(
    f"{FEATURES}/content-crs-header",
    f"{FEATURES}/default-crs",
    f"{FEATURES}/crs-other-crs",
    broken_by=faults.saying(r"106\.70", "106.80"),
)
def test_a_body_is_in_the_crs_its_header_says(desk: Api):
    for name in writable(desk):
        body = made(desk, name)
        if not body["geometry"]:
            continue
        shape = shapely.geometry.shape(body["geometry"])
        for uri in desk.collections[name]["crs"]:
            there = json.loads(json.dumps(shapely.geometry.mapping(shapely.transform(shape, to_crs(uri)))))
            sent = {**body, "geometry": there}
            answer = desk.send("POST", desk.items(name), sent, content_crs=f"<{uri}>")
            assert answer.status_code == 201, (uri, answer.text)
            same(body, desk.json(answer.headers["location"]))
            place = answer.headers["location"]
            answer = desk.send("PUT", place, sent, content_crs=f"<{uri}>", if_match=desk.get(place).headers["etag"])
            assert answer.status_code in (200, 204), (uri, answer.text)
            same(body, desk.json(place))
        for bad in ("<http://www.opengis.net/def/crs/EPSG/0/27700>", "no-such"):
            assert desk.send("POST", desk.items(name), body, content_crs=bad).status_code in (400, 422), bad


@requirement(
    f"{LOCKS}/get-etag-response",
    f"{LOCKS}/put-etag-response",
    f"{LOCKS}/patch-etag-response",
    broken_by=faults.header("etag"),
)
def test_every_version_has_an_etag_of_its_own(desk: Api):
    for name, place, _ in born(desk):
        tags = [desk.get(place).headers["etag"]]
        for method, body, kind in (("PUT", made(desk, name, 1), GEOJSON), ("PATCH", {"properties": {}}, PATCH)):
            answer = desk.send(method, place, body, kind, if_match=tags[-1])
            assert answer.status_code in (200, 204), answer.text
            assert answer.headers["etag"].startswith('"'), "a strong one"
            tags.append(desk.get(place).headers["etag"])
        assert tags[0] not in tags[1:]


@requirement(
    f"{LOCKS}/ifmatch-put-eval",
    f"{LOCKS}/ifmatch-patch-eval",
    f"{LOCKS}/ifmatch-put-op",
    f"{LOCKS}/ifmatch-patch-op",
    broken_by=faults.answering(lambda a: type(a)(200, json={}, request=a.request) if a.status_code == 412 else a),
)
def test_a_stale_version_changes_nothing(desk: Api):
    for name, place, _ in born(desk):
        old = desk.get(place).headers["etag"]
        assert desk.send("PUT", place, made(desk, name, 1), if_match=old).status_code in (200, 204)
        now = desk.json(place)
        for method, body, kind in (
            ("PUT", made(desk, name), GEOJSON),
            ("PATCH", {"properties": {}}, PATCH),
            ("DELETE", None, ""),
        ):
            for tag in (old, '"no-such"'):
                assert desk.send(method, place, body, kind, if_match=tag).status_code == 412, method
        assert desk.json(place) == now


BAD: list[Any] = [
    [], {}, {"type": "Feature"}, {"type": "Point", "coordinates": HERE},
    {"geometry": {"type": "Point", "coordinates": []}}, {"geometry": {"type": "Point", "coordinates": ["1", "2"]}},
    {"geometry": {"type": "Point", "coordinates": [200, 100]}}, {"geometry": {"type": "Nope", "coordinates": [1, 2]}},
    {"geometry": {"type": "Point"}}, {"geometry": 5}, {"crs": {"type": "name", "properties": {"name": "EPSG:4326"}}},
    {"properties": []}, {"properties": {"no_such": 1}}, {"type": "FeatureCollection", "features": []},
]  # fmt: skip


@requirement(f"{FEATURES}/schema", broken_by=faults.forgiving("/items$"))
def test_what_the_schema_forbids_is_refused_and_not_stored(desk: Api):
    for name in writable(desk):
        before, good = desk.oracle.table(name, again=True).ids, made(desk, name)
        wrong = [bad if not isinstance(bad, dict) or "type" in bad or not bad else {**good, **bad} for bad in BAD]
        for column, said in desk.json(f"/collections/{name}/schema")["properties"].items():
            if column in good["properties"]:
                odd = 1 if said["type"] == "string" else "x"
                wrong.append({**good, "properties": {**good["properties"], column: odd}})
        for required in desk.json(f"/collections/{name}/schema").get("required", ()):
            wrong.append({**good, "properties": {**good["properties"], required: None}})
        for body in wrong:
            answer = desk.send("POST", desk.items(name), body)
            assert (answer.status_code, media(answer)) in ((422, PROBLEM), (400, PROBLEM)), (body, answer.status_code)
        batch = {"type": "FeatureCollection", "features": [good, wrong[-1]]}
        assert desk.send("POST", desk.items(name), batch).status_code == 422
        assert desk.oracle.table(name, again=True).ids == before, "all or none"


@requirement(f"{CRUD}/post-op", broken_by=faults.answering(
    lambda a: type(a)(201, json={}, request=a.request) if a.status_code == 401 else a
))  # fmt: skip
def test_writing_needs_a_right(desk: Api):
    for name, place, body in born(desk):
        for authorization in ("", "Bearer nonsense", "Basic eDp5"):
            for method, where in (("POST", desk.items(name)), ("PUT", place), ("PATCH", place), ("DELETE", place)):
                answer = desk.send(method, where, body, authorization=authorization)
                assert (answer.status_code, media(answer)) == (401, PROBLEM), (method, authorization)
                assert "Bearer" in answer.headers["www-authenticate"]
        same(body, desk.json(place))
