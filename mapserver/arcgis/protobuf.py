"""`f=pbf`: a feature collection in Esri's protocol buffers, written by hand: it is a dozen fields of one message.

Field numbers are those of FeatureCollection.proto in github.com/Esri/arcgis-pbf (2021, version of 49a5e11a)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mapserver.arcgis.words import parts

GEOMETRY_TYPES = {
    "esriGeometryPoint": 0, "esriGeometryMultipoint": 1, "esriGeometryPolyline": 2, "esriGeometryPolygon": 3,
}  # fmt: skip
FIELD_TYPES = {
    "esriFieldTypeSmallInteger": 0, "esriFieldTypeInteger": 1, "esriFieldTypeDouble": 3, "esriFieldTypeString": 4,
    "esriFieldTypeDate": 5, "esriFieldTypeOID": 6,
}  # fmt: skip
_SQL_OTHER = 16
_VARINT, _FIXED64, _BYTES = 0, 1, 2
MOST = 2**30
"""Steps of the grid that coordinates are written on, either way of its origin: they are 32-bit integers."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid that coordinates are rounded to. upper: y counts downward from the origin, as Esri's screens do."""

    x: float
    y: float
    step: float
    upper: bool = True

    def at(self, position: list[float]) -> tuple[int, int]:
        """A position in steps of the grid."""
        down = self.y - position[1] if self.upper else position[1] - self.y
        return round((position[0] - self.x) / self.step), round(down / self.step)


def grid(shapes: list[dict[str, Any]], finest: float) -> Grid:
    """A grid that holds all shapes, as fine as wanted or as 32 bits allow. finest: in units of the CRS."""
    positions = [position for shape in shapes for part in parts(shape) for position in part]
    if not positions:
        return Grid(0.0, 0.0, finest)
    xs, ys = [position[0] for position in positions], [position[1] for position in positions]
    span = max(max(xs) - min(xs), max(ys) - min(ys))
    return Grid(min(xs), max(ys), max(finest, span / MOST))


def features(told: dict[str, Any], plane: Grid) -> bytes:
    """The answer to a query. told: the answer as JSON has it."""
    kind = GEOMETRY_TYPES.get(told.get("geometryType", ""), 0)
    names = [field["name"] for field in told["fields"]]
    result = b"".join([
        _text(1, told["objectIdFieldName"]),
        _message(2, _text(1, told["objectIdFieldName"]) + _number(2, 1)),
        _number(7, kind) if "geometryType" in told else b"",
        _message(8, _reference(told["spatialReference"])) if "spatialReference" in told else b"",
        _number(9, 1) if told.get("exceededTransferLimit") else b"",
        _message(12, _transform(plane)) if "geometryType" in told else b"",
        *(_message(13, _field(field)) for field in told["fields"]),
        *(_message(15, _feature(feature, names, kind, plane)) for feature in told["features"]),
    ])  # fmt: skip
    return _whole(_message(1, result))


def count(number: int) -> bytes:
    """The answer to `returnCountOnly`."""
    return _whole(_message(2, _number(1, number)))


def ids(field: str, numbers: list[int]) -> bytes:
    """The answer to `returnIdsOnly`."""
    return _whole(_message(3, _text(1, field) + _field_bytes(3, b"".join(map(_varint, numbers)))))


def _whole(result: bytes) -> bytes:
    return _text(1, "") + _message(2, result)


def _reference(reference: dict[str, int]) -> bytes:
    return _number(1, reference["wkid"]) + _number(2, reference["latestWkid"])


def _transform(plane: Grid) -> bytes:
    scale = _double(1, plane.step) + _double(2, plane.step)
    translate = _double(1, plane.x) + _double(2, plane.y)
    return _number(1, 0 if plane.upper else 1) + _message(2, scale) + _message(3, translate)


def _field(field: dict[str, Any]) -> bytes:
    kind = FIELD_TYPES[field["type"]]
    return _text(1, field["name"]) + _number(2, kind) + _text(3, field["alias"]) + _number(4, _SQL_OTHER)


def _feature(feature: dict[str, Any], names: list[str], kind: int, plane: Grid) -> bytes:
    values = b"".join(_message(1, _value(feature["attributes"].get(name))) for name in names)
    shape = feature.get("geometry")
    return values + (_message(2, _geometry(shape, kind, plane)) if shape else b"")


def _value(value: Any) -> bytes:
    """One value; an empty message where there is none."""
    match value:
        case None:
            return b""
        case str():
            return _field_bytes(1, value.encode())
        case int() if abs(value) < 2**53:
            return _tag(8, _VARINT) + _varint(_zigzag(value))
        case _:
            return _double(3, float(value))


def _geometry(shape: dict[str, Any], kind: int, plane: Grid) -> bytes:
    """Coordinates as steps from the one before, beginning anew with each part."""
    lists = parts(shape)
    steps, lengths = list[int](), list[int]()
    for part in lists:
        lengths.append(len(part))
        x = y = 0
        for position in part:
            at = plane.at(position)
            steps += (_zigzag(at[0] - x), _zigzag(at[1] - y))
            x, y = at
    coords = _field_bytes(3, b"".join(map(_varint, steps)))
    told = b"" if kind == 0 else _field_bytes(2, b"".join(map(_varint, lengths)))
    return _number(1, kind) + told + coords


# The wire format (protobuf.dev/programming-guides/encoding)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _tag(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _number(field: int, number: int) -> bytes:
    return _tag(field, _VARINT) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _tag(field, _FIXED64) + struct.pack("<d", number if math.isfinite(number) else 0.0)


def _field_bytes(field: int, content: bytes) -> bytes:
    return _tag(field, _BYTES) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _field_bytes(field, text.encode())


def _message(field: int, parts: bytes | Iterable[bytes]) -> bytes:
    return _field_bytes(field, parts if isinstance(parts, bytes) else b"".join(parts))
