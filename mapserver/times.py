"""Times as they come from outside: RFC 3339 date-times and full dates."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from mapserver.errors import BadQuery

_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$", re.ASCII)
_DATETIME = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$", re.ASCII)


def moment(name: str, text: str) -> datetime | date:
    """An RFC 3339 date-time (in UTC) or a full date."""
    try:
        if _DATE.match(text):
            return date.fromisoformat(text)
        if _DATETIME.match(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadQuery(name, f"needs an RFC 3339 time such as 2025-07-01T00:00:00Z or 2025-07-01, got {text[:60]!r}")


def instant_of(at: datetime | date) -> datetime:
    """A moment; a date is its first one, in UTC."""
    return at if isinstance(at, datetime) else datetime(at.year, at.month, at.day, tzinfo=UTC)
