"""An answer of a hot path, and how it goes onto the wire: HEAD, ETag and 304, coding, the headers of every answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mapserver.bodies import packed
from mapserver.coding import (
    KEPT,
    ONCE,
    STREAMED,
    STREAMED_TYPES,
    Coding,
    coding,
    digest,
    etag,
    matches,
    named,
    worth_packing,
)

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
_RANGE = re.compile(r"^bytes=([0-9]{1,18})-([0-9]{0,18})$")
VARY = "Accept, Accept-Encoding, Accept-Language, Authorization"


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
    tag: str = ""
    """The ETag, where it is known before the body: made of the version of what was asked, and of the question."""
    packed: dict[Coding, bytes] | None = None
    """Where a body that is kept has its packed forms."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Status, headers, and a body that comes in pieces; nobody knows its length or its tag before the end."""

    status: int
    pieces: AsyncIterator[bytes]
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


async def streamed(stream: Stream, scope: Scope, receive: Receive, send: Send) -> None:
    """Sends a body piece by piece, packed as the client takes it, for as long as the client is there."""
    headers = {**ALWAYS, "vary": VARY, "cache-control": "no-cache", "content-type": stream.media_type}
    headers |= {name.lower(): value for name, value in stream.headers.items()}
    chosen = coding(header(scope, b"accept-encoding"), STREAMED) if stream.media_type in STREAMED_TYPES else "identity"
    if chosen != "identity":
        headers["content-encoding"] = chosen
    await send({"type": "http.response.start", "status": stream.status, "headers": _raw(headers)})
    left = asyncio.create_task(_left(receive))
    try:
        async for piece in packed(stream.pieces, chosen):
            if left.done():
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        left.cancel()


async def _left(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def header(scope: Scope, name: bytes) -> str | None:
    """A request header's value, the first of that name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


async def sent(answer: Answer, scope: Scope, send: Send) -> None:
    """Sends the answer as this request may have it: 304, packed, or without its body."""
    headers = {"vary": VARY, **{k.lower(): v for k, v in answer.headers.items()}}
    if answer.media_type:
        headers["content-type"] = answer.media_type
    body, status = answer.body, answer.status
    if status == 200:
        tag = answer.tag or (f"{answer.stamp}.{digest(body)}" if answer.stamp else digest(body))
        packing = answer.compress and worth_packing(body, answer.media_type)
        coded = coding(header(scope, b"accept-encoding")) if packing else "identity"
        headers |= {"etag": etag(tag, coded), "cache-control": headers.get("cache-control", "no-cache")}
        if matches(header(scope, b"if-none-match"), tag):
            status, body = 304, b""
            headers.pop("content-type", None)
            headers["etag"] = named(header(scope, b"if-none-match"), tag) or headers["etag"]
        elif coded != "identity":
            body = _coded(answer, coded)
            headers["content-encoding"] = coded
    if status == 200 and scope["method"] == "GET" and "content-encoding" not in headers:
        status, body = partial(header(scope, b"range"), body, headers)
    if status not in (204, 304):
        headers["content-length"] = str(len(body))
    start = {"type": "http.response.start", "status": status, "headers": [*_ALWAYS_RAW, *_raw(headers)]}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _coded(answer: Answer, coded: Coding) -> bytes:
    """The body in a coding; one that is kept is packed harder, and once."""
    if answer.packed is None:
        return ONCE[coded](answer.body)
    if coded not in answer.packed:
        answer.packed[coded] = KEPT[coded](answer.body)
    return answer.packed[coded]


def unchanged(scope: Scope, tag: str) -> bool:
    """Whether the client has what this tag names."""
    return matches(header(scope, b"if-none-match"), tag)


def partial(wanted: str | None, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and bytes of the one range that is wanted (GDAL's vsicurl reads so); any other wish gets the whole."""
    headers["accept-ranges"] = "bytes"
    asked = _RANGE.match(wanted or "")
    if asked is None or (asked[2] and int(asked[2]) < int(asked[1])):
        return 200, body
    start, end = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
    if start > end:
        headers["content-range"] = f"bytes */{len(body)}"
        return 416, b""
    headers["content-range"] = f"bytes {start}-{end}/{len(body)}"
    return 206, body[start : end + 1]


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items() if value]


_ALWAYS_RAW = _raw(ALWAYS)
