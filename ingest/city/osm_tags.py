"""Columns out of OpenStreetMap tags that several layers read the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Tags = Mapping[str, str]

OWNERSHIPS = {"public": "public", "government": "public", "private": "private"}


def number(tag: str) -> Callable[[Tags], float | None]:
    """The number a tag begins with (`3.5 m`, `50`), or nothing."""

    def value(tags: Tags) -> float | None:
        found = re.match(r"\s*(\d+(?:[.,]\d+)?)", tags.get(tag, ""))
        return float(found[1].replace(",", ".")) if found else None

    return value


def whole(tag: str) -> Callable[[Tags], int | None]:
    """The same, rounded."""
    read = number(tag)
    return lambda tags: None if (value := read(tags)) is None else round(value)


def flag(tag: str) -> Callable[[Tags], bool | None]:
    """False for `no`, true for any other value, nothing where the tag is not there."""
    return lambda tags: tags[tag] != "no" if tags.get(tag) else None


def nothing(tags: Tags) -> None:
    """For columns whose name is a tag of another meaning."""


def address(tags: Tags) -> str | None:
    """House number and street, as far as they are there."""
    return " ".join(tags[tag] for tag in ("addr:housenumber", "addr:street") if tags.get(tag)) or None


def website(tags: Tags) -> str | None:
    """An address with its scheme, which many people leave out."""
    site = (tags.get("website") or tags.get("contact:website") or "").strip()
    return site if not site or "://" in site else f"http://{site}"


def ownership(tags: Tags) -> str | None:
    """Public or private, where it is said."""
    return OWNERSHIPS.get(tags.get("operator:type", ""))
