"""What the ingest tests share: four square wards, rows of every layer type, and looking at what a load left behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
import shapely

from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.loading import Provenance, Report, load
from mapserver.reading import opened, rows

WEST, SOUTH, EDGE = 106.6, 10.7, 0.1
CENTRE = (106.65, 10.75)
"""A place in the ward A."""
PROVENANCE = Provenance("test", "tester")


def squares() -> gpd.GeoDataFrame:
    """Wards A, B (east of it), C (north of it), D: squares that share their borders."""
    boxes = [
        shapely.box(WEST + x * EDGE, SOUTH + y * EDGE, WEST + (x + 1) * EDGE, SOUTH + (y + 1) * EDGE)
        for y in (0, 1)
        for x in (0, 1)
    ]
    names = list("ABCD")
    columns = {"code": names, "name": names, "full_name": names, "unit_type": ["ward"] * 4}
    return gpd.GeoDataFrame(columns, geometry=boxes, crs=4326)


def schools(count: int = 5, first: int = 1) -> gpd.GeoDataFrame:
    """Good rows of the layer `schools`, in ward A."""
    ids = np.arange(first, first + count)
    columns = {
        "source_id": [f"S{i}" for i in ids],
        "name": [f"Trường Tiểu học số {i}" for i in ids],
        "kind": ["school"] * count,
        "level": ["primary"] * count,
        "pupils": [100 + int(i) for i in ids],
    }
    places = shapely.points(CENTRE[0] + (ids % 50) * 1e-4, CENTRE[1] + (ids % 40) * 1e-4)
    return gpd.GeoDataFrame(columns, geometry=places, crs=4326)


def parks(shapes: Iterable[Any]) -> gpd.GeoDataFrame:
    """Rows of the layer `parks` with the given outlines."""
    shapes = list(shapes)
    ids = [f"P{i}" for i in range(1, len(shapes) + 1)]
    return gpd.GeoDataFrame({"source_id": ids, "name": ids, "class": ["park"] * len(ids)}, geometry=shapes, crs=4326)


def loaded(
    database: Database, layers: Catalogue, name: str, frames: Iterable[pd.DataFrame] | pd.DataFrame, **options: Any
) -> Report:
    """Load frames (or one) into a layer."""
    stream = [frames] if isinstance(frames, pd.DataFrame) else frames
    return load(database.owner_dsn, layers, layers[name], stream, options.pop("provenance", PROVENANCE), **options)


def loaded_file(database: Database, layers: Catalogue, name: str, path: Path | str, **options: Any) -> Report:
    """Load a file into a layer, as `citymap ingest` does with a script that says `rows`."""
    given = {key: options.pop(key) for key in ("crs", "encoding", "sheet") if key in options}
    with opened(path, layers[name], **given) as source:
        options.setdefault("provenance", Provenance(source.name, "tester"))
        return loaded(database, layers, name, named(rows(source), source.name), **options)


def named(frames: Iterable[pd.DataFrame], source: str) -> Iterator[pd.DataFrame]:
    """Frames that bear their source's name."""
    for frame in frames:
        frame.attrs["source"] = source
        yield frame


def asked(database: Database, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of a query, as the owner sees them."""
    with psycopg.connect(database.owner_dsn) as conn:
        return conn.execute(query.encode(), values).fetchall()


def content(database: Database, name: str) -> list[tuple[Any, ...]]:
    """Everything a layer holds, to be compared before and after."""
    return asked(database, f"SELECT to_jsonb(t) FROM layers.{name} AS t ORDER BY id")
