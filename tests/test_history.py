"""Layers that keep their history: as of a moment, changes by token, whoever wrote and in whatever order."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import geopandas as gpd
import httpx
import psycopg
import pytest
import shapely
from conftest import citymap, free_port, fresh, serve
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from loads import CENTRE, loaded, squares

from mapserver import history, tokens
from mapserver.catalogue import catalogue
from mapserver.database import Database
from mapserver.settings import ROOT, settings

pytestmark = pytest.mark.postgis
OFFICES, NOTES = "/collections/administration", "/collections/field_notes"


@pytest.fixture(scope="module")
def city(cluster, template, layers, house) -> Iterator[tuple[httpx.Client, Database]]:
    """A server over a database of its own with four square wards, and that database."""
    chosen = settings(data=house, real_data=house / "nothing", port=free_port(), workers=1)
    with fresh(cluster, template, layers) as made, serve(chosen, made) as url:
        loaded(made, layers, "wards", squares())
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client, made


def offices(names: dict[str, str]) -> gpd.GeoDataFrame:
    """Rows of `administration`: names by code."""
    columns = {"code": [*names], "name": [*names.values()], "kind": ["ward_office"] * len(names)}
    return gpd.GeoDataFrame(columns, geometry=[shapely.Point(*CENTRE)] * len(names), crs=4326)


def now(made: Database) -> str:
    """The database's own clock."""
    with psycopg.connect(made.owner_dsn) as conn:
        at = conn.execute("SELECT clock_timestamp()").fetchone()[0]
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def names(http: httpx.Client, **asked: str) -> dict[int, str]:
    """Names of the offices by id, as a question finds them."""
    answer = http.get(f"{OFFICES}/items", params={"limit": 1000, **asked})
    assert answer.status_code == 200, answer.text
    features = answer.json()["features"]
    assert len({feature["id"] for feature in features}) == len(features)
    return {feature["id"]: feature["properties"]["name"] for feature in features}


def write(made: Database, statement: str) -> None:
    with psycopg.connect(made.owner_dsn) as conn:
        conn.execute(statement.encode())


def token(http: httpx.Client, where: str = OFFICES) -> str:
    return http.get(f"{where}/changes").json()["token"]


def applied(http: httpx.Client, copy: dict[int, str], since: str, limit: int = 1000) -> str:
    """Brings a copy (name by id) up to date, page by page; the token for next time."""
    url, params = f"{OFFICES}/changes", {"since": since, "limit": limit}
    while True:
        page = http.get(url, params=params)
        assert page.status_code == 200, page.text
        told = page.json()
        assert told["numberReturned"] == len(told["changes"]) <= limit
        for change in told["changes"]:
            if change["action"] == "delete":
                assert "feature" not in change
                del copy[change["id"]]
            else:
                assert (change["action"] == "insert") == (change["id"] not in copy)
                assert change["feature"]["id"] == change["id"]
                copy[change["id"]] = change["feature"]["properties"]["name"]
        onward = [link["href"] for link in told["links"] if link["rel"] == "next"]
        assert bool(onward) != ("token" in told)
        if not onward:
            return told["token"]
        url, params = onward[0], None


def test_datetime_answers_as_of_a_moment_whoever_wrote(city, layers):
    http, made = city
    loaded(made, layers, "administration", offices({"A": "Uỷ ban A", "B": "Uỷ ban B"}))
    first = names(http)
    at_first = now(made)
    write(made, "UPDATE layers.administration SET name = 'Ủy ban A' WHERE code = 'A'")
    write(made, "DELETE FROM layers.administration WHERE code = 'B'")
    at_second = now(made)
    loaded(made, layers, "administration", offices({"A": "Ủy ban A", "C": "Ủy ban C"}))
    assert set(names(http).values()) == {"Ủy ban A", "Ủy ban C"}
    assert names(http, datetime=at_first) == first
    assert set(names(http, datetime=at_second).values()) == {"Ủy ban A"}
    assert names(http, datetime=f"{at_second}/..") == names(http)
    assert set(names(http, datetime=f"{at_first}/{at_second}").values()) == {"Ủy ban A", "Uỷ ban B"}
    assert set(names(http, datetime="../..").values()) == {"Ủy ban A", "Uỷ ban B", "Ủy ban C"}
    assert names(http, datetime="../2020-01-01") == {}
    hits = http.get(f"{OFFICES}/items", params={"datetime": at_first, "resultType": "hits"}).json()
    assert hits["numberMatched"] == len(first)
    filtered = names(http, datetime=at_first, filter="name LIKE 'Uỷ%' AND code = 'B'", bbox="106,10,107,11")
    assert filtered == {number: name for number, name in first.items() if name == "Uỷ ban B"}


def test_a_replaced_layer_has_new_versions_of_what_differs_only(city, layers):
    http, made = city
    loaded(made, layers, "administration", offices({str(n): f"Nhà {n}" for n in range(50)}))
    since, copy = token(http), names(http)
    loaded(made, layers, "administration", offices({str(n): f"Nhà {n if n else 'mới'}" for n in range(49)}))
    told = http.get(f"{OFFICES}/changes", params={"since": since}).json()["changes"]
    assert sorted(change["action"] for change in told) == ["delete", "update"]
    applied(http, copy, since)
    assert copy == names(http)


def test_pages_of_changes_end_where_the_first_one_did(city, layers):
    http, made = city
    since, copy = token(http), names(http)
    write(made, "UPDATE layers.administration SET name = name || '!' WHERE id % 2 = 0")
    page = http.get(f"{OFFICES}/changes", params={"since": since, "limit": 3}).json()
    write(made, "UPDATE layers.administration SET name = 'sau' WHERE id = (SELECT max(id) FROM layers.administration)")
    following = next(link["href"] for link in page["links"] if link["rel"] == "next")
    rest = http.get(following, params=None).json()
    assert {change["id"] for change in page["changes"]}.isdisjoint(change["id"] for change in rest["changes"])
    after = applied(http, copy, since, limit=3)
    assert copy == names(http)
    assert http.get(f"{OFFICES}/changes", params={"since": after}).json()["changes"] == []


@trying(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from("iudcp")), max_size=24))
def test_a_copy_kept_by_changes_is_the_layer_whatever_order_writers_commit_in(city, steps):
    """Three writers at once: insert, update, delete, commit; and a client that polls in between."""
    http, made = city
    write(made, "TRUNCATE layers.administration")
    since, copy = token(http), names(http)
    writers = [psycopg.connect(made.owner_dsn) for _ in range(3)]
    place = f"ST_SetSRID(ST_Point({CENTRE[0]}, {CENTRE[1]}), 4326)"
    for number, (who, verb) in enumerate(steps):
        # every writer has rows of its own, so that none waits for another
        mine = f"code LIKE 'w{who}-%%'"
        if verb == "i":
            columns = "(id, code, name, kind, geom)"
            values = f"({number + 1}, 'w{who}-{number}', 'n{number}', 'ward_office', {place})"
            writers[who].execute(f"INSERT INTO layers.administration {columns} VALUES {values}")
        elif verb == "u":
            writers[who].execute(f"UPDATE layers.administration SET name = name || '+' WHERE {mine}".replace("%%", "%"))
        elif verb == "d":
            some = f"SELECT min(id) FROM layers.administration WHERE {mine}".replace("%%", "%")
            writers[who].execute(f"DELETE FROM layers.administration WHERE id = ({some})")
        elif verb == "c":
            writers[who].commit()
        else:
            since = applied(http, copy, since, limit=2)
    for writer in writers:
        writer.commit()
        writer.close()
    applied(http, copy, since)
    assert copy == names(http)


def test_writes_of_the_api_are_changes_and_hidden_columns_stay_hidden(city, layers):
    http, made = city
    secret = tokens.add(made.owner_dsn, catalogue(ROOT / "layers"), "pencil", ("field_notes",), insider=True)
    pen = {"Authorization": f"Bearer {secret}"}
    since = token(http, NOTES)
    body = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [*CENTRE]},
        "properties": {"title": "Ổ gà", "category": "road", "author": "chị Hai"},
    }
    place = http.post(f"{NOTES}/items", json=body, headers=pen).headers["location"]
    (told,) = http.get(f"{NOTES}/changes", params={"since": since}).json()["changes"]
    assert (told["action"], told["feature"]["properties"]["title"]) == ("insert", "Ổ gà")
    assert "author" not in told["feature"]["properties"]
    (inside,) = http.get(f"{NOTES}/changes", params={"since": since}, headers=pen).json()["changes"]
    assert inside["feature"]["properties"]["author"] == "chị Hai"
    grid = http.get(f"{NOTES}/changes", params={"since": since, "crs": "EPSG:9210"})
    assert grid.headers["content-crs"] == "<http://www.opengis.net/def/crs/EPSG/0/9210>"
    assert grid.json()["changes"][0]["feature"]["geometry"]["coordinates"][0] > 1000
    middle = token(http, NOTES)
    assert http.delete(place, headers=pen).status_code == 204
    assert http.get(f"{NOTES}/changes", params={"since": since}).json()["changes"] == []
    assert [c["action"] for c in http.get(f"{NOTES}/changes", params={"since": middle}).json()["changes"]] == ["delete"]


def test_what_is_forgotten_is_gone_with_the_tokens_that_need_it(city, layers):
    http, made = city
    loaded(made, layers, "administration", offices({"A": "Một"}))
    since = token(http)
    loaded(made, layers, "administration", offices({"A": "Hai"}))
    later = token(http)
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    arguments = ("history", "prune", "administration", "--before", tomorrow)
    would = citymap(*arguments, "--dry-run", DATABASE_URL=made.admin_dsn)
    assert "would be forgotten" in would.stdout, would.stderr
    assert http.get(f"{OFFICES}/changes", params={"since": since}).status_code == 200
    assert "are forgotten" in citymap(*arguments, DATABASE_URL=made.admin_dsn).stdout
    gone = http.get(f"{OFFICES}/changes", params={"since": since})
    assert (gone.status_code, gone.json()["type"].rpartition("/")[2]) == (410, "gone")
    assert http.get(f"{OFFICES}/changes", params={"since": later}).json()["changes"] == []
    assert set(names(http).values()) == {"Hai"}
    said = citymap("history", "list", DATABASE_URL=made.admin_dsn).stdout
    assert all(layer.name in said for layer in layers if layer.history)


@pytest.mark.parametrize("since", ["", "x", "bnVsbA", "WyJhIiwiMTowOiJd", "WzEsMl0", "%00"])
def test_a_token_that_is_none_is_refused(city, since):
    http, _ = city
    answer = http.get(f"{OFFICES}/changes", params={"since": since})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_a_layer_without_history_has_no_changes(city):
    http, _ = city
    assert http.get("/collections/schools/changes").status_code == 404
    assert http.get(f"{OFFICES}/changes", params={"datetime": "2025-01-01"}).status_code == 400


def test_versions_survive_the_owner_of_the_table_only(city, layers):
    """Readers see versions, never who wrote them; nobody but the owner changes them."""
    _, made = city
    with psycopg.connect(made.admin_dsn) as conn:
        for role in ("citymap_reader", "citymap_insider", "citymap_clerk"):
            for layer in (layer for layer in layers if layer.history):
                may = "SELECT bool_or(has_table_privilege(%s, %s, p)) FROM unnest(%s::text[]) AS p"
                rights = (role, history.table(layer), ["INSERT", "UPDATE", "DELETE", "TRUNCATE"])
                assert conn.execute(may, rights).fetchone() == (False,)
                column = "SELECT has_column_privilege(%s, %s, '_began_by', 'SELECT')"
                assert conn.execute(column, (role, history.table(layer))).fetchone() == (False,)


def test_a_layer_may_demand_that_a_change_names_its_version(cluster, template, house, tmp_path):
    for folder in ("layers", "ingest", "styles", "rules", "calendar"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "layers" / "field_notes.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("writable: true", "writable: true\nif_match: true"))
    promised = catalogue(tmp_path / "layers")
    chosen = settings(data=house, real_data=house / "nothing", port=free_port(), workers=1, layers=tmp_path / "layers")
    body = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [*CENTRE]}}
    body["properties"] = {"title": "Ổ gà", "category": "road"}
    with fresh(cluster, template, promised) as made, serve(chosen, made) as url:
        pen = {"Authorization": f"Bearer {tokens.add(made.owner_dsn, promised, 'pen', ('field_notes',))}"}
        with httpx.Client(base_url=url, headers=pen, timeout=30) as http:
            born = http.post(f"{NOTES}/items", json=body)
            place, tag = born.headers["location"], born.headers["etag"]
            unnamed = [http.put(place, json=body), http.delete(place), http.patch(
                place, json={"properties": {"title": "Hố"}}, headers={"Content-Type": "application/merge-patch+json"}
            )]  # fmt: skip
            assert [answer.status_code for answer in unnamed] == [428, 428, 428]
            assert unnamed[0].json()["type"].endswith("/problems/no-version")
            assert http.put(place, json=body, headers={"If-Match": tag}).status_code == 200
            assert http.delete(place, headers={"If-Match": tag}).status_code == 412
            assert http.delete(place, headers={"If-Match": "*"}).status_code == 204
