"""The family of errors a client or an operator can be told.

Every error carries its status and title on the class and is rendered once, at the door, as RFC 9457
`application/problem+json`. A message names the parameter (or file, row, column) and says what would be right."""

from __future__ import annotations

from typing import ClassVar


class CityMapError(Exception):
    """Base of all errors that are told to people; `where` names the parameter, file or key at fault."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong here"

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(f"{where}: {detail}" if where else detail)
        self.where = where
        self.detail = detail

    @classmethod
    def kind(cls) -> str:
        """The stable last segment of the problem type, e.g. `bad-query`; one docs section per kind."""
        name = cls.__name__
        return "".join(("-" if c.isupper() and i else "") + c.lower() for i, c in enumerate(name))


class BadQuery(CityMapError):
    status, title = 400, "This layer cannot answer that"


class Unauthorized(CityMapError):
    status, title = 401, "Say who you are"


class Forbidden(CityMapError):
    status, title = 403, "Not with this right"


class NotFound(CityMapError):
    status, title = 404, "There is no such thing here"


class MethodNotAllowed(CityMapError):
    status, title = 405, "Not with this method"

    def __init__(self, where: str, detail: str, allow: tuple[str, ...]) -> None:
        super().__init__(where, detail)
        self.allow = allow


class NotAcceptable(CityMapError):
    status, title = 406, "No representation that you accept"


class Gone(CityMapError):
    status, title = 410, "Not kept any more"


class Stale(CityMapError):
    status, title = 412, "Somebody changed it meanwhile"


class TooLarge(CityMapError):
    status, title = 413, "Too large"


class UnsupportedMedia(CityMapError):
    status, title = 415, "Not a media type this takes"


class NoVersion(CityMapError):
    status, title = 428, "Say which version you change"


class BadFeature(CityMapError):
    """A feature sent for writing that breaks what its layer promises; `faults` are (JSON pointer, message)."""

    status, title = 422, "This feature cannot be stored"

    def __init__(self, where: str, detail: str, faults: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(where, detail)
        self.faults = faults


class NotAdditive(CityMapError):
    """A median, a rank or a share of an unknown base: no sum, and so nothing that other boundaries could be given."""

    status, title = 422, "This does not add up"


class Busy(CityMapError):
    status, title = 503, "Too much at once; try again"


class NotReady(CityMapError):
    status, title = 503, "Not ready yet"


class NotDrawn(CityMapError):
    status, title = 503, "The picture was not drawn"


class NoRenderer(CityMapError):
    status, title = 501, "This machine draws no pictures"


class BadCatalogue(CityMapError):
    """The layer files do not agree with themselves or with the database; the server does not start."""

    status, title = 500, "The catalogue is not right"


class BadLoad(CityMapError):
    """A load that was refused as a whole; the layer keeps its old content."""

    status, title = 422, "This could not be loaded"


class BadSetup(CityMapError):
    """The machine, the settings or the database cannot carry the server."""

    status, title = 500, "The set-up is not right"
