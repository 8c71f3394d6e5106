"""What the roof gives to every door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request

from mapserver.catalogue import Catalogue
from mapserver.query import Caller
from mapserver.rendering.painter import Painter
from mapserver.settings import Settings
from mapserver.store import Store


class House(Protocol):
    """Settings, catalogue, the store, the painter of pictures, who is asking, and the root of links."""

    @property
    def settings(self) -> Settings: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def store(self) -> Store: ...
    @property
    def painter(self) -> Painter: ...
    @property
    def caller(self) -> Callable[[Request], Awaitable[Caller]]: ...
    @property
    def base_url(self) -> Callable[[Request], str]: ...
