"""Forms with files, `multipart/form-data` (RFC 7578), read whole: for doors that take an office table."""

from __future__ import annotations

from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP

from mapserver.errors import BadQuery

MOST_PARTS = 40


def form(content_type: str, content: bytes) -> Mapping[str, bytes]:
    """The parts of a form by name. Raises BadQuery for what is no form, and for a name given twice."""
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + content)
    if not message.is_multipart():
        raise BadQuery("body", "is no whole multipart/form-data")
    parts: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(payload, bytes):
            raise BadQuery("body", "has a part without a name")
        if name in parts or len(parts) >= MOST_PARTS:
            raise BadQuery(name[:60], "is given more than once, or there are too many parts")
        parts[name] = payload
    return parts


def text(parts: Mapping[str, bytes], name: str) -> str | None:
    """A part as text; None when it is not there or empty."""
    try:
        return parts[name].decode().strip() or None if name in parts else None
    except UnicodeDecodeError as error:
        raise BadQuery(name, "is not UTF-8") from error
