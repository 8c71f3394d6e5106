"""Every format an agency has is read alike; what is damaged, empty or not what it says gets one clear message."""

from __future__ import annotations

import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from loads import schools

from mapserver.catalogue import Catalogue
from mapserver.errors import BadLoad
from mapserver.reading import Source, opened, osm, rows
from mapserver.reading_osm import tags_of

COUNT = 40
FORMATS = ("gpkg", "geojson", "shp", "tab", "mif", "gdb", "fgb", "parquet", "csv", "xlsx", "zip")
CUT = ("gpkg", "geojson", "shp", "dbf", "shx", "dat", "map", "id", "mif", "fgb", "parquet", "xlsx", "zip")


def written(folder: Path, suffix: str, frame: gpd.GeoDataFrame) -> Path:
    """A file of the format, made by the tools that agencies use."""
    path = folder / f"trường học.{suffix}"
    drivers = {"tab": "MapInfo File", "mif": "MapInfo File", "gdb": "OpenFileGDB", "fgb": "FlatGeobuf"}
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix in ("csv", "xlsx"):
        table = pd.DataFrame(frame.drop(columns="geometry"))
        table["Kinh độ"], table["Vĩ độ"] = frame.geometry.x, frame.geometry.y
        table.to_csv(path, index=False) if suffix == "csv" else table.to_excel(path, index=False)
    elif suffix == "zip":
        written(folder, "shp", frame)
        with zipfile.ZipFile(path, "w") as archive:
            for part in folder.glob("trường học.*"):
                if part.suffix in (".shp", ".shx", ".dbf", ".prj", ".cpg"):
                    archive.write(part, f"hồ sơ/{part.name}")
    else:
        frame.to_file(path, **({"driver": drivers[suffix]} if suffix in drivers else {}))
    return path


def read(path: Path | str, layers: Catalogue, name: str = "schools", **options: Any) -> list[pd.DataFrame]:
    with opened(path, layers[name], **options) as source:
        return list(rows(source))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_format_gives_the_same_rows(tmp_path: Path, layers: Catalogue, suffix: str) -> None:
    made = schools(COUNT)
    frames = read(written(tmp_path, suffix, made), layers)
    frame = frames[0]
    assert len(frames) == 1
    assert {"source_id", "name", "kind", "level", "pupils"} <= set(frame.columns)
    first = 2 if suffix in ("csv", "xlsx") else 1
    assert list(frame.index) == list(range(first, first + COUNT))
    frame = frame.sort_values("pupils", key=lambda column: column.astype("int64"))  # FlatGeobuf keeps its own order
    assert list(frame["name"]) == list(made["name"])
    assert [int(v) for v in frame["pupils"]] == list(made["pupils"])
    assert np.abs(shapely.get_coordinates(frame.geometry) - shapely.get_coordinates(made.geometry)).max() < 1e-6
    assert (frame.crs is None) == (suffix in ("csv", "xlsx"))


@pytest.mark.parametrize("share", [0.03, 0.6, 0.97])
@pytest.mark.parametrize("suffix", CUT)
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, layers: Catalogue, suffix: str, share: float) -> None:
    owner = {"dbf": "shp", "shx": "shp", "dat": "tab", "map": "tab", "id": "tab"}.get(suffix, suffix)
    path = written(tmp_path, owner, schools(2000))
    part = path.with_suffix(f".{suffix}")
    whole = part.read_bytes()
    part.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadLoad, match=re.escape(path.name)) as refused:
        read(path, layers)
    assert "\n" not in str(refused.value)


def test_a_csv_that_was_cut_off_says_so(tmp_path: Path, layers: Catalogue) -> None:
    path = written(tmp_path, "csv", schools(COUNT))
    path.write_text(path.read_text()[:-30])
    frame = read(path, layers)[0]
    assert len(frame) == COUNT
    (fault,) = frame.attrs["origin"].faults
    assert (fault.row, fault.kind) == (COUNT + 1, "wrong width")
    path.write_text(path.read_text()[: path.read_text().rindex("\n") - 4])
    assert any("its last line has no end" in note for note in read(path, layers)[0].attrs["origin"].notes)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("nothing.csv", b"", "is empty"),
        ("blank.csv", b"\n\n  \n", "holds only blanks"),
        ("page.xlsx", b"<!DOCTYPE html><html><body>login</body></html>", "is a web page"),
        ("page.geojson", b"<html>login</html>", "is a web page"),
        ("a.geojson", b"name,x,y\n", "does not begin with {"),
        ("a.gpkg", b"name,x,y\n", "is not a GeoPackage"),
        ("a.shp", b"name,x,y\n", "is not a Shapefile"),
        ("a.zip", b"PK\x03\x04garbage", "damaged or locked ZIP"),
        ("a.pdf", b"%PDF-1.7", "is not a format this reads; expected OSM PBF, GeoPackage"),
        ("a.parquet", b"name,x,y\n", "is not a format this reads"),
        ("a.csv", b"\x00\x01\x02\x03", "is not a format this reads"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0 an old workbook", "is not a readable workbook"),
        ("a.geojson", b'{"type": "FeatureCollection"', "cannot be read"),
        ("a.json", b'{"type": "something"}', "cannot be read"),
    ],
)
def test_what_is_not_what_it_says_gets_one_clear_line(
    tmp_path: Path, layers: Catalogue, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadLoad) as refused:
        read(tmp_path / name, layers)
    assert name in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, layers: Catalogue) -> None:
    with pytest.raises(BadLoad, match=r"gone\.csv: there is no such file"):
        read(tmp_path / "gone.csv", layers)


@pytest.mark.parametrize("missing", [".shx", ".dbf"])
def test_a_shapefile_without_its_other_parts_says_which(tmp_path: Path, layers: Catalogue, missing: str) -> None:
    path = written(tmp_path, "shp", schools(3))
    path.with_suffix(missing).unlink()
    with pytest.raises(BadLoad, match=f"lacks its {missing} file"):
        read(path, layers)


def test_an_archive_with_several_data_sets_asks_for_one(tmp_path: Path, layers: Catalogue) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "name\n")
        archive.writestr("b.csv", "name\n")
    with pytest.raises(BadLoad, match=r"holds several \.csv files: a\.csv, b\.csv"):
        read(path, layers)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_a_csv_is_found(tmp_path: Path, layers: Catalogue, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    lines = [["Mã trường", "Tên trường", "Kinh độ", "Vĩ độ"], ["1", "Trường A", "106.65", "10.75"]]
    path.write_text("\n".join(delimiter.join(line) for line in lines) + "\n", encoding="utf-8-sig")
    frame = read(path, layers)[0]
    assert list(frame["name"]) == ["Trường A"]
    assert frame.geometry.iloc[0] == shapely.Point(106.65, 10.75)


def test_decimal_commas_of_coordinates_are_understood(tmp_path: Path, layers: Catalogue) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Mã trường;Kinh độ;Vĩ độ\n1;106,6512;10,7501\n")
    assert read(path, layers)[0].geometry.iloc[0] == shapely.Point(106.6512, 10.7501)


def test_rows_are_numbered_as_a_spreadsheet_numbers_them(tmp_path: Path, layers: Catalogue) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'Báo cáo trường học,,\nMã trường,Kinh độ,Vĩ độ\nA,106.65,10.75\n\n"B\nb",106.65,10.75\n'
        "too,few\nC,106.65,10.75\nD,1,2,3,4\nE,106.65,10.75\n"
    )
    frame = read(path, layers)[0]
    good = {row: value for row, value in frame["source_id"].items() if row in (3, 5, 7, 9)}
    assert good == {3: "A", 5: "B\nb", 7: "C", 9: "E"}
    assert [(f.row, f.kind) for f in frame.attrs["origin"].faults] == [(6, "wrong width"), (8, "wrong width")]


def test_a_large_csv_comes_in_batches_with_unbroken_numbers(tmp_path: Path, layers: Catalogue) -> None:
    path, count = tmp_path / "a.csv", 120_000
    filler = "x" * 150
    path.write_text(
        "Mã trường,Tên trường,Kinh độ,Vĩ độ\n" + "".join(f"{i},{filler},106.65,10.75\n" for i in range(count))
    )
    with opened(path, layers["schools"]) as source:
        indexes = [frame.index for frame in rows(source)]
    assert len(indexes) > 1
    assert np.array_equal(np.concatenate(indexes), np.arange(2, count + 2))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1258"])
def test_a_csv_in_an_encoding_of_office_programs_is_read(tmp_path: Path, layers: Catalogue, encoding: str) -> None:
    path = tmp_path / "a.csv"
    text = "ma truong,ten truong,lon,lat\n1,Cao đẳng Ä,106.65,10.75\n" if encoding != "cp1258" else None
    path.write_bytes(text.encode(encoding) if text else b"ma truong,ten truong,lon,lat\n1,C\xf4ng,106.65,10.75\n")
    frame = read(path, layers, encoding="cp1258" if encoding == "cp1258" else None)[0]
    assert list(frame["name"]) == ["Cao đẳng Ä" if text else "Công"]


def test_a_stray_byte_in_a_utf8_file_is_a_fault_of_its_row(tmp_path: Path, layers: Catalogue) -> None:
    path = tmp_path / "a.csv"
    good = "".join(f"{i},Trường Bến Thành số {i} - {'x' * 100},106.65,10.75\n" for i in range(12_000))
    path.write_bytes(b"ma truong,ten truong,lon,lat\n" + good.encode() + b"9,Tr\xfeng,106.65,10.75\n")
    frames = read(path, layers)
    (fault,) = [fault for frame in frames for fault in frame.attrs["origin"].faults]
    assert (fault.row, fault.kind) == (12_002, "bad encoding")
    assert "save it as UTF-8" in fault.reason


def test_an_unknown_encoding_is_refused(tmp_path: Path, layers: Catalogue) -> None:
    with pytest.raises(BadLoad, match="--encoding klingon is not known"):
        read(written(tmp_path, "csv", schools(1)), layers, encoding="klingon")


def test_the_sheet_with_the_layers_columns_is_found_below_its_titles(tmp_path: Path, layers: Catalogue) -> None:
    path = tmp_path / "a.xlsx"
    notes = pd.DataFrame({"Ghi chú": ["không có dữ liệu"]})
    table = [["DANH SÁCH TRƯỜNG", None, None, None], [None] * 4, ["Mã trường", "Số học sinh", "Kinh độ", "Vĩ độ"],
             ["T1", 250, 106.65, 10.75], [None] * 4, ["T2", 300.0, 106.66, 10.76]]  # fmt: skip
    with pd.ExcelWriter(path) as book:
        notes.to_excel(book, sheet_name="Ghi chú", index=False)
        pd.DataFrame(table).to_excel(book, sheet_name="Trường", index=False, header=False)
    frame = read(path, layers)[0]
    assert frame.attrs["part"] == "Trường"
    assert list(frame.index) == [4, 6]
    assert list(frame["pupils"]) == ["250", "300"]
    with pytest.raises(BadLoad, match=r"has no sheet 'X'; there are Ghi chú, Trường"):
        read(path, layers, sheet="X")
    with pytest.raises(BadLoad, match="no sheet has a header row with columns of schools"):
        read(path, layers, sheet="Ghi chú")


def test_a_container_of_several_layers_takes_the_one_of_the_name_or_asks(tmp_path: Path, layers: Catalogue) -> None:
    path = tmp_path / "a.gpkg"
    schools(2).to_file(path, layer="Trường học")
    schools(3).to_file(path, layer="other")
    assert len(read(path, layers)[0]) == 2
    assert len(read(path, layers, sheet="other")[0]) == 3
    with pytest.raises(BadLoad, match="holds the layers Trường học, other; name one with --sheet"):
        read(path, layers, "parks")
    with pytest.raises(BadLoad, match="has no layer 'x'; there are Trường học, other"):
        read(path, layers, sheet="x")


def test_shapefile_headers_cut_to_ten_characters_are_known(tmp_path: Path, layers: Catalogue) -> None:
    made = schools(2)
    made["teachers_and_more"], made["so giao vien"] = 1, 7
    frame = read(written(tmp_path, "shp", made), layers)[0]
    assert list(frame["teachers"]) == [7, 7]


def test_wkt_columns_are_geometry(tmp_path: Path, layers: Catalogue) -> None:
    path = tmp_path / "a.csv"
    path.write_text('source_id,class,WKT\n1,park,"POLYGON ((0 0, 1 0, 1 1, 0 0))"\n2,park,POLYGON ((0 0\n3,park,\n')
    frame = read(path, layers, "parks")[0]
    assert [shape and shape.geom_type for shape in frame.geometry] == ["Polygon", None, None]
    assert [(f.row, f.kind) for f in frame.attrs["origin"].faults] == [(3, "bad geometry")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served over HTTP, and its address."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_url_is_downloaded_and_unpacked(site: tuple[Path, str], tmp_path: Path, layers: Catalogue) -> None:
    folder, address = site
    shutil.copy(written(tmp_path, "zip", schools(4)), folder / "schools.zip")
    assert len(read(f"{address}/schools.zip", layers)[0]) == 4
    with pytest.raises(BadLoad, match=r"gone\.zip: the server answered 404"):
        read(f"{address}/gone.zip", layers)


def test_a_server_that_is_not_there_is_said_in_words(layers: Catalogue) -> None:
    with pytest.raises(BadLoad, match="could not be downloaded"):
        read("http://127.0.0.1:9/a.csv", layers)


def test_hstore_text_is_read_with_its_escapes() -> None:
    text = r'"name"=>"A \"B\" \\ C","addr:street"=>"Lê Lợi","note"=>"a=>b, \"c\"=>\"d\""'
    assert tags_of(text) == {"name": 'A "B" \\ C', "addr:street": "Lê Lợi", "note": 'a=>b, "c"=>"d"'}
    assert tags_of(None) == tags_of("") == {}


OSM_XML = """<?xml version="1.0" encoding="UTF-8"?><osm version="0.6">
<node id="1" lat="10.75" lon="106.65"><tag k="amenity" v="school"/><tag k="name" v="Trường A"/></node>
<node id="2" lat="10.75" lon="106.66"><tag k="amenity" v="cafe"/></node>
<node id="11" lat="10.75" lon="106.65"/><node id="12" lat="10.75" lon="106.66"/>
<node id="13" lat="10.76" lon="106.66"/>
<way id="5"><nd ref="11"/><nd ref="12"/><nd ref="13"/><nd ref="11"/>
<tag k="amenity" v="school"/><tag k="name" v="B"/></way>
<way id="6"><nd ref="11"/><nd ref="12"/><tag k="highway" v="residential"/></way></osm>"""


@pytest.fixture
def osm_file(tmp_path: Path) -> Path:
    path = tmp_path / "a.osm"
    path.write_text(OSM_XML)
    return path


def test_osm_features_are_chosen_by_tag_and_areas_of_a_point_layer_become_points(
    osm_file: Path, layers: Catalogue
) -> None:
    source = Source(osm_file, layers["schools"])
    frames = list(
        osm(
            source,
            points={"amenity": ("school", "kindergarten")},
            multipolygons={"amenity": "school"},
            columns={"kind": "amenity", "level": lambda tags: "primary", "address": ("addr:full", "name")},
            apart={"lines": {"highway": True}},
        )
    )
    found = [(f["source_id"].iloc[0], f["name"].iloc[0], f["kind"].iloc[0], f["address"].iloc[0]) for f in frames[:2]]
    assert found == [("node/1", "Trường A", "school", "Trường A"), ("way/5", "B", "school", "B")]
    assert [frame.attrs["part"] for frame in frames] == ["points", "multipolygons", ""]
    assert [frame.geometry.iloc[0].geom_type for frame in frames[:2]] == ["Point", "Point"]
    assert frames[2].attrs["origin"].notes == (
        "1 lines with highway are not of this layer and were left where they are",
    )


COUNTS: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("hospitals as points", {"points": {"amenity": "hospital"}}, 52),
    ("hospitals as polygons", {"multipolygons": {"amenity": "hospital"}}, 80),
    ("clinics", {"points": {"amenity": "clinic"}, "multipolygons": {"amenity": "clinic"}}, 24),
    ("doctors", {"points": {"amenity": "doctors"}, "multipolygons": {"amenity": "doctors"}}, 18),
    ("schools as points", {"points": {"amenity": "school"}}, 396),
    ("schools as polygons", {"multipolygons": {"amenity": "school"}}, 460),
    ("kindergartens as points", {"points": {"amenity": "kindergarten"}}, 31),
    ("kindergartens as polygons", {"multipolygons": {"amenity": "kindergarten"}}, 29),
    ("roads", {"lines": {"highway": True}}, 33_000),
    ("waterways", {"lines": {"waterway": True}}, 588),
    ("addresses", {"points": {"addr:housenumber": True}}, 21_889),
    ("addresses as polygons", {"multipolygons": {"addr:housenumber": True}}, 645),
    ("addresses as lines", {"lines": {"addr:housenumber": True}}, 8),
)


@pytest.mark.real
@pytest.mark.parametrize(("tags", "count"), [pytest.param(tags, count, id=name) for name, tags, count in COUNTS])
def test_the_real_osm_file_holds_what_is_known_of_it(
    real_data: Path, layers: Catalogue, tags: dict[str, Any], count: int
) -> None:
    source = Source(real_data / "hcm_2018.osm.pbf", layers["schools"])
    assert sum(len(frame) for frame in osm(source, **tags)) == count


@pytest.mark.real
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_an_osm_file_that_was_cut_off_is_refused(
    real_data: Path, tmp_path: Path, layers: Catalogue, share: float
) -> None:
    whole = (real_data / "hcm_2018.osm.pbf").read_bytes()
    path = tmp_path / "cut.osm.pbf"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadLoad, match=r"cut\.osm\.pbf: is cut off"):
        list(osm(Source(path, layers["schools"]), points={"amenity": "school"}))
