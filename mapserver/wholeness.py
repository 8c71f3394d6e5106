"""Is a file all there? Drivers read one that was cut off as a shorter one and say nothing.

Formats whose end is checked by their reader (GeoPackage, Parquet, XLSX, ZIP, GeoJSON, FlatGeobuf) are not looked at."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mapserver.errors import BadLoad

MAP_BLOCK = 512
"""Bytes of a block of MapInfo's .map file."""


def whole(path: Path, name: str) -> None:
    """Raises BadLoad, naming the part, when a data set is shorter than it says."""
    check = _CHECKS.get(path.suffix.lower())
    for fault in check(path) if check else ():
        raise BadLoad(name, fault)


def pbf_faults(path: Path) -> Iterator[str]:
    """An OSM PBF file is a chain of blobs, each headed by its length."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            head = file.read(4)
            length = struct.unpack(">I", head)[0] if len(head) == 4 else size
            data = _blob_bytes(file.read(min(length, 1 << 16)))
            if data is None or at + 4 + length + data > size:
                yield f"is cut off: its last block, at byte {at:,} of {size:,}, is not whole; download it again"
                return
            at += 4 + length + data


def _blob_bytes(header: bytes) -> int | None:
    """Field 3 (datasize) of a BlobHeader message."""
    at = 0
    while at < len(header):
        tag, at = _varint(header, at)
        value, at = _varint(header, at)
        if tag == 3 << 3:
            return value
        at += value if tag & 7 == 2 else 0
    return None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            break
    return value, at


def _shapefile_faults(path: Path) -> Iterator[str]:
    for suffix, what in ((".shx", "the index"), (".dbf", "the attributes")):
        if _sibling(path, suffix) is None:
            yield f"lacks its {suffix} file ({what}); a Shapefile is at least .shp, .shx and .dbf together"
            return
    with path.open("rb") as file:
        said = struct.unpack(">I", file.read(28)[24:].ljust(4, b"\0"))[0] * 2
    if path.stat().st_size < said:
        yield f"is cut off: the .shp has {path.stat().st_size:,} of {said:,} bytes"
    yield from _table_faults(_sibling(path, ".dbf"))


def _tab_faults(path: Path) -> Iterator[str]:
    for suffix in (".dat", ".map", ".id"):
        if _sibling(path, suffix) is None:
            yield f"lacks its {suffix} file; a MapInfo table is .tab, .dat, .map and .id together"
            return
    table, index, shapes = _sibling(path, ".dat"), _sibling(path, ".id"), _sibling(path, ".map")
    yield from _table_faults(table)
    if index and table and index.stat().st_size < 4 * _records(table):
        yield f"is cut off: {index.name} has {index.stat().st_size // 4:,} of {_records(table):,} entries"
    if shapes and (shapes.stat().st_size % MAP_BLOCK or (index and _last_block(index) > shapes.stat().st_size)):
        yield f"is cut off: {shapes.name} ends in the middle"


def _last_block(index: Path) -> int:
    """Where the last object of a MapInfo table begins in its .map file."""
    entries = np.fromfile(index, "<u4")
    return int(entries.max()) + 1 if len(entries) else 0


def _mif_faults(path: Path) -> Iterator[str]:
    """The .mid file has a line for each object of the .mif file."""
    attributes = _sibling(path, ".mid")
    if attributes is None:
        yield "lacks its .mid file (the attributes)"
        return
    objects, lines = _mif_objects(path), sum(1 for line in attributes.open("rb") if line.strip())
    if objects != lines:
        yield f"is cut off: {objects:,} objects in {path.name}, {lines:,} lines in {attributes.name}"


def _mif_objects(path: Path) -> int:
    kinds = (b"none", b"point", b"line", b"pline", b"region", b"arc", b"text", b"rect", b"roundrect", b"ellipse",
             b"multipoint", b"collection")  # fmt: skip
    count, inside = 0, 0
    with path.open("rb") as file:
        for line in file:  # the header, in which a column may be called Point
            if line.strip().lower() == b"data":
                break
        for line in file:
            word = line.split(None, 2)[:2]
            if word and word[0].lower() in kinds:
                count += 1 if inside == 0 else 0
                inside = max(0, inside - 1)
                if word[0].lower() == b"collection":
                    inside = int(word[1])
    return count


def _table_faults(table: Path | None) -> Iterator[str]:
    """A dBASE table (.dbf, MapInfo's .dat) says how many records of what length it has."""
    if table is None:
        return
    with table.open("rb") as file:
        head = file.read(12).ljust(12, b"\0")
    records, start, length = struct.unpack("<IHH", head[4:12])
    size = table.stat().st_size
    if length and size < start + records * length:
        yield f"is cut off: {table.name} has {max(0, (size - start) // length):,} of {records:,} records"


def _records(table: Path) -> int:
    with table.open("rb") as file:
        return int(struct.unpack("<I", file.read(8)[4:].ljust(4, b"\0"))[0])


def _sibling(path: Path, suffix: str) -> Path | None:
    """The file of the same stem, whatever the case of its suffix."""
    near = (path.with_suffix(suffix), path.with_suffix(suffix.upper()))
    return next((file for file in near if file.exists()), None)


_CHECKS: dict[str, Callable[[Path], Iterator[str]]] = {
    ".pbf": pbf_faults,
    ".shp": _shapefile_faults,
    ".tab": _tab_faults,
    ".mif": _mif_faults,
}
