"""Parameters become questions, or an error that names the parameter."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapserver import parameters
from mapserver.crs import CRS84, OFFERED, VN2000, WGS84, crs_of
from mapserver.errors import BadQuery
from mapserver.fetching import fitting
from mapserver.layer import Access, Column, Layer, Text
from mapserver.query import ANYONE, MAX_LIMIT, Box, Caller, Cursor, Interval, Sort, feature_id, tile_query

WORD = Text("chữ", "word")
TREES = Layer(
    name="trees",
    title=WORD,
    description=WORD,
    theme="green",
    owner=WORD,
    licence="MIT",
    source=WORD,
    update="daily",
    origin="ingest",
    geometry="Point",
    time="planted",
    columns=(
        Column("name", "text", WORD),
        Column("height_m", "number", WORD, unit="m"),
        Column("rings", "integer", WORD),
        Column("alive", "boolean", WORD),
        Column("planted", "date", WORD),
        Column("seen", "datetime", WORD),
        Column("tags", "text[]", WORD),
        Column("gardener", "text", WORD, access=Access("internal", "a person's name", "2027-01-01")),
    ),
)


def asked(**given: str):
    return parameters.items_query(TREES, ANYONE, {name.replace("_", "-"): text for name, text in given.items()})


def test_nothing_asked_is_the_first_page_in_crs84():
    query = asked()
    assert (query.limit, query.offset, query.cursor, query.box, query.crs) == (10, 0, None, None, CRS84)


def test_a_limit_above_the_maximum_is_clamped():
    assert asked(limit=str(MAX_LIMIT + 1)).limit == MAX_LIMIT
    assert asked(limit="9" * 30).limit == MAX_LIMIT


@pytest.mark.parametrize("text", ["0", "-1", "", "ten", "1.5", "1e3", "9" * 31, "١", "NaN"])
def test_a_limit_that_is_no_positive_whole_number_is_refused(text):
    with pytest.raises(BadQuery, match="limit"):
        asked(limit=text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3,4,5",
        "a,b,c,d",
        "NaN,0,1,1",
        "0,0,inf,1",
        "0,5,1,4",
        "0,-91,1,1",
        "1_0,0,11,1",
        "0,0,9,1,1,2",
    ],
)
def test_a_box_that_is_none_is_refused(text):
    with pytest.raises(BadQuery, match="bbox"):
        asked(bbox=text)


def test_a_box_of_six_numbers_leaves_the_heights_out():
    assert asked(bbox="106,10,-5,107,11,50").box == Box(106, 10, 107, 11)


def test_a_box_in_epsg_4326_comes_latitude_first():
    box = parameters.box("10,106,11,107", WGS84.uri)
    assert (box.west, box.south, box.east, box.north) == (106, 10, 107, 11)


def test_a_box_across_the_antimeridian_is_two():
    west, east = parameters.box("170,-10,-170,10", None).parts
    assert (west.west, west.east, east.west, east.east) == (170, 180, -180, -170)


def test_a_projected_box_cannot_cross_the_antimeridian():
    with pytest.raises(BadQuery, match="western"):
        parameters.box("600000,1190000,500000,1200000", VN2000[9210].uri)


@pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.code)
def test_every_offered_crs_is_named_by_its_uri_its_code_and_its_urn(crs):
    authority, _, code = crs.code.partition(":")
    version = "1.3" if authority == "OGC" else ""
    for name in (crs.uri, crs.code, f"[{crs.code}]", f"urn:ogc:def:crs:{authority}:{version}:{code}"):
        assert crs_of(name) == crs, name


@pytest.mark.parametrize("text", ["", "EPSG:1", "http://www.opengis.net/def/crs/EPSG/0/4327", "x" * 3000])
def test_a_crs_that_is_not_offered_is_refused(text):
    with pytest.raises(BadQuery, match="crs"):
        asked(crs=text)


def test_times_are_instants_days_and_open_intervals():
    noon = datetime(2025, 7, 1, 12, tzinfo=UTC)
    assert parameters.interval("2025-07-01T12:00:00Z") == Interval(noon, noon)
    assert parameters.interval("2025-07-01T19:00:00+07:00/..") == Interval(noon, None)
    assert parameters.interval("/2025-07-01") == Interval(None, date(2025, 7, 1))
    assert parameters.interval("../..") == Interval(None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2025",
        "2025-13-01",
        "2025-02-30",
        "2025-07-02/2025-07-01",
        "a/b/c",
        "0000-01-01",
        "10000-01-01",
        "2025-07-01T25:00:00Z",
        "2025-07-01 12:00:00Z",
    ],
)
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(BadQuery, match="datetime"):
        asked(datetime=text)


def test_property_filters_have_the_type_of_their_column():
    asked_for = {"rings": "12", "alive": "true", "planted": "2020-01-02", "height_m": "1.5", "name": "Sao"}
    query = parameters.items_query(TREES, ANYONE, asked_for)
    assert dict(query.equals) == {
        "rings": 12,
        "alive": True,
        "planted": date(2020, 1, 2),
        "height_m": 1.5,
        "name": "Sao",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [("rings", "1.5"), ("rings", "9" * 19), ("alive", "yes"), ("height_m", "nan"), ("planted", "soon"), ("tree", "x")],
)
def test_a_property_filter_of_the_wrong_type_or_name_is_refused_by_name(name, text):
    with pytest.raises(BadQuery, match=name):
        parameters.items_query(TREES, ANYONE, {name: text})


def test_an_internal_column_cannot_be_asked_about_by_anyone():
    with pytest.raises(BadQuery, match="gardener"):
        parameters.items_query(TREES, ANYONE, {"gardener": "Lan"})
    insider = parameters.items_query(TREES, Caller("gis", insider=True), {"gardener": "Lan"})
    assert insider.equals == (("gardener", "Lan"),)


def test_sorting_by_columns_up_and_down():
    assert asked(sortby="-height_m,name").sort == (Sort("height_m", True), Sort("name"))


@pytest.mark.parametrize("text", ["", "nope", "name,name", "name,-name", "tags", "gardener", "id;drop"])
def test_sorting_by_what_cannot_be_sorted_is_refused(text):
    with pytest.raises(BadQuery, match="sortby"):
        asked(sortby=text)


def test_a_parameter_given_twice_is_refused():
    with pytest.raises(BadQuery, match="more than once"):
        parameters.single([("limit", "1"), ("limit", "2")])


@given(st.text(max_size=60))
def test_any_text_as_a_cursor_is_a_cursor_or_a_bad_query(text):
    try:
        assert Cursor.parse(text, 0).values == ()
    except BadQuery as error:
        assert error.where == "cursor"


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=9), st.integers(-(2**63), 2**63 - 1)), max_size=3),
    st.integers(0, 2**63 - 1),
    st.booleans(),
)
def test_a_cursor_survives_its_link(values, number, backward):
    cursor = Cursor(tuple(values), number, backward)
    assert Cursor.parse(cursor.text(), len(values)) == cursor


@pytest.mark.parametrize("text", ["-1", "+1", "01", "1.0", "", " 1", "9" * 20, str(2**63), "١"])
def test_no_feature_has_an_odd_id(text):
    assert feature_id(text) is None


def test_the_last_id_is_an_id():
    assert feature_id(str(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize(
    "zyx",
    [("-1", "0", "0"), ("0", "1", "0"), ("0", "0", "1"), ("25", "0", "0"), ("1e1", "0", "0"), ("9" * 30, "0", "0")],
)
def test_a_tile_outside_its_matrix_is_none(zyx):
    assert tile_query(TREES, *zyx) is None


def test_the_last_tile_of_a_zoom_is_one():
    assert tile_query(TREES, "3", "7", "7") is not None


@given(st.lists(st.binary(max_size=9), max_size=20), st.integers(1, 60))
def test_a_page_is_cut_by_bytes_but_never_to_nothing(features, most):
    kept = fitting(features, most)
    assert kept == features[: len(kept)]
    assert bool(kept) == bool(features)
    assert sum(map(len, kept)) <= most or len(kept) == 1
    if len(kept) < len(features):
        assert sum(map(len, features[: len(kept) + 1])) > most
