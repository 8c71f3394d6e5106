"""The demo city: real units and links under made-up shapes, the same each time, as large as asked, plainly labelled."""

from __future__ import annotations

import hashlib
import importlib
import re
from itertools import islice
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import pytest
import shapely
from conftest import TOY_SCALE, citymap
from vietnamadminunits.database import query

from ingest import petitions
from ingest.city import City, cells, city, units
from mapserver.catalogue import catalogue
from mapserver.commands.demo import fill
from mapserver.settings import ROOT, settings

LAYERS = catalogue(ROOT / "layers")
TABLES = [layer.name for layer in LAYERS if layer.origin == "ingest"]
HOUSE_NUMBER = re.compile(r"\d+[A-D]?(/\d+[A-D]?)*")
SMALL = 0.03


@pytest.fixture(scope="module")
def small() -> City:
    return city(None, SMALL)


@pytest.fixture(scope="module")
def twin() -> City:
    """The same city, made apart."""
    return city(None, SMALL)


def made(name: str, of: City) -> pd.DataFrame:
    """All rows of a layer's generator."""
    return pd.concat(list(importlib.import_module(f"ingest.{name}").demo(of)))


def digest(frame: pd.DataFrame) -> str:
    """A checksum over every value and coordinate."""
    plain = pd.DataFrame(frame.drop(columns="geometry", errors="ignore")).to_csv()
    shapes = b"".join(shapely.to_wkb(frame.geometry.to_numpy())) if "geometry" in frame else b""
    return hashlib.sha256(plain.encode() + shapes).hexdigest()


def asked(dsn: str, statement: str) -> Any:
    with psycopg.connect(dsn) as conn:
        return conn.execute(statement.encode()).fetchall()


# The units


def test_names_and_codes_are_those_of_the_package_and_no_others():
    real = {(row["wardCode"], row["ward"]) for row in query("SELECT * FROM admin_units WHERE provinceCode = '79'")}
    assert set(zip(cells.wards()["code"], cells.wards()["full_name"], strict=True)) == real
    assert cells.wards()["unit_type"].value_counts().to_dict() == {"ward": 113, "commune": 54, "special_zone": 1}


def test_the_links_of_the_reform_are_all_there():
    assert (len(units.old_units()), len(units.links())) == (442, 493)
    assert sum(link.whole for link in units.links()) == 395
    assert not cells.pieces().geometry.is_empty.any()


def test_a_ward_is_exactly_the_union_of_what_its_links_give_it():
    ground = cells.pieces().dissolve("new_code").geometry
    wards = cells.wards().set_index("code").geometry
    assert shapely.area(shapely.symmetric_difference(wards.to_numpy(), ground[wards.index].to_numpy())).max() < 1e-12


def test_a_whole_link_carries_the_whole_old_unit_and_partial_ones_share_it():
    old = cells.old_wards().set_index("code").geometry
    part = cells.pieces().copy()
    part["share"] = shapely.area(part.geometry.to_numpy()) / shapely.area(old[part["old_code"]].to_numpy())
    assert part[part["whole"]]["share"].to_numpy() == pytest.approx(1)
    assert part.groupby("old_code")["share"].sum().to_numpy() == pytest.approx(1)
    assert part[~part["whole"]]["share"].between(0.05, 0.95).all()


@pytest.mark.parametrize("outlines", [cells.wards, cells.old_wards])
def test_borders_are_shared_without_gap_or_overlap(outlines):
    shapes = outlines().geometry.to_numpy()
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)
    mainland, island = sorted(shapely.get_parts(shapely.coverage_union_all(shapes)), key=lambda p: -p.area)
    assert not mainland.interiors
    assert not island.interiors


def test_con_dao_lies_apart_at_sea():
    wards = cells.wards().set_index("full_name").geometry
    others = wards.drop("Đặc khu Côn Đảo").to_numpy()
    assert shapely.distance(others, wards["Đặc khu Côn Đảo"]).min() > 0.5


def test_most_units_hold_their_real_point():
    wards = cells.wards().set_index("code").geometry
    points = shapely.points([(unit.lon, unit.lat) for unit in units.new_units()])
    codes = [unit.code for unit in units.new_units()]
    assert shapely.contains(wards[codes].to_numpy(), points).mean() > 0.9


# The generator


@pytest.mark.parametrize("name", TABLES)
def test_the_same_seed_makes_the_same_city(name, small, twin):
    assert digest(made(name, small)) == digest(made(name, twin))


def test_another_seed_makes_another_city_in_the_same_wards(small):
    other = city(None, SMALL, seed=7)
    assert digest(made("roads", small)) != digest(made("roads", other))
    assert digest(made("wards", small)) == digest(made("wards", other))


@pytest.mark.parametrize("name", ["addresses", "petitions", "economic_units", "schools", "parks", "waterways"])
def test_twice_the_scale_is_twice_as_much(name, small):
    assert len(made(name, city(None, 2 * SMALL))) == pytest.approx(2 * len(made(name, small)), rel=0.12, abs=3)


def test_a_batch_does_not_grow_with_the_scale():
    sizes = {scale: [len(q.cells) for q in islice(city(None, scale)._made(), 4)] for scale in (1, 40)}
    assert max(sizes[40]) < 1.5 * max(sizes[1])


def test_house_numbers_follow_the_local_grammar(small):
    doors = made("addresses", small)
    assert doors["house_number"].str.fullmatch(HOUSE_NUMBER).all()
    assert (doors["depth"] == doors["house_number"].str.count("/")).all()
    assert {0, 1, 2} <= set(doors["depth"])


def test_every_alley_address_stands_in_an_alley_that_is_there(small):
    doors, roads = made("addresses", small), made("roads", small)
    inside = doors[doors["alley"].notna()]
    assert set("Hẻm " + inside["alley"] + " " + inside["street"]) <= set(roads["name"])


def test_doors_on_the_left_are_odd(small):
    way = next(small.quarters()).streets[:50]
    numbers = way.numbers(np.full(50, 0.5), np.arange(50) % 2 == 0)
    assert (numbers % 2 == (np.arange(50) % 2 == 0)).all()


def test_buses_run_along_streets_and_stop_where_they_say(small):
    routes, stops = made("bus_routes", small), made("bus_stops", small)
    calls = stops["routes"].explode().value_counts()
    assert set(calls.index) == set(routes["number"])
    lines = shapely.union_all(routes.geometry.to_numpy())
    assert shapely.distance(stops.geometry.to_numpy(), lines).max() < 2e-4


def test_petitions_have_a_week_a_season_and_quiet_holidays():
    frame = made("petitions", city(None, 0.2))
    day, field = frame["received_at"].dt, frame["field"]
    weekday = day.day_of_week.value_counts()
    assert weekday[[5, 6]].mean() < 0.8 * weekday[[0, 1, 2, 3, 4]].mean()
    floods = day.month[field == "flooding"].value_counts().reindex(range(1, 13), fill_value=0)
    assert floods[[6, 7, 8, 9, 10]].mean() > 5 * floods[[1, 2, 3, 4]].mean()
    off = np.isin(day.date.to_numpy().astype("datetime64[D]"), petitions.days_off())
    assert off.mean() < 0.6 * len(petitions.days_off()) / 5 / 365
    assert day.hour[field == "noise"].isin([19, 20, 21, 22, 23, 0]).mean() > 0.4


def test_a_petition_is_due_on_a_working_day_and_late_only_after_it():
    frame = made("petitions", city(None, 0.05))
    due = frame["due_on"].to_numpy().astype("datetime64[D]")
    assert np.is_busday(due, holidays=petitions.days_off()).all()
    closed = frame[frame["closed_at"].notna()]
    assert (closed["closed_at"] >= closed["received_at"]).all()
    assert 0.05 < (closed["closed_at"].dt.normalize() > closed["due_on"]).mean() < 0.3
    assert (frame["closed_at"].notna() == (frame["status"] == "answered")).all()


def test_a_rate_is_its_numerator_over_its_denominator(small):
    values = made("indicators", small)
    rates = values[values["denominator"].notna()]
    assert rates["value"].to_numpy() == pytest.approx((100 * rates["numerator"] / rates["denominator"]).to_numpy())
    assert len(rates) > 1000


@pytest.fixture(scope="module")
def squares() -> gpd.GeoDataFrame:
    """Two square wards side by side."""
    boxes = [shapely.box(106.60, 10.70, 106.66, 10.76), shapely.box(106.66, 10.70, 106.72, 10.76)]
    return gpd.GeoDataFrame({"code": ["A", "B"], "name": ["A", "B"], "full_name": ["A", "B"]}, geometry=boxes, crs=4326)


@pytest.mark.parametrize("name", ["roads", "addresses", "petitions", "bus_stops", "administration"])
def test_the_city_stays_inside_the_wards_it_is_given(name, squares):
    made_there = made(name, city(squares, 1.0))
    assert shapely.within(made_there.geometry.to_numpy(), shapely.union_all(squares.geometry.to_numpy())).all()


def test_where_real_roads_are_known_places_stand_beside_them_and_buses_run_along_them(squares):
    lines = [shapely.LineString([(106.605, y), (106.63, y), (106.69, y), (106.715, y)]) for y in (10.72, 10.74)]
    lines += [shapely.LineString([(x, 10.705), (x, 10.72), (x, 10.74), (x, 10.755)]) for x in (106.63, 106.69)]
    roads = gpd.GeoDataFrame({"name": ["Đông", "Tây", None, "Bắc"], "rank": [7, 6, 5, 5]}, geometry=lines, crs=4326)
    there = city(squares, 1.0, roads=roads)
    named = shapely.union_all(roads.geometry[roads["name"].notna()].to_numpy())
    metres = shapely.distance(made("petitions", there).geometry.to_numpy(), named) * 110_000
    assert (metres < 15).sum() > 50
    assert not ((metres > 15) & (metres < 300)).any()
    courses = made("bus_routes", there).geometry.to_numpy()
    assert shapely.distance(shapely.points(shapely.get_coordinates(courses)), shapely.union_all(lines)).max() < 1e-5


# In the database


def test_everything_is_loaded_and_nothing_is_quarantined(toy):
    rows = asked(toy.owner_dsn, "SELECT layer, rows_in, rows_loaded, rows_quarantined FROM citymap.load")
    assert {name for name, *_ in rows} == {layer.name for layer in LAYERS if layer.origin != "view"}
    assert all(given == kept > 0 and not refused for _, given, kept, refused in rows)


def test_every_load_is_labelled_synthetic(toy):
    assert asked(toy.owner_dsn, "SELECT DISTINCT synthetic FROM citymap.load") == [(True,)]


@pytest.mark.parametrize("name", [layer.name for layer in LAYERS if layer.ward and layer.origin == "ingest"])
def test_every_feature_has_the_ward_it_lies_in(toy, name):
    wrong = f"""
        SELECT count(*) FROM layers.{name} AS t
        LEFT JOIN layers.wards AS w ON w.code = t.ward_code
        WHERE w.code IS NULL OR NOT ST_Intersects(w.geom, t.geom)"""
    assert asked(toy.owner_dsn, wrong) == [(0,)]


def test_petitions_by_ward_has_every_ward_and_loses_no_petition(toy):
    [(wards, received, petitions_in_all)] = asked(
        toy.owner_dsn,
        "SELECT count(*), sum(received)::bigint, (SELECT count(*) FROM layers.petitions) FROM layers.petitions_by_ward",
    )
    assert (wards, received) == (168, petitions_in_all)


def test_indicators_have_the_outline_of_their_area_version(toy):
    [(rows, held, areas)] = asked(
        toy.owner_dsn,
        "SELECT count(*), (SELECT count(*) FROM citymap.indicator_observation WHERE current),"
        " count(DISTINCT area_uid) FROM layers.indicators",
    )
    assert (rows, areas) == (held, 168)


@pytest.fixture
def unfilled(database, tmp_path):
    """A prepared database without data, and settings without a real folder."""
    return settings(data=tmp_path, real_data=tmp_path / "none"), database()


def test_a_fill_cut_short_goes_on_where_it_was(unfilled):
    chosen, there = unfilled
    first = fill(chosen, there.owner_dsn, TOY_SCALE)
    assert fill(chosen, there.owner_dsn, TOY_SCALE) == []
    with psycopg.connect(there.owner_dsn) as conn:
        conn.execute("DELETE FROM citymap.load WHERE layer IN ('parks', 'schools')")
    (chosen.data / "rasters" / "elevation.tif").unlink()
    again = fill(chosen, there.owner_dsn, TOY_SCALE)
    assert [report.layer for report in again] == ["elevation", "parks", "schools"]
    assert {r.layer: r.loaded for r in again}.items() <= {r.layer: r.loaded for r in first}.items()
    assert first[0].layer == "wards"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scale", "1000"], "--scale: is between 0.01 and 100, not 1000"),
        (["--scale", "many"], "unable to parse string as a number"),
        (["nowhere"], "no layer nowhere holds data of its own; there are addresses"),
        (["petitions_by_ward"], "no layer petitions_by_ward holds data of its own"),
    ],
)
def test_the_command_says_what_would_be_right(tmp_path, arguments, said):
    done = citymap("demo", *arguments, CITYMAP_DATA=str(tmp_path))
    assert done.returncode != 0
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
