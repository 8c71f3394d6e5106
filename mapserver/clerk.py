"""Where features are written: a small pool of connections that may write, as the clerk, with the caller's rights.

Every door that takes edits asks here, so that rights and refusals cannot differ between them."""

from __future__ import annotations

from collections.abc import Sequence

from mapserver.errors import BadFeature, Forbidden, MethodNotAllowed, Unauthorized
from mapserver.layer import Layer
from mapserver.query import Caller
from mapserver.statements import Statement
from mapserver.store import Rows, Store, StoreError

ROLE = "citymap_clerk"
READS = ("GET", "HEAD", "OPTIONS")
_INSUFFICIENT_PRIVILEGE, _UNIQUE_VIOLATION = "42501", "23505"

Row = tuple[bytes, str]
"""An edited feature as JSON, and its stamp."""


def permitted(layer: Layer, caller: Caller) -> None:
    """Raises MethodNotAllowed, Unauthorized or Forbidden when this caller may not write the layer."""
    if not layer.writable:
        raise MethodNotAllowed("method", f"{layer.name} is not written through the API", READS)
    if not caller.name:
        raise Unauthorized("Authorization", f"writing {layer.name} needs a token: `citymap token add`")
    if layer.name not in caller.writes:
        raise Forbidden("Authorization", f"the token {caller.name} may not write {layer.name}")


class Clerk:
    """The pool of one worker. dsn: the database as the web workers' role."""

    def __init__(self, dsn: str) -> None:
        self._store = Store(dsn, size=2, read_only=False)

    async def rows(self, caller: Caller, statement: Statement) -> list[Row]:
        """The rows of one edit. Raises Forbidden, or BadFeature for a key that is taken."""
        return (await self.all_rows(caller, (statement,)))[0]

    async def all_rows(self, caller: Caller, edits: Sequence[Statement]) -> list[list[Row]]:
        """The rows of several edits in one transaction: all of them are done, or none."""
        try:
            done = await self._store.fetch_all(caller, edits, role=ROLE)
        except StoreError as error:
            if error.sqlstate == _INSUFFICIENT_PRIVILEGE:
                raise Forbidden("Authorization", f"the token {caller.name} may not do that") from error
            if error.sqlstate == _UNIQUE_VIOLATION:
                raise BadFeature("body", "another feature has this key already") from error
            raise
        return [_pairs(rows) for rows in done]

    async def close(self) -> None:
        """Closes the pool."""
        await self._store.close()


def _pairs(rows: Rows) -> list[Row]:
    return [(body or b"", (stamp or b"").decode()) for body, stamp in rows]
