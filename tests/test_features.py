"""A feature sent for writing is checked as strictly as a row at ingest."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import shapely
from test_parameters import TREES

from mapserver.errors import BadFeature, BadQuery
from mapserver.features import feature, parsed
from mapserver.query import ANYONE, Caller

HERE = {"type": "Point", "coordinates": [106.7, 10.8]}


def sent(properties=None, geometry=HERE, **more):
    return feature(TREES, {"type": "Feature", "geometry": geometry, "properties": properties or {}, **more}, ANYONE)


def pointers(error) -> set[str]:
    return {pointer for pointer, _ in error.value.faults}


def test_a_good_feature_keeps_its_place_and_values():
    made = sent(
        {"name": "Sao đen", "rings": 4, "planted": "2020-01-02", "seen": "2020-01-02T07:00:00+07:00", "tags": ["a"]}
    )
    values = {column.name: value for column, value in made.values}
    assert shapely.from_wkb(made.geometry) == shapely.Point(106.7, 10.8)
    assert shapely.get_srid(shapely.from_wkb(made.geometry)) == 4326
    assert values["planted"] == date(2020, 1, 2)
    assert values["seen"] == datetime(2020, 1, 2, tzinfo=UTC)
    assert values["tags"] == ("a",)


def test_text_is_kept_in_nfc_with_the_right_d():
    values = {c.name: v for c, v in sent({"name": "Ðường Đồng Khở" + "\u0069"}).values}
    assert values["name"] == "Đường Đồng Khởi"


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        {"type": "Point", "coordinates": []},
        {"type": "Point", "coordinates": ["106.7", "10.8"]},
        {"type": "Point", "coordinates": [True, 1]},
        {"type": "Point", "coordinates": [200, 100]},
        {"type": "Point", "coordinates": [10.8, 106.7]},
        {"type": "LineString", "coordinates": [[106, 10], [107, 11]]},
        {"type": "Point"},
        {"type": "Point", "coordinates": [106.7]},
        {"type": "Nonsense", "coordinates": [1, 2]},
        "POINT(1 2)",
    ],
)
def test_a_geometry_that_cannot_be_stored_is_told_with_its_pointer(geometry):
    with pytest.raises(BadFeature) as error:
        sent(geometry=geometry)
    assert any(pointer.startswith("/geometry") for pointer in pointers(error))


def test_swapped_coordinates_are_told_as_such():
    with pytest.raises(BadFeature) as error:
        sent(geometry={"type": "Point", "coordinates": [10.8, 106.7]})
    assert "swapped" in error.value.faults[0][1]


def test_every_fault_is_told_at_once():
    with pytest.raises(BadFeature) as error:
        sent({"rings": 1.5, "alive": "yes", "planted": "soon", "colour": "red", "height_m": "3"}, geometry=None, crs={})
    assert pointers(error) == {
        "/properties/rings",
        "/properties/alive",
        "/properties/planted",
        "/properties/colour",
        "/properties/height_m",
        "/geometry",
        "/crs",
    }


def test_an_internal_column_cannot_be_written_by_whom_it_is_hidden_from():
    with pytest.raises(BadFeature) as error:
        sent({"gardener": "Lan"})
    assert pointers(error) == {"/properties/gardener"}
    raw = {"type": "Feature", "geometry": HERE, "properties": {"gardener": "Lan"}}
    assert ("gardener", "Lan") in {(c.name, v) for c, v in feature(TREES, raw, Caller("gis", insider=True)).values}


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b"\xff\xfe", b'{"a":NaN}'])
def test_a_body_that_is_no_json_is_a_bad_query(body):
    with pytest.raises(BadQuery, match="JSON"):
        parsed(body)


@pytest.mark.parametrize(
    "raw", [[], 1, None, {"type": "FeatureCollection"}, {"type": "Feature", "geometry": HERE, "properties": []}]
)
def test_json_that_is_no_feature_is_refused(raw):
    with pytest.raises((BadFeature, BadQuery)):
        feature(TREES, raw, ANYONE)
