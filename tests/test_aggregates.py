"""Counts by ward are what a recount gives, whatever was changed, killed or rolled back; they name their boundaries."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import geopandas as gpd
import httpx
import mapbox_vector_tile
import psycopg
import pytest
from conftest import until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loads import asked, loaded, schools, squares

from ingest.city import cells
from mapserver import tallies
from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.settings import ROOT
from mapserver.systems.areas.counting import fold
from mapserver.upkeep import caught_up

pytestmark = pytest.mark.postgis


@pytest.fixture
def city(database: Callable[..., Database], layers: Catalogue) -> Database:
    """A fresh database with four wards and fifty schools."""
    made = database()
    loaded(made, layers, "wards", squares())
    loaded(made, layers, "schools", schools(50))
    return made


def differences(database: Database, layers: Catalogue, name: str) -> list[tuple[Any, ...]]:
    """What the kept sums and a full recount disagree about."""
    return asked(database, tallies.differences(layers[name]))


def total(database: Database, name: str, measure: str = tallies.COUNT) -> int:
    [(amount,)] = asked(
        database,
        "SELECT sum(amount) FROM citymap.ward_tally WHERE layer = %s AND measure = %s AND dim = ''"
        " AND grain = 'all' AND on_day IS NULL",
        name, measure,
    )  # fmt: skip
    return int(amount or 0)


# What is kept


@pytest.mark.parametrize("mode", ["replace", "append", "upsert"])
def test_a_load_of_any_mode_keeps_the_counts(city: Database, layers: Catalogue, mode: str) -> None:
    loaded(city, layers, "schools", schools(30, 41), mode=mode)
    assert total(city, "schools") == {"replace": 30, "append": 70, "upsert": 70}[mode]
    assert total(city, "schools", "pupils") > 0
    assert differences(city, layers, "schools") == []


CHANGES = {
    "move": "UPDATE layers.schools SET ward_code = 'B' WHERE id % 3 = {0}",
    "lose": "UPDATE layers.schools SET ward_code = NULL WHERE id % 5 = {0}",
    "teach": "UPDATE layers.schools SET kind = 'college', pupils = pupils + {0} WHERE id % 4 = 1",
    "close": "DELETE FROM layers.schools WHERE id % 11 = {0}",
    "forget": "UPDATE layers.schools SET pupils = NULL WHERE id % 6 = {0}",
    "fold": "SELECT citymap.fold_tallies('schools')",
    "empty": "TRUNCATE layers.schools",
}


@given(steps=st.lists(st.tuples(st.sampled_from([*CHANGES]), st.integers(0, 5), st.booleans()), max_size=12))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_stay_exact_through_any_changes_committed_or_rolled_back(
    city: Database, layers: Catalogue, steps: list[tuple[str, int, bool]]
) -> None:
    with psycopg.connect(city.owner_dsn) as conn:
        for change, number, kept in steps:
            conn.execute(CHANGES[change].format(number).encode())
            conn.commit() if kept else conn.rollback()
    assert differences(city, layers, "schools") == []


LOADING = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from loads import PROVENANCE, schools
from mapserver.catalogue import catalogue
from mapserver.loading import load
layers = catalogue(Path({root!r}) / "layers")
def frames():
    for first in range(1000, 10**9, 100):
        yield schools(100, first)
        print(first, flush=True)
load({dsn!r}, layers, layers["schools"], frames(), PROVENANCE, mode="append")
"""


def test_a_load_killed_midway_leaves_exact_counts(city: Database, layers: Catalogue) -> None:
    code = LOADING.format(tests=str(ROOT / "tests"), root=str(ROOT), dsn=city.owner_dsn)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(5):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert (total(city, "schools"), differences(city, layers, "schools")) == (50, [])


CHANGING = """
import sys, psycopg
with psycopg.connect(sys.argv[1]) as conn:
    for number in range(10**9):
        conn.execute("UPDATE layers.schools SET pupils = coalesce(pupils, 0) + 1, ward_code = "
                     "(ARRAY['A', 'B', 'C', 'D', NULL])[1 + (id + %s) %% 5] WHERE id %% 7 = %s", (number, number % 7))
        if number % 3 == 0:
            conn.execute("SELECT citymap.fold_tallies('schools')")
        conn.commit()
        print(number, flush=True)
"""


def test_writers_and_folds_killed_midway_leave_exact_counts(city: Database, layers: Catalogue) -> None:
    """Three processes change and fold at once until they are killed, two by the system and one by the database."""
    command = [sys.executable, "-c", CHANGING, city.owner_dsn]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in "abc"]
    try:
        for child in children:
            for _ in range(6):
                assert child.stdout is not None
                assert child.stdout.readline()
        os.kill(children[0].pid, signal.SIGKILL)
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'UPDATE layers.schools%%'"
        asked(city, ended)
    finally:
        for child in children:
            child.kill()
            child.communicate()
    busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until(lambda: asked(city, busy) == [(0,)], "the killed sessions are gone")
    assert total(city, "schools") == 50
    assert differences(city, layers, "schools") == []


def test_every_layer_of_the_demo_city_is_counted(toy: Database, layers: Catalogue) -> None:
    names = [layer.name for layer in layers if tallies.counted(layer)]
    assert {"petitions", "addresses", "schools", "field_notes"} <= set(names)
    for name in names:
        assert total(toy, name) == asked(toy, f"SELECT count(*) FROM layers.{name}")[0][0]
        assert differences(toy, layers, name) == []


# Over HTTP


def counts(inside: httpx.Client, layer: str = "petitions", **parameters: str) -> dict[str, Any]:
    said = inside.get(f"/collections/{layer}/aggregate", params={"by": "ward", **parameters}, timeout=60)
    assert said.status_code == 200, said.text
    return said.json()  # type: ignore[no-any-return]


def test_every_ward_has_its_count_and_its_outline(inside: httpx.Client, toy: Database) -> None:
    made = counts(inside)
    own = dict(asked(toy, "SELECT ward_code, count(*) FROM layers.petitions GROUP BY 1"))
    assert {
        f["properties"]["code"]: f["properties"]["value"] for f in made["features"] if f["properties"]["value"]
    } == own
    assert (len(made["features"]), made["boundaries"], made["exact"]) == (168, "2025-07-01..", True)
    assert made["total"] == sum(own.values())
    assert all(feature["geometry"]["type"] == "MultiPolygon" for feature in made["features"])


def test_by_code_and_by_month_and_in_an_interval(inside: httpx.Client, toy: Database) -> None:
    made = counts(inside, by="ward,field,month", datetime="2026-01-01/2026-03-31", skipGeometry="true")
    said = {
        (f["properties"]["code"], figure["field"], figure["period"]): figure["value"]
        for f in made["features"]
        for figure in f["properties"].get("figures", [])
    }
    query = """
        SELECT ward_code, field, date_trunc('month', received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date::text, count(*)
        FROM layers.petitions
        WHERE (received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date BETWEEN '2026-01-01' AND '2026-03-31'
        GROUP BY 1, 2, 3"""
    assert said == {(w, f, m): n for w, f, m, n in asked(toy, query)}
    assert len(said) > 20


def test_a_sum_and_a_rate_per_square_kilometre(inside: httpx.Client, toy: Database) -> None:
    made = counts(inside, "schools", value="pupils", per="km2", skipGeometry="true")
    query = """
        SELECT w.code, sum(s.pupils), sum(s.pupils) / (ST_Area(w.geom::geography) / 1e6)
        FROM layers.schools AS s JOIN layers.wards AS w ON w.code = s.ward_code
        GROUP BY w.code, w.geom HAVING sum(s.pupils) > 0"""
    own = {code: (int(pupils), rate) for code, pupils, rate in asked(toy, query)}
    for feature in made["features"]:
        told = feature["properties"]
        pupils, rate = own.get(told["code"], (0, 0))
        assert (told["value"], told["km2"]) == (pupils, pytest.approx(rate))


def test_people_that_are_not_known_give_no_rate(inside: httpx.Client) -> None:
    made = counts(inside, per="1000people", skipGeometry="true")
    assert {feature["properties"]["1000people"] for feature in made["features"]} == {None}


def test_on_the_boundaries_of_another_day_features_are_counted_by_place(inside: httpx.Client, toy: Database) -> None:
    made = counts(inside, boundaries="2024-12-31", by="ward,status")
    assert (made["boundaries"], made["counted"], made["exact"]) == ("..2025-06-30", "by place", False)
    assert any("made up" in note for note in made["notes"])
    query = """
        SELECT (SELECT min(a.code) FROM citymap.area AS a
                WHERE a.valid_to = '2025-07-01' AND ST_Intersects(a.geometry, p.geom)), status, count(*)
        FROM layers.petitions AS p GROUP BY 1, 2"""
    said = {
        (f["properties"]["code"], figure["status"]): figure["value"]
        for f in made["features"]
        for figure in f["properties"].get("figures", [])
    }
    assert said == {(code, status): number for code, status, number in asked(toy, query) if code}
    assert len({code for code, _ in said}) > 168


def test_on_the_boundaries_of_another_day_the_sum_is_kept_and_estimates_are_told(inside: httpx.Client) -> None:
    made = counts(inside, boundaries="2025-06-30", whole="true", weight="addresses")
    now = counts(inside, skipGeometry="true")
    assert (made["boundaries"], made["exact"], made["total"]) == ("..2025-06-30", False, now["total"])
    assert sum(feature["properties"]["value"] for feature in made["features"]) == now["total"]
    assert any(feature["properties"].get("estimated", 0) > 0 for feature in made["features"])
    assert any("re-aggregated" in note for note in made["notes"])


def test_counts_by_place_follow_single_edits_and_are_built_again_after_many(
    database: Callable[..., Database], layers: Catalogue
) -> None:
    made, then = database(), "date '2025-06-30'"
    loaded(made, layers, "wards", cells.wards())
    places = cells.old_wards().geometry.representative_point()[:200]
    rows = schools(200).drop(columns="geometry")
    loaded(made, layers, "schools", gpd.GeoDataFrame(rows, geometry=places.to_numpy(), crs=4326))
    assert "1 layers counted by place on earlier boundaries" in caught_up(made.owner_dsn, layers)
    assert asked(made, tallies.differences(layers["schools"], then)) == []
    with psycopg.connect(made.owner_dsn) as conn:
        conn.execute("UPDATE layers.schools SET geom = (SELECT geom FROM layers.schools WHERE id = 9) WHERE id < 5")
        conn.execute("DELETE FROM layers.schools WHERE id BETWEEN 20 AND 30")
        conn.execute("SELECT citymap.fold_tallies('schools')")
    assert asked(made, tallies.differences(layers["schools"], then)) == []
    assert asked(made, "SELECT count(*) FROM citymap.area_count") == [(1,)]
    with psycopg.connect(made.owner_dsn) as conn:
        for number in range(12):
            conn.execute("UPDATE layers.schools SET pupils = pupils + 1 WHERE id %% 2 = %s", (number % 2,))
        before = conn.execute("SELECT count(*) FROM citymap.ward_tally").fetchone()
        conn.commit()
        assert fold(conn) == ["schools"]
        after = conn.execute("SELECT count(*) FROM citymap.ward_tally").fetchone()
    assert before is not None
    assert after is not None
    assert after[0] < before[0] / 2
    assert asked(made, tallies.differences(layers["schools"], then)) == []
    loaded(made, layers, "schools", schools(5_100, 1000), mode="append")
    assert asked(made, "SELECT count(*) FROM citymap.area_count") == [(0,)]
    caught_up(made.owner_dsn, layers)
    assert asked(made, tallies.differences(layers["schools"], then)) == []
    assert asked(made, tallies.differences(layers["schools"])) == []


def test_as_csv(inside: httpx.Client) -> None:
    parameters = {"by": "ward,status", "f": "csv"}
    said = inside.get("/collections/petitions/aggregate", params=parameters)
    rows = [*csv.DictReader(io.StringIO(said.content.decode("utf-8-sig")))]
    assert sum(int(row["value"]) for row in rows) == counts(inside, skipGeometry="true")["total"]
    assert {row["boundaries"] for row in rows} == {"2025-07-01.."}


def test_as_vector_tiles(inside: httpx.Client) -> None:
    where = "/collections/petitions/aggregate/tiles/WebMercatorQuad/10/481/815"
    said = inside.get(where, params={"by": "ward"})
    assert said.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    [layer] = mapbox_vector_tile.decode(said.content).values()
    values = {f["properties"]["code"]: f["properties"]["value"] for f in layer["features"]}
    own = {f["properties"]["code"]: f["properties"]["value"] for f in counts(inside, skipGeometry="true")["features"]}
    assert len(values) > 50
    assert values.items() <= own.items()
    assert inside.get(where.replace("/10/", "/30/"), params={"by": "ward"}).status_code == 404


@pytest.mark.parametrize(
    ("layer", "parameters", "status", "where"),
    [
        ("petitions", {"by": ""}, 400, "by"),
        ("petitions", {"by": "field"}, 400, "by"),
        ("petitions", {"by": "ward,text"}, 400, "by"),
        ("petitions", {"by": "ward,field,status"}, 400, "by"),
        ("schools", {"by": "ward,month"}, 400, "by"),
        ("petitions", {"by": "ward", "value": "code"}, 400, "value"),
        ("petitions", {"by": "ward", "per": "acre"}, 400, "per"),
        ("petitions", {"by": "ward", "boundaries": "2025"}, 400, "boundaries"),
        ("petitions", {"by": "ward", "weight": "gold"}, 400, "weight"),
        ("petitions", {"by": "ward", "colour": "red"}, 400, "colour"),
        ("schools", {"by": "ward", "datetime": "2025-01-01"}, 400, "datetime"),
        ("waterways", {"by": "ward"}, 404, "collectionId"),
        ("wards", {"by": "ward"}, 404, "collectionId"),
    ],
)
def test_a_bad_question_is_told_what_would_be_right(
    inside: httpx.Client, layer: str, parameters: dict[str, str], status: int, where: str
) -> None:
    said = inside.get(f"/collections/{layer}/aggregate", params=parameters)
    assert (said.status_code, said.json()["parameter"]) == (status, where)


@pytest.mark.parametrize(("role", "seen"), [("citymap_reader", 0), ("citymap_insider", 1)])
def test_what_is_not_public_is_counted_for_insiders_only(city: Database, role: str, seen: int) -> None:
    with psycopg.connect(city.owner_dsn) as conn:
        conn.execute(
            "INSERT INTO citymap.ward_tally (layer, measure, dim, grain, amount, level)"
            " VALUES ('x', '', '', 'all', 1, 'internal')"
        )
    with psycopg.connect(city.app_dsn) as conn:
        conn.execute(f"SET ROLE {role}".encode())
        assert conn.execute("SELECT count(*) FROM citymap.ward_tally WHERE layer = 'x'").fetchone() == (seen,)
