"""Links in headers (RFC 8288), and links to OGC profiles; every door tells them alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mapserver.negotiation import PROFILES

WANTED = ("next", "prev", "profile", "self", "collection", "alternate")
"""Relations that stand in the header, the most wanted first."""
MOST = 4096
"""Characters of the header: clients and proxies refuse long ones, and a filter makes every link long."""


def profile_link(name: str) -> dict[str, object]:
    """The profile of an answer, as a link of it."""
    return {"href": f"{PROFILES}{name}", "rel": "profile", "title": "Profile of this answer"}


def link_header(links: Iterable[Mapping[str, object]]) -> str:
    """The links that a client may want without reading the body (RFC 8288), as many as fit; the body has them all."""
    said: list[str] = []
    for each in sorted(
        (each for each in links if each["rel"] in WANTED), key=lambda each: WANTED.index(str(each["rel"]))
    ):
        if len(", ".join([*said, one := _header(each)])) <= MOST:
            said.append(one)
    return ", ".join(said)


def _header(each: Mapping[str, object]) -> str:
    kind = f'; type="{each["type"]}"' if "type" in each else ""
    return f'<{each["href"]}>; rel="{each["rel"]}"{kind}'
