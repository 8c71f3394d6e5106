"""Items and tiles of a running server, over the whole toy city, against oracles that share no code with it.

The tests walk the catalogue: a new layer is tested without new code."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from functools import cache

import httpx
import mapbox_vector_tile
import numpy as np
import psycopg
import pytest
import shapely
import shapely.geometry
from conftest import amount, public
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from mapserver.catalogue import catalogue
from mapserver.crs import OFFERED
from mapserver.layer import Layer
from mapserver.settings import ROOT

pytestmark = pytest.mark.postgis
LAYERS = public(catalogue(ROOT / "layers")).vector
WITH_GEOMETRY = [layer for layer in LAYERS if layer.geometry]
PINNED_9210 = (
    "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=push +v_3 +step +proj=cart +ellps=WGS84 "
    "+step +inv +proj=helmert +x=-191.90441429 +y=-39.30318279 +z=-111.45032835 +rx=-0.00928836 +ry=0.01975479 "
    "+rz=-0.00427372 +s=0.252906278 +convention=coordinate_frame +step +inv +proj=cart +ellps=WGS84 "
    "+step +proj=pop +v_3 +step +proj=tmerc +lat_0=0 +lon_0=105.75 +k=0.9999 +x_0=500000 +y_0=0 +ellps=WGS84"
)
"""EPSG:6960 and EPSG:9210 written out from their published parameters, independent of mapserver.crs."""


def name_of(layer: Layer) -> str:
    return layer.name


@pytest.fixture(scope="module")
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def stored(toy):
    """Every id and geometry of a layer, straight from the table, once."""

    @cache
    def of(name: str) -> tuple[np.ndarray, np.ndarray]:
        with psycopg.connect(toy.admin_dsn) as conn:
            rows = conn.execute(f'SELECT id, ST_AsBinary(geom) FROM layers."{name}" ORDER BY id').fetchall()
        return np.array([row[0] for row in rows]), shapely.from_wkb([row[1] for row in rows])

    return of


@pytest.fixture(scope="module")
def number_stored(toy):
    """How many rows a layer has, straight from the database."""

    @cache
    def of(name: str) -> int:
        with psycopg.connect(toy.admin_dsn) as conn:
            return conn.execute(f'SELECT count(*) FROM layers."{name}"').fetchone()[0]

    return of


def page(http: httpx.Client, url: str) -> dict:
    answer = http.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/geo+json"
    return answer.json()


def turn(body: dict, rel: str) -> str | None:
    return next((link["href"] for link in body["links"] if link["rel"] == rel), None)


def walked(http: httpx.Client, url: str | None, rel: str = "next") -> Iterator[dict]:
    while url:
        body = page(http, url)
        yield body
        url = turn(body, rel)


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
def test_walking_by_next_gives_every_feature_once_in_order(http, layer, number_stored):
    seen = [f["id"] for body in walked(http, f"/collections/{layer.name}/items?limit=5000") for f in body["features"]]
    assert seen == sorted(set(seen))
    assert len(seen) == number_stored(layer.name)


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
def test_hits_are_exact(http, layer, number_stored):
    body = page(http, f"/collections/{layer.name}/items?resultType=hits")
    assert (body["numberMatched"], body["numberReturned"], body["features"]) == (number_stored(layer.name), 0, [])


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
def test_the_way_back_by_prev_is_the_way_there(http, layer, number_stored):
    limit = max(1, number_stored(layer.name) // 4)
    there = list(walked(http, f"/collections/{layer.name}/items?limit={limit}"))
    back = list(walked(http, turn(there[-1], "prev"), "prev"))
    assert turn(there[0], "prev") is None
    pages = [[f["id"] for f in body["features"]] for body in there]
    assert [[f["id"] for f in body["features"]] for body in reversed(back)] == regrouped(pages[:-1], limit)


def regrouped(pages: list[list[int]], limit: int) -> list[list[int]]:
    """The same ids in the same order; every page but the last is full, so going back meets the same borders."""
    assert all(len(ids) == limit for ids in pages)
    return pages


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer.columns], ids=name_of)
@pytest.mark.parametrize("sign", ["", "-"])
def test_sorted_by_any_column_no_feature_is_lost_or_repeated(http, layer, sign, number_stored):
    column = next((c for c in layer.columns if not c.required and c.type != "text[]"), layer.columns[0])
    url = f"/collections/{layer.name}/items?limit=1999&sortby={sign}{column.name}&properties={column.name}"
    found = [(f["id"], f["properties"][column.name]) for body in walked(http, url) for f in body["features"]]
    assert len({number for number, _ in found}) == len(found) == number_stored(layer.name)
    values = [value for _, value in found]
    told = [value for value in values if value is not None]
    assert values == told + [None] * (len(values) - len(told)), "nulls come last"
    if column.type in ("integer", "number", "date", "datetime", "code"):
        assert told == sorted(told, reverse=bool(sign))


BOXES = st.tuples(st.floats(106.2, 107.4), st.floats(9.9, 11.4), st.floats(0.0001, 0.5), st.floats(0.0001, 0.5))


@pytest.mark.parametrize("layer", WITH_GEOMETRY, ids=name_of)
@settings(max_examples=amount(6, 100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(box=BOXES)
def test_a_box_finds_what_shapely_finds(http, layer, stored, box):
    west, south, east, north = box[0], box[1], box[0] + box[2], box[1] + box[3]
    ids, shapes = stored(layer.name)
    expected = ids[shapely.intersects(shapes, shapely.box(west, south, east, north))]
    url = f"/collections/{layer.name}/items?limit=10000&properties=&bbox={west!r},{south!r},{east!r},{north!r}"
    found = [f["id"] for body in walked(http, url) for f in body["features"]]
    assert found == expected.tolist()


@pytest.mark.parametrize("layer", WITH_GEOMETRY, ids=name_of)
def test_vn2000_is_the_pinned_operation_within_a_millimetre(http, layer):
    plain = page(http, f"/collections/{layer.name}/items?limit=20")["features"]
    answer = http.get(f"/collections/{layer.name}/items?limit=20&crs=http://www.opengis.net/def/crs/EPSG/0/9210")
    assert answer.headers["content-crs"] == "<http://www.opengis.net/def/crs/EPSG/0/9210>"
    pinned = Transformer.from_pipeline(PINNED_9210)
    for flat, grid in zip(plain, answer.json()["features"], strict=True):
        here = shapely.get_coordinates(shapely.geometry.shape(flat["geometry"]))
        there = shapely.get_coordinates(shapely.geometry.shape(grid["geometry"]))
        expected = np.column_stack(pinned.transform(here[:, 0], here[:, 1]))
        # 7 decimals of a degree are 11 mm: that much the plain answer itself is rounded by
        assert np.abs(expected - there).max() < 0.012


def test_the_control_point_is_met_within_a_millimetre_by_the_database_itself(toy):
    with psycopg.connect(toy.admin_dsn) as conn:
        for srid, east, north in ((909210, 603514.537, 1191410.466), (905899, 384785.358, 1191448.640)):
            x, y = conn.execute(
                "SELECT ST_X(g), ST_Y(g) FROM (SELECT ST_Transform(ST_SetSRID(ST_MakePoint(106.6983, 10.7721), 4326),"
                " %s::int) AS g) AS t",
                (srid,),
            ).fetchone()
            assert math.hypot(x - east, y - north) < 0.001


def test_epsg_4326_comes_latitude_first(http):
    plain = page(http, "/collections/wards/items?limit=1")["features"][0]["geometry"]
    swapped = page(http, "/collections/wards/items?limit=1&crs=EPSG:4326")["features"][0]["geometry"]
    here = shapely.get_coordinates(shapely.geometry.shape(plain))
    assert np.array_equal(here[:, ::-1], shapely.get_coordinates(shapely.geometry.shape(swapped)))


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer.time], ids=name_of)
def test_datetime_splits_a_layer_without_loss(http, layer, toy, number_stored):
    with psycopg.connect(toy.admin_dsn) as conn:
        sql = f'SELECT "{layer.time}" FROM layers."{layer.name}" WHERE "{layer.time}" IS NOT NULL ORDER BY 1'
        times = [row[0] for row in conn.execute(sql)]
        without = number_stored(layer.name) - len(times)
    middle = times[len(times) // 2]
    day = middle.date() if hasattr(middle, "date") else middle
    until = sum((t.date() if hasattr(t, "date") else t) <= day for t in times)

    def hits(interval: str) -> int:
        return page(http, f"/collections/{layer.name}/items?resultType=hits&datetime={interval}")["numberMatched"]

    assert hits(f"../{day}") == until + without
    assert hits("../..") == number_stored(layer.name)
    assert hits("1900-01-01/1900-01-02") == without


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer.columns], ids=name_of)
def test_a_property_filter_finds_the_rows_that_have_the_value(http, layer, toy):
    for column in (c for c in layer.columns if c.type in ("code", "text", "integer", "boolean", "date")):
        if column.access.level != "public":
            continue
        with psycopg.connect(toy.admin_dsn) as conn:
            name = f'layers."{layer.name}"'
            row = conn.execute(
                f'SELECT "{column.name}"::text, count(*) FROM {name} WHERE "{column.name}" IS NOT NULL'
                f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
            ).fetchone()
        if row is None:
            continue
        value = {"t": "true", "f": "false"}.get(row[0], row[0]) if column.type == "boolean" else row[0]
        body = http.get(f"/collections/{layer.name}/items", params={"resultType": "hits", column.name: value}).json()
        assert body["numberMatched"] == row[1], column.name


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
def test_one_feature_is_the_one_in_the_page(http, layer, number_stored):
    if not number_stored(layer.name):
        assert page(http, f"/collections/{layer.name}/items")["features"] == []
        return
    listed = page(http, f"/collections/{layer.name}/items?limit=1")["features"][0]
    one = page(http, f"/collections/{layer.name}/items/{listed['id']}")
    assert {"self", "collection", "alternate"} <= {link["rel"] for link in one.pop("links")}
    assert one == listed


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
@pytest.mark.parametrize("number", ["0", "-1", "9" * 25, "x", "1.0", "%00", "%ff", "..%2f"])
def test_a_feature_that_is_not_there_is_404(http, layer, number):
    answer = http.get(f"/collections/{layer.name}/items/{number}")
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
def test_the_body_has_every_public_column_and_no_other(http, layer, number_stored):
    public = {column.name for column in layer.columns if column.access.level == "public"}
    for feature in page(http, f"/collections/{layer.name}/items?limit=50")["features"]:
        assert set(feature["properties"]) == public


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
def test_an_etag_is_answered_with_304(http, layer):
    url = f"/collections/{layer.name}/items?limit=3"
    first = http.get(url)
    again = http.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert http.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_head_is_get_without_its_body(http):
    url = "/collections/wards/items?limit=1"
    head, get = (
        http.head(url, headers={"Accept-Encoding": "identity"}),
        http.get(url, headers={"Accept-Encoding": "identity"}),
    )
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))


def tile_of(lon: float, lat: float, z: int) -> tuple[int, int]:
    n = 2**z
    return int((lon + 180) / 360 * n), int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n)


@pytest.mark.parametrize("layer", [x for x in WITH_GEOMETRY if x.geometry == "Point"], ids=name_of)
def test_a_tile_holds_every_point_that_lies_in_it(http, layer, stored):
    ids, shapes = stored(layer.name)
    if not len(ids):
        assert http.get(f"/collections/{layer.name}/tiles/WebMercatorQuad/10/481/815").status_code == 204
        return
    z = max(12, layer.tiles.min_zoom, layer.tiles.whole_from or 0)
    x, y = tile_of(shapes[0].x, shapes[0].y, z)
    answer = http.get(f"/collections/{layer.name}/tiles/WebMercatorQuad/{z}/{y}/{x}")
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    decoded = mapbox_vector_tile.decode(answer.content)
    assert list(decoded) == [layer.name]
    held = {feature["id"] for feature in decoded[layer.name]["features"]}
    inside = {int(i) for i, shape in zip(ids, shapes, strict=True) if tile_of(shape.x, shape.y, z) == (x, y)}
    assert inside
    assert inside <= held


@pytest.mark.parametrize("zyx", ["-1/0/0", "0/0/1", "31/0/0", "a/b/c", "10/481/9999999999999999999999"])
def test_a_tile_that_is_not_there_is_404(http, zyx):
    assert http.get(f"/collections/wards/tiles/WebMercatorQuad/{zyx}").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/collections/nope/items", 404, "collectionId"),
        ("/collections/wards/items?limit=0", 400, "limit"),
        ("/collections/wards/items?bbox=1,2,3", 400, "bbox"),
        ("/collections/wards/items?datetime=soon", 400, "datetime"),
        ("/collections/wards/items?crs=EPSG:1", 400, "crs"),
        ("/collections/wards/items?colour=red", 400, "colour"),
        ("/collections/wards/items?f=xml", 400, "f"),
        ("/collections/wards/items?limit=1&limit=2", 400, "limit"),
        ("/collections/wards/items?cursor=zzz", 400, "cursor"),
        ("/collections/wards/items?bbox=1,1,0,2&bbox-crs=EPSG:9210", 400, "bbox"),
    ],
)
def test_a_client_mistake_is_a_problem_that_names_the_parameter(http, path, status, named):
    answer = http.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["parameter"] == named


def test_a_foreign_host_is_not_reflected(http, server):
    body = http.get("/collections/wards/items?limit=1", headers={"Host": "evil.example"}).text
    assert "evil.example" not in body
    assert server in body


ALPHABET = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
TONES = str.maketrans("", "", "\u0300\u0301\u0303\u0309\u0323")


def vietnamese_order(name: str) -> list[int]:
    """The places of a name's letters in the Vietnamese alphabet, tones left out; a space stands before all letters."""
    bare = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name.lower()).translate(TONES))
    return [ALPHABET.find(letter) for letter in bare if letter in ALPHABET or letter == " "]


def test_names_are_sorted_by_the_vietnamese_alphabet(http):
    names = [
        feature["properties"]["name"]
        for body in walked(http, "/collections/wards/items?limit=50&sortby=name&properties=name")
        for feature in body["features"]
    ]
    keys = [vietnamese_order(name) for name in names]
    assert keys == sorted(keys)
    assert names != sorted(names), "byte order would do"


@pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.code)
def test_a_box_of_the_whole_world_finds_everything_in_any_crs(http, crs, number_stored):
    lon_lat, lat_lon = "-180,-90,180,90", "-90,-180,90,180"
    grids = [f"-{edge},-{edge},{edge},{edge}" for edge in ("2.1e7", "3e7", "1e300")]
    for world in grids if crs.srid != 4326 else [lat_lon if crs.swap else lon_lat]:
        url = f"/collections/schools/items?resultType=hits&bbox={world}&bbox-crs={crs.uri}"
        assert page(http, url)["numberMatched"] == number_stored("schools"), url


def test_a_box_outside_the_domain_of_its_crs_finds_nothing(http):
    url = "/collections/schools/items?resultType=hits&bbox=1e300,1e300,1e301,1e301&bbox-crs=EPSG:9210"
    assert page(http, url)["numberMatched"] == 0


@pytest.mark.parametrize("crs", [crs for crs in OFFERED if crs.srid != 4326], ids=lambda crs: crs.code)
def test_a_box_on_a_grid_finds_what_lies_in_it_there(http, crs, stored):
    ids, shapes = stored("schools")
    source = PINNED_9210 if crs.code == "EPSG:9210" else None
    there = (
        Transformer.from_pipeline(source)
        if source
        else Transformer.from_crs("OGC:CRS84", crs.proj4 or crs.code, always_xy=True)
    )
    x, y = there.transform(shapely.get_x(shapes), shapely.get_y(shapes))
    west, south, east, north = np.quantile(x, 0.2), np.quantile(y, 0.3), np.quantile(x, 0.7), np.quantile(y, 0.9)
    url = f"/collections/schools/items?limit=10000&bbox={west},{south},{east},{north}&bbox-crs={crs.uri}"
    expected = ids[(x > west) & (x < east) & (y > south) & (y < north)]
    assert [f["id"] for body in walked(http, url) for f in body["features"]] == expected.tolist()
    assert len(expected)


@pytest.mark.parametrize("layer", ["schools", "addresses", "wards"])
@pytest.mark.parametrize("asked", [{}, {"bbox": "106.6,10.7,106.8,10.9"}, {"filter": "id > 5"}, {"sortby": "-name"}])
def test_who_asks_for_one_feature_learns_how_many_there_are(http, layer, asked):
    where = f"/collections/{layer}/items"
    if layer == "addresses":
        asked.pop("sortby", None)
    one = http.get(where, params={"limit": 1, **asked}).json()
    hits = http.get(where, params={"resultType": "hits", **asked}).json()
    assert (one["numberMatched"], one["numberReturned"]) == (hits["numberMatched"], 1)
    assert "numberMatched" not in http.get(where, params={"limit": 2, **asked}).json()
