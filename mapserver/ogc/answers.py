"""Answers of this door: tagged, compressed once and kept, sent whole, as 304 or without a body."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from mapserver.coding import KEPT, ONCE, Coding, coding, digest, etag, matches, worth_packing

MOST_KEPT = 2000
"""Documents that a worker keeps; the one unused for longest goes first."""


@dataclass(frozen=True, slots=True)
class Body:
    """A representation, and what is computed only once about it. packed: by coding, filled when asked for."""

    plain: bytes
    media_type: str
    headers: Mapping[str, str]
    tag: str
    packed: dict[Coding, bytes] = field(default_factory=dict)
    kept: bool = True

    def coded(self, wanted: Coding) -> bytes:
        """The body in a coding."""
        if wanted == "identity":
            return self.plain
        if wanted not in self.packed:
            self.packed[wanted] = (KEPT if self.kept else ONCE)[wanted](self.plain)
        return self.packed[wanted]


def body(plain: bytes, media_type: str, headers: Mapping[str, str] | None = None, *, kept: bool = True) -> Body:
    """A body with its tag. kept: it will be sent often, and is packed harder."""
    return Body(plain, media_type, headers or {}, digest(plain), kept=kept)


def response(request: Request, said: Body) -> Response:
    """The body as this request may have it."""
    packing = worth_packing(said.plain, said.media_type)
    coded = coding(request.headers.get("accept-encoding")) if packing else "identity"
    headers = {"cache-control": "no-cache", "etag": etag(said.tag, coded)}
    headers |= {name.lower(): value for name, value in said.headers.items()}
    if matches(request.headers.get("if-none-match"), said.tag):
        return Response(status_code=304, headers=headers)
    sent = said.coded(coded)
    if coded != "identity":
        headers["content-encoding"] = coded
    headers |= {"content-type": said.media_type, "content-length": str(len(sent))}
    return Response(b"" if request.method == "HEAD" else sent, headers=headers)


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
