"""OGC API - Features - Part 2: coordinate reference systems by reference; VN-2000 by the published parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
import shapely.geometry
from conftest import amount

from conformance import faults
from conformance.api import CRS84, PROBLEM, Api, href, media, requirement, some
from conformance.oracle import GRIDS, code_of, to_crs
from conformance.test_features_core import bounds

CRS = "ogcapi-features-2/1.0/req/crs"
ITEMS = r"/items(/\d+)?$"
DEGREES, METRES = 1.5e-7, 0.02
"""How far an answer may lie off: its last decimal, and that of the longitude it is compared with."""


def offered(api: Api, name: str) -> list[str]:
    """The CRSs of a collection, the global list expanded."""
    listed = api.collections[name]["crs"]
    return [uri for said in listed for uri in (api.json("/collections")["crs"] if said == "#/crs" else [said])]


def points(feature: dict[str, Any]) -> np.ndarray:
    return shapely.get_coordinates(shapely.geometry.shape(feature["geometry"]) if feature["geometry"] else None)


@requirement(f"{CRS}/crs-uri", broken_by=faults.saying("http://www.opengis.net/def/crs/EPSG/0/", "EPSG:"))
def test_every_crs_has_a_uri(api: Api):
    for name in api.spatial():
        assert {code_of(uri) for uri in offered(api, name)} >= {"OGC:CRS84", "EPSG:4326", "EPSG:3857"}


@requirement(
    f"{CRS}/fc-md-crs-list", f"{CRS}/fc-md-crs-list-global", broken_by=faults.without("crs", where="^/collections$")
)
def test_every_spatial_collection_lists_its_crss(api: Api):
    for name in api.spatial():
        listed = offered(api, name)
        assert CRS84 in listed
        assert len(listed) == len(set(listed))
        assert set(GRIDS) <= set(listed), "VN-2000 on every vector layer"
        for global_one in api.json("/collections").get("crs", []):
            assert api.get(api.items(name), crs=global_one, limit=1).status_code == 200


@requirement(
    f"{CRS}/fc-md-storageCrs",
    f"{CRS}/fc-md-storageCrs-valid-value",
    broken_by=faults.saying('"storageCrs": ?"[^"]*"', '"storageCrs":"http://www.opengis.net/def/crs/EPSG/0/2"'),
)
def test_the_crs_of_storage_is_one_of_them(api: Api):
    for name in api.spatial():
        assert api.collections[name]["storageCrs"] in offered(api, name), name


@requirement(f"{CRS}/fc-crs-definition", broken_by=faults.saying('"name": ?"crs"', '"name": "srs"', "^/api$"))
def test_crs_is_defined_on_items_and_item(api: Api):
    for name in api.spatial():
        for where in (api.items(name), f"{api.items(name)}/{{featureId}}"):
            said = api.parameters(where)["crs"]
            assert (said["in"], said["schema"]["type"], said["schema"]["format"]) == ("query", "string", "uri")
            assert set(said["schema"].get("enum", offered(api, name))) == set(offered(api, name))


@requirement(f"{CRS}/fc-crs-default-value", broken_by=faults.asking(
    lambda given: {"crs": "http://www.opengis.net/def/crs/EPSG/0/4326"} | given, ITEMS
))  # fmt: skip
def test_without_crs_it_is_crs84(api: Api):
    for name in api.spatial():
        plain, asked = api.get(api.items(name), limit=2), api.get(api.items(name), limit=2, crs=CRS84)
        assert plain.json()["features"] == asked.json()["features"], name
        assert plain.headers["content-crs"] == asked.headers["content-crs"] == f"<{CRS84}>", name


@requirement(f"{CRS}/fc-crs-action", f"{CRS}/geojson", broken_by=faults.saying(
    r"\[([\d.]+),([\d.]+)\]", r"[\2,\1]", ITEMS
))  # fmt: skip
def test_coordinates_are_those_of_the_crs_in_its_axis_order(api: Api):
    for name in api.spatial():
        stored = api.table(name).placed()
        for uri in offered(api, name):
            features = api.json(api.items(name), crs=uri, limit=amount(5, 200))["features"]
            for feature in [*features, *(api.json(f"{api.items(name)}/{f['id']}", crs=uri) for f in features[:1])]:
                expected = to_crs(uri)(shapely.get_coordinates(stored.get(feature["id"])))
                off = np.abs(expected - points(feature)).max(initial=0)
                assert off <= (DEGREES if np.abs(expected).max(initial=0) <= 360 else METRES), (
                    name,
                    uri,
                    feature["id"],
                    off,
                )


@requirement(f"{CRS}/fc-crs-action", broken_by=faults.saying(r"\[(\d{6})\.(\d+),", r"[\1.9,", ITEMS))
def test_vn2000_is_the_published_operation_within_a_millimetre_and_without_a_step(api: Api):
    """The answers are compared with what is stored, at full precision: a wrong operation is off by 0.8 m."""
    for name in some(api.spatial(), amount(4, 100), "vn2000"):
        stored = api.table(name).placed()
        for uri in GRIDS:
            for body in api.pages(api.items(name), crs=uri, limit=amount(50, 2000)):
                for feature in body["features"]:
                    expected = to_crs(uri)(shapely.get_coordinates(stored.get(feature["id"])))
                    off = np.hypot(*(expected - points(feature)).T).max(initial=0)
                    assert off < 0.001, (name, uri, feature["id"], off)
                if amount(0, 1) == 0:
                    break


@requirement(f"{CRS}/fc-crs-valid-value", f"{CRS}/crs-exception", broken_by=faults.deaf_to("crs"))
def test_a_crs_that_is_not_offered_is_400_and_says_so(api: Api):
    for name in api.spatial():
        for where in (api.items(name), f"{api.items(name)}/{next(iter(api.table(name).placed()))}"):
            for bad in ("http://www.opengis.net/def/crs/EPSG/0/27700", "", "no-such", "EPSG:0", CRS84 + "x"):
                answer = api.get(where, crs=bad)
                assert (answer.status_code, media(answer)) == (400, PROBLEM), answer.url
                assert "crs" in answer.json()["detail"], answer.url


@requirement(f"{CRS}/fc-bbox-crs-definition", broken_by=faults.saying('"name": ?"bbox-crs"', '"name": "x"', "^/api$"))
def test_bbox_crs_is_defined(api: Api):
    for name in api.spatial():
        said = api.parameters(api.items(name))["bbox-crs"]
        assert (said["in"], said["schema"]["type"]) == ("query", "string")


@requirement(f"{CRS}/fc-bbox-crs-default-value", broken_by=faults.asking(
    lambda given: {"bbox-crs": "http://www.opengis.net/def/crs/EPSG/0/4326"} | given if "bbox" in given else given
))  # fmt: skip
def test_a_box_without_crs_is_in_crs84(api: Api):
    for name in api.spatial():
        west, south, east, north = bounds(api.table(name))
        box = f"{west!r},{south!r},{(west + east) / 2!r},{north!r}"
        expected = api.table(name).meeting(shapely.box(west, south, (west + east) / 2, north))
        assert expected, name
        api.check(name, expected, bbox=box)
        api.check(name, expected, bbox=box, bbox_crs=CRS84)


@requirement(f"{CRS}/fc-bbox-crs-action", broken_by=faults.deaf_to("bbox-crs"))
def test_a_box_in_any_crs_finds_what_meets_it(api: Api):
    for name in api.spatial():
        stored = api.table(name).placed()
        if any(shape.geom_type != "Point" for shape in stored.values()) or len(stored) < len(api.table(name).ids):
            continue
        ids = np.array(list(stored))
        for uri in offered(api, name):
            there = to_crs(uri)(shapely.get_coordinates(list(stored.values())))
            low, high = np.quantile(there, 0.2, axis=0), np.quantile(there, 0.8, axis=0)
            inside = np.all((there >= low) & (there <= high), axis=1)
            near = np.any(np.abs(np.stack([there - low, there - high])) < 1e-6, axis=(0, 2))  # on the very edge
            box = ",".join(repr(float(number)) for number in (*low, *high))
            found = set(api.ids(name, bbox=box, bbox_crs=uri))
            assert found ^ set(ids[inside].tolist()) <= set(ids[near].tolist()), (name, uri)


@requirement(f"{CRS}/fc-bbox-crs-action", broken_by=faults.mishearing("bbox", "^.*$", "0,0,1,1"))
def test_a_box_of_the_whole_world_in_any_crs_finds_everything(api: Api):
    for name in api.spatial():
        for uri in offered(api, name):
            degrees = "-180,-90,180,90" if uri == CRS84 else "-90,-180,90,180"
            world = degrees if code_of(uri) in ("OGC:CRS84", "EPSG:4326") else "-2e7,-2e7,2e7,2e7"
            api.check(name, api.table(name).ids, bbox=world, bbox_crs=uri)


@requirement(f"{CRS}/fc-bbox-crs-valid-value", f"{CRS}/bbox-crs-exception", broken_by=faults.deaf_to("bbox-crs"))
def test_a_crs_of_a_box_that_is_not_offered_is_400_and_says_so(api: Api):
    for name in api.spatial():
        for bad in ("http://www.opengis.net/def/crs/EPSG/0/27700", "", "no-such"):
            answer = api.get(api.items(name), bbox="0,0,1,1", bbox_crs=bad)
            assert (answer.status_code, media(answer)) == (400, PROBLEM), answer.url
            assert "bbox-crs" in answer.json()["detail"], answer.url


@requirement(
    f"{CRS}/ogc-crs-header", f"{CRS}/ogc-crs-header-value", broken_by=faults.header("content-crs", f"<{CRS84}>")
)
def test_every_answer_with_coordinates_says_their_crs(api: Api):
    for name in api.spatial():
        for uri in offered(api, name):
            for where in (api.items(name), f"{api.items(name)}/{next(iter(api.table(name).placed()))}"):
                assert api.get(where, crs=uri).headers["content-crs"] == f"<{uri}>", (where, uri)


@requirement(f"{CRS}/fc-crs-action", broken_by=faults.saying(r'crs=[^&"]*', "f=json", "/items$"))
def test_the_crs_stays_in_the_links(api: Api):
    for name in api.spatial():
        uri = offered(api, name)[-1]
        body = api.json(api.items(name), crs=uri, limit=1)
        for where in (*href(body, "next"), *href(body, "self")):
            assert api.get(where).headers["content-crs"] == f"<{uri}>", where
