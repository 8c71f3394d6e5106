"""A load is one transaction: readers see the old picture until the commit; whatever ends it leaves the layer alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import pytest
import rasterio
import rasterio.transform
import shapely
from conftest import until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loads import CENTRE, PROVENANCE, SOUTH, WEST, asked, content, loaded, loaded_file, named, parks, schools, squares

from mapserver import tables
from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.database import check as differences
from mapserver.errors import BadLoad
from mapserver.georeference import reference
from mapserver.layer import Layer
from mapserver.loading import Provenance
from mapserver.loading_raster import load_raster
from mapserver.reading import Source
from mapserver.scripts import deed, frames
from mapserver.settings import ROOT
from mapserver.upkeep import caught_up, due

pytestmark = pytest.mark.postgis


@pytest.fixture
def city(database: Callable[..., Database], layers: Catalogue) -> Database:
    """A fresh database with four wards and five schools."""
    made = database()
    loaded(made, layers, "wards", squares())
    loaded(made, layers, "schools", schools(5))
    return made


def ids(database: Database) -> dict[str, int]:
    return dict(asked(database, "SELECT source_id, id FROM layers.schools"))


def test_a_load_replaces_and_is_written_down(city: Database, layers: Catalogue) -> None:
    report = loaded(
        city, layers, "schools", schools(3, 100), provenance=Provenance("a.csv", "Lan", "abc", synthetic=True)
    )
    assert (report.rows_in, report.loaded, report.quarantined, report.in_no_ward) == (3, 3, 0, 0)
    assert sorted(ids(city)) == ["S100", "S101", "S102"]
    query = (
        "SELECT layer, mode, source, checksum, who, rows_in, rows_loaded, rows_quarantined, crs, crs_decided_by,"
        " synthetic, finished_at IS NOT NULL FROM citymap.load WHERE id = %s"
    )
    (row,) = asked(city, query, report.load)
    assert row == ("schools", "replace", "a.csv", "abc", "Lan", 3, 3, 0, "EPSG:4326 (WGS 84)",
                   "declared; 100% of the sample in the city", True, True)  # fmt: skip


def test_the_new_table_keeps_every_promise_of_the_old(city: Database, layers: Catalogue) -> None:
    loaded(city, layers, "schools", schools(2))
    loaded(city, layers, "schools", schools(3))
    with psycopg.connect(city.owner_dsn) as conn:
        assert list(differences(conn, layers)) == []
        left = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'staging'::regnamespace AND relname NOT LIKE '% before%'"
        ).fetchall()
        names = {n for (n,) in conn.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'schools'")}
    assert left == []
    assert names == {"schools_pkey", "schools_searched_idx", *tables.index_names(layers["schools"])}
    with psycopg.connect(city.app_dsn) as conn:
        conn.execute("SET ROLE citymap_reader")
        assert conn.execute("SELECT count(*) FROM layers.schools").fetchone() == (3,)


def test_types_go_in_and_come_out(city: Database, layers: Catalogue) -> None:
    made = gpd.GeoDataFrame(
        {"code": ["T1"], "name": ["Trạm"], "kind": ["Không khí"], "measured_at": ["01/07/2025 08:30"], "aqi": ["55"],
         "pm25_ug_m3": ["12,5"]},
        geometry=[shapely.Point(CENTRE)], crs=4326,
    )  # fmt: skip
    loaded(city, layers, "environment", made)
    columns = "code, kind, measured_at AT TIME ZONE 'UTC', aqi, pm25_ug_m3, ward_code, ST_AsText(geom), ST_SRID(geom)"
    (row,) = asked(city, f"SELECT {columns} FROM layers.environment")
    assert row == ("T1", "air", pd.Timestamp("2025-07-01 01:30"), 55, 12.5, "A", "POINT(106.65 10.75)", 4326)


def test_ids_stay_with_their_key_and_new_ones_go_beyond(city: Database, layers: Catalogue) -> None:
    before = ids(city)
    loaded(city, layers, "schools", schools(6, 4))
    after = ids(city)
    assert {key: after[key] for key in ("S4", "S5")} == {key: before[key] for key in ("S4", "S5")}
    assert min(after[key] for key in ("S6", "S7", "S8", "S9")) > max(before.values())


def test_a_load_without_old_rows_numbers_from_one(city: Database, layers: Catalogue) -> None:
    loaded(city, layers, "parks", parks([shapely.box(*CENTRE, 106.66, 10.76)] * 3))
    assert asked(city, "SELECT id FROM layers.parks ORDER BY id") == [(1,), (2,), (3,)]


def test_append_adds_and_refuses_known_keys(city: Database, layers: Catalogue) -> None:
    before = ids(city)
    report = loaded(city, layers, "schools", schools(3, 5), mode="append")
    assert (report.rows_in, report.loaded, report.quarantined) == (3, 2, 1)
    assert report.refusals[0].examples[0].reason == "source_id 'S5' is in schools already; use --upsert to change it"
    after = ids(city)
    assert before.items() <= after.items()
    assert {after["S6"], after["S7"]} == {6, 7}


def test_upsert_changes_what_the_source_has_and_adds_the_rest(city: Database, layers: Catalogue) -> None:
    before = ids(city)
    changed = schools(3, 4).drop(columns="level")
    changed["pupils"] = 999
    report = loaded(city, layers, "schools", changed, mode="upsert")
    assert (report.loaded, report.quarantined) == (3, 0)
    rows = dict(asked(city, "SELECT source_id, pupils FROM layers.schools"))
    assert rows == {"S1": 101, "S2": 102, "S3": 103, "S4": 999, "S5": 999, "S6": 999}
    assert before.items() <= ids(city).items()
    assert asked(city, "SELECT level FROM layers.schools WHERE source_id = 'S4'") == [("primary",)]


def test_the_first_of_two_rows_with_one_key_stays(city: Database, layers: Catalogue) -> None:
    made = pd.concat([schools(4), schools(2, 3)], ignore_index=True)
    made.index += 2
    report = loaded(city, layers, "schools", named([made], "a.csv"))
    assert (report.rows_in, report.loaded, report.quarantined) == (6, 4, 2)
    (refusal,) = report.refusals
    assert [(q.row, q.reason) for q in refusal.examples] == [
        (6, "source_id 'S3' stands in row 4 already"),
        (7, "source_id 'S4' stands in row 5 already"),
    ]
    raw = asked(city, "SELECT raw->>'name', raw->>'geometry', source FROM citymap.quarantine WHERE source_row = 6")
    assert raw == [("Trường Tiểu học số 3", "POINT(106.6503 10.7503)", "a.csv")]


def test_a_key_that_comes_thrice_stays_once(city: Database, layers: Catalogue) -> None:
    made = pd.concat([schools(1)] * 3, ignore_index=True)
    report = loaded(city, layers, "schools", [made, schools(1)])
    assert (report.rows_in, report.loaded, report.quarantined) == (4, 1, 3)


def test_readers_see_the_old_picture_until_the_commit(city: Database, layers: Catalogue) -> None:
    seen: list[int] = []
    with psycopg.connect(city.app_dsn, autocommit=True) as reader:
        reader.execute("SET ROLE citymap_reader")

        def look(_rows: int) -> None:
            (row,) = reader.execute("SELECT count(*) FROM layers.schools").fetchall()
            seen.append(row[0])

        loaded(city, layers, "schools", [schools(10, n) for n in (100, 200, 300)], progress=look)
        look(0)
    assert seen == [5, 5, 5, 30]


def test_two_loads_of_one_layer_do_not_mix(city: Database, layers: Catalogue) -> None:
    refused: list[str] = []

    def meanwhile(_rows: int) -> None:
        with pytest.raises(BadLoad) as caught:
            loaded(city, layers, "schools", schools(1))
        refused.append(str(caught.value))
        loaded(city, layers, "parks", parks([shapely.box(*CENTRE, 106.66, 10.76)]))

    loaded(city, layers, "schools", schools(2), progress=meanwhile)
    assert refused == ["schools: is being loaded by somebody else right now; try again when that is done"]
    assert len(ids(city)) == 2


def broken() -> Iterator[pd.DataFrame]:
    yield schools(2, 50)
    raise BadLoad("b.csv", "broke")


def test_a_load_that_breaks_leaves_the_layer_and_no_trace(city: Database, layers: Catalogue) -> None:
    before, loads = content(city, "schools"), asked(city, "SELECT count(*) FROM citymap.load")
    with pytest.raises(BadLoad, match=r"b\.csv: broke"):
        loaded(city, layers, "schools", broken())
    assert content(city, "schools") == before
    assert asked(city, "SELECT count(*) FROM citymap.load") == loads


def test_a_dry_run_reports_and_changes_nothing(city: Database, layers: Catalogue) -> None:
    before = content(city, "schools")
    made = schools(3, 50)
    made.loc[0, "kind"] = "prison"
    report = loaded(city, layers, "schools", made, dry_run=True)
    assert (report.rows_in, report.loaded, report.quarantined, report.load, report.dry_run) == (3, 2, 1, None, True)
    assert content(city, "schools") == before
    assert asked(city, "SELECT count(*) FROM citymap.quarantine") == [(0,)]


KILLED = """
import itertools, sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from loads import schools
from mapserver.catalogue import catalogue
from mapserver.loading import Provenance, load

layers = catalogue(Path({root!r}) / "layers")
frames = (schools(500, 1 + 500 * n) for n in itertools.count())
load({dsn!r}, layers, layers["schools"], frames, Provenance("endless", "tester"),
     progress=lambda rows: print(rows, flush=True))
"""


def test_a_load_that_is_killed_leaves_the_layer_as_it_was(city: Database, layers: Catalogue) -> None:
    before = content(city, "schools")
    code = KILLED.format(tests=str(ROOT / "tests"), root=str(ROOT), dsn=city.owner_dsn)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [int(process.stdout.readline()) for _ in range(3)] == [500, 1000, 1500]
        process.send_signal(signal.SIGKILL)
    until(lambda: not _locked(city), "PostgreSQL notices that the load is gone")
    assert content(city, "schools") == before
    assert asked(city, "SELECT count(*) FROM pg_class WHERE relnamespace = 'staging'::regnamespace") == [(0,)]
    assert loaded(city, layers, "schools", schools(2)).loaded == 2


def _locked(database: Database) -> bool:
    return bool(asked(database, "SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database"
                                " WHERE locktype = 'advisory' AND datname = current_database()"))  # fmt: skip


def test_views_that_read_the_layer_go_on_after_a_replace(city: Database, layers: Catalogue) -> None:
    for _ in range(2):
        loaded(city, layers, "wards", squares())
    with psycopg.connect(city.app_dsn) as conn:
        conn.execute("SET ROLE citymap_insider")
        assert conn.execute("SELECT count(*) FROM layers.petitions_by_ward").fetchone() == (4,)
    with psycopg.connect(city.owner_dsn) as conn:
        assert list(differences(conn, layers)) == []


def test_a_view_that_is_no_layer_is_not_dropped_in_silence(city: Database, layers: Catalogue) -> None:
    with psycopg.connect(city.owner_dsn) as conn:
        conn.execute("CREATE VIEW citymap.mine AS SELECT * FROM layers.schools")
    before = content(city, "schools")
    with pytest.raises(BadLoad, match=r"the views citymap\.mine read its table and are no layers; drop them first"):
        loaded(city, layers, "schools", schools(2))
    assert content(city, "schools") == before


def test_rows_written_through_the_api_are_not_replaced(city: Database, layers: Catalogue) -> None:
    made = schools(2)[["name", "geometry"]].rename(columns={"name": "title"})
    columns = {c.name: c for c in layers["field_notes"].columns}
    frame = gpd.GeoDataFrame(
        {name: _any(columns[name].type, columns[name].codes) for name in columns if columns[name].required},
        geometry=list(made.geometry), crs=4326, index=range(2),
    )  # fmt: skip
    loaded(city, layers, "field_notes", frame)
    loaded(city, layers, "field_notes", frame)
    with psycopg.connect(city.owner_dsn) as conn:
        conn.execute(
            "INSERT INTO citymap.history (layer, feature_id, action, who) VALUES ('field_notes', 1, 'insert', 'x')"
        )
    with pytest.raises(BadLoad, match="has rows that were written through the API; use --append or --upsert"):
        loaded(city, layers, "field_notes", frame)
    loaded(city, layers, "field_notes", frame, mode="append")
    following = asked(
        city, "SELECT nextval(pg_get_serial_sequence('layers.field_notes', 'id')), max(id) FROM layers.field_notes"
    )
    assert following == [(5, 4)]


def _any(kind: str, codes: Any) -> list[Any]:
    value = {"code": next(iter(codes or ["x"])), "date": "2025-07-01", "datetime": "2025-07-01", "boolean": "true"}
    return [value.get(kind, "1")] * 2


def test_a_border_belongs_to_the_ward_of_the_lowest_code(city: Database, layers: Catalogue) -> None:
    made = schools(3)
    made.geometry = shapely.points([[WEST + 0.1, SOUTH + 0.05], [WEST + 0.1, SOUTH + 0.1], [WEST + 0.15, SOUTH + 0.1]])
    loaded(city, layers, "schools", made)
    assert asked(city, "SELECT ward_code FROM layers.schools ORDER BY id") == [("A",), ("A",), ("B",)]
    theirs = asked(city, "SELECT (SELECT min(w.code) FROM layers.wards w WHERE ST_Intersects(w.geom, s.geom))"
                         " FROM layers.schools s ORDER BY id")  # fmt: skip
    assert theirs == [("A",), ("A",), ("B",)]


def test_features_follow_when_the_wards_change(city: Database, layers: Catalogue) -> None:
    turned = squares()
    turned["code"] = list("DCBA")
    assert loaded(city, layers, "wards", turned).notes == ()
    assert "the wards of schools" in due(city.owner_dsn, layers)
    assert "5 features of schools are in another ward now" in caught_up(city.owner_dsn, layers)
    assert asked(city, "SELECT DISTINCT ward_code FROM layers.schools") == [("D",)]
    loaded(city, layers, "wards", turned)
    assert "0 features of schools are in another ward now" in caught_up(city.owner_dsn, layers)


def test_without_wards_a_layer_is_loaded_and_says_so(database: Callable[..., Database], layers: Catalogue) -> None:
    made = database()
    report = loaded(made, layers, "schools", schools(2))
    assert "no wards are loaded" in report.notes[0]
    assert asked(made, "SELECT DISTINCT ward_code FROM layers.schools") == [(None,)]


def test_a_layer_of_records_takes_no_load(city: Database, layers: Catalogue) -> None:
    with pytest.raises(BadLoad, match="shows the records of a system; use `citymap petitions import`"):
        loaded(city, layers, "petitions", schools(1))


def test_a_view_takes_no_rows(city: Database, layers: Catalogue) -> None:
    with pytest.raises(BadLoad, match="petitions_by_ward: is a view; only a table layer takes rows"):
        loaded(city, layers, "petitions_by_ward", schools(1))


def test_an_xlsx_in_vn2000_lands_where_it_belongs(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    """Surveyors write the northing as X."""
    made = schools(20)
    proj = reference("EPSG:9210").proj
    there = made.to_crs(proj)
    table = pd.DataFrame({"Mã trường": made["source_id"], "Loại": "Phổ thông"})
    table["Tọa độ X (VN2000)"], table["Tọa độ Y (VN2000)"] = there.geometry.y.round(4), there.geometry.x.round(4)
    table.to_excel(tmp_path / "a.xlsx", index=False)
    report = loaded_file(city, layers, "schools", tmp_path / "a.xlsx")
    assert report.references == ("EPSG:9210 (VN-2000 / TM-3 105.75°, northing first): guessed: 100% in the city",)
    rows = np.array(asked(city, "SELECT ST_X(geom), ST_Y(geom) FROM layers.schools ORDER BY id"))
    assert np.abs(rows - shapely.get_coordinates(made.geometry)).max() < 1e-8


DIRTY = st.lists(
    st.tuples(
        st.sampled_from(["S1", "S2", "S3", "S4", "new", "", None]),
        st.sampled_from(["school", "kindergarten", "prison", None]),
        st.sampled_from([CENTRE, (0.0, 0.0), (10.75, 106.65), None]),
    ),
    min_size=1,
    max_size=8,
)


@given(frames=st.lists(DIRTY, min_size=1, max_size=3), mode=st.sampled_from(["replace", "append", "upsert"]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_in_are_rows_loaded_and_rows_quarantined(
    city: Database, layers: Catalogue, frames: list[list[tuple[Any, ...]]], mode: Any
) -> None:
    """Whatever comes: an oracle in plain Python tells which keys the layer has in the end."""
    loaded(city, layers, "schools", schools(2))
    rows = [row for frame in frames for row in frame]
    fit = [key for key, kind, place in rows if key and kind in ("school", "kindergarten") and place == CENTRE]
    made = [
        gpd.GeoDataFrame(
            {"source_id": [r[0] for r in f], "kind": [r[1] for r in f]},
            geometry=[r[2] and shapely.Point(r[2]) for r in f],
            crs=4326,
        )
        for f in frames
    ]
    if mode == "replace" and not fit:
        with pytest.raises(BadLoad, match=f"none of its {len(rows)} rows could be loaded"):
            loaded(city, layers, "schools", made)
        return
    report = loaded(city, layers, "schools", made, mode=mode)
    old = {"S1", "S2"}
    taken = set(fit) - old if mode == "append" else set(fit)
    assert report.rows_in == len(rows) == report.loaded + report.quarantined
    assert report.loaded == len(taken)
    assert set(ids(city)) == (taken if mode == "replace" else taken | old)
    (kept,) = asked(city, "SELECT count(*) FROM citymap.quarantine WHERE load_id = %s", report.load)[0]
    assert kept == report.quarantined == sum(refusal.count for refusal in report.refusals)


def test_the_quarantine_keeps_the_raw_row(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "Mã trường,Loại,Kinh độ,Vĩ độ,Ghi chú\nS1,Phổ thông,106.65,10.75,\nS2,Phổ thông,NaN,10.75,đường đất\n"
    )
    loaded_file(city, layers, "schools", path)
    (row,) = asked(city, "SELECT source, source_row, column_name, reason, raw FROM citymap.quarantine")
    assert row[:3] == (str(path), 3, "Kinh độ")
    assert row[3].startswith("'NaN' is not a finite number; expected a coordinate such as 106.7009")
    assert row[4] == {
        "Mã trường": "S2",
        "Loại": "Phổ thông",
        "Kinh độ": "NaN",
        "Vĩ độ": "10.75",
        "Ghi chú": "đường đất",
    }


def scripted(folder: Path, layers: Catalogue, text: str) -> Layer:
    """The layer `schools` of a city whose script is the given text."""
    (folder / "ingest").mkdir()
    (folder / "layers").mkdir()
    (folder / "ingest" / "schools.py").write_text(text)
    return replace(layers["schools"], folder=folder / "layers")


BROKEN = '''"""A script with a fault."""
from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True, slots=True)
class Wanted:
    column: str

def read(source):
    yield {}[Wanted("gone").column]
'''


def test_a_fault_in_a_script_is_told_with_its_line(tmp_path: Path, layers: Catalogue) -> None:
    layer = scripted(tmp_path, layers, BROKEN)
    with pytest.raises(BadLoad, match=r"ingest/schools\.py, line 10: KeyError: 'gone'"):
        list(frames(layer, Source(tmp_path, layer)))
    with pytest.raises(BadLoad, match=r"ingest/schools\.py: has no function demo"):
        deed(layer, "demo")


def test_a_script_that_cannot_be_imported_is_said(tmp_path: Path, layers: Catalogue) -> None:
    with pytest.raises(BadLoad, match=r"schools\.py: cannot be imported: SyntaxError"):
        deed(scripted(tmp_path, layers, "def read(:"), "read")
    with pytest.raises(BadLoad, match="has no ingest script; expected"):
        deed(replace(layers["schools"], name="gone"), "read")


def test_a_raster_takes_its_place_only_when_it_is_right(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    layer, target = layers["elevation"], tmp_path / "rasters" / "elevation.tif"
    bands = len(layer.columns)

    def write(path: Path, count: int = bands, driver: str = "COG") -> None:
        profile = {"width": 64, "height": 64, "count": count, "dtype": "float32", "crs": "EPSG:4326",
                   "transform": rasterio.transform.from_bounds(106, 10, 107, 11, 64, 64)}  # fmt: skip
        with rasterio.open(path, "w", driver=driver, **profile) as data:
            data.write(np.zeros((count, 64, 64), "float32"))

    report = load_raster(city.owner_dsn, layer, write, target, PROVENANCE)
    before = target.read_bytes()
    assert asked(city, "SELECT layer, rows_loaded FROM citymap.load WHERE id = %s", report.load) == [
        ("elevation", 4096)
    ]
    for wrong, said in (
        (lambda path: write(path, bands + 1), f"has {bands + 1} bands; elevation has {bands}"),
        (lambda path: path.write_text("no raster"), "is not a readable raster"),
        (lambda path: None, "wrote no file"),
    ):
        with pytest.raises(BadLoad, match=said):
            load_raster(city.owner_dsn, layer, wrong, target, PROVENANCE)
    assert target.read_bytes() == before
    assert [file.name for file in target.parent.iterdir()] == ["elevation.tif"]


@pytest.mark.real
def test_the_real_wards_are_168(database: Callable[..., Database], layers: Catalogue, real_data: Path) -> None:
    made = database()
    report = loaded_file(made, layers, "wards", real_data / "hcmc_wards_2025.gpkg")
    assert (report.rows_in, report.loaded, report.quarantined) == (168, 168, 0)
    kinds = dict(asked(made, "SELECT unit_type, count(*) FROM layers.wards GROUP BY 1"))
    assert kinds == {"ward": 113, "commune": 54, "special_zone": 1}


def test_notes_of_a_load_are_json(city: Database, layers: Catalogue) -> None:
    made = schools(3)
    made.loc[0, "kind"] = "prison"
    report = loaded(city, layers, "schools", made)
    (notes,) = asked(city, "SELECT notes FROM citymap.load WHERE id = %s", report.load)[0]
    assert notes["quarantined"] == {"not in the code list: kind": 1}
    assert json.dumps(notes)
    assert PROVENANCE.source == report.source
