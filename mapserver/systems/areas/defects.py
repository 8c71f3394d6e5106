"""What is wrong with a boundary set or a link table: every defect, with the row or unit and what would be right.

An error keeps the whole set out; a warning is loaded and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from mapserver.shapes import Array
from mapserver.text import folded

LEAST_M2 = 1.0
"""Gaps and overlaps smaller than this are the rounding of coordinates."""
AREA_OFF = 0.05
"""How far the measured area may be from the published one."""
SPELT_LIKE = 0.75
"""Likeness of two names above which one is the other, spelt otherwise."""
_GEOD = pyproj.Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong. kind: duplicate, gap, overlap, area, code, name, link, row."""

    kind: str
    where: str
    message: str
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.level}: {self.kind}: {self.where}: {self.message}"


def errors(defects: Iterable[Defect]) -> list[Defect]:
    """Those that keep a set out."""
    return [defect for defect in defects if defect.level == "error"]


def of_set(units: gpd.GeoDataFrame, *, final: bool) -> Iterator[Defect]:
    """Defects of a boundary set (code, name, area_km2_published, geometry). final: surveyed, without excuse."""
    yield from _repeated(units)
    yield from _areas_off(units)
    level: Literal["error", "warning"] = "error" if final else "warning"
    yield from _overlaps(units, level)
    yield from _gaps(units, level)


def _repeated(units: gpd.GeoDataFrame) -> Iterator[Defect]:
    for code, count in Counter(units["code"]).items():
        if count > 1:
            yield Defect("duplicate", str(code), f"stands in {count} rows of the set; a code is one unit's")
    parents = units["parent"] if "parent" in units else [None] * len(units)
    names = Counter(zip(units["name"].str.casefold(), parents, strict=True))
    for code, name, parent in zip(units["code"], units["name"], parents, strict=True):
        if names[name.casefold(), parent] > 1:
            message = f"another unit of the set is called {name!r}, too" + (f" in {parent}" if parent else "")
            yield Defect("name", str(code), message, "warning")


def km2(shapes: Sequence[shapely.Geometry] | Array) -> Array:
    """Ground of shapes in longitude and latitude, in square kilometres on the ellipsoid."""
    return np.array([abs(_GEOD.geometry_area_perimeter(shape)[0]) / 1e6 for shape in shapes])


def _areas_off(units: gpd.GeoDataFrame) -> Iterator[Defect]:
    if "area_km2_published" not in units:
        return
    measured = km2(units.geometry.to_numpy())
    for code, published, own in zip(units["code"], units["area_km2_published"], measured, strict=True):
        if published and abs(own / published - 1) > AREA_OFF:
            message = f"measures {own:.2f} km², {own / published - 1:+.0%} of the published {published:g} km²"
            yield Defect("area", str(code), message, "warning")


def _overlaps(units: gpd.GeoDataFrame, level: Literal["error", "warning"]) -> Iterator[Defect]:
    shapes, codes = units.geometry.to_numpy(), units["code"].to_numpy()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    ground = km2(shapely.intersection(shapes[one], shapes[other])) * 1e6
    for i in np.flatnonzero(ground > LEAST_M2):
        message = f"{ground[i]:,.0f} m² belong to {codes[other[i]]} as well"
        yield Defect("overlap", str(codes[one[i]]), message, level)


def _gaps(units: gpd.GeoDataFrame, level: Literal["error", "warning"]) -> Iterator[Defect]:
    """Holes of the whole that no unit holds."""
    whole = shapely.union_all(units.geometry.to_numpy())
    for part in shapely.get_parts(whole):
        for ring in shapely.get_rings(part)[1:]:
            hole = shapely.polygons(ring)
            ground = float(km2([hole])[0]) * 1e6
            if ground > LEAST_M2:
                place = shapely.point_on_surface(hole)
                message = f"{ground:,.0f} m² inside the whole belong to no unit"
                yield Defect("gap", f"{place.x:.5f} {place.y:.5f}", message, level)


def alike(given: str, known: str) -> bool:
    """Whether two names are one, spelt otherwise: `Hoà` and `Hòa`, `Quy Đức` and `Qui Đức`; numbers are never alike."""
    one, other = folded(given), folded(known)
    if [*filter(str.isdigit, one)] != [*filter(str.isdigit, other)]:
        return False
    return one in other or other in one or SequenceMatcher(None, one, other).ratio() >= SPELT_LIKE


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a link table."""

    number: int
    origin: str
    heir: str
    whole: bool


def of_links(rows: Sequence[Row], ended: Iterable[str], begun: Iterable[str]) -> Iterator[Defect]:
    """Links that do not add up. ended, begun: codes of the units that ended, and began, with the reform."""
    for (origin, heir), count in Counter((row.origin, row.heir) for row in rows).items():
        if count > 1:
            yield Defect("link", f"{origin} → {heir}", f"stands in {count} rows")
    by_origin: dict[str, list[Row]] = {}
    for row in rows:
        by_origin.setdefault(row.origin, []).append(row)
    for origin, links in by_origin.items():
        if any(row.whole for row in links) and len(links) > 1:
            yield Defect("link", origin, f"goes wholly into one unit, and to {len(links) - 1} more; one of it is wrong")
        if len(links) == 1 and not links[0].whole:
            yield Defect("link", origin, "goes in part into one unit; where the rest went is missing")
    for code in sorted(set(ended) - by_origin.keys()):
        yield Defect("link", code, "ended with the reform and is in no link; its amounts would be lost")
    for code in sorted(set(begun) - {row.heir for row in rows}):
        yield Defect("link", code, "began with the reform and is in no link; it would get nothing")
