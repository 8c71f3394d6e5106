"""Everything an agency may send wrong, as real files: each gets a message that names file, row, column and what would
be right, and the layer keeps its old content."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import shapely
from conftest import APP, OWNER, alone, citymap, create, drop
from loads import CENTRE, asked, content, loaded, loaded_file, parks, schools, squares

from mapserver.catalogue import Catalogue
from mapserver.cluster import Cluster
from mapserver.database import Database, prepare
from mapserver.errors import BadLoad
from mapserver.settings import ROOT

pytestmark = pytest.mark.postgis
HEADER = ("Mã trường", "Tên trường", "Loại", "Số học sinh", "Kinh độ", "Vĩ độ")
GOOD = ("S1", "Trường Bến Thành", "Phổ thông", "250", "106.65", "10.75")


@pytest.fixture(scope="module")
def city(cluster: Cluster, template: str, layers: Catalogue) -> Iterator[Database]:
    """One database for this room: four wards, and old content in the layers that are tried."""
    name = f"bad_input_{os.getpid()}"
    with alone("template"):
        create(cluster, name, template)
    made = prepare(cluster.dsn(OWNER, name), layers, cluster.dsn(APP, name))
    loaded(made, layers, "wards", squares())
    loaded(made, layers, "schools", schools(3, 900))
    loaded(made, layers, "parks", parks([shapely.box(*CENTRE, 106.66, 10.76)]))
    yield made
    drop(cluster, name)


def written(path: Path, *rows: tuple[str, ...], header: tuple[str, ...] = HEADER) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def changed(**values: str) -> tuple[str, ...]:
    """The good row with other values, by their header without marks."""
    names = dict(zip(("ma", "ten", "loai", "hs", "lon", "lat"), range(6), strict=True))
    row = list(GOOD)
    for name, value in values.items():
        row[names[name]] = value
    return tuple(row)


def refused(database: Database, layers: Catalogue, name: str, path: Path | str, **options: Any) -> str:
    """What is said when a file is refused; the layer keeps its old content, and no trace is left."""
    before, loads = content(database, name), asked(database, "SELECT count(*) FROM citymap.load")
    with pytest.raises(BadLoad) as caught:
        loaded_file(database, layers, name, path, **options)
    assert content(database, name) == before
    assert asked(database, "SELECT count(*) FROM citymap.load") == loads
    assert "\n" not in str(caught.value)
    return str(caught.value)


ROWS: Mapping[str, tuple[tuple[str, ...], str, str, str]] = {
    "NaN coordinate": (changed(lon="NaN"), "Kinh độ", "bad coordinate", "'NaN' is not a finite number; expected a"),
    "infinite coordinate": (changed(lat="1e999"), "Vĩ độ", "bad coordinate", "'1e999' is not a finite number"),
    "words for a coordinate": (changed(lat="north"), "Vĩ độ", "bad coordinate", "'north' is not a finite number"),
    "no coordinate": (changed(lat=""), "geometry", "no geometry", "has no geometry"),
    "swapped": (changed(lon="10.75", lat="106.65"), "geometry", "latitude and longitude swapped",
                "latitude and longitude are swapped: (10.75, 106.65) is in the city the other way round"),
    "outside": (changed(lon="105.85", lat="21.03"), "geometry", "outside the city",
                "lies outside the city: (105.85, 21.03); expected longitude 106.55 to 106.85, latitude 10.66 to 10.94"),
    "null island": (changed(lon="0", lat="0"), "geometry", "outside the city", "lies outside the city: (0, 0)"),
    "not in the code list": (changed(loai="Nhà trẻ"), "Loại", "not in the code list",
                             "'Nhà trẻ' is not one of kindergarten (Mầm non), school (Phổ thông)"),
    "wrong type": (changed(hs="nhiều"), "Số học sinh", "not of type integer", "'nhiều' is not a whole number such as"),
    "half a pupil": (changed(hs="12.5"), "Số học sinh", "not of type integer", "'12.5' is not a whole"),
    "required": (changed(loai=""), "Loại", "value missing", "is empty; kind (Loại) must have a value"),
    "too long": (changed(ten="ă" * 1500), "Tên trường", "too long", "is 3000 bytes long; at most 2000 are stored"),
    "control characters": (changed(ten="Trường\x07"), "Tên trường", "control characters", "holds NUL or another"),
    "NUL": (changed(ten="Trường\x00A"), "Tên trường", "control characters", "holds NUL"),
    "too many values": ((*GOOD, "more"), "", "wrong width", "has 7 values where the header has 6"),
    "too few values": (GOOD[:4], "", "wrong width", "has 4 values where the header has 6; a comma that is"),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_a_bad_row_is_quarantined_and_a_file_of_bad_rows_refused(
    city: Database, layers: Catalogue, tmp_path: Path, case: str
) -> None:
    row, column, kind, said = ROWS[case]
    alone_ = written(tmp_path / "alone.csv", row)
    words = refused(city, layers, "schools", alone_)
    assert f"{alone_}: none of its 1 rows could be loaded; schools keeps what it had" in words
    assert f"first in row 2{f', column {column}' if column else ''}: {said}" in words
    mixed = written(tmp_path / "mixed.csv", GOOD, changed(ma="S2"), row, changed(ma="S3"))
    report = loaded_file(city, layers, "schools", mixed)
    assert (report.rows_in, report.loaded, report.quarantined) == (4, 3, 1)
    (refusal,) = report.refusals
    assert (refusal.kind, refusal.column, refusal.examples[0].row) == (kind, column, 4)
    kept = asked(city, "SELECT source, source_row, column_name, reason, raw FROM citymap.quarantine WHERE load_id = %s",
                 report.load)  # fmt: skip
    assert kept[0][:3] == (str(mixed), 4, column or None)
    assert kept[0][3].startswith(said) or said in kept[0][3]
    assert kept[0][4]


def test_a_repeated_key_is_quarantined_with_the_row_it_repeats(
    city: Database, layers: Catalogue, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", GOOD, changed(ma="S2"), changed(ten="again"))
    report = loaded_file(city, layers, "schools", path)
    (example,) = report.refusals[0].examples
    assert (example.source, example.row, example.reason) == (str(path), 4, "source_id 'S1' stands in row 2 already")


POINT, LINE = shapely.Point(CENTRE), shapely.LineString([CENTRE, (106.66, 10.76)])
BOW_TIE = shapely.Polygon([CENTRE, (106.66, 10.76), (106.66, 10.75), (106.65, 10.76)])
SHAPES: Mapping[str, tuple[Any, str]] = {
    "a point for a polygon": (POINT, "is a Point; expected a MultiPolygon"),
    "a line for a polygon": (LINE, "is a LineString; expected a MultiPolygon"),
    "a polygon that crosses itself": (BOW_TIE, "crosses itself at longitude and latitude 106.655 10.755"),
    "a polygon in another country": (shapely.box(2.3, 48.8, 2.4, 48.9), "lies outside the city: (2.35, 48.85)"),
    "a polygon turned round": (shapely.box(10.75, 106.65, 10.76, 106.66), "latitude and longitude are swapped"),
    "a polygon with a corner on null island": (
        shapely.Polygon([CENTRE, (106.66, 10.75), (0, 0)]), "lies outside the city"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "shp", "parquet"])
@pytest.mark.parametrize("case", SHAPES)
def test_a_wrong_shape_is_refused_in_every_format(
    city: Database, layers: Catalogue, tmp_path: Path, case: str, suffix: str
) -> None:
    shape, said = SHAPES[case]
    path = tmp_path / f"parks.{suffix}"
    made = parks([shape])
    made.to_parquet(path) if suffix == "parquet" else made.to_file(path)
    words = refused(city, layers, "parks", path)
    assert words.startswith(f"{path}: none of its 1 rows could be loaded")
    assert "first in row 1, column geometry: " in words
    assert said in words


def test_a_crossing_polygon_is_mended_on_request(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "parks.gpkg"
    parks([BOW_TIE]).to_file(path)
    report = loaded_file(city, layers, "parks", path, mend=True, dry_run=True)
    assert (report.loaded, report.mended) == (1, 1)


def test_nan_in_a_geometry_file_is_named(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "schools.parquet"
    made = schools(1)
    made.geometry = [shapely.Point(math.nan, 10.75)]
    made.to_parquet(path)
    assert "row 1, column geometry: has a coordinate that is NaN or infinite" in refused(city, layers, "schools", path)


def test_a_missing_required_column_names_it_and_what_there_is(
    city: Database, layers: Catalogue, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", ("S1", "106.65", "10.75"), header=("Mã trường", "Kinh độ", "Vĩ độ"))
    words = refused(city, layers, "schools", path)
    assert words == (
        f"{path}: a required column is missing: kind (Loại / Kind); the file has Mã trường, Kinh độ, Vĩ độ"
    )


def test_missing_coordinates_are_asked_for(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", GOOD[:3], header=HEADER[:3])
    assert "there are no coordinates: expected longitude and latitude (Kinh độ, Vĩ độ), VN-2000" in refused(
        city, layers, "schools", path
    )


def test_a_file_without_rows_is_refused(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv")
    assert refused(city, layers, "schools", path).endswith("holds no rows; schools keeps what it had")
    schools(0).to_file(tmp_path / "a.gpkg")
    assert "holds no rows" in refused(city, layers, "schools", tmp_path / "a.gpkg")


def test_a_bad_cell_of_a_workbook_names_sheet_row_and_column(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Trường 2025"
    sheet.append(["Danh sách trường học"])
    sheet.append(HEADER)
    sheet.append([*GOOD[:3], 250, 106.65, 10.75])
    sheet.append(["S2", "Trường 2", "Phổ thông", "hai trăm", 106.65, 10.75])
    book.save(tmp_path / "a.xlsx")
    report = loaded_file(city, layers, "schools", tmp_path / "a.xlsx", dry_run=True)
    (example,) = report.refusals[0].examples
    assert (example.part, example.row, report.refusals[0].column) == ("Trường 2025", 4, "Số học sinh")
    assert example.reason == "'hai trăm' is not a whole number such as 12"


# Files that lie


def test_a_prj_that_lies_is_found_out_and_said(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    schools(20).to_crs(9210).set_crs(5899, allow_override=True).to_file(path)
    report = loaded_file(city, layers, "schools", path)
    (said,) = report.references
    assert said.startswith("EPSG:9210 (VN-2000 / TM-3 105.75°): guessed: the file says EPSG:5899")
    assert asked(city, "SELECT DISTINCT ward_code FROM layers.schools") == [("A",)]


def test_a_missing_prj_is_guessed_or_asked_for(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    for code, name in ((5899, "a"), (3405, "b")):
        schools(20).to_crs(code).to_file(tmp_path / f"{name}.shp")
        (tmp_path / f"{name}.prj").unlink()
    (said,) = loaded_file(city, layers, "schools", tmp_path / "a.shp").references
    assert said == "EPSG:5899 (VN-2000 / TM-3 107.75°): guessed: 100% in the city"
    words = refused(city, layers, "schools", tmp_path / "b.shp")
    assert "does not say its CRS, and fits EPSG:3405" in words
    assert "about as well as EPSG:32648" in words
    assert "name the right one with --crs" in words
    (asked_for,) = loaded_file(city, layers, "schools", tmp_path / "b.shp", crs="EPSG:3405").references
    assert asked_for == "EPSG:3405 (VN-2000 / UTM zone 48N): asked for with --crs"


def test_a_crs_that_is_none_is_refused(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    schools(3).to_file(tmp_path / "a.gpkg")
    assert "--crs" in refused(city, layers, "schools", tmp_path / "a.gpkg", crs="EPSG:1")


def test_vn2000_out_of_mapinfo_lands_in_its_ward(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "a.tab"
    schools(20).to_crs(9210).to_file(path, driver="MapInfo File")
    report = loaded_file(city, layers, "schools", path)
    assert report.references == ("EPSG:9210 (VN-2000 / TM-3 105.75°): declared; 100% of the sample in the city",)
    schools(20).to_crs(3405).to_file(tmp_path / "b.tab", driver="MapInfo File")
    assert "--crs EPSG:32648 or --crs EPSG:3405" in refused(city, layers, "schools", tmp_path / "b.tab")


TCVN3 = {"name": ["Tr­êng BÕn Thµnh", "Tr­êng Sµi Gßn", "Tr­êng T©n §Þnh"]}


def test_a_dbf_that_lies_about_its_encoding_is_repaired_and_said(
    city: Database, layers: Catalogue, tmp_path: Path
) -> None:
    path = tmp_path / "a.shp"
    made = schools(3)
    made["name"] = TCVN3["name"]
    made.to_file(path, encoding="ISO-8859-1")
    path.with_suffix(".cpg").write_text("UTF-8")
    report = loaded_file(city, layers, "schools", path)
    names = [name for (name,) in asked(city, "SELECT name FROM layers.schools ORDER BY id")]
    assert names == ["Trường Bến Thành", "Trường Sài Gòn", "Trường Tân Định"]
    assert any("was in TCVN3 (ABC); repaired to Unicode" in note for note in report.notes)


def test_a_csv_in_tcvn3_is_repaired_and_said(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    rows = [f"S{n},{name},Phæ th«ng,106.65,10.75" for n, name in enumerate(TCVN3["name"])]
    path = tmp_path / "a.csv"
    path.write_bytes("\n".join(["M· tr­êng,Tªn tr­êng,Lo¹i,lon,lat", *rows, ""]).encode("latin-1"))
    report = loaded_file(city, layers, "schools", path)
    assert report.loaded == 3
    assert asked(city, "SELECT name, kind FROM layers.schools ORDER BY source_id")[0] == ("Trường Bến Thành", "school")
    assert any("is not UTF-8; read as latin-1" in note for note in report.notes)


# Sizes


MEMORY = """
import resource, sys
sys.path[:0] = [{root!r}]
from pathlib import Path
from mapserver.catalogue import catalogue
from mapserver.loading import Provenance, load
from mapserver.reading import opened, rows

layers = catalogue(Path({root!r}) / "layers")
with opened({path!r}, layers["schools"]) as source:
    report = load({dsn!r}, layers, layers["schools"], rows(source), Provenance("big", "tester"))
print(report.loaded, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_file(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    """Ten times the rows, the same memory: what holds for 2 GB is seen at 60 MB."""
    peaks = []
    for count in (60_000, 600_000):
        path = tmp_path / f"{count}.csv"
        filler = "đường " * 8
        with path.open("w", encoding="utf-8") as file:
            file.write("ma truong,ten truong,loai,lon,lat\n")
            file.writelines(f"S{n},{filler}{n},school,106.65,10.75\n" for n in range(count))
        code = MEMORY.format(root=str(ROOT), path=str(path), dsn=city.owner_dsn)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        loaded_, peak = map(int, done.stdout.split())
        assert loaded_ == count
        peaks.append(peak)
        path.unlink()
    assert peaks[1] - peaks[0] < 150, f"MiB at most: {peaks}"


# The command line


def command(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = citymap("ingest", *arguments, DATABASE_URL=database.admin_dsn, COLUMNS="200")
    assert "Traceback" not in done.stderr + done.stdout
    return done


def test_the_command_says_what_it_did_by_words_and_exit_code(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    good, mixed = (
        written(tmp_path / "good.csv", GOOD),
        written(tmp_path / "mixed.csv", GOOD, changed(ma="S2", loai="x")),
    )
    done = command(city, "schools", str(good))
    assert (done.returncode, "rows in" in done.stdout) == (0, True)
    done = command(city, "schools", str(mixed), "--who", "Lan")
    assert done.returncode == 3
    assert "not in the code list" in done.stdout
    assert "row 3: 'x' is not one of kindergarten" in done.stdout
    load = done.stdout.rsplit("--load ", 1)[1].split()[0]
    assert asked(city, "SELECT who, length(checksum) FROM citymap.load WHERE id = %s", int(load)) == [("Lan", 64)]
    listed = citymap("quarantine", "show", "--load", load, DATABASE_URL=city.admin_dsn, COLUMNS="200").stdout
    assert "row 3, Loại: 'x' is not one of" in listed
    for suffix in ("csv", "geojson"):
        target = tmp_path / f"bad.{suffix}"
        assert citymap("quarantine", "export", str(target), "--load", load, DATABASE_URL=city.admin_dsn).returncode == 0
        text = target.read_text()
        assert "Trường Bến Thành" in text
    assert len(json.loads(text)["features"]) == 1
    with (tmp_path / "bad.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["source_row"] == "3"


def test_the_command_refuses_in_one_line(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    before = content(city, "schools")
    for arguments, said in (
        (("trees", "a.csv"), "there is no such layer; there are addresses"),
        (("schools", "gone.csv"), "gone.csv: there is no such file"),
        (("petitions_by_ward", str(written(tmp_path / "a.csv", GOOD))), "is a view; only a table layer takes rows"),
    ):
        done = command(city, *arguments)
        assert done.returncode == 1
        assert said in done.stderr
    assert command(city, "schools").returncode == 2
    assert command(city, "schools", "a.csv", "--append", "--upsert").returncode == 2
    assert content(city, "schools") == before


def test_several_sources_make_one_load(city: Database, layers: Catalogue, tmp_path: Path) -> None:
    one, two = written(tmp_path / "1.csv", GOOD), written(tmp_path / "2.csv", changed(ma="S2"), GOOD)
    done = command(city, "schools", str(one), str(two))
    assert done.returncode == 3
    assert f"{two}, row 3: source_id 'S1' stands in row 2 already" in done.stdout
    assert asked(city, "SELECT source_id FROM layers.schools ORDER BY id") == [("S1",), ("S2",)]
