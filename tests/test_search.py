"""The search box's door: wards old and new, streets, places, addresses, codes and coordinates, as people type them."""

from __future__ import annotations

import json

import httpx
import psycopg
import pytest

from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.names import follow, named
from mapserver.settings import settings
from mapserver.sought import Spot, folded, found_in, sought, spots

CITY = (106.2, 8.5, 107.6, 11.6)
CONTROL = settings().real_data_found


# What a line asks for


@pytest.mark.parametrize(
    "text",
    ["10.7721, 106.6983", "106.6983 10.7721", "10,7721; 106,6983", "(10.7721, 106.6983)", "106.6983E 10.7721N",
     "lat: 10.7721, lon: 106.6983", "10°46'19.56\"N 106°41'53.88\"E", "106°41'53.88\"Đ, 10°46'19.56\"B"],
)  # fmt: skip
def test_degrees_are_understood_either_way_round(text: str) -> None:
    (spot,) = spots(text, CITY)
    assert (spot.lon, spot.lat) == pytest.approx((106.6983, 10.7721), abs=1e-6)
    assert spot.crs.srid == 4326


@pytest.mark.parametrize(
    ("text", "north_first"),
    [("603514.537 1191410.466", False), ("1191410.466, 603514.537", True), ("X=1191410,466 Y=603514,537", True)],
)
def test_metres_of_vn2000_are_understood_in_both_orders(text: str, north_first: bool) -> None:
    first: Spot = next(spots(text, CITY))
    assert (first.lon, first.lat) == pytest.approx((106.6983, 10.7721), abs=1e-8)
    assert (first.crs.code, first.north_first) == ("EPSG:9210", north_first)


@pytest.mark.skipif(CONTROL is None, reason="real data folder absent")
def test_every_control_point_is_found_within_a_millimetre() -> None:
    assert CONTROL is not None
    points = json.loads((CONTROL / "vn2000_control.json").read_text(encoding="utf-8"))["points"]
    for point in points:
        for code in ("9210", "5899"):
            east, north = point[f"epsg{code}_pinned_6960"]
            found = {spot.crs.code: spot for spot in spots(f"{east} {north}", (104, 8, 109, 13))}
            spot = found[f"EPSG:{code}"]
            assert (spot.lon, spot.lat) == pytest.approx((point["lon"], point["lat"]), abs=1e-8)


@pytest.mark.parametrize("text", ["", "Lê Lợi", "12 Lê Lợi", "10.77", "48.85, 2.35", "1 2 3", "999999999 999999999"])
def test_what_is_no_place_of_the_country_is_no_coordinates(text: str) -> None:
    assert [*spots(text, CITY)] == []


@pytest.mark.parametrize(
    ("text", "number", "street", "area"),
    [
        ("45/12/3A Lê Lợi", "45/12/3a", ("le", "loi"), ""),
        ("Số nhà 7 đường Nguyễn Huệ, P. Bến Nghé, Q1", "7", ("nguyen", "hue"), "P. Bến Nghé, Q1"),
        ("159/6 Phạm Thế Hiển, P3, Q8", "159/6", ("pham", "the", "hien"), "P3, Q8"),
        ("Lê Lợi", "", (), ""),
        ("30 4", "", (), ""),
    ],
)
def test_a_house_number_is_one_only_before_a_street(text: str, number: str, street: tuple[str, ...], area: str) -> None:
    asked = sought(text)
    assert (asked.number, asked.street, asked.area) == (number, street, area)


def test_short_units_are_written_out() -> None:
    assert sought("P15, Q. Tân Bình").words == ("phuong", "15", "q", "tan", "binh")
    assert found_in(("phuong", "1", "quan", "3"), folded("Phường 1, Quận 3"))
    assert not found_in(("phuong", "1", "quan", "3"), folded("Phường 12, Quận 3"))


# The door


def search(server: str, text: str, **more: object) -> list[dict]:
    answer = httpx.get(f"{server}/search", params={"q": text, **more}, timeout=60)
    assert answer.status_code == 200, answer.text
    return [{**f["properties"], "at": f["geometry"]["coordinates"]} for f in answer.json()["features"]]


@pytest.fixture(scope="module")
def names_of(toy: Database):
    def of(sql: str) -> list[tuple]:
        with psycopg.connect(toy.owner_dsn) as conn:
            return conn.execute(sql.encode()).fetchall()

    return of


@pytest.mark.postgis
@pytest.mark.parametrize("text", ["Phường Sài Gòn", "phuong sai gon", "SÀI GÒN"])
def test_a_ward_is_found_with_and_without_marks(server: str, text: str) -> None:
    first = search(server, text)[0]
    assert (first["title"], first["layer"]) == ("Phường Sài Gòn", "wards")


@pytest.mark.postgis
def test_an_old_ward_answers_with_its_heir(server: str) -> None:
    heir = next(hit for hit in search(server, "Phường Bến Nghé") if hit["kind"] == "unit")
    assert heir["title"] == "Phường Sài Gòn"
    assert "Phường Bến Nghé, Quận 1" in heir["detail"]
    assert "30/6/2025" in heir["detail"]
    assert heir["code"]


@pytest.mark.postgis
def test_an_old_ward_that_was_split_answers_with_each_of_its_heirs(server: str) -> None:
    heirs = [hit for hit in search(server, "p15 tan binh") if hit["kind"] == "unit"]
    assert {hit["title"] for hit in heirs} == {"Phường Tân Bình", "Phường Tân Sơn"}
    assert all("một phần" in hit["detail"] for hit in heirs)


@pytest.mark.postgis
def test_a_street_is_one_answer_and_not_piece_by_piece(server: str, names_of) -> None:
    ((name, pieces),) = names_of(
        "SELECT name, count(*) FROM layers.roads WHERE name IS NOT NULL GROUP BY name ORDER BY 2 DESC, 1 LIMIT 1"
    )
    found = [hit for hit in search(server, name, limit=50) if hit["layer"] == "roads" and hit["title"] == name]
    assert 1 <= len(found) < pieces


@pytest.mark.postgis
def test_a_place_is_found_by_the_beginnings_of_its_words(server: str, names_of) -> None:
    ((name,),) = names_of("SELECT name FROM layers.health_facilities WHERE name IS NOT NULL ORDER BY id LIMIT 1")
    text = folded(name).strip()[:-1]
    assert name in {hit["title"] for hit in search(server, text, limit=50)}


@pytest.mark.postgis
def test_an_address_is_found_by_street_and_number(server: str, names_of) -> None:
    ((number, street, full),) = names_of("""
        SELECT house_number, street, full_text FROM layers.addresses
        WHERE street IN (SELECT name FROM layers.roads) ORDER BY id LIMIT 1""")
    hits = [hit for hit in search(server, f"{number} {folded(street)}") if hit["kind"] == "address"]
    assert hits[0]["title"].startswith(number)
    assert full in {hit["title"] for hit in hits}


@pytest.mark.postgis
def test_where_a_house_is_not_known_its_street_is_found(server: str, names_of) -> None:
    ((street,),) = names_of("SELECT name FROM layers.roads WHERE name LIKE '% %' ORDER BY id LIMIT 1")
    hits = search(server, f"99999/99 {street}")
    assert street in {hit["title"] for hit in hits if hit["layer"] == "roads"}


@pytest.mark.postgis
def test_a_petition_is_found_by_its_code_by_those_who_may_see_it(server: str, inside: httpx.Client, names_of) -> None:
    ((code, number),) = names_of("SELECT code, id FROM layers.petitions ORDER BY id LIMIT 1")
    (hit,) = inside.get("/search", params={"q": code.lower()}).json()["features"]
    assert (hit["properties"]["layer"], hit["properties"]["feature"]) == ("petitions", number)
    assert search(server, code) == []


@pytest.mark.postgis
def test_coordinates_say_what_they_were_read_as(server: str) -> None:
    (degrees,) = search(server, "10.7721, 106.6983")
    assert (degrees["kind"], degrees["at"]) == ("coordinates", [106.6983, 10.7721])
    metres = search(server, "603514.537 1191410.466", lang="en")[0]
    assert metres["detail"] == "VN-2000 / TM-3 105.75° (EPSG:9210) · easting, northing"


@pytest.mark.postgis
def test_a_slip_of_the_pen_is_forgiven(server: str) -> None:
    hits = search(server, "sai gonn phuong")
    assert any(hit["title"] == "Phường Sài Gòn" for hit in hits)


@pytest.mark.postgis
@pytest.mark.parametrize("text", ["", "x", "%", "_", "\\", "' OR 1=1 --", "[[[", "12", "…", "a" * 200, "% % % %"])
def test_odd_texts_are_answered_like_any_other(server: str, text: str) -> None:
    assert isinstance(search(server, text), list)


@pytest.mark.postgis
@pytest.mark.parametrize(("name", "given"), [("q", "a" * 201), ("limit", "0"), ("lang", "fr"), ("f", "x"), ("z", "1")])
def test_what_is_wrong_is_named(server: str, name: str, given: str) -> None:
    answer = httpx.get(f"{server}/search", params={name: given})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["parameter"] == name


@pytest.mark.postgis
def test_names_are_found_by_their_index(layers: Catalogue, toy: Database) -> None:
    with psycopg.connect(toy.owner_dsn) as conn:
        conn.execute("SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off")
        for layer in filter(named, layers.vector):
            assert follow(layer)
            name = f'citymap.searchable("{layer.name_column}")'
            plan = conn.execute(f"EXPLAIN SELECT FROM {layer.table} WHERE {name} LIKE '% le%'".encode()).fetchall()
            assert f"{layer.name}_searched_idx" in str(plan)


@pytest.mark.postgis
def test_folding_is_the_same_in_the_database(toy: Database) -> None:
    texts = ["Đường ĐỖ XUÂN HỢP", "Ðồng Khởi", "Bệnh viện 115 – Cơ sở 2", "Hoà Bình (cũ)", "Nguyễn “Bỉnh” Khiêm, 3/2"]
    with psycopg.connect(toy.owner_dsn) as conn:
        for text in texts:
            assert conn.execute("SELECT citymap.searchable(%s)", (text,)).fetchone() == (folded(text),)
