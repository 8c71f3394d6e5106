"""Tiles out of memory, out of the folder on disk and out of generalised copies: never stale, never for other eyes."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import httpx
import mapbox_vector_tile
import psycopg
import pytest
import shapely
import zstandard
from conftest import amount, free_port, fresh, serve, until

from mapserver import generalised, generalising, tokens
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import Database
from mapserver.encoder import encoder
from mapserver.errors import NotReady
from mapserver.fetching import Fetching
from mapserver.freshness import LOOK_S, Freshness
from mapserver.loading import Provenance, load
from mapserver.query import ANYONE, tile_query
from mapserver.settings import ROOT, settings
from mapserver.store import Store
from mapserver.tilecache import Tile, TileCache
from mapserver.tilefolder import TileFolder, tile_folder
from mapserver.tiling import FOLDER, Tiles

pytestmark = pytest.mark.postgis
NAME = "field_notes"
TILES = "tiles: { min_zoom: 8, max_zoom: 16, columns: [title, author], whole_from: 12, generalise: best }"
Z, X, Y = 13, 6524, 3849
"""A tile whose squares at zoom 10, eight by eight, hold one point each."""
DELAY_S = LOOK_S + 0.7
"""The stated delay, and what a busy machine adds."""
Shown = frozenset[tuple[int, str]]


def place(number: int) -> shapely.Point:
    """The middle of one of 64 squares."""
    side = generalised.WORLD_M / 2**Z
    x = X * side - generalised.WORLD_M / 2 + (number % 8 + 0.5) * side / 8
    y = generalised.WORLD_M / 2 - Y * side - (number // 8 % 8 + 0.5) * side / 8
    return gpd.GeoSeries([shapely.Point(x, y)], crs=3857).to_crs(4326).iloc[0]


PLACES = [place(number) for number in range(64)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The city of one layer."""
    city = tmp_path_factory.mktemp("tiled")
    for part, ending in (("layers", "yml"), ("ingest", "py"), ("styles", "json")):
        (city / part).mkdir()
        shutil.copy(ROOT / part / f"{NAME}.{ending}", city / part)
    shutil.copy(ROOT / "styles" / "citymap.json", city / "styles")
    file = city / "layers" / f"{NAME}.yml"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = [TILES if line.startswith("tiles:") else line for line in lines if not line.startswith("ward:")]
    file.write_text("\n".join(lines), encoding="utf-8")
    return city / "layers"


@pytest.fixture(scope="module")
def tiled(folder) -> Catalogue:
    return catalogue(folder)


@pytest.fixture(scope="module")
def database(cluster, template, tiled) -> Iterator[Database]:
    with fresh(cluster, template, tiled) as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def url(database, folder, data) -> Iterator[str]:
    with serve(settings(data=data, layers=folder, port=free_port(), workers=2), database) as url:
        yield url


def pen(database: Database, layers: Catalogue, name: str, *writes: str, insider: bool = False) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.add(database.owner_dsn, layers, name, writes, insider=insider)}"}


def told(content: bytes) -> Shown:
    features = mapbox_vector_tile.decode(content)[NAME]["features"] if content else []
    return frozenset((feature["id"], feature["properties"]["title"]) for feature in features)


def path(zoom: int) -> str:
    return f"/collections/{NAME}/tiles/WebMercatorQuad/{zoom}/{Y >> (Z - zoom)}/{X >> (Z - zoom)}"


@dataclass(frozen=True)
class State:
    """What stood, from when it could first be seen, and when it was surely there. squares: by id, at zoom 10."""

    began: float
    there: float
    rows: Shown
    squares: dict[int, tuple[int, int]]

    def fits(self, shown: Shown, zoom: int) -> bool:
        """Whether a tile can show this; of a square the copy shows one point at least."""
        if zoom == Z:
            return shown == self.rows
        return shown <= self.rows and {self.squares[i] for i, _ in shown} == {*self.squares.values()}


@dataclass
class City:
    """Changes the layer in every way there is, and remembers what stood there from when to when."""

    database: Database
    layers: Catalogue
    http: httpx.Client
    headers: dict[str, str]
    rng: random.Random
    stood: list[State] = field(default_factory=list)

    def changes(self, times: int) -> None:
        ways = (self.by_sql, self.by_api, self.by_load, self.moved_by_sql)
        self.remember(0.0)  # whoever read before this read the same
        for number in range(times):
            began = time.monotonic()
            self.rng.choice(ways)(number)
            self.remember(began)

    def remember(self, began: float) -> None:
        cx, cy = generalised.square(10, generalised.BEST)
        placed = "SELECT id, title, ST_Transform(geom, 3857) AS geom FROM {}"
        found = self.rows(f"SELECT id, title, {cx}, {cy} FROM ({placed}) AS placed")
        squares = {number: (x, y) for number, _, x, y in found}
        self.stood.append(State(began, time.monotonic(), frozenset(row[:2] for row in found), squares))

    def rows(self, query: str) -> list[Any]:
        with psycopg.connect(self.database.admin_dsn, autocommit=True) as conn:
            done = conn.execute(query.format(self.layers[NAME].table).encode())
            return done.fetchall() if done.description else []

    def by_sql(self, number: int) -> None:
        point = shapely.to_wkt(PLACES[number % 64])
        many = self.rng.choice((1, 1, 3))
        self.rows(
            "INSERT INTO {} (title, category, geom)"
            f" SELECT 'sql {number}', 'road', ST_GeomFromText('{point}', 4326) FROM generate_series(1, {many})"
            if many == 1 or self.rng.random() < 0.5
            else f"DELETE FROM {{}} WHERE id % {many + 1} = 0"
        )

    def moved_by_sql(self, number: int) -> None:
        self.rows(f"UPDATE {{}} SET title = 'moved {number}' WHERE id % 3 = {number % 3}")

    def by_api(self, number: int) -> None:
        here = {"type": "Point", "coordinates": [PLACES[number % 64].x, PLACES[number % 64].y]}
        note = {"type": "Feature", "geometry": here, "properties": {"title": f"api {number}", "category": "tree"}}
        began = time.monotonic()
        made = self.http.post(f"/collections/{NAME}/items", json=note, headers=self.headers)
        assert made.status_code == 201, made.text
        if self.rng.random() < 0.5:
            self.remember(began)
            assert self.http.delete(made.headers["location"], headers=self.headers).status_code == 204

    def by_load(self, number: int) -> None:
        frame = gpd.GeoDataFrame(
            {"title": [f"load {number}"], "category": ["road"]}, geometry=[PLACES[number % 64]], crs=4326
        )
        load(self.database.owner_dsn, self.layers, self.layers[NAME], [frame], Provenance("t", "t"), mode="append")


def read(url: str, zoom: int, stop: threading.Event, seen: list[tuple[float, float, Shown]]) -> None:
    with httpx.Client(base_url=url, timeout=60) as http:
        while not stop.is_set():
            began = time.monotonic()
            content = http.get(path(zoom)).content
            seen.append((began, time.monotonic(), told(content)))


def test_no_tile_is_stale_after_the_stated_delay_ever(database, tiled, url):
    """Edits by the API, by loads and by plain SQL while two workers are read at two zooms and copies are made anew:

    every tile that was ever sent is what stood at some moment from DELAY_S before it was asked for until it came."""
    stop, seen = threading.Event(), {zoom: list[tuple[float, float, Shown]]() for zoom in (10, Z)}

    def copies() -> None:
        with psycopg.connect(database.owner_dsn, autocommit=True) as conn:
            while not stop.is_set():
                generalising.rebuild(conn, tiled[NAME])

    readers = [threading.Thread(target=read, args=(url, zoom, stop, seen[zoom])) for zoom in (10, Z)]
    threads = [*readers, threading.Thread(target=copies)]
    for thread in threads:
        thread.start()
    with httpx.Client(base_url=url, timeout=60) as http:
        city = City(database, tiled, http, pen(database, tiled, "hammer", NAME), random.Random(8))
        city.changes(amount(18, 1000))
        until(lambda: city.stood[-1].fits(told(http.get(path(10)).content), 10), "the last state is shown", DELAY_S)
    stop.set()
    for thread in threads:
        thread.join()
    for zoom, answers in seen.items():
        assert len(answers) > 20
        assert len({what for _, _, what in answers}) > 5, "reads met many states"
        for asked, came, what in answers:
            ends = [*(state.there for state in city.stood[1:]), float("inf")]
            true = [
                state
                for state, end in zip(city.stood, ends, strict=True)
                if state.began <= came and end >= asked - DELAY_S and state.fits(what, zoom)
            ]
            assert true, f"zoom {zoom}: {sorted(what)} was told from {asked} to {came}"


def test_what_is_on_disk_needs_no_database_to_be_made_of(database, tiled, tmp_path):
    """As another worker, or the same one after a restart, finds it."""
    query = tile_query(tiled[NAME], str(Z), str(Y), str(X))

    async def given(dsn: str) -> tuple[bytes, dict[str, bytes]]:
        known, asking = Store(database.app_dsn), Store(dsn)
        folder = TileFolder(tmp_path / FOLDER, 10**7, "x")
        tiles = Tiles(Fetching(asking, encoder()), Freshness(tiled, known), TileCache(), folder)
        tile = await tiles.tile(await tiles.asked(query), ANYONE)
        await tiles.close()
        await known.close()
        await asking.close()
        return tile.content, tile.packed

    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(NotReady):
        asyncio.run(given(nowhere))
    made, _ = asyncio.run(given(database.app_dsn))
    assert told(made)
    again, packed = asyncio.run(given(nowhere))
    assert again == made
    assert zstandard.decompress(packed["zstd"]) == made


def test_the_workers_keep_tiles_in_the_data_folder(data, url):
    httpx.get(f"{url}{path(Z)}")
    kept = TileFolder(data / FOLDER, 2**20, "")
    until(lambda: kept.held_bytes > 0, "a tile is there", 10)
    kept.close()


def test_what_insiders_see_never_reaches_others_by_any_cache(database, tiled, url):
    """`author` is for insiders only."""
    inside = pen(database, tiled, "inside", insider=True)
    with psycopg.connect(database.admin_dsn, autocommit=True) as conn:
        conn.execute(f"UPDATE layers.{NAME} SET author = 'Nguyễn Thị Bí Mật'".encode())
    with httpx.Client(base_url=url) as http:
        for zoom in (10, Z):
            until(lambda z=zoom: b"author" in http.get(path(z), headers=inside).content, "insiders see it", 5)
            for _ in range(6):
                assert b"author" in http.get(path(zoom), headers=inside).content
                assert b"author" not in http.get(path(zoom)).content


def test_tags_differ_between_a_copy_and_the_layer_itself(database, tiled, url):
    """The same version, another tile: whoever holds the one does not get 304 for the other."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as conn, httpx.Client(base_url=url) as http:

        def tags() -> set[str]:
            return {http.get(path(10)).headers["etag"] for _ in range(6)}

        def settled() -> set[str]:
            """The tag once every change is known, an earlier test's too: no other one is seen for a second."""
            seen: list[tuple[float, set[str]]] = []

            def quiet() -> bool:
                now = tags()
                if not seen or seen[-1][1] != now:
                    seen.append((time.monotonic(), now))
                return time.monotonic() > seen[-1][0] + 1

            until(quiet, "one tile is sent", 20)
            return seen[-1][1]

        generalising.rebuild(conn, tiled[NAME])
        copied = settled()
        features = http.get(f"/collections/{NAME}/items", params={"limit": 1}).headers["etag"]
        generalising.drop(conn, tiled[NAME])
        assert settled().isdisjoint(copied), "the layer itself"
        generalising.rebuild(conn, tiled[NAME])
        assert settled() == copied, "the copy again"
        assert http.get(f"/collections/{NAME}/items", params={"limit": 1}).headers["etag"] == features, "of one version"


def test_tilejson_says_what_the_copy_holds(url):
    told = httpx.get(f"{url}/collections/{NAME}/tiles/WebMercatorQuad?f=tilejson").json()["vector_layers"][0]
    assert (told["generalised"], told["whole_from"]) == ("best", 12)
    assert "point_count" not in json.dumps(told)


def test_the_folder_keeps_tiles_by_version_and_stays_in_its_room(tmp_path):
    folder = TileFolder(tmp_path / "t", 400_000, "a")
    rng = random.Random(1)
    content = [rng.randbytes(5_000) for _ in range(200)]
    for number, body in enumerate(content):
        folder.keep(number, Tile("1", body))
    assert folder.held_bytes < 600_000
    assert folder.get(199, "1").content == content[199]
    assert folder.get(199, "2") is None
    other = TileFolder(tmp_path / "t", 400_000, "b")
    assert other.get(199, "1") is None, "another database"
    same = TileFolder(tmp_path / "t", 400_000, "a")
    assert same.get(199, "1").packed["zstd"] == folder.get(199, "1").packed["zstd"]
    folder.keep("empty", Tile("1", b""))
    assert same.get("empty", "1").content == b""
    for each in (folder, other, same):
        each.close()


def test_a_broken_folder_only_makes_tiles_slower(tmp_path):
    (tmp_path / "file").write_text("")
    assert tile_folder(tmp_path / "file" / "t", 10**6, "a") is None
    assert tile_folder(tmp_path / "t", 0, "a") is None
    folder = TileFolder(tmp_path / "t", 10**6, "a")
    folder.keep(1, Tile("1", b"x" * 100))
    shutil.rmtree(tmp_path / "t")
    folder.keep(2, Tile("1", b"y"))
    assert folder.get(3, "1") is None
    folder.close()
    for shard in range(4):
        (tmp_path / "u" / f"{shard:03d}").mkdir(parents=True)
        (tmp_path / "u" / f"{shard:03d}" / "cache.db").write_bytes(b"this is no database" * 1000)
    assert tile_folder(tmp_path / "u", 10**6, "a") is None
