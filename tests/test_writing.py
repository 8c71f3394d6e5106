"""Writing single features through the API: rights, history, and pages that stay whole while rows are written."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from conftest import free_port, fresh, serve

from mapserver import tokens
from mapserver.catalogue import catalogue
from mapserver.database import Database
from mapserver.settings import ROOT, settings

pytestmark = pytest.mark.postgis
NOTES = "/collections/field_notes/items"
GEOJSON, PATCH = "application/geo+json", "application/merge-patch+json"


@pytest.fixture(scope="module")
def desk(cluster, template, layers, house) -> Iterator[tuple[httpx.Client, Database]]:
    """A server over a database of its own, and that database."""
    chosen = settings(data=house, real_data=house / "nothing", port=free_port(), workers=1)
    with (
        fresh(cluster, template, layers) as made,
        serve(chosen, made) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client, made


@pytest.fixture(scope="module")
def http(desk) -> httpx.Client:
    return desk[0]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def token(made, name: str, writes: tuple[str, ...] = ("field_notes",), *, insider: bool = False) -> dict[str, str]:
    """Headers of a new token."""
    return bearer(tokens.add(made.owner_dsn, catalogue(ROOT / "layers"), name, writes, insider=insider))


@pytest.fixture(scope="module")
def pen(desk) -> dict[str, str]:
    """Headers of a token that may write field notes."""
    return token(desk[1], "pen")


@pytest.fixture(scope="module")
def spectacles(desk) -> dict[str, str]:
    """Headers of a token that may read what is internal, and write field notes."""
    return token(desk[1], "spectacles", insider=True)


def note(**properties) -> dict:
    here = {"type": "Point", "coordinates": [106.7, 10.8]}
    return {
        "type": "Feature",
        "geometry": here,
        "properties": {"title": "Nắp cống hở", "category": "other", **properties},
    }


def test_a_feature_is_stored_given_back_changed_and_taken_away_with_its_history(desk, pen):
    http, made = desk
    born = http.post(NOTES, json=note(), headers=pen)
    assert born.status_code == 201, born.text
    place = born.headers["location"]
    assert http.get(place).json()["properties"]["title"] == "Nắp cống hở"
    changed = http.put(place, json=note(title="Đã đậy nắp"), headers=pen)
    assert (changed.status_code, changed.json()["properties"]["title"]) == (200, "Đã đậy nắp")
    assert http.delete(place, headers=pen).status_code == 204
    assert http.get(place).status_code == 404
    assert http.delete(place, headers=pen).status_code == 404
    with psycopg.connect(made.admin_dsn) as conn:
        rows = conn.execute(
            "SELECT action, before->>'title', after->>'title', who FROM citymap.history"
            " WHERE feature_id = %s ORDER BY id",
            (int(place.rsplit("/", 1)[1]),),
        ).fetchall()
    assert rows == [
        ("insert", None, "Nắp cống hở", "pen"),
        ("update", "Nắp cống hở", "Đã đậy nắp", "pen"),
        ("delete", "Đã đậy nắp", None, "pen"),
    ]


def test_without_a_token_it_is_401_and_with_the_wrong_one_403(desk):
    http, made = desk
    other = token(made, "other", writes=())
    for method, path in (("POST", NOTES), ("PUT", f"{NOTES}/1"), ("DELETE", f"{NOTES}/1")):
        refused = http.request(method, path, json=note())
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert http.request(method, path, json=note(), headers=bearer("nonsense")).status_code == 401
        assert http.request(method, path, json=note(), headers={"Authorization": "Basic eDp5"}).status_code == 401
        assert http.request(method, path, json=note(), headers=other).status_code == 403


def test_a_revoked_token_is_dead(desk):
    http, made = desk
    headers = token(made, "short")
    tokens.revoke(made.owner_dsn, "short")
    assert http.post(NOTES, json=note(), headers=headers).status_code == 401


def test_a_layer_that_is_not_writable_says_405_and_what_is_allowed(http, pen):
    refused = http.post("/collections/schools/items", json=note(), headers=pen)
    assert refused.status_code == 405
    assert "GET" in refused.headers["allow"]


def test_two_editors_do_not_undo_each_other(http, pen):
    place = http.post(NOTES, json=note(), headers=pen).headers["location"]
    seen = http.get(place).headers["etag"]
    mine = http.put(place, json=note(title="của tôi"), headers={**pen, "If-Match": seen})
    assert mine.status_code == 200
    for method, media in (("PUT", GEOJSON), ("PATCH", PATCH), ("DELETE", GEOJSON)):
        body = json.dumps(note(title="của bạn"))
        late = http.request(method, place, content=body, headers={**pen, "If-Match": seen, "Content-Type": media})
        assert late.status_code == 412, method
    assert http.get(place).json()["properties"]["title"] == "của tôi"
    now = http.get(place).headers["etag"]
    assert now.split(".")[0] == mine.headers["etag"].rstrip('"')
    assert http.delete(place, headers={**pen, "If-Match": f'"0", {now}'}).status_code == 204
    assert http.delete(place, headers={**pen, "If-Match": "*"}).status_code == 404


def test_a_merge_patch_changes_what_it_names_and_nothing_else(http, pen):
    place = http.post(NOTES, json=note(note="ngập 20 cm"), headers=pen).headers["location"]
    before = http.get(place).json()
    patch = {"properties": {"title": "Ngập", "note": None}}
    answer = http.patch(place, content=json.dumps(patch), headers={**pen, "Content-Type": PATCH})
    assert answer.status_code == 200, answer.text
    after = http.get(place).json()
    assert after["properties"] == {**before["properties"], "title": "Ngập", "note": None}
    assert after["geometry"] == before["geometry"]
    for bad in ('{"colour": 1}', '{"properties": 1}', '{"properties": {"category": "nonsense"}}', "[]"):
        refused = http.patch(place, content=bad, headers={**pen, "Content-Type": PATCH})
        assert refused.status_code == 422, bad


def test_the_crs_of_a_body_is_honoured(http, pen):
    """Bến Thành on the city's grid (EPSG:9210), from its published control point."""
    grid = {**note(), "geometry": {"type": "Point", "coordinates": [603514.537, 1191410.466]}}
    headers = {**pen, "Content-Crs": "<http://www.opengis.net/def/crs/EPSG/0/9210>"}
    stored = http.post(NOTES, json=grid, headers=headers)
    assert stored.status_code == 201, stored.text
    assert stored.json()["geometry"]["coordinates"] == pytest.approx([106.6983, 10.7721], abs=2e-8)
    assert http.post(NOTES, json=grid, headers=pen).status_code == 422
    assert http.post(NOTES, json=grid, headers={**pen, "Content-Crs": "9210"}).status_code == 400


def test_a_collection_is_stored_whole_or_not_at_all(http, pen):
    before = http.get(f"{NOTES}?resultType=hits").json()["numberMatched"]
    good = {"type": "FeatureCollection", "features": [note(title=f"số {i}") for i in range(3)]}
    stored = http.post(NOTES, json=good, headers=pen)
    assert (stored.status_code, len(stored.json()["features"])) == (201, 3)
    bad = {"type": "FeatureCollection", "features": [note(), note(category="nonsense")]}
    refused = http.post(NOTES, json=bad, headers=pen)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/features/1/properties/category"
    assert http.get(f"{NOTES}?resultType=hits").json()["numberMatched"] == before + 3
    assert http.post(NOTES, json={"type": "FeatureCollection", "features": []}, headers=pen).status_code == 422


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{", "application/geo+json", 400),
        (b"{}", "text/plain", 415),
        (b"[]", "application/geo+json", 422),
        (b" " * (16 * 1024 * 1024 + 1), "application/geo+json", 413),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(http, pen, body, media, status):
    answer = http.post(NOTES, content=body, headers={**pen, "Content-Type": media})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_fault_of_a_feature_is_told_with_a_pointer(http, pen):
    answer = http.post(NOTES, json={**note(category="nonsense", colour=1), "geometry": None}, headers=pen)
    assert answer.status_code == 422
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert pointers == {"/geometry", "/properties/category", "/properties/colour"}


def test_an_internal_column_is_seen_and_written_only_by_insiders(http, pen, spectacles, layers):
    internal = next(c.name for c in layers["field_notes"].columns if c.access.level == "internal")
    place = http.post(NOTES, json=note(**{internal: "Lan"}), headers=spectacles).headers["location"]
    assert internal not in http.get(place).json()["properties"]
    assert internal not in http.get(place, headers=pen).json()["properties"]
    assert http.get(place, headers=spectacles).json()["properties"][internal] == "Lan"
    assert http.post(NOTES, json=note(**{internal: "Lan"}), headers=pen).status_code == 422
    assert http.get(f"{NOTES}?{internal}=Lan").status_code == 400
    assert http.get(f"{NOTES}?sortby={internal}").status_code == 400
    http.put(place, json=note(title="khác"), headers=pen)
    kept = http.get(place, headers=spectacles).json()["properties"]
    assert (kept["title"], kept[internal]) == ("khác", "Lan"), "what one cannot see one cannot wipe out"


def test_the_database_itself_refuses_what_python_might_let_through(desk):
    """Rights are facts of the database: the web workers' login reads as a role, and writes row by row."""
    _, made = desk
    with psycopg.connect(made.app_dsn, autocommit=True) as conn:
        for statement in (
            "SELECT * FROM layers.field_notes",
            "SET ROLE citymap_reader; SELECT * FROM layers.field_notes",
            "SET ROLE citymap_reader; DELETE FROM layers.schools",
            "SET ROLE citymap_clerk; DELETE FROM layers.schools",
            "SET ROLE citymap_loader",
            "SET ROLE citymap_reader; SELECT hash FROM citymap.token",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)
            conn.execute("RESET ROLE")
        conn.execute("SET ROLE citymap_clerk")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(
                "INSERT INTO layers.field_notes (title, category, geom)"
                " VALUES ('x', 'other', 'SRID=4326;POINT(106.7 10.8)')"
            )


def test_pages_while_rows_are_written_neither_lose_nor_repeat(http, pen):
    """What stood before the walk and stands after it is seen exactly once, whatever is written around it."""

    def added() -> int:
        return http.post(NOTES, json=note(), headers=pen).json()["id"]

    first = [added() for _ in range(30)]
    gone = {first[i] for i in range(2, 30, 5)}
    seen: list[int] = []
    url: str | None = f"{NOTES}?limit=4"
    doomed = sorted(gone)
    while url and len(seen) < 500:
        body = http.get(url).json()
        seen += [feature["id"] for feature in body["features"]]
        if doomed:
            http.delete(f"{NOTES}/{doomed.pop(0)}", headers=pen)
            added()
        url = next((link["href"] for link in body["links"] if link["rel"] == "next"), None)
    assert len(seen) == len(set(seen))
    assert set(first) - gone <= set(seen)
