"""Rows of the database straight into GeoJSON and vector tiles, by the small C library that set-up builds.

Optional: without it, or where it refuses (a curve, an infinite time, a number that it cannot round for sure), the same
answer is asked in SQL. The bytes of features are the same either way."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import pq

from mapserver.rowstatements import Shape
from mapserver.store import Rows

BUILT = Path(sys.prefix) / "lib" / "citymap-encoder.so"
VERSION = 2
"""The library's, as encoder.c says it; one that was built before is left alone."""
_LIBPQ = ("PQntuples", "PQnfields", "PQgetvalue", "PQgetlength", "PQgetisnull")
_SIZE = ctypes.c_size_t


@dataclass(frozen=True, slots=True)
class Thinned:
    """How a tile is thinned. grid: units that places are rounded to, and that one small feature has to itself;
    most: bytes at which features end."""

    grid: int
    most: int


WHOLE = Thinned(1, 2**62)


class _Libpq(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in _LIBPQ]


class Encoder:
    """The C library, loaded."""

    def __init__(self, library: ctypes.CDLL, libpq: ctypes.CDLL) -> None:
        self._libpq = _Libpq(*(ctypes.cast(getattr(libpq, name), ctypes.c_void_p) for name in _LIBPQ))
        self._pointer = ctypes.byref(self._libpq)
        self._geojson, self._tile, self._free = library.encoder_geojson, library.encoder_tile, library.encoder_free
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        given: list[Any] = [pointer, ctypes.POINTER(_Libpq), text, text]
        self._geojson.argtypes = [*given, *[number] * 4, _SIZE, ctypes.POINTER(_SIZE), ctypes.POINTER(number)]
        self._tile.argtypes = [*given, text, *[number] * 6, _SIZE, ctypes.POINTER(_SIZE)]
        self._geojson.restype = self._tile.restype = pointer
        self._free.argtypes, self._free.restype = [pointer], None

    def features(
        self, rows: Rows, shape: Shape, limit: int, most: int, *, decimals: int, swap: bool, backward: bool
    ) -> tuple[bytes, int] | None:
        """The first `limit` rows as features joined by commas, and how many they are; None when it refuses.

        One at least, and else no more than `most` bytes. backward: the last of them comes first."""
        length, kept = _SIZE(), ctypes.c_int()
        found = self._geojson(
            rows.address, self._pointer, shape.kinds, shape.keys, limit, decimals, swap, backward, most,
            ctypes.byref(length), ctypes.byref(kept),
        )  # fmt: skip
        return None if found is None else (self._taken(found, length), kept.value)

    def tile(
        self,
        rows: Rows,
        shape: Shape,
        name: str,
        zxy: tuple[int, int, int],
        *,
        buffer: int,
        mercator: bool,
        thinned: Thinned = WHOLE,
    ) -> bytes | None:
        """The rows as the one layer of a vector tile; empty when nothing is in it, None when it refuses."""
        length = _SIZE()
        found = self._tile(
            rows.address, self._pointer, shape.kinds, shape.keys, name.encode(), *zxy, buffer, mercator,
            thinned.grid, thinned.most, ctypes.byref(length),
        )  # fmt: skip
        return None if found is None else self._taken(found, length)

    def _taken(self, found: int, length: ctypes.c_size_t) -> bytes:
        try:
            return ctypes.string_at(found, length.value)
        finally:
            self._free(found)


def encoder(built: Path = BUILT) -> Encoder | None:
    """The encoder that set-up built, or None."""
    libpq = _libpq()
    if libpq is None or not built.exists():
        return None
    try:
        library = ctypes.CDLL(str(built))
        return Encoder(library, libpq) if library.encoder_version() == VERSION else None
    except (OSError, AttributeError):
        return None


def _libpq() -> ctypes.CDLL | None:
    """The libpq that psycopg's results come from: the one in its wheel; None where it took another."""
    wheel = Path(pq.__file__).resolve().parents[2] / "psycopg_binary.libs"
    found = sorted(wheel.glob("libpq-*"))
    return ctypes.CDLL(str(found[0])) if pq.__impl__ == "binary" and found else None
