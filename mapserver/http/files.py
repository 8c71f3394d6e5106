"""A selection as a file: negotiated like any representation, written in threads of its own, sent in pieces."""

from __future__ import annotations

from mapserver.bodies import Bodies
from mapserver.downloads import Download
from mapserver.errors import BadQuery
from mapserver.formats import FORMATS, Format, offered
from mapserver.http.answers import Answer, Stream
from mapserver.layer import Language
from mapserver.query import Caller, ItemsQuery


class Files:
    """The files of one worker. dsn: the database as the web workers' role."""

    def __init__(self, dsn: str, bodies: Bodies) -> None:
        self._dsn, self._bodies = dsn, bodies

    async def file(self, query: ItemsQuery, caller: Caller, form: str, limit: int | None, language: Language) -> Stream:
        """The file of a selection, its first piece already made: what fails, fails before anything is sent."""
        made = FORMATS[form]
        if made not in offered(query.layer):
            raise BadQuery("f", f"{query.layer.name} has no geometry, which {form} is made for")
        pieces = await self._bodies.begun(Download(self._dsn, query, caller, made, limit, language))
        return Stream(200, pieces, _media_type(made), _headers(query, made))

    def head(self, query: ItemsQuery, form: str) -> Answer:
        """The headers of a file, without the file."""
        made = FORMATS[form]
        return Answer(200, b"", _media_type(made), _headers(query, made), compress=False)


def _media_type(made: Format) -> str:
    return f"{made.media_type}; charset=utf-8" if made.media_type == "text/csv" else made.media_type


def _headers(query: ItemsQuery, made: Format) -> dict[str, str]:
    return {
        "Content-Crs": f"<{query.crs.uri}>",
        "Content-Disposition": f'attachment; filename="{query.layer.name}.{made.suffix}"',
    }
