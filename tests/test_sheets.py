"""Office tables read against the areas: periods, names and numbers as offices write them, and nothing guessed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from ingest import areas as city
from mapserver.area_names import Directory
from mapserver.areas import Area, Areas, Link
from mapserver.errors import BadQuery, NotAdditive
from mapserver.joining import joined
from mapserver.periods import period
from mapserver.regrouping import Wanted, regrouped
from mapserver.sheets import betrayed, columns, number_of, sheet
from mapserver.whereabouts import of_line

EVE, REFORM = date(2025, 6, 30), date(2025, 7, 1)


@pytest.fixture(scope="module")
def areas() -> Areas:
    """The units and links that an empty database begins with, without weights."""
    rows = city.units().astype(object).where(lambda frame: frame.notna(), None).to_dict("records")
    units = {uid: unit(uid, row) for uid, row in enumerate(rows, 1)}
    ended = {u.code: u.uid for u in units.values() if u.valid_to}
    begun = {u.code: u.uid for u in units.values() if u.valid_from}
    table = city.links()
    heirs = table.groupby("to_code").size()
    links = tuple(
        Link(
            ended[row.from_code],
            begun[row.to_code],
            row.kind == "whole",
            row.kind == "whole" and heirs[row.to_code] == 1,
        )
        for row in table.itertuples()
    )
    return Areas(units, links)


def unit(uid: int, row: dict[str, Any]) -> Area:
    days = {name: date.fromisoformat(row[name]) if row[name] else None for name in ("valid_from", "valid_to")}
    return Area(uid, row["code"], row["name"], row["kind"], row["level"], parent=row["parent"],
                parent_name=row["parent_name"], **days)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "first", "last"),
    [
        ("2025", "2025-01-01", "2025-12-31"),
        ("năm 2025", "2025-01-01", "2025-12-31"),
        ("quý II/2025", "2025-04-01", "2025-06-30"),
        ("Q3/2025", "2025-07-01", "2025-09-30"),
        ("2025-Q3", "2025-07-01", "2025-09-30"),
        ("tháng 2/2024", "2024-02-01", "2024-02-29"),
        ("T6/2025", "2025-06-01", "2025-06-30"),
        ("2025-06", "2025-06-01", "2025-06-30"),
        ("06/2025", "2025-06-01", "2025-06-30"),
        ("30/06/2025", "2025-06-30", "2025-06-30"),
        ("2025-06-30T10:00:00", "2025-06-30", "2025-06-30"),
        (date(2025, 6, 30), "2025-06-30", "2025-06-30"),
    ],
)
def test_a_period_as_offices_write_it(said: object, first: str, last: str) -> None:
    read = period(said)
    assert read is not None
    assert (read.first.isoformat(), read.last.isoformat()) == (first, last)


@pytest.mark.parametrize("said", ["", "hôm qua", "2025-13", "31/02/2025", "Q5/2025", "20255", None, 7.5])
def test_what_is_no_period(said: object) -> None:
    assert period(said) is None


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1234", "1234"), ("1.5", "1.5"), ("1,5", "1.5"), ("1.234.567", "1234567"), ("1.234.567,8", "1234567.8"),
        ("1,234,567.8", "1234567.8"), ("1 234", "1234"), ("-3", "-3"), (7, "7"), (1.25, "1.25"),
    ],
)  # fmt: skip
def test_a_number_as_offices_write_it(cell: object, number: str) -> None:
    assert number_of(cell) == Decimal(number)


@pytest.mark.parametrize("cell", ["1,234", "mười", "", None, True, "nan", "inf"])
def test_what_may_be_two_numbers_or_none_is_none(cell: object) -> None:
    assert number_of(cell) is None


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("Phường Bến Nghé", "matched", "26740"),
        ("ben nghe", "matched", "26740"),
        ("Bến Ngé", "matched", "26740"),
        ("P.1, Q3", "matched", None),
        ("F1 - Quận 3", "matched", None),
        ("Phường 01 (Quận 3)", "matched", None),
        ("Phường 1", "ambiguous", None),
        ("Tân Phú", "ambiguous", None),
        ("TT Nhà Bè", "matched", None),
        ("Xã Hoà Long", "matched", "26572"),
        ("Phường 99", "unmatched", None),
        ("Phường Sài Gòn", "unmatched", None),
        ("", "unmatched", None),
        ("???", "unmatched", None),
    ],
)
def test_a_name_is_matched_asked_about_or_not_known(areas: Areas, name: str, status: str, code: str | None) -> None:
    found = Directory(areas, EVE).name(name)
    assert found.status == status, found.why
    assert code is None or found.units[0].code == code


def test_every_unit_is_found_by_its_own_full_name(areas: Areas) -> None:
    for day in (EVE, REFORM):
        directory = Directory(areas, day)
        assert all(directory.name(unit.full_name).units == (unit,) for unit in areas.on(day))


def test_headers_say_what_a_column_is() -> None:
    found = columns(["STT", "Mã ĐVHC", "Tên phường", "Quận", "Năm", "Số hộ"])
    assert (found.code, found.name, found.parent, found.date) == ("Mã ĐVHC", "Tên phường", "Quận", "Năm")
    assert found.values == ("STT", "Số hộ")
    assert [betrayed(header) for header in ("Tỷ lệ hộ nghèo", "Xếp hạng", "Trung vị", "Số hộ")] == [
        "share", "rank", "median", None
    ]  # fmt: skip
    with pytest.raises(BadQuery, match="column of codes"):
        columns(["a", "b"])


def test_a_year_with_a_reform_in_it_is_asked_about_when_the_code_meant_two_units(areas: Areas) -> None:
    rows = [{"code": code, "date": "2025", "n": 1} for code in ("26740", "26746")]
    account = sheet(areas, rows).account
    assert (account.matched, len(account.ambiguous)) == (1, 1)
    assert "the period 2025 has the reform of 2025-07-01 in it" in account.ambiguous[0].why
    assert sheet(areas, rows, as_of=EVE).account.matched == 2


def test_rows_are_matched_asked_about_or_unmatched_and_never_lost(areas: Areas) -> None:
    cells = ["26740", "755", "1", "", "Phường 1"]
    rows = [{"code": cell, "date": day, "n": n} for cell in cells for day in ("2024", "2026", "x") for n in (1, "?")]
    account = sheet(areas, rows).account
    assert account.rows == len(rows) == account.matched + len(account.ambiguous) + len(account.unmatched)


def test_a_sheet_is_moved_and_its_rows_of_one_unit_are_added_up(areas: Areas) -> None:
    rows = [{"code": "26740", "date": "2024", "n": n} for n in (1, 2, 3.5)]
    made = regrouped(areas, rows, Wanted(REFORM))
    assert [(row.area.code, row.figures["n"].value) for row in made.rows] == [("26740", Decimal("6.5"))]
    assert made.totals["n"] == (Decimal("6.5"), Decimal("6.5"))


def test_a_share_says_what_to_send_instead(areas: Areas) -> None:
    rows = [{"code": "26740", "date": "2024", "tỷ lệ %": 1}]
    with pytest.raises(NotAdditive, match="numerator"):
        regrouped(areas, rows, Wanted(REFORM))
    assert regrouped(areas, rows, Wanted(REFORM, measure="count")).account.matched == 1


def test_a_join_takes_only_rows_of_its_own_boundaries(areas: Areas) -> None:
    rows = [{"code": "26740", "date": day, "note": "x"} for day in ("2024", "2026")]
    made = joined(areas, rows, REFORM)
    assert [row.cells for row in made.rows] == [{"note": "x"}]
    assert "another unit" in made.account.unmatched[0].why


@pytest.mark.parametrize(
    ("line", "status", "units"),
    [
        ("Phường Bến Nghé", "matched", ["Phường Bến Nghé"]),
        ("1806/127/2/6/15/48/2A Huỳnh Tấn Phát, KP6, TT Nhà Bè", "matched", ["Thị trấn Nhà Bè"]),
        ("290A/47 Dương Bá Trạc, P1,Q8", "unmatched", []),
        ("45/88/20P Bình Tiên, P7, Q6", "ambiguous", None),
        ("20/3B đường số 02, Trung Mỹ Tây, Q12", "matched", None),
    ],
)
def test_an_address_line_is_looked_through_for_its_ward(
    areas: Areas, line: str, status: str, units: list[str] | None
) -> None:
    found = of_line(areas, line, None, date(2026, 1, 1))
    assert units is None or [unit.name for unit in found.units] == units
    assert units is None or found.status == status


def test_the_frame_of_the_package_has_no_surprises() -> None:
    assert isinstance(city.links(), pd.DataFrame)
    assert set(city.links()["kind"]) == {"whole", "part"}
