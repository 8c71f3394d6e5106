"""Counts by ward are kept at several grains of time; whichever one a question reads, the answer is the recount's."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loads import asked

from mapserver.aggregates import aggregate_query, grain
from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.query import ANYONE

LAYER = "economic_units"
STEPS = ("day", "week", "month", "quarter", "year")
days = st.dates(dt.date(2016, 1, 1), dt.date(2025, 12, 31))
firsts = st.one_of(days, days.map(lambda day: day.replace(day=1)), days.map(lambda day: day.replace(month=1, day=1)))


@pytest.mark.parametrize(
    ("by", "datetime", "read"),
    [
        ("ward", None, "all"),
        ("ward,sector", None, "all"),
        ("ward,year", None, "year"),
        ("ward,quarter", None, "month"),
        ("ward,month", None, "month"),
        ("ward,week", None, "day"),
        ("ward", "2024-01-01/2024-12-31", "year"),
        ("ward", "2024-01-01/..", "year"),
        ("ward,month", "2024-01-01/2024-12-31", "month"),
        ("ward", "2024-02-01/2024-02-29", "month"),
        ("ward", "2023-02-01/2023-02-28", "month"),
        ("ward", "2024-02-01/2024-02-28", "day"),
        ("ward", "2024-02-02/2024-02-29", "day"),
        ("ward,year", "../2024-06-30", "month"),
        ("ward,day", "2024-01-01/2024-12-31", "day"),
    ],
)
def test_the_coarsest_rows_that_answer_are_read(layers: Catalogue, by: str, datetime: str | None, read: str) -> None:
    given = {"by": by} | ({"datetime": datetime} if datetime else {})
    assert grain(aggregate_query(layers[LAYER], ANYONE, given)) == read


def start(day: dt.date, step: str) -> dt.date:
    """The first day of the step that holds a day."""
    match step:
        case "day":
            return day
        case "week":
            return day - dt.timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
        case _:
            return day.replace(month=1, day=1)


@pytest.mark.postgis
@given(begins=firsts, ends=firsts, step=st.sampled_from([*STEPS, None]))
@settings(max_examples=25, deadline=None)
def test_any_step_and_interval_agree_with_a_recount(
    server: str, toy: Database, begins: dt.date, ends: dt.date, step: str | None
) -> None:
    first, last = min(begins, ends), max(begins, ends) - dt.timedelta(days=1)
    last = max(last, first)
    by = f"ward,{step}" if step else "ward"
    parameters = {"by": by, "datetime": f"{first}/{last}", "skipGeometry": "true"}
    said = httpx.get(f"{server}/collections/{LAYER}/aggregate", params=parameters, timeout=60)
    assert said.status_code == 200, said.text
    made: Counter[tuple[str, str | None]] = Counter()
    for feature in said.json()["features"]:
        told = feature["properties"]
        for figure in told["figures"] if step else [told]:
            made[told["code"], figure.get("period")] += figure["value"]
    rows = asked(toy, "SELECT ward_code, registered_on FROM layers.economic_units WHERE ward_code IS NOT NULL")
    true = Counter((ward, str(start(day, step)) if step else None) for ward, day in rows if first <= day <= last)
    assert {key: value for key, value in made.items() if value} == dict(true)
