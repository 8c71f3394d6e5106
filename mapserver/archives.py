"""Tiles in one file, for offline use: MBTiles 1.3 (SQLite) and PMTiles 3 (one file on any web server).

Tiles come in any order, gzipped, as both formats want vector tiles. A file is whole or not there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from mapserver.coding import KEPT
from mapserver.errors import BadQuery
from mapserver.layer import Column, Layer
from mapserver.query import Box

APPLICATION_ID = 0x4D504258
"""What `file` knows an MBTiles by."""
_KINDS = {"integer": "Number", "number": "Number", "boolean": "Boolean"}
_SCHEMA = """
    CREATE TABLE metadata (name text PRIMARY KEY, value text);
    CREATE TABLE tiles (
        zoom_level integer, tile_column integer, tile_row integer, tile_data blob,
        PRIMARY KEY (zoom_level, tile_column, tile_row)
    ) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself. layers: of MBTiles' `vector_layers`."""

    name: str
    description: str
    attribution: str
    box: Box
    zooms: range
    layers: tuple[Mapping[str, Any], ...]


class Archive(Protocol):
    """A file that is being written."""

    def add(self, z: int, x: int, y: int, tile: bytes) -> None: ...
    def finish(self, about: About) -> None: ...


def vector_layer(layer: Layer, columns: tuple[Column, ...], further: tuple[str, ...], zooms: range) -> dict[str, Any]:
    """A layer as both formats describe it. further: names of numbers besides the layer's own columns."""
    fields = {column.name: _KINDS.get(column.type, "String") for column in columns}
    return {
        "id": layer.name,
        "description": layer.title.vi,
        "minzoom": zooms.start,
        "maxzoom": zooms.stop - 1,
        "fields": fields | dict.fromkeys(further, "Number"),
    }


@contextmanager
def written(file: Path) -> Iterator[Archive]:
    """A new file of the format that its name tells. Raises BadQuery for any other, or one that is there."""
    kinds = {".pmtiles": _pmtiles, ".mbtiles": _mbtiles}
    if file.suffix not in kinds:
        raise BadQuery("FILE", f"{file.name} ends in neither {' nor '.join(kinds)}")
    if file.exists():
        raise BadQuery("FILE", f"{file} is there already; choose another name")
    if not file.parent.is_dir():
        raise BadQuery("FILE", f"there is no folder {file.parent}")
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        with kinds[file.suffix](unfinished) as archive:
            yield archive
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


class _MBTiles:
    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        conn.executescript(f"PRAGMA application_id = {APPLICATION_ID};{_SCHEMA}")

    def add(self, z: int, x: int, y: int, tile: bytes) -> None:
        row = 2**z - 1 - y  # rows are counted from the south
        self._conn.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", (z, x, row, KEPT["gzip"](tile)))

    def finish(self, about: About) -> None:
        box, middle = about.box, _middle(about.box)
        said = {
            "name": about.name,
            "format": "pbf",
            "bounds": f"{box.west},{box.south},{box.east},{box.north}",
            "center": f"{middle[0]},{middle[1]},{about.zooms.start}",
            "minzoom": str(about.zooms.start),
            "maxzoom": str(about.zooms.stop - 1),
            "attribution": about.attribution,
            "description": about.description,
            "type": "overlay",
            "version": "1",
            "json": json.dumps({"vector_layers": about.layers}, ensure_ascii=False),
        }
        self._conn.executemany("INSERT INTO metadata VALUES (?, ?)", said.items())
        self._conn.commit()


class _PMTiles:
    def __init__(self, file: BinaryIO) -> None:
        self._writer = Writer(file)  # type: ignore[no-untyped-call]

    def add(self, z: int, x: int, y: int, tile: bytes) -> None:
        self._writer.write_tile(zxy_to_tileid(z, x, y), KEPT["gzip"](tile))  # type: ignore[no-untyped-call]

    def finish(self, about: About) -> None:
        box, middle = about.box, _middle(about.box)
        e7 = {name: round(value * 1e7) for name, value in (
            ("min_lon_e7", box.west), ("min_lat_e7", box.south), ("max_lon_e7", box.east), ("max_lat_e7", box.north),
            ("center_lon_e7", middle[0]), ("center_lat_e7", middle[1]),
        )}  # fmt: skip
        header = {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP, "center_zoom": about.zooms.start}
        said = {"name": about.name, "description": about.description, "attribution": about.attribution}
        said_of_all = {**said, "type": "overlay", "vector_layers": about.layers}
        self._writer.finalize({**header, **e7}, said_of_all)  # type: ignore[no-untyped-call]


@contextmanager
def _mbtiles(file: Path) -> Iterator[Archive]:
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as conn:
        yield _MBTiles(conn)


@contextmanager
def _pmtiles(file: Path) -> Iterator[Archive]:
    with file.open("wb") as opened:
        yield _PMTiles(opened)


def _middle(box: Box) -> tuple[float, float]:
    return (box.west + box.east) / 2, (box.south + box.north) / 2
