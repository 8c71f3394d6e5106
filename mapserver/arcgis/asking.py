"""`query` of a layer as a question. Parameters that would change the answer and are not understood are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely

from mapserver import parameters
from mapserver.arcgis.where import where
from mapserver.arcgis.words import OID, crs_of, parts
from mapserver.cql2.expression import Array, Bbox, Call, Expression, Geometry, Literal, Property
from mapserver.cql2.sql import GEOMETRY, ID
from mapserver.crs import CRS84, Crs
from mapserver.errors import BadQuery
from mapserver.layer import Column, Layer
from mapserver.projection import in_lon_lat
from mapserver.query import Caller, Filter, Interval, ItemsQuery, Sort, seen

MAX_RECORDS = 2000
"""Features of one answer; a client that wants more turns the page by `resultOffset`."""
MOST_IDS = 5000
RELATIONS = {
    "esriSpatialRelIntersects": "s_intersects", "esriSpatialRelContains": "s_within", "esriSpatialRelWithin":
    "s_contains", "esriSpatialRelTouches": "s_touches", "esriSpatialRelOverlaps": "s_overlaps",
    "esriSpatialRelCrosses": "s_crosses", "esriSpatialRelEnvelopeIntersects": "s_intersects",
    "esriSpatialRelIndexIntersects": "s_intersects",
}  # fmt: skip
"""How the feature stands to the given geometry; Esri says how the given one stands to the feature."""
REFUSED = (
    "outStatistics", "groupByFieldsForStatistics", "having", "distance", "relationParam", "gdbVersion",
    "historicMoment", "parametricValues", "rangeValues", "fullText",
)  # fmt: skip
FLAGS = ("returnCountOnly", "returnIdsOnly", "returnExtentOnly", "returnGeometry", "returnDistinctValues")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, read."""

    query: ItemsQuery
    geometry: bool
    count_only: bool
    ids_only: bool
    extent_only: bool


def asked(layer: Layer, caller: Caller, given: Mapping[str, str]) -> Asked:
    """The question of a `query`. Raises BadQuery naming the parameter."""
    for name in REFUSED:
        if given.get(name, "").strip() not in ("", "0", "0.0", "null", "[]", "{}"):
            raise BadQuery(name, "is not offered here; ask for the features themselves")
    flags = {name: _flag(given, name, usual=name == "returnGeometry") for name in FLAGS}
    if flags["returnDistinctValues"]:
        raise BadQuery("returnDistinctValues", "is not offered here; ask for the features themselves")
    columns = seen(layer, caller.insider)
    query = ItemsQuery(
        layer,
        limit=min(parameters.whole("resultRecordCount", given.get("resultRecordCount", str(MAX_RECORDS)), 0, 10**9),
                  MAX_RECORDS) or MAX_RECORDS,
        offset=parameters.whole("resultOffset", given.get("resultOffset", "0"), 0, 10**12),
        interval=_interval(layer, given.get("time")),
        sort=_sorting(given.get("orderByFields"), columns),
        properties=_out_fields(given.get("outFields"), columns),
        filter=_filter(layer, given),
        crs=crs_of(given["outSR"], "outSR") if "outSR" in given else CRS84,
    )  # fmt: skip
    return Asked(
        query,
        flags["returnGeometry"] and layer.geometry is not None,
        flags["returnCountOnly"],
        flags["returnIdsOnly"],
        flags["returnExtentOnly"],
    )


def _flag(given: Mapping[str, str], name: str, *, usual: bool) -> bool:
    text = given.get(name, str(usual)).strip().lower()
    if text not in ("true", "false"):
        raise BadQuery(name, f"needs true or false, got {text[:20]!r}")
    return text == "true"


def _filter(layer: Layer, given: Mapping[str, str]) -> Filter | None:
    """All conditions together; geometries in longitude and latitude."""
    conditions = [
        *([where(given["where"])] if "where" in given else []),
        *([_ids(given["objectIds"])] if given.get("objectIds", "").strip() else []),
        *([_spatial(layer, given)] if given.get("geometry", "").strip() else []),
    ]
    found: tuple[Expression, ...] = tuple(each for each in conditions if each is not None)
    if not found:
        return None
    return Filter(found[0] if len(found) == 1 else Call("and", found))


def _ids(text: str) -> Expression:
    given = text.split(",")
    if len(given) > MOST_IDS:
        raise BadQuery("objectIds", f"takes {MOST_IDS} at once, got {len(given)}")
    numbers = tuple(Literal(parameters.whole("objectIds", each.strip(), -(2**63), 2**63 - 1)) for each in given)
    return Call("in", (Property(ID), Array(numbers)))


def _spatial(layer: Layer, given: Mapping[str, str]) -> Expression:
    relation = given.get("spatialRel", "esriSpatialRelIntersects")
    if relation not in RELATIONS:
        raise BadQuery("spatialRel", f"needs one of {', '.join(RELATIONS)}, got {relation[:60]!r}")
    if layer.geometry is None:
        raise BadQuery("geometry", f"{layer.name} has no geometry")
    raw = _geometry_json(given["geometry"])
    own = raw.get("spatialReference")
    named = given.get("inSR") or (json.dumps(own) if own else "")
    crs = crs_of(named, "inSR") if named else CRS84
    return Call(RELATIONS[relation], (Property(GEOMETRY), _placed(raw, crs)))


def _geometry_json(text: str) -> dict[str, Any]:
    """A geometry as JSON, or its short form: `x,y` or `xmin,ymin,xmax,ymax`."""
    if not text.lstrip().startswith("{"):
        numbers = [parameters.number("geometry", part.strip()) for part in text.split(",")]
        names = {2: ("x", "y"), 4: ("xmin", "ymin", "xmax", "ymax")}.get(len(numbers))
        if names is None:
            raise BadQuery("geometry", "needs x,y or xmin,ymin,xmax,ymax or JSON")
        return dict(zip(names, numbers, strict=True))
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadQuery("geometry", f"is not JSON: {error}") from error
    return dict(raw)


def _placed(raw: dict[str, Any], crs: Crs) -> Expression:
    """An Esri geometry as an expression in longitude and latitude. Raises BadQuery."""
    try:
        shape = _box(raw) if "xmin" in raw else _shape(raw)
        if shapely.is_empty(shape):
            raise ValueError("it is empty")
    except (KeyError, TypeError, ValueError, IndexError, shapely.errors.ShapelyError) as error:
        raise BadQuery("geometry", f"is no geometry: {str(error)[:120]}") from error
    if "xmin" in raw and crs.srid == 4326:
        west, south, east, north = shapely.bounds(shape)
        return Bbox((max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)))
    if "xmin" in raw:
        shape = _within(shape, crs)
    placed = in_lon_lat(shape, crs)
    if placed is None:
        raise BadQuery("geometry", f"lies outside the earth in {crs.code}; say inSR")
    return Geometry(placed)


def _box(raw: dict[str, Any]) -> shapely.Polygon:
    west, south, east, north = (float(raw[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
    if not (west <= east and south <= north):
        raise ValueError("its least edges come first")
    return shapely.box(west, south, east, north)


def _within(shape: shapely.Geometry, crs: Crs) -> shapely.Geometry:
    """A box cut to the domain of its CRS, its edges densified so that they keep their shape."""
    west, south, east, north = crs.domain
    cut = shapely.clip_by_rect(shape, west, south, east, north)
    left, low, right, high = shapely.bounds(cut)
    side = max(right - left, high - low) / 64
    return shapely.segmentize(cut, side) if side > 0 else cut


def _shape(raw: dict[str, Any]) -> shapely.Geometry:
    lists = [[(float(at[0]), float(at[1])) for at in part] for part in parts(raw)]
    if "x" in raw:
        return shapely.Point(lists[0][0])
    if "points" in raw:
        return shapely.MultiPoint(lists[0])
    if "paths" in raw:
        return shapely.MultiLineString(lists)
    if "rings" not in raw:
        raise ValueError("it has none of x, points, paths, rings, xmin")
    # which ring is a hole in which is what the even-odd rule says, whatever way they turn
    return shapely.build_area(shapely.MultiLineString(lists))


def _interval(layer: Layer, text: str | None) -> Interval | None:
    """`time`: a moment, or `start,end`, in milliseconds; `null` is an open end."""
    if text is None or not text.strip():
        return None
    ends = [None if part.strip().lower() == "null" else _moment(part.strip()) for part in text.split(",")]
    if len(ends) > 2 or layer.time is None:
        raise BadQuery("time", "needs one or two moments in milliseconds, of a layer that keeps time")
    return Interval(ends[0], ends[-1])


def _moment(text: str) -> datetime:
    milliseconds = parameters.whole("time", text, -62_135_596_800_000, 253_402_300_799_999)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _sorting(text: str | None, columns: Mapping[str, Column]) -> tuple[Sort, ...]:
    """`name, pupils DESC`; the id is what everything is sorted by at last."""
    terms = []
    for part in (text or "").split(","):
        name, _, order = part.strip().partition(" ")
        if not name or (name.upper() == OID and order.strip().upper() in ("", "ASC")):
            continue
        if name not in columns or columns[name].type == "text[]" or order.strip().upper() not in ("", "ASC", "DESC"):
            raise BadQuery("orderByFields", f"cannot sort by {part.strip()[:60]!r}; there are {', '.join(columns)}")
        terms.append(Sort(name, order.strip().upper() == "DESC"))
    if len({term.column for term in terms}) < len(terms):
        raise BadQuery("orderByFields", "names a field twice")
    return tuple(terms)


def _out_fields(text: str | None, columns: Mapping[str, Column]) -> tuple[str, ...] | None:
    """`outFields`: none are given besides the id when it is absent; `*` for all."""
    names = [part.strip().strip('"') for part in (text or "").split(",") if part.strip()]
    if "*" in names:
        return None
    for name in names:
        if name not in columns and name.upper() != OID:
            raise BadQuery("outFields", f"there is no {name[:60]!r}; there are {', '.join((OID, *columns))}")
    return tuple(name for name in columns if name in names)
