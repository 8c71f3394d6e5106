"""The built page, its files and the glyphs, out of memory: each chosen encoding was packed at build time.

Knows files and HTTP headers; refuses what was not built, in words."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mapserver.coding import Coding, coding, digest

ENCODINGS: Mapping[Coding, str] = {"br": ".br", "gzip": ".gz"}
"""Content codings in order of preference, and the ending of a file packed so."""

PAGE, HASHED, GLYPHS = "no-cache", "public, max-age=31536000, immutable", "public, max-age=604800"
"""Cache-Control: the page is asked for again each time (a 304 mostly), hashed names never change."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One built file. bodies: by content coding, `identity` always among them."""

    media_type: str
    cache_control: str
    bodies: Mapping[Coding, bytes]
    etag: str
    """Without quotes and without the coding's suffix."""

    def coding(self, accept_encoding: str | None) -> Coding:
        """The best coding the client takes and this file has."""
        return coding(accept_encoding, [name for name in ENCODINGS if name in self.bodies])


def assets(folder: Path) -> dict[str, Asset]:
    """Every built file by its path below the folder; empty when nothing was built."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in ENCODINGS.values())
    named = ((path.relative_to(folder).as_posix(), path) for path in files)
    return {name: _asset(name, path) for name, path in named if not path.name.startswith(".")}


def asset(name: str, body: bytes) -> Asset:
    """A file that was made here and is small enough to go as it is."""
    return Asset(_media_type(name), _cache_control(name), {"identity": body}, digest(body))


def _asset(name: str, path: Path) -> Asset:
    body = path.read_bytes()
    packed = {coded: path.with_name(path.name + ending) for coded, ending in ENCODINGS.items()}
    bodies = {name: file.read_bytes() for name, file in packed.items() if file.exists()}
    return Asset(_media_type(name), _cache_control(name), {**bodies, "identity": body}, digest(body))


def _media_type(name: str) -> str:
    known = {".pbf": "application/x-protobuf", ".woff2": "font/woff2", ".js": "text/javascript; charset=utf-8"}
    ending = Path(name).suffix
    return known.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _cache_control(name: str) -> str:
    if name.startswith("glyphs/"):
        return GLYPHS
    return HASHED if name.startswith("map/assets/") else PAGE
