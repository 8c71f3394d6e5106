"""Links in headers (RFC 8288), and links to OGC profiles; every door tells them alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mapserver.negotiation import PROFILES


def profile_link(name: str) -> dict[str, object]:
    """The profile of an answer, as a link of it."""
    return {"href": f"{PROFILES}{name}", "rel": "profile", "title": "Profile of this answer"}


def link_header(links: Iterable[Mapping[str, object]]) -> str:
    """The links that a client may want without reading the body (RFC 8288)."""
    wanted = ("self", "alternate", "next", "prev", "profile", "collection")
    return ", ".join(_header(each) for each in links if each["rel"] in wanted)


def _header(each: Mapping[str, object]) -> str:
    kind = f'; type="{each["type"]}"' if "type" in each else ""
    return f'<{each["href"]}>; rel="{each["rel"]}"{kind}'
