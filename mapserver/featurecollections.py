"""Feature collections as texts, streamed: how many there are and what they are, out of one picture of the database.

A head, the features as COPY gives them, a tail; memory stays flat however many there are. Door-neutral: whoever asks
says how the head reads and which statement gives the members."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from mapserver import extracts, statements
from mapserver.downloads import address, escaping, pieces, rights
from mapserver.query import Caller, ItemsQuery
from mapserver.statements import Statement

MOST = 2**62
"""A limit that is none."""


@dataclass(frozen=True, slots=True)
class Page:
    """How many features a question has, and how many of them are given from where on."""

    query: ItemsQuery
    matched: int | None
    offset: int
    returned: int | None
    """None when nobody counted: as many as there are, up to the limit."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a collection is written. members: the statement of a page's members, up to a limit (None means all)."""

    head: Callable[[tuple[Page, ...]], bytes]
    members: Callable[[ItemsQuery, int | None], Statement]
    tail: bytes
    opened: Callable[[Page], bytes] = lambda page: b""
    """What stands before the members of each question, where there are several."""
    closed: bytes = b""
    between: bytes = b""
    """What stands between two members."""


@dataclass(slots=True)
class Collection:
    """The answer to one or several questions. limit and offset: over all of them together."""

    dsn: str
    caller: Caller
    queries: tuple[ItemsQuery, ...]
    shape: Shape
    limit: int | None = None
    offset: int = 0
    counted: bool = False
    """Whether the head tells how many there are."""
    hits: bool = False
    """Only the head and the tail."""
    _cancel: Callable[[], None] | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[bytes]:
        with psycopg.connect(address(self.dsn)) as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._cancel = conn.cancel
            escaped = escaping(conn)
            conn.execute(rights(self.caller, escaped).encode())
            yield from pieces(self._body(conn, escaped))

    def cancel(self) -> None:
        """Ends the statement that runs, if any; from any thread."""
        if self._cancel is not None:
            with suppress(Exception):  # it may be over this very moment
                self._cancel()

    def _body(self, conn: psycopg.Connection[Any], escaped: Callable[[bytes], bytes]) -> Iterator[bytes]:
        pages = self._pages(conn, escaped)
        yield self.shape.head(pages)
        first = True
        for page in () if self.hits else pages:
            yield self.shape.opened(page)
            for member in self._members(conn, escaped, page):
                yield member if first else self.shape.between + member
                first = False
            yield self.shape.closed
        yield self.shape.tail

    def _pages(self, conn: psycopg.Connection[Any], escaped: Callable[[bytes], bytes]) -> tuple[Page, ...]:
        """The part of each question that is given; they are counted where the head tells, or where several share."""
        if not self.counted and len(self.queries) == 1:
            return (Page(self.queries[0], None, self.offset, None),)
        offset, left, out = self.offset, MOST if self.limit is None else self.limit, []
        for query in self.queries:
            matched = _counted(conn, extracts.literal(statements.count(query, self.caller), escaped))
            returned = 0 if self.hits else max(0, min(left, matched - offset))
            out.append(Page(query, matched, offset, returned))
            offset, left = max(0, offset - matched), left - returned
        return tuple(out)

    def _members(self, conn: psycopg.Connection[Any], escaped: Callable[[bytes], bytes], page: Page) -> Iterator[bytes]:
        if page.returned == 0:
            return
        most = self.limit if page.returned is None else page.returned
        asked = extracts.literal(self.shape.members(replace(page.query, offset=page.offset), most), escaped)
        with conn.cursor() as cursor, cursor.copy(f"COPY ({asked}) TO STDOUT".encode()) as copy:
            for row in copy:
                # the texts have no control characters, so that a backslash is all that COPY's form has doubled
                yield bytes(row).rstrip(b"\n").replace(b"\\\\", b"\\")


def _counted(conn: psycopg.Connection[Any], sql: str) -> int:
    row = conn.execute(sql.encode()).fetchone()
    return int(row[0]) if row else 0
