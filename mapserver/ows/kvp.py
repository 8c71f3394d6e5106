"""Key-value pairs of an OWS request: names without regard to case, values as they stand.

An empty value is a value that was not given, as the standards' own examples have it; a name given twice is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl

from mapserver.ows.faults import Code, OwsFault

MOST_PAIRS = 200


class Pairs(Mapping[str, str]):
    """The parameters of a request. Names are looked up in any case; those that were given empty are not there."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = MappingProxyType({name.upper(): text for name, text in given.items() if text.strip()})

    def __getitem__(self, name: str) -> str:
        return self._given[name.upper()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.upper() in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def needed(self, name: str) -> str:
        """A parameter that must be given. Raises OwsFault, MissingParameterValue."""
        if name not in self:
            raise OwsFault(Code.MISSING, name, "is required")
        return self[name]

    def first(self, *names: str) -> str | None:
        """The first that was given, of names that different versions have for the same thing."""
        return next((self[name] for name in names if name in self), None)

    def whole(self, name: str, most: int) -> int | None:
        """A whole number from 0 to `most` (more is cut to it); None when it was not given."""
        if name not in self:
            return None
        text = self[name].strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 30):
            raise OwsFault(Code.INVALID, name, f"needs a whole number, got {text[:40]!r}")
        return min(int(text), most)


def pairs(query_string: bytes) -> Pairs:
    """The pairs of a query string, or of a form sent by POST. Raises OwsFault for bytes that are not UTF-8."""
    try:
        read = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PAIRS
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise OwsFault(Code.INVALID, "query", "is not percent-encoded UTF-8") from error
    given: dict[str, str] = {}
    for name, text in read:
        if "\x00" in name + text:
            raise OwsFault(Code.INVALID, name.replace("\x00", "?")[:60], "holds a NUL character")
        if given.setdefault(name.upper(), text) != text:
            raise OwsFault(Code.INVALID, name[:60], "is given more than once, with different values")
    return Pairs(given)


def listed(text: str) -> tuple[str, ...]:
    """The values of a comma-separated list, without the blanks around them; empty ones are left out."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
