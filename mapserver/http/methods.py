"""Which methods an address takes: for OPTIONS, for a browser's preflight, and for `Allow` beside a 405."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match, Route

from mapserver.catalogue import Catalogue
from mapserver.http.answers import Scope

READS = ("GET", "HEAD", "OPTIONS")
ORDER = (*READS, "POST", "PUT", "PATCH", "DELETE")


def methods(routes: Sequence[BaseRoute], scope: Scope, catalogue: Catalogue) -> tuple[str, ...]:
    """The methods of an address; none when there is nothing there."""
    taken: set[str] = set()
    for route in _flat(routes):
        match, child = route.matches(dict(scope))
        if match is not Match.NONE:
            taken |= _of(route, child.get("path_params", {}).get("name"), catalogue)
    return tuple(method for method in ORDER if method in taken | {"OPTIONS"}) if taken else ()


def _of(route: Route, name: str | None, catalogue: Catalogue) -> set[str]:
    """What a route takes; writing only where its layer is written."""
    own = set(route.methods or ())
    if name is None:
        return own
    layer = catalogue.layers.get(name)
    return own if layer is not None and layer.writable else own & set(READS)


def _flat(routes: Sequence[Any]) -> Iterator[Route]:
    """Every route, those of included routers too."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif hasattr(route, "original_router"):
            yield from _flat(route.original_router.routes)
