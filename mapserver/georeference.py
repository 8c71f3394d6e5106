"""Which CRS a file is really in, and the way from there to longitude and latitude.

Ranges alone cannot tell VN-2000's grids apart, and a `.prj` may lie: each candidate is scored by how many features
fall in the city (in the ward they name, when they name one). VN-2000 always goes through the pinned operation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyproj
import shapely
from pyproj.exceptions import CRSError

from mapserver.crs import TM3_MERIDIANS, TOWGS84, VN2000
from mapserver.errors import BadLoad
from mapserver.shapes import Array
from mapserver.text import folded
from mapserver.wards import Wards

SAMPLE = 2000
IN_CITY = 0.5
"""Share of the features that must fall in the city for a CRS to be believed."""
SURE, MARGIN = 0.8, 0.1
"""A CRS other than the declared one needs this share, and this much more than the next best."""
_OTHERS = {"EPSG:4326": "WGS 84", "EPSG:32648": "WGS 84 / UTM zone 48N", "EPSG:3857": "WGS 84 / Pseudo-Mercator"}
_GRIDS = (9210, 5899, 3405)
_LONLAT = frozenset({"EPSG:4326", "OGC:CRS84", "EPSG:4979", "OGC:CRS84h"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A CRS and the way from it to longitude and latitude. north_first: x of the file is the northing."""

    code: str
    title: str
    proj: str | None
    """Definition for PROJ; None when coordinates are longitude and latitude already."""
    north_first: bool = False

    @property
    def name(self) -> str:
        return f"{self.code} ({self.title}{', northing first' if self.north_first else ''})"

    def lonlat(self, xy: Array) -> Array:
        """Coordinates (n, 2) as longitude and latitude; what cannot be transformed is infinite."""
        xy = xy[:, ::-1] if self.north_first else xy
        if self.proj is None:
            return xy
        lon, lat = pyproj.Transformer.from_crs(self.proj, "OGC:CRS84", always_xy=True).transform(xy[:, 0], xy[:, 1])
        return np.column_stack([lon, lat])

    def moved(self, shapes: Array) -> Array:
        """Shapes in longitude and latitude."""
        if self.proj is None and not self.north_first:
            return shapes
        out: Array = shapely.transform(shapes, self.lonlat)
        return out


@dataclass(frozen=True, slots=True)
class Decision:
    """The CRS of one part of a source and how it was decided, for the load report."""

    reference: Reference
    how: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Some places of a file, in its own coordinates. named: position of the ward that each names, -1 when none."""

    name: str
    xy: Array
    named: Array | None = None


LONLAT = Reference("EPSG:4326", "WGS 84", None)


def reference(crs: Any) -> Reference:
    """The reference of a CRS as a file declares it or a person names it. Raises CRSError when PROJ cannot read it."""
    parsed = pyproj.CRS.from_user_input(crs)
    code = _code(parsed)
    if code in _LONLAT:
        return LONLAT
    grid = VN2000.get(int(code.removeprefix("EPSG:"))) if code and code.startswith("EPSG:") else None
    if grid is not None:
        return Reference(grid.code, grid.title, grid.proj4)
    if _is_vn2000(parsed):
        return _pinned(parsed)
    return Reference(code or "custom", parsed.name, code or parsed.to_wkt())


def decided(sample: Sample, declared: Any, wards: Wards, *, asked: bool, axes: str, form: str) -> Decision:
    """The CRS of a part of a source. Raises BadLoad when the features do not tell, asking for --crs."""
    said = _declared(sample.name, declared)
    if said is not None and asked:
        return Decision(_either_way(sample, said, wards) if axes != "known" else said, "asked for with --crs")
    if said is not None:
        return _weighed(sample, said, wards, form)
    return _guessed(sample, wards, axes)


def _either_way(sample: Sample, said: Reference, wards: Wards) -> Reference:
    """A grid whose columns X and Y may stand for easting and northing, or the other way round."""
    turned = replace(said, north_first=True)
    return max((said, turned), key=lambda one: _score(sample, one, wards))


def _weighed(sample: Sample, said: Reference, wards: Wards, form: str) -> Decision:
    """A declared CRS holds unless its features are elsewhere and another puts nearly all of them in the city."""
    share = _score(sample, said, wards)
    if form == "mapinfo" and said.code == "EPSG:32648" and len(wards):
        return _mapinfo_utm(sample, said, wards)
    if share >= IN_CITY or not len(wards) or not len(sample.xy):
        return Decision(said, "declared" + (f"; {share:.0%} of the sample in the city" if len(wards) else ""))
    others = _ranked(sample, wards, _candidates("known"))
    best, other = others[0]
    if best >= SURE and best > share + MARGIN:
        _apart(sample.name, f"says {said.name}, where only {share:.0%} are in the city", others)
        return Decision(other, f"guessed: the file says {said.name}, but {best:.0%} are in the city as {other.code}")
    return Decision(said, f"declared; only {share:.0%} of the sample in the city")


def _mapinfo_utm(sample: Sample, said: Reference, wards: Wards) -> Decision:
    """MapInfo files that GDAL wrote say WGS 84 for VN-2000, 225 m away: only named wards can tell."""
    ranked = _ranked(sample, wards, iter([said, _grid(3405)]))
    (best, one), (next_best, _) = ranked
    if best - next_best >= MARGIN / 2 and sample.named is not None:
        return Decision(one, f"guessed: {best:.0%} lie in the ward they name as {one.code}, {next_best:.0%} otherwise")
    raise BadLoad(
        sample.name,
        "MapInfo says UTM 48N on WGS 84, which is also how GDAL writes VN-2000 (225 m apart); "
        "name the right one with --crs EPSG:32648 or --crs EPSG:3405",
    )


def _guessed(sample: Sample, wards: Wards, axes: str) -> Decision:
    """No CRS declared: the one candidate under which the features fall in the city."""
    finite = sample.xy[np.isfinite(sample.xy).all(axis=1)]
    if axes == "known" and (not len(finite) or _share(np.abs(finite) <= 180) >= IN_CITY):
        return Decision(LONLAT, "guessed: the numbers are degrees" if len(finite) else "nothing to tell it by")
    if not len(wards):
        raise BadLoad(sample.name, "does not say its CRS, and no wards are loaded to tell it by; name it with --crs")
    ranked = _ranked(sample, wards, _candidates(axes))
    best, one = ranked[0]
    if best < IN_CITY:
        raise BadLoad(
            sample.name,
            f"does not say its CRS, and its coordinates (such as {_shown(finite)}) put only {best:.0%} in the city "
            f"with the best guess, {one.name}; name the right one with --crs",
        )
    _apart(sample.name, "does not say its CRS", ranked)
    return Decision(one, f"guessed: {best:.0%} in the city")


def _apart(name: str, trouble: str, ranked: list[tuple[float, Reference]]) -> None:
    """Refuses and asks when the best two are close."""
    (best, one), (next_best, other) = ranked[0], ranked[1]
    if best - next_best < MARGIN:
        raise BadLoad(
            name,
            f"{trouble}, and fits {one.name} ({best:.0%} in the city) about as well as "
            f"{other.name} ({next_best:.0%}); name the right one with --crs",
        )


def _declared(name: str, crs: Any) -> Reference | None:
    if crs is None:
        return None
    try:
        return reference(crs)
    except CRSError as error:
        first = str(error).splitlines()[0][:120]
        raise BadLoad(name, f"its CRS is not understood ({first}); name it with --crs, e.g. EPSG:9210") from error


def _candidates(axes: str) -> Iterator[Reference]:
    """References a file may be in; where the order of X and Y is open, each both ways round."""
    plain = [_grid(code) for code in _GRIDS]
    if axes != "vn2000":
        plain += [Reference(code, title, None if code in _LONLAT else code) for code, title in _OTHERS.items()]
    yield from plain
    if axes != "known":
        yield from (Reference(one.code, one.title, one.proj, north_first=True) for one in plain)


def _grid(code: int) -> Reference:
    return Reference(VN2000[code].code, VN2000[code].title, VN2000[code].proj4)


def _ranked(sample: Sample, wards: Wards, candidates: Iterator[Reference]) -> list[tuple[float, Reference]]:
    return sorted(((_score(sample, one, wards), one) for one in candidates), key=lambda pair: -pair[0])


def _score(sample: Sample, one: Reference, wards: Wards) -> float:
    """Share of the sample in the city; of those that name a ward, in that ward."""
    finite = np.isfinite(sample.xy).all(axis=1)
    if not finite.any() or not len(wards):
        return 0.0
    lonlat = one.lonlat(sample.xy[finite])
    good = np.isfinite(lonlat).all(axis=1)
    found = np.full(len(lonlat), -1, np.int64)
    found[good] = wards.holding(np.asarray(shapely.points(lonlat[good])))
    if sample.named is None or not (sample.named >= 0).any():
        return float(np.mean(found >= 0))
    named = sample.named[finite]
    return float(np.mean(found[named >= 0] == named[named >= 0]))


def _share(flags: Array) -> float:
    return float(np.mean(flags.all(axis=1)))


def _shown(xy: Array) -> str:
    return f"{xy[0][0]:.2f} {xy[0][1]:.2f}" if len(xy) else "none"


def _code(parsed: pyproj.CRS) -> str | None:
    authority = parsed.to_authority(min_confidence=70)
    return ":".join(authority) if authority else None


def _is_vn2000(parsed: pyproj.CRS) -> bool:
    """By its datum, by its name, or a TM-3 grid of Vietnam on WGS 84, as GDAL writes VN-2000 to MapInfo files."""
    datum = parsed.datum.name if parsed.datum else ""
    geodetic = parsed.geodetic_crs.name if parsed.geodetic_crs else ""
    names = folded(f"{parsed.name} {geodetic} {datum}")
    if "vn2000" in names or "vietnam2000" in names:
        return True
    grid = _grid_of(parsed)
    return grid is not None and grid.k == 0.9999 and grid.lon in {float(lon) for lon in TM3_MERIDIANS.values()}


def _pinned(parsed: pyproj.CRS) -> Reference:
    """VN-2000 with whatever datum shift, or none, the file brings: its grid, with the pinned operation."""
    shift = f"+ellps=WGS84 +towgs84={TOWGS84} +no_defs +type=crs"
    grid = _grid_of(parsed)
    if grid is None:
        return Reference("EPSG:4756", "VN-2000", f"+proj=longlat {shift}")
    same = next((known for known in VN2000.values() if _same(known.proj4 or "", grid)), None)
    if same is not None:
        return Reference(same.code, same.title, same.proj4)
    axes = f"+lon_0={grid.lon} +lat_0={grid.lat} +k={grid.k} +x_0={grid.east} +y_0={grid.north}"
    return Reference("custom", f"VN-2000, {grid.lon}°", f"+proj=tmerc {axes} +units=m {shift}")


@dataclass(frozen=True, slots=True)
class _Grid:
    """A transverse Mercator grid: meridian, latitude of origin, scale, false easting and northing."""

    lon: float
    lat: float
    k: float
    east: float
    north: float


_PARAMETERS = (
    "Longitude of natural origin",
    "Latitude of natural origin",
    "Scale factor at natural origin",
    "False easting",
    "False northing",
)


def _grid_of(parsed: pyproj.CRS) -> _Grid | None:
    """The grid of a CRS on the transverse Mercator projection, else None."""
    projected = parsed.source_crs if parsed.is_bound and parsed.source_crs else parsed
    operation = projected.coordinate_operation
    if operation is None or operation.method_name != "Transverse Mercator":
        return None
    values = {parameter.name: float(parameter.value) for parameter in operation.params}
    return _Grid(*(values.get(name, 0.0) for name in _PARAMETERS))


def _same(proj4: str, grid: _Grid) -> bool:
    terms = dict(term.lstrip("+").split("=") for term in proj4.split() if "=" in term)
    return _Grid(float(terms["lon_0"]), 0.0, float(terms["k"]), float(terms["x_0"]), 0.0) == grid
