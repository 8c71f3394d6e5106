"""Links: the root they start from, and the parameters they keep."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote_plus

from mapserver.settings import Settings


def base_url(settings: Settings, host: str | None, *, secure: bool = False) -> str:
    """Root of the links of one request. A Host that is not ours is never reflected."""
    if settings.public_url or host is None or not _ours(settings, host):
        return settings.base_url
    return f"{'https' if secure else 'http'}://{host}"


def _ours(settings: Settings, host: str) -> bool:
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdigit() else (host, "", "80")
    return name in settings.hosts and port == str(settings.port)


def with_parameters(url: str, given: Mapping[str, str], changes: Mapping[str, str | None]) -> str:
    """The url with the given parameters, some replaced, some (None) left out."""
    query = "&".join([_encoded(name, value) for name, value in {**given, **changes}.items() if value is not None])
    return f"{url}?{query}" if query else url


@lru_cache(1024)
def _encoded(name: str, value: str) -> str:
    """One parameter; every link of an answer has nearly all of them."""
    return f"{quote_plus(name)}={quote_plus(value)}"


def link(href: str, rel: str, media_type: str, title: str, **more: object) -> dict[str, object]:
    """One link object of OGC API Common."""
    return {"href": href, "rel": rel, "type": media_type, "title": title, **more}
