"""WFS 1.0.0, 1.1.0 and 2.0.0 as desks meet it: GDAL, OWSLib, QGIS, MapInfo's requests, the OGC's schemas."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import psycopg
import pyogrio
import pytest
import shapely
import xsd
from conftest import free_port, fresh, serve
from lxml import etree
from owslib import fes, fes2
from owslib.wfs import WebFeatureService
from pyproj import Transformer
from test_items import PINNED_9210
from test_writing import token

from mapserver.catalogue import catalogue
from mapserver.crs import OFFERED
from mapserver.settings import ROOT, settings

pytestmark = pytest.mark.postgis

LAYERS = catalogue(ROOT / "layers")
VERSIONS = ("1.0.0", "1.1.0", "2.0.0")
WFS = {
    "1.0.0": ("http://www.opengis.net/wfs", "wfs/1.0.0/WFS-basic.xsd"),
    "1.1.0": ("http://www.opengis.net/wfs", "wfs/1.1.0/wfs.xsd"),
    "2.0.0": ("http://www.opengis.net/wfs/2.0", "wfs/2.0/wfs.xsd"),
}
CAPABILITIES = {**WFS, "1.0.0": ("http://www.opengis.net/wfs", "wfs/1.0.0/WFS-capabilities.xsd")}
OWN = ("urn:citymap:layers", xsd.OWN)
FES = 'xmlns:fes="http://www.opengis.net/fes/2.0" xmlns:gml="http://www.opengis.net/gml/3.2"'
OGC = 'xmlns:ogc="http://www.opengis.net/ogc" xmlns:gml="http://www.opengis.net/gml"'
BOX = (106.6, 10.7, 106.75, 10.85)


@pytest.fixture(scope="module")
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


def ask(http: httpx.Client, version: str = "2.0.0", request: str = "GetFeature", **given: object) -> httpx.Response:
    """A request by key-value pairs."""
    return http.get("/wfs", params={"service": "WFS", "version": version, "request": request, **given})


def ids(answer: httpx.Response) -> list[str]:
    """The ids of the features of an answer, in order."""
    assert answer.status_code == 200, answer.text
    root = etree.fromstring(answer.content)
    found = root.xpath("//*[local-name()='schools']")
    return [next(text for key, text in each.attrib.items() if key.endswith(("fid", "id"))) for each in found]


def numbers(answer: httpx.Response) -> set[int]:
    return {int(each.partition(".")[2]) for each in ids(answer)}


@pytest.fixture(scope="module")
def schools(toy) -> list[dict]:
    """The schools as they are stored, in the order of their ids."""
    with psycopg.connect(toy.admin_dsn, row_factory=psycopg.rows.dict_row) as conn:
        found = conn.execute("SELECT *, ST_X(geom) AS x, ST_Y(geom) AS y FROM layers.schools ORDER BY id").fetchall()
    assert len(found) > 30
    return found


# What the standard's own schemas say


@pytest.mark.parametrize("version", VERSIONS)
def test_capabilities_follow_the_schemas_of_the_ogc(http, version):
    answer = ask(http, version, "GetCapabilities")
    assert etree.fromstring(answer.content).get("version") == version
    assert xsd.faults(answer.content, CAPABILITIES[version]) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_features_of_every_layer_follow_the_schema_that_describes_them(http, version):
    own = ask(http, version, "DescribeFeatureType").content
    for layer in LAYERS.vector:
        if layer.access.level == "public":
            body = ask(http, version, typename=layer.name, maxfeatures=5).content
            assert xsd.faults(body, WFS[version], OWN, own=own) == [], layer.name


def test_other_answers_of_2_0_follow_the_schemas(http):
    own = ask(http, request="DescribeFeatureType").content
    for request, given in (
        ("ListStoredQueries", {}),
        ("DescribeStoredQueries", {}),
        ("GetPropertyValue", {"typenames": "schools", "valuereference": "name", "count": 3}),
        ("GetPropertyValue", {"typenames": "wards", "valuereference": "geometry", "count": 3}),
        ("GetFeature", {"typenames": "schools,wards", "count": 70}),
        ("GetFeature", {"typenames": "schools", "resulttype": "hits"}),
        ("GetFeature", {"typenames": "schools", "propertyname": "name,pupils", "count": 3}),
    ):
        assert xsd.faults(ask(http, request=request, **given).content, WFS["2.0.0"], OWN, own=own) == [], request


@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_is_well_formed_and_names_its_version(http, version):
    """What can be said of them where the schemas are not at hand."""
    root = etree.fromstring(ask(http, version, "GetCapabilities").content)
    named = set(root.xpath("//*[local-name()='FeatureType']/*[local-name()='Name']/text()"))
    assert named == {f"citymap:{layer.name}" for layer in LAYERS.vector if layer.access.level == "public"}
    described = etree.fromstring(ask(http, version, "DescribeFeatureType", typename="citymap:schools").content)
    columns = described.xpath("//*[local-name()='sequence']/*/@name")
    assert columns == [*(c.name for c in LAYERS["schools"].columns if c.access.level == "public"), "geometry"]


# Programs


def ogr2ogr(http: httpx.Client, version: str, layer: str, *more: str) -> list[dict]:
    """What GDAL's WFS driver reads, as GeoJSON in longitude and latitude."""
    source = f"WFS:{http.base_url}/wfs?VERSION={version}"
    command = ["ogr2ogr", "-f", "GeoJSONSeq", "/vsistdout/", source, f"citymap:{layer}", *more]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("version", VERSIONS)
def test_gdal_reads_every_feature_with_its_place(http, schools, version):
    found = {one["properties"]["source_id"]: one for one in ogr2ogr(http, version, "schools")}
    assert set(found) == {row["source_id"] for row in schools}
    for row in schools:
        one = found[row["source_id"]]
        assert one["geometry"]["coordinates"] == pytest.approx([row["x"], row["y"]], abs=1e-7)
        assert one["properties"]["name"] == row["name"]
        assert one["properties"].get("pupils") == row["pupils"]


@pytest.mark.parametrize("version", VERSIONS)
def test_gdal_filters_at_the_server(http, schools, version):
    wanted = "pupils > 500 AND kind = 'school' AND name LIKE '%Trường%' AND NOT (level IS NULL)"
    found = {one["properties"]["source_id"] for one in ogr2ogr(
        http, version, "schools", "-where", wanted, "-spat", *map(str, BOX))}  # fmt: skip
    west, south, east, north = BOX
    assert found == {
        row["source_id"] for row in schools
        if (row["pupils"] or 0) > 500 and row["kind"] == "school" and "Trường" in row["name"] and row["level"]
        and west <= row["x"] <= east and south <= row["y"] <= north
    }  # fmt: skip
    assert found


@pytest.mark.parametrize("version", VERSIONS)
def test_gdal_reads_outlines_whole(http, toy, version):
    with psycopg.connect(toy.admin_dsn) as conn:
        rows = conn.execute("SELECT code, ST_Area(geom), ST_NumGeometries(geom) FROM layers.wards").fetchall()
    found = {
        one["properties"]["code"]: shapely.geometry.shape(one["geometry"]) for one in ogr2ogr(http, version, "wards")
    }
    assert set(found) == {code for code, _, _ in rows}
    for code, area, parts in rows:
        assert found[code].area == pytest.approx(area, rel=1e-4)
        assert shapely.get_num_geometries(found[code]) == parts


def kindergartens(version: str) -> dict:
    """What OWSLib is told, so that it asks for kindergartens: in 2.0.0 it can only post a filter."""
    if version == "2.0.0":
        chosen = fes2.FilterRequest().setConstraint(fes2.PropertyIsEqualTo("kind", "kindergarten"))
    else:
        chosen = fes.FilterRequest().setConstraint(fes.PropertyIsEqualTo("kind", "kindergarten"))
    text = etree.tostring(chosen).decode()
    return {"filter": text, "method": "Post"} if version == "2.0.0" else {"filter": text}


@pytest.mark.parametrize("version", VERSIONS)
def test_owslib_reads_and_filters(server, schools, version):
    client = WebFeatureService(f"{server}/wfs", version=version)
    assert "citymap:schools" in client.contents
    about = client.contents["citymap:schools"]
    assert about.title == "Trường học"
    west, _, east, _ = about.boundingBoxWGS84
    assert west <= min(row["x"] for row in schools) <= max(row["x"] for row in schools) <= east
    assert {"name", "pupils"} <= set(client.get_schema("citymap:schools")["properties"])
    body = client.getfeature(typename=["citymap:schools"], **kindergartens(version)).read()
    keys = set(etree.fromstring(body).xpath("//*[local-name()='source_id']/text()"))
    assert keys == {row["source_id"] for row in schools if row["kind"] == "kindergarten"}
    assert keys


@pytest.fixture(scope="module")
def qgis(server) -> dict:
    """What QGIS, without a screen, reads through each version."""
    script, box = str(Path(__file__).with_name("qgis_wfs.py")), ",".join(map(str, BOX))
    command = ["/usr/bin/python3", script, server, "schools", "\"kind\" = 'school'", box]
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("way", [*VERSIONS, "arcgis"])
def test_qgis_reads_all_what_is_in_view_and_what_a_query_chooses(qgis, schools, way):
    read, by_key = qgis[way], {row["source_id"]: row for row in schools}
    assert {key for key, *_ in read["all"]} == set(by_key)
    assert read["count"] == len(schools)
    for key, name, x, y in read["all"]:
        assert name == by_key[key]["name"]
        assert [x, y] == pytest.approx([by_key[key]["x"], by_key[key]["y"]], abs=1e-6)
    west, south, east, north = BOX
    inside = {key for key, row in by_key.items() if west <= row["x"] <= east and south <= row["y"] <= north}
    assert {key for key, *_ in read["inside"]} == inside
    assert inside
    if way != "arcgis":  # this provider of QGIS 3.22 filters by itself
        assert {key for key, *_ in read["chosen"]} == {key for key, row in by_key.items() if row["kind"] == "school"}


def test_qgis_reads_the_citys_grid_in_metres(qgis, schools):
    pinned = Transformer.from_pipeline(PINNED_9210)
    by_key = {row["source_id"]: row for row in schools}
    assert qgis["grid"]["crs"] == "EPSG:9210"
    assert len(qgis["grid"]["all"]) == len(schools)
    for key, _, x, y in qgis["grid"]["all"]:
        assert [x, y] == pytest.approx(pinned.transform(by_key[key]["x"], by_key[key]["y"]), abs=0.02)


def test_mapinfos_requests_as_its_manual_has_them(http, schools):
    """GetCapabilities by GET; DescribeFeatureType and GetFeature by POST of XML with GML 2 (MapInfo Pro, WFS 1.0.0)."""
    told = http.get("/wfs?REQUEST=GetCapabilities&SERVICE=WFS&VERSION=1.0.0")
    post = etree.fromstring(told.content).xpath(
        "//*[local-name()='GetFeature']//*[local-name()='Post']/@onlineResource"
    )
    where = httpx.URL(post[0]).path
    described = http.post(where, headers={"Content-Type": "text/xml"}, content=(
        '<?xml version="1.0" encoding="UTF-8"?><DescribeFeatureType version="1.0.0" service="WFS"'
        ' xmlns="http://www.opengis.net/wfs" xmlns:citymap="urn:citymap:layers">'
        "<TypeName>citymap:schools</TypeName></DescribeFeatureType>"))  # fmt: skip
    assert "gml:PointPropertyType" in described.text
    west, south, east, north = BOX
    answer = http.post(where, headers={"Content-Type": "text/xml"}, content=(
        '<?xml version="1.0" encoding="UTF-8"?><wfs:GetFeature service="WFS" version="1.0.0" outputFormat="GML2"'
        f' xmlns:wfs="http://www.opengis.net/wfs" xmlns:citymap="urn:citymap:layers" {OGC}>'
        '<wfs:Query typeName="citymap:schools"><ogc:PropertyName>citymap:name</ogc:PropertyName>'
        "<ogc:PropertyName>citymap:geometry</ogc:PropertyName><ogc:Filter><ogc:BBOX>"
        '<ogc:PropertyName>citymap:geometry</ogc:PropertyName><gml:Box srsName="EPSG:4326">'
        f"<gml:coordinates>{west},{south} {east},{north}</gml:coordinates></gml:Box></ogc:BBOX></ogc:Filter>"
        "</wfs:Query></wfs:GetFeature>"))  # fmt: skip
    inside = {row["id"] for row in schools if west <= row["x"] <= east and south <= row["y"] <= north}
    assert numbers(answer) == inside
    assert "citymap:pupils" not in answer.text


# Filters, against the stored rows


def near(row: dict, metres: float) -> bool:
    grid = Transformer.from_pipeline(PINNED_9210)
    (x, y), (a, b) = grid.transform(row["x"], row["y"]), grid.transform(106.7, 10.8)
    return (x - a) ** 2 + (y - b) ** 2 <= metres**2


PLACE = '<gml:Point srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>10.8 106.7</gml:pos></gml:Point>'
TRIANGLE = shapely.Polygon([(106.4, 10.5), (107.0, 10.5), (106.7, 11.1)])
SHAPE = (
    '<gml:Polygon srsName="EPSG:4326"><gml:exterior><gml:LinearRing><gml:posList>106.4 10.5 107.0 10.5 106.7 11.1 '
    "106.4 10.5</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon>"
)
FILTERS = {
    "equal": ("<fes:PropertyIsEqualTo><fes:ValueReference>kind</fes:ValueReference><fes:Literal>school</fes:Literal>"
              "</fes:PropertyIsEqualTo>", lambda r: r["kind"] == "school"),
    "number": ("<fes:PropertyIsGreaterThanOrEqualTo><fes:ValueReference>citymap:pupils</fes:ValueReference>"
               "<fes:Literal>900</fes:Literal></fes:PropertyIsGreaterThanOrEqualTo>",
               lambda r: (r["pupils"] or 0) >= 900),
    "turned": ("<fes:PropertyIsLessThan><fes:Literal>900</fes:Literal><fes:ValueReference>schools/pupils"
               "</fes:ValueReference></fes:PropertyIsLessThan>", lambda r: (r["pupils"] or 0) > 900),
    "between": ("<fes:PropertyIsBetween><fes:ValueReference>pupils</fes:ValueReference><fes:LowerBoundary><fes:Literal>"
                "300</fes:Literal></fes:LowerBoundary><fes:UpperBoundary><fes:Literal>900</fes:Literal>"
                "</fes:UpperBoundary></fes:PropertyIsBetween>",
                lambda r: r["pupils"] is not None and 300 <= r["pupils"] <= 900),
    "like": ('<fes:PropertyIsLike wildCard="*" singleChar="#" escapeChar="!"><fes:ValueReference>name'
             "</fes:ValueReference><fes:Literal>*Ti#u h*</fes:Literal></fes:PropertyIsLike>",
             lambda r: "Tiểu h" in r["name"]),
    "like in any case": ('<fes:PropertyIsLike wildCard="%" singleChar="_" escapeChar="\\" matchCase="false">'
                         "<fes:ValueReference>name</fes:ValueReference><fes:Literal>%TIỂU HỌC%</fes:Literal>"
                         "</fes:PropertyIsLike>", lambda r: "Tiểu học" in r["name"]),
    "no wild card of SQL": ('<fes:PropertyIsLike wildCard="*" singleChar="#" escapeChar="!"><fes:ValueReference>name'
                            "</fes:ValueReference><fes:Literal>%</fes:Literal></fes:PropertyIsLike>", lambda r: False),
    "null": ("<fes:PropertyIsNull><fes:ValueReference>phone</fes:ValueReference></fes:PropertyIsNull>",
             lambda r: r["phone"] is None),
    "joined": ("<fes:And><fes:Not><fes:PropertyIsEqualTo matchCase=\"false\"><fes:ValueReference>kind"
               "</fes:ValueReference><fes:Literal>SCHOOL</fes:Literal></fes:PropertyIsEqualTo></fes:Not><fes:Or>"
               "<fes:PropertyIsGreaterThan><fes:ValueReference>pupils</fes:ValueReference><fes:Literal>200</fes:Literal>"
               "</fes:PropertyIsGreaterThan><fes:PropertyIsNull><fes:ValueReference>pupils</fes:ValueReference>"
               "</fes:PropertyIsNull></fes:Or></fes:And>",
               lambda r: r["kind"] != "school" and (r["pupils"] is None or r["pupils"] > 200)),
    "sum": ("<fes:PropertyIsGreaterThan><ogc:Mul xmlns:ogc=\"http://www.opengis.net/ogc\"><ogc:PropertyName>teachers"
            "</ogc:PropertyName><ogc:Literal>20</ogc:Literal></ogc:Mul><fes:ValueReference>pupils</fes:ValueReference>"
            "</fes:PropertyIsGreaterThan>",
            lambda r: None not in (r["teachers"], r["pupils"]) and r["teachers"] * 20 > r["pupils"]),
    "ids": ('<fes:ResourceId rid="schools.3"/><fes:ResourceId rid="schools.5"/><fes:ResourceId rid="wards.7"/>',
            lambda r: r["id"] in (3, 5)),
    "box": ('<fes:BBOX><fes:ValueReference>geometry</fes:ValueReference><gml:Envelope srsName="urn:ogc:def:crs:EPSG::'
            '4326"><gml:lowerCorner>10.7 106.6</gml:lowerCorner><gml:upperCorner>10.85 106.75</gml:upperCorner>'
            "</gml:Envelope></fes:BBOX>", lambda r: 106.6 <= r["x"] <= 106.75 and 10.7 <= r["y"] <= 10.85),
    "box of the version's CRS": ("<fes:BBOX><gml:Envelope><gml:lowerCorner>10.7 106.6</gml:lowerCorner>"
                                 "<gml:upperCorner>10.85 106.75</gml:upperCorner></gml:Envelope></fes:BBOX>",
                                 lambda r: 106.6 <= r["x"] <= 106.75 and 10.7 <= r["y"] <= 10.85),
    "intersects": (f"<fes:Intersects><fes:ValueReference>geometry</fes:ValueReference>{SHAPE}</fes:Intersects>",
                   lambda r: TRIANGLE.intersects(shapely.Point(r["x"], r["y"]))),
    "within": (f"<fes:Within><fes:ValueReference>geometry</fes:ValueReference>{SHAPE}</fes:Within>",
               lambda r: TRIANGLE.contains(shapely.Point(r["x"], r["y"]))),
    "disjoint": (f"<fes:Disjoint><fes:ValueReference>geometry</fes:ValueReference>{SHAPE}</fes:Disjoint>",
                 lambda r: not TRIANGLE.intersects(shapely.Point(r["x"], r["y"]))),
    "near": (f'<fes:DWithin><fes:ValueReference>geometry</fes:ValueReference>{PLACE}<fes:Distance uom="km">9'
             "</fes:Distance></fes:DWithin>", lambda r: near(r, 9000)),
    "beyond": (f'<fes:Beyond><fes:ValueReference>geometry</fes:ValueReference>{PLACE}<fes:Distance '
               'uom="urn:ogc:def:uom:EPSG::9001">9000</fes:Distance></fes:Beyond>', lambda r: not near(r, 9000)),
    "function": ('<fes:PropertyIsEqualTo><fes:Function name="lower"><fes:ValueReference>kind</fes:ValueReference>'
                 "</fes:Function><fes:Literal>school</fes:Literal></fes:PropertyIsEqualTo>",
                 lambda r: r["kind"] == "school"),
}  # fmt: skip


@pytest.mark.parametrize("named", FILTERS)
def test_a_filter_means_what_it_says(http, schools, named):
    condition, true = FILTERS[named]
    answer = ask(http, typenames="schools", filter=f"<fes:Filter {FES}>{condition}</fes:Filter>")
    expected = {row["id"] for row in schools if true(row)}
    assert numbers(answer) == expected
    assert expected or named == "no wild card of SQL"


def test_cql_text_is_taken_too_in_geoservers_fashion(http, schools):
    answer = ask(http, typenames="schools", cql_filter="pupils > 900 AND kind = 'school'")
    expected = {row["id"] for row in schools if (row["pupils"] or 0) > 900 and row["kind"] == "school"}
    assert numbers(answer) == expected
    assert expected


def test_times_are_compared_as_times(http, toy):
    with psycopg.connect(toy.admin_dsn) as conn:
        rows = conn.execute("SELECT id, noted_at FROM layers.field_notes WHERE noted_at IS NOT NULL").fetchall()
    middle = sorted(at for _, at in rows)[len(rows) // 2]
    condition = (
        f"<fes:Filter {FES}><fes:After><fes:ValueReference>noted_at</fes:ValueReference><gml:TimeInstant gml:id='t'>"
        f"<gml:timePosition>{middle.isoformat()}</gml:timePosition></gml:TimeInstant></fes:After></fes:Filter>"
    )
    answer = ask(http, typenames="field_notes", filter=condition, outputformat="geojson").json()
    assert {one["id"] for one in answer["features"]} == {number for number, at in rows if at > middle}


@pytest.mark.parametrize(
    ("bbox", "version"),
    [
        ("106.6,10.7,106.75,10.85", "1.0.0"),
        ("106.6,10.7,106.75,10.85,EPSG:4326", "1.1.0"),
        ("10.7,106.6,10.85,106.75", "1.1.0"),
        ("10.7,106.6,10.85,106.75,urn:ogc:def:crs:EPSG::4326", "2.0.0"),
        ("106.6,10.7,106.75,10.85,urn:ogc:def:crs:OGC:1.3:CRS84", "2.0.0"),
        ("10.7,106.6,10.85,106.75,http://www.opengis.net/def/crs/EPSG/0/4326", "2.0.0"),
        ("106.6,10.7,106.75,10.85,http://www.opengis.net/gml/srs/epsg.xml#4326", "2.0.0"),
    ],
)
def test_a_box_is_read_in_the_axis_order_of_its_spelling(http, schools, bbox, version):
    west, south, east, north = BOX
    inside = {row["id"] for row in schools if west <= row["x"] <= east and south <= row["y"] <= north}
    assert numbers(ask(http, version, typename="schools", bbox=bbox)) == inside


# Coordinates, pages, selections, formats


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.code)
def test_coordinates_come_in_the_axis_order_of_the_name_that_was_asked_for(http, schools, version, crs):
    east_first = Transformer.from_crs("OGC:CRS84", crs.proj4 or crs.code, always_xy=True)
    x, y = east_first.transform(schools[0]["x"], schools[0]["y"])
    number = crs.code.partition(":")[2]
    names = {crs.uri: crs.swap, f"urn:ogc:def:crs:EPSG::{number}": crs.swap, f"EPSG:{number}": False}
    for name, swapped in names.items() if crs.code != "OGC:CRS84" else {crs.uri: False}.items():
        body = ask(http, version, typename="schools", featureid="schools.1", srsname=name)
        root = etree.fromstring(body.content)
        point = root.xpath("//*[local-name()='Point']")[0]
        found = [float(part) for part in "".join(point.itertext()).replace(",", " ").split()]
        assert point.get("srsName") == name
        assert found == pytest.approx([y, x] if swapped else [x, y], abs=1e-4 if crs.srid != 4326 else 1e-7)


def test_pages_follow_each_other_and_lose_nothing(http, schools):
    seen, url = [], f"{http.base_url}/wfs?service=WFS&version=2.0.0&request=GetFeature&typeNames=schools&count=25"
    while url:
        answer = http.get(url)
        root = etree.fromstring(answer.content)
        page = ids(answer)
        assert (root.get("numberMatched"), root.get("numberReturned")) == (str(len(schools)), str(len(page)))
        seen += page
        url = root.get("next")
    assert seen == [f"schools.{row['id']}" for row in schools]
    back = etree.fromstring(http.get(root.get("previous")).content)
    assert back.get("numberReturned") == "25"


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_number_of_features(http, schools, version):
    root = etree.fromstring(ask(http, version, typename="schools", resulttype="hits").content)
    assert root.get("numberMatched" if version == "2.0.0" else "numberOfFeatures") == str(len(schools))
    assert not root.xpath("//*[local-name()='schools']")


def test_sorting_goes_by_the_stored_values(http, schools):
    found = ask(http, typenames="schools", sortby="pupils D,source_id", outputformat="application/json").json()[
        "features"
    ]
    pupils = [one["properties"]["pupils"] for one in found]
    known = [value for value in pupils if value is not None]
    assert known == sorted(known, reverse=True)
    assert pupils[len(known) :] == [None] * (len(schools) - len(known))


def test_a_feature_by_its_id_is_the_document(http, schools):
    stored = "urn:ogc:def:query:OGC-WFS::GetFeatureById"
    answer = ask(http, storedquery_id=stored, id="schools.3")
    root = etree.fromstring(answer.content)
    assert etree.QName(root).localname == "schools"
    assert root.findtext("{urn:citymap:layers}source_id") == schools[2]["source_id"]
    for missing in ("schools.999999", "nothing.3", "schools.x"):
        gone = ask(http, storedquery_id=stored, id=missing)
        assert (gone.status_code, code(gone)) == (404, "NotFound")


def test_values_of_one_property(http, schools):
    answer = ask(http, request="GetPropertyValue", typenames="schools", valuereference="name", sortby="source_id")
    told = etree.fromstring(answer.content).xpath("//*[local-name()='member']/text()")
    assert told == [row["name"] for row in sorted(schools, key=lambda row: row["source_id"]) if row["name"]]


def test_other_formats_hold_the_same(http, schools, tmp_path):
    given = {
        "typenames": "schools",
        "bbox": "106.6,10.7,106.75,10.85,EPSG:4326",
        "srsname": "urn:ogc:def:crs:EPSG::9210",
    }
    keys = set(etree.fromstring(ask(http, **given).content).xpath("//*[local-name()='source_id']/text()"))
    geojson = ask(http, outputformat="application/json", **given).json()
    assert geojson["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::9210"
    rows = list(csv.DictReader(io.StringIO(ask(http, outputformat="csv", **given).text)))
    zipped = tmp_path / "schools.shp.zip"
    zipped.write_bytes(ask(http, outputformat="SHAPE-ZIP", **given).content)
    frame = pyogrio.read_dataframe(zipped)
    assert {one["properties"]["source_id"] for one in geojson["features"]} == keys
    assert {row["source_id"] for row in rows} == set(frame["source_id"]) == keys
    grid = Transformer.from_pipeline(PINNED_9210)
    by_key = {row["source_id"]: grid.transform(row["x"], row["y"]) for row in schools}
    for row in rows:
        assert [float(row["easting"]), float(row["northing"])] == pytest.approx(by_key[row["source_id"]], abs=0.001)


def test_what_xml_would_take_for_its_own_arrives_as_it_is(desk, pen):
    http, made = desk
    awkward = "a<b & \"c\" 'd' ]]> \\ back\\\\slash\ttab\nline\r\nend — Đường số 5"
    with psycopg.connect(made.owner_dsn) as conn:
        conn.execute(
            "INSERT INTO layers.field_notes (title, note, category, geom)"
            " VALUES ('awkward', %s, 'other', 'SRID=4326;POINT(106.7 10.8)')", (f"{awkward}\x01\x1f",))  # fmt: skip
    for version in VERSIONS:
        chosen = (
            f"<ogc:Filter {OGC}><ogc:PropertyIsEqualTo><ogc:PropertyName>title</ogc:PropertyName><ogc:Literal>awkward"
        )
        chosen += "</ogc:Literal></ogc:PropertyIsEqualTo></ogc:Filter>"
        root = etree.fromstring(ask(http, version, typename="field_notes", filter=chosen).content)
        assert root.xpath("//*[local-name()='note']/text()") == [awkward]


# Attacks and mistakes: a report with the right code, never a 5xx


def code(answer: httpx.Response) -> str:
    """The exception code of a report, of either kind."""
    root = etree.fromstring(answer.content)
    found = root.xpath("//@exceptionCode | //*[local-name()='ServiceException']/@code")
    assert len(found) == 1, answer.text
    return found[0]


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghi")) + "]>"  # fmt: skip
GET = '<wfs:GetFeature service="WFS" version="2.0.0" xmlns:wfs="http://www.opengis.net/wfs/2.0" {}>{}</wfs:GetFeature>'
DEEP = "<fes:Not>" * 5000 + "</fes:Not>" * 5000
POSTED = {
    "no XML": (b"{}", "OperationParsingFailed"),
    "cut off": (b"<wfs:GetFeature", "OperationParsingFailed"),
    "entity bomb": (f"{BOMB}<GetFeature>&i;</GetFeature>".encode(), "OperationParsingFailed"),
    "external entity": (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><GetFeature>&e;</GetFeature>',
                        "OperationParsingFailed"),
    "external DTD": (b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><GetFeature/>', "OperationParsingFailed"),
    "UTF-16 bomb": (f"{BOMB}<GetFeature>&i;</GetFeature>".encode("utf-16"), "OperationParsingFailed"),
    "unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><GetFeature/>', "OperationParsingFailed"),
    "too deep": (GET.format(FES, f"<wfs:Query><fes:Filter>{DEEP}</fes:Filter></wfs:Query>").encode(),
                 "OperationParsingFailed"),
    "too many conditions": (
        GET.format(FES, '<wfs:Query typeNames="schools"><fes:Filter><fes:Or>'
                   + "<fes:PropertyIsNull><fes:ValueReference>name</fes:ValueReference></fes:PropertyIsNull>" * 6000
                   + "</fes:Or></fes:Filter></wfs:Query>").encode(), "InvalidParameterValue"),
    "too much": (b"<GetFeature>" + b" " * (17 * 2**20) + b"</GetFeature>", "OperationParsingFailed"),
    "another operation": (b"<DropTable/>", "InvalidParameterValue"),
    "a lock": (b'<LockFeature service="WFS" version="2.0.0"/>', "OperationNotSupported"),
    "no query": (GET.format(FES, "").encode(), "MissingParameterValue"),
    "a join": (GET.format(FES, '<wfs:Query typeNames="schools wards"/>').encode(), "OptionNotSupported"),
    "nothing": (b"", "MissingParameterValue"),
}  # fmt: skip


@pytest.mark.parametrize("named", POSTED)
def test_a_bad_body_is_told_of(http, named):
    body, expected = POSTED[named]
    answer = http.post("/wfs", content=body, headers={"Content-Type": "text/xml"})
    assert 400 <= answer.status_code < 500, answer.text
    assert code(answer) == expected


INVALID, MISSING = "InvalidParameterValue", "MissingParameterValue"
ASKED = {
    "type": ({"typenames": "no_such"}, INVALID),
    "no type": ({}, MISSING),
    "request": ({"request": "Explode"}, INVALID),
    "service": ({"service": "WMS"}, INVALID),
    "version": ({"version": "9.9.9"}, INVALID),
    "crs": ({"srsname": "EPSG:999999"}, INVALID),
    "crs with quotes": ({"srsname": 'EPSG:4326"/><x'}, INVALID),
    "bbox": ({"bbox": "1,2,3"}, INVALID),
    "bbox of words": ({"bbox": "a,b,c,d"}, INVALID),
    "bbox of infinity": ({"bbox": "0,0,inf,nan"}, INVALID),
    "bbox with latitude last": ({"bbox": "106,10,107,11"}, INVALID),
    "property with SQL": ({"propertyname": "name) FROM pg_user --"}, INVALID),
    "property that is not there": ({"propertyname": "password"}, INVALID),
    "sort with SQL": ({"sortby": "name;DROP TABLE layers.schools"}, INVALID),
    "sort order": ({"sortby": "name SIDEWAYS"}, INVALID),
    "count": ({"count": "-1"}, INVALID),
    "start": ({"startindex": "1.5"}, INVALID),
    "format": ({"outputformat": "application/x-shockwave-flash"}, INVALID),
    "result type": ({"resulttype": "all"}, INVALID),
    "stored query": ({"storedquery_id": "DropEverything", "id": "1"}, INVALID),
    "filter": ({"filter": "name = 1"}, "OperationParsingFailed"),
    "operator": ({"filter": f"<fes:Filter {FES}><fes:Explode/></fes:Filter>"}, INVALID),
    "property in a filter": ({"filter": f"<fes:Filter {FES}><fes:PropertyIsNull><fes:ValueReference>x'y"
                              "</fes:ValueReference></fes:PropertyIsNull></fes:Filter>"}, INVALID),
    "literal": ({"filter": f"<fes:Filter {FES}><fes:PropertyIsEqualTo><fes:ValueReference>pupils</fes:ValueReference>"
                 "<fes:Literal>many</fes:Literal></fes:PropertyIsEqualTo></fes:Filter>"}, INVALID),
    "function": ({"filter": f'<fes:Filter {FES}><fes:PropertyIsEqualTo><fes:Function name="pg_sleep"><fes:Literal>9'
                  "</fes:Literal></fes:Function><fes:Literal>1</fes:Literal></fes:PropertyIsEqualTo></fes:Filter>"},
                 INVALID),
    "geometry": ({"filter": f"<fes:Filter {FES}><fes:Intersects><fes:ValueReference>geometry</fes:ValueReference>"
                  "<gml:Point><gml:pos>x y</gml:pos></gml:Point></fes:Intersects></fes:Filter>"}, INVALID),
    "value of no property": ({"request": "GetPropertyValue", "valuereference": "x;y"}, INVALID),
    "CQL": ({"cql_filter": "name ="}, INVALID),
    "twice": ({"TYPENAMES": "wards", "typenames": "schools"}, INVALID),
    "versions": ({"request": "GetCapabilities", "acceptversions": "7.0.0"}, "VersionNegotiationFailed"),
}  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("named", ASKED)
def test_a_bad_request_is_told_of(http, named, version):
    given, expected = ASKED[named]
    asked = {"service": "WFS", "version": version, "request": "GetFeature", **given}
    if named not in ("no type", "type", "twice"):
        asked["typenames"] = "schools"
    answer = http.get("/wfs", params=asked)
    if named == "bbox with latitude last" and version == "1.0.0":
        assert answer.status_code == 200  # longitude comes first there
        return
    assert 400 <= answer.status_code < 500, answer.text
    assert code(answer) == ("OperationNotSupported" if "value of" in named and version != "2.0.0" else expected)


def test_the_report_is_of_the_version_that_was_asked_for(http):
    for version, root in (
        ("1.0.0", "ServiceExceptionReport"),
        ("1.1.0", "ExceptionReport"),
        ("2.0.0", "ExceptionReport"),
    ):
        told = etree.fromstring(ask(http, version, typename="nothing").content)
        assert etree.QName(told).localname == root
    report = ask(http, typenames="nothing").content
    assert xsd.faults(report, ("http://www.opengis.net/ows/1.1", "ows/1.1.0/owsAll.xsd")) == []


# Writing


@pytest.fixture(scope="module")
def desk(cluster, template, layers, house) -> Iterator[tuple[httpx.Client, object]]:
    """A server over a database of its own, and that database."""
    chosen = settings(data=house, real_data=house / "nothing", port=free_port(), workers=1)
    with (
        fresh(cluster, template, layers) as made,
        serve(chosen, made) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client, made


@pytest.fixture(scope="module")
def pen(desk) -> dict[str, str]:
    """Headers of a token that may write field notes."""
    return token(desk[1], "pen")


def transaction(version: str, inside: str) -> str:
    """A transaction of a version. In it `f:` is the prefix of filters, `gml:` that of the version's GML."""
    filters, gml = ("fes/2.0", "gml/3.2") if version == "2.0.0" else ("ogc", "gml")
    wfs = "wfs/2.0" if version == "2.0.0" else "wfs"
    spaces = {"wfs": wfs, "f": filters, "gml": gml}
    named = " ".join(f'xmlns:{prefix}="http://www.opengis.net/{space}"' for prefix, space in spaces.items())
    start = f'<wfs:Transaction service="WFS" version="{version}" {named} xmlns:citymap="urn:citymap:layers">'
    return f"{start}{inside}</wfs:Transaction>"


def point(version: str) -> str:
    """10.7769 N 106.7009 E, as each version writes it."""
    if version == "1.0.0":
        return '<gml:Point srsName="EPSG:4326"><gml:coordinates>106.7009,10.7769</gml:coordinates></gml:Point>'
    return '<gml:Point srsName="urn:ogc:def:crs:EPSG::4326"><gml:pos>10.7769 106.7009</gml:pos></gml:Point>'


def note(version: str, title: str, more: str = "<citymap:category>tree</citymap:category>") -> str:
    title = f"<citymap:title>{title}</citymap:title>"
    return (
        f"<citymap:field_notes>{title}{more}<citymap:geometry>{point(version)}</citymap:geometry></citymap:field_notes>"
    )


def by_id(version: str, identifier: str) -> str:
    if version == "2.0.0":
        return f'<f:Filter><f:ResourceId rid="{identifier}"/></f:Filter>'
    return f'<f:Filter><f:FeatureId fid="{identifier}"/></f:Filter>'


def send(http: httpx.Client, version: str, inside: str, headers: dict | None = None) -> httpx.Response:
    body = transaction(version, inside).encode()
    return http.post("/wfs", content=body, headers={"Content-Type": "text/xml", **(headers or {})})


def new_id(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return etree.fromstring(answer.content).xpath("//@fid | //@rid")[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_feature_is_inserted_changed_and_taken_away_with_its_history(desk, pen, version):
    http, made = desk
    answer = send(http, version, f"<wfs:Insert>{note(version, 'Cây đổ')}</wfs:Insert>", pen)
    identifier = new_id(answer)
    number = identifier.partition(".")[2]
    stored = http.get(f"/collections/field_notes/items/{number}").json()
    assert stored["geometry"]["coordinates"] == [106.7009, 10.7769]
    assert (stored["properties"]["title"], stored["properties"]["category"]) == ("Cây đổ", "tree")
    word = "ValueReference" if version == "2.0.0" else "Name"
    changed = (
        f'<wfs:Update typeName="citymap:field_notes"><wfs:Property><wfs:{word}>citymap:status</wfs:{word}>'
        f"<wfs:Value>done</wfs:Value></wfs:Property>{by_id(version, identifier)}</wfs:Update>"
    )
    assert send(http, version, changed, pen).status_code == 200
    after = http.get(f"/collections/field_notes/items/{number}").json()
    assert after["properties"] == {**stored["properties"], "status": "done"}
    assert after["geometry"] == stored["geometry"]
    gone = f'<wfs:Delete typeName="citymap:field_notes">{by_id(version, identifier)}</wfs:Delete>'
    assert send(http, version, gone, pen).status_code == 200
    assert http.get(f"/collections/field_notes/items/{number}").status_code == 404
    with psycopg.connect(made.owner_dsn) as conn:
        rows = conn.execute("SELECT action, who FROM citymap.history WHERE feature_id = %s ORDER BY at, id", (number,))
        assert rows.fetchall() == [("insert", "pen"), ("update", "pen"), ("delete", "pen")]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_response_to_a_transaction_follows_the_schemas(desk, pen, version):
    place = ("http://www.opengis.net/wfs", "wfs/1.0.0/WFS-transaction.xsd") if version == "1.0.0" else WFS[version]
    answer = send(desk[0], version, f'<wfs:Insert handle="one">{note(version, "Hố ga")}</wfs:Insert>', pen)
    assert xsd.faults(answer.content, place) == []
    gone = f'<wfs:Delete typeName="citymap:field_notes">{by_id(version, new_id(answer))}</wfs:Delete>'
    assert xsd.faults(send(desk[0], version, gone, pen).content, place) == []


def test_a_transaction_is_done_whole_or_not_at_all(desk, pen):
    http, _ = desk

    def count() -> int:
        return http.get("/collections/field_notes/items?resultType=hits").json()["numberMatched"]

    before = count()
    good, bad = note("2.0.0", "Good"), note("2.0.0", "Bad", "<citymap:category>nonsense</citymap:category>")
    answer = send(http, "2.0.0", f"<wfs:Insert>{good}</wfs:Insert><wfs:Insert>{bad}</wfs:Insert>", pen)
    assert (answer.status_code, code(answer)) == (422, "OperationProcessingFailed")
    assert "/properties/category" in answer.text
    assert count() == before
    both = send(http, "2.0.0", f"<wfs:Insert>{good}{good}</wfs:Insert>", pen)
    assert len(etree.fromstring(both.content).xpath("//@rid")) == 2
    assert count() == before + 2


def test_many_are_changed_by_what_they_have_in_common(desk, pen):
    http, _ = desk
    send(http, "2.0.0", f"<wfs:Insert>{note('2.0.0', 'Same') * 3}</wfs:Insert>", pen)
    same = "<f:Filter><f:PropertyIsEqualTo><f:ValueReference>title</f:ValueReference><f:Literal>Same</f:Literal>"
    same += "</f:PropertyIsEqualTo></f:Filter>"
    moved = '<gml:Point srsName="urn:ogc:def:crs:EPSG::9210"><gml:pos>603797.26 1191942.33</gml:pos></gml:Point>'
    update = (
        '<wfs:Update typeName="field_notes"><wfs:Property><wfs:ValueReference>geometry</wfs:ValueReference>'
        f"<wfs:Value>{moved}</wfs:Value></wfs:Property>{same}</wfs:Update>"
    )
    answer = send(http, "2.0.0", update, pen)
    assert etree.fromstring(answer.content).xpath("//*[local-name()='totalUpdated']/text()") == ["3"]
    found = http.get("/collections/field_notes/items", params={"title": "Same"}).json()["features"]
    for one in found:
        assert one["geometry"]["coordinates"] == pytest.approx([106.7009, 10.7769], abs=1e-6)
    replaced = f"<wfs:Replace>{note('2.0.0', 'Other')}{same}</wfs:Replace>"
    assert "<wfs:totalReplaced>3<" in send(http, "2.0.0", replaced, pen).text
    other = same.replace(">Same<", ">Other<")
    assert (
        "<wfs:totalDeleted>3<"
        in send(http, "2.0.0", f'<wfs:Delete typeName="field_notes">{other}</wfs:Delete>', pen).text
    )


def test_programs_that_know_only_names_and_passwords_give_the_token_as_password(desk, pen):
    http, _ = desk
    secret = pen["Authorization"].partition(" ")[2]
    body = transaction("1.0.0", f"<wfs:Insert>{note('1.0.0', 'Mật khẩu')}</wfs:Insert>").encode()
    assert http.post("/wfs", content=body, auth=("anyone", secret)).status_code == 200
    assert http.post("/wfs", content=body, auth=(secret, "wrong")).status_code == 401


REFUSED = {
    "nobody": ({}, "<wfs:Insert>{note}</wfs:Insert>", 401, "NoApplicableCode"),
    "another pen": ("other", "<wfs:Insert>{note}</wfs:Insert>", 403, "NoApplicableCode"),
    "not writable": ("pen", '<wfs:Delete typeName="schools">{filter}</wfs:Delete>', 400, "OperationNotSupported"),
    "no filter": ("pen", '<wfs:Delete typeName="field_notes"/>', 400, "MissingParameterValue"),
    "no layer": ("pen", '<wfs:Delete typeName="nothing">{filter}</wfs:Delete>', 400, "InvalidParameterValue"),
    "unknown property": (
        "pen",
        '<wfs:Update typeName="field_notes"><wfs:Property><wfs:ValueReference>x</wfs:ValueReference><wfs:Value>1'
        "</wfs:Value></wfs:Property>{filter}</wfs:Update>",
        422,
        "OperationProcessingFailed",
    ),
    "what others may not see": (
        "pen",
        '<wfs:Update typeName="field_notes"><wfs:Property><wfs:ValueReference>author</wfs:ValueReference><wfs:Value>me'
        "</wfs:Value></wfs:Property>{filter}</wfs:Update>",
        422,
        "OperationProcessingFailed",
    ),
    "no such action": ("pen", "<wfs:Explode/>", 400, "InvalidParameterValue"),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_may_not_be_written_is_refused(desk, pen, named):
    http, made = desk
    who, inside, status, expected = REFUSED[named]
    headers = {} if who == {} else pen if who == "pen" else token(made, "other", (), insider=True)
    filled = inside.format(note=note("2.0.0", "No"), filter=by_id("2.0.0", "field_notes.1"))
    answer = send(http, "2.0.0", filled, headers)
    assert (answer.status_code, code(answer)) == (status, expected)
    assert ("www-authenticate" in answer.headers) == (status == 401)
