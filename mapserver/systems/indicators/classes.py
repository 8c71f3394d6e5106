"""Classes of a choropleth: where the values part, how many units each holds, and its colour. Methods: mapclassify's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mapserver.errors import BadQuery

Method = Literal["quantile", "natural_breaks"]
METHODS: tuple[Method, ...] = ("quantile", "natural_breaks")
MOST, LEAST = 9, 2
_LIGHT, _DARK = (0xEE, 0xF3, 0xF8), (0x0B, 0x4F, 0x8A)
"""Ends of the ramp; one hue, so that it also reads in grey."""


@dataclass(frozen=True, slots=True)
class Class:
    """Values above `above` (the first: from it on) up to and with `up_to`; count: units in it."""

    above: float
    up_to: float
    count: int
    colour: str


def classes(values: Sequence[float], method: Method, k: int) -> tuple[Class, ...]:
    """At most k classes; fewer where there are fewer different values. Raises BadQuery."""
    if not LEAST <= k <= MOST:
        raise BadQuery("k", f"needs a whole number from {LEAST} to {MOST}, got {k}")
    if not values:
        return ()
    data = np.asarray(values, float)
    distinct = np.unique(data)
    bounds = distinct if len(distinct) <= k else _bounds(data, method, k)
    edges = [float(data.min()), *map(float, bounds)]
    counts = np.bincount(np.searchsorted(bounds, data, side="left"), minlength=len(bounds))
    return tuple(Class(edges[at], edges[at + 1], int(counts[at]), colour(at, len(bounds))) for at in range(len(bounds)))


def _bounds(data: np.ndarray, method: Method, k: int) -> np.ndarray:
    """Upper bounds of the classes, each once, the last the largest value."""
    import mapclassify  # late: it takes seconds, and only choropleths need it

    made = mapclassify.Quantiles(data, k=k) if method == "quantile" else mapclassify.NaturalBreaks(data, k=k)
    return np.unique(made.bins)


def colour(at: int, of: int) -> str:
    """The colour of a class, `#rrggbb`, from light to dark."""
    share = at / max(of - 1, 1)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_LIGHT, _DARK, strict=True))
