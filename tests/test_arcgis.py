"""The ArcGIS door as GDAL, and what decodes protocol buffers, read it; QGIS reads it in test_wfs.py."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import httpx
import psycopg
import pytest
import shapely
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from pyproj import Transformer
from test_items import PINNED_9210

from mapserver.catalogue import catalogue
from mapserver.settings import ROOT

pytestmark = pytest.mark.postgis

LAYERS = catalogue(ROOT / "layers")
OPEN = [layer for layer in LAYERS.vector if layer.access.level == "public"]
SERVICES = "/arcgis/rest/services"
BOX = (106.6, 10.7, 106.75, 10.85)


@pytest.fixture(scope="module")
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def schools(toy) -> list[dict]:
    """The schools as they are stored, in the order of their ids."""
    with psycopg.connect(toy.admin_dsn, row_factory=psycopg.rows.dict_row) as conn:
        return conn.execute("SELECT *, ST_X(geom) AS x, ST_Y(geom) AS y FROM layers.schools ORDER BY id").fetchall()


def query(http: httpx.Client, name: str = "schools", **given: object) -> dict:
    answer = http.get(f"{SERVICES}/{name}/FeatureServer/0/query", params={"f": "json", **given})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(told: dict) -> list[int]:
    return [one["attributes"]["OBJECTID"] for one in told["features"]]


def test_every_open_layer_is_a_service_with_one_layer(http):
    listed = {each["name"] for each in http.get(f"{SERVICES}?f=json").json()["services"]}
    assert listed == {layer.name for layer in OPEN if layer.geometry != "Geometry"}
    for name in listed:
        service = http.get(f"{SERVICES}/{name}/FeatureServer?f=json").json()
        (own,) = [*service["layers"], *service["tables"]]
        told = http.get(f"{SERVICES}/{name}/FeatureServer/0?f=json").json()
        assert (own["id"], own["type"], told["type"]) == (0, told["type"], own["type"])
        columns = [c.name for c in LAYERS[name].columns if c.access.level == "public"]
        assert [field["name"] for field in told["fields"]] == ["OBJECTID", *columns]
        assert told["capabilities"] == "Query"
        page = http.get(f"/collections/{name}/items?limit=2").json()["features"]
        found = query(http, name, outFields="*", resultRecordCount=2)["features"]
        assert [one["attributes"]["OBJECTID"] for one in found] == [one["id"] for one in page]


@pytest.mark.parametrize("name", ["schools", "wards", "roads", "bus_routes", "addresses", "field_notes", "area_links"])
def test_gdal_reads_every_feature_page_by_page(http, name):
    url = f"{http.base_url}{SERVICES}/{name}/FeatureServer/0/query?where=1%3D1&outFields=*&f=json"
    command = ["ogr2ogr", "-f", "GeoJSONSeq", "/vsistdout/", f"{url}&orderByFields=OBJECTID&resultRecordCount=1500"]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=120)
    hits = http.get(f"/collections/{name}/items?resultType=hits").json()["numberMatched"]
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == hits, done.stderr
    page = http.get(f"/collections/{name}/items?limit=50").json()["features"]
    for one, other in zip(found, page, strict=False):
        if one["geometry"] is not None:
            here, there = (shapely.geometry.shape(each["geometry"]) for each in (one, other))
            assert shapely.normalize(here).equals_exact(shapely.normalize(as_multi(there, here)), 1e-6)


def as_multi(shape: shapely.Geometry, like: shapely.Geometry) -> shapely.Geometry:
    """A multi of one part as a single, where Esri's model made it one."""
    alone = shapely.get_num_geometries(shape) == 1 and shape.geom_type == f"Multi{like.geom_type}"
    return shapely.get_geometry(shape, 0) if alone else shape


WHERE = {
    "1=1": lambda r: True,
    "pupils > 900 AND kind = 'school'": lambda r: (r["pupils"] or 0) > 900 and r["kind"] == "school",
    "UPPER(name) LIKE '%TIỂU HỌC%'": lambda r: "TIỂU HỌC" in r["name"].upper(),
    "\"kind\" <> N'school' OR OBJECTID IN (1, 3, 5)": lambda r: r["kind"] != "school" or r["id"] in (1, 3, 5),
    "pupils BETWEEN 300 AND 900": lambda r: r["pupils"] is not None and 300 <= r["pupils"] <= 900,
    "NOT (level IS NULL) AND (kind = 'it''s' OR objectid = 2)": lambda r: bool(r["level"]) and r["id"] == 2,
}


@pytest.mark.parametrize("text", WHERE)
def test_where_means_what_it_says(http, schools, text):
    expected = [row["id"] for row in schools if WHERE[text](row)]
    assert ids(query(http, where=text)) == expected
    assert query(http, where=text, returnCountOnly="true") == {"count": len(expected)}
    told = query(http, where=text, returnIdsOnly="true")
    assert told == {"objectIdFieldName": "OBJECTID", "objectIds": expected}
    assert expected


def test_times_in_where(http, toy):
    with psycopg.connect(toy.admin_dsn) as conn:
        rows = conn.execute("SELECT id, noted_at FROM layers.field_notes WHERE noted_at IS NOT NULL").fetchall()
    middle = sorted(at for _, at in rows)[len(rows) // 2].replace(microsecond=0)
    found = query(http, "field_notes", where=f"noted_at > timestamp '{middle:%Y-%m-%d %H:%M:%S}'", outFields="*")
    assert set(ids(found)) == {number for number, at in rows if at > middle}
    by_id = dict(rows)
    for one in found["features"]:
        assert one["attributes"]["noted_at"] == round(by_id[one["attributes"]["OBJECTID"]].timestamp() * 1000)


def test_geometries_in_any_offered_reference(http, schools):
    west, south, east, north = BOX
    inside = [row["id"] for row in schools if west <= row["x"] <= east and south <= row["y"] <= north]
    assert ids(query(http, geometry=",".join(map(str, BOX)), inSR=4326)) == inside
    polygon = {"rings": [[[west, south], [west, north], [east, north], [east, south], [west, south]]]}
    given = {"geometryType": "esriGeometryPolygon", "spatialRel": "esriSpatialRelContains", "inSR": "4326"}
    assert ids(query(http, geometry=json.dumps(polygon), **given)) == inside
    x, y = Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True).transform([west, east], [south, north])
    box = {"xmin": x[0], "ymin": y[0], "xmax": x[1], "ymax": y[1], "spatialReference": {"wkid": 102100}}
    assert ids(query(http, geometry=json.dumps(box))) == inside
    assert inside


def test_coordinates_extent_and_order(http, schools):
    pinned = Transformer.from_pipeline(PINNED_9210)
    told = query(http, outSR=9210, orderByFields="pupils DESC, source_id", outFields="pupils", where="pupils > 0")
    by_id = {row["id"]: row for row in schools}
    for one in told["features"]:
        row = by_id[one["attributes"]["OBJECTID"]]
        at = pinned.transform(row["x"], row["y"])
        assert [one["geometry"]["x"], one["geometry"]["y"]] == pytest.approx(at, abs=1e-3)
        assert one["attributes"] == {"OBJECTID": row["id"], "pupils": row["pupils"]}
    pupils = [one["attributes"]["pupils"] for one in told["features"]]
    assert pupils == sorted(pupils, reverse=True)
    extent = query(http, where="pupils > 0", returnExtentOnly="true", returnCountOnly="true", outSR=9210)
    xs, ys = ([one["geometry"][axis] for one in told["features"]] for axis in "xy")
    assert extent["count"] == len(xs)
    edges = [extent["extent"][edge] for edge in ("xmin", "ymin", "xmax", "ymax")]
    assert edges == pytest.approx([min(xs), min(ys), max(xs), max(ys)], abs=1e-3)


def test_pages_say_when_there_is_more(http, schools):
    seen, offset = [], 0
    while True:
        told = query(http, resultOffset=offset, resultRecordCount=25, returnGeometry="false")
        assert all("geometry" not in one for one in told["features"])
        seen += ids(told)
        offset += 25
        if not told.get("exceededTransferLimit"):
            break
    assert seen == [row["id"] for row in schools]
    assert ids(query(http, objectIds="5,3,999999")) == [3, 5]


# Protocol buffers, decoded by Google's library with a description of the messages of its own


def described() -> type:
    """The message of an answer. Field numbers: FeatureCollection.proto of github.com/Esri/arcgis-pbf."""
    file = descriptor_pb2.FileDescriptorProto(name="esri.proto", package="e", syntax="proto3")
    text, double, u32, u64, s32, s64, flag = 9, 1, 13, 4, 17, 18, 8
    messages = {
        "Reference": [("wkid", 1, u32), ("latest", 2, u32)],
        "Field": [("name", 1, text), ("type", 2, u32), ("alias", 3, text), ("sql", 4, u32)],
        "Value": [("text", 1, text), ("double", 3, double), ("whole", 8, s64)],
        "Geometry": [("type", 1, u32), ("lengths", 2, u32, "*"), ("coords", 3, s32, "*")],
        "Feature": [("attributes", 1, ".e.Value", "*"), ("geometry", 2, ".e.Geometry")],
        "Two": [("x", 1, double), ("y", 2, double)],
        "Transform": [("origin", 1, u32), ("scale", 2, ".e.Two"), ("translate", 3, ".e.Two")],
        "Features": [("oid", 1, text), ("type", 7, u32), ("reference", 8, ".e.Reference"), ("more", 9, flag),
                     ("transform", 12, ".e.Transform"), ("fields", 13, ".e.Field", "*"),
                     ("features", 15, ".e.Feature", "*")],
        "Count": [("count", 1, u64)],
        "Ids": [("oid", 1, text), ("ids", 3, u64, "*")],
        "Result": [("features", 1, ".e.Features"), ("count", 2, ".e.Count"), ("ids", 3, ".e.Ids")],
        "Answer": [("version", 1, text), ("result", 2, ".e.Result")],
    }  # fmt: skip
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, *many in fields:
            added = message.field.add(name=field, number=number, label=3 if many else 1, type=11)
            if isinstance(kind, str):
                added.type_name = kind
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("e.Answer"))


ANSWER = described()


def decoded(http: httpx.Client, name: str = "schools", **given: object):
    answer = http.get(f"{SERVICES}/{name}/FeatureServer/0/query", params={"f": "pbf", **given})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-protobuf"
    message = ANSWER()
    message.ParseFromString(answer.content)
    return message.result


def shapes(features) -> list[list[list[tuple[float, float]]]]:
    """The parts of each feature's geometry, in coordinates."""
    plane, out = features.transform, []
    for feature in features.features:
        lengths = list(feature.geometry.lengths) or [len(feature.geometry.coords) // 2]
        steps, parts = iter(feature.geometry.coords), []
        for length in lengths:
            x = y = 0
            part = []
            for _ in range(length):
                x, y = x + next(steps), y + next(steps)
                down = -1 if plane.origin == 0 else 1
                part.append((plane.translate.x + x * plane.scale.x, plane.translate.y + down * y * plane.scale.y))
            parts.append(part)
        out.append(parts)
    return out


@pytest.mark.parametrize("name", ["schools", "wards", "roads", "bus_routes"])
def test_protocol_buffers_hold_what_json_holds(http, name):
    given = {"where": "1=1", "outFields": "*", "resultRecordCount": 60}
    told, features = query(http, name, **given), decoded(http, name, **given).features
    assert [field.name for field in features.fields] == [field["name"] for field in told["fields"]]
    assert features.more == told.get("exceededTransferLimit", False)
    assert features.reference.wkid == 4326
    for one, feature, parts in zip(told["features"], features.features, shapes(features), strict=True):
        values = [getattr(v, v.ListFields()[0][0].name) if v.ListFields() else None for v in feature.attributes]
        assert [v or None for v in values] == [one["attributes"][f["name"]] or None for f in told["fields"]]
        shape = one["geometry"]
        expected = [[(shape["x"], shape["y"])]] if "x" in shape else shape.get("paths") or shape["rings"]
        assert [len(part) for part in parts] == [len(part) for part in expected]
        flat = [number for part in parts for at in part for number in at]
        assert flat == pytest.approx([number for part in expected for at in part for number in at], abs=2e-7)


def test_protocol_buffers_on_the_grid_of_a_tile(http):
    extent = {"xmin": 11853000, "ymin": 1161000, "xmax": 11968000, "ymax": 1273000}
    grid = {"mode": "view", "originPosition": "upperLeft", "tolerance": 50, "extent": extent}
    features = decoded(http, outSR=102100, quantizationParameters=json.dumps(grid)).features
    assert (features.transform.scale.x, features.transform.translate.x) == (50, 11853000)
    assert (features.transform.origin, features.transform.translate.y) == (0, 1273000)
    there = query(http, outSR=102100)["features"]
    for parts, one in zip(shapes(features), there, strict=True):
        assert parts[0][0] == pytest.approx((one["geometry"]["x"], one["geometry"]["y"]), abs=25.001)
    assert decoded(http, returnCountOnly="true").count.count == len(there)
    assert list(decoded(http, returnIdsOnly="true").ids.ids) == ids({"features": there})


def test_geojson_is_offered_too(http, schools):
    told = http.get(f"{SERVICES}/schools/FeatureServer/0/query", params={"f": "geojson", "where": "1=1"}).json()
    assert [one["id"] for one in told["features"]] == [row["id"] for row in schools]


def test_a_long_question_is_posted(http, schools):
    form = {"f": "json", "where": " OR ".join(f"OBJECTID = {n}" for n in range(1, 50)), "returnCountOnly": "true"}
    answer = http.post(f"{SERVICES}/schools/FeatureServer/0/query", data=form)
    assert answer.json() == {"count": len([row for row in schools if row["id"] < 50])}


BAD = [
    {"where": "1=1; DROP TABLE layers.schools"},
    {"where": "pg_sleep(5) = 1"},
    {"where": "(SELECT 1) = 1"},
    {"where": "password = 'x'"},
    {"where": "pupils > 'many'"},
    {"where": "("},
    {"where": "noted > timestamp 'yesterday'"},
    {"outFields": "name) FROM pg_user --"},
    {"orderByFields": "name; DROP TABLE x"},
    {"orderByFields": "name SIDEWAYS"},
    {"outSR": "999999"},
    {"outSR": '{"wkid":"x"}'},
    {"geometry": "{"},
    {"geometry": "[]"},
    {"geometry": '{"rings":[[[1,2]]]}'},
    {"geometry": '{"rings":"x"}'},
    {"geometry": "1,2,3"},
    {"geometry": "10,20,5,30"},
    {"geometry": '{"x":NaN,"y":1}'},
    {"geometry": "106,10,107,11", "spatialRel": "esriSpatialRelRelation"},
    {"objectIds": "1,x"},
    {"objectIds": ",".join(["1"] * 6000)},
    {"resultOffset": "-1"},
    {"resultRecordCount": "many"},
    {"returnCountOnly": "perhaps"},
    {"outStatistics": '[{"statisticType":"count"}]'},
    {"returnDistinctValues": "true"},
    {"f": "kmz"},
    {"time": "yesterday"},
    {"f": "pbf", "quantizationParameters": "{}"},
    {"f": "pbf", "quantizationParameters": "[1]"},
]


@pytest.mark.parametrize("given", BAD, ids=lambda given: "&".join(given.values())[:40])
def test_a_bad_question_is_told_of_in_esris_form(http, given):
    answer = http.get(f"{SERVICES}/schools/FeatureServer/0/query", params={"f": "json", **given})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], set(error)) == (400, {"code", "message", "details"})
    assert error["details"]


def test_what_is_not_there_and_what_is_closed(http):
    assert http.get(f"{SERVICES}/nothing/FeatureServer/0?f=json").json()["error"]["code"] == 404
    closed = [layer for layer in LAYERS.vector if layer.access.level != "public"]
    for layer in closed:
        answer = http.get(f"{SERVICES}/{layer.name}/FeatureServer/0/query?where=1=1&f=json")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, 401)
    secret = http.get(f"{SERVICES}/field_notes/FeatureServer/0/query", params={"where": "author IS NOT NULL"})
    assert secret.status_code == 400
    assert "author" not in json.dumps(query(http, "field_notes", outFields="*"))
