"""Asks PostGIS, as the caller, and gives back libpq results without a Python object a row.

One question is one round trip and one implicit transaction. A connection knows whose rights it holds; where the next
caller's are others, they are set in the same pipeline, before the statement, and after any fault anew. Refuses to queue
for ever: beyond `MAX_WAITING` questions, or after `MAX_WAIT_S`, a caller is told to come again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGconn, PGresult

from mapserver.errors import Busy, NotReady
from mapserver.query import Caller
from mapserver.statements import Statement

MAX_WAITING = 256
MAX_WAIT_S = 10.0
MAX_PREPARED = 400
"""Prepared statements a connection keeps; questions of a new shape beyond that are asked unprepared."""
STATEMENT_TIMEOUT_MS = 30_000
_RIGHTS = (
    "SELECT set_config('role', $1, false), set_config('citymap.caller', $2, false),"
    " set_config('citymap.writes', $3, false)"
)
_CANCELLED = b"57014"


class StoreError(Exception):
    """PostgreSQL refused a statement; `sqlstate` says how. A fault of ours unless a door knows better."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate
        self.message = message


@dataclass(frozen=True, slots=True)
class Rows:
    """A result: values as bytes, in the form they were asked for."""

    result: PGresult

    def __len__(self) -> int:
        return self.result.ntuples

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.result.nfields

    @property
    def address(self) -> int | None:
        """Where libpq keeps the result."""
        address: int | None = getattr(self.result, "pgresult_ptr")  # noqa: B009  psycopg's Protocol leaves it out
        return address

    def __iter__(self) -> Iterator[tuple[bytes | None, ...]]:
        value, columns = self.result.get_value, range(self.result.nfields)
        for row in range(self.result.ntuples):
            yield tuple(value(row, column) for column in columns)

    def value(self, row: int = 0, column: int = 0) -> bytes | None:
        return self.result.get_value(row, column)

    def column(self, column: int, rows: int) -> list[bytes | None]:
        """The first `rows` values of one column."""
        value = self.result.get_value
        return [value(row, column) for row in range(rows)]


class Store:
    """A pool of connections of one worker, driven by its event loop."""

    def __init__(self, dsn: str, *, size: int = 8, read_only: bool = True) -> None:
        only = "on" if read_only else "off"
        options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c default_transaction_read_only={only}"
        self._dsn = make_conninfo(dsn, options=options, application_name="citymap")
        self._free: asyncio.LifoQueue[_Connection | None] = asyncio.LifoQueue()
        self._waiting = 0
        for _ in range(size):
            self._free.put_nowait(None)

    async def fetch(self, caller: Caller, statement: Statement, *, role: str | None = None) -> Rows:
        """The statement's rows, asked with the caller's rights. Raises Busy, NotReady or StoreError."""
        return (await self.fetch_all(caller, (statement,), role=role))[0]

    async def fetch_all(
        self, caller: Caller, statements: Sequence[Statement], *, role: str | None = None
    ) -> list[Rows]:
        """The rows of several statements in one round trip and one implicit transaction: all stand, or none."""
        connection = await self._taken()
        try:
            rows = await connection.fetch(caller, statements, role or caller.role)
        except (StoreError, Busy):
            self._free.put_nowait(connection)
            raise
        except BaseException:
            connection.abandon()
            self._free.put_nowait(None)
            raise
        self._free.put_nowait(connection)
        return rows

    async def close(self) -> None:
        """Closes the idle connections."""
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                connection.close()

    async def _taken(self) -> _Connection:
        connection = await self._place()
        if connection is not None and connection.alive:
            return connection
        try:
            return _Connection(await _connected(self._dsn))
        except BaseException:
            self._free.put_nowait(None)
            raise

    async def _place(self) -> _Connection | None:
        if not self._free.empty():
            return self._free.get_nowait()
        if self._waiting >= MAX_WAITING:
            raise Busy("", f"{MAX_WAITING} questions are already waiting")
        self._waiting += 1
        try:
            return await asyncio.wait_for(self._free.get(), MAX_WAIT_S)
        except TimeoutError as error:
            raise Busy("", f"no database connection was free within {MAX_WAIT_S:.0f} s") from error
        finally:
            self._waiting -= 1


class _Connection:
    """One libpq connection in pipeline mode. Its socket is always listened to: an end is heard of when it comes."""

    def __init__(self, connection: PGconn) -> None:
        self._pg = connection
        self._loop = asyncio.get_running_loop()
        self._prepared: set[bytes] = set()
        self._rights: tuple[bytes, ...] | None = None
        self._answered: asyncio.Future[None] | None = None
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._socket = self._pg.socket
        self._loop.add_reader(self._socket, self._heard)

    @property
    def alive(self) -> bool:
        return bool(self._pg.status == pq.ConnStatus.OK)

    def _heard(self) -> None:
        """Takes what has come; wakes who waits when an answer is whole, or when the connection is at its end."""
        fault: Exception | None = None
        try:
            self._pg.consume_input()
        except Exception as error:
            fault = error
        if self._pg.status != pq.ConnStatus.OK:
            self._loop.remove_reader(self._socket)
            fault = fault or NotReady("", "the database ended the connection")
        waiting = self._answered
        if waiting is None or waiting.done():
            return
        if fault is not None:
            waiting.set_exception(fault)
        elif not self._pg.is_busy():
            waiting.set_result(None)

    async def fetch(self, caller: Caller, statements: Sequence[Statement], role: str) -> list[Rows]:
        rights = (role.encode(), caller.name.encode(), ",".join(sorted(caller.writes)).encode())
        asked = [*statements] if rights == self._rights else [Statement(_RIGHTS, rights), *statements]
        self._rights = None  # until the whole pipeline has gone well
        new: list[bytes | None] = []
        for statement in asked:
            new.append(self._send(statement, queued=new))
        self._pg.pipeline_sync()
        answers = self._answers(new, await self._results())
        failed = next((r for r in answers if r.status == pq.ExecStatus.FATAL_ERROR), None)
        if failed is None:
            self._rights = rights
            return [Rows(result) for result in answers[-len(statements) :]]
        raise _refusal(failed)

    def _send(self, statement: Statement, queued: Sequence[bytes | None]) -> bytes | None:
        """Queues a statement; gives the name it is newly prepared under, if it is. queued: names before it."""
        name = _name(statement.sql)
        if name in self._prepared or name in queued:
            self._pg.send_query_prepared(name, statement.arguments, result_format=pq.Format.BINARY)
            return None
        if len(self._prepared) >= MAX_PREPARED:
            self._pg.send_query_params(statement.sql.encode(), statement.arguments, result_format=pq.Format.BINARY)
            return None
        self._pg.send_prepare(name, statement.sql.encode())
        self._pg.send_query_prepared(name, statement.arguments, result_format=pq.Format.BINARY)
        return name

    def _answers(self, new: Sequence[bytes | None], results: Sequence[PGresult]) -> list[PGresult]:
        """The result of each statement; of one that could not be prepared, the refusal.

        What was prepared stays so, even where the pipeline failed: PostgreSQL does not undo it."""
        left, out = iter(results), list[PGresult]()
        for name in new:
            result = next(left)
            if name is not None:
                done = next(left)
                if result.status == pq.ExecStatus.COMMAND_OK:
                    self._prepared.add(name)
                    result = done
            out.append(result)
        return out

    async def _results(self) -> list[PGresult]:
        """Every result up to the end of the pipeline."""
        out: list[PGresult] = []
        await self._flushed()
        while True:
            if self._pg.is_busy():
                self._answered = self._loop.create_future()
                await self._answered
            result = self._pg.get_result()
            if result is None:
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return out
            out.append(result)

    async def _flushed(self) -> None:
        while self._pg.flush():
            await _ready(self._loop, self._socket, write=True)

    def abandon(self) -> None:
        """Stops what the server is doing for us (the client left) and closes."""
        try:
            if self._pg.status == pq.ConnStatus.OK:
                self._pg.get_cancel().cancel()
        finally:
            self.close()

    def close(self) -> None:
        if self._pg.status == pq.ConnStatus.OK:
            self._loop.remove_reader(self._socket)
        self._pg.finish()


@lru_cache(MAX_PREPARED)
def _name(sql: str) -> bytes:
    """The name that a statement is prepared under."""
    return hashlib.blake2b(sql.encode(), digest_size=12).hexdigest().encode()


async def _connected(dsn: str) -> PGconn:
    connection = pq.PGconn.connect_start(dsn.encode())
    loop = asyncio.get_running_loop()
    while (state := connection.connect_poll()) not in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
        await _ready(loop, connection.socket, write=state == pq.PollingStatus.WRITING)
    if state == pq.PollingStatus.FAILED:
        message = connection.error_message.decode(errors="replace").strip()
        connection.finish()
        raise NotReady("", f"the database cannot be reached: {message}")
    return connection


async def _ready(loop: asyncio.AbstractEventLoop, socket: int, *, write: bool) -> None:
    """Returns when the socket can be read (or written)."""
    done = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    add(socket, _fulfil, done)
    try:
        await done
    finally:
        remove(socket)


def _fulfil(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _refusal(failed: PGresult) -> Exception:
    sqlstate = failed.error_field(pq.DiagnosticField.SQLSTATE) or b""
    message = (failed.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    if sqlstate == _CANCELLED:
        return Busy("", f"the question took longer than {STATEMENT_TIMEOUT_MS // 1000} s; ask for less of it")
    return StoreError(sqlstate.decode(), message)
