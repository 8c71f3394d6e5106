"""The nouns of the house in Esri's words: fields, geometry types, spatial references, and the features themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from mapserver.crs import CRS84, OFFERED, WEB_MERCATOR, WGS84, Crs
from mapserver.errors import BadQuery
from mapserver.layer import Column, Language, Layer

OID = "OBJECTID"
"""The name of the id; no column of ours is written in capitals."""
GEOMETRY_TYPES = {
    "Point": "esriGeometryPoint", "MultiPoint": "esriGeometryMultipoint", "LineString": "esriGeometryPolyline",
    "MultiLineString": "esriGeometryPolyline", "Polygon": "esriGeometryPolygon", "MultiPolygon": "esriGeometryPolygon",
}  # fmt: skip
FIELD_TYPES = {
    "text": "esriFieldTypeString", "code": "esriFieldTypeString", "uri": "esriFieldTypeString",
    "text[]": "esriFieldTypeString", "integer": "esriFieldTypeDouble", "number": "esriFieldTypeDouble",
    "boolean": "esriFieldTypeSmallInteger", "date": "esriFieldTypeDate", "datetime": "esriFieldTypeDate",
}  # fmt: skip
"""Whole numbers are doubles here: Esri's integers end at 32 bits, ours at 64; a double is exact up to 53."""
WEB_MERCATOR_IDS = (102100, 102113, 900913, 3857)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Feature = dict[str, Any]


def offered(layer: Layer) -> bool:
    """Whether Esri's model can hold the layer: one type of geometry, or none."""
    return layer.origin != "raster" and (layer.geometry is None or layer.geometry in GEOMETRY_TYPES)


def fields(columns: Mapping[str, Column], language: Language) -> list[dict[str, Any]]:
    """The id and the columns as Esri's fields."""
    oid = {
        "name": OID, "type": "esriFieldTypeOID", "alias": OID, "sqlType": "sqlTypeOther", "nullable": False,
        "editable": False, "domain": None, "defaultValue": None,
    }  # fmt: skip
    return [oid, *(_field(column, language) for column in columns.values())]


def _field(column: Column, language: Language) -> dict[str, Any]:
    kind = FIELD_TYPES[column.type]
    told: dict[str, Any] = {
        "name": column.name, "type": kind, "alias": column.title[language], "sqlType": "sqlTypeOther",
        "nullable": True, "editable": False, "domain": None, "defaultValue": None,
    }  # fmt: skip
    if kind == "esriFieldTypeString":
        told["length"] = 10_000
    if column.codes:
        values = [{"name": text[language], "code": code} for code, text in column.codes.items()]
        told["domain"] = {"type": "codedValue", "name": column.name, "codedValues": values}
    return told


def reference(crs: Crs) -> dict[str, int]:
    """A CRS as Esri names it."""
    if crs == WEB_MERCATOR:
        return {"wkid": 102100, "latestWkid": 3857}
    number = 4326 if crs.srid == 4326 else int(crs.code.partition(":")[2])
    return {"wkid": number, "latestWkid": number}


def crs_of(text: str, parameter: str) -> Crs:
    """The CRS of `outSR` or `inSR`: a number, or JSON with `wkid`. Raises BadQuery."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raw = text
    if isinstance(raw, dict):
        raw = raw.get("latestWkid") or raw.get("wkid")
    for crs in (CRS84, *OFFERED):
        if raw == reference(crs)["wkid"] or (crs == WEB_MERCATOR and raw in WEB_MERCATOR_IDS):
            return CRS84 if crs == WGS84 else crs
    numbers = ", ".join(dict.fromkeys(str(reference(crs)["wkid"]) for crs in OFFERED))
    raise BadQuery(parameter, f"needs one of the wkids {numbers}, got {text[:60]!r}")


def attributes(feature: Feature, columns: Mapping[str, Column]) -> dict[str, Any]:
    """The attributes of a GeoJSON feature as Esri has them: times as milliseconds, lists as text."""
    given = feature["properties"]
    told = {name: _attribute(columns[name], value) for name, value in given.items() if name in columns}
    return {OID: feature["id"], **told}


def _attribute(column: Column, value: Any) -> Any:
    if value is None:
        return None
    match column.type:
        case "boolean":
            return int(value)
        case "date":
            day = date.fromisoformat(value)
            return _milliseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))
        case "datetime":
            return _milliseconds(datetime.fromisoformat(value))
        case "text[]":
            return json.dumps(value, ensure_ascii=False)
    return value


def _milliseconds(at: datetime) -> int:
    return round((at - _EPOCH).total_seconds() * 1000)


def geometry(shape: dict[str, Any] | None) -> dict[str, Any] | None:
    """A GeoJSON geometry as Esri's: shells clockwise, holes the other way, as RFC 7946 does not have it."""
    if shape is None:
        return None
    at = shape["coordinates"]
    match shape["type"]:
        case "Point":
            return {"x": at[0], "y": at[1]}
        case "MultiPoint":
            return {"points": at}
        case "LineString":
            return {"paths": [at]}
        case "MultiLineString":
            return {"paths": at}
        case "Polygon":
            return {"rings": [ring[::-1] for ring in at]}
        case _:
            return {"rings": [ring[::-1] for polygon in at for ring in polygon]}


def parts(shape: dict[str, Any]) -> list[list[list[float]]]:
    """The coordinates of an Esri geometry as lists of positions: paths, rings, or one list of points."""
    if "x" in shape:
        return [[[shape["x"], shape["y"]]]]
    return [shape["points"]] if "points" in shape else list(shape.get("paths") or shape.get("rings") or [])
