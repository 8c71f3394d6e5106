"""Real input: what the load reports must show for `../shared/data`, and that the city stands in its real wards."""

from __future__ import annotations

import unicodedata
from typing import Any

import psycopg
import pytest

from mapserver.commands.demo import fill
from mapserver.loading import Report
from mapserver.settings import settings

pytestmark = pytest.mark.real

PARTS = """
    SELECT count(*) FILTER (WHERE source_id LIKE 'node/%%'), count(*) FILTER (WHERE source_id NOT LIKE 'node/%%')
    FROM layers.{} WHERE kind = %s"""
SYNTHETIC_SCALE = 0.05


@pytest.fixture(scope="module")
def real(real_data, cluster, template, layers, tmp_path_factory):
    """Address of a database filled as the first `make run` beside the real folder fills it, and the load reports."""
    from conftest import APP, OWNER, alone, create, drop, prepare

    chosen = settings(data=tmp_path_factory.mktemp("real"), real_data=real_data)
    name = f"real_{chosen.data.name.replace('-', '_')}"
    with alone("template"):
        create(cluster, name, template)
    made = prepare(cluster.dsn(OWNER, name), layers, cluster.dsn(APP, name))
    reports = fill(chosen, made.owner_dsn, SYNTHETIC_SCALE)
    yield made.owner_dsn, {report.layer: report for report in reports}
    drop(cluster, name)


def asked(dsn: str, statement: str, *values: object) -> Any:
    with psycopg.connect(dsn) as conn:
        return conn.execute(statement.encode(), values).fetchall()


def test_rows_in_are_rows_loaded_and_rows_quarantined(real):
    dsn, reports = real
    for report in reports.values():
        assert report.rows_in == report.loaded + report.quarantined, report.layer
    kept = dict(asked(dsn, "SELECT layer, count(*) FROM citymap.quarantine WHERE reason <> '' GROUP BY layer"))
    assert kept == {report.layer: report.quarantined for report in reports.values() if report.quarantined}


@pytest.mark.parametrize(
    ("layer", "rows"),
    [("wards", 168), ("roads", 33_000), ("waterways", 588), ("addresses", 21_889), ("schools", 856 + 60)],
)
def test_the_load_report_shows_every_row(real, layer, rows):
    report: Report = real[1][layer]
    assert (report.rows_in, report.loaded + report.quarantined) == (rows, rows)


@pytest.mark.parametrize(
    ("layer", "kind", "points", "areas"),
    [
        ("health_facilities", "hospital", 52, 80),
        ("health_facilities", "clinic", 15, 9),
        ("health_facilities", "doctors", 18, 0),
        ("schools", "school", 396, 460),
        ("schools", "kindergarten", 31, 29),
    ],
)
def test_facilities_are_as_many_as_in_the_file(real, layer, kind, points, areas):
    dsn, reports = real
    assert reports[layer].quarantined == 0
    assert asked(dsn, PARTS.format(layer), kind) == [(points, areas)]


def test_areas_and_lines_with_a_house_number_are_reported_apart(real):
    notes = " ".join(real[1]["addresses"].notes)
    assert "645 multipolygons with addr:housenumber" in notes
    assert "8 lines with addr:housenumber" in notes


def test_wards_are_113_wards_54_communes_and_a_special_zone(real):
    rows = asked(real[0], "SELECT unit_type, count(*) FROM layers.wards GROUP BY unit_type")
    assert dict(rows) == {"ward": 113, "commune": 54, "special_zone": 1}


@pytest.mark.parametrize(
    ("layer", "column"),
    [
        ("wards", "name"),
        ("roads", "name"),
        ("addresses", "full_text"),
        ("schools", "name"),
        ("health_facilities", "name"),
        ("waterways", "name"),
        ("water_areas", "name"),
        ("parks", "name"),
    ],
)
def test_names_are_in_nfc_and_bear_no_eth(real, layer, column):
    names = [name for (name,) in asked(real[0], f"SELECT {column} FROM layers.{layer} WHERE {column} IS NOT NULL")]
    assert len(names) > 20
    assert all(unicodedata.is_normalized("NFC", name) for name in names)
    assert not any("Ð" in name for name in names)


def test_the_filler_street_is_no_street(real):
    assert asked(real[0], "SELECT count(*) FROM layers.addresses WHERE street = 'a'") == [(0,)]
    [(without,)] = asked(real[0], "SELECT count(*) FROM layers.addresses WHERE street IS NULL")
    assert without >= 3_000


def test_outlines_are_valid_and_in_the_city(real):
    for layer in ("wards", "parks", "water_areas"):
        assert asked(real[0], f"SELECT count(*) FROM layers.{layer} WHERE NOT ST_IsValid(geom)") == [(0,)]


def test_the_synthetic_layers_stand_in_the_real_wards(real):
    dsn, reports = real
    synthetic = {name for (name,) in asked(dsn, "SELECT layer FROM citymap.load WHERE synthetic")}
    assert {"petitions", "bus_routes", "elevation"} <= synthetic
    assert not synthetic & {"wards", "roads", "addresses", "schools"}
    assert asked(dsn, "SELECT count(*) FROM layers.petitions WHERE ward_code IS NULL") == [(0,)]
    assert asked(dsn, "SELECT count(*), sum(received)::bigint FROM layers.petitions_by_ward") == [
        (168, reports["petitions"].loaded)
    ]


def test_made_up_stops_in_the_centre_stand_along_real_roads(real):
    near = """
        SELECT avg((EXISTS (SELECT FROM layers.roads AS r WHERE ST_DWithin(r.geom, s.geom, 0.0003)))::int)::float
        FROM layers.bus_stops AS s
        WHERE s.geom && ST_MakeEnvelope(106.66, 10.75, 106.71, 10.80, 4326)"""
    [(share,)] = asked(real[0], near)
    assert share > 0.8
