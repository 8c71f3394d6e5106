"""`/problems/{kind}`: what an error means and what to do, out of `docs/errors.md`, one section a kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt

from mapserver.errors import CityMapError, NotFound
from mapserver.settings import ROOT

FILE = ROOT / "docs" / "errors.md"
_SECTION = re.compile(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Explained:
    """One kind of error: its section as HTML."""

    kind: str
    status: int
    title: str
    html: str

    def document(self, base: str) -> dict[str, object]:
        """The kind as JSON."""
        return {"type": f"{base}/problems/{self.kind}", "title": self.title, "status": self.status}


def explained(kind: str) -> Explained:
    """The page of a kind. Raises NotFound."""
    said, family = sections(), kinds()
    if kind not in said or kind not in family:
        raise NotFound("kind", f"there is no kind of problem {kind[:60]!r}; there are {', '.join(sorted(family))}")
    error = family[kind]
    html = MarkdownIt("js-default", {"html": False}).render(said[kind])
    return Explained(kind, error.status, error.title, html)


def kinds() -> dict[str, type[CityMapError]]:
    """Every kind of error that can be told."""
    family: list[type[CityMapError]] = [CityMapError, *CityMapError.__subclasses__()]
    return {error.kind(): error for error in family}


@cache
def sections() -> dict[str, str]:
    """The sections of the file by kind, as Markdown."""
    return dict(_SECTION.findall(FILE.read_text(encoding="utf-8")))
