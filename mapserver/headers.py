"""Which column of a source file is which column of a layer, and where its coordinates stand.

Headers are compared folded: without case, accents and punctuation; Shapefile cuts them to ten characters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mapserver.layer import Column, Layer
from mapserver.text import folded, legacy, repaired_text

Axes = Literal["degrees", "grid", "vn2000"]
CUT = 10
"""Shapefile's longest field name."""
_EAST_DEGREES = frozenset({"lon", "long", "longitude", "lng", "kinhdo", "kinhdong"})
_NORTH_DEGREES = frozenset({"lat", "latitude", "vido", "vibac"})
_EAST_GRID = frozenset({"x", "xm", "easting", "east"})
_NORTH_GRID = frozenset({"y", "ym", "northing", "north"})
_WKT = frozenset({"wkt", "geom", "geometry", "thegeom", "hinhhoc", "wktgeom", "shape"})
_NOISE = re.compile(r"vn2000|wgs84|toado|coordinates?|coord|point|gps|decimal|degrees?|dd$")
_UNIT = re.compile(r"\s*[(\[].*?[)\]]\s*")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table's coordinates stand. axes: `grid` and `vn2000` leave open which of the two is the northing."""

    x: int | None = None
    y: int | None = None
    wkt: int | None = None
    axes: Axes = "degrees"


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of one table, read against a layer."""

    names: tuple[str, ...]
    columns: dict[str, int]
    """Layer column → position."""
    place: Place

    @property
    def matched(self) -> int:
        place = self.place
        return len(self.columns) + (place.x is not None) + (place.y is not None) + (place.wkt is not None)


def headers(names: Sequence[str], layer: Layer) -> Headers:
    """Match the headers of a table to a layer's columns by name, then alias, then title (vi, en)."""
    encoding = legacy(names)
    forms = [_forms(repaired_text(name, encoding or legacy([name]))) for name in names]
    columns: dict[str, int] = {}
    for column in layer.columns:
        position = _position(column, forms, set(columns.values()))
        if position is not None:
            columns[column.name] = position
    place = _place([form[0] for form in forms], set(columns.values())) if layer.geometry else Place()
    return Headers(tuple(names), columns, place)


def _forms(name: str) -> tuple[str, str]:
    """A header folded whole, and without a unit in brackets."""
    return folded(name), folded(_UNIT.sub(" ", name))


def _wanted(column: Column) -> Iterator[str]:
    yield folded(column.name)
    yield from map(folded, column.aliases)
    yield folded(column.title.vi)
    yield folded(column.title.en)


def _position(column: Column, forms: list[tuple[str, str]], taken: set[int]) -> int | None:
    for wanted in _wanted(column):
        for position, form in enumerate(forms):
            if position not in taken and wanted in form:
                return position
    return _cut_position(column, forms, taken)


def _cut_position(column: Column, forms: list[tuple[str, str]], taken: set[int]) -> int | None:
    """The one header of ten characters that a longer name begins with."""
    for wanted in _wanted(column):
        cut = [
            position
            for position, (form, _) in enumerate(forms)
            if position not in taken and len(form) >= CUT - 2 and len(wanted) > len(form) and wanted.startswith(form)
        ]
        if len(cut) == 1:
            return cut[0]
    return None


def _place(forms: list[str], taken: set[int]) -> Place:
    free = {p: _NOISE.sub("", form) or form for p, form in enumerate(forms) if p not in taken}

    def first(names: frozenset[str]) -> int | None:
        return next((p for p, form in free.items() if form in names), None)

    wkt = first(_WKT)
    if wkt is not None:
        return Place(wkt=wkt)
    x, y = first(_EAST_DEGREES), first(_NORTH_DEGREES)
    if x is not None and y is not None:
        return Place(x, y)
    x, y = first(_EAST_GRID), first(_NORTH_GRID)
    if x is None or y is None:
        return Place()
    said = any("vn2000" in forms[p] for p in (x, y))
    return Place(x, y, axes="vn2000" if said else "grid")
