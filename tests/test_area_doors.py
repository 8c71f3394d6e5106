"""Figures on other boundaries over HTTP: moved, joined or asked about, and never joined wrongly."""

from __future__ import annotations

import base64
import csv
import io
from decimal import Decimal
from typing import Any

import httpx
import openpyxl
import pytest
import python_calamine

from mapserver.spreadsheets import XLSX, csv_of, rows, xlsx_of

pytestmark = pytest.mark.postgis
OLD = [
    {"Mã": "26740", "Phường": "Phường Bến Nghé", "Kỳ": "2024", "Phản ánh": 100},
    {"Mã": "26737", "Phường": "Phường Đa Kao", "Kỳ": "2024", "Phản ánh": 60},
    {"Mã": "26740", "Phường": "Phường Sài Gòn", "Kỳ": "tháng 8/2025", "Phản ánh": 90},
]


def executed(server: str, process: str, inputs: dict[str, Any], **more: Any) -> httpx.Response:
    return httpx.post(f"{server}/processes/{process}/execution", json={"inputs": inputs, **more}, timeout=60)


# The process `reaggregate`


def test_processes_are_listed_and_described(server: str) -> None:
    listed = httpx.get(f"{server}/processes").json()["processes"]
    assert {process["id"] for process in listed} == {"reaggregate", "which-area"}
    for process in listed:
        assert process["jobControlOptions"] == ["sync-execute"]
        described = httpx.get(process["links"][0]["href"], params={"lang": "en"}).json()
        assert described["inputs"].keys() & {"table", "line"}
    assert httpx.get(f"{server}/processes/nothing").status_code == 404


def test_the_wrong_join_is_corrected_by_the_date_of_each_row(server: str) -> None:
    """26740 was Bến Nghé in 2024 and is Sài Gòn in August 2025: the two are not one line without a break."""
    said = executed(server, "reaggregate", {"table": OLD, "to": "2025-08-01", "whole": True})
    assert said.status_code == 200, said.text
    assert said.headers["content-type"] == "application/geo+json"
    made = said.json()
    by = {(f["properties"]["code"], f["properties"]["period"]): f["properties"] for f in made["features"]}
    before, after = by["26740", "2024"], by["26740", "2025-08"]
    assert before["name"] == after["name"] == "Phường Sài Gòn"
    assert 100 < before["Phản ánh"] < 160
    assert (after["Phản ánh"], after["Phản ánh_estimated"]) == (90, 0)
    assert (before["break"], after["break"]) == (False, True)
    assert (before["source_boundaries"], before["boundaries"]) == ("..2025-06-30", "2025-07-01..")
    assert {link["kind"] for link in before["links"]} == {"whole", "part"}
    assert made["totals"]["Phản ánh"] == {"before": 250, "after": 250}
    assert sum(properties["Phản ánh"] for (_, period), properties in by.items() if period == "2024") == 160
    assert made["account"]["matched"] == 3
    assert all(feature["geometry"]["type"] == "MultiPolygon" for feature in made["features"])
    assert any("breaks at 2025-08" in note for note in made["notes"])


@pytest.mark.parametrize("form", ["text/csv", XLSX, "application/json"])
def test_every_output_holds_the_same_figures(server: str, form: str) -> None:
    inputs = {"table": csv_of(OLD).decode("utf-8-sig"), "to": "2025-08-01", "whole": True}
    said = executed(server, "reaggregate", inputs, outputs={"result": {"format": {"mediaType": form}}})
    assert said.status_code == 200, said.text
    assert said.headers["x-rows"] == "rows=3, matched=3, ambiguous=0, unmatched=0"
    if form == "text/csv":
        found = [int(row["Phản ánh"]) for row in csv.DictReader(io.StringIO(said.content.decode("utf-8-sig")))]
    elif form == XLSX:
        book = openpyxl.load_workbook(io.BytesIO(said.content))
        assert book.sheetnames == ["result", "account", "asked"]
        head, *lines = book["result"].values
        found = [line[head.index("Phản ánh")] for line in lines]
    else:
        found = [row["Phản ánh"] for row in said.json()["rows"]]
    assert sum(found) == 250


def test_a_workbook_goes_in_and_what_is_not_certain_is_asked(server: str) -> None:
    table = [
        {"Phường": "Phường 1", "Quận": "", "Ngày": "30/06/2024", "Số": 5},
        {"Phường": "P1", "Quận": "Q3", "Ngày": "30/06/2024", "Số": 7},
        {"Phường": "phuong da cao", "Quận": "Quận 1", "Ngày": "30/06/2024", "Số": 11},
        {"Phường": "Phường Bến Nghé", "Quận": "", "Ngày": "2024", "Số": 13},
        {"Phường": "Phường Không Có", "Quận": "", "Ngày": "2024", "Số": 17},
    ]
    value = {"value": base64.b64encode(xlsx_of({"Bảng": table})).decode(), "encoding": "base64", "mediaType": XLSX}
    made = executed(server, "reaggregate", {"table": value, "to": "2026-01-01"}).json()
    account = made["account"]
    assert (account["rows"], account["matched"], account["ambiguous"], account["unmatched"]) == (5, 3, 1, 1)
    assert account["matched_by"] == {"name": 2, "like": 1}
    [asked] = account["ambiguous_rows"]
    assert (asked["row"], len(asked["candidates"])) == (1, 11)
    assert [row["row"] for row in account["unmatched_rows"]] == [5]
    assert made["totals"]["Số"]["before"] == made["totals"]["Số"]["after"] == 31


@pytest.mark.parametrize("measure", ["median", "rank", "share"])
def test_medians_ranks_and_shares_are_refused_with_the_reason(server: str, measure: str) -> None:
    said = executed(server, "reaggregate", {"table": OLD, "measure": measure})
    assert said.status_code == 422
    assert said.json()["type"].endswith("/problems/not-additive")
    assert len(said.json()["detail"]) > 60


def test_a_header_that_says_it_is_a_share_is_refused_too(server: str) -> None:
    said = executed(server, "reaggregate", {"table": [{"ma": "26740", "nam": "2024", "Tỷ lệ đúng hạn": 98.5}]})
    assert said.status_code == 422
    assert "numerator" in said.json()["detail"]


def test_a_rate_is_made_of_its_numerator_and_denominator(server: str) -> None:
    table = [{"ma": row["Mã"], "ky": row["Kỳ"], "late": 10, "all": 100} for row in OLD]
    rate = {"name": "late_pct", "numerator": "late", "denominator": "all", "per": 100}
    made = executed(server, "reaggregate", {"table": table, "to": "2026-01-01", "rates": [rate]}).json()
    assert {round(feature["properties"]["late_pct"], 6) for feature in made["features"]} == {10}


def test_backwards_onto_the_old_wards(server: str) -> None:
    table = [{"ma": "26740", "ky": "2026-01", "n": 1000}]
    made = executed(server, "reaggregate", {"table": table, "to": "2025-06-30", "whole": True}).json()
    assert made["boundaries"] == "..2025-06-30"
    assert sum(feature["properties"]["n"] for feature in made["features"]) == 1000
    assert "Phường Bến Nghé" in {feature["properties"]["name"] for feature in made["features"]}


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({}, "inputs.table"),
        ({"table": []}, "table"),
        ({"table": 7}, "inputs.table"),
        ({"table": [{"a": 1}]}, "table"),
        ({"table": OLD, "to": "yesterday"}, "inputs.to"),
        ({"table": OLD, "weight": "gold"}, "weight"),
        ({"table": OLD, "measure": "vibe"}, "measure"),
        ({"table": OLD, "whole": 1}, "inputs.whole"),
        ({"table": OLD, "values": ["x"]}, "values"),
        ({"table": OLD, "rates": [{"name": "x"}]}, "inputs.rates[0]"),
        ({"table": OLD, "colour": "red"}, "inputs.colour"),
        ({"table": {"value": "%%%", "encoding": "base64"}}, "inputs.table"),
        ({"table": "a,b\n1"}, "table"),
    ],
)
def test_a_bad_question_is_told_what_would_be_right(server: str, asked: dict[str, Any], where: str) -> None:
    said = executed(server, "reaggregate", asked)
    assert said.status_code == 400, said.text
    assert where in said.text


# The process `which-area`


@pytest.mark.parametrize(
    ("inputs", "status", "unit", "now"),
    [
        ({"line": "Phường Bến Nghé, Quận 1"}, "matched", "Phường Bến Nghé, Quận 1", {"Phường Sài Gòn"}),
        ({"line": "26740", "date": "2025-06-30"}, "matched", "Phường Bến Nghé, Quận 1", {"Phường Sài Gòn"}),
        (
            {"line": "26740", "date": "2025-07-01"},
            "matched",
            "Phường Sài Gòn, Thành phố Hồ Chí Minh",
            {"Phường Sài Gòn"},
        ),
        ({"line": "P15, Tân Bình"}, "ambiguous", "Phường 15, Quận Tân Bình", {"Phường Tân Bình", "Phường Tân Sơn"}),
        (
            {"line": "59 nguyễn sỹ sách, p15, tan binh"},
            "ambiguous",
            "Phường 15, Quận Tân Bình",
            {"Phường Tân Bình", "Phường Tân Sơn"},
        ),
        ({"line": "Huyện Côn Đảo"}, "matched", "Huyện Côn Đảo", {"Đặc khu Côn Đảo"}),
    ],
)
def test_a_ward_line_old_or_new_finds_its_unit_and_its_heirs(
    server: str, inputs: dict[str, str], status: str, unit: str, now: set[str]
) -> None:
    said = executed(server, "which-area", inputs).json()
    assert (said["status"], [u["name"] for u in said["units"]]) == (status, [unit])
    assert {heir["name"] for heir in said["now"]} == now


def test_ward_one_existed_eleven_times(server: str) -> None:
    said = executed(server, "which-area", {"line": "Phường 1"}).json()
    assert (said["status"], len(said["units"])) == ("ambiguous", 11)


def test_a_point_has_a_unit_on_every_day(server: str) -> None:
    point = httpx.get(f"{server}/collections/ward_labels/items", params={"code": "26740"}).json()["features"][0]
    place = point["geometry"]["coordinates"]
    now = executed(server, "which-area", {"point": place}).json()
    assert (now["status"], now["units"][0]["code"]) == ("matched", "26740")
    then = executed(server, "which-area", {"point": place, "date": "2024-01-01"}).json()
    assert then["status"] == "matched"
    assert then["units"][0]["valid_to"] == "2025-07-01"
    assert [heir["code"] for heir in then["now"]] == ["26740"]
    sea = executed(server, "which-area", {"point": [108.5, 9.0]}).json()
    assert (sea["status"], sea["units"]) == ("unmatched", [])


@pytest.mark.parametrize("inputs", [{}, {"point": [1]}, {"point": [106, 10], "line": "x"}, {"line": 5}, {"point": "x"}])
def test_a_bad_place_is_refused_in_words(server: str, inputs: dict[str, Any]) -> None:
    assert executed(server, "which-area", inputs).status_code == 400


# Joins


def joined(
    server: str, table: list[dict[str, Any]], collection: str, kind: str = "csv", **fields: str
) -> httpx.Response:
    content = csv_of(table) if kind == "csv" else xlsx_of({"a": table})
    files = {"right-dataset-file": (f"table.{kind}", content)}
    return httpx.post(f"{server}/joins", data={"collection-id": collection, **fields}, files=files, timeout=60)


def test_a_collection_names_its_keys(server: str) -> None:
    keys = httpx.get(f"{server}/collections/wards/keys").json()["keys"]
    assert [key["id"] for key in keys] == ["code", "name"]
    values = httpx.get(f"{server}/collections/wards/keys/code", params={"limit": "200"}).json()["keys"]
    assert len(values) == 168
    assert httpx.get(f"{server}/joins").json()["joins"] == []
    assert httpx.get(f"{server}/collections/roads/keys").status_code == 404


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_spreadsheet_is_joined_to_the_boundaries_of_its_time(server: str, kind: str) -> None:
    made = joined(server, OLD, "wards_before_2025_07", kind).json()
    assert made["boundaries"] == "..2025-06-30"
    assert [feature["properties"]["name"] for feature in made["features"]] == ["Phường Bến Nghé", "Phường Đa Kao"]
    assert all(feature["geometry"] for feature in made["features"])
    account = made["account"]
    assert (account["rows"], account["matched"], account["unmatched"]) == (3, 2, 1)
    assert "reaggregate" in account["unmatched_rows"][0]["why"]


def test_the_wrong_join_is_refused(server: str) -> None:
    """The codes of 2024 are all codes of today, too; joined by code alone they would draw a false map."""
    made = joined(server, OLD[:2], "wards").json()
    assert made["features"] == []
    assert "26740 is Phường Sài Gòn there, which is another unit" in made["account"]["unmatched_rows"][0]["why"]
    bare = [{"code": row["Mã"], "n": 1} for row in OLD[:2]]
    asked = joined(server, bare, "wards").json()["account"]
    assert (asked["matched"], asked["ambiguous"]) == (0, 2)
    assert "give a date column or as_of" in asked["ambiguous_rows"][0]["why"]
    sure = joined(server, bare, "wards", **{"right-dataset-date": "2025-08-01"}).json()["account"]
    assert sure["matched"] == 2


def test_a_code_and_a_name_of_different_times_are_asked_about(server: str) -> None:
    table = [{"code": "26740", "name": "Phường Bến Nghé", "date": "2025-08-01", "n": 1}]
    account = joined(server, table, "wards").json()["account"]
    assert (account["matched"], account["ambiguous"]) == (0, 1)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"collection-id": "nowhere"}, 404),
        ({"collection-id": "areas"}, 400),
        ({"collection-id": "areas", "collection-date": "2025-07-01"}, 200),
        ({"collection-id": "wards", "right-dataset-key": "x"}, 400),
        ({"collection-id": "wards", "colour": "red"}, 400),
        ({"collection-id": "wards", "output-formats": "gif"}, 400),
    ],
)
def test_a_form_is_read_strictly(server: str, fields: dict[str, str], status: int) -> None:
    collection = fields.pop("collection-id")
    assert joined(server, OLD, collection, **fields).status_code == status
    fields["collection-id"] = collection


def test_what_is_no_form_is_refused(server: str) -> None:
    assert httpx.post(f"{server}/joins", content=b"x").status_code == 415
    bad = {"content-type": "multipart/form-data; boundary=x"}
    assert httpx.post(f"{server}/joins", content=b"nothing", headers=bad).status_code == 400


# Spreadsheets


def test_text_never_becomes_a_formula() -> None:
    table = [{"name": "=1+1", "n": Decimal("1.5")}]
    read = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(xlsx_of({"a": table})))
    assert read.get_sheet_by_index(0).to_python() == [["name", "n"], ["'=1+1", 1.5]]
    assert b"'=1+1,1.5" in csv_of(table)


@pytest.mark.parametrize("content", [b"", b"a", b"\x00\x01", b"PK\x03\x04broken", b"a,a\n1,2\n"])
def test_what_is_no_table_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(Exception, match="table"):
        rows(content)
