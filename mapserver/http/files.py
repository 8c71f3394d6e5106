"""A selection as a file: negotiated like any representation, written in threads of its own, sent in pieces.

Few files are written at once; who waits too long is told to come again. A client that leaves ends its statement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

from mapserver.downloads import Download
from mapserver.errors import BadQuery, Busy, CityMapError
from mapserver.formats import FORMATS, Format, offered
from mapserver.http import problems
from mapserver.http.answers import Answer, Stream
from mapserver.layer import Language
from mapserver.query import Caller, ItemsQuery

AT_ONCE = 4
"""Files that one worker writes at the same time."""
MAX_WAIT_S = 10.0


class Files:
    """The files of one worker. dsn: the database as the web workers' role."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="file")
        self._places = asyncio.Semaphore(AT_ONCE)

    async def file(self, query: ItemsQuery, caller: Caller, form: str, limit: int | None, language: Language) -> Stream:
        """The file of a selection, its first piece already made: what fails, fails before anything is sent."""
        made = FORMATS[form]
        if made not in offered(query.layer):
            raise BadQuery("f", f"{query.layer.name} has no geometry, which {form} is made for")
        download = Download(self._dsn, query, caller, made, limit, language)
        await self._place()
        try:
            pieces = iter(download)
            first = await self._next(download, pieces)
        except BaseException:
            self._places.release()
            raise
        return Stream(200, self._pieces(download, pieces, first), _media_type(made), _headers(query, made))

    def head(self, query: ItemsQuery, form: str) -> Answer:
        """The headers of a file, without the file."""
        made = FORMATS[form]
        return Answer(200, b"", _media_type(made), _headers(query, made), compress=False)

    async def _pieces(self, download: Download, pieces: Iterator[bytes], first: bytes | None) -> AsyncIterator[bytes]:
        try:
            piece = first
            while piece is not None:
                yield piece
                piece = await self._next(download, pieces)
        finally:
            self._places.release()
            download.cancel()
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, _close, pieces))

    async def _next(self, download: Download, pieces: Iterator[bytes]) -> bytes | None:
        """The next piece, None at the end. When the one who waits is gone, its statement is ended."""
        coming = asyncio.get_running_loop().run_in_executor(self._threads, _told, pieces)
        try:
            return await asyncio.shield(coming)
        except asyncio.CancelledError:
            download.cancel()
            raise

    async def _place(self) -> None:
        try:
            await asyncio.wait_for(self._places.acquire(), MAX_WAIT_S)
        except TimeoutError as error:
            raise Busy("", f"{AT_ONCE} files are being written; none was done within {MAX_WAIT_S:.0f} s") from error


def _media_type(made: Format) -> str:
    return f"{made.media_type}; charset=utf-8" if made.media_type == "text/csv" else made.media_type


def _headers(query: ItemsQuery, made: Format) -> dict[str, str]:
    return {
        "Content-Crs": f"<{query.crs.uri}>",
        "Content-Disposition": f'attachment; filename="{query.layer.name}.{made.suffix}"',
    }


def _told(pieces: Iterator[bytes]) -> bytes | None:
    """The next piece; what the database refused, in words."""
    try:
        return next(pieces, None)
    except CityMapError:
        raise
    except Exception as error:
        sqlstate = getattr(error, "sqlstate", None) or ""
        raise problems.refused(str(sqlstate), " ".join(str(error).split())) from error


def _close(pieces: Iterator[bytes]) -> None:
    close = getattr(pieces, "close", None)
    if close:
        close()
