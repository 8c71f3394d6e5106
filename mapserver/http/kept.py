"""Documents that the application behind has rendered, kept as bytes for a moment and sent without it.

Only what a door says may be kept, for nobody in particular: a request with a token always goes behind."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mapserver.coding import KEEP, matches
from mapserver.http.answers import Receive, Scope, Send, header

KEEP_S = 1.0
"""A kept document is made again after this long: what it tells of may have changed."""
MOST_KEPT = 1000
DECISIVE = frozenset((b"host", b"accept", b"accept-language", b"accept-encoding", b"x-forwarded-proto"))
"""Request headers that an answer may depend on; one with a token is never kept."""
_BODILY = (b"content-type", b"content-length", b"content-encoding")

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Key = tuple[object, ...]


@dataclass(slots=True)
class Document:
    """An answer on its way through; its door says whether it may be kept, and under which tag."""

    tag: str = ""
    start: Mapping[str, Any] = field(default_factory=dict)
    body: bytes = b""
    until: float = 0.0

    def hear(self, message: Mapping[str, Any]) -> None:
        """Takes a message of the answer; the body of what is no document may be large, and passes by."""
        if message["type"] == "http.response.start":
            self.start = message
        elif self.tag:
            self.body += message.get("body", b"")


class Kept:
    """The kept documents of one worker."""

    def __init__(self, behind: App) -> None:
        self._behind = behind
        self._documents: OrderedDict[Key, Document] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key(scope)
        if key is None:
            await self._behind(scope, receive, send)
            return
        document = self._documents.get(key)
        if document is None:
            await self._behind_heard(key, scope, receive, send)
        elif document.until > time.monotonic():
            await _sent(document, scope, send)
        else:
            await self._again(key, scope, receive, send)

    async def _behind_heard(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and keeps its answer, if that is a document; a 304 says at least that it is one."""
        made = Document()

        async def heard(message: Mapping[str, Any]) -> None:
            made.hear(message)
            await send(message)

        await self._behind({**scope, KEEP: made}, receive, heard)
        self._keep(key, made)

    async def _again(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Has a document made again, whole, whatever this client has of it."""
        made, messages = Document(), list[Mapping[str, Any]]()

        async def heard(message: Mapping[str, Any]) -> None:
            made.hear(message)
            messages.append(message)

        headers = [pair for pair in scope["headers"] if pair[0] != b"if-none-match"]
        await self._behind({**scope, "headers": headers, KEEP: made}, receive, heard)
        if self._keep(key, made):
            await _sent(made, scope, send)
            return
        self._documents.pop(key, None)
        for message in messages:
            await send(message)

    def _keep(self, key: Key, made: Document) -> bool:
        """Keeps what may be kept; whether it can be sent again."""
        if not made.tag:
            return False
        whole = made.start.get("status") == 200
        made.until = time.monotonic() + KEEP_S if whole else 0.0
        self._documents[key] = made
        while len(self._documents) > MOST_KEPT:
            self._documents.popitem(last=False)
        return whole


def _key(scope: Scope) -> Key | None:
    """Everything that an answer may depend on; None for a request whose answer is never kept."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    decisive = []
    for pair in scope["headers"]:
        if pair[0] == b"authorization":
            return None
        if pair[0] in DECISIVE:
            decisive.append(pair)
    return scope.get("scheme"), scope["path"], scope.get("raw_path"), scope["query_string"], *decisive


async def _sent(document: Document, scope: Scope, send: Send) -> None:
    asked = header(scope, b"if-none-match")
    if asked is None or not matches(asked, document.tag):
        await send(document.start)
        await send({"type": "http.response.body", "body": document.body})
        return
    headers = [pair for pair in document.start["headers"] if pair[0] not in _BODILY]
    await send({"type": "http.response.start", "status": 304, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
