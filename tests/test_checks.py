"""The checks, row by row against an oracle that knows no Arrow; and which CRS a file is really in."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from loads import CENTRE, EDGE, SOUTH, WEST, named, parks, schools, squares

from mapserver.catalogue import Catalogue
from mapserver.checks import Checked, Checker, raw_json
from mapserver.errors import BadLoad
from mapserver.georeference import Sample, decided, reference
from mapserver.layer import Column, Text
from mapserver.values import converted
from mapserver.wards import Wards, wards

TITLE = Text("tên", "name")


@pytest.fixture(scope="module")
def city() -> Wards:
    made = squares()
    return wards(made["code"].tolist(), np.asarray(made.geometry.array))


def checked(layers: Catalogue, city: Wards, name: str, frame: pd.DataFrame, **options: Any) -> Checked:
    (one,) = named([frame], "a.csv")
    return Checker(layers[name], city, **options).check(one)


@pytest.mark.parametrize(
    ("kind", "given_", "stored"),
    [
        ("integer", ["1", " 2 ", "3.0", "-4", None, ""], [1, 2, 3, -4, None, None]),
        ("integer", ["1.5", "x", "1e3", "9223372036854775808", "1 000"], "bad"),
        ("integer", ["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
        ("integer", [1.0, 2.0, None], [1, 2, None]),
        ("integer", [1.5, math.inf, 1e30], "bad"),
        ("number", ["1", "2.5", "-3e2", "1,5", "1.234,5", "0,125"], [1.0, 2.5, -300.0, 1.5, 1234.5, 0.125]),
        ("number", ["nan", "inf", "-Infinity", "1e999", "1,234", "12,3,4", "abc", "0x1F"], "bad"),
        ("boolean", ["true", "Có", "1", "YES", "không", "0", "No", None], [True] * 4 + [False] * 3 + [None]),
        ("boolean", ["maybe", "2"], "bad"),
        ("date", ["2025-07-01", "01/07/2025", "1/7/2025", "2025-07-01T23:30:00+00:00"],
         [date(2025, 7, 1)] * 3 + [date(2025, 7, 2)]),
        ("date", ["30/02/2025", "07/2025", "45000", "tomorrow"], "bad"),
        ("datetime", ["2025-07-01T08:30:00+07:00", "01/07/2025 08:30", "2025-07-01 08:30"],
         [datetime(2025, 7, 1, 1, 30, tzinfo=UTC)] * 3),
        ("datetime", ["2025-02-30 08:30", "0001-01-01T00:00:00", "8h30"], "bad"),
        ("text", ["  a  ", "", "Ðà"], ["a", None, "Đà"]),
        ("text", [1.0, 2.5], ["1", "2.5"]),
        ("text[]", ["a; b ;;c", "", None], [["a", "b", "c"], None, None]),
        ("uri", ["https://a.vn/x", "mailto:a@b.vn"], ["https://a.vn/x", "mailto:a@b.vn"]),
        ("uri", ["www.a.vn", "a b", "https://a b"], "bad"),
        ("code", ["air", "AIR", "Không khí", "khong khi", "Air quality"], ["air"] * 5),
        ("code", ["water", "khí"], "bad"),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_type_or_marked(kind: str, given_: list[Any], stored: list[Any] | str) -> None:
    codes = {"air": Text("Không khí", "Air quality")} if kind == "code" else None
    read = converted(pa.array(given_), Column("c", kind, TITLE, codes=codes))
    if stored == "bad":
        assert list(read.bad) == [True] * len(given_)
        assert read.array.null_count == len(given_)
    else:
        assert not read.bad.any()
        assert read.array.to_pylist() == stored


# The oracle: one row at a time, in plain Python

CODES = {"kindergarten", "school"}


def good(row: dict[str, Any]) -> bool:
    """Whether a row of `schools` may be stored, told independently of the checks."""
    name, key = row["name"], row["source_id"]
    if (
        not (key or "").strip()
        or any(ord(c) < 32 for c in (key or "") + (name or ""))
        or len((name or "").encode()) > 2000
    ):
        return False
    if row["kind"] not in CODES or not _whole(row["pupils"]):
        return False
    x, y = row["place"] or (math.nan, math.nan)
    margin = 5 / 111.32
    return (
        WEST - margin <= x <= WEST + 2 * EDGE + margin and SOUTH - margin <= y <= SOUTH + 2 * EDGE + margin
    )  # NaN compares false


def _whole(text: str | None) -> bool:
    if text is None or not text.strip():
        return True
    try:
        return float(text).is_integer() and abs(int(float(text))) < 2**63
    except (ValueError, OverflowError):
        return False


def ward(place: tuple[float, float]) -> str | None:
    """The square that holds a place; on a border the first."""
    for code, x, y in (("A", 0, 0), ("B", 1, 0), ("C", 0, 1), ("D", 1, 1)):
        box = shapely.box(WEST + x * EDGE, SOUTH + y * EDGE, WEST + (x + 1) * EDGE, SOUTH + (y + 1) * EDGE)
        if box.intersects(shapely.Point(place)):
            return code
    return None


ODD = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 10.75, 106.65, 1e300, WEST + EDGE, SOUTH + EDGE])
PLACES = st.one_of(
    st.none(),
    st.tuples(st.floats(WEST, WEST + 2 * EDGE), st.floats(SOUTH, SOUTH + 2 * EDGE)),
    st.tuples(ODD, ODD),
)
ROWS = st.fixed_dictionaries(
    {
        "source_id": st.one_of(st.none(), st.text("abc \x00", max_size=3)),
        "name": st.one_of(st.none(), st.text("Đường\x01 ", max_size=6), st.just("x" * 2001)),
        "kind": st.sampled_from(["school", "kindergarten", "kindergarten", "prison", "", None]),
        "pupils": st.sampled_from([None, "", "12", "12.0", "12.5", "many", "99999999999999999999"]),
        "place": PLACES,
    }
)


def frame_of(rows: list[dict[str, Any]]) -> gpd.GeoDataFrame:
    places = [None if r["place"] is None else shapely.Point(r["place"]) for r in rows]
    columns = {key: pd.Series([r[key] for r in rows], dtype=object) for key in ("source_id", "name", "kind", "pupils")}
    made = gpd.GeoDataFrame(columns, geometry=places, crs=4326)
    made.index = pd.Index(range(2, len(rows) + 2))
    return made


@given(st.lists(ROWS, min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_every_row_is_stored_or_quarantined_as_an_oracle_says(
    layers: Catalogue, city: Wards, rows: list[dict[str, Any]]
) -> None:
    done = checked(layers, city, "schools", frame_of(rows))
    expected = [number for number, row in enumerate(rows, 2) if good(row)]
    assert list(done.numbers) == expected
    assert [q.row for q in done.quarantined] == [n for n in range(2, len(rows) + 2) if n not in expected]
    assert done.rows_in == len(rows) == done.rows.num_rows + len(done.quarantined)
    assert done.rows["ward_code"].to_pylist() == [ward(rows[n - 2]["place"]) for n in expected]
    assert all(q.reason and json.loads(q.raw) is not None for q in done.quarantined)


def test_a_row_names_all_its_faults(layers: Catalogue, city: Wards) -> None:
    made = schools(1)
    made["kind"], made["pupils"] = "prison", "many"
    (row,) = checked(layers, city, "schools", made).quarantined
    assert [fault.column for fault in row.faults] == ["kind", "pupils"]
    assert row.reason == (
        "'prison' is not one of kindergarten (Mầm non), school (Phổ thông); "
        "also pupils: 'many' is not a whole number such as 12"
    )


BOW_TIE = shapely.Polygon([(0, 0), (0.01, 0.01), (0.01, 0), (0, 0.01)])
LONE = shapely.box(0, 0, 0.01, 0.01)


def here(shape: Any) -> Any:
    """A shape moved into ward A."""
    return shapely.transform(shape, lambda xy: xy + CENTRE)


@pytest.mark.parametrize(
    ("shape", "kind", "said"),
    [
        (here(BOW_TIE), "invalid geometry", "crosses itself at longitude and latitude 106.655"),
        (shapely.Point(CENTRE), "wrong geometry type", "is a Point; expected a MultiPolygon"),
        (here(shapely.LineString([(0, 0), (1, 1)])), "wrong geometry type", "is a LineString"),
        (None, "no geometry", "has no geometry"),
        (shapely.Polygon(), "empty geometry", "has an empty geometry"),
        (shapely.box(0, 0, 1, 1), "outside the city", "lies outside the city: (0.5, 0.5)"),
        (shapely.box(10.70, 106.60, 10.71, 106.61), "latitude and longitude swapped", "in the city the other way"),
        (shapely.Polygon([(106.6, 10.7), (math.nan, 10.7), (106.7, 10.8)]), "NaN or infinite", "NaN or infinite"),
        (shapely.Polygon([(106.6, 10.7), (math.inf, 10.7), (106.7, 10.8)]), "NaN or infinite", "NaN or infinite"),
    ],
)
def test_a_wrong_geometry_is_named(layers: Catalogue, city: Wards, shape: Any, kind: str, said: str) -> None:
    done = checked(layers, city, "parks", parks([here(LONE), shape]))
    (row,) = done.quarantined
    assert (row.row, row.faults[0].kind) == (1, kind)
    assert said in row.reason
    assert done.rows.num_rows == 1


def test_a_mended_polygon_is_valid_and_counted(layers: Catalogue, city: Wards) -> None:
    done = checked(layers, city, "parks", parks([here(BOW_TIE)]), mend=True)
    (stored,) = shapely.from_wkb(done.rows["geom"].to_pylist())
    assert (done.mended, done.quarantined) == (1, ())
    assert stored.is_valid
    assert stored.geom_type == "MultiPolygon"
    assert stored.area == pytest.approx(0.01**2 / 2)


def test_singles_become_multis_and_heights_are_left_out(layers: Catalogue, city: Wards) -> None:
    done = checked(layers, city, "parks", parks([shapely.force_3d(here(LONE), 5)]))
    (stored,) = shapely.from_wkb(done.rows["geom"].to_pylist())
    assert stored == shapely.MultiPolygon([here(LONE)])
    assert shapely.get_srid(stored) == 4326
    assert not stored.has_z


def test_a_multi_of_one_part_is_a_single_and_of_two_is_not(layers: Catalogue, city: Wards) -> None:
    one = here(shapely.LineString([(0, 0), (0.01, 0.01)]))
    two = here(shapely.MultiLineString([[(0, 0), (0.01, 0.01)], [(0, 0.01), (0.01, 0)]]))
    made = gpd.GeoDataFrame(
        {"source_id": ["1", "2"], "class": ["residential"] * 2, "rank": [4, 4]},
        geometry=[shapely.MultiLineString([one]), two],
        crs=4326,
    )
    done = checked(layers, city, "roads", made)
    assert list(shapely.from_wkb(done.rows["geom"].to_pylist())) == [one]
    assert done.quarantined[0].reason.startswith("is a MultiLineString of 2 parts; expected a LineString")


def test_a_row_in_no_ward_is_stored_without_one_and_counted(layers: Catalogue, city: Wards) -> None:
    made = schools(2)
    made.loc[1, "geometry"] = shapely.Point(WEST - 0.01, SOUTH)
    done = checked(layers, city, "schools", made)
    assert done.rows["ward_code"].to_pylist() == ["A", None]
    assert done.in_no_ward == 1


def test_a_missing_column_is_named_with_what_the_file_has(layers: Catalogue, city: Wards) -> None:
    with pytest.raises(BadLoad, match=r"a\.csv: a required column is missing: kind \(Loại / Kind\); the file has "):
        checked(layers, city, "schools", schools(1).drop(columns="kind"))
    with pytest.raises(BadLoad, match=r"a\.csv: there are no coordinates: expected longitude and latitude"):
        checked(layers, city, "schools", pd.DataFrame(schools(1).drop(columns="geometry")))


def test_a_legacy_column_is_repaired_and_said(layers: Catalogue, city: Wards) -> None:
    made = schools(3)
    made["name"] = ["Tr­êng BÕn Thµnh", "Tr­êng Sµi Gßn", "plain"]
    done = checked(layers, city, "schools", made)
    assert done.rows["name"].to_pylist() == ["Trường Bến Thành", "Trường Sài Gòn", "plain"]
    assert done.notes == ("a.csv: column name was in TCVN3 (ABC); repaired to Unicode",)


@given(st.dictionaries(st.text(max_size=5), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3), max_leaves=5), max_size=4))  # fmt: skip
def test_any_raw_values_become_json_that_postgresql_takes(row: dict[str, Any]) -> None:
    text = raw_json(row)
    assert "\x00" not in json.dumps(json.loads(text), ensure_ascii=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


# CRS


def places(count: int = 400) -> Any:
    rng = np.random.default_rng(7)
    return rng.uniform([WEST, SOUTH], [WEST + 2 * EDGE, SOUTH + 2 * EDGE], (count, 2))


def grid(code: str) -> Any:
    """Places of the city in a CRS, by the same pinned operation."""
    proj = reference(code).proj
    lonlat = places()
    if proj is None:
        return lonlat
    return np.column_stack(pyproj.Transformer.from_crs("OGC:CRS84", proj, always_xy=True).transform(*lonlat.T))


def judged(city: Wards, xy: Any, declared: str | None = None, **more: Any) -> Any:
    options = {"asked": False, "axes": "known", "form": "", **more}
    return decided(Sample("a.csv", xy, options.pop("named", None)), declared, city, **options)


@pytest.mark.parametrize("code", ["EPSG:4326", "EPSG:9210", "EPSG:5899", "EPSG:3857"])
@pytest.mark.parametrize("turned", [False, True])
def test_an_unnamed_crs_is_found_whichever_way_x_and_y_stand(city: Wards, code: str, turned: bool) -> None:
    xy = grid(code)[:, ::-1] if turned else grid(code)
    made = judged(city, xy, axes="grid")
    assert (made.reference.code, made.reference.north_first) == (code, turned)
    assert made.how == "guessed: 100% in the city"
    assert np.abs(made.reference.lonlat(xy) - places()).max() < 1e-8


def test_a_crs_that_two_candidates_fit_is_asked_for(city: Wards) -> None:
    with pytest.raises(
        BadLoad, match=r"fits EPSG:3405 .* about as well as EPSG:32648 .*; name the right one with --crs"
    ):
        judged(city, grid("EPSG:3405"))
    assert judged(city, grid("EPSG:3405"), axes="vn2000").reference.code == "EPSG:3405"
    assert judged(city, grid("EPSG:3405"), "EPSG:32648", asked=True).reference.code == "EPSG:32648"


@pytest.mark.parametrize("code", ["EPSG:3405", "EPSG:32648"])
def test_wards_that_are_named_tell_grids_apart(code: str) -> None:
    """Two grids 225 m apart, in wards of 300 m."""
    size = 0.0027
    cells = [(WEST + i * size, SOUTH + j * size) for i in range(40) for j in range(40)]
    small = wards(
        [f"{n:04}" for n in range(len(cells))], shapely.box(*np.array([(x, y, x + size, y + size) for x, y in cells]).T)
    )
    lonlat = np.random.default_rng(3).uniform([WEST, SOUTH], [WEST + 0.1, SOUTH + 0.1], (500, 2))
    xy = np.column_stack(
        pyproj.Transformer.from_crs("OGC:CRS84", reference(code).proj, always_xy=True).transform(*lonlat.T)
    )
    named = small.holding(shapely.points(lonlat))
    assert judged(small, xy, named=named).reference.code == code
    assert judged(small, xy, "EPSG:32648", form="mapinfo", named=named).reference.code == code


@pytest.mark.parametrize(
    ("said", "real"), [("EPSG:4326", "EPSG:9210"), ("EPSG:9210", "EPSG:5899"), ("EPSG:9210", "EPSG:4326")]
)
def test_a_lying_prj_is_found_out(city: Wards, said: str, real: str) -> None:
    made = judged(city, grid(real), said)
    assert made.reference.code == real
    assert made.how.startswith(f"guessed: the file says {said}")


def test_a_true_prj_is_believed(city: Wards) -> None:
    assert judged(city, grid("EPSG:9210"), "EPSG:9210").how == "declared; 100% of the sample in the city"


def test_a_lie_that_two_candidates_would_explain_is_asked_about(city: Wards) -> None:
    with pytest.raises(BadLoad, match=r"says EPSG:4326 .*, where only 0% are in the city, and fits EPSG:3405"):
        judged(city, grid("EPSG:3405"), "EPSG:4326")


def test_mapinfo_on_utm_is_asked_about(city: Wards) -> None:
    with pytest.raises(BadLoad, match="--crs EPSG:32648 or --crs EPSG:3405"):
        judged(city, grid("EPSG:3405"), "EPSG:32648", form="mapinfo")


def test_coordinates_that_fit_nothing_are_shown(city: Wards) -> None:
    with pytest.raises(BadLoad, match=r"coordinates \(such as 5000\.00 7000\.00\) put only 0% in the city"):
        judged(city, np.full((5, 2), [5000.0, 7000.0]))


OTHER_SHIFTS = (
    "+proj=tmerc +lat_0=0 +lon_0=105.75 +k=0.9999 +x_0=500000 +y_0=0 +ellps=WGS84 "
    "+towgs84=-192.873,-39.382,-111.202,-0.00205,-0.0005,0.00335,0.0188 +units=m +no_defs",
    'PROJCS["VN_2000_TM3",GEOGCS["GCS_VN_2000",DATUM["D_Vietnam_2000",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",105.75],'
    'PARAMETER["Scale_Factor",0.9999],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]',
    "EPSG:9210",
)


@pytest.mark.parametrize("declared", OTHER_SHIFTS, ids=["towgs84 of the web", "prj", "EPSG"])
def test_vn2000_always_takes_the_pinned_operation(declared: str) -> None:
    """Bến Thành: 106.6983 E, 10.7721 N (domain facts of the city)."""
    lon, lat = reference(declared).lonlat(np.array([[603514.537, 1191410.466]]))[0]
    assert abs(lon - 106.6983) * 109_300 < 0.001
    assert abs(lat - 10.7721) * 110_600 < 0.001


@pytest.mark.real
def test_the_control_points_come_out_within_a_millimetre(real_data: Path) -> None:
    points = json.loads((real_data / "vn2000_control.json").read_text())["points"]
    for point in points:
        for code in (9210, 5899):
            xy = np.array([point[f"epsg{code}_pinned_6960"]])
            lon, lat = reference(f"EPSG:{code}").lonlat(xy)[0]
            east = (lon - point["lon"]) * 111_320 * math.cos(math.radians(point["lat"]))
            assert math.hypot(east, (lat - point["lat"]) * 110_600) < 0.001


def mapinfo(folder: Path, suffix: str, code: int) -> Path:
    path = folder / f"a.{suffix}"
    schools(20).to_crs(code).to_file(path, driver="MapInfo File")
    return path


@pytest.mark.parametrize("suffix", ["tab", "mif"])
@pytest.mark.parametrize("code", [9210, 5899])
def test_vn2000_in_mapinfo_files_is_known_though_gdal_writes_wgs84(
    tmp_path: Path, city: Wards, suffix: str, code: int
) -> None:
    declared = gpd.read_file(mapinfo(tmp_path, suffix, code)).crs
    assert "WGS" in declared.to_wkt()
    assert reference(declared).code == f"EPSG:{code}"
