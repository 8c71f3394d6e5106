"""A coverage question: which cells of a raster, in which format. Checked here, answered by pygeoapi's provider."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mapserver import parameters
from mapserver.errors import BadQuery, TooLarge
from mapserver.layer import Layer
from mapserver.query import Caller, visible_columns
from mapserver.raster import Grid

PARAMETERS = ("bbox", "bbox-crs", "subset", "datetime", "properties", "f", "lang")
MOST_CELLS = {"json": 2_000_000, "GTiff": 25_000_000}
"""More than this is asked for in parts."""
_INSET = 1e-6
"""Share of a cell that a box stays inside the edges of its cells, so that rounding never takes one more."""
_SUBSET = re.compile(r"(\w+)\(([^()]*)\)")
_AXES = {"lat": "Lat", "lon": "Lon", "long": "Lon"}

Cells = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class CoverageQuery:
    """box: in degrees, just inside the edges of the cells; None means everything. bands: counted from 1."""

    box: Cells | None
    bands: tuple[int, ...]
    form: str

    @property
    def whole(self) -> bool:
        return self.box is None and not self.bands

    @property
    def args(self) -> dict[str, str]:
        """As pygeoapi reads it."""
        out = {"f": self.form}
        if self.box:
            out["bbox"] = ",".join(map(repr, self.box))
        if self.bands:
            out["properties"] = ",".join(map(str, self.bands))
        return out


def coverage_query(
    layer: Layer, caller: Caller, grid: Grid, form: str, given: Mapping[str, str]
) -> CoverageQuery | None:
    """The cells that are asked for; None when the raster has none there. Raises BadQuery or TooLarge."""
    parameters.known(given, PARAMETERS)
    parameters.interval(given.get("datetime"))
    bands = _bands(layer, caller, given.get("properties"))
    if "bbox" in given and "subset" in given:
        raise BadQuery("subset", "and bbox say the same thing; give one of them")
    wanted = _subset(given["subset"], grid) if "subset" in given else _box(given)
    if wanted is None:
        whole_file = form == "GTiff" and not bands
        if not whole_file:
            _affordable(grid.width * grid.height, form)
        return CoverageQuery(None, bands, form)
    box = _snapped(wanted, grid)
    if box is None:
        return None
    share = (box[2] - box[0]) * (box[3] - box[1]) / ((grid.box[2] - grid.box[0]) * (grid.box[3] - grid.box[1]))
    _affordable(round(share * grid.width * grid.height), form)
    return CoverageQuery(box, bands, form)


def _affordable(cells: int, form: str) -> None:
    if cells > MOST_CELLS[form]:
        raise TooLarge("bbox", f"holds {cells:,} cells; at most {MOST_CELLS[form]:,} are given as {form} at once")


def _bands(layer: Layer, caller: Caller, text: str | None) -> tuple[int, ...]:
    columns = {column.name: column for column in visible_columns(layer, caller)}
    names = parameters.selection(text, columns)
    if names is None:
        return ()
    if not names:
        raise BadQuery("properties", f"needs at least one of {', '.join(columns)}")
    places = [column.name for column in layer.columns]
    return tuple(places.index(name) + 1 for name in names)


def _box(given: Mapping[str, str]) -> Cells | None:
    box = parameters.box(given.get("bbox"), given.get("bbox-crs"))
    if box is None:
        return None
    if box.crs.srid != 4326:
        raise BadQuery("bbox-crs", "a coverage is cut in longitude and latitude: use CRS84 or EPSG:4326")
    if box.west > box.east:
        raise BadQuery("bbox", "a coverage is not cut across the antimeridian")
    return box.west, box.south, box.east, box.north


def _subset(text: str, grid: Grid) -> Cells:
    """`Lat(10.7:10.8),Lon(106.6:106.7)`; an axis that is left out, or `*`, is not cut."""
    west, south, east, north = grid.box
    ranges = {"Lon": (west, east), "Lat": (south, north)}
    if not text or _SUBSET.sub("", text).strip(", "):
        raise BadQuery("subset", f"needs the form Lat(low:high),Lon(low:high), got {text[:60]!r}")
    seen = set()
    for axis, span in _SUBSET.findall(text):
        name = _AXES.get(axis.lower())
        if name is None or name in seen:
            raise BadQuery("subset", f"has the axes Lat and Lon, each once at most; got {axis[:20]!r}")
        seen.add(name)
        ranges[name] = _range(span, ranges[name])
    (west, east), (south, north) = ranges["Lon"], ranges["Lat"]
    return west, south, east, north


def _range(span: str, whole: tuple[float, float]) -> tuple[float, float]:
    low, _, high = span.partition(":")
    ends = [
        end if text == "*" else parameters.number("subset", text)
        for text, end in zip((low, high or low), whole, strict=True)
    ]
    if ends[0] > ends[1]:
        raise BadQuery("subset", f"needs low:high, got {span[:40]!r}")
    return ends[0], ends[1]


def _snapped(box: Cells, grid: Grid) -> Cells | None:
    """The box grown to whole cells, inside the raster; None when they do not meet."""
    west, south, east, north = grid.box
    if box[0] > east or box[2] < west or box[1] > north or box[3] < south:
        return None
    dx, dy = (east - west) / grid.width, (north - south) / grid.height
    left = min(max(math.floor((box[0] - west) / dx + _INSET), 0), grid.width - 1)
    right = min(max(math.ceil((box[2] - west) / dx - _INSET), left + 1), grid.width)
    top = min(max(math.floor((north - box[3]) / dy + _INSET), 0), grid.height - 1)
    bottom = min(max(math.ceil((north - box[1]) / dy - _INSET), top + 1), grid.height)
    inset_x, inset_y = dx * _INSET, dy * _INSET
    return (
        west + left * dx + inset_x,
        north - bottom * dy + inset_y,
        west + right * dx - inset_x,
        north - top * dy - inset_y,
    )
