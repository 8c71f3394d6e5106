"""The part of the API definition that is about areas: processes, joins, and aggregates by ward."""

from __future__ import annotations

from collections.abc import Iterator

from mapserver import aggregates, spreadsheets, tallies
from mapserver.areas import WEIGHTS
from mapserver.layer import Layer
from mapserver.ogc.documents import Document
from mapserver.ogc.house import Reader
from mapserver.ogc.joins import FIELDS, KEYS
from mapserver.ogc.links import GEOJSON, JSON, MVT
from mapserver.ogc.openapi_parts import PROBLEMS
from mapserver.ogc.processes import PROCESSES
from mapserver.query import visible_columns

_OBJECT: Document = {"type": "object"}
_TEXT: Document = {"type": "string"}
_LANG: Document = {"$ref": "#/components/parameters/lang"}
_RESULT: Document = {
    GEOJSON: {"schema": _OBJECT},
    JSON: {"schema": _OBJECT},
    "text/csv": {"schema": _TEXT},
    spreadsheets.XLSX: {"schema": {"type": "string", "format": "binary"}},
}


def general(reader: Reader, tag: str) -> Iterator[tuple[str, Document]]:
    """The paths that belong to no layer."""
    say = reader.choose
    plain: Document = {JSON: {"schema": _OBJECT}}
    which: Document = _path("processId", [*PROCESSES])
    one = say("Một quy trình", "One process")
    yield "/processes", {"get": _get(reader, tag, "getProcesses", say("Các quy trình", "Processes"), plain)}
    yield "/processes/{processId}", {"get": _get(reader, tag, "getProcessDescription", one, plain, which)}
    run = _operation(reader, tag, "execute", say("Chạy một quy trình", "Execute a process"), _RESULT, which)
    asked: Document = {"type": "object", "properties": {"inputs": _OBJECT, "outputs": _OBJECT}}
    run["requestBody"] = {"required": True, "content": {JSON: {"schema": asked}}}
    yield "/processes/{processId}/execution", {"post": run}
    join = _operation(reader, tag, "joinData", say("Ghép một bảng", "Join a table"), _RESULT)
    fields = {name: {"type": "string", "format": "binary"} if name.endswith("-file") else _TEXT for name in FIELDS}
    form: Document = {"type": "object", "required": ["collection-id", "right-dataset-file"], "properties": fields}
    join["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    yield "/joins", {"get": _get(reader, tag, "getJoins", say("Các phép ghép", "Joins"), plain), "post": join}


def of_layer(reader: Reader, layer: Layer) -> Iterator[tuple[str, Document]]:
    """The paths of one layer: its keys, and what is counted of it by ward."""
    title, say = layer.title[reader.language], reader.choose
    here, plain = f"/collections/{layer.name}", dict[str, object]({JSON: {"schema": _OBJECT}})
    visible = {column.name for column in visible_columns(layer, reader.caller)}
    if layer.origin != "raster" and KEYS[0] in visible:
        words, key = say("khóa", "keys"), _path("keyFieldId", [key for key in KEYS if key in visible])
        yield f"{here}/keys", {"get": _get(reader, layer.name, f"{layer.name}.getKeys", f"{title}: {words}", plain)}
        more = [key, _query("limit", {"type": "integer", "minimum": 1}), _query("key", _TEXT)]
        words = say("giá trị của một khóa", "values of a key")
        values = _get(reader, layer.name, f"{layer.name}.getKeyValues", f"{title}: {words}", plain, *more)
        yield f"{here}/keys/{{keyFieldId}}", {"get": values}
    if tallies.counted(layer):
        yield from _counted(reader, layer, here)


def _counted(reader: Reader, layer: Layer, here: str) -> Iterator[tuple[str, Document]]:
    title, say = layer.title[reader.language], reader.choose
    asked = [*_asked(layer)]
    content = {name: schema for name, schema in _RESULT.items() if name != spreadsheets.XLSX}
    words = f"{title}: {say('đếm theo phường', 'counted by ward')}"
    yield f"{here}/aggregate", {"get": _get(reader, layer.name, f"{layer.name}.aggregate", words, content, *asked)}
    place = [_path("tileMatrixSetId", ["WebMercatorQuad"]), *(_number(name) for name in "zyx")]
    words = f"{title}: {say('ô bản đồ theo phường', 'tiles by ward')}"
    tile: Document = {MVT: {"schema": {"type": "string", "format": "binary"}}}
    name = f"{layer.name}.aggregateTile"
    got = _get(reader, layer.name, name, words, tile, *place, *asked)
    got["responses"] = {**_responses(got), "204": {"description": say("Ô trống", "An empty tile")}}
    yield f"{here}/aggregate/tiles/{{tileMatrixSetId}}/{{z}}/{{y}}/{{x}}", {"get": got}


def _responses(operation: Document) -> Document:
    responses = operation["responses"]
    return responses if isinstance(responses, dict) else {}


def _asked(layer: Layer) -> Iterator[Document]:
    """The parameters of an aggregate, but for `f` and `lang`."""
    flag: Document = {"type": "boolean", "default": False}
    sums = ["count", *(column.name for column in tallies.measures(layer) if column.access.level == "public")]
    by: Document = {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 3, "example": ["ward"]}
    yield {**_query("by", by), "style": "form", "explode": False}
    yield _query("value", {"type": "string", "enum": sums, "default": "count"})
    yield _query("per", {"type": "string", "enum": [*aggregates.PER]})
    if layer.time:
        yield _query("datetime", _TEXT)
    yield _query("boundaries", {"type": "string", "format": "date"})
    yield _query("weight", {"type": "string", "enum": [*WEIGHTS]})
    yield _query("whole", flag)
    yield _query("skipGeometry", flag)
    yield _query("f", _TEXT)


def _query(name: str, schema: Document) -> Document:
    return {"name": name, "in": "query", "schema": schema}


def _path(name: str, values: list[str]) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": values}}


def _number(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}


def _get(reader: Reader, tag: str, name: str, summary: str, content: Document, *parameters: Document) -> Document:
    got = _operation(reader, tag, name, summary, content, *parameters)
    return {**got, "parameters": [*parameters, _LANG]}


def _operation(reader: Reader, tag: str, name: str, summary: str, content: Document, *parameters: Document) -> Document:
    statuses = ("400", "401", "403", "404", "406", "413", "415", "422", "500", "503")
    success: Document = {"description": reader.choose("Được", "Success"), "content": content}
    problems = {status: {"$ref": f"#/components/responses/{PROBLEMS[status]}"} for status in statuses}
    long: Document = {"description": reader.choose("Địa chỉ quá dài", "The address is too long")}
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters],
        "responses": {"200": success, "414": long, **problems},
    }
