"""Answers of this door: tagged, compressed once and kept, sent whole, as 304 or without a body."""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from mapserver.negotiation import preferences

LEAST_COMPRESSED = 1024
"""Smaller bodies are sent as they are (bytes)."""
MOST_KEPT = 2000
"""Documents that a worker keeps; the one unused for longest goes first."""
_COMPRESSIBLE = ("text/", "application/", "image/svg")


@dataclass(frozen=True, slots=True)
class Body:
    """A representation with everything that is computed only once about it."""

    plain: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    packed: bytes | None = None
    etag: str = ""


def body(plain: bytes, media_type: str, headers: Mapping[str, str] | None = None, *, level: int = 6) -> Body:
    """A body with its tag and its compressed form."""
    squeezed = len(plain) >= LEAST_COMPRESSED and media_type.startswith(_COMPRESSIBLE)
    packed = _gzip(plain, level) if squeezed else None
    return Body(plain, media_type, headers or {}, packed, hashlib.blake2b(plain, digest_size=12).hexdigest())


def response(request: Request, said: Body) -> Response:
    """The body as this request may have it."""
    packed = said.packed is not None and _takes_gzip(request.headers.get("accept-encoding"))
    etag = f'"{said.etag}-gzip"' if packed else f'"{said.etag}"'
    headers = {"cache-control": "no-cache", "etag": etag, **{k.lower(): v for k, v in said.headers.items()}}
    if _known(request.headers.get("if-none-match"), said.etag):
        return Response(status_code=304, headers=headers)
    sent = said.packed if packed and said.packed is not None else said.plain
    if packed:
        headers["content-encoding"] = "gzip"
    headers |= {"content-type": said.media_type, "content-length": str(len(sent))}
    return Response(b"" if request.method == "HEAD" else sent, headers=headers)


def _takes_gzip(header: str | None) -> bool:
    weights = dict(reversed(preferences(header or "")))
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _known(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/").replace('-gzip"', '"') for tag in if_none_match.split(",")]
    return "*" in tags or f'"{etag}"' in tags


def _gzip(plain: bytes, level: int) -> bytes:
    squeeze = zlib.compressobj(level, zlib.DEFLATED, 31)
    return squeeze.compress(plain) + squeeze.flush()


class Shelf:
    """Documents of one worker, kept as long as nothing that they tell of has changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Body] = OrderedDict()
        self._version = ""

    async def get(self, key: Hashable, version: str, make: Callable[[], Awaitable[Body]]) -> Body:
        """The body of this key, made when it is not kept.

        key: everything that the body depends on. version: of the facts it tells; another one empties the shelf."""
        if version != self._version:
            self._kept.clear()
            self._version = version
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = await make()
        self._kept[key] = made
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return made
