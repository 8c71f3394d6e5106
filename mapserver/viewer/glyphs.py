"""Glyph files as MapLibre asks for them: `<font stack>/<from>-<to>.pbf`, 256 code points each.

Knows the format (mapbox/node-fontnik, proto/glyphs.proto), not how glyphs are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

STACKS: Mapping[str, str] = {
    "Be Vietnam Pro Regular": "400-normal",
    "Be Vietnam Pro Medium": "500-normal",
    "Be Vietnam Pro SemiBold": "600-normal",
    "Be Vietnam Pro Italic": "400-italic",
}
"""Font stack as styles name it, and the weight and slope of its files."""

RANGES = tuple(f"{first}-{first + 255}" for first in range(0, 65536, 256))
"""Every range a client may ask for."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One drawn character. width, height, left, top, advance: pixels at 24 px to the em, the border not counted."""

    code: int
    width: int
    height: int
    left: int
    top: int
    advance: int
    field: bytes
    """(width + 6) x (height + 6) distances, row by row; empty for a blank."""


def empty(stack: str, span: str) -> bytes:
    """A range in which the font draws nothing: MapLibre takes it, where it would repeat a 404 for each tile."""
    return packed(stack, span, ())


def packed(stack: str, span: str, glyphs: Iterable[Glyph]) -> bytes:
    """The protocol buffer of a range (mapbox/node-fontnik, proto/glyphs.proto)."""
    members = b"".join(_block(3, _message(glyph)) for glyph in glyphs)
    return _block(1, _block(1, stack.encode()) + _block(2, span.encode()) + members)


def _message(glyph: Glyph) -> bytes:
    field = _block(2, glyph.field) if glyph.field else b""
    numbers = (
        (3, glyph.width),
        (4, glyph.height),
        (5, _zigzag(glyph.left)),
        (6, _zigzag(glyph.top)),
        (7, glyph.advance),
    )
    return _number(1, glyph.code) + field + b"".join(_number(tag, value) for tag, value in numbers)


def _block(tag: int, body: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(body)) + body


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
