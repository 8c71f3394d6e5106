"""Petitions: records that a source keeps in step in any order, deadlines in working time, exact figures, doors."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import httpx
import numpy as np
import openpyxl
import pandas as pd
import psycopg
import pytest
import shapely
from conftest import amount, free_port, fresh, serve, until
from scipy.optimize import linprog
from typer.testing import CliRunner

from mapserver import tokens
from mapserver.catalogue import Catalogue
from mapserver.cluster import Cluster
from mapserver.commands.demo import Filling
from mapserver.commands.petitions import app
from mapserver.database import Database
from mapserver.errors import BadCatalogue, BadLoad
from mapserver.reading_files import checksum
from mapserver.settings import ROOT, Settings
from mapserver.systems.petitions import drawing, importing, public
from mapserver.systems.petitions.hexes import TOP, Hex, above, children, holding, parent
from mapserver.systems.petitions.importing import Wish, imported
from mapserver.systems.petitions.public import groups
from mapserver.systems.petitions.rules import Rules, rules
from mapserver.systems.petitions.workdays import workdays

HEADERS = ["Mã phản ánh", "Lĩnh vực", "Kênh tiếp nhận", "Tình trạng", "Ngày tiếp nhận", "Ngày cập nhật", "Ngày trả lời",
           "Nội dung", "Địa chỉ", "Kinh độ", "Vĩ độ"]  # fmt: skip
Row = list[object]


def row(code: str, status: str = "received", updated: str = "2026-03-02 08:00", closed: str = "", **other: str) -> Row:
    """One row of an export, received on Monday 2 March 2026 at 08:00."""
    said = {"field": "Ngập nước", "channel": "phone", "received": "02/03/2026 08:00", "lon": "106.70", "lat": "10.78",
            "text": "Đường ngập sâu", "address": "12 Lê Lợi"} | other  # fmt: skip
    return [code, said["field"], said["channel"], status, said["received"], updated, closed, said["text"],
            said["address"], said["lon"], said["lat"]]  # fmt: skip


def written(path: Path, rows: list[Row], headers: list[str] = HEADERS) -> Path:
    """A CSV of an export."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([headers, *rows])
    return path


def asked(dsn: str, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(statement.encode(), arguments).fetchall()


def state(dsn: str) -> list[tuple[Any, ...]]:
    """Everything that a source decides of the records and their histories."""
    records = asked(
        dsn, "SELECT code, status, closed_at, said, reopened, version_at FROM citymap.petition ORDER BY code"
    )
    events = asked(dsn, "SELECT p.code, e.at, e.kind, e.value FROM citymap.petition_event e"
                        " JOIN citymap.petition p ON p.id = e.petition ORDER BY 1, 2, 3, 4")  # fmt: skip
    return [*records, *events]


def no_differences(database: Database, layers: Catalogue) -> bool:
    return asked(database.owner_dsn, drawing.differences(layers["petitions"])) == []


@pytest.fixture(scope="module")
def law(layers: Catalogue) -> Rules:
    return rules(layers)


@pytest.fixture(scope="module")
def with_wards(cluster: Cluster, template: str, toy_settings: Settings, layers: Catalogue) -> Iterator[Database]:
    """A database of its own with the wards and areas of the demo city, and without petitions."""
    with fresh(cluster, template, layers) as made:
        filling = Filling(toy_settings, made.owner_dsn, layers, scale=0.02)
        filling.synthetic(layers["wards"])
        filling.areas()
        yield made


@pytest.fixture
def empty(with_wards: Database) -> Database:
    """The same database, its petitions thrown away."""
    with psycopg.connect(with_wards.owner_dsn) as conn:
        conn.execute("TRUNCATE citymap.petition, citymap.petition_release, citymap.petition_import CASCADE")
    return with_wards


# Deadlines


def test_the_swap_of_january_2026_that_the_package_misses(law: Rules) -> None:
    assert [law.days.is_working(date(2026, 1, day)) for day in (1, 2, 3, 5, 10, 11)] == [
        False, False, False, True, True, False,
    ]  # fmt: skip
    at = datetime(2025, 12, 31, 1, tzinfo=UTC)
    # 5, 6, 7, 8, 9 January: the 2nd is off; without the swap it would be the 8th
    assert law.due_on(at, "other", None) == date(2026, 1, 9)
    assert law.due_on(datetime(2026, 1, 5, 1, tzinfo=UTC), "other", None) == date(2026, 1, 10)


def test_tet_and_the_swap_that_the_package_knows(law: Rules) -> None:
    assert not any(law.days.is_working(date(2026, 2, day)) for day in range(16, 21))
    assert law.due_on(datetime(2026, 2, 12, 3, tzinfo=UTC), "other", None) == date(2026, 2, 26)
    assert law.days.is_working(date(2026, 8, 22))
    assert not law.days.is_working(date(2026, 8, 31))


def test_a_year_that_is_not_announced_is_provisional(law: Rules) -> None:
    assert (law.days.provisional(date(2026, 12, 31)), law.days.provisional(date(2027, 1, 4))) == (False, True)


def test_unit_before_field_before_default_and_five_minutes_to_forward(law: Rules) -> None:
    assert [
        law.working_days("other", None),
        law.working_days("flooding", None),
        law.working_days("noise", "drainage"),
    ] == [5, 3, 3]
    at = datetime(2026, 3, 1, 20, tzinfo=UTC)
    assert law.forward_by(at) - at == timedelta(minutes=5)
    # 20:00 in Greenwich is the next day in the city
    assert law.due_on(at, "other", None) == date(2026, 3, 9)


def test_working_days_agree_with_numpy_where_nothing_is_exchanged(law: Rules) -> None:
    days = [date(2026, 3, 1) + timedelta(days=n) for n in range(40)]
    off = [
        day
        for day in days + [date(2026, 4, n) for n in range(1, 31)]
        if day.weekday() < 5 and not law.days.is_working(day)
    ]
    for day in days:
        expected = np.busday_offset(day, 5, roll="backward", holidays=off)
        assert law.days.after(day, 5) == expected.astype(date)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("days_off: [2025-01-02]", "is not a day of 2031"),
        ("days_of: []", "days_of"),
        ("days_off: [32]", "days_off"),
        ("{", "YAML"),
    ],
)
def test_a_wrong_calendar_is_told_with_file_and_key(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "calendar").mkdir()
    (tmp_path / "calendar" / "2031.yml").write_text(text)
    with pytest.raises(BadCatalogue, match=r"2031\.yml") as told:
        workdays(tmp_path, "VN")
    assert where in str(told.value)


# Imports


def test_an_export_becomes_records_and_is_drawn_and_counted(empty: Database, layers: Catalogue, tmp_path: Path) -> None:
    rows = [row("A-1"), row("A-2", "Đã trả lời", "2026-03-04 10:00", "2026-03-04 10:00"), row("A-3", lon="", lat="")]
    report = imported(empty.owner_dsn, layers, written(tmp_path / "a.csv", rows), Wish("clerk"))
    assert (report.tally.added, report.tally.changed, report.wrong) == (3, 0, 0)
    drawn = asked(empty.owner_dsn, "SELECT code, status, precision, due_on, closed_on, unit, ward_code IS NULL"
                                   " FROM layers.petitions ORDER BY code")  # fmt: skip
    assert drawn == [
        ("A-1", "received", "point", date(2026, 3, 5), None, "drainage", False),
        ("A-2", "answered", "point", date(2026, 3, 5), date(2026, 3, 4), "drainage", False),
        ("A-3", "received", "city", date(2026, 3, 5), None, "drainage", True),
    ]
    assert no_differences(empty, layers)
    assert importing.real(psycopg.connect(empty.owner_dsn))


def test_the_same_again_changes_nothing(empty: Database, layers: Catalogue, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", [row("A-1"), row("A-2", "in_progress", "2026-03-03 09:00")])
    imported(empty.owner_dsn, layers, file, Wish("clerk"))
    before = state(empty.owner_dsn)
    again = imported(empty.owner_dsn, layers, file, Wish("clerk"))
    assert (again.tally.added, again.tally.changed, again.tally.older) == (0, 0, 2)
    assert state(empty.owner_dsn) == before


def versions() -> list[Row]:
    """Four petitions, each told of many times."""
    rows = []
    for code in ("A-1", "A-2", "A-3", "A-4"):
        rows += [
            row(code),
            row(code, "forwarded", "2026-03-02 08:04"),
            row(code, "in_progress", "2026-03-03 09:00", text="Nước rút chậm"),
            row(code, "answered", "2026-03-05 16:00", "2026-03-05 16:00"),
            row(code, "reopened", "2026-03-06 08:00"),
            row(code, "forwarded", "2026-03-06 08:00"),
            row(code, "answered", "2026-03-09 11:00", "2026-03-09 10:00"),
        ]
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_any_cut_ends_in_the_same(empty: Database, layers: Catalogue, tmp_path: Path, seed: int) -> None:
    imported(empty.owner_dsn, layers, written(tmp_path / "all.csv", versions()), Wish("clerk"))
    expected = state(empty.owner_dsn)
    assert [r[1] for r in expected[:4]] == ["answered"] * 4
    assert all(r[4] for r in expected[:4])
    with psycopg.connect(empty.owner_dsn) as conn:
        conn.execute("TRUNCATE citymap.petition CASCADE")
    mixed = versions() * 2
    random.Random(seed).shuffle(mixed)
    for number in range(0, len(mixed), 11):
        part = written(tmp_path / f"{seed}-{number}.csv", mixed[number : number + 11])
        imported(empty.owner_dsn, layers, part, Wish("clerk"))
    assert state(empty.owner_dsn) == expected
    assert no_differences(empty, layers)


def test_a_wrong_sheet_is_refused_by_cell_and_changes_nothing(
    empty: Database, layers: Catalogue, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Phản ánh"
    sheet.append(["Báo cáo phản ánh tháng 3"])
    sheet.append(HEADERS)
    sheet.append(row("A-1"))
    sheet.append(row("A-2", "đang bay", lon="10.78", lat="106.7"))
    sheet.append(row("", updated="2026-02-01 08:00"))
    sheet.append(row("A-4", updated="2026-02-01 08:00", channel="bồ câu"))
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(BadLoad, match="nothing was changed") as told:
        imported(empty.owner_dsn, layers, tmp_path / "a.xlsx", Wish("clerk"))
    words = str(told.value)
    assert "Phản ánh!D4 (Tình trạng)" in words
    assert "'đang bay' is not one of" in words
    assert "Phản ánh!A5 (Mã phản ánh)" in words
    assert "Phản ánh!C6 (Kênh tiếp nhận)" in words
    assert asked(empty.owner_dsn, "SELECT count(*) FROM citymap.petition") == [(0,)]
    left = imported(empty.owner_dsn, layers, tmp_path / "a.xlsx", Wish("clerk", skip_wrong=True))
    assert (left.tally.added, left.wrong >= 3) == (1, True)


def test_what_only_a_petition_can_have_wrong_is_told_by_cell(
    empty: Database, layers: Catalogue, tmp_path: Path
) -> None:
    rows = [row("A-1", lon="10.78", lat="106.70"), row("A-2", "answered", "2026-03-03 08:00", "2026-03-01 08:00")]
    with pytest.raises(BadLoad) as told:
        imported(empty.owner_dsn, layers, written(tmp_path / "a.csv", rows), Wish("clerk"))
    assert "J2 (Kinh độ): the place lies outside the city" in str(told.value)
    assert "G3 (Ngày trả lời): 2026-03-01 01:00 is before the petition was received" in str(told.value)


def test_a_sheet_of_something_else_is_refused(empty: Database, layers: Catalogue, tmp_path: Path) -> None:
    other = written(tmp_path / "b.csv", [["Trường A", "106.7", "10.7"]], ["Tên trường", "Kinh độ", "Vĩ độ"])
    with pytest.raises(BadLoad, match="a required column is missing: code"):
        imported(empty.owner_dsn, layers, other, Wish("clerk"))


def test_a_dry_run_changes_nothing_and_counts_right(empty: Database, layers: Catalogue, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", [row("A-1"), row("A-2")])
    assert imported(empty.owner_dsn, layers, file, Wish("clerk", dry_run=True)).tally.added == 2
    assert asked(empty.owner_dsn, "SELECT count(*) FROM citymap.petition") == [(0,)]
    assert asked(empty.owner_dsn, "SELECT count(*) FROM citymap.petition_import") == [(0,)]


# Cuts and company


def many(path: Path, count: int, status: str = "received", updated: str = "2026-03-02 08:00", first: int = 0) -> Path:
    """A long export; statuses and places differ from row to row."""
    fields = ["Ngập nước", "noise", "bus", "Giao thông"]
    return written(
        path,
        [
            row(f"M-{n:06d}", status, updated, field=fields[n % 4], lon=f"{106.6 + n % 97 / 500:.4f}", lat="10.78")
            for n in range(first, first + count)
        ],
    )


SLOW = """
import sys
from pathlib import Path
from mapserver.catalogue import catalogue
from mapserver.systems.petitions import importing
importing.MOST = 250
importing.imported(sys.argv[1], catalogue(Path("layers")), sys.argv[2], importing.Wish("killed"))
"""


def test_a_killed_import_loses_and_doubles_nothing(empty: Database, layers: Catalogue, tmp_path: Path) -> None:
    total = amount(4_000, 200_000)
    file = many(tmp_path / "m.csv", total)
    command = [sys.executable, "-c", SLOW, empty.owner_dsn, str(file)]
    child = subprocess.Popen(command, cwd=ROOT)
    try:
        until(lambda: done(empty) or child.poll() is not None, "a batch is kept")
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    until(lambda: not others(empty), "the killed session is gone")
    assert 0 < done(empty) < total
    assert asked(empty.owner_dsn, "SELECT count(*) FROM citymap.petition") == [(done(empty),)]
    assert no_differences(empty, layers)
    report = imported(empty.owner_dsn, layers, file, Wish("clerk"))
    assert (report.rows, report.resumed > 0) == (total, True)
    assert asked(empty.owner_dsn, "SELECT count(*), count(DISTINCT code) FROM layers.petitions") == [(total, total)]
    assert asked(empty.owner_dsn, "SELECT added, changed, refused FROM citymap.petition_import") == [(total, 0, 0)]
    assert asked(empty.owner_dsn, "SELECT count(*) FROM citymap.petition_event") == [(total,)]
    assert no_differences(empty, layers)


def done(database: Database) -> int:
    """Rows of imports that are not finished."""
    return int(asked(database.owner_dsn, "SELECT coalesce(sum(rows_done), 0) FROM citymap.petition_import")[0][0])


def others(database: Database) -> int:
    """Sessions of imports that the database still has."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return int(asked(database.owner_dsn, query)[0][0])


def test_two_importers_at_once_end_in_the_newest_of_both(
    empty: Database, layers: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST", 100)
    count = amount(1_500, 20_000)
    newer = many(tmp_path / "newer.csv", count, "in_progress", "2026-03-03 09:00")
    older = many(tmp_path / "older.csv", count, "forwarded", "2026-03-02 09:00", first=count // 2)
    with ThreadPoolExecutor(2) as pool:
        ways = [pool.submit(imported, empty.owner_dsn, layers, file, Wish("clerk")) for file in (newer, older)]
        reports = [way.result(timeout=120) for way in ways]
    assert [report.rows for report in reports] == [count, count]
    statuses = dict(asked(empty.owner_dsn, "SELECT status, count(*) FROM citymap.petition GROUP BY 1"))
    assert statuses == {"in_progress": count, "forwarded": count // 2}
    assert asked(empty.owner_dsn, "SELECT count(*) FROM citymap.petition_event WHERE value = 'forwarded'") == [(count,)]
    assert no_differences(empty, layers)


def test_the_same_file_is_imported_by_one_at_a_time(empty: Database, layers: Catalogue, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", [row("A-1")])
    with (
        psycopg.connect(empty.owner_dsn, autocommit=True) as conn,
        importing.alone(conn, checksum(file), "a.csv"),
        pytest.raises(BadLoad, match="somebody else right now"),
    ):
        imported(empty.owner_dsn, layers, file, Wish("clerk"))


# Figures


@pytest.fixture(scope="module")
def door(
    cluster: Cluster, template: str, toy_settings: Settings, layers: Catalogue
) -> Iterator[tuple[httpx.Client, Database]]:
    """A server over wards and 3,000 petitions, asked as a writer; its database."""
    with fresh(cluster, template, layers) as made:
        filling = Filling(toy_settings, made.owner_dsn, layers, scale=0.05)
        for name in ("wards", "petitions"):
            filling.synthetic(layers[name])
        filling.areas()
        secret = tokens.add(made.owner_dsn, layers, "writer", ("petitions",), insider=True)
        key = {"Authorization": f"Bearer {secret}"}
        with (
            serve(toy_settings.model_copy(update={"port": free_port()}), made) as url,
            httpx.Client(base_url=url, headers=key, timeout=60) as client,
        ):
            yield client, made


def frame_of(database: Database) -> pd.DataFrame:
    """All petitions, to be counted anew."""
    columns = ["field", "unit", "ward", "channel", "received", "due", "closed", "reopened"]
    rows = asked(database.owner_dsn, "SELECT field, unit, ward_code, channel,"
                 " (received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, due_on,"
                 " (closed_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, reopened FROM citymap.petition")  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    for name in ("received", "due", "closed"):
        frame[name] = pd.to_datetime(frame[name])
    return frame


def recount(frame: pd.DataFrame, on: pd.Timestamp) -> dict[str, Any]:
    """The figures of some petitions, by pandas."""
    closed = frame["closed"].notna()
    late_handled = closed & (frame["closed"] > frame["due"])
    late_open = ~closed & (frame["due"] < on)
    days = (frame["closed"] - frame["received"]).dt.days[closed]
    decided = int(closed.sum() + late_open.sum())
    said = {
        "received": len(frame), "handled": int(closed.sum()), "open": int((~closed).sum()),
        "late": int(late_handled.sum() + late_open.sum()), "lateHandled": int(late_handled.sum()),
        "lateOpen": int(late_open.sum()), "reopened": int(frame["reopened"].sum()),
        "onTimeRate": round(float((closed & ~late_handled).sum()) / decided, 6) if decided else None,
        "medianDays": int(np.quantile(days, 0.5, method="inverted_cdf")) if len(days) else None,
        "p90Days": int(np.quantile(days, 0.9, method="inverted_cdf")) if len(days) else None,
    }  # fmt: skip
    return said


def figures(client: httpx.Client, **parameters: str) -> list[dict[str, Any]]:
    said = client.get("/petitions/monitor", params={"asOf": "2026-06-30", **parameters})
    assert said.status_code == 200, said.text
    return said.json()["groups"]  # type: ignore[no-any-return]


ON = pd.Timestamp("2026-06-30")


@pytest.mark.parametrize("by", ["", "field", "unit", "ward", "channel"])
def test_figures_are_what_pandas_counts(door: tuple[httpx.Client, Database], by: str) -> None:
    client, database = door
    frame = frame_of(database)
    groups_ = {None: frame} if not by else dict(iter(frame.groupby(by, dropna=False)))
    found = {made.get(by): made for made in figures(client, by=by)}
    assert found.keys() == groups_.keys()
    for key, part in groups_.items():
        expected = recount(part, ON)
        assert {name: found[key][name] for name in expected} == expected
        open_ = part[part["closed"].isna()]
        ages = (ON - open_["received"]).dt.days.clip(lower=0)
        bins = pd.cut(ages, [-1, 5, 10, 30, 10**6], labels=["0-5", "6-10", "11-30", "31+"]).value_counts()
        assert found[key]["ageing"] == {name: int(bins[name]) for name in bins.index}


def test_figures_of_any_days_and_of_two_things_at_once(door: tuple[httpx.Client, Database]) -> None:
    client, database = door
    frame = frame_of(database)
    part = frame[(frame["received"] >= "2025-03-10") & (frame["received"] <= "2026-01-20") & (frame["field"] == "bus")]
    (made,) = figures(client, field="bus", datetime="2025-03-10/2026-01-20")
    assert {name: made[name] for name in recount(part, ON)} == recount(part, ON)
    months = frame[
        (frame["received"] >= "2025-03-01") & (frame["received"] <= "2025-12-31") & (frame["channel"] == "phone")
    ]
    found = figures(client, by="field", channel="phone", datetime="2025-03-01/2025-12-31")
    assert {m["field"]: m["received"] for m in found} == months.groupby("field").size().to_dict()
    trend = figures(client, by="unit,week", datetime="2026-01-01/2026-02-28")
    weeks = frame[(frame["received"] >= "2026-01-01") & (frame["received"] <= "2026-02-28")]
    weeks = weeks.assign(week=weeks["received"] - pd.to_timedelta(weeks["received"].dt.day_of_week, "D"))
    expected = {(u, w.date().isoformat()): n for (u, w), n in weeks.groupby(["unit", "week"]).size().items()}
    assert {(m["unit"], m["period"]): m["received"] for m in trend} == expected


def test_every_figure_leads_to_exactly_the_petitions_behind_it(door: tuple[httpx.Client, Database]) -> None:
    client, _ = door
    rows = [
        *figures(client, by="field")[:3],
        *figures(client, by="channel,quarter", datetime="2025-01-01/2025-12-31")[:3],
    ]
    for made in rows:
        for name, link in made["links"].items():
            parts = urlsplit(link)
            hits = client.get(parts.path, params={**dict(parse_qsl(parts.query)), "resultType": "hits"})
            assert hits.status_code == 200, hits.text
            assert hits.json()["numberMatched"] == made[name], (name, link)


def test_a_ranking_has_its_denominators(door: tuple[httpx.Client, Database]) -> None:
    client, _ = door
    rates = [made["onTimeRate"] for made in figures(client, by="unit", rank="-onTimeRate")]
    assert rates == sorted(rates, reverse=True)
    for made in figures(client, by="unit"):
        assert made["onTimeOf"] == made["handled"] + made["lateOpen"]
        assert made["reopenRate"] == round(made["reopened"] / made["received"], 6)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"by": "colour"}, "by"), ({"by": "field,unit"}, "by"), ({"by": "field", "field": "bus"}, "by"),
        ({"by": "field", "unit": "x", "ward": "y"}, "by"), ({"datetime": "2026-01-01T00:00:00Z/.."}, "datetime"),
        ({"by": "field", "unit": "police", "datetime": "2026-01-02/.."}, "datetime"), ({"asOf": "soon"}, "asOf"),
        ({"rank": "beauty"}, "rank"), ({"colour": "red"}, "colour"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_refused_by_its_parameter(
    door: tuple[httpx.Client, Database], parameters: dict[str, str], named: str
) -> None:
    said = door[0].get("/petitions/monitor", params=parameters)
    assert (said.status_code, said.json()["parameter"]) == (400, named)


def test_who_may_not_see_petitions_sees_no_figure_either(
    door: tuple[httpx.Client, Database], layers: Catalogue
) -> None:
    client, database = door
    nobody, base = tokens.add(database.owner_dsn, layers, "outsider", ()), str(client.base_url).rstrip("/")
    paths = ["/petitions/monitor", "/petitions?q=a", "/petitions/DEMO", "/collections/petitions/items",
             "/collections/petitions_by_ward/items", "/collections/petitions/aggregate",
             "/open311/v2/requests.json"]  # fmt: skip
    for path in paths:
        assert httpx.get(f"{base}{path}").status_code == 401, path
        refused = httpx.get(f"{base}{path}", headers={"Authorization": f"Bearer {nobody}"})
        assert refused.status_code == 403, path
    for path in ("/collections/petitions_public/items", "/open311/v2/services.json"):
        assert httpx.get(f"{base}{path}").status_code == 200


def test_all_wards_are_there_zeros_too(door: tuple[httpx.Client, Database]) -> None:
    client, database = door
    made = client.get("/collections/petitions_by_ward/items", params={"limit": "1000"}).json()["features"]
    (total,) = asked(database.owner_dsn, "SELECT count(*) FROM layers.petitions WHERE ward_code IS NOT NULL")[0]
    assert (len(made), sum(f["properties"]["received"] for f in made)) == (168, total)


def test_the_page_of_figures_is_vietnamese_and_escapes(door: tuple[httpx.Client, Database]) -> None:
    page = door[0].get("/petitions/monitor", params={"by": "unit", "f": "html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Giám sát xử lý phản ánh" in page.text
    assert "Sở Xây dựng" in page.text
    table = door[0].get("/petitions/monitor", params={"by": "unit", "f": "csv"})
    assert len(table.content.decode("utf-8-sig").splitlines()) == len(figures(door[0], by="unit")) + 1
    wild = door[0].get("/petitions", params={"q": "<script>", "f": "html"})
    assert "<script>" not in wild.text


# One petition, and what a clerk does with it


def posted(client: httpx.Client, **form: str) -> httpx.Response:
    """A request over Open311; the demo's wards are around 106.7, 10.78."""
    said = {"service_code": "urban_infrastructure", "lat": "10.7801", "long": "106.7002",
            "description": "Ổ gà lớn trước số 15 Lê Thánh Tôn", "address_string": "15 Lê Thánh Tôn"} | form  # fmt: skip
    return client.post("/open311/v2/requests.json", data=said)


def code_of(made: httpx.Response) -> str:
    assert made.status_code == 200, made.text
    return str(made.json()[0]["service_request_id"])


def test_a_petition_goes_only_along_the_transitions(door: tuple[httpx.Client, Database], layers: Catalogue) -> None:
    client, database = door
    code = code_of(posted(client))

    def move(**body: str) -> httpx.Response:
        return client.post(f"/petitions/{code}/moves", json=body)

    refused = move(status="closed")
    assert (refused.status_code, refused.json()["parameter"]) == (422, "status")
    assert f"{code} is received; after that comes forwarded" in refused.json()["detail"]
    for status in ("forwarded", "in_progress", "answered", "reopened", "in_progress", "answered", "closed"):
        assert move(status=status, note=f"to {status}").status_code == 200
    assert move(unit="police").json()["unit"] == "police"
    made = client.get(f"/petitions/{code}").json()
    assert [step["value"] for step in made["timeline"] if step["what"] == "status"] == [
        "received", "forwarded", "in_progress", "answered", "reopened", "in_progress", "answered", "closed",
    ]  # fmt: skip
    assert (made["status"], made["reopened"], made["closedAt"] is None) == ("closed", True, False)
    assert made["dueOn"] == rules(layers).due_on(datetime.now(UTC), "urban_infrastructure", "construction").isoformat()
    assert no_differences(database, layers)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "body"),
        ({"status": "flying"}, "status"),
        ({"unit": "nobody"}, "unit"),
        ({"color": "red"}, "body"),
        ({"status": 5}, "body"),
    ],
)
def test_a_wrong_move_is_refused_in_words(
    door: tuple[httpx.Client, Database], body: dict[str, Any], named: str
) -> None:
    said = door[0].post("/petitions/DEMO-X/moves", json=body)
    assert (said.status_code, said.json()["parameter"]) == (422, named)


def test_a_move_of_nobody_is_not_found_and_a_reader_may_not_write(
    door: tuple[httpx.Client, Database], layers: Catalogue
) -> None:
    client, database = door
    assert client.post("/petitions/NO-SUCH/moves", json={"status": "forwarded"}).status_code == 404
    assert client.post("/petitions/NO-SUCH/replies", json={"text": "?"}).status_code == 404
    code = code_of(posted(client))
    base, sees = (
        str(client.base_url).rstrip("/"),
        tokens.add(database.owner_dsn, layers, "reader-only", (), insider=True),
    )
    move = {"url": f"{base}/petitions/{code}/moves", "json": {"status": "forwarded"}}
    assert httpx.post(**move).status_code == 401  # type: ignore[arg-type]
    assert httpx.post(**move, headers={"Authorization": f"Bearer {sees}"}).status_code == 403  # type: ignore[arg-type]


def test_replies_and_the_likely_duplicate(door: tuple[httpx.Client, Database]) -> None:
    client, _ = door
    first = code_of(posted(client, long="106.7102", description="Ống cống vỡ trước chợ Bà Chiểu", address_id="CONG-7"))
    second = code_of(posted(client, long="106.7104", description="Ống cống vỡ gần chợ Bà Chiểu"))
    third = code_of(posted(client, long="106.7300", description="Ống cống vỡ nơi khác", address_id="CONG-7"))
    code_of(posted(client, long="106.7103", service_code="bus", description="Ống cống vỡ trước chợ Bà Chiểu"))
    client.post(f"/petitions/{first}/replies", json={"text": "Đã chuyển đơn vị", "public": True})
    assert client.post(f"/petitions/{first}/replies", json={"text": "nội bộ"}).status_code == 201
    made = client.get(f"/petitions/{first}").json()
    assert [(reply["text"], reply["public"]) for reply in made["replies"]] == [
        ("Đã chuyển đơn vị", True),
        ("nội bộ", False),
    ]
    near = {one["code"]: one for one in made["near"]}
    assert {second, third} <= near.keys()
    assert near[second]["field"] == "urban_infrastructure"
    assert 15 < near[second]["metres"] < 30
    assert near[third]["sameAsset"]
    assert client.post(f"/petitions/{second}/moves", json={"status": "merged", "duplicateOf": first}).status_code == 200
    assert client.get(f"/petitions/{second}").json()["duplicateOf"] == first
    told = client.get(f"/open311/v2/requests/{first}.json").json()[0]
    assert told["status_notes"] == "Đã chuyển đơn vị"


def test_a_petition_is_found_without_marks_by_text_address_and_code(door: tuple[httpx.Client, Database]) -> None:
    client, _ = door
    code = code_of(
        posted(client, description="Cột điện nghiêng ở đường Đinh Tiên Hoàng", address_string="79 Đinh Tiên Hoàng")
    )
    for text in ("cot dien nghieng", "79 dinh tien hoang", code, code.lower(), "Đinh Tiên Hoàng cột"):
        found = [one["code"] for one in client.get("/petitions", params={"q": text}).json()["petitions"]]
        assert code in found, text
    assert (
        client.get("/petitions", params={"q": "cot dien nghieng", "bbox": "105,9,105.1,9.1"}).json()["petitions"] == []
    )
    page = client.get(f"/petitions/{code}", params={"f": "html"})
    assert "Cột điện nghiêng" in page.text


# Open311


def test_open311_services_and_their_definition(door: tuple[httpx.Client, Database], law: Rules) -> None:
    client, _ = door
    services = client.get("/open311/v2/services.json").json()
    assert {one["service_code"] for one in services} == law.titles.keys()
    assert len(services) >= 5
    assert {"service_code", "service_name", "description", "metadata", "type", "keywords", "group"} <= services[
        0
    ].keys()
    xml = ElementTree.fromstring(client.get("/open311/v2/services.xml", params={"lang": "en"}).content)
    assert [one.findtext("service_code") for one in xml.iterfind("service")] == [
        one["service_code"] for one in services
    ]
    made = client.get("/open311/v2/services/urban_infrastructure.json").json()
    assert [value["key"] for value in made["attributes"][0]["values"]] == ["pothole", "street_light", "tree"]
    root = ElementTree.fromstring(client.get("/open311/v2/services/urban_infrastructure.xml").content)
    assert [one.findtext("key") for one in root.iterfind("attributes/attribute/values/value")] == [
        "pothole",
        "street_light",
        "tree",
    ]
    found = ElementTree.fromstring(client.get("/open311/discovery.xml").content)
    assert urlsplit(found.findtext("endpoints/endpoint/url") or "").path == "/open311/v2"


def test_open311_takes_a_request_and_tells_of_it(door: tuple[httpx.Client, Database], layers: Catalogue) -> None:
    client, database = door
    base = str(client.base_url).rstrip("/")
    key = tokens.add(database.owner_dsn, layers, "app-of-citizens", ("petitions",), insider=True)
    form = {"api_key": key, "service_code": "urban_infrastructure", "lat": "10.78", "long": "106.70",
            "attribute[sub_field]": "pothole", "description": "Hố < 1 m & sâu",
            "media_url": "https://example.vn/a.jpg"}  # fmt: skip
    made = httpx.post(f"{base}/open311/v2/requests.xml", data=form)
    assert made.status_code == 200, made.text
    code = ElementTree.fromstring(made.content).findtext("request/service_request_id")
    (told,) = client.get(f"/open311/v2/requests/{code}.json").json()
    assert (told["status"], told["extended_status"], told["service_code"]) == ("open", "open", "urban_infrastructure")
    assert (told["lat"], told["long"], told["media_url"]) == (10.78, 106.7, "https://example.vn/a.jpg")
    xml = ElementTree.fromstring(client.get("/open311/v2/requests.xml", params={"service_request_id": code}).content)
    assert xml.findtext("request/description") == "Hố < 1 m & sâu"
    assert client.get(f"/petitions/{code}").json()["subField"] == "pothole"
    assert client.get(f"/open311/v2/tokens/{code}.json").json() == [{"service_request_id": code, "token": code}]
    client.post(f"/petitions/{code}/moves", json={"status": "rejected", "note": "không thuộc thẩm quyền"})
    assert client.get(f"/open311/v2/requests/{code}.json").json()[0]["status"] == "closed"
    updates = client.get("/open311/v2/servicerequestupdates.json", params={"start_date": "2026-11-01T00:00:00Z"}).json()
    mine = [one["status"] for one in updates if one["service_request_id"] == code]
    assert mine == ["open", "no_further_action"]


def test_open311_lists_by_service_status_and_time(door: tuple[httpx.Client, Database]) -> None:
    client, database = door
    asked_for = {"service_code": "bus,noise", "status": "closed", "start_date": "2026-05-01T00:00:00Z",
                 "end_date": "2026-06-01T00:00:00Z", "page_size": "1000"}  # fmt: skip
    codes = {one["service_request_id"] for one in client.get("/open311/v2/requests.json", params=asked_for).json()}
    expected = asked(database.owner_dsn, "SELECT code FROM citymap.petition WHERE field IN ('bus', 'noise')"
                     " AND closed_at IS NOT NULL AND received_at BETWEEN '2026-05-01Z' AND '2026-06-01Z'")  # fmt: skip
    assert codes == {code for (code,) in expected}
    assert codes


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("requests.json?status=maybe", 400, "status"), ("requests.xml?start_date=yesterday", 400, "start_date"),
        ("requests/NO-SUCH.json", 404, "service_request_id"), ("services/nothing.xml", 404, "service_code"),
        ("requests.json?page_size=0", 400, "page_size"), ("tokens/NO-SUCH.json", 404, "token"),
    ],
)  # fmt: skip
def test_open311_tells_faults_in_its_own_words(
    door: tuple[httpx.Client, Database], path: str, status: int, words: str
) -> None:
    said = door[0].get(f"/open311/v2/{path}")
    assert said.status_code == status
    if ".xml" in path:
        root = ElementTree.fromstring(said.content)
        assert (root.findtext("error/code"), words in (root.findtext("error/description") or "")) == (str(status), True)
    else:
        assert (said.json()[0]["code"], words in said.json()[0]["description"]) == (status, True)


@pytest.mark.parametrize(
    "form", [{"lat": "91"}, {"long": "x"}, {"service_code": "no"}, {"attribute[sub_field]": "no"}, {"media_url": "ftp"}]
)
def test_open311_refuses_a_wrong_request(door: tuple[httpx.Client, Database], form: dict[str, str]) -> None:
    said = posted(door[0], **form)
    assert said.status_code == 400
    assert next(iter(form)).split("[")[0] in said.json()[0]["description"]


# What the public sees


def test_hexagons_are_nested_and_hold_their_points() -> None:
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(106.3, 107.2, 400), rng.uniform(10.3, 11.2, 400)
    for point, where in zip(zip(lon, lat, strict=True), holding(lon, lat), strict=True):
        assert shapely.Polygon(where.corners).buffer(1e-9).contains(shapely.Point(point))
        for one in above(where, TOP):
            assert one.level == TOP or one in children(parent(one))


def leaves(hexagon: Hex) -> set[Hex]:
    """The finest hexagons inside."""
    return {hexagon} if hexagon.level == 0 else {leaf for child in children(hexagon) for leaf in leaves(child)}


@pytest.mark.parametrize("seed", range(amount(6, 60)))
def test_an_attacker_isolates_no_group_below_five(seed: int) -> None:
    """Everything published, as linear equations over what each finest hexagon may hold, solved for each of them.

    The attacker knows the method, and even which hexagons hold five or more: every other one holds four at most."""
    rng = np.random.default_rng(seed)
    centre = holding(np.array([106.7]), np.array([10.78]))[0]
    near = sorted(leaves(parent(parent(centre))))
    spread = rng.choice([0.3, 1.0, 3.0])
    cells = Counter(
        {where: int(n) for where, n in zip(near, rng.negative_binomial(spread, 0.25, len(near)), strict=True) if n}
    )
    made = groups(cells, 5)
    assert all(group.count >= 5 for group in made)
    shown = {group.where for group in made}
    covered: dict[Hex, list[int]] = {}
    for group in made:
        inside = leaves(group.where) if group.where.level <= 2 else set(near)
        for other in shown:
            if other != group.where and other.level < group.where.level:
                inside -= leaves(other)
        covered[group.where] = [at for at, leaf in enumerate(near) if leaf in inside]
    matrix = np.zeros((len(made), len(near)))
    for line, group in enumerate(made):
        matrix[line, covered[group.where]] = 1
    assert (matrix.sum(axis=0) <= 1).all()  # one partition: no petition is told of twice
    wanted = np.array([group.count for group in made], float)
    assert wanted == pytest.approx(matrix @ np.array([cells.get(leaf, 0) for leaf in near], float))
    many = {leaf for leaf in near if cells.get(leaf, 0) >= 5}
    bounds = [(5, None) if leaf in many else (0, 4) for leaf in near]
    for at in rng.permutation(len(near))[: amount(12, 81)]:
        if near[at] in many or not matrix[:, at].any():
            continue
        low, high = (
            linprog(sign * np.eye(len(near))[at], A_eq=matrix, b_eq=wanted, bounds=bounds, method="highs").fun * sign
            for sign in (1, -1)
        )
        assert high - low > 0.5, f"{near[at]} is known to hold {low:.0f}"


def test_a_hexagon_whose_neighbours_would_tell_of_it_is_given_up() -> None:
    home = parent(holding(np.array([106.7]), np.array([10.78]))[0])
    inside = children(home)
    # all but two are groups: the two that are left out would have to hold four each
    cells = dict.fromkeys(inside[2:], 6) | {inside[0]: 4, inside[1]: 4}
    made = {group.where: group.count for group in groups(cells, 5)}
    assert made[home] > 8
    assert sum(made.values()) == sum(cells.values())


def test_releases_come_late_once_and_hold_nothing_of_a_person(
    door: tuple[httpx.Client, Database], law: Rules, layers: Catalogue
) -> None:
    client, database = door
    items = f"{client.base_url}".rstrip("/") + "/collections/petitions_public/items?limit=10000"
    made = httpx.get(items).json()["features"]
    assert made
    assert all(set(f["properties"]) == {"week", "field", "level", "count"} for f in made)
    assert all(f["properties"]["count"] >= 5 for f in made)
    assert not {f["properties"]["field"] for f in made} & {*law.sensitive}
    assert max(f["properties"]["week"] for f in made) <= (date.today() - timedelta(days=21)).isoformat()
    weeks = asked(database.owner_dsn, "SELECT week, groups, shown FROM citymap.petition_release ORDER BY week")
    assert len(weeks) > 150
    with psycopg.connect(database.owner_dsn, autocommit=True) as conn:
        before = conn.execute("SELECT count(*), sum(count) FROM citymap.petition_public").fetchone()
        conn.execute("INSERT INTO citymap.petition (code, field, channel, received_at, precision, geom, due_on, status,"
                     " version_at, version_rank, version_digest)"
                     " SELECT 'LATE-' || n, 'bus', 'app', '2026-01-06 03:00Z',"
                     " 'point', ST_SetSRID(ST_MakePoint(106.7, 10.78), 4326), '2026-01-13', 'received', now(), 0, ''"
                     " FROM generate_series(1, 50) AS n")  # fmt: skip
        public.release(conn, law, date(2026, 1, 5))
        assert conn.execute("SELECT count(*), sum(count) FROM citymap.petition_public").fetchone() == before
        conn.execute("DELETE FROM citymap.petition WHERE starts_with(code, 'LATE-')")
    assert no_differences(database, layers)


def test_the_command_says_deadlines_and_days() -> None:
    said = CliRunner().invoke(app, ["deadline", "2025-12-31T08:30", "--field", "other"])
    assert (said.exit_code, said.stdout) == (0, "forward by 2025-12-31 08:35, answer by 2026-01-09\n")
    listed = CliRunner().invoke(app, ["calendar", "2026"]).stdout.splitlines()
    assert listed[0] == "2026: announced"
    assert {"2026-01-02 Fri off", "2026-01-10 Sat worked", "2026-02-17 Tue off"} <= set(listed)
