"""Geometry, whole arrays at a time: which shapes are finite, of the wanted type, valid; and the bytes PostGIS takes.

Nothing here judges a row; `checks` does, with these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

Array = np.ndarray[Any, np.dtype[Any]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
SINGLES = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}
_IDS = {"Point": 0, "LineString": 1, "Polygon": 3, "MultiPoint": 4, "MultiLineString": 5, "MultiPolygon": 6}
_NAMES = {**{number: name for name, number in _IDS.items()}, 2: "LinearRing", 7: "GeometryCollection"}
_MULTI: dict[str, Callable[..., Any]] = {
    "MultiPoint": shapely.multipoints,
    "MultiLineString": shapely.multilinestrings,
    "MultiPolygon": shapely.multipolygons,
}
_EWKB_POINT = np.dtype([("order", "u1"), ("type", "<u4"), ("srid", "<u4"), ("xy", "<f8", 2)])
_POINT_WITH_SRID = 0x2000_0001
_WORDS = {"Self-intersection": "crosses itself", "Ring Self-intersection": "has a ring that crosses or touches itself"}


def all_points(shapes: Array) -> bool:
    """Whether there is nothing but points, or nothing."""
    return bool((shapely.get_type_id(shapes) <= 0).all())


def not_finite(shapes: Array) -> Mask:
    """Which shapes have a coordinate that is NaN or infinite."""
    if all_points(shapes):
        x, y = shapely.get_x(shapes), shapely.get_y(shapes)
        return np.asarray(~(np.isfinite(x) & np.isfinite(y)) & ~_empty_or_missing(shapes))
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    out = np.zeros(len(shapes), bool)
    out[owner[~np.isfinite(xy).all(axis=1)]] = True
    return out | _nan_points(shapes)


def empty(shapes: Array) -> Mask:
    """Which shapes are there and have no coordinates; GEOS calls a point of NaN empty, too, and it is not."""
    flags = shapely.is_empty(shapes)
    return np.asarray(flags & ~_nan_points(shapes)) if flags.any() else np.asarray(flags)


def flat(shapes: Array) -> Array:
    """The same shapes without heights and measures."""
    if shapely.has_z(shapes).any() or shapely.has_m(shapes).any():
        return np.asarray(shapely.force_2d(shapes))
    return shapes


def without(shapes: Array, flags: Mask) -> Array:
    """The same shapes, those that are flagged made None."""
    if not flags.any():
        return shapes
    out = shapes.copy()
    out[flags] = None
    return out


def typed(shapes: Array, wanted: str) -> tuple[Array, Mask]:
    """Shapes as a type: singles become multis, a multi of one part a single; and which cannot be."""
    kinds, target = shapely.get_type_id(shapes), _IDS[wanted]
    if ((kinds == target) | (kinds < 0)).all():
        return shapes, np.zeros(len(shapes), bool)
    out = shapes.copy()
    if wanted in SINGLES:
        alone = kinds == _IDS[SINGLES[wanted]]
        out[alone] = _MULTI[wanted](shapes[alone], indices=np.arange(int(alone.sum())))
    else:
        lone = (kinds == _IDS[f"Multi{wanted}"]) & (shapely.get_num_geometries(shapes) == 1)
        out[lone] = shapely.get_geometry(shapes[lone], 0)
    now = shapely.get_type_id(out)
    return out, np.asarray((now != target) & (now >= 0))


def kind_of(shape: Any) -> str:
    """`Point`, `MultiPolygon of 3 parts`."""
    number = int(shapely.get_type_id(shape))
    parts = f" of {shapely.get_num_geometries(shape)} parts" if number > 3 else ""
    return _NAMES.get(number, "shape of another type") + parts


def mended(shape: Any, wanted: str) -> Any:
    """A valid shape of the type, or None where there is none."""
    made = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    if wanted == "Geometry":
        return None if made.is_empty else made
    single = SINGLES.get(wanted, wanted)
    parts = [part for part in shapely.get_parts([made]) if not part.is_empty]
    if not parts or any(part.geom_type != single for part in parts):
        return None
    if wanted in SINGLES:
        return _MULTI[wanted](parts)
    return parts[0] if len(parts) == 1 else None


def why_invalid(shape: Any) -> str:
    """GEOS' reason in words with the place, which it gives as `Self-intersection[106.7 10.77]`."""
    reason, _, place = shapely.is_valid_reason(shape).partition("[")
    at = f" at longitude and latitude {place.rstrip(']')}" if place else ""
    return f"{_WORDS.get(reason, f'is not valid: {reason}')}{at}"


def inner_points(shapes: Array) -> Array:
    """A point on each shape; points as they are."""
    return shapes if all_points(shapes) else np.asarray(shapely.point_on_surface(shapes))


def ewkb(shapes: Array) -> pa.Array:
    """Shapes as PostGIS takes them in COPY; points, the common case, without a Python object each."""
    if len(shapes) and (shapely.get_type_id(shapes) == 0).all():
        out = np.empty(len(shapes), _EWKB_POINT)
        out["order"], out["type"], out["srid"] = 1, _POINT_WITH_SRID, 4326
        out["xy"] = shapely.get_coordinates(shapes)
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(_EWKB_POINT.itemsize), len(out), [None, pa.py_buffer(out)]
        )
    return pa.array(shapely.to_wkb(shapely.set_srid(shapes, 4326), include_srid=True, byte_order=1), pa.binary())


def _empty_or_missing(shapes: Array) -> Mask:
    return np.asarray(shapely.is_missing(shapes) | (shapely.get_num_coordinates(shapes) == 0))


def _nan_points(shapes: Array) -> Mask:
    points = shapely.get_type_id(shapes) == 0
    out = np.zeros(len(shapes), bool)
    if points.any():
        lone = shapes[points]
        out[points] = np.isnan(shapely.get_x(lone)) & (shapely.get_num_coordinates(lone) > 0)
    return out
