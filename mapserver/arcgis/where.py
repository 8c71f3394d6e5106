"""`where` of a query: a safe subset of SQL-92, as the expression that CQL2 is read into.

What the two have in common is most of it: comparisons, AND, OR, NOT, LIKE, IN, BETWEEN, IS NULL, arithmetic, UPPER and
LOWER. Names in double quotes, the id's own name, and SQL's way to write times are put into CQL2's first. Nothing else
is known, so nothing else is let through."""

from __future__ import annotations

import re

from mapserver import cql2
from mapserver.arcgis.words import OID
from mapserver.cql2.expression import Expression
from mapserver.errors import BadQuery

EVERYTHING = re.compile(r"^\s*(?:\(?\s*1\s*=\s*1\s*\)?)?\s*$")
_TOKEN = re.compile(
    r"""(?P<time>\b(?:date|timestamp)\s+'[^']*')|(?P<text>N?'(?:[^']|'')*')|(?P<name>"[^"]*")|(?P<word>[^\W\d]\w*)""",
    re.IGNORECASE,
)
_MOMENT = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?Z?$", re.ASCII)


def where(text: str) -> Expression | None:
    """The expression of a `where`; None when it means everything. Raises BadQuery."""
    if EVERYTHING.match(text):
        return None
    try:
        return cql2.parsed(_TOKEN.sub(_token, text), "cql2-text")
    except BadQuery as error:
        raise BadQuery("where", error.detail) from error


def _token(found: re.Match[str]) -> str:
    text = found.group(0)
    match found.lastgroup:
        case "time":
            return _moment(text[text.index("'") + 1 : -1])
        case "text":
            return text.removeprefix("N").removeprefix("n")
        case "name":
            return "id" if text.strip('"').upper() == OID else text
    return "id" if text.upper() == OID else text


def _moment(text: str) -> str:
    """SQL's `timestamp '2025-07-01 08:00:00'`, in UTC as ArcGIS has it, and `date '2025-07-01'`."""
    found = _MOMENT.match(text.strip())
    if found is None:
        raise BadQuery("where", f"needs a time such as timestamp '2025-07-01 08:00:00', got {text[:40]!r}")
    day, clock = found.groups()
    if clock is None:
        return f"TIMESTAMP('{day}T00:00:00Z')"
    return f"TIMESTAMP('{day}T{clock if clock.count(':') == 2 else f'{clock}:00'}Z')"
