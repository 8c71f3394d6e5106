"""Pictures through WMS and WMTS over a real server: in the right place, of the right colours, for the right eyes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import numpy as np
import psutil
import pytest
import xsd
from conftest import free_port, serve, until
from lxml import etree
from numpy.typing import NDArray
from owslib.wms import WebMapService
from owslib.wmts import WebMapTileService
from pyproj import Transformer
from rasterio.io import MemoryFile

from mapserver import viewer
from mapserver.catalogue import catalogue
from mapserver.crs import CRS84, OFFERED, WEB_MERCATOR, Crs
from mapserver.database import Database
from mapserver.errors import Busy, NoRenderer, NotDrawn
from mapserver.mapview import Shot
from mapserver.matrices import CITY_QUAD, MATRIX_SETS, WEB_MERCATOR_QUAD
from mapserver.rendering.job import Job
from mapserver.rendering.pool import MAX_WAITING, Pool
from mapserver.settings import ROOT, Settings, settings
from mapserver.styles import drawn
from mapserver.tokens import add

pytestmark = pytest.mark.postgis

LAYERS = catalogue(ROOT / "layers")
PUBLIC = [layer.name for layer in LAYERS if drawn(layer) and layer.access.level == "public"]
SCHOOL, KINDERGARTEN = (0xB4, 0x69, 0x0E), (0xDF, 0xA3, 0x5B)
OFF_PX = 0.75
"""How far a drawn dot may be from its place. Seen: 0.2 px where nothing is warped, 0.4 px in VN-2000."""
ANTI_ALIASING = 48
"""Steps of 255 by which a pixel may differ between two ways to the same picture, beside edges of less than 1 %."""


def pixels(content: bytes) -> NDArray[np.uint8]:
    """(bands, rows, columns) of a picture file."""
    with MemoryFile(content) as memory, memory.open() as file:
        return np.asarray(file.read(), np.uint8)


def coloured(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Where a picture has a colour, nearly."""
    away = np.abs(picture[:3].astype(int) - np.array(colour)[:, None, None]).max(axis=0)
    return (away <= 10) & (picture[3] > 250 if len(picture) > 3 else True)


def differing(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The share of pixels in which two pictures differ by more than anti-aliasing."""
    assert one.shape[1:] == other.shape[1:]
    return float((np.abs(one[:3].astype(int) - other[:3]).max(axis=0) > ANTI_ALIASING).mean())


@pytest.fixture(scope="module")
def insider(toy: Database) -> str:
    """A token that may see what is internal."""
    return add(toy.owner_dsn, LAYERS, f"pictures-{os.getpid()}", (), insider=True)


@pytest.fixture(scope="module")
def school(server: str) -> tuple[float, float]:
    """Longitude and latitude of a school that has no other near it."""
    found = got(f"{server}/collections/schools/items?limit=10000").json()["features"]
    places = np.array([one["geometry"]["coordinates"] for one in found if one["properties"]["kind"] == "school"])
    away = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) + np.eye(len(places)) * 9
    return tuple(places[away.min(axis=1).argmax()])


CENTRE = (106.6975, 10.7785)
"""Where there is much to draw."""


def got(url: str, **more: object) -> httpx.Response:
    """An answer, on a machine that may have much to do."""
    return httpx.get(url, **{"timeout": 60, **more})  # type: ignore[arg-type]


def wms(server: str, **given: object) -> httpx.Response:
    asked = {"SERVICE": "WMS", "VERSION": "1.3.0", "REQUEST": "GetMap", "STYLES": "", "FORMAT": "image/png", **given}
    return got(f"{server}/wms", params={name: value for name, value in asked.items() if value is not None}, timeout=60)


def around(place: tuple[float, float], crs: Crs, half_m: float, version: str = "1.3.0") -> str:
    """A BBOX about a place, in the axis order of the version."""
    x, y = Transformer.from_crs("OGC:CRS84", crs.proj4 or crs.code, always_xy=True).transform(*place)
    half = half_m / 111_320 if crs.srid == 4326 else half_m
    swapped = crs.swap and version == "1.3.0"
    first, second = (y, x) if swapped else (x, y)
    return ",".join(repr(float(edge)) for edge in (first - half, second - half, first + half, second + half))


# where things are


@pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.code)
@pytest.mark.parametrize("version", ["1.1.1", "1.3.0"])
def test_a_dot_is_where_its_school_is(server, school, crs, version):
    if crs == CRS84 and version == "1.1.1":
        return  # has no name there
    name = "CRS:84" if crs == CRS84 else crs.code
    answer = wms(
        server, VERSION=version, LAYERS="schools", TRANSPARENT="TRUE", WIDTH=301, HEIGHT=301,
        BBOX=around(school, crs, 900, version), **{"CRS" if version == "1.3.0" else "SRS": name},
    )  # fmt: skip
    assert answer.headers["content-type"] == "image/png", answer.text
    down, across = np.nonzero(coloured(pixels(answer.content), SCHOOL))
    near = np.hypot(down - 150, across - 150) < 8
    assert near.sum() > 4
    off = max(abs(down[near].mean() - 150), abs(across[near].mean() - 150))
    print(f"{version} {crs.code}: {off:.2f} px off")
    assert off < OFF_PX


def test_pixels_need_not_be_square(server, school):
    west, south, east, north = map(float, around(school, WEB_MERCATOR, 800).split(","))
    answer = wms(
        server, LAYERS="schools", CRS="EPSG:3857", BBOX=f"{west},{south},{east},{north}", WIDTH=600, HEIGHT=300
    )
    down, across = np.nonzero(coloured(pixels(answer.content), SCHOOL))
    near = np.hypot(down - 149.5, across - 299.5) < 12
    assert near.any()
    assert abs(across[near].mean() - 299.5) < 1


@pytest.mark.parametrize("box", ["-180,-90,180,90", "-20,-20,20,20", "179,-89,180,-88"])
def test_any_place_on_earth_is_a_picture(server, box):
    south_first = ",".join(box.split(",")[at] for at in (1, 0, 3, 2))
    answer = wms(server, LAYERS="citymap", CRS="EPSG:4326", BBOX=south_first, WIDTH=200, HEIGHT=100)
    assert answer.headers["content-type"] == "image/png"
    assert pixels(answer.content).shape[1:] == (100, 200)


# what is drawn


def test_every_layer_draws(server):
    extents = got(f"{server}/collections").json()["collections"]
    boxes = {one["id"]: one["extent"]["spatial"]["bbox"][0] for one in extents if "spatial" in one.get("extent", {})}
    for name in PUBLIC:
        if name not in boxes:
            continue
        west, south, east, north = np.array(boxes[name]) + np.array((-0.01, -0.01, 0.01, 0.01))
        answer = wms(server, LAYERS=name, CRS="CRS:84", BBOX=f"{west},{south},{east},{north}", WIDTH=64, HEIGHT=64)
        assert answer.headers["content-type"] == "image/png", (name, answer.text)


@pytest.mark.parametrize(("form", "bands"), [("image/png", 4), ("image/jpeg", 3), ("image/webp", 4)])
def test_formats_and_transparency(server, school, form, bands):
    given = {"LAYERS": "schools", "CRS": "EPSG:3857", "BBOX": around(school, WEB_MERCATOR, 800), "FORMAT": form}
    clear = wms(server, **given, WIDTH=100, HEIGHT=100, TRANSPARENT="TRUE")
    assert clear.headers["content-type"] == form
    assert len(pixels(clear.content)) == bands
    blue = pixels(wms(server, **given, WIDTH=100, HEIGHT=100, BGCOLOR="0x3366CC").content)
    assert np.abs(blue[:3, 2, 2].astype(int) - (0x33, 0x66, 0xCC)).max() <= 4


def test_styles_and_the_order_of_layers(server, school):
    box = around(school, WEB_MERCATOR, 300)
    given = {"CRS": "EPSG:3857", "BBOX": box, "WIDTH": 99, "HEIGHT": 99}
    light, dark = (
        pixels(wms(server, LAYERS="wards,schools", STYLES=f"{style},{style}", **given).content)
        for style in ("default", "dark")
    )
    assert light.mean() > dark.mean() + 50
    assert coloured(light, SCHOOL).any(), "the dots lie above the wards"
    under = pixels(wms(server, LAYERS="schools,wards", **given).content)
    assert not coloured(under, SCHOOL)[45:54, 45:54].any(), "the wards lie above the dots"


def test_time_leaves_out_what_is_not_of_then(server):
    layer = "environment"
    about = got(f"{server}/collections/{layer}").json()["extent"]["spatial"]["bbox"][0]
    given = {"LAYERS": layer, "CRS": "CRS:84", "BBOX": ",".join(map(str, about)), "WIDTH": 300, "HEIGHT": 300,
             "TRANSPARENT": "TRUE"}  # fmt: skip
    ever, before = (pixels(wms(server, **given, TIME=time).content)[3] for time in ("2000/2100", "1970/1971-02"))
    assert ever.any()
    assert not before.any()


def test_a_block_of_tiles_is_one_picture_whole(server):
    """The same ground through WMS and as WMTS tiles side by side, in both matrix sets."""
    for matrices, level in ((WEB_MERCATOR_QUAD, 15), (CITY_QUAD, 9)):
        x, y = Transformer.from_crs("OGC:CRS84", matrices.crs.proj4 or matrices.crs.code, always_xy=True).transform(
            *CENTRE
        )
        span = 256 * matrices.pixel(level)
        column, row = (int(n) // 2 * 2 for n in ((x - matrices.left) / span, (matrices.top - y) / span))
        tiles = [
            [
                pixels(tile(server, f"{matrices.name}/{level}/{row + down}/{column + across}").content)[:3]
                for across in (0, 1)
            ]
            for down in (0, 1)
        ]
        joined = np.concatenate([np.concatenate(line, axis=2) for line in tiles], axis=1)
        box = ",".join(map(repr, matrices.edges(level, column, row, across=2)))
        one = pixels(wms(server, LAYERS="citymap", CRS=matrices.crs.code, BBOX=box, WIDTH=512, HEIGHT=512).content)
        share = differing(joined, one)
        print(f"{matrices.name}: {share:.2%} of the pixels differ (labels at the edges)")
        assert share < 0.04
        wrong = joined.copy()
        wrong[:, coloured(joined, (0xF7, 0xF4, 0xEC))] = np.array((0xCC, 0x33, 0x33), np.uint8)[:, None]
        assert differing(wrong, one) > 0.04, "a planted wrong colour is seen"


def tile(server: str, address: str, layer: str = "citymap") -> httpx.Response:
    return got(f"{server}/wmts/{layer}/default/{address}.png")


def test_kvp_and_rest_give_the_same_tile_and_304(server):
    rest = tile(server, "HCMCVN2000Quad/6/13/12")
    asked = {"SERVICE": "WMTS", "REQUEST": "GetTile", "VERSION": "1.0.0", "LAYER": "citymap", "STYLE": "default"}
    asked |= {"FORMAT": "image/png", "TILEMATRIXSET": "HCMCVN2000Quad"}
    asked |= {"TILEMATRIX": "6", "TILEROW": "13", "TILECOL": "12"}
    kvp = got(f"{server}/wmts", params=asked)
    assert rest.content == kvp.content
    again = got(f"{server}/wmts", params=asked, headers={"if-none-match": kvp.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_ogc_maps_are_the_same_pictures(server, school):
    """`/map` and its tiles beside WMS and WMTS."""
    box = around(school, WEB_MERCATOR, 700)
    given = {"bbox": box, "bbox-crs": WEB_MERCATOR.uri, "crs": WEB_MERCATOR.uri, "width": 300, "height": 300}
    drawn_map = got(f"{server}/collections/schools/map", params=given)
    beside = wms(server, LAYERS="schools", CRS="EPSG:3857", BBOX=box, WIDTH=300, HEIGHT=300, TRANSPARENT="TRUE")
    assert drawn_map.headers["content-crs"] == f"<{WEB_MERCATOR.uri}>"
    assert drawn_map.content == beside.content
    for address in ("HCMCVN2000Quad/6/13/12", "WebMercatorQuad/11/962/1631"):
        picture = got(f"{server}/collections/wards/map/tiles/{address}")
        assert picture.headers["content-type"] == "image/png"
        assert picture.content == tile(server, address, "wards").content
    whole = got(f"{server}/collections/wards/map?f=webp&bgcolor=0xffffff&width=200")
    assert pixels(whole.content).shape[2] == 200


@pytest.mark.parametrize(
    "address", ["map?width=0", "map?bbox=1,2", "map?bgcolor=red", "map?crs=EPSG:1", "map?colour=1", "map?theme=pink"]
)
def test_what_is_wrong_with_a_map_is_a_problem(server, address):
    answer = got(f"{server}/collections/schools/{address}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert got(f"{server}/collections/schools/map/tiles/HCMCVN2000Quad/2/4/0").status_code == 404
    assert got(f"{server}/collections/schools/map/tiles/Nowhere/2/0/0").status_code == 404


# who sees it


def test_what_is_internal_is_in_nobodys_picture_but_an_insiders(server, insider):
    closed = [layer.name for layer in LAYERS if drawn(layer) and layer.access.level == "internal"]
    assert closed
    with_token = {"authorization": f"Bearer {insider}"}
    for name in closed:
        given = {"LAYERS": name, "CRS": "CRS:84", "BBOX": "106.5,10.6,106.9,11", "WIDTH": 400, "HEIGHT": 400}
        assert wms(server, **given).status_code == 401
        query = urlencode({"SERVICE": "WMS", "VERSION": "1.3.0", "REQUEST": "GetMap", "FORMAT": "image/png", **given})
        seen = got(f"{server}/wms?{query}", headers=with_token)
        assert seen.headers["content-type"] == "image/png"
        assert f"<Name>{name}</Name>" not in got(f"{server}/wms?SERVICE=WMS&REQUEST=GetCapabilities").text
        assert f"<Name>{name}</Name>" in got(
            f"{server}/wms?SERVICE=WMS&REQUEST=GetCapabilities", headers=with_token).text  # fmt: skip
        assert tile(server, "WebMercatorQuad/12/1924/3261", name).status_code == 401
    whole = {"LAYERS": f"citymap,{closed[0]}", "CRS": "CRS:84", "BBOX": "106.5,10.6,106.9,11", "WIDTH": 9, "HEIGHT": 9}
    assert wms(server, **whole).status_code == 401


# what is asked at a pixel, legends, descriptions


def info(server: str, place: tuple[float, float], **given: object) -> httpx.Response:
    return wms(
        server, REQUEST="GetFeatureInfo", LAYERS="schools,wards", QUERY_LAYERS="schools,wards", CRS="EPSG:9210",
        BBOX=around(place, LAYERS_9210, 500), WIDTH=201, HEIGHT=201, I=100, J=100, FEATURE_COUNT=5, **given,
    )  # fmt: skip


LAYERS_9210 = next(crs for crs in OFFERED if crs.code == "EPSG:9210")


def test_feature_info_finds_what_is_drawn_there_in_every_form(server, school):
    found = info(server, school, INFO_FORMAT="application/json").json()["features"]
    names = [one["properties"]["name"] for one in found if one["id"].startswith("schools.")]
    assert [one for one in found if one["id"].startswith("wards.")]
    assert names
    assert found[0]["geometry"]["coordinates"] == pytest.approx(school)
    for form in ("text/plain", "text/html", "application/vnd.ogc.gml"):
        answer = info(server, school, INFO_FORMAT=form)
        assert answer.headers["content-type"].startswith(form)
        assert names[0] in answer.text
    assert "Nothing is found" in info(server, (0.0, 0.0), LANGUAGE="en").text


def test_a_raster_tells_its_value(server):
    answer = wms(server, REQUEST="GetFeatureInfo", LAYERS="elevation", QUERY_LAYERS="elevation", CRS="CRS:84", WIDTH=9,
                 HEIGHT=9, BBOX="106.69,10.77,106.71,10.79", I=4, J=4, INFO_FORMAT="application/json")  # fmt: skip
    (one,) = answer.json()["features"]
    assert -20 < next(iter(one["properties"].values())) < 1000


@pytest.mark.parametrize("layer", ["roads", "citymap", "elevation"])
def test_a_legend_has_the_colours_of_its_classes(server, layer):
    answer = wms(server, REQUEST="GetLegendGraphic", LAYER=layer)
    picture = pixels(answer.content)
    expected = {"roads": (0xF2, 0xB3, 0x6B), "citymap": (0xB4, 0x69, 0x0E), "elevation": (0x5D, 0xA0, 0x4B)}[layer]
    assert coloured(picture, expected).sum() > 20
    dark = (picture[:3].max(axis=0) < 90).sum()
    assert dark > 25, "titles are written"


# what is wrong


GOOD = {"LAYERS": "schools", "CRS": "EPSG:3857", "BBOX": "11875000,1203000,11880000,1207000", "WIDTH": 64, "HEIGHT": 64}
BAD = [
    ({"LAYERS": "nothing"}, "LayerNotDefined"),
    ({"LAYERS": None}, "MissingParameterValue"),
    ({"STYLES": "pink"}, "StyleNotDefined"),
    ({"STYLES": ",,"}, "StyleNotDefined"),
    ({"CRS": "EPSG:27700"}, "InvalidCRS"),
    ({"VERSION": "1.1.1", "SRS": "EPSG:1", "CRS": None}, "InvalidSRS"),
    ({"FORMAT": "image/tiff"}, "InvalidFormat"),
    ({"WIDTH": 10**9}, "InvalidParameterValue"),
    ({"WIDTH": 0}, "InvalidParameterValue"),
    ({"HEIGHT": "-5"}, "InvalidParameterValue"),
    ({"HEIGHT": None}, "MissingParameterValue"),
    ({"BBOX": "1,2,3"}, "InvalidParameterValue"),
    ({"BBOX": "5,5,1,1"}, "InvalidParameterValue"),
    ({"BBOX": "nan,0,inf,1"}, "InvalidParameterValue"),
    ({"BGCOLOR": "red"}, "InvalidParameterValue"),
    ({"TIME": "yesterday"}, "InvalidDimensionValue"),
    ({"TIME": "9999-99"}, "InvalidDimensionValue"),
    ({"TRANSPARENT": "maybe"}, "InvalidParameterValue"),
    ({"SLD_BODY": "<StyledLayerDescriptor/>"}, "OperationNotSupported"),
    ({"REQUEST": "DropTables"}, "OperationNotSupported"),
    ({"REQUEST": "GetFeatureInfo", "QUERY_LAYERS": "schools", "I": 64, "J": 1}, "InvalidPoint"),
    ({"REQUEST": "GetFeatureInfo", "QUERY_LAYERS": "schools", "I": 1, "J": 1, "INFO_FORMAT": "x"}, "InvalidFormat"),
]


@pytest.mark.parametrize(("given", "code"), BAD, ids=str)
def test_what_is_wrong_is_told_as_a_service_exception(server, given, code):
    answer = wms(server, **{**GOOD, **given})
    assert answer.status_code == 400, answer.text
    assert f'code="{code}"' in answer.text
    assert "ServiceExceptionReport" in answer.text


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("citymap/default/WebMercatorQuad/3/8/0.png", "TileOutOfRange"),
        ("citymap/default/WebMercatorQuad/99/0/0.png", "InvalidParameterValue"),
        ("citymap/default/Nowhere/3/0/0.png", "InvalidParameterValue"),
        ("nothing/default/WebMercatorQuad/3/0/0.png", "LayerNotDefined"),
        ("citymap/pink/WebMercatorQuad/3/0/0.png", "StyleNotDefined"),
        ("citymap/default/WebMercatorQuad/3/0/0.bmp", "InvalidFormat"),
        ("citymap/default/WebMercatorQuad/3/-1/0.png", "InvalidParameterValue"),
    ],
)
def test_what_is_wrong_with_a_tile_is_told_as_an_exception_report(server, address, code):
    answer = got(f"{server}/wmts/{address}")
    assert answer.status_code == 400
    assert f'exceptionCode="{code}"' in answer.text


# programs on desks


def test_owslib_reads_every_public_layer(server):
    for version in ("1.1.1", "1.3.0"):
        service = WebMapService(f"{server}/wms", version=version)
        assert set(service.contents) == {"citymap", *PUBLIC}
        assert "Bản đồ" in service.identification.title
        assert set(service["roads"].styles) == {"default", "dark"}
        assert "EPSG:9210" in service["citymap"].crsOptions
        picture = service.getmap(layers=["wards"], srs="EPSG:9210", bbox=(590000, 1180000, 620000, 1210000),
                                 size=(200, 200), format="image/png", styles=[""])  # fmt: skip
        assert pixels(picture.read()).shape[1:] == (200, 200)
    tiles = WebMapTileService(f"{server}/wmts")
    assert set(tiles.contents) == {"citymap", *PUBLIC}
    assert set(tiles.tilematrixsets) == set(MATRIX_SETS)


def test_capabilities_and_reports_follow_the_schemas_of_the_ogc(server):
    service = ("http://www.opengis.net/wms", "wms/1.3.0/capabilities_1_3_0.xsd")
    styled = ("http://www.opengis.net/sld", "sld/1.1.0/sld_capabilities.xsd")
    told = got(f"{server}/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetCapabilities").content
    assert xsd.faults(told, service, styled) == []
    refused = wms(server, **{**GOOD, "LAYERS": "nothing"}).content
    assert xsd.faults(refused, ("http://www.opengis.net/ogc", "wms/1.3.0/exceptions_1_3_0.xsd")) == []
    described = "SERVICE=WMS&VERSION=1.1.1&REQUEST=DescribeLayer&LAYERS=wards,elevation"
    older = ("WMS_MS_Capabilities", "SERVICE=WMS&VERSION=1.1.1&REQUEST=GetCapabilities")
    for name, query in (older, ("WMS_DescribeLayerResponse", described)):
        grammar = etree.DTD(str(xsd.folder() / f"wms/1.1.1/{name}.dtd"))
        assert grammar.validate(etree.fromstring(got(f"{server}/wms?{query}").content)), grammar.error_log
    tiles = got(f"{server}/wmts/1.0.0/WMTSCapabilities.xml").content
    assert xsd.faults(tiles, ("http://www.opengis.net/wmts/1.0", "wmts/1.0/wmtsGetCapabilities_response.xsd")) == []


def gdal(tmp_path: Path, source: str, *options: str) -> NDArray[np.uint8]:
    target = tmp_path / "out.png"
    command = ["gdalwarp", "-q", "-overwrite", "-of", "GTiff", *options, source, str(target.with_suffix(".tif"))]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return pixels(target.with_suffix(".tif").read_bytes())


@pytest.fixture(scope="module")
def ground(server: str) -> tuple[list[str], NDArray[np.uint8]]:
    """2 km of ground in VN-2000, and its picture from WMS."""
    box = around(CENTRE, LAYERS_9210, 1024)
    answer = wms(server, LAYERS="citymap", CRS="EPSG:9210", BBOX=box, WIDTH=512, HEIGHT=512)
    return box.split(","), pixels(answer.content)


def test_gdal_reads_wms_and_wmts_at_the_right_place(server, ground, tmp_path):
    box, picture = ground
    there = ("-t_srs", "EPSG:9210", "-te", *box, "-ts", "512", "512", "-r", "near")
    form = "WMS:{}/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetMap&LAYERS=citymap&CRS=EPSG:9210&BBOX={}&FORMAT=image/png"
    assert differing(gdal(tmp_path, form.format(server, ",".join(box)), *there), picture) < 0.12
    tiles = f"WMTS:{server}/wmts/1.0.0/WMTSCapabilities.xml,layer=citymap,tilematrixset=HCMCVN2000Quad"
    assert differing(gdal(tmp_path, tiles, *there), picture) < 0.12


def test_qgis_draws_wms_and_wmts_as_we_do(server, ground, tmp_path):
    box, picture = ground
    wanted = "crs=EPSG:9210&format=image/png&layers=citymap&styles=default"
    tiles = f"{wanted}&tileMatrixSet=HCMCVN2000Quad&url={server}/wmts/1.0.0/WMTSCapabilities.xml"
    sources = (f"wms={wanted}&url={server}/wms?VERSION%3D1.3.0", f"wmts={tiles}")
    script = str(Path(__file__).with_name("qgis_maps.py"))
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
    command = ["/usr/bin/python3", script, str(tmp_path), ",".join(box), "EPSG:9210", *sources]
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    for name, most in (("wms", 0.02), ("wmts", 0.12)):
        share = differing(pixels((tmp_path / f"{name}.png").read_bytes()), picture)
        print(f"QGIS {name}: {share:.2%} of the pixels differ")
        assert share < most


# when it goes wrong


@pytest.fixture
def alone(toy: Database, toy_settings: Settings) -> Iterator[tuple[str, int]]:
    """A server of its own whose drawing process may be killed; its address and its port."""
    chosen = settings(
        data=toy_settings.data, real_data=toy_settings.real_data, port=free_port(), workers=1, cache=False
    )
    with serve(chosen, toy) as url:
        yield url, chosen.port


def drawers(port: int) -> list[psutil.Process]:
    """The drawing processes of a server."""
    mine = [p for p in psutil.process_iter(["cmdline"]) if "mapserver.rendering.child" in (p.info["cmdline"] or [])]
    return [p for p in mine if p.environ().get("CITYMAP_PORT") == str(port)]


def test_a_killed_drawing_process_costs_one_picture_at_most(alone):
    server, port = alone
    picture = {**GOOD, "LAYERS": "wards", "WIDTH": 500, "HEIGHT": 400}
    whole = wms(server, **picture)
    (child,) = drawers(port)
    folder = Path(child.cmdline()[-1])
    assert folder.is_dir()
    child.send_signal(signal.SIGKILL)
    until(lambda: child not in drawers(port), "the process has ended")
    first = wms(server, **picture)
    assert first.content == whole.content or (first.status_code, first.headers["retry-after"]) == (503, "2")
    assert wms(server, **picture).content == whole.content
    assert not folder.exists(), "what it left is cleared away"


def test_a_hanging_process_is_ended_and_a_full_queue_refuses(toy_settings: Settings):
    asyncio.run(hanging(toy_settings))


async def hanging(toy_settings: Settings) -> None:
    pool = Pool(toy_settings, viewer.BUILT / "glyphs", time_limit_s=1.0)
    style = '{"version": 8, "sources": {}, "layers": []}'
    job = Job(style, Shot(0.0, 0.0, 1.0, 20, 10), "png")
    assert len(await pool.drawn(job)) == 1
    children = psutil.Process().children()
    (child,) = [one for one in children if "mapserver.rendering.child" in one.cmdline()]
    child.suspend()
    asked = await asyncio.gather(*(pool.drawn(job) for _ in range(MAX_WAITING + 2)), return_exceptions=True)
    assert {type(answer) for answer in asked if isinstance(answer, Exception)} == {Busy, NotDrawn}
    assert sum(isinstance(answer, tuple) for answer in asked) == MAX_WAITING, "those that waited were drawn"
    (child,) = [one for one in psutil.Process().children() if "mapserver.rendering.child" in one.cmdline()]
    child.suspend()
    killed = asyncio.create_task(pool.drawn(job))
    for _ in range(20):
        await asyncio.sleep(0)  # until the job is on its way
    child.kill()
    with pytest.raises(NotDrawn, match="ended"):
        await killed
    broken = Job("{", Shot(0.0, 0.0, 1.0, 20, 10), "png")
    with pytest.raises(NotDrawn):
        await pool.drawn(broken)
    await pool.close()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_machine_that_cannot_draw_says_so(toy_settings: Settings, tmp_path: Path):
    pool = Pool(toy_settings, tmp_path / "no-glyphs")
    with pytest.raises(NoRenderer, match="make setup"):
        asyncio.run(pool.drawn(Job("{}", Shot(0.0, 0.0, 1.0, 20, 10), "png")))
