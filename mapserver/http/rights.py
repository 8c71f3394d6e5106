"""Who is asking: `Authorization: Bearer TOKEN` becomes a Caller, through every door; so does `Basic` with the token as
password, for programs on desks (MapInfo Pro, ArcGIS Pro, Excel) that know nothing else.

A token is looked up by its SHA-256; an answer is trusted for a second, so a revoked token is dead a second later."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time

from mapserver import statements
from mapserver.errors import Unauthorized
from mapserver.query import ANYONE, Caller
from mapserver.store import Store

TRUSTED_S = 1.0
_KEPT = 1024


class Rights:
    """Callers by token, of one worker."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[float, Caller | None]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        """The caller of a request. Raises Unauthorized for anything but nothing or a live token."""
        if authorization is None:
            return ANYONE
        secret = _secret(authorization)
        if not secret:
            raise Unauthorized("Authorization", "needs the form `Bearer TOKEN`, or `Basic` with the token as password")
        caller = await self._of(hashlib.sha256(secret.encode("latin-1", "replace")).hexdigest())
        if caller is None:
            raise Unauthorized("Authorization", "this token is not known here, or was revoked")
        return caller

    async def _of(self, digest: str) -> Caller | None:
        now = time.monotonic()
        kept = self._known.get(digest)
        if kept and now - kept[0] < TRUSTED_S:
            return kept[1]
        rows = list(await self._store.fetch(ANYONE, statements.token(digest), role="none"))
        caller = _caller(rows[0]) if rows else None
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[digest] = (now, caller)
        return caller


def _secret(authorization: str) -> str:
    """The token in a header; empty when there is none. The user's name of `Basic` does not matter."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given.strip(), validate=True).decode("latin-1").partition(":")[2].strip()
    except (binascii.Error, ValueError):
        return ""


def _caller(row: tuple[bytes | None, ...]) -> Caller:
    name, writes, insider = ((value or b"").decode() for value in row)
    return Caller(name, insider == "true", frozenset(writes.split(",")) - {""})
