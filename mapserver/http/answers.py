"""An answer of a hot path, and how it goes onto the wire: HEAD, ETag and 304, gzip, the headers of every answer."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mapserver.negotiation import preferences

Scope = Mapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]

ALWAYS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Content-Crs, Content-Language, ETag, Link, Location, Retry-After",
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
}
"""On every answer, errors too."""
VARY = "Accept, Accept-Encoding, Accept-Language, Authorization"
LEAST_COMPRESSED = 1024
"""Smaller bodies are sent as they are (bytes)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and the whole body."""

    status: int
    body: bytes = b""
    media_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    compress: bool = True
    stamp: str = ""
    """Version of what is stored, with which the ETag begins; If-Match looks at nothing else."""


def header(scope: Scope, name: bytes) -> str | None:
    """A request header's value, the first of that name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


async def sent(answer: Answer, scope: Scope, send: Send) -> None:
    """Sends the answer as this request may have it: 304, compressed, or without its body."""
    tagged = scope["method"] in ("GET", "HEAD") and answer.status == 200
    etag = _etag(answer) if tagged else None
    headers = {**ALWAYS, "vary": VARY, **{k.lower(): v for k, v in answer.headers.items()}}
    if answer.media_type:
        headers["content-type"] = answer.media_type
    body, status = answer.body, answer.status
    if etag:
        headers["etag"] = etag
        headers.setdefault("cache-control", "no-cache")
    if etag and _known(header(scope, b"if-none-match"), etag):
        status, body = 304, b""
        headers.pop("content-type", None)
    elif answer.compress and len(body) >= LEAST_COMPRESSED and accepts_gzip(header(scope, b"accept-encoding")):
        body = gzip(body)
        headers["content-encoding"] = "gzip"
        headers["etag"] = etag[:-1] + '-gzip"' if etag else ""
    if status not in (204, 304):
        headers["content-length"] = str(len(body))
    start = {"type": "http.response.start", "status": status, "headers": _raw(headers)}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _etag(answer: Answer) -> str:
    digest = hashlib.blake2b(answer.body, digest_size=12).hexdigest()
    return f'"{answer.stamp}.{digest}"' if answer.stamp else f'"{digest}"'


def accepts_gzip(header: str | None) -> bool:
    """Whether the client takes gzip: named with q > 0, or by `*`."""
    weights = dict(reversed(preferences(header or "")))
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def gzip(body: bytes) -> bytes:
    """Level 1: larger levels cost several times the CPU for a tenth of the size."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    return squeeze.compress(body) + squeeze.flush()


def _known(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/").replace('-gzip"', '"') for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items() if value]
