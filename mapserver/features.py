"""A GeoJSON feature sent for writing, checked against its layer as strictly as a row at ingest.

Every fault is told at once, each with a JSON pointer. Nothing here knows SQL or HTTP."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import shapely
import shapely.geometry

from mapserver.crs import CRS84, Crs
from mapserver.errors import BadFeature, BadQuery
from mapserver.layer import Column, Layer
from mapserver.projection import in_lon_lat
from mapserver.query import Caller, Scalar, visible_columns
from mapserver.times import instant_of, moment

MAX_BATCH = 10_000
"""Features one request may write."""
MAX_TEXT = 10_000
"""Characters one text may have."""
Fault = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that its layer can store: hex EWKB in the layer's CRS, and a value for each written column."""

    geometry: str | None
    values: tuple[tuple[Column, Scalar | tuple[str, ...]], ...]


def parsed(body: bytes) -> Any:
    """The JSON of a request body. Raises BadQuery for what is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadQuery("body", f"is not JSON: {error}") from error


def features(layer: Layer, raw: Any, caller: Caller, crs: Crs = CRS84) -> tuple[Feature, ...]:
    """The features of a Feature or a FeatureCollection. Raises BadFeature with the faults of the first bad one."""
    if not isinstance(raw, dict) or raw.get("type") != "FeatureCollection":
        return (feature(layer, raw, caller, crs),)
    members = raw.get("features")
    if not isinstance(members, list) or not 0 < len(members) <= MAX_BATCH:
        raise BadFeature("body", f"`features` needs an array of 1 to {MAX_BATCH}", (("/features", "is not that"),))
    return tuple(_member(layer, place, member, caller, crs) for place, member in enumerate(members))


def _member(layer: Layer, place: int, raw: Any, caller: Caller, crs: Crs) -> Feature:
    try:
        return feature(layer, raw, caller, crs)
    except BadFeature as error:
        at = f"/features/{place}"
        faults = tuple((f"{at}{pointer}", told) for pointer, told in error.faults) or ((at, error.detail),)
        raise BadFeature("body", f"feature {place} has {len(faults)} faults; nothing was stored", faults) from error


def patched(stored: dict[str, Any], patch: Any) -> dict[str, Any]:
    """A stored feature with a JSON Merge Patch (RFC 7396) applied to its geometry and properties."""
    if not isinstance(patch, dict):
        raise BadFeature("body", "needs a JSON object with `geometry` or `properties`")
    unknown = [name for name in patch if name not in ("type", "id", "geometry", "properties", "links")]
    if unknown:
        raise BadFeature("body", "has members that a feature has not", tuple((f"/{n}", "unknown") for n in unknown))
    changes = patch.get("properties", {})
    if changes is not None and not isinstance(changes, dict):
        raise BadFeature("body", "`properties` needs an object", (("/properties", "needs an object"),))
    properties = {**stored["properties"], **(changes or {})} if changes is not None else {}
    return {"type": "Feature", "geometry": patch.get("geometry", stored["geometry"]), "properties": properties}


def feature(layer: Layer, raw: Any, caller: Caller, crs: Crs = CRS84) -> Feature:
    """The feature as its layer stores it; crs: of its coordinates. A body's `id` is ignored.

    Raises BadFeature with every fault."""
    if not isinstance(raw, dict) or raw.get("type") != "Feature":
        raise BadFeature("body", "needs a GeoJSON object of type Feature")
    properties = {} if raw.get("properties") is None else raw["properties"]
    if not isinstance(properties, dict):
        raise BadFeature("body", "`properties` needs an object", (("/properties", "needs an object"),))
    columns = written(layer, caller)
    faults = [*_unknown(layer, columns, properties), *_crs_member(raw)]
    geometry, wrong = _geometry(layer, raw.get("geometry"), crs)
    return _checked(columns, properties, geometry, [*faults, *wrong])


def changes(layer: Layer, properties: dict[str, Any], geometry: Any, caller: Caller, crs: Crs = CRS84) -> Feature:
    """Some values for features that are there, checked as those of a whole one; a geometry of None stays as it is.

    Raises BadFeature with every fault."""
    columns = written(layer, caller)
    placed, wrong = _geometry(layer, geometry, crs) if geometry is not None else (None, [])
    given = tuple(column for column in columns if column.name in properties)
    return _checked(given, properties, placed, [*_unknown(layer, columns, properties), *wrong])


def _checked(
    columns: tuple[Column, ...], properties: dict[str, Any], geometry: str | None, faults: list[Fault]
) -> Feature:
    """The values of columns, or every fault there is."""
    values = []
    for column in columns:
        given = properties.get(column.name)
        fault = _fault(column, given)
        if fault:
            faults.append((f"/properties/{column.name}", fault))
        else:
            values.append((column, _value(column, given)))
    if faults:
        raise BadFeature("body", f"{len(faults)} fault{'s' if len(faults) > 1 else ''}; see `errors`", tuple(faults))
    return Feature(geometry, tuple(values))


def written(layer: Layer, caller: Caller) -> tuple[Column, ...]:
    """The columns this caller writes: what it may see, without the ward, which is the engine's to say."""
    return tuple(column for column in visible_columns(layer, caller) if not (layer.ward and column.name == "ward_code"))


def _unknown(layer: Layer, columns: tuple[Column, ...], properties: dict[str, Any]) -> Iterator[Fault]:
    names = [column.name for column in columns]
    for name in properties:
        if name not in names and not (layer.ward and name == "ward_code"):
            yield f"/properties/{name[:60]}", f"cannot be written; {layer.name} takes {', '.join(names)}"


def _crs_member(raw: dict[str, Any]) -> Iterator[Fault]:
    if "crs" in raw:
        yield "/crs", "GeoJSON has no `crs` member any more; coordinates are longitude, latitude (RFC 7946)"


def _geometry(layer: Layer, raw: Any, crs: Crs) -> tuple[str | None, list[Fault]]:
    at = "/geometry"
    if layer.geometry is None:
        return None, [] if raw is None else [(at, f"{layer.name} has no geometry; leave it null")]
    if not isinstance(raw, dict):
        return None, [(at, f"needs a {layer.geometry}")]
    kind = raw.get("type")
    if layer.geometry not in ("Geometry", kind):
        return None, [(f"{at}/type", f"needs {layer.geometry}, got {str(kind)[:40]}")]
    if not _numeric(raw.get("coordinates", raw.get("geometries"))):
        return None, [(f"{at}/coordinates", "needs arrays of finite numbers, longitude then latitude")]
    try:
        shape = shapely.geometry.shape(raw)
    except (ValueError, TypeError, IndexError, AttributeError, shapely.errors.ShapelyError) as error:
        return None, [(f"{at}/coordinates", f"make no {kind}: {error}")]
    placed = in_lon_lat(shape, crs)
    fault = _off_earth(shape, crs) if placed is None else _shape_fault(placed)
    if fault or placed is None:
        return None, [(f"{at}/coordinates", fault)]
    return shapely.to_wkb(shapely.set_srid(shapely.force_2d(placed), layer.srid), hex=True, include_srid=True), []


def _numeric(raw: Any, depth: int = 0) -> bool:
    if depth > 5:
        return False
    if isinstance(raw, list):
        return bool(raw) and all(_numeric(part, depth + 1) for part in raw)
    if isinstance(raw, dict):
        return _numeric(raw.get("coordinates"), depth + 1)
    return isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)


def _shape_fault(shape: shapely.Geometry) -> str:
    if shapely.is_empty(shape):
        return "are empty"
    return "" if shapely.is_valid(shape) else f"make an invalid geometry: {shapely.is_valid_reason(shape)}"


def _off_earth(shape: shapely.Geometry, crs: Crs) -> str:
    west, south, east, north = shapely.bounds(shape)
    swapped = not crs.swap and west >= -90 and east <= 90 and south >= -180 and north <= 180
    hint = "; latitude and longitude look swapped" if swapped and crs.srid == 4326 else ""
    return f"of {crs.code} lie outside longitude -180..180 and latitude -90..90{hint}"


def _fault(column: Column, given: Any) -> str | None:
    """Why a value cannot stand in a column, or None when it can."""
    if given is None:
        return "is required" if column.required else None
    match column.type:
        case "integer":
            return None if _is_int(given) else f"needs a whole number, got {_shown(given)}"
        case "number":
            fine = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
            return None if fine else f"needs a number, got {_shown(given)}"
        case "boolean":
            return None if isinstance(given, bool) else f"needs true or false, got {_shown(given)}"
        case "text[]":
            fine = isinstance(given, list) and all(isinstance(x, str) and _is_text(x) for x in given)
            return None if fine else f"needs a list of texts, got {_shown(given)}"
        case _:
            return _text_fault(column, given)


def _text_fault(column: Column, given: Any) -> str | None:
    if not isinstance(given, str) or not _is_text(given):
        return f"needs a text of at most {MAX_TEXT} characters without control characters, got {_shown(given)}"
    if column.type == "code" and given not in (column.codes or {}):
        return f"needs one of {', '.join(column.codes or {})}, got {_shown(given)}"
    if column.type in ("date", "datetime"):
        try:
            moment(column.name, given)
        except BadQuery as error:
            return error.detail
    return None


def _is_int(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and -(2**63) <= given < 2**63


def _is_text(given: str) -> bool:
    return len(given) <= MAX_TEXT and not any(ord(c) < 32 and c not in "\t\n\r" for c in given)


def _shown(given: Any) -> str:
    return repr(given)[:60]


def _value(column: Column, given: Any) -> Scalar | tuple[str, ...]:
    """The value as stored: text in NFC, Ð (U+00D0) mended to Đ, times in UTC."""
    if column.type == "text[]" and given is not None:
        return tuple(mended(text) for text in given)
    if not isinstance(given, str):
        return given  # type: ignore[no-any-return]
    if column.type == "date":
        at = moment(column.name, given)
        return at.date() if isinstance(at, datetime) else at
    if column.type == "datetime":
        at = moment(column.name, given)
        return instant_of(at)
    return mended(given)


def mended(text: str) -> str:
    """Text as the store keeps it: NFC, with the Icelandic Ð that old keyboards gave for Đ mended."""
    return unicodedata.normalize("NFC", text).replace("\u00d0", "\u0110")
