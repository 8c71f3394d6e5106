"""The page at /map in a real browser over a real server, as an official or a citizen with a phone uses it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from conftest import free_port, serve, until
from numpy.typing import NDArray
from playwright.sync_api import Browser, expect
from pyproj import Transformer
from rasterio.io import MemoryFile
from starlette.applications import Starlette
from starlette.testclient import TestClient
from visits import CENTRE, DESK, LAND, WATER, Launch, Visit, visitor

from mapserver import viewer
from mapserver.catalogue import Catalogue
from mapserver.crs import EDGE_OF_WEB_MERCATOR
from mapserver.database import Database
from mapserver.errors import NotReady
from mapserver.settings import ROOT, Settings, settings
from mapserver.styles import assembled
from mapserver.viewer import glyphs

pytestmark = pytest.mark.browser

pytest_plugins = ["visits"]

SCRIPT_BUDGET = 350_000
"""Bytes of script, gzipped, before the first paint."""


def test_the_map_opens_without_a_complaint_and_is_not_blank(visit: Visit) -> None:
    visit.open()
    assert visit.complaints == []
    assert visit.share(LAND) > 0.1
    assert len(np.unique(visit.picture().reshape(-1, 3), axis=0)) > 200


def test_no_other_host_is_asked_for_anything(visit: Visit) -> None:
    visit.open()
    visit.click_the_middle()
    expect(visit.page.locator(".here")).to_be_visible()
    remote = [url for url in visit.asked if not url.startswith((visit.url, "blob:" + visit.url, "data:"))]
    assert remote == []


def test_vietnamese_labels_are_drawn_from_our_glyphs(visit: Visit) -> None:
    visit.open()
    ranges = {re.sub(r".*/(\d+-\d+)\.pbf$", r"\1", url) for url in visit.asked if "/glyphs/" in url}
    assert {"0-255", "7680-7935"} <= ranges


def test_a_layer_goes_off_and_on_and_the_address_says_so(visit: Visit) -> None:
    visit.open()
    box = visit.page.locator('input[data-layer="wards"]')
    before = visit.share(LAND)
    box.uncheck()
    until(lambda: visit.share(LAND) < before / 2, "the land is gone")
    assert "wards" not in re.search(r"layers=([^&]*)", visit.page.url)[1].split(",")  # type: ignore[index]
    box.check()
    until(lambda: visit.share(LAND) > before * 0.9, "the land is back")


def test_an_address_brings_the_same_place_and_layers_back(visit: Visit) -> None:
    visit.open("map=12.50/10.80000/106.65000&layers=wards&lang=en&theme=dark")
    expect(visit.page.locator('input[data-layer="wards"]')).to_be_checked()
    expect(visit.page.locator('input[data-layer="roads"]')).not_to_be_checked()
    expect(visit.page.locator("html")).to_have_attribute("lang", "en")
    expect(visit.page.locator("html")).to_have_attribute("data-theme", "dark")
    assert "map=12.5/10.80000/106.65000" in visit.page.url
    assert visit.picture().mean() < 90


def test_a_click_shows_attributes_by_their_titles_in_the_language_of_the_page(visit: Visit) -> None:
    visit.open(f"{CENTRE}&layers=wards")
    visit.click_the_middle()
    ward = visit.page.locator(".here .feature").first
    expect(ward.locator("dt", has_text="Tên đầy đủ")).to_be_visible()
    expect(ward.locator('[data-column="unit_type"] dd')).to_have_text(re.compile("^(Phường|Xã|Đặc khu)$"))
    visit.page.get_by_role("button", name="English").click()
    expect(ward.locator("dt", has_text="Full name")).to_be_visible()
    expect(ward.locator('[data-column="unit_type"] dd')).to_have_text(re.compile("^(Ward|Commune|Special zone)$"))
    assert visit.complaints == []


def test_synthetic_data_is_said_to_be_synthetic(visit: Visit) -> None:
    visit.open(f"{CENTRE}&layers=wards,roads")
    notice = visit.page.locator(".synthetic")
    expect(notice).to_contain_text("Dữ liệu mô phỏng")
    notice.locator("summary").click()
    expect(notice).to_contain_text("Đường giao thông")


def test_layers_are_found_without_accents(visit: Visit) -> None:
    visit.open()
    visit.page.get_by_role("searchbox").fill("truong hoc")
    expect(visit.page.locator('input[data-layer="schools"]')).to_be_visible()
    expect(visit.page.locator('input[data-layer="roads"]')).to_have_count(0)


def test_every_layer_that_is_to_be_listed_is_in_the_list(visit: Visit, layers: Catalogue) -> None:
    visit.open()
    listed = {box.get_attribute("data-layer") for box in visit.page.locator("input[data-layer]").all()}
    cards = assembled(layers, visit.url, "vi")["metadata"]["citymap:layers"]
    public = {layer.name for layer in layers if layer.access.level == "public"}
    assert listed == {name for name, card in cards.items() if card["listed"]} & public


def test_the_map_can_be_used_with_the_keyboard_alone(visit: Visit) -> None:
    visit.open(f"{CENTRE}&layers=wards")
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#map canvas")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator(".here")).to_be_focused()
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator(".here")).to_have_count(0)
    expect(visit.page.locator("#map canvas")).to_be_focused()


def test_an_old_ward_is_searched_without_marks_and_leads_to_its_heir(visit: Visit) -> None:
    visit.open()
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("phuong ben nghe")
    first = visit.page.get_by_role("option").first
    expect(first).to_contain_text("Phường Sài Gòn")
    expect(first).to_contain_text("Phường Bến Nghé, Quận 1")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator(".here .feature").first).to_contain_text("Phường Sài Gòn")
    expect(visit.page.locator("#found")).to_have_count(0)
    assert visit.complaints == []


def test_search_is_walked_with_the_arrows_and_left_with_escape(visit: Visit) -> None:
    visit.open()
    box = visit.page.get_by_role("combobox", name="Tìm trên bản đồ")
    box.fill("phuong")
    expect(visit.page.get_by_role("option")).not_to_have_count(0)
    box.press("ArrowDown")
    expect(visit.page.get_by_role("option").nth(1)).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", "found-1")
    box.press("Escape")
    expect(visit.page.get_by_role("option")).to_have_count(0)
    box.fill("zzzz qqqq")
    expect(visit.page.locator(".found")).to_contain_text("Không tìm thấy")


def test_coordinates_of_vn2000_are_flown_to(visit: Visit) -> None:
    visit.open()
    box = visit.page.get_by_role("combobox", name="Tìm trên bản đồ")
    box.fill("1191410.466 603514.537")
    expect(visit.page.get_by_role("option").first).to_contain_text("EPSG:9210")
    box.press("Enter")
    until(lambda: "/10.77210/106.69830" in visit.address, "the map is there")


def test_a_filter_holds_for_the_map_the_table_and_the_files(visit: Visit) -> None:
    visit.open("map=14/10.8/106.7&layers=schools")
    visit.page.locator('[data-tools="schools"]').click()
    visit.page.get_by_role("button", name="Lọc", exact=True).click()
    visit.page.locator('[data-filter="kind"]').get_by_label("Mầm non").check()
    until(lambda: visit.asked_for("/tiles/", "kindergarten"), "tiles are filtered")
    matching = visit.page.locator(".filter [role=status]")
    expect(matching).to_contain_text("đối tượng phù hợp")
    number = re.sub(r"\D", "", matching.inner_text())
    assert 0 < int(number) < total(visit, "schools")
    visit.page.get_by_role("button", name="Bảng", exact=True).click()
    expect(visit.page.locator(".dock h2")).to_contain_text(f"{number} đối tượng")
    visit.page.locator(".dock summary").click()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name="CSV", exact=True).click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert len(lines) - 1 == int(number)
    assert "where.schools=" in visit.address
    assert visit.complaints == []


def total(visit: Visit, layer: str) -> int:
    answer = httpx.get(f"{visit.url}/collections/{layer}/items", params={"resultType": "hits", "f": "json"})
    return int(answer.json()["numberMatched"])


def test_a_table_is_sorted_and_read_to_its_end_and_leads_to_the_place(visit: Visit) -> None:
    visit.open("map=10/10.8/106.7&layers=economic_units&table=economic_units:-registered_on")
    heading = visit.page.locator("th", has_text="Ngày đăng ký")
    expect(heading).to_have_attribute("aria-sort", "descending")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "none")
    expect(visit.page.locator("tbody tr:not(.gap)")).not_to_have_count(0)
    scroll, before = visit.page.locator(".rows"), visit.page.locator(".rows").evaluate("it => it.scrollHeight")
    scroll.evaluate("it => it.scrollTo(0, it.scrollHeight)")
    until(lambda: scroll.evaluate("it => it.scrollHeight") > before, "more rows came")
    assert visit.page.locator("tbody tr:not(.gap)").count() < 80
    visit.page.locator("tbody tr:not(.gap)").last.click()
    expect(visit.page.locator(".here .feature")).to_have_count(1)
    until(lambda: float(re.search(r"map=([\d.]+)", visit.address)[1]) > 15, "the map went there")  # type: ignore[index]
    assert visit.complaints == []


def test_only_what_is_in_view_stands_in_the_table(visit: Visit) -> None:
    visit.open("map=15/10.77500/106.70000&layers=addresses&table=addresses::view")
    told = visit.page.locator(".dock h2")
    expect(told).to_contain_text("đối tượng")
    assert int(re.sub(r"\D", "", told.inner_text())) < total(visit, "addresses")
    assert visit.asked_for("/items", "bbox=")


def test_addresses_for_other_software_answer(visit: Visit) -> None:
    visit.open("map=10/10.8/106.7&layers=schools")
    visit.page.locator('[data-tools="schools"]').click()
    visit.page.get_by_role("button", name="Kết nối").click()
    for way in ("features", "csv", "geojson", "tilejson", "style"):
        address = visit.page.locator(f'[data-way="{way}"] input').input_value()
        assert httpx.get(address).status_code == 200, address
    visit.page.locator('[data-way="csv"]').get_by_role("button").click()
    expect(visit.page.locator('[data-way="csv"]')).to_contain_text("Đã chép")
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_role("dialog")).to_have_count(0)


def test_a_layer_is_faded_and_put_below_another(visit: Visit) -> None:
    visit.open(f"{CENTRE}&layers=wards,water_areas")
    before = visit.share(LAND)
    visit.page.get_by_role("button", name="Thứ tự vẽ").click()
    names = visit.page.locator(".order .name")
    first = names.first.inner_text()
    visit.page.get_by_role("button", name=f"Đưa xuống: {first}").click()
    expect(names.nth(1)).to_have_text(first)
    assert "order=" in visit.address
    visit.page.locator('[data-tools="wards"]').click()
    visit.page.get_by_label("Độ đậm: Phường, xã, đặc khu").fill("10")
    until(lambda: visit.share(LAND) < before / 2, "the land is faint")
    assert "opacity=wards:10" in visit.address
    assert visit.complaints == []


def test_lengths_are_those_of_vn2000_and_drawn_by_keyboard(visit: Visit) -> None:
    visit.open(f"{CENTRE}&layers=wards")
    visit.page.get_by_role("button", name="Đo và khoanh vùng").click()
    visit.page.locator("#map canvas").focus()
    visit.page.keyboard.press("Enter")
    visit.page.evaluate("location.hash = location.hash.replace(/map=[^&]*/, 'map=14/10.78500/106.70000')")
    until(lambda: "sketch=length:106.7_10.775" in visit.address, "the first point is kept")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator(".figures .big dd")).to_have_text(re.compile(r"^1\.106,1\d? m$"))
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_role("button", name="Vẽ tiếp")).to_be_visible()


def test_a_polygon_counts_what_lies_in_it_layer_by_layer(visit: Visit) -> None:
    ring = ["106.6_10.7", "106.8_10.7", "106.8_10.9", "106.6_10.9"]
    visit.open(f"map=12/10.8/106.7&layers=wards,schools&sketch=count:{','.join(ring)}")
    told = visit.page.locator('[data-count="schools"] strong')
    expect(told).to_have_text(re.compile(r"^\d+$"))
    box = httpx.get(
        f"{visit.url}/collections/schools/items",
        params={"resultType": "hits", "f": "json", "bbox": "106.6,10.7,106.8,10.9"},
    ).json()["numberMatched"]
    assert int(told.inner_text()) == box
    link = visit.page.locator('[data-count="schools"] a').first.get_attribute("href") or ""
    assert len(httpx.get(link).text.splitlines()) == box + 1


def test_layers_with_time_are_shown_of_a_window_of_days(visit: Visit) -> None:
    visit.open("map=13/10.8/106.7&layers=economic_units")
    visit.page.get_by_role("button", name="Thời gian").click()
    visit.page.get_by_label("Khoảng", exact=True).select_option("30")
    until(lambda: visit.asked_for("/tiles/", "datetime="), "tiles of the window")
    assert "time=" in visit.address
    visit.page.locator(".timebar").get_by_role("button", name="Đóng").click()
    expect(visit.page.locator(".timebar")).to_have_count(0)
    assert "time=" not in visit.address
    assert visit.complaints == []


def test_a_phone_holds_the_table_and_the_measure(phone: Visit) -> None:
    for what in ("table=schools", "sketch=area:106.69_10.77,106.71_10.77,106.71_10.78"):
        phone.page.goto("about:blank")
        phone.open(f"{CENTRE}&{what}")
        expect(phone.page.locator(".dock, .measure")).to_be_visible()
        assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_phone_shows_the_map_first_and_nothing_runs_off_its_side(phone: Visit) -> None:
    phone.open()
    expect(phone.page.locator("#layers")).to_have_count(0)
    phone.page.get_by_role("button", name="Mở danh sách lớp").click()
    expect(phone.page.locator("#layers")).to_be_visible()
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_dead_server_is_told_in_words_and_the_map_recovers(
    browser: Browser, toy: Database, toy_settings: Settings
) -> None:
    own = toy_settings.model_copy(update={"port": free_port()})
    context = browser.new_context(viewport=DESK, locale="vi-VN")
    with serve(own, toy) as url:
        visit = visitor(context, url).open()
    visit.page.evaluate("location.hash = 'map=14/10.85000/106.75000'")
    expect(visit.page.get_by_role("status")).to_contain_text("Không kết nối được máy chủ", timeout=30_000)
    with serve(own, toy):
        visit.page.get_by_role("button", name="Thử ngay").click()
        expect(visit.page.get_by_role("status")).not_to_contain_text("máy chủ", timeout=30_000)
        visit.drawn()
        until(lambda: visit.share(LAND) > 0.05, "the map is drawn again")
    context.close()


def test_a_browser_without_webgl_is_told_in_words(launch: Launch, server: str) -> None:
    blind = launch("--disable-3d-apis")
    page = blind.new_page(locale="vi-VN")
    page.goto(f"{server}/map")
    expect(page.get_by_role("status")).to_contain_text("không vẽ được bản đồ")
    blind.close()


def test_the_page_may_run_only_what_comes_from_its_own_host(server: str) -> None:
    answer = httpx.get(f"{server}/map")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in answer.text


def test_files_are_packed_once_named_by_content_and_kept_for_ever(server: str) -> None:
    page = httpx.get(f"{server}/map", headers={"accept-encoding": "br"})
    assert (page.headers["cache-control"], page.headers["content-encoding"]) == ("no-cache", "br")
    script = re.search(r'src="\./(map/assets/[^"]+\.js)"', page.text)
    assert script
    for coding in ("br", "gzip", "identity"):
        answer = httpx.get(f"{server}/{script[1]}", headers={"accept-encoding": coding})
        assert answer.headers.get("content-encoding", "identity") == coding
        assert "immutable" in answer.headers["cache-control"]
        again = httpx.get(f"{server}/{script[1]}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_there_is_a_glyph_for_every_letter_of_vietnamese(server: str) -> None:
    letters = "aàáảãạăằắẳẵặâầấẩẫậeèéẻẽẹêềếểễệiìíỉĩịoòóỏõọôồốổỗộơờớởỡợuùúủũụưừứửữựyỳýỷỹỵđ"
    for stack in glyphs.STACKS:
        drawn = {code for first in (0, 256, 7680) for code in codes(glyph_file(server, stack, first))}
        assert {ord(letter) for letter in letters + letters.upper() + "0123456789/.-,()"} <= drawn


def test_a_range_without_glyphs_is_an_empty_file(server: str) -> None:
    body = glyph_file(server, "Be Vietnam Pro Regular", 0x4E00)
    assert codes(body) == set()
    assert b"Be Vietnam Pro Regular" in body


@pytest.mark.parametrize("path", ["glyphs/Arial/0-255.pbf", "glyphs/Be Vietnam Pro Regular/1-2.pbf", "map/assets/x.js"])
def test_a_file_that_is_not_there_is_told_as_a_problem(server: str, path: str) -> None:
    answer = httpx.get(f"{server}/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_the_units_of_the_page_pass() -> None:
    if not (ROOT / "viewer" / "node_modules").exists():
        pytest.skip("the viewer's packages are absent; run `sh viewer/build.sh`")
    real = {"CITYMAP_REAL_DATA": str(settings().real_data_found or "")}
    told = subprocess.run(
        ["npm", "test"], cwd=ROOT / "viewer", env={**os.environ, **real}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "fail 0" in told.stdout


def test_the_scripts_before_the_first_paint_keep_their_budget() -> None:
    packed = list((viewer.BUILT / "map" / "assets").glob("*.js.gz"))
    assert packed, "the viewer is not built; run `sh viewer/build.sh`"
    assert sum(file.stat().st_size for file in packed) <= SCRIPT_BUDGET


def test_a_viewer_that_was_not_built_says_how_to_build_it(tmp_path: Path, toy_settings: Settings) -> None:
    client = TestClient(Starlette(routes=viewer.routes(toy_settings, tmp_path)))
    for path in ("/map", "/map/assets/x.js", "/glyphs/a/0-255.pbf"):
        with pytest.raises(NotReady, match=r"viewer/build\.sh"):
            client.get(path)


def glyph_file(server: str, stack: str, first: int) -> bytes:
    answer = httpx.get(f"{server}/glyphs/{stack}/{first}-{first + 255}.pbf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    return answer.content


def codes(body: bytes) -> set[int]:
    """Code points of the glyphs in a file, by a protocol buffer reader of the test's own."""
    stack = dict_of(body)[1][0]
    return {int(dict_of(glyph)[1][0]) for glyph in dict_of(stack).get(3, [])}


def dict_of(body: bytes) -> dict[int, list[Any]]:
    """Members of a protocol buffer message by their number."""
    members: dict[int, list[Any]] = {}
    at = 0
    while at < len(body):
        key, at = varint(body, at)
        value, at = varint(body, at)
        if key & 7 == 2:
            members.setdefault(key >> 3, []).append(body[at : at + value])
            at += value
        else:
            members.setdefault(key >> 3, []).append(value)
    return members


def varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (body[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if body[at - 1] < 128:
            return value, at


def test_the_servers_picture_is_the_browsers(visit: Visit) -> None:
    """The same view through WMS, where nothing lies over the map: equal but for a label or two and anti-aliasing."""
    visit.open()
    pixel = 2 * EDGE_OF_WEB_MERCATOR / (512 * 2**14)
    x, y = Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True).transform(106.7, 10.775)
    edges = (x - 640 * pixel, y - 400 * pixel, x + 640 * pixel, y + 400 * pixel)
    asked = {"SERVICE": "WMS", "VERSION": "1.3.0", "REQUEST": "GetMap", "LAYERS": "citymap", "STYLES": ""}
    asked |= {"CRS": "EPSG:3857", "BBOX": ",".join(map(repr, edges)), "FORMAT": "image/png"}
    asked |= {"WIDTH": "1280", "HEIGHT": "800"}
    with MemoryFile(httpx.get(f"{visit.url}/wms", params=asked, timeout=60).content) as memory, memory.open() as image:
        drawn = np.moveaxis(image.read((1, 2, 3)), 0, -1)[120:700, 420:1200].astype(int)
    until(lambda: unlike(drawn, visit.picture()) < 0.01, "both show the same", seconds=20)
    wrong = np.where((np.abs(drawn - WATER).max(axis=-1) <= 3)[..., None], 255 - drawn, drawn)
    assert unlike(wrong, visit.picture()) > 0.02, "a planted wrong colour of the water is seen"


def unlike(drawn: NDArray[np.int_], seen: NDArray[np.uint8]) -> float:
    """The share of pixels that differ by more than anti-aliasing, in the part of the screen that is only map."""
    return float((np.abs(drawn - seen[120:700, 420:1200]).max(axis=-1) > 48).mean())
