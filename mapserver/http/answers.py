"""An answer of a hot path, and how it goes onto the wire: HEAD, ETag and 304, coding, the headers of every answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mapserver.coding import ONCE, coding, digest, etag, matches, worth_packing

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
    """Sends the answer as this request may have it: 304, packed, or without its body."""
    headers = {**ALWAYS, "vary": VARY, **{k.lower(): v for k, v in answer.headers.items()}}
    if answer.media_type:
        headers["content-type"] = answer.media_type
    body, status = answer.body, answer.status
    if status == 200:
        tag = f"{answer.stamp}.{digest(body)}" if answer.stamp else digest(body)
        packing = answer.compress and worth_packing(body, answer.media_type)
        coded = coding(header(scope, b"accept-encoding")) if packing else "identity"
        headers |= {"etag": etag(tag, coded), "cache-control": headers.get("cache-control", "no-cache")}
        if matches(header(scope, b"if-none-match"), tag):
            status, body = 304, b""
            headers.pop("content-type", None)
        elif coded != "identity":
            body = ONCE[coded](body)
            headers["content-encoding"] = coded
    if status not in (204, 304):
        headers["content-length"] = str(len(body))
    start = {"type": "http.response.start", "status": status, "headers": _raw(headers)}
    await send(start)
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items() if value]
