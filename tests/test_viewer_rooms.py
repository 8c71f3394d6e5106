"""The rooms of the page: one ward, before and after the reform, sharing; and who uses them without eyes, mouse, right.

Figures on the screen are held against the engine's doors, asked here on their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import citymap, until
from playwright.sync_api import Browser, Page, expect
from visits import CENTRE, DESK, Launch, Visit, visitor

from mapserver import tokens, viewer
from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.settings import ROOT, Settings
from mapserver.viewer.report import counted

pytestmark = pytest.mark.browser
pytest_plugins = ["visits"]

AXE = ROOT / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WARD, BESIDE = "26740", "26743"
ROOM = f"{CENTRE}&layers=wards&ward={WARD}"


@pytest.fixture(scope="module")
def insider(toy: Database, layers: Catalogue) -> Iterator[str]:
    """A token that may read what is internal."""
    yield tokens.add(toy.owner_dsn, layers, "viewer-rooms", (), insider=True)
    tokens.revoke(toy.owner_dsn, "viewer-rooms")


def asked(visit: Visit, path: str, token: str = "", **parameters: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.get(f"{visit.url}/{path}", params={"f": "json", **parameters}, headers=headers)
    return answer.raise_for_status().json()


def unlock(page: Page, token: str) -> None:
    """Keeps a key in the tab, as the dialog does."""
    page.add_init_script(f"location.protocol === 'http:' && sessionStorage.setItem('citymap:key', '{token}')")


def number(text: str) -> float:
    return float(text.replace(".", "").replace(",", "."))


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it stands: the rule, and where."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(f"axe.run({{ runOnly: {WCAG} }})")
    return [f"{rule['id']}: {node['target']}" for rule in found["violations"] for node in rule["nodes"]]


def test_a_ward_of_the_map_leads_to_its_room(visit: Visit) -> None:
    visit.open(f"{CENTRE}&layers=wards")
    visit.click_the_middle()
    name = visit.page.locator(".here .feature .name").first.inner_text()
    visit.page.get_by_role("button", name="Mở hồ sơ phường, xã").click()
    expect(visit.page.locator(".room h2")).to_have_text(name)
    until(lambda: "&ward=" in visit.address, "the address names the ward")
    visit.page.locator(".room").get_by_role("button", name="Đóng").click()
    expect(visit.page.locator(".room")).to_have_count(0)
    assert "ward=" not in visit.address
    assert visit.complaints == []


def test_the_counts_of_a_room_are_those_of_the_engine(visit: Visit) -> None:
    visit.open(ROOM)
    for layer in ("schools", "addresses"):
        row = visit.page.locator(f'[data-counted="{layer}"] td')
        expect(row.nth(2)).to_have_text(re.compile(r"^\d+$"))
        units = [unit["properties"] for unit in asked(visit, f"collections/{layer}/aggregate", by="ward")["features"]]
        told = counted(layer, units, WARD)
        assert told is not None
        inside = asked(visit, f"collections/{layer}/items", ward_code=WARD, resultType="hits")["numberMatched"]
        assert number(row.nth(0).inner_text()) == told.number == inside
        assert number(row.nth(1).inner_text()) == pytest.approx(told.mean, abs=0.05)
        assert int(row.nth(2).inner_text()) == told.rank


def test_a_room_says_where_its_ward_came_from_and_what_its_code_meant(visit: Visit) -> None:
    visit.open(ROOM)
    links = asked(visit, "collections/area_links/items", to_code=WARD, limit="100")["features"]
    for link in (link["properties"] for link in links):
        row = visit.page.locator(f'[data-origin="{link["from_code"]}"]')
        expect(row).to_contain_text(link["from_name"])
        expect(row).to_contain_text("toàn bộ" if link["kind"] == "whole" else "một phần")
    expect(visit.page.locator("[data-origin]")).to_have_count(len(links))
    expect(visit.page.locator(".room .warned").last).to_contain_text("Phường Bến Nghé")


def test_indicators_stand_with_those_that_miss_their_plan_first(visit: Visit) -> None:
    visit.open(ROOM)
    rows = visit.page.locator("[data-indicator]")
    expect(rows.first).to_be_visible()
    order = [row.get_attribute("class") for row in rows.all()]
    ranks = ["bad", "fair", "good", "unknown"]
    assert order == sorted(order, key=lambda health: ranks.index(health or ""))
    definitions = asked(visit, "collections/indicator_definitions/items", limit="500")["features"]
    values = asked(visit, "collections/indicator_values/items", area_code=WARD, limit="5000")["features"]
    known = {value["properties"]["indicator"] for value in values}
    assert rows.count() == sum(one["properties"]["indicator"] in known for one in definitions)


def test_petitions_of_a_ward_need_a_right_and_a_key_gives_it(visit: Visit, insider: str) -> None:
    visit.open(ROOM)
    expect(visit.page.locator(".room")).to_contain_text("chỉ dành cho cán bộ có quyền")
    visit.page.locator(".room").get_by_role("button", name="Nhập mã truy cập").click()
    field = visit.page.get_by_role("textbox", name="Mã truy cập")
    field.fill("cm_wrong")
    field.press("Enter")
    expect(visit.page.get_by_role("alert")).to_contain_text("không đúng")
    field.fill(insider)
    field.press("Enter")
    expect(visit.page.get_by_role("dialog")).to_have_count(0)
    bars = visit.page.locator(".bars tbody td")
    expect(bars.first).to_be_visible()
    units = asked(visit, "collections/petitions/aggregate", insider, by="ward")["features"]
    own = next(unit["properties"]["value"] for unit in units if unit["properties"]["code"] == WARD)
    assert sum(number(cell.inner_text()) for cell in bars.all()) == own


def test_two_wards_stand_side_by_side_and_print_as_pages(visit: Visit, tmp_path: Path) -> None:
    visit.open(f"{ROOM}:{BESIDE}")
    expect(visit.page.locator(".face")).to_have_count(2)
    expect(visit.page.locator('[data-counted="schools"] td')).to_have_count(3)
    visit.page.get_by_label("So sánh với").select_option("")
    expect(visit.page.locator(".face")).to_have_count(1)
    until(lambda: visit.address.endswith(f"ward={WARD}"), "the address names one ward")
    visit.page.emulate_media(media="print")
    expect(visit.page.locator("#map")).to_be_hidden()
    expect(visit.page.locator(".printed")).to_be_visible()


def test_before_and_after_are_swiped_by_keyboard_and_drawn_apart(visit: Visit) -> None:
    visit.open("map=12/10.775/106.70&layers=wards&reform=50")
    expect(visit.page.locator(".reform .warned")).to_contain_text("giả định")
    until(lambda: visit.asked_for("/wards_before_2025_07/tiles/"), "the old boundaries are drawn")
    line = visit.page.get_by_label("Kéo để so sánh trước và sau")
    line.focus()
    line.press("Home")
    until(lambda: "reform=0" in visit.address, "the address keeps the line")
    after = visit.picture()
    line.press("End")
    until(lambda: (visit.picture() != after).any(axis=-1).mean() > 0.02, "the other side is another picture")
    visit.page.get_by_role("button", name="Trước và sau 01/7/2025").click()
    expect(visit.page.locator(".swipe")).to_have_count(0)
    assert visit.complaints == []


def test_an_estimate_on_the_old_boundaries_says_how_much_is_estimated(visit: Visit) -> None:
    visit.open("map=11/10.775/106.70&layers=wards&reform=60:addresses:area")
    expect(visit.page.locator(".key")).to_contain_text("Gạch chéo")
    table = visit.page.locator(".reform details").first
    table.locator("summary").click()
    made = asked(visit, "collections/addresses/aggregate", boundaries="2025-06-30", weight="area")["features"]
    dealt = max((unit["properties"] for unit in made), key=lambda unit: unit["value"])
    row = table.locator("tr").first
    expect(row).to_contain_text(dealt["name"])
    expect(row).to_contain_text(f"ước tính {dealt['estimated'] * 100:.0f}%" if dealt["estimated"] else dealt["name"])
    until(lambda: visit.asked_for("/aggregate/tiles/", "boundaries=2025-06-30", "weight=area"), "the choropleth")
    assert visit.complaints == []


def test_sums_in_a_polygon_are_those_of_its_features(visit: Visit) -> None:
    ring = ["106.6_10.7", "106.8_10.7", "106.8_10.9", "106.6_10.9"]
    visit.open(f"map=12/10.8/106.7&layers=schools&sketch=count:{','.join(ring)}")
    told = visit.page.locator('[data-count="schools"] [data-sum="pupils"]')
    expect(told).to_be_visible()
    schools = asked(visit, "collections/schools/items", bbox="106.6,10.7,106.8,10.9", limit="5000")["features"]
    pupils = sum(school["properties"]["pupils"] or 0 for school in schools)
    assert number(told.inner_text().split(":")[1]) == pupils > 0


def test_what_is_shown_is_shared_as_a_link_a_code_a_frame_and_a_picture(visit: Visit) -> None:
    visit.open(f"{CENTRE}&layers=wards")
    visit.page.get_by_role("button", name="Chia sẻ").click()
    link = visit.page.get_by_label("Liên kết", exact=True).input_value()
    assert link == visit.address
    expect(visit.page.get_by_role("img", name="Mã QR của liên kết")).to_be_visible()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("button", name="PNG").click()
    picture = Path(download.value.path()).read_bytes()
    wide, high = (int.from_bytes(picture[at : at + 4]) for at in (16, 20))
    assert (wide, high > DESK["height"]) == (DESK["width"], True)
    frame = re.search(r'src="([^"]+)"', visit.page.get_by_label("Nhúng vào trang khác", exact=True).input_value())
    assert frame is not None
    visit.page.goto(frame[1])
    expect(visit.page.locator(".embedded a")).to_have_attribute("href", link)
    expect(visit.page.locator(".head")).to_have_count(0)


def test_only_the_page_to_embed_may_stand_in_a_frame_of_others(server: str) -> None:
    for address, ancestors in (("map", "'self'"), ("map?embed=1", "*")):
        policy = httpx.get(f"{server}/{address}").headers["content-security-policy"]
        assert f"frame-ancestors {ancestors}" in policy
        assert "unsafe-inline" not in policy
        assert "script-src 'self';" in policy


def test_axe_finds_nothing_in_any_room(visit: Visit, insider: str) -> None:
    if not AXE.exists():
        pytest.skip("the viewer's packages are absent; run `sh viewer/build.sh`")
    unlock(visit.page, insider)
    rooms = {
        f"layers=wards&ward={WARD}:{BESIDE}&theme=dark": ".bars tbody td",
        "layers=wards&reform=50:schools:area": ".key",
        "layers=schools&table=schools&sketch=count:106.69_10.77,106.71_10.77,106.71_10.78": "tbody td",
    }
    for address, there in rooms.items():
        visit.page.goto("about:blank")
        visit.page.goto(f"{visit.url}/map#{CENTRE}&{address}")
        expect(visit.page.locator(there).first).to_be_visible(timeout=30_000)
        assert violations(visit.page) == [], address
    visit.page.get_by_role("button", name="Chia sẻ").click()
    expect(visit.page.get_by_role("dialog")).to_be_visible()
    assert violations(visit.page) == []


def test_axe_finds_nothing_on_the_landing_page(visit: Visit) -> None:
    if not AXE.exists():
        pytest.skip("the viewer's packages are absent; run `sh viewer/build.sh`")
    visit.page.goto(f"{visit.url}/?f=html")
    assert violations(visit.page) == []


def test_a_narrow_phone_holds_every_room_and_nothing_moves_for_who_asks_for_calm(
    browser: Browser,
    server: str,
) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, locale="vi-VN", reduced_motion="reduce"
    )
    phone = visitor(context, server)
    for address, room in (("", "#map"), (f"&ward={WARD}", ".room"), ("&reform=50:schools", ".reform")):
        phone.page.goto("about:blank")
        phone.page.goto(f"{server}/map#{CENTRE}{address}")
        expect(phone.page.locator(room)).to_be_visible()
        assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    assert phone.page.evaluate("document.getAnimations().filter((it) => it.playState === 'running').length") == 0
    context.close()


def test_a_server_that_falls_silent_is_told_in_the_room_and_asked_again(visit: Visit) -> None:
    down = True

    def answer(route: Any) -> None:
        route.abort() if down else route.continue_()

    visit.page.route("**/collections/area_links/**", answer)
    visit.page.goto(f"{visit.url}/map#{ROOM}")
    expect(visit.page.locator(".room")).to_contain_text("sẽ tự thử lại")
    down = False
    expect(visit.page.locator("[data-origin]").first).to_be_visible(timeout=20_000)


def test_the_report_of_a_ward_is_one_file_that_asks_nobody(
    toy: Database,
    toy_settings: Settings,
    launch: Launch,
    tmp_path: Path,
) -> None:
    file = tmp_path / "ward.html"
    told = citymap("report", "ward", WARD, "-o", str(file), **environment(toy, toy_settings))
    assert told.returncode == 0, told.stderr
    chromium = launch()
    page, requests = chromium.new_page(), list[str]()
    page.on("request", lambda request: requests.append(request.url))
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", name="Phường Sài Gòn")).to_be_visible()
    expect(page.locator(".leaflet-container canvas")).to_be_visible()
    assert requests == [file.as_uri()]
    chromium.close()


def environment(toy: Database, chosen: Settings) -> dict[str, str]:
    return {"CITYMAP_DATA": str(chosen.data), "DATABASE_URL": toy.owner_dsn, "CITYMAP_REAL_DATA": str(chosen.real_data)}


def test_a_map_for_a_notebook_can_not_be_made_to_run_what_the_data_says(layers: Catalogue) -> None:
    evil = "<img src=x onerror=alert(1)>"
    school = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [106.7, 10.77]},
        "properties": {"name": evil},
    }
    made = viewer.folium_map({"schools": {"type": "FeatureCollection", "features": [school]}}, layers)
    page = made.get_root().render()
    assert evil not in page
    assert r"\u0026lt;img" in page
    assert not re.search(r'<(?:script|link)[^>]+(?:src|href)="', page)
