"""Content codings and entity tags, the same for every door: which coding a client takes, packing, tags and their match.

zstd at level 3 is the cheapest for what it saves, then brotli at 4, then gzip at 1; what is kept is packed harder."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import brotli
import xxhash
import zstandard

from mapserver.negotiation import preferences

Coding = Literal["zstd", "br", "gzip", "identity"]
LEAST_PACKED = 1024
"""Smaller bodies are sent as they are (bytes)."""
PACKED_TYPES = ("text/", "application/", "image/svg")


def _gzip(level: int) -> Callable[[bytes], bytes]:
    def packed(body: bytes) -> bytes:
        squeeze = zlib.compressobj(level, zlib.DEFLATED, 31)
        return squeeze.compress(body) + squeeze.flush()

    return packed


def _zstd(level: int) -> Callable[[bytes], bytes]:
    return lambda body: zstandard.ZstdCompressor(level=level).compress(body)


def _brotli(quality: int) -> Callable[[bytes], bytes]:
    return lambda body: bytes(brotli.compress(body, quality=quality))


ONCE: dict[Coding, Callable[[bytes], bytes]] = {"zstd": _zstd(3), "br": _brotli(4), "gzip": _gzip(1)}
"""How a body that is sent once is packed, in order of preference."""
KEPT: dict[Coding, Callable[[bytes], bytes]] = {"zstd": _zstd(9), "br": _brotli(6), "gzip": _gzip(6)}
"""How a body that is kept and sent often is packed."""


KEEP = "citymap.document"
"""Where a request's scope has what wants to know the tag of an answer that may be kept for everybody."""


class Packer(Protocol):
    """Packs a body that comes in pieces."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


STREAMED: dict[Coding, Callable[[], Packer]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: zlib.compressobj(1, zlib.DEFLATED, 31),
}
"""How a body that comes in pieces is packed."""
STREAMED_TYPES = ("text/csv; charset=utf-8", "application/geo+json-seq")
"""Those of them that are not packed already."""


def coding(accept_encoding: str | None, offered: Iterable[Coding] = tuple(ONCE)) -> Coding:
    """The coding to send: the client's best weight, ours first among equals; `identity` when none is taken."""
    weights = dict(reversed(preferences(accept_encoding or "")))
    every = weights.get("*", 0.0)
    taken = [(weights.get(name, every), name) for name in offered if weights.get(name, every) > 0]
    return max(taken, key=lambda pair: pair[0])[1] if taken else "identity"


def worth_packing(body: bytes, media_type: str) -> bool:
    """Whether packing saves anything: pictures and small bodies are left alone."""
    return len(body) >= LEAST_PACKED and media_type.startswith(PACKED_TYPES)


def digest(body: bytes) -> str:
    """What the tag of a body is made of."""
    return xxhash.xxh3_128_hexdigest(body)


def etag(tag: str, coded: Coding) -> str:
    """The strong tag of one coding of a representation."""
    return f'"{tag}"' if coded == "identity" else f'"{tag}-{coded}"'


def named(if_none_match: str | None, tag: str) -> str | None:
    """The tag by which a client's `If-None-Match` names this representation, in any coding."""
    known = {etag(tag, coded) for coded in ("identity", *ONCE)}
    sent = (each.strip().removeprefix("W/") for each in (if_none_match or "").split(","))
    return next((each for each in sent if each in known), None)


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether a client's `If-None-Match` names this representation, in any coding."""
    if if_none_match is None:
        return False
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in tags or not tags.isdisjoint({etag(tag, coded) for coded in ("identity", *ONCE)})
