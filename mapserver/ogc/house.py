"""For whom a document is written."""

from __future__ import annotations

from dataclasses import dataclass

from mapserver.catalogue import Catalogue
from mapserver.facts import Facts
from mapserver.identity import Identity
from mapserver.layer import Language, Layer
from mapserver.query import Caller, may_see


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a document is written. Documents are pure functions of a reader (and a layer)."""

    base: str
    """Root of every link, without a trailing slash."""
    language: Language
    caller: Caller
    catalogue: Catalogue
    facts: Facts
    identity: Identity

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that this reader may see, in the catalogue's order."""
        return tuple(layer for layer in self.catalogue if may_see(layer, self.caller))

    def choose(self, vi: str, en: str) -> str:
        """One of two texts, by language."""
        return vi if self.language == "vi" else en
