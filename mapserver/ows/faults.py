"""What goes wrong, as the OWS standards tell it: one fault, and the report that each service and version has for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape, quoteattr

from mapserver.errors import (
    BadFeature,
    BadQuery,
    Busy,
    CityMapError,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    NotReady,
    NoVersion,
    Stale,
    TooLarge,
    Unauthorized,
    UnsupportedMedia,
)


class Code(StrEnum):
    """Exception codes of OWS Common 1.1 (table 25), of WFS 2.0 (table 3) and of WMS 1.3.0 (table E.1)."""

    INVALID = "InvalidParameterValue"
    MISSING = "MissingParameterValue"
    UNSUPPORTED = "OperationNotSupported"
    NEGOTIATION = "VersionNegotiationFailed"
    OPTION = "OptionNotSupported"
    GENERAL = "NoApplicableCode"
    PARSING = "OperationParsingFailed"
    PROCESSING = "OperationProcessingFailed"
    NOT_FOUND = "NotFound"
    INVALID_VALUE = "InvalidValue"
    LAYER = "LayerNotDefined"
    STYLE = "StyleNotDefined"
    FORMAT = "InvalidFormat"
    CRS_111 = "InvalidSRS"
    CRS = "InvalidCRS"
    POINT = "InvalidPoint"
    NOT_QUERYABLE = "LayerNotQueryable"
    DIMENSION = "InvalidDimensionValue"
    MISSING_DIMENSION = "MissingDimensionValue"
    TILE = "TileOutOfRange"


class OwsFault(CityMapError):
    """A fault that an OWS exception report tells: its code, the parameter it is about, and what would be right."""

    status, title = 400, "This OWS request cannot be answered"

    def __init__(self, code: Code, locator: str, detail: str) -> None:
        super().__init__(locator, detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Report:
    """An exception report as it is sent."""

    status: int
    body: bytes
    media_type: str


_KINDS: tuple[tuple[type[CityMapError], Code], ...] = (
    (BadQuery, Code.INVALID),
    (NotFound, Code.INVALID),
    (BadFeature, Code.PROCESSING),
    (MethodNotAllowed, Code.UNSUPPORTED),
    (TooLarge, Code.PARSING),
    (UnsupportedMedia, Code.PARSING),
    (Stale, Code.PROCESSING),
    (NoVersion, Code.PROCESSING),
    (Unauthorized, Code.GENERAL),
    (Forbidden, Code.GENERAL),
    (Busy, Code.GENERAL),
    (NotReady, Code.GENERAL),
)


def code_of(error: CityMapError) -> Code:
    """The code that an error of the house is told under."""
    if isinstance(error, OwsFault):
        return error.code
    return next((code for kind, code in _KINDS if isinstance(error, kind)), Code.GENERAL)


def status(error: CityMapError) -> int:
    """The HTTP status: the error's own; 404 for what is not there (WFS 2.0.2, table D.2)."""
    return 404 if code_of(error) is Code.NOT_FOUND else error.status


def headers(error: CityMapError) -> dict[str, str]:
    """Headers that belong to the error."""
    match status(error):
        case 401:
            return {"WWW-Authenticate": 'Basic realm="citymap", Bearer realm="citymap"'}
        case 503:
            return {"Retry-After": "2"}
    return {}


def told(error: CityMapError) -> str:
    """The error in words, with every fault of a feature."""
    faults = error.faults if isinstance(error, BadFeature) else ()
    return "; ".join([str(error), *(f"{pointer}: {detail}" for pointer, detail in faults)])


def report(service: str, version: str, error: CityMapError) -> Report:
    """The report of a service (`WFS`, `WMS`, `WMTS`) in a version, with the error's own HTTP status."""
    if (service, version) == ("WFS", "1.0.0"):
        return _service_report(error, "1.2.0", "http://www.opengis.net/ogc", "text/xml")
    if (service, version) == ("WMS", "1.1.1"):
        return _service_report(error, "1.1.1", "", "application/vnd.ogc.se_xml")
    if service == "WMS":
        return _service_report(error, "1.3.0", "http://www.opengis.net/ogc", "text/xml")
    if (service, version) == ("WFS", "1.1.0"):
        return _ows_report(error, "1.0.0", "http://www.opengis.net/ows")
    return _ows_report(error, "2.0.0" if service == "WFS" else "1.0.0", "http://www.opengis.net/ows/1.1")


def _service_report(error: CityMapError, version: str, namespace: str, media_type: str) -> Report:
    """`ServiceExceptionReport` of WMS and of WFS 1.0.0."""
    within = f" xmlns={quoteattr(namespace)}" if namespace else ""
    locator = f" locator={_attribute(error.where)}" if error.where else ""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ServiceExceptionReport version="{version}"{within}>'
        f'<ServiceException code="{code_of(error)}"{locator}>{_text(told(error))}</ServiceException>'
        f"</ServiceExceptionReport>"
    )
    return Report(status(error), body.encode(), media_type)


def _ows_report(error: CityMapError, version: str, namespace: str) -> Report:
    """`ExceptionReport` of OWS Common."""
    locator = f" locator={_attribute(error.where)}" if error.where else ""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ows:ExceptionReport xmlns:ows="{namespace}" version="{version}">'
        f'<ows:Exception exceptionCode="{code_of(error)}"{locator}>'
        f"<ows:ExceptionText>{_text(told(error))}</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
    )
    return Report(status(error), body.encode(), "text/xml")


def printable(text: str) -> str:
    """Text without what XML 1.0 cannot hold, such as an echo of a client's control characters and lone surrogates."""
    return "".join(c if c in "\t\n\r" or " " <= c < "\ud800" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "?"
                   for c in text)  # fmt: skip


def _text(text: str) -> str:
    return escape(printable(text))


def _attribute(text: str) -> str:
    return quoteattr(printable(text))
