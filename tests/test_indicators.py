"""Indicators: sheets refused by cell, versions kept, sums kept across the reform, alerts that can be recomputed."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import numpy as np
import openpyxl
import pandas as pd
import psycopg
import pytest
from conftest import free_port, fresh, serve

from mapserver import tokens
from mapserver.areas import Area, Areas, Link
from mapserver.catalogue import Catalogue
from mapserver.cluster import Cluster
from mapserver.commands import indicators as commands
from mapserver.commands.demo import Filling
from mapserver.database import Database
from mapserver.errors import BadLoad, NotAdditive
from mapserver.periods import period
from mapserver.scripts import script
from mapserver.settings import Settings, settings
from mapserver.systems.areas.book import areas_in
from mapserver.systems.indicators import importing
from mapserver.systems.indicators.neighbours import local_moran, moments
from mapserver.systems.indicators.records import Indicator, Observation
from mapserver.systems.indicators.series import series
from mapserver.systems.indicators.sheet import Wish
from mapserver.upkeep import caught_up

AT = "2026-06"
SHOWN = ("births", "files_on_time", "digital_score")
"""The demo's indicators that the tests are about: a flow, a rate, a score."""


@dataclass(frozen=True)
class Town:
    """A demo city with indicators, served; secrets of a writer and of an insider who does not write."""

    database: Database
    url: str
    writer: dict[str, str]
    reader: dict[str, str]


@pytest.fixture(scope="module")
def town(cluster: Cluster, template: str, layers: Catalogue, house: Path) -> Iterator[Town]:
    data = house / "indicators"
    data.mkdir(exist_ok=True)
    with fresh(cluster, template, layers) as database:
        chosen = settings(data=data, real_data=data / "none", port=free_port(), workers=1)
        filled(chosen, database, layers)
        writer = tokens.add(database.owner_dsn, layers, "statistics", ("indicators",), insider=True)
        reader = tokens.add(database.owner_dsn, layers, "leader", (), insider=True)
        with serve(chosen, database) as url:
            yield Town(database, url, *({"authorization": f"Bearer {secret}"} for secret in (writer, reader)))


def filled(chosen: Settings, database: Database, layers: Catalogue) -> None:
    """Wards, outlines, weights, and two years of three indicators."""
    filling = Filling(chosen, database.owner_dsn, layers, 1.0)
    filling.synthetic(layers["wards"])
    made = script(layers["indicators"])
    frames = (f for f in made.demo(filling._city) if f["indicator"].iloc[0] in SHOWN)
    with psycopg.connect(database.owner_dsn, autocommit=True) as conn:
        assert importing.never_filled(conn)
        importing.filled(conn, made.dictionary(), frames, "test")
        caught_up(database.owner_dsn, layers)
        conn.execute("UPDATE citymap.area SET population = 1000 * (1 + uid % 7) WHERE valid_to IS NULL")
    caught_up(database.owner_dsn, layers)  # a second kind of weight, so that there is a band


def got(town: Town, path: str, **parameters: str) -> Any:
    answer = httpx.get(f"{town.url}{path}", params=parameters, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def kept(town: Town) -> pd.DataFrame:
    """Every version of every figure, asked of the database itself."""
    with psycopg.connect(town.database.owner_dsn) as conn:
        rows = conn.execute("""
            SELECT o.indicator, o.area, a.code, o.period, o.status, o.value::float8, o.numerator::float8,
                   o.denominator::float8, o.id, o.current, a.valid_to
            FROM citymap.indicator_observation AS o JOIN citymap.area AS a ON a.uid = o.area""").fetchall()
    names = ["indicator", "area", "code", "period", "status", "value", "numerator", "denominator", "id", "current",
             "valid_to"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


# Alerts, recomputed by pandas alone


def alerts(town: Town, kind: str, indicator: str) -> dict[int, dict[str, Any]]:
    found = got(town, "/indicators/alerts", kind=kind, indicator=indicator, period=AT, limit="5000")["alerts"]
    return {one["area"]: one for one in found}


@pytest.mark.parametrize("indicator", SHOWN)
def test_every_jump_is_what_pandas_finds_without_the_season(town: Town, kept: pd.DataFrame, indicator: str) -> None:
    held = kept[(kept["indicator"] == indicator) & kept["current"]]
    by_month = held.groupby("period")[["value", "numerator", "denominator"]].sum()
    mean = held.groupby("period")["value"].mean()
    total = {"births": by_month["value"], "files_on_time": by_month["numerator"] / by_month["denominator"]}
    months = total.get(indicator, mean)
    whole = months[months.index.str.startswith("2025-")]
    assert len(whole) == 12
    share = {month[5:]: value / whole.mean() for month, value in whole.items()}
    plain = held.assign(value=held["value"] / held["period"].str[5:].map(share))
    expected = {}
    for uid, rows in plain.groupby("area"):
        before, now = rows[rows["period"] < AT]["value"], rows[rows["period"] == AT]["value"]
        if len(now) and len(before) >= 6:
            usual = before.median()
            spread = max((before - usual).abs().median(), 0.005 * abs(usual))
            if abs(now.iloc[0] - usual) > 6 * spread:
                expected[uid] = abs(now.iloc[0] - usual) / spread
    found = alerts(town, "jump", indicator)
    assert found.keys() == expected.keys()
    for uid, one in found.items():
        assert one["figures"]["times"] == pytest.approx(expected[uid])
        assert f"{one['figures']['times']:,.2f}".rstrip("0").rstrip(".") in one["sentence"]["en"]


def test_some_ward_jumped_so_that_the_test_above_says_something(town: Town) -> None:
    assert sum(len(alerts(town, "jump", one)) for one in SHOWN) > 0


@pytest.mark.parametrize("indicator", SHOWN)
def test_those_who_sent_nothing_are_missing_and_nobody_else(town: Town, kept: pd.DataFrame, indicator: str) -> None:
    there = set(kept[(kept["indicator"] == indicator) & (kept["period"] == AT)]["area"])
    with psycopg.connect(town.database.owner_dsn) as conn:
        units = {uid for (uid,) in conn.execute("SELECT uid FROM citymap.area WHERE valid_to IS NULL")}
    found = alerts(town, "missing", indicator)
    assert found.keys() == units - there
    late = (date.today() - date(2026, 7, 10)).days
    assert all(f"hạn 10/07/2026, trễ {late} ngày" in one["sentence"]["vi"] for one in found.values())


@pytest.mark.parametrize("indicator", SHOWN)
def test_states_and_off_target_alerts_follow_the_plan(town: Town, kept: pd.DataFrame, indicator: str) -> None:
    with psycopg.connect(town.database.owner_dsn) as conn:
        query = "SELECT area, value::float8 FROM citymap.indicator_target WHERE indicator = %s AND period = %s"
        plans = dict(conn.execute(query, (indicator, AT)).fetchall())
    there = kept[(kept["indicator"] == indicator) & (kept["period"] == AT) & kept["current"]]
    attained = {row.area: row.value / plans[row.area] for row in there.itertuples() if row.area in plans}
    colours = {uid: "green" if a >= 1 else "orange" if a >= 0.9 else "red" for uid, a in attained.items()}
    said = got(town, "/indicators/states", indicator=indicator, period=AT, limit="5000")
    shown = [one["colour"] for one in said["states"]]
    assert shown == sorted(shown, key=["red", "orange", "green", "grey"].index)
    assert {s["area"]: s["colour"] for s in said["states"] if s["colour"] != "grey"} == colours
    assert said["counts"]["red"] == list(colours.values()).count("red")
    found = alerts(town, "off_target", indicator)
    assert found.keys() == {uid for uid, colour in colours.items() if colour == "red"}
    assert all(one["figures"]["attained"] == pytest.approx(attained[uid]) for uid, one in found.items())


def test_unlike_its_neighbours_is_what_the_formula_of_1998_says(town: Town, kept: pd.DataFrame) -> None:
    there = kept[(kept["indicator"] == "births") & (kept["period"] == AT) & kept["current"]].set_index("area")["value"]
    with psycopg.connect(town.database.owner_dsn) as conn:
        pairs = conn.execute("""
            SELECT a.uid, b.uid FROM citymap.area AS a, citymap.area AS b
            WHERE a.uid <> b.uid AND a.valid_to IS NULL AND b.valid_to IS NULL
            AND ST_Distance(a.geometry, b.geometry) <= 0.0005""").fetchall()
    n, z = len(there), there - there.mean()
    m2 = (z**2).sum() / n
    expected = set()
    for uid, own in z.items():
        others = [b for a, b in pairs if a == uid and b in there.index]
        if others:
            around = z[others].mean()
            spread = (own / m2) ** 2 * n / (n - 2) * (1 / len(others) - 1 / (n - 1)) * (m2 - own**2 / (n - 1))
            score = (own * around / m2 + own**2 / m2 / (n - 1)) / math.sqrt(spread)
            if own * around < 0 and score < 0 and math.erfc(-score / math.sqrt(2)) < 0.001:
                expected.add(uid)
    assert set(alerts(town, "outlier", "births")) == expected


def test_local_moran_has_the_moments_that_esda_gives() -> None:
    """A 5 x 5 grid, queen neighbours; EIc and VIc of `esda.moran.Moran_Local` (esda 2.9.0) at three places."""
    y = np.array(
        [50, 53, 47, 41, 45, 40, 51, 63, 45, 44, 55, 54, 120, 41, 50, 57, 37, 45, 31, 37, 32, 48, 37, 53, 52.0]
    )
    pairs = [(i, j) for i in range(25) for j in range(25)
             if i != j and abs(i // 5 - j // 5) <= 1 and abs(i % 5 - j % 5) <= 1]  # fmt: skip
    made = local_moran(y, pairs)
    assert made.moran[[1, 3, 12]] * 24 / 25 == pytest.approx([0.01492, 0.009252, -0.818933], abs=1e-6)
    count = np.bincount([i for i, _ in pairs])
    expected, variance = moments(y - y.mean(), 1 / count)
    assert expected[[1, 3, 12]] == pytest.approx([-0.002326, -0.010189, -0.776381], abs=1e-6)
    assert variance[[1, 3, 12]] == pytest.approx([0.009587, 0.041657, 0.37742], abs=1e-5)


# Across the reform


def test_a_count_keeps_its_sum_across_the_reform_and_says_where_it_breaks(town: Town, kept: pd.DataFrame) -> None:
    said = got(town, "/indicators/births/series", boundaries="2026-01-01")
    assert said["boundaries"] == "2025-07-01.."
    points = pd.DataFrame(said["points"])
    sums = points.groupby("period")["value"].sum()
    held = kept[(kept["indicator"] == "births") & kept["current"]].groupby("period")["value"].sum()
    assert sums.to_dict() == pytest.approx(held.to_dict(), rel=1e-12)
    assert set(points[points["break"]]["period"]) == {"2025-07"}
    banded = points[points["low"].notna()]
    assert len(banded) > 50
    assert (banded["low"] <= banded["value"]).all()
    assert (banded["value"] <= banded["high"]).all()
    assert set(points[points["period"] >= "2025-07"]["estimated"]) == {0.0}


def test_a_rate_goes_by_its_parts_and_a_score_is_refused(town: Town, kept: pd.DataFrame) -> None:
    said = got(town, "/indicators/files_on_time/series", boundaries="2026-01-01", to="2025-06-30")
    rate = pd.DataFrame(said["points"])
    held = kept[(kept["indicator"] == "files_on_time") & (kept["period"] == "2025-06")]
    may = rate[rate["period"] == "2025-06"]["value"]
    assert held["value"].min() - 1e-9 <= may.min() <= may.max() <= held["value"].max() + 1e-9
    answer = httpx.get(f"{town.url}/indicators/digital_score/series", params={"to": "2025-06-30"})
    assert answer.status_code == 422
    assert "a score is no sum of its parts" in answer.json()["detail"]


def test_rates_without_their_parts_are_refused_with_the_reason() -> None:
    areas = Areas({1: Area(1, "a", "A", valid_to=date(2025, 7, 1)), 2: Area(2, "b", "B", valid_from=date(2025, 7, 1))},
                  (Link(1, 2, whole=True),))  # fmt: skip
    when = period("2025-01")
    assert when is not None
    rate = Indicator("r", "R", None, "01", "%", "rate")
    with pytest.raises(NotAdditive, match="numerator and denominator"):
        series(rate, [Observation("r", 1, when, "final", Decimal(50))], areas, date(2026, 1, 1))


# Sheets


@pytest.fixture(scope="module")
def areas(town: Town) -> Areas:
    with psycopg.connect(town.database.owner_dsn) as conn:
        return areas_in(conn)


def wide(path: Path, rows: list[list[object]], headers: list[object]) -> Path:
    """A workbook as departments send it: a title above the table."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [["BÁO CÁO THÁNG"], headers, *rows]:
        sheet.append(row)
    book.save(path)
    return path


def counts(town: Town) -> tuple[Any, ...]:
    with psycopg.connect(town.database.owner_dsn) as conn:
        tables = ("indicator_observation", "indicator_target", "indicator_import")
        return tuple(conn.execute(f"SELECT count(*) FROM citymap.{name}".encode()).fetchone() for name in tables)


def test_a_wrong_sheet_is_refused_by_cell_and_nothing_of_it_is_kept(town: Town, tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["26740", "Phường Sài Gòn", 12, "mười", 3],
        ["99999", "", 1, 1, 1],
        ["", "Phường Tân Định", 5, "1,234", 4],
        ["26740", "Phường Sài Gòn", 9, 9, ""],
    ]
    file = wide(tmp_path / "births.xlsx", rows, ["Mã đơn vị", "Phường xã", "Tháng 7/2026", "T8/2026", "2026-09"])
    before = counts(town)
    with psycopg.connect(town.database.owner_dsn, autocommit=True) as conn, pytest.raises(BadLoad) as told:
        importing.imported(conn, file.name, file.read_bytes(), Wish("births"), "tester")
    said = str(told.value)
    assert "D3 (T8/2026): 'mười' is no number" in said
    assert "A4 (Mã đơn vị): there never was a unit 99999" in said
    assert "D5 (T8/2026): '1,234' is no number, or may be two" in said
    assert "C6 (Tháng 7/2026): C3 tells of the same" in said
    answer = httpx.post(f"{town.url}/indicators/import", params={"indicator": "births"}, content=file.read_bytes(),
                        headers=town.writer, timeout=60)  # fmt: skip
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} >= {"/D3", "/A4", "/D5", "/C6"}
    assert counts(town) == before


def test_a_name_that_is_several_wards_is_asked_about(town: Town, areas: Areas) -> None:
    sheet = "Phường xã,Tháng 5/2024\nPhường 1,7\n".encode()
    known = {"births": Indicator("births", "B", None, "01", "trẻ", "count")}
    [wrong] = importing.parsed(sheet, known, areas, Wish("births")).wrong
    assert wrong.place == "A2"
    assert len(wrong.candidates) > 5
    across = b"code,2025-06,2025-07\n26740,1,2\n"
    [wrong] = importing.parsed(across, known, areas, Wish("births")).wrong
    assert "both sides of the reform of 2025-07-01" in wrong.reason


def test_a_good_sheet_is_kept_once_and_every_version_of_a_figure_stays(town: Town, tmp_path: Path) -> None:
    file = wide(tmp_path / "b.xlsx", [["26740", "Phường Sài Gòn", 40]], ["Mã", "Tên", "Tháng 7/2026"])
    url = f"{town.url}/indicators/import"

    def sent(value: int, status: str) -> dict[str, Any]:
        wide(file, [["26740", "Phường Sài Gòn", value]], ["Mã", "Tên", "Tháng 7/2026"])
        asked = {"indicator": "births", "status": status}
        answer = httpx.post(url, params=asked, content=file.read_bytes(), headers=town.writer, timeout=60)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    added = [sent(40, "provisional")["added"], sent(40, "provisional")["added"], sent(44, "final")["added"],
             sent(60, "revised")["added"], sent(39, "provisional")["added"]]  # fmt: skip
    assert added == [1, 0, 1, 1, 1]
    made = got(town, "/indicators/births/observations", area="26740", period="2026-07")["observations"]
    assert [(one["value"], one["status"]) for one in made if one["holds"]] == [(60.0, "revised")]
    assert len(made) == 4
    found = got(town, "/indicators/alerts", kind="revision", indicator="births", period="2026-07")["alerts"]
    assert [one["figures"]["percent"] for one in found] == [pytest.approx(100 * 16 / 44)]
    assert "44 thành 60" in found[0]["sentence"]["vi"]
    dry = httpx.post(url, params={"indicator": "births", "dryRun": "true"}, content=file.read_bytes(),
                     headers=town.writer, timeout=60)  # fmt: skip
    assert (dry.status_code, dry.json()["dryRun"], dry.json()["figures"]) == (200, True, 1)


def test_two_who_send_the_same_at_once_add_it_once(town: Town) -> None:
    asked, body = {"indicator": "births"}, b"code,2026-08\n26740,31\n26743,17\n"

    def sent(_: int) -> int:
        answer = httpx.post(f"{town.url}/indicators/import", params=asked, content=body, headers=town.writer)
        return int(answer.json()["added"])

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(sent, range(4))) == [0, 0, 0, 2]


@pytest.mark.parametrize("form", ["csv", "sdmx", "xlsx"])
def test_what_is_exported_can_be_imported_and_says_nothing_new(town: Town, form: str, areas: Areas) -> None:
    asked = {"indicator": "births", "from": "2026-05-01", "to": "2026-05-31", "f": form}
    content = httpx.get(f"{town.url}/indicators/export", params=asked, timeout=60).content
    if form == "sdmx":
        [first, *_] = csv.DictReader(io.StringIO(content.decode()))
        assert first["STRUCTURE_ID"] == "CITYMAP:DF_INDICATORS(1.0)"
        assert first["TIME_PERIOD"] == "2026-05"
    sent = {"indicator": "births", "status": "provisional"}
    answer = httpx.post(f"{town.url}/indicators/import", params=sent, content=content, headers=town.writer, timeout=60)
    assert answer.status_code == 201, answer.text
    assert answer.json()["figures"] > 150
    assert answer.json()["added"] == 0


def test_sdmx_that_would_take_figures_away_is_refused(town: Town) -> None:
    body = ("STRUCTURE,STRUCTURE_ID,ACTION,INDICATOR,REF_AREA,TIME_PERIOD,OBS_VALUE\n"
            "dataflow,CITYMAP:DF_INDICATORS(1.0),D,births,26740,2026-05,1\n")  # fmt: skip
    answer = httpx.post(f"{town.url}/indicators/import", content=body, headers=town.writer)
    assert answer.status_code == 422
    assert "never taken away" in answer.text


# Rights, editors, explanations


def test_only_a_token_with_the_right_writes(town: Town) -> None:
    url = f"{town.url}/indicators/import"
    assert httpx.post(url, content=b"x").status_code == 401
    assert httpx.post(url, content=b"x", headers=town.reader).status_code == 403
    assert httpx.get(f"{town.url}/indicators/requests").status_code == 401


def test_odd_bodies_are_refused_in_words(town: Town) -> None:
    url = f"{town.url}/indicators"
    for body in (b"", b"\x00\x01", b"PK\x03\x04junk", b"code,2026-05\n26740,1e99999\n", b"code,9999-05\n26740,1\n"):
        answer = httpx.post(f"{url}/import", params={"indicator": "births"}, content=body, headers=town.writer)
        assert answer.status_code in (400, 422), body
    question = {"indicator": "births", "unit": "a\x00b", "question": "?", "dueOn": "2026-07-20"}
    assert httpx.post(f"{url}/requests", json=question, headers=town.writer).status_code == 422
    assert httpx.put(f"{url}/births", content=b"x", headers=town.writer).status_code == 415


def test_two_editors_at_once_lose_nothing(town: Town) -> None:
    url = f"{town.url}/indicators/births"
    there = httpx.get(url)
    body = {name: value for name, value in there.json().items() if name not in ("additive", "version")}
    assert httpx.put(url, json=body, headers=town.writer).status_code == 428
    headers = {**town.writer, "if-match": there.headers["etag"]}

    def edited(agency: str) -> int:
        return httpx.put(url, json={**body, "agency": agency}, headers=headers).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(edited, ["A", "B", "C", "D"])) == [200, 412, 412, 412]
    assert httpx.get(url).json()["version"] == there.json()["version"] + 1
    wrong = httpx.put(url, json={**body, "group_code": "77"}, headers=headers)
    assert (wrong.status_code, wrong.json()["parameter"]) == (400, "group_code")


def test_a_request_goes_from_question_to_acceptance_and_keeps_its_history(town: Town) -> None:
    url = f"{town.url}/indicators/requests"
    question = {"indicator": "births", "area": 500, "period": AT, "unit": "Sở Y tế", "question": "Vì sao giảm?",
                "dueOn": "2026-07-20", "view": "/map#12/10.77/106.7"}  # fmt: skip
    made = httpx.post(url, json=question, headers=town.writer)
    assert made.status_code == 201, made.text
    moves = f"{made.headers['location']}/moves"

    def moved(version: str, **body: str) -> httpx.Response:
        return httpx.post(moves, json=body, headers={**town.writer, "if-match": version})

    assert moved('"1"', status="accepted").status_code == 422
    with ThreadPoolExecutor(2) as pool:
        both = [*pool.map(lambda text: moved('"1"', status="answered", text=text), ["Do mưa", "Do nghỉ lễ"])]
    assert sorted(answer.status_code for answer in both) == [200, 412]
    assert moved('"2"', status="sent_back", text="Nêu số liệu").status_code == 200
    assert moved('"3"', status="answered", text="Giảm 12 trẻ").status_code == 200
    done = moved('"4"', status="accepted").json()
    assert [step["status"] for step in done["history"]] == ["open", "answered", "sent_back", "answered", "accepted"]
    assert (done["view"], done["dataVersion"] > 0, done["late"]) == ("/map#12/10.77/106.7", True, False)
    assert httpx.get(made.headers["location"], headers=town.reader).json() == done


# Layer, classes, pages, command


def test_the_layer_answers_on_the_boundaries_of_its_period(town: Town) -> None:
    for day, name, units in (("2024-09-01", "..2025-06-30", 441), ("2026-05-01", "2025-07-01..", 168)):
        asked = {"indicator": "births", "datetime": day, "limit": "1000"}
        features = got(town, "/collections/indicators/items", **asked)["features"]
        assert {f["properties"]["boundaries"] for f in features} == {name}
        assert 0.9 * units < len(features) <= units
        values = [f["properties"]["value"] for f in features]
        for method in ("quantile", "natural_breaks"):
            said = got(town, "/indicators/births/classes", datetime=day[:7], method=method, k="5")
            assert (said["boundaries"], said["values"], len(said["classes"])) == (name, len(values), 5)
            first, *others = said["classes"]
            assert first["count"] == sum(v <= first["upTo"] for v in values)
            assert all(c["count"] == sum(c["above"] < v <= c["upTo"] for v in values) for c in others)
            if method == "quantile":
                assert [c["upTo"] for c in said["classes"]] == [*np.quantile(values, [0.2, 0.4, 0.6, 0.8, 1])]


def test_pages_are_whole_vietnamese_and_a_chart_breaks_its_line(town: Town) -> None:
    page = httpx.get(f"{town.url}/indicators/births/series", params={"area": "26740", "f": "html"}, timeout=60)
    body = page.text[page.text.index("<main>") : page.text.index("</main>")] + "</main>"
    tree = ElementTree.fromstring(body)
    svg = next(tree.iter("svg"))
    assert len(svg.findall("polyline")) == 2
    assert len(svg.findall("line[@class='break']")) == 1
    assert svg.findall("polygon")
    assert len(tree.findall(".//tbody/tr")) == len(got(town, "/indicators/births/series", area="26740")["points"])
    board = httpx.get(f"{town.url}/indicators/states", params={"f": "html", "period": AT}, timeout=60).text
    assert board.index("Sẽ không đạt kế hoạch</td>") < board.index("Dấu hiệu bất thường")


def test_what_is_wrong_in_a_question_is_named(town: Town) -> None:
    for path, parameter in (
        ("/indicators/births/series?weight=luck", "weight"),
        ("/indicators/states?period=x", "period"),
        ("/indicators/births/classes?k=99", "k"),
        ("/indicators/alerts?kind=odd", "kind"),
        ("/indicators?colour=red", "colour"),
        ("/indicators/alerts?period=9999-12", "period"),
        ("/indicators/export?indicator=%00", "indicator"),
        ("/dti/rounds/1/what-if?unit=a", "component"),
    ):
        answer = httpx.get(f"{town.url}{path}")
        assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)
    assert httpx.get(f"{town.url}/indicators/nothing").status_code == 404
    assert httpx.get(f"{town.url}/indicators/births/series?area=1").status_code == 404


def test_a_dictionary_with_a_wrong_row_is_refused_by_row(tmp_path: Path) -> None:
    file = tmp_path / "dictionary.csv"
    file.write_text("code,title,group_code,unit,measure,better\na,A,1,người,count,higher\nb,B,02,%,ratio,lower\n")
    with pytest.raises(BadLoad, match=r"row 3, measure: .*; nothing was changed"):
        [*commands.entries(file, frozenset({"01", "02"}))]
    file.write_text("code,title,group_code,unit,measure\na,A,1,người,count\n")
    [one] = commands.entries(file, frozenset({"01"}))
    assert (one.code, one.group_code, one.additive) == ("a", "01", True)


# The digital transformation index


def components(catalogue_name: str, town: Town) -> list[dict[str, Any]]:
    """A round's components: equal points, all of the first main indicator but for the last ones."""
    framework = got(town, f"/dti/frameworks/{catalogue_name}")
    codes, mains = framework["codes"], len(framework["main"])
    points = round(framework["max_score"] / len(codes), 4)
    made = [{"code": code, "main": 1 + at % mains, "max": points} for at, code in enumerate(codes)]
    made[-1]["max"] = round(framework["max_score"] - points * (len(codes) - 1), 4)
    return made


def test_the_frameworks_are_those_of_the_city_and_the_country(town: Town) -> None:
    said = {f["name"]: f for f in got(town, "/dti/frameworks")["frameworks"]}
    sizes = {name: (len(f["main"]), len(f["codes"]), f["max_score"]) for name, f in said.items()}
    assert sizes == {
        "departments-2023": (6, 32, None), "departments-2025": (6, 32, 100), "districts-2023": (9, 51, None),
        "wards-2025": (8, 42, 100), "province-2022": (9, 98, 1000),
    }  # fmt: skip
    national = said["province-2022"]["main"]
    assert [one["points"] for one in national] == [100, 100, 100, 100, 100, 0, 200, 150, 150]


def test_a_round_goes_from_self_score_to_publication_and_ranks_its_units(town: Town) -> None:
    of = components("wards-2025", town)
    of[0]["measure"] = "metadata_share"
    body = {"framework": "wards-2025", "title": "Kỳ 2025", "components": of}
    made = httpx.post(f"{town.url}/dti/rounds", json=body, headers=town.writer)
    assert made.status_code == 201, made.text
    url, scores = made.headers["location"], {}
    assert httpx.get(url).status_code == 404
    assert httpx.get(url, headers=town.reader).status_code == 200
    for at, unit in enumerate(("Phường A", "Phường B", "Phường C")):
        scores[unit] = {one["code"]: round(one["max"] * (0.9 - 0.02 * at), 4) for one in of[1:]}
        rows = [{"component": code, "score": score, "evidence": "số 12/BC"} for code, score in scores[unit].items()]
        sent = {"unit": unit, "kind": "self", "scores": rows}
        assert httpx.post(f"{url}/scores", json=sent, headers=town.writer).status_code == 201
    plain = {"unit": "Phường A", "kind": "self", "scores": [{"component": "c02", "score": 1}]}
    assert "evidence" in httpx.post(f"{url}/scores", json=plain, headers=town.writer).text
    much = {"unit": "Phường A", "kind": "self", "scores": [{"component": "c02", "score": 99, "evidence": "x"}]}
    assert httpx.post(f"{url}/scores", json=much, headers=town.writer).status_code == 422
    measured = httpx.post(f"{url}/measure", headers=town.writer).json()
    assert measured["components"] == ["c01"]
    assert {one["share"] for one in measured["units"]} == {1.0}
    review = {"unit": "Phường A", "kind": "review", "scores": [{"component": "c02", "score": 0}]}
    assert httpx.post(f"{url}/scores", json=review, headers=town.writer).status_code == 422
    for version, stage in enumerate(("review", "objection", "published"), 1):
        headers = {**town.writer, "if-match": f'"{version}"'}
        assert httpx.post(f"{url}/moves", json={"stage": stage}, headers=headers).status_code == 200
        assert httpx.post(f"{url}/moves", json={"stage": stage}, headers=headers).status_code == 412
        if stage == "review":
            assert httpx.post(f"{url}/scores", json=review, headers=town.writer).status_code == 201
            scores["Phường A"]["c02"] = 0
    found = {one["unit"]: one for one in httpx.get(f"{url}/ranking").json()["units"]}
    totals = pd.DataFrame(scores).sum()
    assert {unit: found[unit]["total"] for unit in totals.index} == pytest.approx(totals.to_dict())
    among = totals.rank(ascending=False).astype(int).to_dict()
    assert {unit: found[unit]["rank"] for unit in totals.index} == among
    asked = {"unit": "Phường C", "component": "c03", "by": "0.3"}
    lift = httpx.get(f"{url}/what-if", params=asked).json()
    assert lift["by"] == pytest.approx(min(0.3, of[2]["max"] - scores["Phường C"]["c03"]))
    assert lift["rankAfter"] == 1 + int((totals.drop("Phường C") > totals["Phường C"] + lift["by"]).sum())
    assert "Phường A" in httpx.get(f"{url}/ranking", params={"f": "html"}).text


def test_a_round_is_of_one_framework_and_of_all_of_it(town: Town) -> None:
    of = components("departments-2025", town)
    for wrong, part in ((of[:-1], "lacks c32"), ([{**one, "max": 1} for one in of], "the framework has 100")):
        body = {"framework": "departments-2025", "title": "x", "components": wrong}
        answer = httpx.post(f"{town.url}/dti/rounds", json=body, headers=town.writer)
        assert (answer.status_code, part in answer.json()["detail"]) == (422, True)
