"""What a filter says, as a tree of frozen values; the same tree from text and from JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import shapely

MAX_DEPTH = 60
"""Levels of nesting: 3,000 parentheses were seen to kill servers."""


@dataclass(frozen=True, slots=True)
class Property:
    """A queryable of the layer, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or a truth value."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Instant:
    """A date, or a moment in UTC."""

    at: date | datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """A time interval; an end is an instant, a property, or open (None)."""

    start: Instant | Property | None
    end: Instant | Property | None


@dataclass(frozen=True, slots=True)
class Geometry:
    """A geometry in the axis order of the filter's CRS."""

    shape: shapely.Geometry


@dataclass(frozen=True, slots=True)
class Bbox:
    """A box in the axis order of the filter's CRS: west, south, east, north (heights left out)."""

    edges: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Array:
    """A list of expressions."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or function, by its name in CQL2 JSON, lower case."""

    name: str
    arguments: tuple[Expression, ...]


Expression = Property | Literal | Instant | Interval | Geometry | Bbox | Array | Call

COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
ARITHMETIC = ("+", "-", "*", "/", "%", "div", "^")
SPATIAL = ("contains", "crosses", "disjoint", "equals", "intersects", "overlaps", "touches", "within")
TEMPORAL = (
    "after", "before", "contains", "disjoint", "during", "equals", "finishedby", "finishes", "intersects", "meets",
    "metby", "overlappedby", "overlaps", "startedby", "starts",
)  # fmt: skip
ARRAYS = ("containedby", "contains", "equals", "overlaps")
