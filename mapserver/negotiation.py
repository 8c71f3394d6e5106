"""Which representation and which language a request wants: pure functions of `f`, `lang`, Accept and Accept-Language.

Odd headers (`;;;`, `*;q=0`) never fail; they are read as far as they make sense."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from mapserver.errors import BadQuery, NotAcceptable
from mapserver.layer import LANGUAGES, Language

Profile = Literal["rfc7946", "jsonfg", "jsonfg-plus"]
GEOJSON_PROFILES: tuple[Profile, ...] = ("rfc7946", "jsonfg", "jsonfg-plus")
PROFILES = "http://www.opengis.net/def/profile/OGC/0/"
"""Where OGC registers profiles."""


@lru_cache(256)
def preferences(header: str) -> tuple[tuple[str, float], ...]:
    """(range, q) in falling order of q; order of the header among equals; anything unreadable left out."""
    out = []
    for part in header.split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        q = next((p[2:] for p in parameters if p.lower().startswith("q=")), "1")
        if name:
            out.append((name.lower(), _weight(q)))
    return tuple(sorted(out, key=lambda pair: -pair[1]))


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def representation(f: str | None, accept: str | None, offered: Mapping[str, tuple[str, ...]]) -> str:
    """The name of an offered representation (name → media types, first one is the default).

    Raises BadQuery for an `f` that is not offered, NotAcceptable when the Accept header rules out all."""
    if f is not None:
        if f not in offered:
            raise BadQuery("f", f"needs one of {', '.join(offered)}, got {f[:40]!r}")
        return f
    wanted = preferences(accept) if accept else []
    if not wanted:
        return next(iter(offered))
    for media, weight in wanted:
        if weight > 0:
            for name, types in offered.items():
                if any(_matches(media, own) for own in types):
                    return name
    raise NotAcceptable("Accept", f"offered here: {', '.join(types[0] for types in offered.values())}")


def _matches(wanted: str, own: str) -> bool:
    return wanted in ("*/*", own) or (wanted.endswith("/*") and own.startswith(wanted[:-1]))


def profile(text: str | None) -> Profile:
    """The first GeoJSON profile of `profile=` (a name of the OGC register, or a URI) that is offered, else the default.

    Others are no error: a profile is a wish (OGC 23-058r2, recommendation profile-negotiation)."""
    for wanted in (text or "").split(","):
        name = wanted.strip().removeprefix(PROFILES)
        for own in GEOJSON_PROFILES:
            if name == own:
                return own
    return GEOJSON_PROFILES[0]


def language(lang: str | None, accept_language: str | None) -> Language:
    """Vietnamese or English; Vietnamese when nothing is asked. Raises BadQuery for another `lang`."""
    if lang is not None:
        for own in LANGUAGES:
            if lang == own:
                return own
        raise BadQuery("lang", f"needs one of {', '.join(LANGUAGES)}, got {lang[:40]!r}")
    for wanted, weight in preferences(accept_language or ""):
        for own in LANGUAGES:
            if weight > 0 and wanted.split("-")[0] == own:
                return own
    return "vi"
