"""The generalised copies of layers: full where they say so, small where they do not, in step with every edit."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import mapbox_vector_tile
import numpy as np
import psycopg
import pyproj
import pytest
import shapely
import shapely.geometry
from conftest import amount, fresh

from mapserver import generalisation, generalised, generalising
from mapserver.catalogue import Catalogue, catalogue, read
from mapserver.database import Database
from mapserver.encoder import Encoder, encoder
from mapserver.fetching import MOST_TILE_BYTES, Fetching
from mapserver.generalisation import Ranked
from mapserver.layer import Layer, Tiles
from mapserver.query import ANYONE, TileQuery
from mapserver.settings import ROOT
from mapserver.store import Store

pytestmark = pytest.mark.postgis
ALL = catalogue(ROOT / "layers").layers
WARDS = replace(ALL["wards"], ward=False, tiles=Tiles(5, 14, ("code", "name"), None, 11, "shapes"))
ROADS = replace(ALL["roads"], tiles=Tiles(5, 16, ("name", "rank"), "rank", 14, "shapes"))
STOPS = replace(ALL["bus_stops"], tiles=Tiles(5, 16, ("code", "name"), None, 14, "clusters"))
SHOPS = replace(ALL["economic_units"], tiles=Tiles(5, 16, ("name", "employees"), "employees", 14, "best"))
THESE = Catalogue({layer.name: layer for layer in (WARDS, ROADS, STOPS, SHOPS)})
WEST, SOUTH, EAST, NORTH = 106.4, 10.4, 107.0, 11.1
TO_MERCATOR = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform
Answer = TypeVar("Answer")


def outlines(count: int, vertices: int) -> list[Any]:
    """Areas that share every vertex of their crooked borders, in degrees."""
    rng = np.random.default_rng(7)
    seeds = shapely.MultiPoint(rng.uniform((WEST, SOUTH), (EAST, NORTH), (count, 2)))
    frame = shapely.box(WEST, SOUTH, EAST, NORTH)
    cells = shapely.intersection(shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=frame)), frame)
    edges = shapely.segmentize(cells, shapely.length(cells).sum() / vertices)

    def crooked(places: Any) -> Any:
        x, y = (places.round(9) * 2000).T
        moved = np.column_stack([np.sin(1.7 * y) + np.sin(0.31 * x), np.cos(1.3 * x) + np.sin(0.47 * y)])
        return (places.round(9) + 0.0002 * moved).round(7)

    return [*shapely.transform(edges, crooked)]


def filled(conn: psycopg.Connection[Any], layer: Layer, shapes: list[Any], **given: list[Any]) -> None:
    """Rows 1, 2, … of a layer; required columns that are not given hold whatever they take."""
    values: dict[str, list[Any]] = {"id": [*range(1, len(shapes) + 1)]}
    for column in layer.columns:
        if column.name in given:
            values[column.name] = given[column.name]
        elif column.required:
            plain = {"text": "x", "integer": 1, "number": 1.0, "boolean": True, "date": "2026-01-01"}
            one = next(iter(column.codes)) if column.codes else plain.get(column.type, "2026-01-01T00:00:00Z")
            keyed = column.name == layer.key
            values[column.name] = [f"{one}{i}" if keyed else one for i in values["id"]]
    if (layer.geometry or "").startswith("Multi"):
        many = {"MultiPolygon": shapely.MultiPolygon, "MultiLineString": shapely.MultiLineString}[layer.geometry or ""]
        shapes = [many([shape]) for shape in shapes]
    values["geom"] = [shapely.to_wkb(shapely.set_srid(s, 4326), hex=True, include_srid=True) for s in shapes]
    names = ", ".join(f'"{name}"' for name in values)
    with conn.cursor().copy(f"COPY {layer.table} ({names}) FROM STDIN".encode()) as copy:
        for row in zip(*values.values(), strict=True):
            copy.write_row(row)


def ways(count: int, rng: np.random.Generator) -> tuple[list[Any], list[int]]:
    """Short streets, and one in twenty that is long and of a higher rank."""
    starts = rng.uniform((WEST, SOUTH), (EAST, NORTH), (count, 2))
    ranks = np.where(np.arange(count) % 20 == 0, 9, rng.integers(1, 4, count))
    steps = rng.normal(0, 1, (count, 12, 2)) * np.where(ranks == 9, 0.01, 0.0005)[:, None, None]
    lines = [shapely.LineString(start + np.cumsum(step, axis=0)) for start, step in zip(starts, steps, strict=True)]
    return lines, ranks.tolist()


@pytest.fixture(scope="module")
def city(cluster, template) -> Iterator[Database]:
    """Crooked wards, crowds of streets, stops and shops; every copy made."""
    rng = np.random.default_rng(3)
    with fresh(cluster, template, THESE) as made, psycopg.connect(made.owner_dsn, autocommit=True) as conn:
        filled(conn, WARDS, outlines(60, amount(20_000, 217_000)))
        lines, ranks = ways(amount(6_000, 150_000), rng)
        filled(conn, ROADS, lines, rank=ranks)
        number = amount(20_000, 2_000_000)
        for layer, given in ((STOPS, {}), (SHOPS, {"employees": rng.integers(1, 500, number).tolist()})):
            crowd = np.column_stack([rng.normal(106.7, 0.05, number), rng.normal(10.78, 0.05, number)])
            filled(conn, layer, [*shapely.points(crowd.round(7))], **given)
        for layer in THESE:
            assert generalising.due(conn, layer)
            generalising.rebuild(conn, layer)
            assert not generalising.due(conn, layer)
        yield made


@pytest.fixture(scope="module")
def built() -> Encoder | None:
    return encoder()


@pytest.fixture(scope="module")
def asked(city) -> Iterator[Callable[[Callable[[Store], Awaitable[Any]]], Any]]:
    with asyncio.Runner() as runner:

        async def made() -> Store:
            return Store(city.app_dsn)

        store = runner.run(made())

        async def answered(question):
            return await question(store)

        yield lambda question: runner.run(answered(question))
        runner.run(store.close())


def around(zoom: int) -> list[tuple[int, int, int]]:
    """The tiles of a zoom that the made city reaches into."""
    side = 2**zoom

    def at(lon: float, lat: float) -> tuple[int, int]:
        y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
        return int((lon + 180) / 360 * side), int(y * side)

    (x0, y1), (x1, y0) = at(WEST, SOUTH), at(EAST, NORTH)
    return [(zoom, x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)]


def decoded(tile: bytes, layer: Layer) -> list[dict[str, Any]]:
    options = {"y_coord_down": True}
    return mapbox_vector_tile.decode(tile, default_options=options)[layer.name]["features"] if tile else []


def drawn(asked, built, layer: Layer, zxy: tuple[int, int, int], *, whole: bool = False) -> list[dict[str, Any]]:
    """The features of a tile; not whole: out of the generalised copy."""
    query = TileQuery(layer, *zxy, generalised=not whole)
    return decoded(asked(lambda store: Fetching(store, built).tile(query, ANYONE)), layer)


def copy_of(database: Database, layer: Layer, zoom: int, what: str = "id, geom") -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_dsn) as conn:
        found = f"SELECT {what} FROM {generalised.table(layer)} WHERE zoom = {zoom} ORDER BY id"
        return conn.execute(found.encode()).fetchall()


def placed(places: Any, west: float, north: float, unit: float) -> Any:
    """Places of a tile in EPSG:3857."""
    return np.column_stack([west + places[:, 0] * unit, north - places[:, 1] * unit])


def in_mercator(places: Any) -> Any:
    return np.column_stack(TO_MERCATOR(*places.T))


@pytest.mark.parametrize("zoom", WARDS.tiles.generalised_zooms)
def test_areas_that_share_borders_leave_no_gap_and_no_sliver_at_any_zoom(city, zoom):
    shapes = shapely.from_wkb([bytes.fromhex(row[1]) for row in copy_of(city, WARDS, zoom)])
    assert len(shapes) == 60
    assert shapely.coverage_is_valid(shapes)
    whole = shapely.coverage_union_all(shapes)
    assert whole.geom_type == "Polygon"
    assert not whole.interiors
    original = shapely.transform(np.array(outlines(60, amount(20_000, 217_000))), in_mercator)
    assert shapely.get_num_coordinates(shapes).sum() < shapely.get_num_coordinates(original).sum() / 3
    far = [a.hausdorff_distance(b) for a, b in zip(original, shapes, strict=True)]
    assert max(far) < 8 * generalisation.pixel_m(zoom)


@pytest.mark.parametrize("layer", THESE.vector, ids=lambda layer: layer.name)
def test_no_generalised_tile_is_large(asked, built, layer):
    for zoom in layer.tiles.generalised_zooms:
        for zxy in around(zoom)[: amount(12, 10**6)]:
            query = TileQuery(layer, *zxy, generalised=True)
            tile = asked(lambda store, query=query: Fetching(store, built).tile(query, ANYONE))
            assert len(tile) <= MOST_TILE_BYTES
            features = decoded(tile, layer)
            assert len(features) <= generalisation.MOST_COST * 1.1


def test_from_its_zoom_on_a_tile_holds_every_feature_of_the_table(city, asked, built):
    """Against shapely: what reaches into the box of the tile is in it, where it is."""
    with psycopg.connect(city.owner_dsn) as conn:
        rows = conn.execute(f"SELECT id, ST_AsBinary(ST_Transform(geom, 3857)) FROM {ROADS.table}".encode()).fetchall()
    shapes = shapely.from_wkb([row[1] for row in rows])
    tree, zoom = shapely.STRtree(shapes), ROADS.tiles.whole_zoom
    side, unit = generalised.WORLD_M / 2**zoom, generalised.WORLD_M / 2**zoom / 4096
    for _, x, y in random.Random(5).sample(around(zoom), amount(20, 400)):
        west, north = x * side - generalised.WORLD_M / 2, generalised.WORLD_M / 2 - y * side
        box = shapely.box(west, north - side, west + side, north)
        placing = partial(placed, west=west, north=north, unit=unit)
        inside = {rows[i][0] for i in tree.query(box.buffer(-2 * unit), predicate="intersects")}
        told = drawn(asked, built, ROADS, (zoom, x, y), whole=True)
        assert inside <= {feature["id"] for feature in told}
        for feature in told:
            shape = shapely.geometry.shape(feature["geometry"])
            assert shapely.dwithin(shapely.transform(shape, placing), shapes[feature["id"] - 1], 2 * unit)


def test_streets_come_class_by_class_all_over_the_map(city):
    ranks = [[row[0] for row in copy_of(city, ROADS, zoom, "rank, id")] for zoom in ROADS.tiles.generalised_zooms]
    assert all(len(coarse) <= len(fine) for coarse, fine in pairwise(ranks))
    with psycopg.connect(city.owner_dsn) as conn:
        every = dict(conn.execute(f"SELECT rank, count(*) FROM {ROADS.table} GROUP BY rank".encode()).fetchall())
    for shown in ranks:
        partly = {rank for rank in set(shown) if shown.count(rank) < every[rank]}
        assert partly <= {max(every)}, "only the first class may come in part"


def test_what_is_too_much_is_cut_where_a_tile_overflows():
    """Equal ranks stay away together; of one class alone the larger ones stay."""
    here, many = TO_MERCATOR(106.7, 10.78), int(generalisation.MOST_COST)
    line = shapely.LineString([here, (here[0] + 10, here[1])])
    ids, shapes = np.arange(many), np.array([line] * many, dtype=object)
    ranks = np.where(ids < 100, 5.0, 1.0)
    assert generalisation.kept(Ranked(ids, ranks, shapes), 10) == 100
    cost = generalisation.COST_FEATURE + 2 * generalisation.COST_VERTEX
    assert generalisation.kept(Ranked(ids, np.full(many, 1.0), shapes), 10) == int(many / cost)
    assert generalisation.kept(Ranked(ids[:100], ranks[:100], shapes[:100]), 10) == 100
    assert generalisation.kept(Ranked(ids[:0], ranks[:0], shapes[:0]), 10) == 0


def test_the_best_point_of_each_square_is_shown_and_stays_at_finer_zooms(city):
    with psycopg.connect(city.owner_dsn) as conn:
        rows = conn.execute(f"SELECT id, employees, ST_X(geom), ST_Y(geom) FROM {SHOPS.table}".encode()).fetchall()
    ids, ranks, lon, lat = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    x, y = TO_MERCATOR(lon, lat)
    before: set[int] = set()
    for zoom in SHOPS.tiles.generalised_zooms:
        side = generalised.WORLD_M / 2**zoom / generalised.BEST
        order = np.lexsort((ids, -ranks))
        cells = np.column_stack([np.floor(x / side), np.floor(y / side)])[order]
        best = {int(i) for i in ids[order][np.unique(cells, axis=0, return_index=True)[1]]}
        shown = {row[0] for row in copy_of(city, SHOPS, zoom)}
        assert len(shown ^ best) <= 2, "but for a point on the very edge of a square"
        assert before <= shown
        before = shown


def test_clusters_count_every_point_once_whatever_comes_and_goes(city, asked, built):
    rng = random.Random(11)
    with psycopg.connect(city.owner_dsn, autocommit=True) as conn:
        for _ in range(amount(12, 200)):
            number, to = rng.randrange(1, 20_000), f"ST_SetSRID(ST_MakePoint({rng.uniform(106.5, 106.9)}, 10.8), 4326)"
            conn.execute(rng.choice([
                f"UPDATE {STOPS.table} SET geom = {to} WHERE id BETWEEN {number} AND {number + 20}",
                f"DELETE FROM {STOPS.table} WHERE id BETWEEN {number} AND {number + 5}",
                f"INSERT INTO {STOPS.table} (id, code, name, geom) SELECT 90000000 + {number}, 'n{number}', 'x', {to}"
                f" WHERE NOT EXISTS (SELECT FROM {STOPS.table} WHERE id = 90000000 + {number})",
            ]).encode())  # fmt: skip
            every = conn.execute(f"SELECT count(*) FROM {STOPS.table}".encode()).fetchone()
            shown = [f["properties"]["point_count"] for zxy in around(5) for f in drawn(asked, built, STOPS, zxy)]
            assert (sum(shown),) == every
        alone = [f for zxy in around(12)[:20] for f in drawn(asked, built, STOPS, zxy)
                 if f["properties"]["point_count"] == 1 and "id" in f]  # fmt: skip
        assert alone
        for one in alone[:50]:
            assert one["properties"]["code"], "a point that is alone is itself"


def test_a_touched_feature_is_drawn_as_it_is_now(city, asked, built):
    here = around(7)[0]
    with psycopg.connect(city.owner_dsn, autocommit=True) as conn:
        before = {f["id"]: f for f in drawn(asked, built, WARDS, here)}
        chosen = sorted(before)[0]
        conn.execute(f"UPDATE {WARDS.table} SET geom = ST_Multi(ST_Buffer(ST_Centroid(geom), 0.02))"
                     f" WHERE id = {chosen}".encode())  # fmt: skip
        after = {f["id"]: f for f in drawn(asked, built, WARDS, here)}
        assert after[chosen]["geometry"] != before[chosen]["geometry"]
        assert {i: f for i, f in after.items() if i != chosen} == {i: f for i, f in before.items() if i != chosen}
        conn.execute(f"DELETE FROM {WARDS.table} WHERE id = {chosen}".encode())
        assert chosen not in {f["id"] for f in drawn(asked, built, WARDS, here)}
        conn.execute(f"UPDATE {WARDS.table} SET id = 777 WHERE id = {sorted(before)[1]}".encode())
        assert 777 in {f["id"] for f in drawn(asked, built, WARDS, here)}


def touches(database: Database, layer: Layer) -> int | None:
    with psycopg.connect(database.owner_dsn) as conn:
        return conn.execute("SELECT citymap.touched(%s)", (layer.name,)).fetchone()[0]


def test_what_is_touched_while_a_copy_is_made_stays_told_of(city):
    """A writer that began before the copy and commits after it; and one in the middle of it."""
    change = f"UPDATE {SHOPS.table} SET employees = 7 WHERE id = %s".encode()
    with psycopg.connect(city.owner_dsn, autocommit=True) as conn, psycopg.connect(city.owner_dsn) as early:
        early.execute(change, (1,))
        moment = generalising._copied(conn, SHOPS)
        conn.execute(change, (2,))
        with conn.transaction():
            generalising._made(conn, SHOPS)
            early.commit()
            generalising._stands(conn, SHOPS, moment, 0.0)
        assert touches(city, SHOPS) == 2
        generalising.rebuild(conn, SHOPS)
        assert touches(city, SHOPS) == 0


def test_a_copy_that_is_cut_short_leaves_the_old_one_and_is_made_again(city):
    before = copy_of(city, SHOPS, 8)
    with psycopg.connect(city.owner_dsn, autocommit=True) as conn:
        conn.execute(f"DELETE FROM {SHOPS.table} WHERE id = 5".encode())
        generalising._copied(conn, SHOPS)
        with conn.transaction(force_rollback=True):
            generalising._made(conn, SHOPS)
        assert copy_of(city, SHOPS, 8) == before
        assert touches(city, SHOPS) == 1
        generalising.rebuild(conn, SHOPS)
        assert touches(city, SHOPS) == 0
        left = conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'staging'").fetchone()
        assert left == (0,)


def test_touched_rows_of_another_cluster_do_not_stay_for_ever(city):
    """As a plain dump brings them: under transactions that this cluster has not come to yet."""
    with psycopg.connect(city.owner_dsn, autocommit=True) as conn:
        conn.execute(f"INSERT INTO {generalised.touched(SHOPS)} (xid, id) VALUES ('9999999999', 3)".encode())
        assert touches(city, SHOPS) == 1
        generalising.rebuild(conn, SHOPS)
        assert touches(city, SHOPS) == 0


def test_much_at_once_and_a_truncate_touch_everything(city):
    with psycopg.connect(city.owner_dsn, autocommit=True) as conn:
        conn.execute(f"UPDATE {SHOPS.table} SET employees = employees".encode())
        assert touches(city, SHOPS) is None
        generalising.rebuild(conn, SHOPS)
        assert touches(city, SHOPS) == 0
        with conn.transaction(force_rollback=True):
            conn.execute(f"TRUNCATE {SHOPS.table}".encode())
            assert conn.execute("SELECT citymap.touched(%s)", (SHOPS.name,)).fetchone() == (None,)


def test_a_copy_shows_no_more_to_a_role_than_the_layer(city):
    with psycopg.connect(city.admin_dsn, autocommit=True) as conn:
        for role, insider in (("citymap_reader", False), ("citymap_insider", True)):
            allowed = {
                name
                for (name,) in conn.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                    " AND has_column_privilege(%s, attrelid, attnum, 'SELECT')",
                    (generalised.table(SHOPS), role),
                )
            }
            levels = ("public", "internal") if insider else ("public",)
            seen = {column.name for column in SHOPS.columns if column.access.level in levels}
            assert allowed - {"zoom", "id", "geom"} <= seen
            assert allowed >= {"zoom", "id", "geom"}


@pytest.mark.parametrize("layer", THESE.vector, ids=lambda layer: layer.name)
def test_the_encoder_and_sql_draw_the_same_features(asked, built, layer):
    if built is None:
        pytest.skip("no encoder was built")
    for zxy in ((9, 407, 240), (10, 815, 481)):
        mine, sql = (
            {repr(f["properties"]) + str(f.get("id")) for f in drawn(asked, made, layer, zxy)} for made in (built, None)
        )
        assert mine
        assert len(mine ^ sql) <= 0.01 * len(sql) + 1, "but for slivers that one of the two rounds to nothing"


WRONG = {
    "shapes of points": ("bus_stops", "generalise: shapes, whole_from: 14", "`best` or `clusters` for points"),
    "the best of areas": ("parks", "generalise: best, whole_from: 14", "is `shapes` for lines and areas"),
    "no zoom below": ("parks", "generalise: shapes, whole_from: 0", "there are none"),
    "a view": ("ward_labels", "generalise: best, whole_from: 14", "needs a table of its own"),
    "an unknown kind": ("parks", "generalise: hexes", "Input should be 'shapes', 'best' or 'clusters'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_copy_that_cannot_be_is_told_with_its_file_and_key(tmp_path, wrong):
    name, tiles, words = WRONG[wrong]
    for source in (ROOT / "layers").glob(f"{name}.*"):
        lines = source.read_text(encoding="utf-8").splitlines()
        told = [f"tiles: {{ {tiles} }}" if line.startswith("tiles:") else line for line in lines]
        (tmp_path / source.name).write_text("\n".join(told), encoding="utf-8")
    found = [str(problem) for problem in read(tmp_path)[1]]
    assert any(line.startswith(f"{name}.yml: tiles.generalise") and words in line for line in found), found
