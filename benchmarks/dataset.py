"""Five tables of a made city, the same every time: addresses, petitions, roads, wards, facilities, in `public`.

Points crowd around the centres of the wards and along a grid of streets; ids run ward by ward, as an agency's do; the
outlines of neighbouring wards share every vertex. `benchmarks/layers/` describes the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

WARDS = 320
VERTICES = 217_000
"""Of all wards together, about."""
WEST, SOUTH, EAST, NORTH = 106.35, 10.33, 107.03, 11.16
CENTRE = (106.69, 10.79)
DAY_S = 86_400
SPAN_S = 3 * 365 * DAY_S
CHUNK = 50_000
STREETS = ("Nguyễn Trãi", "Lê Lợi", "Trần Hưng Đạo", "Điện Biên Phủ", "Cách Mạng Tháng Tám", "Hai Bà Trưng", "Âu Cơ",
           "Lý Thường Kiệt", "Phạm Văn Đồng", "Quang Trung", "Ba Tháng Hai", "Lạc Long Quân")  # fmt: skip
FIELDS = ("Trật tự đô thị", "Môi trường", "Giao thông", "Cấp nước", "Thoát nước", "Điện", "Xây dựng", "Y tế", "Khác")
STATES, SHARES = ("open", "assigned", "in_progress", "done", "rejected"), (0.08, 0.07, 0.1, 0.7, 0.05)
CHANNELS = ("app", "web", "1022", "zalo", "email")
CLASSES = ("primary", "secondary", "tertiary", "residential", "service", "alley")
KINDS = ("school", "hospital", "market", "park", "police", "bus_stop", "library", "pharmacy", "bank", "pagoda")

TABLES = {
    "wards": "id int PRIMARY KEY, code text, name text, population int, geom geometry(Polygon, 4326)",
    "addresses": "id bigint PRIMARY KEY, house_number text, street text, ward_code text, updated timestamptz,"
    " geom geometry(Point, 4326)",
    "petitions": "id bigint PRIMARY KEY, field text, channel text, status text, ward_code text,"
    " created_at timestamptz, due_at timestamptz, title text, geom geometry(Point, 4326)",
    "roads": "id bigint PRIMARY KEY, name text, class text, geom geometry(LineString, 4326)",
    "facilities": "id bigint PRIMARY KEY, kind text, name text, geom geometry(Point, 4326)",
}
INDEXES = (
    *(f"CREATE INDEX ON {table} USING gist (geom)" for table in TABLES),
    *(f"CREATE INDEX ON petitions ({column})" for column in ("field", "status", "created_at", "ward_code")),
    "CREATE INDEX ON addresses (ward_code)",
    "CREATE INDEX ON facilities (kind)",
)

Floats = NDArray[np.float64]
Column = Sequence[object]


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the wards are: their centres, how far apart, and their codes."""

    seeds: Floats
    codes: NDArray[np.str_]
    rng: np.random.Generator

    def near(self, count: int, spread: float) -> tuple[Floats, NDArray[np.str_]]:
        """Points around the centres of the wards, crowded in the middle, most of them on streets; their wards."""
        tree = cKDTree(self.seeds)
        apart = tree.query(self.seeds, k=2)[0][:, 1]
        pull = np.exp(-((self.seeds - CENTRE) ** 2).sum(axis=1) / (2 * 0.12**2)) + 0.08
        ward = self.rng.choice(WARDS, count, p=pull / pull.sum())
        points = self.seeds[ward] + self.rng.normal(0, spread, (count, 2)) * np.minimum(apart[ward], 0.03)[:, None]
        snapped = np.round(points, 3) + self.rng.normal(0, 0.00004, points.shape)
        street = self.rng.integers(0, 3, count)  # 0: along a meridian, 1: along a parallel, 2: anywhere
        points = np.where(street[:, None] == np.arange(2), snapped, points)
        points = np.clip(points, (WEST, SOUTH), (EAST, NORTH)).round(7)
        return points, self.codes[tree.query(points)[1]]


def made(dsn: str, addresses: int) -> None:
    """Makes the five tables anew. addresses: rows of the largest; the others follow it."""
    rng = np.random.default_rng(20260101)
    ground = Ground(_seeds(rng), np.array([f"{26700 + 3 * n:05d}" for n in range(WARDS)]), rng)
    content = {
        "wards": _wards(ground),
        "addresses": _addresses(ground, addresses),
        "petitions": _petitions(ground, addresses // 2),
        "roads": _roads(ground, max(1000, addresses * 3 // 40)),
        "facilities": _facilities(ground, max(1000, addresses // 100)),
    }
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION IF NOT EXISTS postgis")
        for table, columns in TABLES.items():
            conn.execute(
                f"DROP TABLE IF EXISTS public.{table} CASCADE; CREATE TABLE public.{table} ({columns})".encode()
            )
            _filled(conn, table, content[table])
        for statement in (*INDEXES, *(f"VACUUM (ANALYZE, FREEZE) {table}" for table in TABLES)):
            conn.execute(statement.encode())


def _filled(conn: psycopg.Connection[tuple[object, ...]], table: str, columns: Sequence[Column]) -> None:
    with conn.cursor().copy(f"COPY public.{table} FROM STDIN".encode()) as copy:
        for start in range(0, len(columns[0]), CHUNK):
            for row in zip(*(column[start : start + CHUNK] for column in columns), strict=True):
                copy.write_row(row)


def _seeds(rng: np.random.Generator) -> Floats:
    """Centres of wards, none within 400 m of another: most of them in the inner city."""
    seeds: list[Floats] = []
    for point in _scattered(rng):
        if len(seeds) == WARDS:
            break
        if all(np.hypot(*(point - other)) > 0.004 for other in seeds):
            seeds.append(point)
    return np.array(seeds)


def _scattered(rng: np.random.Generator) -> Iterator[Floats]:
    while True:
        kind = rng.random()
        spread = 0.045 if kind < 0.55 else 0.12
        point = rng.normal(CENTRE, spread) if kind < 0.8 else rng.uniform((WEST, SOUTH), (EAST, NORTH))
        if WEST < point[0] < EAST and SOUTH < point[1] < NORTH:
            yield point


def _wards(ground: Ground) -> tuple[Column, ...]:
    """Cells around the centres. Every vertex moves by what its place says, so neighbours stay neighbours."""
    frame = shapely.box(WEST, SOUTH, EAST, NORTH)
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.MultiPoint(ground.seeds), extend_to=frame))
    cells = shapely.intersection(cells, frame)
    order = np.argsort(shapely.STRtree(shapely.points(ground.seeds)).query(cells, predicate="contains")[1])
    edges = shapely.segmentize(cells[order], shapely.length(cells).sum() / VERTICES)
    shapes = shapely.transform(edges, lambda places: _crooked(places.round(9)).round(7))
    numbers = range(1, WARDS + 1)
    people = ground.rng.integers(8000, 120_000, WARDS).tolist()
    return [*numbers], ground.codes.tolist(), [f"Phường {n}" for n in numbers], people, _ewkb(shapes)


def _crooked(places: Floats) -> Floats:
    x, y = places.T * 2000
    return places + 0.0002 * np.column_stack([np.sin(1.7 * y) + np.sin(0.31 * x), np.cos(1.3 * x) + np.sin(0.47 * y)])


def _addresses(ground: Ground, count: int) -> tuple[Column, ...]:
    points, codes = ground.near(count, 0.55)
    streets = ground.rng.integers(0, len(STREETS), count)
    order = np.lexsort((streets, codes))
    doors, alleys = ground.rng.integers(1, 900, count), ground.rng.integers(1, 90, count)
    numbers = [f"{door}/{alley}" if alley % 3 == 0 else str(door) for door, alley in zip(doors, alleys, strict=True)]
    shapes = shapely.points(points[order])
    named = np.array(STREETS)[streets[order]].tolist()
    return [*range(1, count + 1)], numbers, named, codes[order].tolist(), _times(ground, count), _ewkb(shapes)


def _petitions(ground: Ground, count: int) -> tuple[Column, ...]:
    points, codes = ground.near(count, 0.7)
    rng = ground.rng
    weight = 1 / np.arange(1, len(FIELDS) + 1) ** 0.7
    field = rng.choice(len(FIELDS), count, p=weight / weight.sum())
    received = np.sort(rng.integers(0, SPAN_S, count))
    due = received + rng.integers(1, 30, count) * DAY_S
    streets = rng.integers(0, len(STREETS), count)
    titles = [f"Phản ánh {FIELDS[f].lower()} tại đường {STREETS[s]}" for f, s in zip(field, streets, strict=True)]
    channel = np.array(CHANNELS)[rng.integers(0, len(CHANNELS), count)].tolist()
    state = rng.choice(STATES, count, p=SHARES).tolist()
    fields = np.array(FIELDS)[field].tolist()
    numbers, shapes = [*range(1, count + 1)], _ewkb(shapely.points(points))
    return numbers, fields, channel, state, codes.tolist(), _moments(received), _moments(due), titles, shapes


def _roads(ground: Ground, count: int) -> tuple[Column, ...]:
    """Lines of 4 to 30 vertices that mostly keep a bearing of the compass."""
    rng = ground.rng
    start = ground.near(count, 0.8)[0]
    sizes = rng.integers(4, 31, count)
    road = np.repeat(np.arange(count), sizes)
    bearing = rng.integers(0, 4, count)[road] * (np.pi / 2) + rng.normal(0, 0.25, len(road))
    steps = np.column_stack([np.cos(bearing), np.sin(bearing)]) * rng.uniform(0.0001, 0.0005, len(road))[:, None]
    walked = np.cumsum(steps, axis=0)
    first = np.r_[0, np.cumsum(sizes)[:-1]]
    places = np.clip(start[road] + walked - walked[first][road], (WEST, SOUTH), (EAST, NORTH)).round(7)
    named = np.array(STREETS)[rng.integers(0, len(STREETS), count)].tolist()
    classes = np.array(CLASSES)[rng.integers(0, len(CLASSES), count)].tolist()
    return [*range(1, count + 1)], named, classes, _ewkb(shapely.linestrings(places, indices=road))


def _facilities(ground: Ground, count: int) -> tuple[Column, ...]:
    points, _ = ground.near(count, 0.9)
    kinds = np.array(KINDS)[ground.rng.integers(0, len(KINDS), count)].tolist()
    numbers = [*range(1, count + 1)]
    return numbers, kinds, [f"{kind} {n}" for n, kind in enumerate(kinds)], _ewkb(shapely.points(points))


def _times(ground: Ground, count: int) -> list[str]:
    return _moments(ground.rng.integers(0, SPAN_S, count))


def _moments(seconds: NDArray[np.int64]) -> list[str]:
    moments = np.datetime64("2023-10-01T00:00:00") + seconds.astype("timedelta64[s]")
    return [f"{text}Z" for text in np.datetime_as_string(moments)]


def _ewkb(shapes: NDArray[np.object_]) -> list[str]:
    return shapely.to_wkb(shapely.set_srid(shapes, 4326), hex=True, include_srid=True).tolist()
