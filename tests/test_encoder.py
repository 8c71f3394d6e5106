"""The encoder gives what SQL gives: the same bytes for features, the same features in tiles; and nothing breaks it."""

from __future__ import annotations

import asyncio
import math
import random
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import TypeVar

import httpx
import mapbox_vector_tile
import psycopg
import pytest
import shapely
import shapely.geometry
from conftest import amount, public
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapserver import rowstatements, statements
from mapserver.catalogue import catalogue
from mapserver.crs import OFFERED
from mapserver.encoder import Encoder, Thinned, encoder
from mapserver.fetching import MOST_TILE_BYTES, Fetching, fitting
from mapserver.fetching import tile as sized
from mapserver.layer import TYPES, Layer, Tiles
from mapserver.query import ANYONE, Cursor, ItemQuery, ItemsQuery, Sort, TileQuery
from mapserver.rowstatements import Shape
from mapserver.settings import ROOT
from mapserver.statements import Statement
from mapserver.store import Store

pytestmark = pytest.mark.postgis
LAYERS = public(catalogue(ROOT / "layers")).vector
DRAWN = [layer for layer in LAYERS if layer.geometry]
QUIET = settings(
    max_examples=amount(40, 1500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Answer = TypeVar("Answer")


def name_of(layer: Layer) -> str:
    return layer.name


@pytest.fixture(scope="module")
def built() -> Encoder:
    found = encoder()
    if found is None:
        pytest.skip("no encoder was built: `sh setup/encoder.sh` says why")
    return found


@pytest.fixture(scope="module")
def asked(toy) -> Iterator[Callable[[Callable[[Store], Awaitable[object]]], object]]:
    """Runs a question against the store of a worker that lives as long as the module."""
    with asyncio.Runner() as runner:

        async def made() -> Store:
            return Store(toy.app_dsn)

        store = runner.run(made())

        async def answered(question):
            return await question(store)

        yield lambda question: runner.run(answered(question))
        runner.run(store.close())


def both(asked, built: Encoder, question: Callable[[Fetching], Awaitable[Answer]]) -> tuple[Answer, Answer]:
    """A question answered by the encoder, and answered in SQL."""
    return (
        asked(lambda store: question(Fetching(store, built))),
        asked(lambda store: question(Fetching(store, None))),
    )


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
@pytest.mark.parametrize("crs", OFFERED, ids=lambda crs: crs.code)
def test_a_page_is_the_same_bytes_either_way(asked, built, layer, crs):
    query = ItemsQuery(layer, limit=300, crs=crs)
    ours, theirs = both(asked, built, lambda fetching: fetching.page(query, ANYONE))
    assert ours == theirs


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
def test_sorted_and_backward_pages_are_the_same_bytes_either_way(asked, built, layer):
    sort = (Sort(layer.columns[-1].name, descending=True),) if layer.columns[-1].type != "text[]" else ()
    first, _ = both(asked, built, lambda f: f.page(ItemsQuery(layer, limit=20, sort=sort), ANYONE))
    back = Cursor((None,) * len(sort), 50, backward=True)
    for query in (ItemsQuery(layer, limit=20, sort=sort), ItemsQuery(layer, limit=7, sort=sort, cursor=back)):
        ours, theirs = both(asked, built, lambda f, query=query: f.page(query, ANYONE))
        assert ours == theirs
    assert first.kept <= 20


@pytest.mark.parametrize("layer", LAYERS, ids=name_of)
def test_one_feature_is_the_same_bytes_either_way(asked, built, layer):
    for number in (1, 2, 10**12):
        query = ItemQuery(layer, number)
        ours, theirs = both(asked, built, lambda f, query=query: f.one(query, ANYONE))
        assert ours == theirs


@pytest.mark.parametrize("most", [0, 1, 3000, 10_000, 10**9])
@pytest.mark.parametrize("backward", [False, True])
def test_a_page_ends_at_the_same_byte_either_way(asked, built, most, backward):
    layer = next(layer for layer in LAYERS if layer.name == "wards")
    query = ItemsQuery(layer, limit=30)
    question = rowstatements.items(query, ANYONE)
    rows = asked(lambda store: store.fetch(ANYONE, question.statement))
    content, kept = built.features(rows, question.shape, 30, most, decimals=7, swap=False, backward=backward)
    texts = asked(lambda store: store.fetch(ANYONE, statements.items(query, ANYONE))).column(0, 30)
    expected = fitting(texts, most)
    assert kept == len(expected)
    assert content == b",".join(reversed(expected) if backward else expected)


NUMBERS = st.one_of(
    st.floats(-180, 180),
    st.floats(-1e9, 1e9),
    st.integers(-18 * 10**9, 18 * 10**9).map(lambda n: n / 10**8),  # ties at the seventh decimal
    st.sampled_from([0.0, -0.0, 1e-9, 5e-8, -4e-8, 0.30000000000000004, 106.69999995, 1e14, 1e15, 123456789012.5]),
)


@QUIET
@given(numbers=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=40), decimals=st.sampled_from([4, 7]))
def test_a_number_is_rounded_as_postgis_does(asked, built, numbers, decimals):
    line = shapely.to_wkb(shapely.set_srid(shapely.LineString([*numbers, (1, 1)]), 4326), hex=True, include_srid=True)
    sql = "SELECT 1::bigint, g, ST_AsGeoJSON(g, $2::integer, 0) FROM (SELECT $1::geometry AS g) AS t"
    statement = Statement(sql, (line.encode(), str(decimals).encode()))
    rows = asked(lambda store: store.fetch(ANYONE, statement))
    made = built.features(rows, Shape(b"IG", b"\0\0"), 1, 1 << 30, decimals=decimals, swap=False, backward=False)
    if made is not None:
        assert made[0] == b'{"type":"Feature","id":1,"geometry":%b,"properties":{}}' % rows.value(0, 2)


def test_numbers_of_the_city_are_never_refused(asked, built):
    for x, y in ((106.123456789, 10.7), (106.5, -10.00000005), (600000.12345, 1190000.5)):
        statement = Statement(f"SELECT 1::bigint, ST_SetSRID(ST_MakePoint({x}, {y}), 4326)")
        rows = asked(lambda store, statement=statement: store.fetch(ANYONE, statement))
        assert built.features(rows, Shape(b"IG", b"\0\0"), 1, 99999, decimals=7, swap=False, backward=False)


TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=60)


@QUIET
@given(
    text=TEXTS,
    micro=st.integers(-62_000_000_000_000_000, 250_000_000_000_000_000),
    number=st.integers(-(2**63), 2**63 - 1),
)
def test_texts_and_times_are_written_as_postgresql_does(asked, built, text, micro, number):
    values = "SELECT $1::text AS t, to_timestamp(0) + $2::bigint * interval '1 microsecond' AS z, $3::bigint AS n"
    json = ", ".join(
        TYPES[kind].json_sql.format(name) for name, kind in (("t", "text"), ("z", "datetime"), ("d", "date"))
    )
    day = "SELECT *, (z AT TIME ZONE 'UTC')::date AS d"
    sql = f"SELECT n, t, z, d, n > 0 AS b, {json} FROM ({day} FROM ({values}) AS v) AS w"
    statement = Statement(sql, (text.encode(), str(micro).encode(), str(number).encode()))
    rows = asked(lambda store: store.fetch(ANYONE, statement))
    shape = Shape(b"Itzdb", b'\0"t":\0"z":\0"d":\0"b":\0')
    made = built.features(rows, shape, 1, 1 << 30, decimals=7, swap=False, backward=False)
    told, moment, day = (rows.value(0, column) for column in (5, 6, 7))
    positive = b"true" if number > 0 else b"false"
    expected = b'{"t":%b,"z":%b,"d":%b,"b":%b}' % (told, moment, day, positive)
    assert made is not None
    assert made[0] == b'{"type":"Feature","id":%d,"geometry":null,"properties":%b}' % (number, expected)


@pytest.mark.parametrize("layer", DRAWN, ids=name_of)
def test_a_tile_holds_the_same_features_either_way(asked, built, layer):
    layer = replace(layer, tiles=replace(layer.tiles, whole_from=0))  # nothing is thinned
    for zoom in (9, 12, 15):
        side = 2**zoom
        sine = math.sin(math.radians(10.776))
        x, y = int((106.7 + 180) / 360 * side), int((0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)) * side)
        query = TileQuery(layer, zoom, x, y)
        ours, theirs = (decoded(tile, layer) for tile in both(asked, built, lambda f, q=query: f.tile(q, ANYONE)))
        missing = set(theirs) ^ set(ours)
        assert len(missing) <= len(theirs) // 50, "only what is smaller than a dot, or touches the very edge"
        for number in set(theirs) & set(ours):
            assert ours[number]["properties"] == theirs[number]["properties"]
            alike(ours[number]["geometry"], theirs[number]["geometry"])


def decoded(tile: bytes, layer: Layer) -> dict[int, dict]:
    told = mapbox_vector_tile.decode(tile) if tile else {}
    return {feature["id"]: feature for feature in told.get(layer.name, {}).get("features", [])}


def alike(ours: dict, theirs: dict) -> None:
    """The same shape but for what rounding to the grid of the tile may do: one unit along its outline."""
    a, b = (shapely.make_valid(shapely.geometry.shape(geometry)) for geometry in (ours, theirs))
    if theirs["type"].endswith("Point"):
        assert shapely.hausdorff_distance(a, b) <= math.sqrt(2)
    elif theirs["type"].endswith("LineString"):
        assert shapely.hausdorff_distance(a, b) <= 4
    else:
        assert shapely.symmetric_difference(a, b).area <= 2 * (a.length + b.length) + 4


def test_a_tile_of_the_encoder_is_right_by_the_specification(asked, built):
    """Outer rings turn one way, holes the other; no ring is without area; the buffer is kept."""
    layer = next(layer for layer in LAYERS if layer.name == "wards")
    tile = asked(lambda store: Fetching(store, built).tile(TileQuery(layer, 11, 1630, 962), ANYONE))
    told = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})["wards"]
    assert told["extent"] == 4096
    assert told["version"] == 2
    assert told["features"]
    for feature in told["features"]:
        shape = shapely.geometry.shape(feature["geometry"])
        assert min(shape.bounds) >= -64
        assert max(shape.bounds) <= 4096 + 64
        for polygon in getattr(shape, "geoms", [shape]):
            assert shapely.LinearRing(polygon.exterior).length > 0
            assert polygon.area > 0


@cache
def ewkbs() -> tuple[bytes, ...]:
    """One of each kind of geometry, as PostGIS sends it."""
    texts = ("POINT (106.7 10.8)", "LINESTRING (106.7 10.7, 106.8 10.8, 106.9 10.7)", "MULTIPOINT (106 10, 107 11)",
             "POLYGON ((106 10, 107 10, 107 11, 106 10), (106.5 10.1, 106.6 10.1, 106.6 10.2, 106.5 10.1))",
             "MULTILINESTRING ((106 10, 107 11), (106 11, 107 10))",
             "MULTIPOLYGON (((106 10, 107 10, 107 11, 106 10)))",
             "GEOMETRYCOLLECTION (POINT (106 10), LINESTRING (106 10, 107 11))", "POINT Z (106 10 5)",
             "POLYGON EMPTY", "POINT EMPTY")  # fmt: skip
    return tuple(shapely.to_wkb(shapely.set_srid(shapely.from_wkt(text), 4326), include_srid=True) for text in texts)


def spoilt(seed: int) -> bytes:
    """A geometry with bytes changed, cut off, or put in."""
    rng = random.Random(seed)
    raw = bytearray(rng.choice(ewkbs()))
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(raw))
        match rng.randrange(4):
            case 0:
                raw[at] = rng.randrange(256)
            case 1:
                del raw[at:]
            case 2:
                raw[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 7, 2**31, 2**32 - 1]))
            case 3:
                raw[at:at] = rng.randbytes(rng.randint(1, 9))
        if not raw:
            break
    return bytes(raw)


@QUIET
@given(seeds=st.lists(st.integers(0, 2**32), min_size=1, max_size=20))
def test_bytes_that_are_no_geometry_are_refused_and_break_nothing(asked, built, seeds):
    rows = ", ".join(f"({number}::bigint, '\\x{spoilt(seed).hex()}'::bytea)" for number, seed in enumerate(seeds))
    found = asked(lambda store: store.fetch(ANYONE, Statement(f"VALUES {rows}")))
    made = built.features(found, Shape(b"IG", b"\0\0"), 20, 1 << 20, decimals=7, swap=True, backward=True)
    assert made is None or made[1] == len(seeds)
    tile = built.tile(found, Shape(b"IG", b"\0\0"), "odd", (10, 815, 481), buffer=64, mercator=False)
    assert tile is None or tile == b"" or mapbox_vector_tile.decode(tile)["odd"]["features"]


@pytest.mark.parametrize("kinds", [b"IiG", b"IzG", b"IdG", b"IbG", b"tG", b"ItttttG", b"IfG"])
def test_columns_of_another_kind_than_told_are_refused(asked, built, kinds):
    keys = b"k\0" * (len(kinds) + 1)
    found = asked(lambda store: store.fetch(ANYONE, Statement("SELECT 1::bigint, 'abc'::text, NULL::geometry")))
    assert built.features(found, Shape(kinds, keys), 1, 99, decimals=7, swap=False, backward=False) is None


def test_without_the_library_everything_is_answered_in_sql(tmp_path):
    assert encoder(tmp_path / "none.so") is None
    (tmp_path / "broken.so").write_bytes(b"no library")
    assert encoder(tmp_path / "broken.so") is None


def test_the_longest_features_leave_no_memory_behind(asked, built):
    """A thousand pages leave the process as large as a hundred do."""
    layer = next(layer for layer in LAYERS if layer.name == "wards")
    question = rowstatements.items(ItemsQuery(layer, limit=20), ANYONE)
    tiled = rowstatements.tile(TileQuery(layer, 10, 815, 481), ANYONE)
    rows = asked(lambda store: store.fetch(ANYONE, question.statement))
    cells = asked(lambda store: store.fetch(ANYONE, tiled.statement))

    def often(times: int) -> int:
        for _ in range(times):
            assert built.features(rows, question.shape, 20, 1 << 30, decimals=7, swap=False, backward=True)
            built.tile(cells, tiled.shape, "wards", (10, 815, 481), buffer=64, mercator=False)
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    before = often(amount(50, 200))
    assert often(amount(100, 2000)) - before < 8 * 2**20


def test_a_right_does_not_pass_to_the_next_question(toy):
    """A connection is used by one caller after another: what one may see, the next one may not."""
    insider = ANYONE.__class__("officer", insider=True)

    async def roles() -> list[bytes | None]:
        store = Store(toy.app_dsn, size=1)
        role = Statement("SELECT current_user::text || ':' || current_setting('citymap.caller')")
        told = [(await store.fetch(caller, role)).value() for caller in (insider, ANYONE, ANYONE, insider, ANYONE)]
        with pytest.raises(Exception, match="22012"):
            await store.fetch(insider, Statement("SELECT 1 / (SELECT 0)"))
        told.append((await store.fetch(ANYONE, role)).value())
        await store.close()
        return told

    reader, officer = b"citymap_reader:", b"citymap_insider:officer"
    assert asyncio.run(roles()) == [officer, reader, reader, officer, reader, reader]
    with psycopg.connect(toy.app_dsn) as conn:
        assert conn.execute("SELECT current_user").fetchone() == ("citymap_app",)


GRID = Shape(b"ItG", b"\0name\0\0")
CROWD = """
    SELECT n::bigint, 'điểm ' || n,
        ST_SetSRID(ST_MakePoint(106.5 + (n * 7919 % 1000) / 4000.0, 10.7 + n / 250000.0), 4326)
    FROM generate_series(1, 50000) AS n
"""
AREAS = """
    SELECT row_number() OVER ()::bigint, 'vùng', (d).geom FROM (
        SELECT ST_Dump(ST_CollectionExtract(ST_VoronoiPolygons(ST_Collect(
            ST_SetSRID(ST_MakePoint(106.5 + (n * 7919 % 1000) / 4000.0, 10.7 + n / 12500.0), 4326))), 3)) AS d
        FROM generate_series(1, 2500) AS n) AS t
"""
CENTRE_TILE = (9, 407, 240)


def test_a_thinned_tile_is_small_and_true(asked, built):
    """What it shows is there, at its place within the grid; one small thing in each cell."""
    rows = asked(lambda store: store.fetch(ANYONE, Statement(CROWD)))
    whole = built.tile(rows, GRID, "crowd", CENTRE_TILE, buffer=64, mercator=False)
    every = {f["id"]: f["geometry"]["coordinates"] for f in mapbox_vector_tile.decode(whole)["crowd"]["features"]}
    assert len(whole) > 500_000
    for grid in (4, 16, 64):
        thinned = Thinned(grid, 400_000)
        tile = built.tile(rows, GRID, "crowd", CENTRE_TILE, buffer=64, mercator=False, thinned=thinned)
        seen = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})["crowd"]["features"]
        assert len(tile) < 500_000
        assert {f["id"] for f in seen} < set(every)
        cells = [tuple((v + 64) // grid for v in f["geometry"]["coordinates"]) for f in seen]
        assert len(set(cells)) == len(cells)
        if len(tile) < 400_000:
            taken = {tuple((v + 64) // grid for v in (x, 4096 - y)) for x, y in every.values()}
            assert len(cells) >= 0.9 * len(taken), "no crowd is left out altogether"


async def crowded(store: Store, built: Encoder, whole_from: int) -> bytes:
    """The tile of a made layer of 50,000 points."""
    layer = replace(DRAWN[0], name="crowd", geometry="Point", columns=(), tiles=Tiles(whole_from=whole_from))
    rows = await store.fetch(ANYONE, Statement(CROWD))
    return sized(built, TileQuery(layer, *CENTRE_TILE), rows, GRID) or b""


def test_below_its_zoom_a_tile_is_thinned_evenly_and_from_there_on_it_is_whole(asked, built):
    whole = asked(lambda store: crowded(store, built, 9))
    thin = asked(lambda store: crowded(store, built, 10))
    assert len(thin) <= MOST_TILE_BYTES < len(whole)
    told = [mapbox_vector_tile.decode(tile)["crowd"]["features"] for tile in (whole, thin)]
    quarters = [
        Counter((x > 2048, y > 2048) for x, y in (f["geometry"]["coordinates"] for f in features)) for features in told
    ]
    assert len(told[0]) > len(told[1]) > 1000
    assert set(quarters[0]) == set(quarters[1]), "no part of the tile is left empty"


def test_thinned_neighbours_keep_their_common_border(asked, built):
    """Areas on a coarser grid: together they still cover what they covered, and hardly overlap."""
    rows = asked(lambda store: store.fetch(ANYONE, Statement(AREAS)))
    covered = []
    for grid in (1, 8):
        thinned = Thinned(grid, 2**40)
        tile = built.tile(rows, GRID, "areas", (11, 1630, 962), buffer=64, mercator=False, thinned=thinned)
        told = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})["areas"]["features"]
        shapes = [shapely.make_valid(shapely.geometry.shape(f["geometry"])) for f in told]
        union = shapely.union_all(shapes)
        covered.append((union, sum(shape.area for shape in shapes)))
    (whole, _), (coarse, total) = covered
    assert shapely.symmetric_difference(whole, coarse).area < 0.03 * whole.area
    assert total - coarse.area < 0.01 * coarse.area


def test_a_tile_says_from_which_zoom_on_it_is_whole(server):
    told = httpx.get(f"{server}/collections/wards/tiles/WebMercatorQuad?f=tilejson").json()
    wards = next(layer for layer in LAYERS if layer.name == "wards")
    assert told["vector_layers"][0]["whole_from"] == wards.tiles.whole_zoom
