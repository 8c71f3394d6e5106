"""How fast points get their ward: the database beside geopandas.sjoin and SedonaDB; writes docs/wards-speed.md.

`python benchmarks/wards.py --points 1000000 --batch 10000000`: all contenders get the same points. The batch engine is
SedonaDB over GeoParquet, embedded, and the same code mapped by Dask over local processes; both come with the extra
`bench` (`pip install .[bench]`), and what is not installed is left out."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import pyarrow.parquet as pq
import shapely
from ground import Clock, Spent, cluster

from ingest.city import cells
from mapserver.catalogue import catalogue
from mapserver.database import Database
from mapserver.layer import Layer
from mapserver.loading import Provenance, load
from mapserver.settings import ROOT, settings
from mapserver.systems.areas.assignment import reassign_pending

PAGE = ROOT / "docs" / "wards-speed.md"
SEED, PART = 2025, 1_000_000
COUNTED = """
    SELECT w.code, count(*) AS n
    FROM wards AS w
    JOIN points AS p ON ST_Intersects(w.geometry, p.geometry)
    GROUP BY w.code"""
Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One contender's time, and how many points it found in each ward."""

    name: str
    points: int
    spent: Spent
    counts: Counts


def outlines(real: bool) -> gpd.GeoDataFrame:
    """The wards: real ones where the folder is there, else the demo's."""
    folder = settings().real_data_found
    file = folder / "hcmc_wards_2025.gpkg" if folder and real else None
    return gpd.read_file(file)[["code", "geometry"]] if file and file.exists() else cells.wards()[["code", "geometry"]]


def scattered(wards: gpd.GeoDataFrame, count: int, number: int) -> gpd.GeoDataFrame:
    """Points in the boxes of the wards, more in larger ones, the same ones each time."""
    rng = np.random.default_rng([SEED, number])
    ground = shapely.area(wards.geometry.to_numpy())
    west, south, east, north = wards.bounds.to_numpy()[rng.choice(len(wards), count, p=ground / ground.sum())].T
    points = shapely.points(rng.uniform(west, east), rng.uniform(south, north))
    return gpd.GeoDataFrame(geometry=points, crs=4326)


def written(wards: gpd.GeoDataFrame, count: int, folder: Path) -> list[Path]:
    """Points as GeoParquet, in parts."""
    wards.to_parquet(folder / "wards.parquet")
    parts = [folder / f"points-{i}.parquet" for i in range(-(-count // PART))]
    for i, part in enumerate(parts):
        scattered(wards, min(PART, count - i * PART), i).to_parquet(part)
    return parts


def by_sedona(wards: Path, points: Path) -> Counts:
    """Counts by ward of one part, by SedonaDB."""
    import sedonadb  # a program of its own: the page is written without it where it is not installed

    engine = sedonadb.connect()
    engine.read_parquet(str(wards)).to_view("wards", overwrite=True)
    engine.read_parquet(str(points)).to_view("points", overwrite=True)
    found = engine.sql(COUNTED).to_pandas()
    return {str(code): int(n) for code, n in zip(found["code"], found["n"], strict=True)}


def summed(parts: list[Counts]) -> Counts:
    """The counts of all parts."""
    return pd.DataFrame(parts).sum().astype(int).to_dict()


def by_dask(wards: Path, parts: list[Path], workers: int) -> Counts:
    """The same code, mapped by Dask over local processes."""
    import dask  # as above

    tasks = [dask.delayed(by_sedona)(wards, part) for part in parts]
    return summed(list(dask.compute(*tasks, scheduler="processes", num_workers=workers)))


def by_geopandas(wards: Path, parts: list[Path]) -> Counts:
    """Counts by ward, by geopandas.sjoin."""
    ground = gpd.read_parquet(wards)
    return summed([gpd.sjoin(gpd.read_parquet(part), ground)["code"].value_counts().to_dict() for part in parts])


def stored(database: Database, wards: gpd.GeoDataFrame, parts: list[Path]) -> None:
    """Wards and points in the database, the points without a ward."""
    layers = catalogue(settings().layers)
    rows = wards.assign(name=wards["code"], full_name=wards["code"], unit_type="ward")
    load(database.owner_dsn, layers, layers["wards"], [rows], Provenance("benchmark", "benchmark"))
    with psycopg.connect(database.owner_dsn) as conn:
        for part in parts:
            places = shapely.get_coordinates(gpd.read_parquet(part).geometry.to_numpy())
            conn.execute("CREATE TEMP TABLE IF NOT EXISTS place (x float8, y float8)")
            with conn.cursor() as cursor, cursor.copy("COPY place FROM STDIN") as copy:
                copy.write("\n".join(f"{x!r}\t{y!r}" for x, y in places.tolist()) + "\n")
        conn.execute(
            "INSERT INTO layers.bus_stops (id, code, name, geom)"
            " SELECT n, n, 'x', ST_SetSRID(ST_MakePoint(x, y), 4326)"
            " FROM (SELECT x, y, row_number() OVER () AS n FROM place) AS numbered"
        )
        conn.execute("DELETE FROM citymap.ward_assignment")


def in_database(wards: gpd.GeoDataFrame, parts: list[Path], count: int) -> Outcome:
    """The reassignment of a layer, as `citymap areas assign` does it: batches beside it, and the switch."""
    layers = catalogue(settings().layers)
    with cluster(layers) as (database, clock):
        stored(database, wards, parts)
        spent = clock.spent(lambda: _assigned(database, layers["bus_stops"]))
        with psycopg.connect(database.owner_dsn) as conn:
            found = conn.execute("SELECT ward_code, count(*) FROM layers.bus_stops WHERE ward_code <> '' GROUP BY 1")
            return Outcome("CityMap in PostGIS, batches and switch", count, spent, dict(found.fetchall()))


def _assigned(database: Database, layer: Layer) -> None:
    with psycopg.connect(database.owner_dsn, autocommit=True) as conn:
        print(reassign_pending(conn, [layer]))


def timed(clock: Clock, name: str, points: int, deed: Callable[[], Counts]) -> Outcome:
    """One contender."""
    counts: list[Counts] = []
    spent = clock.spent(lambda: counts.append(deed()))
    print(f"{name}: {spent}", flush=True)
    return Outcome(name, points, spent, counts[0])


def outside(wards: Path, parts: list[Path], count: int, workers: int, *, slow: bool) -> list[Outcome]:
    """The contenders without a database. slow: geopandas too."""
    sedona, dask = (importlib.util.find_spec(name) is not None for name in ("sedonadb", "dask"))
    with cluster(catalogue(settings().layers)) as (_, clock):
        made = []
        if slow:
            made.append(timed(clock, "geopandas.sjoin", count, lambda: by_geopandas(wards, parts)))
        if sedona:
            each = lambda: summed([by_sedona(wards, part) for part in parts])  # noqa: E731
            made.append(timed(clock, "SedonaDB over GeoParquet", count, each))
        if sedona and dask:
            name = f"the same, mapped by Dask over {workers} processes"
            made.append(timed(clock, name, count, lambda: by_dask(wards, parts, workers)))
    return made


def page(outcomes: list[Outcome]) -> str:
    """The figures as a page of the documentation."""
    wards = len(outcomes[0].counts)
    rows = "\n".join(
        f"| {o.name} | {o.points:,} | {o.spent.wall:.1f} | {o.spent.client + o.spent.server:.1f}"
        f" | {1e6 * (o.spent.client + o.spent.server) / o.points:.1f} | {sum(o.counts.values()):,} |"
        for o in outcomes
    )
    return f"""# How fast points get their ward

Written by `benchmarks/wards.py`: points in the boxes of {wards} wards, the same for all in one run; all found the same
number in every ward. Processors' time is that of the program with its processes, and of PostgreSQL. The database
reads stored features, keeps their old wards for readers until all switch at once, and keeps its counts by ward. On two
cores that others used at the same time: compare the processors' time rather than the seconds.

| | points | seconds | of processors | µs a point | found in a ward |
| --- | ---: | ---: | ---: | ---: | ---: |
{rows}
"""


def agree(outcomes: list[Outcome]) -> None:
    """Ends the benchmark where two contenders found different wards for the same points."""
    for one in outcomes:
        first = next(other for other in outcomes if other.points == one.points)
        if one.counts != first.counts:
            raise SystemExit(f"{one.name} and {first.name} do not agree")


def main() -> None:
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-write", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="citymap-wards-", dir="/var/tmp"))
    try:
        wards, outcomes = outlines(real=True), []
        for count, small in ((given.points, True), (given.batch, False)):
            parts = written(wards, count, folder) if count else []
            if parts and sum(pq.read_metadata(part).num_rows for part in parts) != count:
                raise SystemExit("points were lost on the way")
            outcomes += [in_database(wards, parts, count)] if small and parts else []
            outcomes += outside(folder / "wards.parquet", parts, count, given.workers, slow=small) if parts else []
    finally:
        shutil.rmtree(folder)
    agree(outcomes)
    print(page(outcomes)) if given.no_write else PAGE.write_text(page(outcomes), encoding="utf-8")


if __name__ == "__main__":
    main()
