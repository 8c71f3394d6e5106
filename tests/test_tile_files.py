"""Tiles seeded before they are asked for, and written into one file: the same as the server sends, read by GDAL."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import subprocess
from pathlib import Path

import httpx
import mapbox_vector_tile
import psycopg
import pyogrio
import pytest
from conftest import amount, citymap
from pmtiles.reader import MmapSource, Reader
from pmtiles.tile import Compression, TileType

from mapserver.archives import APPLICATION_ID
from mapserver.catalogue import Catalogue
from mapserver.commands.tiles import export, seed
from mapserver.encoder import encoder
from mapserver.errors import BadQuery, NotReady
from mapserver.fetching import MOST_TILE_BYTES, Fetching
from mapserver.freshness import Freshness
from mapserver.query import ANYONE, Box, Caller, tile_query
from mapserver.store import Store
from mapserver.tilecache import TileCache
from mapserver.tilefolder import TileFolder
from mapserver.tiling import FOLDER, Tiles, _named
from mapserver.walking import Region, drawn, peopled

pytestmark = pytest.mark.postgis
NAMES = ("wards", "schools")
LAST = 12


@pytest.fixture(scope="module")
def files(toy, tmp_path_factory) -> dict[str, Path]:
    """The same two layers in both formats."""
    folder = tmp_path_factory.mktemp("files")
    made = {kind: folder / f"city.{kind}" for kind in ("mbtiles", "pmtiles")}
    for file in made.values():
        ran = citymap("tiles", "export", *NAMES, str(file), "--zooms", f"6-{LAST}",
                      DATABASE_URL=toy.admin_dsn, CITYMAP_DATA=str(folder))  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert "tiles of wards, schools are in" in ran.stdout
    assert {file.name for file in folder.glob("*.*tiles*")} == {file.name for file in made.values()}
    return made


def tiles_of(file: Path) -> dict[tuple[int, int, int], bytes]:
    """(z, x, y) → what an MBTiles file holds there, unpacked."""
    with sqlite3.connect(file) as conn:
        rows = conn.execute("SELECT zoom_level, tile_column, tile_row, tile_data FROM tiles").fetchall()
    return {(z, x, 2**z - 1 - row): gzip.decompress(data) for z, x, row, data in rows}


def features(tile: bytes) -> dict[tuple[str, int], object]:
    """Every feature by its layer and id: no order is promised."""
    told = mapbox_vector_tile.decode(tile)
    return {(name, one["id"]): (one["geometry"], one["properties"]) for name in told for one in told[name]["features"]}


def ids(toy, name: str) -> set[int]:
    with psycopg.connect(toy.admin_dsn) as conn:
        return {number for (number,) in conn.execute(f"SELECT id FROM layers.{name}".encode())}


def test_a_file_holds_what_the_server_sends(files, server):
    held = tiles_of(files["mbtiles"])
    assert {z for z, _, _ in held} == {*range(6, LAST + 1)}
    for z, x, y in [place for place in sorted(held) if place[0] in (6, 10, LAST)][::7]:
        sent = [httpx.get(f"{server}/collections/{name}/tiles/WebMercatorQuad/{z}/{y}/{x}") for name in NAMES]
        bodies = [answer.content for answer in sent if answer.status_code == 200]
        assert features(held[z, x, y]) == features(b"".join(bodies))


def test_no_tile_with_anything_in_it_is_left_out(toy, files):
    """At the last zoom every feature of both tables is in some tile."""
    seen: dict[str, set[int]] = {name: set() for name in NAMES}
    for (z, _, _), body in tiles_of(files["mbtiles"]).items():
        if z == LAST:
            for name, layer in mapbox_vector_tile.decode(body).items():
                seen[name] |= {feature["id"] for feature in layer["features"]}
    assert seen == {name: ids(toy, name) for name in NAMES}


def test_mbtiles_says_of_itself_what_its_standard_wants(files):
    with sqlite3.connect(files["mbtiles"]) as conn:
        said = dict(conn.execute("SELECT name, value FROM metadata"))
        assert conn.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert (said["format"], said["minzoom"], said["maxzoom"], said["type"]) == ("pbf", "6", str(LAST), "overlay")
    west, south, east, north = map(float, said["bounds"].split(","))
    assert 105 < west < east < 109
    assert 8 < south < north < 12
    layers = {layer["id"]: layer for layer in json.loads(said["json"])["vector_layers"]}
    assert set(layers) == set(NAMES)
    assert layers["schools"]["fields"]["name"] == "String"
    assert layers["schools"]["fields"]["pupils"] == "Number"
    assert (layers["schools"]["minzoom"], layers["schools"]["maxzoom"]) == (10, LAST)


def test_pmtiles_holds_the_same_by_its_own_reader(files):
    held = tiles_of(files["mbtiles"])
    with files["pmtiles"].open("rb") as opened:
        reader = Reader(MmapSource(opened))
        header, said = reader.header(), reader.metadata()
        assert (header["tile_type"], header["tile_compression"]) == (TileType.MVT, Compression.GZIP)
        assert (header["min_zoom"], header["max_zoom"], header["clustered"]) == (6, LAST, True)
        assert header["addressed_tiles_count"] == len(held)
        assert [layer["id"] for layer in said["vector_layers"]] == [*NAMES]
        for place, body in held.items():
            assert gzip.decompress(reader.get(*place)) == body
        assert reader.get(LAST, 0, 0) is None


@pytest.mark.parametrize("kind", ["mbtiles", "pmtiles"])
def test_gdal_reads_every_school_out_of_the_file(toy, files, kind):
    assert {name for name, _ in pyogrio.list_layers(files[kind])} == set(NAMES)
    read = pyogrio.read_dataframe(files[kind], layer="schools", fid_as_index=False)
    with psycopg.connect(toy.admin_dsn) as conn:
        names = {name for (name,) in conn.execute("SELECT name FROM layers.schools WHERE name IS NOT NULL")}
    assert set(read["name"].dropna()) == names


def test_the_distributions_gdal_reads_mbtiles(files):
    ran = subprocess.run(["ogrinfo", "-so", "-al", str(files["mbtiles"])], capture_output=True, text=True, check=False)
    assert "Layer name: wards" in ran.stdout, ran.stderr
    assert "pupils: " in ran.stdout


@pytest.fixture(scope="module")
def seeded(toy, tmp_path_factory) -> Path:
    """A data folder with the wards from zoom 8 to 10 in a box."""
    data = tmp_path_factory.mktemp("seeded")
    ran = citymap("tiles", "seed", "wards", "--zooms", "8-10", "--bbox", "106.6,10.7,106.8,10.9",
                  DATABASE_URL=toy.admin_dsn, CITYMAP_DATA=str(data))  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "tiles of wards are on disk" in ran.stdout
    return data


def test_a_seeded_tile_is_there_for_the_workers(toy, layers: Catalogue, seeded):
    """Without a database to make it of; one beyond the seeded zooms is not."""

    async def given(z: int, x: int, y: int) -> bytes:
        known, nowhere = Store(toy.app_dsn), Store("postgresql://nobody@127.0.0.1:1/nothing")
        folder = TileFolder(seeded / FOLDER, 10**8, _named(toy.app_dsn))
        tiles = Tiles(Fetching(nowhere, encoder()), Freshness(layers, known), TileCache(), folder)
        try:
            return await tiles.content(tile_query(layers["wards"], str(z), str(y), str(x)), ANYONE)
        finally:
            await tiles.close()
            await known.close()

    assert mapbox_vector_tile.decode(asyncio.run(given(10, 815, 481)))["wards"]["features"]
    with pytest.raises(NotReady):
        asyncio.run(given(11, 1630, 962))


def test_only_tiles_that_hold_something_are_walked(toy, layers: Catalogue):
    """Against the table: the tiles of a zoom that a school stands in, or beside within the buffer."""

    async def walked() -> set[tuple[int, int, int]]:
        store = Store(toy.app_dsn)
        try:
            found = await peopled(store, layers["schools"], Region(Box(106.5, 10.6, 106.9, 11.0), range(10, 15)))
        finally:
            await store.close()
        return {(query.z, query.x, query.y) for query in found}

    down = "0.5 - asinh(tan(radians(ST_Y(geom)))) / (2 * pi())"
    inside = f"floor((ST_X(geom) + 180) / 360 * 16384)::int, floor(({down}) * 16384)::int"
    box = "ST_MakeEnvelope(106.5, 10.6, 106.9, 11.0, 4326)"
    with psycopg.connect(toy.admin_dsn) as conn:
        rows = conn.execute(f"SELECT DISTINCT {inside} FROM layers.schools WHERE geom && {box}".encode()).fetchall()
    found = asyncio.run(walked())
    there = {(14, x, y) for x, y in rows}
    assert there
    assert there <= found
    assert len({place for place in found if place[0] == 14}) < 1.5 * len(there) + 10
    assert all((z - 1, x // 2, y // 2) in found for z, x, y in found if z > 10)


WRONG = {
    "no such layer": (("nothing", "x.mbtiles"), "there are no such tiles of nothing"),
    "another format": (("wards", "x.zip"), "ends in neither .pmtiles nor .mbtiles"),
    "no folder": (("wards", "nowhere/x.mbtiles"), "there is no folder"),
    "zooms": (("wards", "x.mbtiles", "--zooms", "9-4"), "is no range of zooms"),
    "box": (("wards", "x.mbtiles", "--bbox", "107,10,106,11"), "needs west before east"),
    "nothing there": (("wards", "x.mbtiles", "--bbox", "10,10,11,11", "--zooms", "8"), "nothing is there"),
}


@pytest.fixture
def operator(toy, tmp_path, monkeypatch) -> Path:
    """The commands run in this process, on the toy city; a folder to write to."""
    monkeypatch.setenv("DATABASE_URL", toy.admin_dsn)
    monkeypatch.setenv("CITYMAP_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_exported_is_said_in_words_and_leaves_no_file(operator, wrong):
    (name, file, *rest), words = WRONG[wrong]
    options = dict(zip((option.removeprefix("--") for option in rest[::2]), rest[1::2], strict=True))
    with pytest.raises(BadQuery, match=words):
        export([name], operator / file, **options)
    assert not [*operator.glob("*x.*")]


def test_a_file_that_is_there_is_left_alone(operator):
    (operator / "x.mbtiles").write_text("mine")
    with pytest.raises(BadQuery, match="is there already"):
        export(["wards"], operator / "x.mbtiles")
    assert (operator / "x.mbtiles").read_text() == "mine"


def test_nothing_is_seeded_where_nothing_is_kept(operator, monkeypatch):
    monkeypatch.setenv("CITYMAP_TILES_MB", "0")
    with pytest.raises(BadQuery, match="no tiles are kept on disk"):
        seed(["wards"])


def test_every_tile_of_every_layer_is_small_at_every_zoom(toy, layers: Catalogue):
    """All layers of the catalogue, as an insider sees them; at whole zooms a sample of what holds something."""
    insider = Caller("test", insider=True)

    async def walked() -> dict[tuple[str, int], int]:
        store, largest = Store(toy.app_dsn), dict[tuple[str, int], int]()
        tiles = Tiles(Fetching(store, encoder()), Freshness(layers, store), None, None)
        for layer in [layer for layer in layers.vector if layer.geometry and layer.access.level != "secret"]:
            there = await peopled(store, layer, Region(), insider)
            for zoom in Region().of(layer):
                some = [query for query in there if query.z == zoom]
                step = max(1, len(some) // amount(3, 10**6))
                async for query, tile in drawn(tiles, some[::step], insider):
                    place = (layer.name, query.z)
                    largest[place] = max(largest.get(place, 0), len(tile.content))
        await store.close()
        return largest

    largest = asyncio.run(walked())
    assert len({name for name, _ in largest}) > 15
    assert max(largest.values()) <= MOST_TILE_BYTES, max(largest, key=lambda place: largest[place])
