"""What this door is given by the roof, and for whom a document is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request

from mapserver.catalogue import Catalogue
from mapserver.layer import Language, Layer
from mapserver.ogc.facts import Facts
from mapserver.ogc.identity import Identity
from mapserver.query import Caller, may_see
from mapserver.settings import Settings
from mapserver.store import Store


class House(Protocol):
    """The roof's gift to every door."""

    @property
    def settings(self) -> Settings: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def store(self) -> Store: ...
    @property
    def caller(self) -> Callable[[Request], Awaitable[Caller]]: ...
    @property
    def base_url(self) -> Callable[[Request], str]: ...


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
