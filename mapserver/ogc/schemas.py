"""Schemas of a layer as JSON Schema (OGC 23-058r2): what a feature holds, what can be filtered, what can be sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mapserver.cql2.functions import FUNCTIONS
from mapserver.errors import BadQuery, NotFound
from mapserver.layer import GEOMETRIES, Column, Layer
from mapserver.ogc.documents import Document, root
from mapserver.ogc.house import Reader
from mapserver.ogc.links import ways
from mapserver.query import visible_columns

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WRITES = ("create", "replace", "update")
WARD = "ward_code"
_FORMATS = {"integer": "int64", "number": "double"}


def schema(reader: Reader, layer: Layer) -> Document:
    """What a feature of the layer holds (returnables), or the bands of a raster."""
    columns = visible_columns(layer, reader.caller)
    properties = _features(reader, layer, columns) if layer.origin != "raster" else _properties(reader, layer, columns)
    return {
        **_frame(reader, layer, "schema"),
        "description": layer.description[reader.language],
        "properties": _in_order(properties),
        "required": [column.name for column in columns if column.required],
        "additionalProperties": False,
    }


def sent(layer: Layer, kind: str) -> Callable[[Reader, Layer], Document]:
    """What a feature must be like that is sent to create, replace or update one (Part 4). Raises BadQuery, NotFound."""
    if kind not in WRITES:
        raise BadQuery("type", f"needs one of {', '.join(WRITES)}, got {kind[:40]!r}")
    if not layer.writable:
        raise NotFound("type", f"{layer.name} is not written through the API")
    return lambda reader, layer: _sent(reader, layer, kind)


def _sent(reader: Reader, layer: Layer, kind: str) -> Document:
    columns = [column for column in visible_columns(layer, reader.caller) if column.name != WARD or not layer.ward]
    properties: Document = {
        "type": "object",
        "properties": _properties(reader, layer, tuple(columns)),
        "additionalProperties": False,
    }
    geometry = _geometry(reader, layer).get("geometry", {"type": "null"})
    feature: Document = {
        **_frame(reader, layer, "schema"),
        "properties": {"type": {"const": "Feature"}, "geometry": geometry, "properties": properties},
    }
    if kind != "update":
        properties["required"] = [column.name for column in columns if column.required]
        feature["required"] = ["type", "geometry", "properties"]
    return feature


def queryables(reader: Reader, layer: Layer) -> Document:
    """What a client may filter by."""
    columns = visible_columns(layer, reader.caller)
    return {
        **_frame(reader, layer, "queryables"),
        "properties": _in_order(_features(reader, layer, columns)),
        "additionalProperties": False,
    }


def sortables(reader: Reader, layer: Layer) -> Document:
    """What a client may sort by."""
    columns = tuple(column for column in visible_columns(layer, reader.caller) if column.type != "text[]")
    return {
        **_frame(reader, layer, "sortables"),
        "properties": _in_order(_properties(reader, layer, columns)),
        "additionalProperties": False,
    }


def functions(reader: Reader) -> Document:
    """The functions that a filter may call."""
    types = {"text": "string"}
    listed = [
        {
            "name": function.name,
            "description": function.description[reader.language],
            "arguments": [{"type": [types.get(taken, taken)]} for taken in function.takes],
            "returns": [types.get(function.gives, function.gives)],
        }
        for function in FUNCTIONS.values()
    ]
    title = reader.choose("Hàm trong bộ lọc", "Functions of filters")
    return {"title": title, "functions": listed, "links": [*ways(reader, "/functions"), root(reader)]}


def _frame(reader: Reader, layer: Layer, name: str) -> Document:
    return {
        "$schema": DIALECT,
        "$id": f"{reader.base}/collections/{layer.name}/{name}",
        "type": "object",
        "title": layer.title[reader.language],
    }


def _in_order(properties: dict[str, Document]) -> Document:
    return {name: {**said, "x-ogc-propertySeq": place} for place, (name, said) in enumerate(properties.items(), 1)}


def _features(reader: Reader, layer: Layer, columns: tuple[Column, ...]) -> dict[str, Document]:
    """The id, the geometry, and the columns."""
    title = reader.choose("Mã đối tượng", "Identifier")
    identifier = {"title": title, "type": "integer", "format": "int64", "x-ogc-role": "id", "readOnly": True}
    return {"id": identifier, **_geometry(reader, layer), **_properties(reader, layer, columns)}


def _geometry(reader: Reader, layer: Layer) -> dict[str, Document]:
    if layer.geometry is None:
        return {}
    title = reader.choose("Hình dạng", "Geometry")
    return {"geometry": {"title": title, "format": GEOMETRIES[layer.geometry], "x-ogc-role": "primary-geometry"}}


def _properties(reader: Reader, layer: Layer, columns: tuple[Column, ...]) -> dict[str, Document]:
    return {column.name: dict(_property(reader, layer, column)) for column in columns}


def _property(reader: Reader, layer: Layer, column: Column) -> Iterator[tuple[str, object]]:
    yield "title", column.title[reader.language]
    if column.description:
        yield "description", column.description[reader.language]
    yield from column.kind.schema.items()
    if column.type in _FORMATS:
        yield "format", _FORMATS[column.type]
    if column.codes:
        yield "oneOf", [{"const": code, "title": title[reader.language]} for code, title in column.codes.items()]
    if column.unit:
        yield "x-ogc-unit", column.unit
    if column.name == layer.time:
        yield "x-ogc-role", "primary-interval-start" if layer.until else "primary-instant"
    if column.name == layer.until:
        yield "x-ogc-role", "primary-interval-end"
    if column.name == "ward_code" and layer.ward:
        yield "readOnly", True
