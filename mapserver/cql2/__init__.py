"""CQL2 (OGC 21-065r2): filter expressions as text or JSON, checked against a layer, as SQL.

text.py and encoding.py read; expression.py holds what was read; meaning.py checks names and types; sql.py writes SQL.
Nothing here runs anything."""

from __future__ import annotations

from mapserver.cql2.encoding import parse_json
from mapserver.cql2.expression import Expression
from mapserver.cql2.text import parse_text
from mapserver.errors import BadQuery

LANGUAGES = ("cql2-text", "cql2-json")
MAX_LENGTH = 16_000
"""Characters of a filter: as much as a URL carries."""

__all__ = ["LANGUAGES", "parsed"]


def parsed(text: str, language: str | None = None) -> Expression:
    """The expression of a filter. language: one of LANGUAGES; when None, JSON is known by its brace.

    Raises BadQuery saying where the text stops making sense."""
    if language not in (None, *LANGUAGES):
        raise BadQuery("filter-lang", f"needs one of {', '.join(LANGUAGES)}, got {language[:40]!r}")
    if len(text) > MAX_LENGTH:
        raise BadQuery("filter", f"is over {MAX_LENGTH} characters")
    json = language == "cql2-json" or (language is None and text.lstrip().startswith("{"))
    return parse_json(text) if json else parse_text(text)
