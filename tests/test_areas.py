"""Areas through time: what a database begins with, what is loaded into it or refused, and what it all adds up to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import numpy as np
import pandas as pd
import psycopg
import pyogrio
import pytest
import shapely
from conftest import citymap
from loads import asked, loaded

from ingest.city import cells, units
from mapserver.areas import Area, Areas, figures
from mapserver.catalogue import Catalogue
from mapserver.database import Database, prepare
from mapserver.reaggregation import Reaggregator
from mapserver.systems.areas import boundaries, linking, standing
from mapserver.systems.areas.book import areas_in
from mapserver.systems.areas.boundaries import Meant
from mapserver.systems.areas.defects import alike, errors, km2
from mapserver.text import folded
from mapserver.upkeep import caught_up

pytestmark = pytest.mark.postgis
REFORM, EVE = date(2025, 7, 1), date(2025, 6, 30)


@pytest.fixture
def city(database: Callable[..., Database]) -> Database:
    return database()


def book(database: Database) -> Areas:
    with psycopg.connect(database.owner_dsn) as conn:
        return areas_in(conn)


def province(unit: Area) -> str:
    """Where a unit before the reform lay, by its district's code."""
    district = int(unit.parent or 0)
    return "HCM" if district >= 760 else "BR" if district >= 747 else "BD"


def content(database: Database) -> list[Any]:
    """Everything that the area tables hold."""
    tables = ("area", "area_link", "area_weight", "area_change")
    return [asked(database, f"SELECT to_jsonb(t) FROM citymap.{name} AS t ORDER BY t::text") for name in tables]


# What a database begins with


def test_an_empty_database_knows_the_units_and_the_links_of_the_reform(city: Database) -> None:
    areas = book(city)
    assert (len(areas.units), len(areas.links)) == (442 + 168, 493)
    assert (len(areas.on(EVE)), len(areas.on(REFORM))) == (442, 168)
    assert [unit.code for unit in areas.on(EVE) if unit.level == "district"] == ["755"]
    assert sum(link.whole for link in areas.links) == 395
    assert {link.clause for link in areas.links} == {None}
    assert {unit.geometry_status for unit in areas.units.values()} == {"provisional"}


def test_the_reform_in_figures(city: Database) -> None:
    """With the package's spelling; the crosswalk's, nearer to the law, makes it 122 names and 26 (see below)."""
    said = figures(book(city), REFORM)
    assert (said.origins, said.heirs, said.whole, said.part) == (442, 168, 395, 98)
    assert dict(said.kinds) == {"ward": 113, "commune": 54, "special_zone": 1}
    assert dict(said.split) == {1: 395, 2: 43, 3: 4}
    assert (said.of_parts, said.codes_reused, said.changed_extent) == (70, 167, 162)
    assert set(said.unchanged) == {
        "Phường Thới Hòa", "Xã Long Sơn", "Xã Hòa Hiệp", "Xã Bình Châu", "Xã Thạnh An", "Đặc khu Côn Đảo"
    }  # fmt: skip


def test_the_origins_of_each_province_and_the_units_split_in_three(city: Database) -> None:
    areas = book(city)
    old = [unit for unit in areas.on(EVE) if unit.level == "commune"]
    split = [unit for unit in old if len(areas.heirs(unit.uid)) > 1]
    assert Counter(map(province, old)) == {"HCM": 273, "BD": 91, "BR": 77}
    assert Counter(map(province, split)) == {"HCM": 31, "BD": 16}
    three = {unit.name for unit in old if len(areas.heirs(unit.uid)) == 3}
    assert three == {"Phường Sơn Kỳ", "Phường Tân Thành", "Phường 16", "Phường Tân Tạo"}


def test_the_default_is_filled_once(city: Database, layers: Catalogue) -> None:
    asked_ = content(city)
    with psycopg.connect(city.owner_dsn) as conn:
        conn.execute("DELETE FROM citymap.area WHERE code = '26740'")
    prepare(city.admin_dsn, layers, city.app_dsn)
    assert len(asked(city, "SELECT FROM citymap.area")) == 608
    assert len(asked_[0]) == 610


def test_a_code_means_another_unit_on_another_day(city: Database) -> None:
    areas = book(city)
    before, after = areas.of_code("26740", EVE), areas.of_code("26740", REFORM)
    assert before is not None
    assert after is not None
    assert (before.name, after.name, before.uid == after.uid) == ("Phường Bến Nghé", "Phường Sài Gòn", False)


# In the demo city


def test_the_engine_measures_the_generators_own_shares(toy: Database) -> None:
    made = cells.pieces()
    ground = km2(made.geometry.to_numpy())
    own = dict(zip(zip(made["old_code"], made["new_code"], strict=True), ground, strict=True))
    whole = made.assign(km2=ground).groupby("old_code")["km2"].sum()
    shares = asked(toy, "SELECT from_code, to_code, onward_area FROM layers.area_links")
    assert len(shares) == 493
    for origin, heir, share in shares:
        assert share == pytest.approx(own[origin, heir] / whole[origin], abs=1e-6)


def test_every_address_of_the_demo_city_stands_on_the_ground_of_one_link(toy: Database) -> None:
    [(counted, there)] = asked(
        toy,
        "SELECT sum(measured)::bigint, (SELECT count(*) FROM layers.addresses)"
        " FROM citymap.area_weight WHERE kind = 'addresses'",
    )
    assert counted == there > 0
    versions = dict(asked(toy, "SELECT DISTINCT kind, data_version FROM citymap.area_weight"))
    assert versions.keys() == {"addresses", "area"}
    assert "addresses load" in versions["addresses"]


def test_weights_are_measured_again_when_their_data_are_others(city: Database, layers: Catalogue) -> None:
    loaded(city, layers, "wards", cells.wards().assign(population=100))
    assert "weights by population of 493 links measured" in caught_up(city.owner_dsn, layers)
    [(people,)] = asked(city, "SELECT sum(measured) FROM citymap.area_weight WHERE kind = 'population'")
    assert people == pytest.approx(16_800)
    assert caught_up(city.owner_dsn, layers) == ()
    middles = cells.wards().geometry.representative_point()
    rows = {"source_id": [f"A{i}" for i in range(168)], "house_number": ["1"] * 168, "full_text": ["1"] * 168}
    loaded(city, layers, "addresses", gpd.GeoDataFrame(rows, geometry=middles.to_numpy(), crs=4326))
    assert "weights by addresses of 493 links measured" in caught_up(city.owner_dsn, layers)
    [(counted,)] = asked(city, "SELECT sum(measured) FROM citymap.area_weight WHERE kind = 'addresses'")
    assert counted == 168


# The layers


@pytest.mark.parametrize(
    ("layer", "parameters", "count"),
    [
        ("areas", {}, 610),
        ("areas", {"datetime": "2025-06-30"}, 442),
        ("areas", {"datetime": "2025-07-01"}, 168),
        ("areas", {"datetime": "2025-06-30/2025-07-01"}, 610),
        ("areas", {"datetime": "2025-07-02/.."}, 168),
        ("wards", {}, 168),
        ("wards_before_2025_07", {}, 441),
        ("area_links", {}, 493),
        ("area_links", {"kind": "part"}, 98),
        ("reform_lineage", {}, 493 - 6),
    ],
)
def test_the_layers_hold_what_they_say(server: str, layer: str, parameters: dict[str, str], count: int) -> None:
    said = httpx.get(f"{server}/collections/{layer}/items", params={**parameters, "resultType": "hits"})
    assert said.json()["numberMatched"] == count, said.text


def test_datetime_picks_what_a_code_meant(server: str) -> None:
    names = []
    for day in ("2025-06-30", "2025-07-01T00:00:00Z"):
        parameters = {"code": "26740", "datetime": day, "properties": "name"}
        found = httpx.get(f"{server}/collections/areas/items", params=parameters).json()["features"]
        names += [feature["properties"]["name"] for feature in found]
    assert names == ["Phường Bến Nghé", "Phường Sài Gòn"]


def test_lines_of_the_reform_run_from_old_to_new(server: str) -> None:
    parameters = {"limit": "1000", "properties": "title"}
    found = httpx.get(f"{server}/collections/reform_lineage/items", params=parameters).json()["features"]
    lines = [feature["geometry"] for feature in found if feature["geometry"]]
    assert len(lines) == 493 - 6
    assert {len(line["coordinates"]) for line in lines} == {2}


# Loading boundary sets


def squares(codes: list[str], names: list[str], west: float = 106.6) -> gpd.GeoDataFrame:
    boxes = [shapely.box(west + i * 0.1, 10.7, west + (i + 1) * 0.1, 10.8) for i in range(len(codes))]
    return gpd.GeoDataFrame({"code": codes, "name": names}, geometry=boxes, crs=4326)


def saved(frame: gpd.GeoDataFrame, path: Path) -> Path:
    frame.to_file(path, engine="pyogrio")
    return path


def test_a_set_is_loaded_whole_or_not_at_all_and_every_defect_is_told(city: Database, tmp_path: Path) -> None:
    bad = squares(["26740", "26743", "99999", "26743"], ["Phường Sài Gòn", "Phường Bến Thành", "Xã Lạ", "Phường X"])
    bad.loc[1, "geometry"] = shapely.Polygon([(106.6, 10.7), (106.8, 10.9), (106.8, 10.7), (106.6, 10.9)])
    before = content(city)
    report = boundaries.load(city.owner_dsn, saved(bad, tmp_path / "bad.gpkg"), Meant(on=REFORM))
    told = {(defect.kind, defect.where) for defect in errors(report.defects)}
    assert {("code", "99999"), ("name", "26743")} <= told
    assert any(kind == "row" for kind, _ in told)
    assert report.change is None
    assert content(city) == before


def test_a_dry_run_tells_and_changes_nothing(city: Database, tmp_path: Path) -> None:
    before = content(city)
    good = squares(["26740"], ["Phường Sài Gòn"])
    report = boundaries.load(city.owner_dsn, saved(good, tmp_path / "a.gpkg"), Meant(on=REFORM), dry_run=True)
    assert (report.units, errors(report.defects), report.change) == (1, [], None)
    assert content(city) == before


def test_gaps_and_overlaps_are_told_and_a_final_set_may_not_have_them(city: Database) -> None:
    ring = squares(["26740", "26743"], ["Phường Sài Gòn", "Phường Bến Thành"])
    outer = shapely.box(106.6, 10.7, 106.9, 11.0)
    ring.loc[0, "geometry"] = outer.difference(shapely.box(106.7, 10.8, 106.8, 10.9))
    ring.loc[1, "geometry"] = shapely.box(106.9, 10.7, 107.0, 11.0).union(shapely.box(106.85, 10.7, 106.9, 10.75))
    report = boundaries.apply(city.owner_dsn, ring, Meant(on=REFORM), source="test", dry_run=True)
    assert {(d.kind, d.level) for d in report.defects} == {("gap", "warning"), ("overlap", "warning")}
    final = boundaries.apply(city.owner_dsn, ring, Meant(on=REFORM, final=True), source="test")
    assert {d.kind for d in errors(final.defects)} == {"gap", "overlap"}
    assert final.change is None


def test_new_versions_may_not_run_into_old_ones(city: Database) -> None:
    report = boundaries.apply(
        city.owner_dsn, squares(["26740"], ["Phường Sài Gòn"]), Meant(date(2026, 5, 1)), source="t"
    )
    assert [defect.where for defect in errors(report.defects)] == ["26740"]


def test_an_earlier_reform_makes_a_chain(city: Database) -> None:
    """Ward 9 of District 11 was gone before July 2025; Ward 10 kept its code and took its ground."""
    first = date(2025, 1, 1)
    earlier = squares(["27235", "27232"], ["Phường 9", "Phường 10"])
    made = boundaries.apply(city.owner_dsn, earlier, Meant(end=first, legal_basis="1278/NQ"), source="test")
    assert (made.added, errors(made.defects)) == (2, [])
    rows = [("27235", "27232", "whole", "5"), ("27232", "27232", "whole", "5")]
    table = pd.DataFrame(rows, columns=["from_code", "to_code", "kind", "clause"])
    assert linking.apply(city.owner_dsn, table, first, source="test").defects == ()
    areas = book(city)
    assert areas.reforms == (first, REFORM)
    ward = areas.of_code("27235", date(2024, 6, 1))
    assert ward is not None
    assert areas.of_code("27235", EVE) is None
    assert [unit.valid_from for unit in areas.versions("27232")] == [None, first, REFORM]
    now = Reaggregator(areas, REFORM, whole=True).counts({ward.uid: Decimal(100)})
    assert now.total == 100
    assert [figure.area.name for figure in now.figures] == ["Phường Bình Thới"]
    assert [step.link.clause for step in now.figures[0].steps] == ["5", None]


def test_a_code_that_changed_without_its_ground_and_a_name_that_moved(city: Database) -> None:
    """Côn Đảo kept its ground and changed its code; Phú Thọ was in Thủ Dầu Một and is in the old District 11 now."""
    areas = book(city)
    [link] = areas.heirs(next(unit.uid for unit in areas.on(EVE) if unit.code == "755"))
    assert (link.unchanged, areas.units[link.heir].code) == (True, "26732")
    [before] = [unit for unit in areas.on(EVE) if unit.name == "Phường Phú Thọ"]
    [after] = [unit for unit in areas.on(REFORM) if unit.name == "Phường Phú Thọ"]
    assert (before.code, after.code) == ("25753", "27226")
    assert after.uid not in {link.heir for link in areas.heirs(before.uid)}


# Loading link tables


def crosswalk() -> pd.DataFrame:
    rows = [(link.old, link.new, "whole" if link.whole else "part", "1") for link in units.links()]
    return pd.DataFrame(rows, columns=["from_code", "to_code", "kind", "clause"])


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda t: t[t["from_code"] != "26734"], "26734: ended with the reform and is in no link"),
        (lambda t: t.assign(to_code=t["to_code"].where(t.index != 7, "11111")), "no unit 11111 began on 2025-07-01"),
        (lambda t: t.assign(kind=t["kind"].where(t.index != 7, "half")), "is whole or part, not 'half'"),
        (lambda t: t.assign(kind="whole"), "goes wholly into one unit, and to 1 more"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "stands in 2 rows"),
        (lambda t: t.assign(from_name="Xã Không Có"), "not Xã Không Có"),
    ],
)
def test_links_that_do_not_add_up_are_told_and_nothing_is_loaded(
    city: Database, spoilt: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    before = content(city)
    report = linking.apply(city.owner_dsn, spoilt(crosswalk()), REFORM, source="test")
    assert any(said in str(defect) for defect in errors(report.defects)), report.defects[:3]
    assert content(city) == before


def test_a_link_table_brings_clauses(city: Database) -> None:
    report = linking.apply(city.owner_dsn, crosswalk(), REFORM, source="test")
    assert (report.links, report.new, report.gone, report.clauses, report.defects) == (493, 0, 0, 493, ())
    assert {link.clause for link in book(city).links} == {"1"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Xã Hoà Long", "Xã Hòa Long", True),
        ("Xã Quy Đức", "Xã Qui Đức", True),
        ("Sài Gòn", "Phường Sài Gòn", True),
        ("Phường 1", "Phường 11", False),
        ("Phường Bến Nghé", "Phường Sài Gòn", False),
    ],
)
def test_a_name_spelt_otherwise_is_the_same_name(one: str, other: str, same: bool) -> None:
    assert alike(one, other) is same


# On the command line


def test_the_commands_tell_everything_in_words(tmp_path: Path, house: Path) -> None:
    data = str(house / "areas-cli" / "var")
    bad = saved(squares(["99999"], ["Xã Lạ"]), tmp_path / "bad.gpkg")
    refused = citymap("areas", "load", str(bad), "--on", "2025-07-01", CITYMAP_DATA=data)
    assert refused.returncode == 1
    assert "error: code: 99999: no unit had this code on 2025-07-01" in refused.stdout
    assert "refused: 1 errors in 1 units; nothing was changed" in refused.stderr
    wrong = citymap("areas", "load", str(bad), "--on", "yesterday", CITYMAP_DATA=data)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (1, False)
    checked = citymap("areas", "check", CITYMAP_DATA=data)
    assert "493 = 395 whole + 98 part" in checked.stdout, checked.stderr


# Real input


@pytest.fixture(scope="module")
def osm_wards(real_data: Path) -> gpd.GeoDataFrame:
    """Ward outlines of 2018 of units that did not change until 2025: their box is still the package's."""
    read = pyogrio.read_dataframe(
        real_data / "hcm_2018.osm.pbf",
        layer="multipolygons",
        where="boundary = 'administrative' AND admin_level IN ('8', '10')",
        columns=["name"],
    )
    named: dict[str, list[units.OldUnit]] = {}
    for unit in units.old_units():
        named.setdefault(folded(unit.name), []).append(unit)
    assert read["name"].notna().sum() == 275
    rows = [
        (unit.code, unit.name, unit.district, shapely.make_valid(shape))
        for name, shape in zip(read["name"].fillna(""), read.geometry, strict=True)
        for unit in named.get(folded(name), [])
        if np.abs(np.array(shape.bounds) - unit.box).max() < 0.0005
    ]
    return gpd.GeoDataFrame(rows, columns=["code", "name", "parent_name", "geometry"], crs=4326)


@pytest.mark.real
def test_the_real_outlines_are_loaded_with_every_defect_that_is_known(city: Database, real_data: Path) -> None:
    report = boundaries.load(city.owner_dsn, real_data / "hcmc_wards_2025.gpkg", Meant(on=REFORM))
    assert (report.units, report.changed, report.added, errors(report.defects)) == (168, 168, 0, [])
    off = {defect.where: str(defect) for defect in report.defects if defect.kind == "area"}
    for code, share in (("26842", "+18%"), ("27007", "+14%"), ("26968", "-41%"), ("26536", "-39%")):
        assert share in off[code]


@pytest.mark.real
def test_the_crosswalk_gives_the_figures_of_the_reform(city: Database, real_data: Path) -> None:
    report = linking.load(city.owner_dsn, real_data / "hcmc_crosswalk_2025.csv", REFORM)
    assert (report.links, report.new, report.gone, report.clauses, report.defects) == (493, 0, 0, 493, ())
    said = figures(book(city), REFORM)
    assert (said.codes_reused, said.changed_extent, said.changed_name, said.repeated_names) == (167, 162, 122, 26)
    with psycopg.connect(city.owner_dsn) as conn:
        assert [*standing.defects(conn, areas_in(conn))] == []


@pytest.mark.real
def test_measured_shares_agree_with_the_crosswalks_where_outlines_are_real(
    city: Database, layers: Catalogue, real_data: Path, osm_wards: gpd.GeoDataFrame
) -> None:
    boundaries.load(city.owner_dsn, real_data / "hcmc_wards_2025.gpkg", Meant(on=REFORM))
    done = boundaries.apply(city.owner_dsn, osm_wards, Meant(on=EVE), source="OpenStreetMap 2018")
    assert done.changed == len(osm_wards) > 100, done.defects
    caught_up(city.owner_dsn, layers)
    table = pd.read_csv(real_data / "hcmc_crosswalk_2025.csv", dtype=str).dropna(subset="area_share_old_in_new")
    own = dict(zip(osm_wards["code"], km2(osm_wards.geometry.to_numpy()), strict=True))
    query = """
        SELECT origin.code, heir.code, w.measured
        FROM citymap.area_weight AS w
        JOIN citymap.area AS origin ON origin.uid = w.from_uid
        JOIN citymap.area AS heir ON heir.uid = w.to_uid
        WHERE w.kind = 'area'"""
    measured = {(origin, heir): ground / own[origin] for origin, heir, ground in asked(city, query) if origin in own}
    pairs = zip(table["old_code"], table["new_code"], table["link"], table["area_share_old_in_new"], strict=True)
    off = [(kind, abs(measured[o, n] - float(share))) for o, n, kind, share in pairs if (o, n) in measured]
    assert len(off) > 120
    assert max(gap for kind, gap in off if kind == "partial") < 0.021
    assert np.mean([gap < 0.02 for _, gap in off]) > 0.95
    assert np.median([gap for _, gap in off]) < 0.003
    print(json.dumps({"links": len(off), "median": float(np.median([gap for _, gap in off]))}))


def test_a_table_is_moved_on_the_command_line(tmp_path: Path, house: Path) -> None:
    data = str(house / "areas-cli" / "var")
    table = tmp_path / "bảng.csv"
    table.write_text("Mã;Kỳ;Phản ánh\n26740;2024;100\n26737;2024;60\n26740;8/2025;90\n99999;2024;1\n", encoding="utf-8")
    done = citymap("reaggregate", str(table), "--to", "2025-08-01", "--whole", CITYMAP_DATA=data)
    assert done.returncode == 3, done.stderr
    assert "4 rows = 3 matched + 0 to be asked about + 1 of no unit" in done.stderr
    assert "Phản ánh: 250 before, 250 after" in done.stderr
    assert "row 4: 99999: there never was a unit 99999" in done.stderr
    assert "26740,Phường Sài Gòn" in done.stdout
    made = tmp_path / "kết quả.xlsx"
    median = citymap("reaggregate", str(table), "--measure", "median", "-o", str(made), CITYMAP_DATA=data)
    assert (median.returncode, made.exists()) == (1, False)
    assert "a median cannot be taken apart" in median.stderr
