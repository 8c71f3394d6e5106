"""The OGC door as a client meets it: a real server over the toy city."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
from html.parser import HTMLParser

import httpx
import numpy as np
import psycopg
import pytest
import rasterio
from conftest import public
from loads import EDGE, SOUTH, WEST, loaded, squares
from starlette.testclient import TestClient

from mapserver.app import create_app
from mapserver.catalogue import catalogue
from mapserver.facts import FactBook
from mapserver.ogc import provider
from mapserver.settings import ROOT
from mapserver.store import Store

pytestmark = pytest.mark.postgis

LAYERS = public(catalogue(ROOT / "layers"))
VECTOR = list(LAYERS.vector)
DRAWN = [layer for layer in VECTOR if layer.geometry]
RASTERS = [layer for layer in LAYERS if layer.origin == "raster"]
GENERAL = (
    "/", "/conformance", "/api", "/collections", "/tileMatrixSets", "/tileMatrixSets/WebMercatorQuad", "/styles",
    "/styles/citymap", "/functions", "/problems/bad-query",
)  # fmt: skip
PAGES = (
    *GENERAL,
    *(f"/collections/{layer.name}{tail}" for layer in LAYERS for tail in ("", "/schema")),
    *(f"/collections/{layer.name}/{tail}" for layer in VECTOR for tail in ("queryables", "sortables", "items")),
    *(f"/collections/{layer.name}/tiles{tail}" for layer in DRAWN for tail in ("", "/WebMercatorQuad")),
    *(f"/collections/{layer.name}/map/tiles{tail}" for layer in RASTERS for tail in ("", "/WebMercatorQuad")),
    *(f"/styles/{layer.name}" for layer in (*DRAWN, *RASTERS)),
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


def name_of(layer):
    return layer.name


def test_a_page_of_every_document_and_nothing_of_another_host(http, server):
    for where in PAGES:
        answer = http.get(where, headers={"accept": BROWSER})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), where
        page = Page(answer.text)
        assert page.loaded <= {"pages.css", "data"}, (where, page.loaded)
        assert "'unsafe" not in answer.headers["content-security-policy"]
        assert page.titles == 1
        assert page.language == "vi"
        assert answer.headers["content-language"] == "vi"


class Page(HTMLParser):
    """What a page loads, and whether its tags are closed."""

    VOID = frozenset({"meta", "link", "br", "path", "rect", "circle", "line", "hr", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded, self.open, self.titles, self.language = set(), [], 0, ""
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "html":
            self.language = named["lang"]
        if tag == "link" and named["rel"] in ("stylesheet", "icon"):
            self.loaded.add(
                re.split(r"[?:]", named["href"].rsplit("/", 1)[-1] if "data:" not in named["href"] else "data")[0]
            )
        if "src" in named:
            self.loaded.add(named["src"])
        assert not any(name.startswith("on") or name == "style" for name in named), named
        self.titles += tag == "h1"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        while self.open and self.open[-1] != tag and self.open[-1] in ("p", "li", "td", "tr", "dt", "dd"):
            self.open.pop()
        assert self.open, f"</{tag}> without a start"
        assert self.open.pop() == tag


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "text/html;q=0.5,application/json"])
def test_programs_get_json(http, accept):
    for where in GENERAL:
        if where.startswith("/problems"):
            continue
        answer = http.get(where, headers={"accept": accept})
        assert "json" in answer.headers["content-type"], where
        assert answer.json()


def test_every_link_of_every_document_answers(http, server):
    seen = set()
    for where in PAGES:
        document = http.get(where, params={"f": "json"}).json()
        for link in links_of(document):
            if link["href"].startswith(server) and not link.get("templated"):
                seen.add((link["href"], link.get("type", "").split(";")[0]))
    assert len(seen) > 100
    for href, media in sorted(seen):
        if "/map" in href.removeprefix(server)[:4] and "/map/tiles" not in href:
            continue
        answer = http.get(href)
        assert answer.status_code == 200, href
        if media:
            assert answer.headers["content-type"].split(";")[0] == media, href


def links_of(node):
    if isinstance(node, dict):
        for link in node.get("links", []):
            if isinstance(link, dict) and "href" in link:
                yield link
        for member in node.values():
            yield from links_of(member)
    elif isinstance(node, list):
        for member in node:
            yield from links_of(member)


def test_an_unknown_parameter_is_400_on_every_path(http):
    for where in (
        *PAGES,
        *(f"/collections/{layer.name}/items/1" for layer in VECTOR),
        "/collections/elevation/coverage",
    ):
        for form in ("json", "html"):
            answer = http.get(where, params={"limt": "1", "f": form})
            assert answer.status_code == 400, where
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["parameter"] in ("limt", "f"), where


@pytest.mark.parametrize(
    "where", ["", "/schema", "/queryables", "/sortables", "/items", "/items/1", "/tiles", "/coverage"]
)
@pytest.mark.parametrize("form", ["json", "html"])
def test_a_collection_that_is_not_there_is_404(http, where, form):
    form = "GTiff" if where == "/coverage" else form
    answer = http.get(f"/collections/no_such{where}", params={"f": form})
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("/problems/not-found")


def test_a_problem_leads_to_its_page(http):
    problem = http.get("/collections/no_such").json()
    page = http.get(problem["type"], headers={"accept": BROWSER})
    assert page.status_code == 200
    assert "Không có" in page.text


def test_head_is_get_without_the_body(http):
    for where in (
        *GENERAL,
        "/collections/wards/items?f=html",
        "/collections/elevation/coverage?bbox=106.6,10.7,106.7,10.8",
    ):
        get, head = http.get(where), http.head(where)
        assert (head.status_code, head.content) == (get.status_code, b""), where
        assert head.headers["etag"].replace("-gzip", "") == get.headers["etag"].replace("-gzip", "")


def test_what_has_not_changed_is_304(http):
    for where in ("/", "/collections", "/api", "/collections/wards?f=html"):
        first = http.get(where)
        again = http.get(where, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_bodies_are_compressed_for_those_who_take_it(http):
    packed = http.get("/api", headers={"accept-encoding": "gzip"})
    plain = http.get("/api", headers={"accept-encoding": "gzip;q=0, identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert "Accept-Encoding" in packed.headers["vary"]


@pytest.mark.parametrize(
    ("lang", "header", "title"),
    [("en", None, "Collections"), (None, "en-GB,en;q=0.9,vi;q=0.1", "Collections"), (None, None, "Các lớp dữ liệu"),
     ("vi", "en", "Các lớp dữ liệu"), (None, ";;;,*;q=0,xx", "Các lớp dữ liệu")],
)  # fmt: skip
def test_the_language_is_the_parameters_then_the_headers(http, lang, header, title):
    answer = http.get("/collections", params={"lang": lang} if lang else {}, headers={"accept-language": header or ""})
    assert answer.json()["title"] == title


def test_an_extent_is_what_shapely_finds(http, toy):
    with psycopg.connect(toy.owner_dsn) as conn:
        for layer in DRAWN:
            said = http.get(f"/collections/{layer.name}").json()["extent"]["spatial"]["bbox"][0]
            row = conn.execute(
                f"SELECT min(ST_XMin(geom)), min(ST_YMin(geom)), max(ST_XMax(geom)), max(ST_YMax(geom))"
                f" FROM layers.{layer.name}"
            ).fetchone()
            assert said == pytest.approx(row, abs=2e-7), layer.name
            assert said[0] <= row[0]
            assert said[3] >= row[3]


def test_sample_data_is_called_so(http):
    for layer in LAYERS:
        if layer.origin == "view":
            continue
        assert http.get(f"/collections/{layer.name}").json()["synthetic"] is True, layer.name
    assert "Dữ liệu mẫu" in http.get("/collections/wards?f=html").text


@pytest.mark.parametrize("layer", VECTOR, ids=name_of)
def test_a_page_shows_the_features_that_geojson_has(http, layer):
    question = {"limit": 7, "sortby": next(c.name for c in layer.columns if c.type != "text[]")}
    features = http.get(f"/collections/{layer.name}/items", params=question).json()["features"]
    page = http.get(f"/collections/{layer.name}/items", params={**question, "f": "html", "lang": "en"}).text
    shown = [int(number) for number in re.findall(rf"/collections/{layer.name}/items/(\d+)\?f=html", page)]
    assert shown == [feature["id"] for feature in features]


def test_pages_turn_like_geojson(http):
    numbers, where = [], "/collections/schools/items?f=html&limit=10&sortby=name"
    while where:
        page = http.get(where).text
        numbers += [int(n) for n in re.findall(r"/collections/schools/items/(\d+)\?f=html", page)]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        where = following and following[1].replace("&amp;", "&")
    everything = http.get("/collections/schools/items?limit=10000&sortby=name").json()["features"]
    assert numbers == [feature["id"] for feature in everything]


@pytest.mark.parametrize("layer", VECTOR, ids=name_of)
def test_one_feature_has_a_page_and_json_ld(http, layer):
    features = http.get(f"/collections/{layer.name}/items", params={"limit": 1}).json()["features"]
    where = f"/collections/{layer.name}/items/{features[0]['id']}"
    page = http.get(where, params={"f": "html", "lang": "en"})
    assert page.status_code == 200
    assert ("<svg" in page.text) == (features[0]["geometry"] is not None)
    linked = http.get(where, params={"f": "jsonld"})
    assert linked.headers["content-type"] == "application/ld+json"
    said = linked.json()
    assert said["id"] == features[0]["id"]
    assert {name: said[name] for name in features[0]["properties"] if name not in ("type", "links")}.items() <= {
        **features[0]["properties"]
    }.items()


def test_markup_in_data_is_text_on_a_page_and_itself_in_json_ld():
    from mapserver.ogc.pages import _environment

    nasty = {"name": "<script>alert(1)</script>"}
    assert "<script>" not in _environment().get_template("collections/items/index.jsonld").render(data=nasty)
    assert json.loads(_environment().get_template("collections/items/item.jsonld").render(data=nasty)) == nasty


@pytest.mark.parametrize("where", ["/", "/collections", "/collections/wards"])
def test_search_engines_are_told_in_json_ld(http, where):
    linked = http.get(where, params={"f": "jsonld", "lang": "en"}).json()
    assert linked["@context"].startswith("https://schema.org")
    page = http.get(where, params={"f": "html", "lang": "en"}).text
    inside = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(inside[1]) == linked


def test_a_coverage_is_the_file_or_a_part_of_it(http, toy_settings):
    for layer in RASTERS:
        where = f"/collections/{layer.name}/coverage"
        file = toy_settings.data / "rasters" / f"{layer.name}.tif"
        assert http.get(where, headers={"accept": "image/tiff"}).content == file.read_bytes()
        with rasterio.open(file) as whole:
            row, column = next(zip(*np.nonzero(whole.read_masks(1)[:-2, :-3]), strict=True))
            west, north = whole.transform * (column + 0.2, row + 0.2)
            east, south = whole.transform * (column + 2.8, row + 1.8)
            nodata, expected = whole.nodata, whole.read(1)[row : row + 2, column : column + 3]
        box = {"bbox": f"{west},{south},{east},{north}"}
        with rasterio.open(io.BytesIO(http.get(where, params={**box, "f": "GTiff"}).content)) as part:
            assert np.array_equal(part.read(1), expected)
        answer = http.get(where, params={**box, "f": "json"})
        assert answer.headers["content-type"] == "application/prs.coverage+json"
        said = answer.json()
        cells = said["ranges"][layer.columns[0].name]
        assert cells["shape"] == [2, 3]
        values = np.array(cells["values"], float).reshape(2, 3)
        assert np.array_equal(np.isnan(values), expected == nodata)
        assert values[~np.isnan(values)] == pytest.approx(expected[expected != nodata])
        assert said["domain"]["axes"]["x"]["num"] == 3
        assert http.get(where, params={"bbox": "0,0,1,1"}).status_code == 204


def test_a_raster_has_pictures_in_its_tiles(http):
    for layer in RASTERS:
        west, south, east, north = http.get(f"/collections/{layer.name}").json()["extent"]["spatial"]["bbox"][0]
        z = max(8, layer.tiles.min_zoom)
        lon, lat = (west + east) / 2, (south + north) / 2
        x = int((lon + 180) / 360 * 2**z)
        y = int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**z)
        answer = http.get(f"/collections/{layer.name}/map/tiles/WebMercatorQuad/{z}/{y}/{x}")
        assert answer.headers["content-type"] == "image/png"
        with rasterio.open(io.BytesIO(answer.content)) as picture:
            assert (picture.width, picture.height) == (256, 256)
            assert picture.read()[:3].std() > 0
        assert http.get(f"/collections/{layer.name}/map/tiles/WebMercatorQuad/{z}/0/0").status_code == 204
        assert http.get(f"/collections/{layer.name}/map/tiles/WebMercatorQuad/{z}/-1/0").status_code == 404


def test_a_foreign_host_is_not_reflected(http, server):
    for where in ("/", "/collections", "/collections/wards/items?limit=1", "/?f=html", "/collections/no_such"):
        answer = http.get(where, headers={"host": "evil.example"})
        assert "evil.example" not in answer.text
        assert server in answer.text


def test_a_closed_layer_is_closed_through_every_door(toy, toy_settings, tmp_path):
    city = tmp_path / "city"
    shutil.copytree(ROOT / "layers", city / "layers")
    for folder in ("styles", "ingest", "rules", "calendar"):
        (city / folder).symlink_to(ROOT / folder)
    file = city / "layers" / "schools.yml"
    shut = "access: { level: internal, reason: held back for a test, review: '2030-01-01' }\n"
    file.write_text(shut + file.read_text(encoding="utf-8"), encoding="utf-8")
    settings = toy_settings.model_copy(update={"layers": city / "layers"})
    with TestClient(create_app(settings, toy.app_dsn), base_url=toy_settings.base_url) as client:
        kinds = ("schema", "queryables", "sortables", "items", "items/1", "tiles", "tiles/WebMercatorQuad")
        for tail in ("", *(f"/{kind}" for kind in kinds), "/tiles/WebMercatorQuad/12/1924/3260"):
            for form in ("", "?f=html", "?f=jsonld"):
                answer = client.get(f"/collections/schools{tail}{form}")
                if answer.status_code != 400:
                    assert answer.status_code == 401, (tail, form)
                    assert "Bearer" in answer.headers["www-authenticate"]
        assert client.get("/styles/schools").status_code == 401
        for where in (
            "/collections",
            "/api",
            "/styles",
            "/styles/citymap",
            "/collections?f=jsonld",
            "/collections?f=html",
        ):
            assert "schools" not in client.get(where).text, where


def test_what_is_known_of_a_layer_changes_when_it_is_loaded(database, toy_settings):
    made = database()

    async def told():
        store = Store(made.app_dsn, size=2)
        everything = catalogue(ROOT / "layers")
        book = FactBook(toy_settings, everything, store)
        before = await book.facts()
        await asyncio.to_thread(loaded, made, everything, "wards", squares())
        after, deadline = before, asyncio.get_running_loop().time() + 30
        while after.version == before.version and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
            after = await book.facts()
        await store.close()
        return before, after

    before, after = (facts.of(LAYERS["wards"]) for facts in asyncio.run(told()))
    assert (before.extent.box, before.updated, before.rows) == (None, None, None)
    assert after.extent.box == pytest.approx((WEST, SOUTH, WEST + 2 * EDGE, SOUTH + 2 * EDGE))
    assert (after.synthetic, after.rows) == (False, 4)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", after.updated)


def test_our_provider_refuses_to_answer_outside_the_server():
    with pytest.raises(Exception, match="inside the CityMap server only"):
        provider.LayerProvider({"name": "x", "type": "feature", "data": "wards"}).query()


def test_documents_say_when_their_data_were_loaded_last(http):
    for where in ("/", "/collections", "/collections/schools", "/collections/schools/schema"):
        assert http.get(where, headers={"accept": "application/json"}).headers["last-modified"].endswith("GMT")
        assert "link" in http.get("/collections/schools").headers
