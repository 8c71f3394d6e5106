"""Bodies that are written in threads of their own and given out in pieces, with flat memory.

Few are written at once; who waits too long is told to come again. A client that leaves ends the statement behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Protocol

from mapserver.coding import STREAMED, Coding
from mapserver.errors import Busy, CityMapError
from mapserver.refusals import refused

AT_ONCE = 4
"""Bodies that one worker writes at the same time."""
MAX_WAIT_S = 10.0


class Source(Protocol):
    """What writes one body, in a thread."""

    def __iter__(self) -> Iterator[bytes]: ...
    def cancel(self) -> None:
        """Ends the statement that runs, if any; from any thread."""


class Bodies:
    """The bodies being written by one worker."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="body")
        self._places = asyncio.Semaphore(AT_ONCE)

    async def begun(self, source: Source) -> AsyncIterator[bytes]:
        """The pieces of a body, the first already made: what fails, fails before anything is sent."""
        await self._place()
        try:
            pieces = iter(source)
            first = await self._next(source, pieces)
        except BaseException:
            self._places.release()
            raise
        return self._pieces(source, pieces, first)

    async def _pieces(self, source: Source, pieces: Iterator[bytes], first: bytes | None) -> AsyncIterator[bytes]:
        try:
            piece = first
            while piece is not None:
                yield piece
                piece = await self._next(source, pieces)
        finally:
            self._places.release()
            source.cancel()
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, _close, pieces))

    async def _next(self, source: Source, pieces: Iterator[bytes]) -> bytes | None:
        """The next piece, None at the end. When the one who waits is gone, its statement is ended."""
        coming = asyncio.get_running_loop().run_in_executor(self._threads, _told, pieces)
        try:
            return await asyncio.shield(coming)
        except asyncio.CancelledError:
            source.cancel()
            raise

    async def _place(self) -> None:
        try:
            await asyncio.wait_for(self._places.acquire(), MAX_WAIT_S)
        except TimeoutError as error:
            raise Busy("", f"{AT_ONCE} files are being written; none was done within {MAX_WAIT_S:.0f} s") from error


async def packed(pieces: AsyncIterator[bytes], coding: Coding) -> AsyncIterator[bytes]:
    """The pieces in a content coding; closes them when nobody takes any more."""
    async with aclosing(pieces):  # type: ignore[type-var]
        if coding == "identity":
            async for piece in pieces:
                yield piece
            return
        packer = STREAMED[coding]()
        async for piece in pieces:
            if some := packer.compress(piece):
                yield some
        yield packer.flush()


def _told(pieces: Iterator[bytes]) -> bytes | None:
    """The next piece; what the database refused, in words."""
    try:
        return next(pieces, None)
    except CityMapError:
        raise
    except Exception as error:
        sqlstate = getattr(error, "sqlstate", None) or ""
        raise refused(str(sqlstate), " ".join(str(error).split())) from error


def _close(pieces: Iterator[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close:
        close()
