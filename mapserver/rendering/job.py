"""What a drawing process is given, and how both sides write it on a pipe."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from mapserver.mapview import Frame, Shot

Form = Literal["png", "jpeg", "webp"]
Colour = tuple[int, int, int]
HERE, GLYPHS = "file://citymap-files", "file://citymap-glyphs"
"""What stands in a style where the process puts the folders of its files and of its glyphs."""
LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a picture, in pixels from its top left corner."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Job:
    """One picture. style: MapLibre JSON; files: by path below HERE; onto: the frame that the shot is warped into."""

    style: str
    shot: Shot
    form: Form
    files: Mapping[str, bytes] = field(default_factory=dict)
    onto: Frame | None = None
    background: Colour | None = None
    """What stands behind the picture; None leaves it transparent."""
    windows: tuple[Window, ...] = ()
    """The pieces that are wanted; none means the whole."""


def packed(job: Job) -> bytes:
    """A job as it goes to a process of ours."""
    body = pickle.dumps(job, protocol=5)
    return LENGTH.pack(len(body)) + body


def unpacked(stream: BinaryIO) -> Job | None:
    """The next job on a stream; None at its end."""
    length = stream.read(LENGTH.size)
    if len(length) < LENGTH.size:
        return None
    body = stream.read(LENGTH.unpack(length)[0])
    job: Job = pickle.loads(body)
    return job


def answer(pictures: tuple[bytes, ...], fault: str = "") -> bytes:
    """What a process says: a fault in words, and the pictures, each with its length."""
    parts = [fault.encode(), *pictures]
    body = b"".join(LENGTH.pack(len(part)) + part for part in parts)
    return LENGTH.pack(len(body)) + body


def answered(body: bytes) -> tuple[str, tuple[bytes, ...]]:
    """(fault, pictures) of an answer, without its length. Raises ValueError for anything else."""
    parts, place = [], 0
    while place < len(body):
        if place + LENGTH.size > len(body):
            raise ValueError("a length is cut off")
        (size,) = LENGTH.unpack_from(body, place)
        place += LENGTH.size
        parts.append(body[place : place + size])
        place += size
    if place != len(body) or not parts:
        raise ValueError("an answer is cut off")
    return parts[0].decode(), tuple(parts[1:])
