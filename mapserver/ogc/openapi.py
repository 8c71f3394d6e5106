"""The API definition (OpenAPI 3.0), out of the catalogue: every path that answers, every parameter defined here.

Paths stand once for each collection, so that the columns a client may filter by are parameters with their types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mapserver import __version__
from mapserver.formats import offered
from mapserver.layer import Column, Layer
from mapserver.ogc import openapi_areas, openapi_indicators, openapi_maps, openapi_petitions
from mapserver.ogc.documents import COVERAGE_TYPES, Document
from mapserver.ogc.house import Reader
from mapserver.ogc.links import GEOJSON, HTML, JSON, JSONLD, MVT, SCHEMA, STYLE
from mapserver.ogc.openapi_parameters import WHICH, enum, filtered_by, parameters, plain, properties, sortby
from mapserver.ogc.openapi_parts import PROBLEM, PROBLEMS, SCHEMAS
from mapserver.ogc.stylebook import ENCODINGS
from mapserver.query import MAX_LIMIT, visible_columns
from mapserver.sought import LONGEST
from mapserver.styles import drawn

Tags = dict[str, str]

DEFINITION = "application/vnd.oai.openapi+json;version=3.0"
_OBJECT: Document = {"type": "object"}
_EDIT = ("featureId", "If-Match")


def openapi(reader: Reader) -> Document:
    """The definition for one reader: paths of the layers that this reader may see."""
    say, about = reader.choose, reader.identity
    general = say("Chung", "The whole")
    paths = dict(_general(reader, general))
    for layer in reader.layers:
        paths |= dict(_layer_paths(reader, layer))
    return {
        "openapi": "3.0.3",
        "info": {
            "title": about.title[reader.language],
            "description": about.description[reader.language],
            "version": __version__,
            "license": {"name": about.licence, "url": about.licence_url},
            "contact": {"name": about.provider[reader.language], "url": about.provider_url},
        },
        "servers": [{"url": reader.base}],
        "tags": [
            {"name": general, "description": say("Tài nguyên của cả API", "Resources of the API as a whole")},
            *({"name": layer.name, "description": layer.title[reader.language]} for layer in reader.layers),
        ],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "parameters": parameters(reader),
            "schemas": {**SCHEMAS, **dict(_feature_schemas(reader))},
            "responses": _responses(reader),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": say(
                        "Mã truy cập do người vận hành cấp: `citymap token add`",
                        "A token made by the operator: `citymap token add`",
                    ),
                }
            },
        },
    }


def _general(reader: Reader, tag: str) -> Iterator[tuple[str, Document]]:
    """The paths that belong to no layer."""
    say = reader.choose
    page = {HTML: {"schema": {"type": "string"}}}

    def get(
        name: str, summary: str, schema: str, *parameters: str, media: str = JSON, texts: Iterable[str] = ()
    ) -> Document:
        other: Document = {also: {"schema": {"type": "string"}} for also in texts}
        content: Document = {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}, **page, **other}
        return {"get": _get(reader, tag, name, summary, content, *parameters)}

    yield "/", get("getLandingPage", say("Trang đầu", "Landing page"), "landingPage", "f-ld")
    yield (
        "/conformance",
        get("getConformance", say("Các lớp tuân thủ", "Conformance classes"), "confClasses", "f"),
    )
    yield "/api", get("getApi", say("Định nghĩa này", "This definition"), "any", "f", media=DEFINITION)
    yield "/collections", get("getCollections", say("Các lớp dữ liệu", "Collections"), "collections", "f-ld")
    yield (
        "/tileMatrixSets",
        get("getTileMatrixSetsList", say("Lưới ô bản đồ", "Tile matrix sets"), "tileMatrixSets", "f"),
    )
    yield (
        "/tileMatrixSets/{tileMatrixSetId}",
        get("getTileMatrixSet", say("Một lưới ô", "One tile matrix set"), "tileMatrixSet", "tileMatrixSetId", "f"),
    )
    yield "/functions", get("getFunctions", say("Hàm trong bộ lọc", "Functions of filters"), "functions", "f")
    yield "/styles", get("getStyles", say("Kiểu hiển thị", "Styles"), "styles", "f")
    one, encoded = say("Một kiểu", "One style"), [media for (media,) in ENCODINGS.values()]
    yield "/styles/{styleId}", get("getStyle", one, "any", "styleId", "theme", "f-style", media=STYLE, texts=encoded)
    problem = say("Một loại lỗi nghĩa là gì", "What a kind of error means")
    yield "/problems/{kind}", get("getProblem", problem, "any", "kind", "f")
    yield from openapi_areas.general(reader, tag)
    yield from openapi_maps.general(reader, tag)
    yield from openapi_petitions.general(reader, tag)
    yield from openapi_indicators.general(reader, tag)
    yield "/search", {"get": _search(reader, tag)}
    yield "/healthz", {"get": _probe(reader, tag, "getHealth", say("Máy chủ còn sống", "The server is alive"))}
    yield "/readyz", {"get": _probe(reader, tag, "getReadiness", say("Mọi lớp đã nạp", "Every layer is loaded"))}


def _layer_paths(reader: Reader, layer: Layer) -> Iterator[tuple[str, Document]]:
    yield from _described(reader, layer)
    yield from openapi_areas.of_layer(reader, layer)
    if layer.origin == "raster":
        yield from _raster_paths(reader, layer)
        return
    yield from _feature_paths(reader, layer)
    if drawn(layer):
        yield from _tile_paths(reader, layer, "tiles", "vector", {MVT: {"schema": _binary()}})


def _described(reader: Reader, layer: Layer) -> Iterator[tuple[str, Document]]:
    here, title, say = f"/collections/{layer.name}", layer.title[reader.language], reader.choose
    content = {JSON: {"schema": {"$ref": "#/components/schemas/collection"}}, **_page()}
    yield here, {"get": _get(reader, layer.name, f"{layer.name}.describeCollection", title, content, "f-ld")}
    kinds = [("schema", say("Các cột", "Columns"))]
    if layer.origin != "raster":
        kinds += [
            ("queryables", say("Cột lọc được", "Queryables")),
            ("sortables", say("Cột sắp xếp được", "Sortables")),
        ]
    for kind, words in kinds:
        content = {SCHEMA: {"schema": _OBJECT}, **_page()}
        name = f"{layer.name}.get{kind.capitalize()}"
        own = ("schema-type",) if kind == "schema" and layer.writable else ()
        yield f"{here}/{kind}", {"get": _get(reader, layer.name, name, f"{title}: {words}", content, *own, "f")}


def _feature_paths(reader: Reader, layer: Layer) -> Iterator[tuple[str, Document]]:
    here, title, say = f"/collections/{layer.name}", layer.title[reader.language], reader.choose
    one, many = f"#/components/schemas/{layer.name}Feature", f"#/components/schemas/{layer.name}Features"
    ld: Document = {JSONLD: {"schema": _OBJECT}}
    files = {made.media_type: {"schema": _binary()} for made in offered(layer)}
    paged = ("limit", "offset", "cursor", "bbox", "bbox-crs", "crs", "resultType", "profile", "f-items")
    items = _get(
        reader,
        layer.name,
        f"{layer.name}.getFeatures",
        f"{title}: {say('các đối tượng', 'features')}",
        {GEOJSON: {"schema": {"$ref": many}}, **ld, **_page(), **files},
        *WHICH,
        *paged,
    )
    columns = visible_columns(layer, reader.caller)
    own = [sortby(reader, columns), properties(reader, columns), *(filtered_by(reader, column) for column in columns)]
    items["parameters"] = [*_list(items["parameters"]), *own]
    item = _get(
        reader,
        layer.name,
        f"{layer.name}.getFeature",
        f"{title}: {say('một đối tượng', 'one feature')}",
        {GEOJSON: {"schema": {"$ref": one}}, **ld, **_page()},
        "featureId",
        "crs",
        "profile",
        "f-item",
    )
    item["parameters"] = [*_list(item["parameters"]), properties(reader, columns)]
    for read in (items, item):
        _success(read)["headers"] = {"Content-Crs": {"schema": {"type": "string"}}}
    yield f"{here}/items", {"get": items, **(_insert(reader, layer, one) if layer.writable else {})}
    if layer.history:
        yield f"{here}/changes", {"get": _changes(reader, layer, one)}
    yield f"{here}/items/{{featureId}}", {"get": item, **(_edits(reader, layer, one) if layer.writable else {})}


def _changes(reader: Reader, layer: Layer, schema: str) -> Document:
    """What changed since a token."""
    change: Document = {
        "type": "object",
        "required": ["id", "action", "at"],
        "properties": {
            "id": {"type": "integer", "format": "int64"},
            "action": enum("insert", "update", "delete"),
            "at": {"type": "string", "format": "date-time"},
            "feature": {"$ref": schema},
        },
    }
    page: Document = {
        "type": "object",
        "required": ["collection", "numberReturned", "changes", "links"],
        "properties": {
            "collection": {"type": "string"},
            "numberReturned": {"type": "integer", "minimum": 0},
            "changes": {"type": "array", "items": change},
            "token": {"type": "string"},
            "links": {"type": "array", "items": {"$ref": "#/components/schemas/link"}},
        },
    }
    words = f"{layer.title[reader.language]}: {reader.choose('những gì đã thay đổi', 'what changed')}"
    names = ("since", "cursor", "changes-limit", "crs", "f-json")
    operation = _get(reader, layer.name, f"{layer.name}.getChanges", words, {JSON: {"schema": page}}, *names)
    responses = operation["responses"]
    if isinstance(responses, dict):
        responses["410"] = _problem("410")
    return operation


def _insert(reader: Reader, layer: Layer, schema: str) -> Document:
    summary = reader.choose("Thêm một đối tượng", "Add a feature")
    success: Document = {
        "description": reader.choose("Đã lưu", "Stored"),
        "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}},
        "content": {GEOJSON: {"schema": {"$ref": schema}}},
    }
    return {"post": _write(reader, layer, ("addFeature", summary), {"201": success}, "Content-Crs") | _sent(schema)}


def _edits(reader: Reader, layer: Layer, schema: str) -> Document:
    say = reader.choose
    stored: Document = {"description": say("Đã lưu", "Stored"), "content": {GEOJSON: {"schema": {"$ref": schema}}}}
    gone: Document = {"description": say("Đã xóa", "Deleted")}
    replace = say("Thay một đối tượng", "Replace a feature")
    patch = say("Sửa một phần đối tượng", "Change a part of a feature")
    delete = say("Xóa một đối tượng", "Delete a feature")
    return {
        "put": _write(reader, layer, ("replaceFeature", replace), {"200": stored}, *_EDIT, "Content-Crs")
        | _sent(schema),
        "patch": _write(reader, layer, ("updateFeature", patch), {"200": stored}, *_EDIT) | _patch(),
        "delete": _write(reader, layer, ("deleteFeature", delete), {"204": gone}, *_EDIT),
    }


def _write(reader: Reader, layer: Layer, words: tuple[str, str], success: Document, *parameters: str) -> Document:
    """One writing operation. words: its name and its summary."""
    name, summary = words
    return {
        "tags": [layer.name],
        "operationId": f"{layer.name}.{name}",
        "summary": f"{layer.title[reader.language]}: {summary}",
        "security": [{"token": []}],
        "parameters": [_reference(parameter) for parameter in parameters],
        "responses": {**success, **{status: _problem(status) for status in PROBLEMS}},
    }


def _sent(schema: str) -> Document:
    return {"requestBody": {"required": True, "content": {GEOJSON: {"schema": {"$ref": schema}}}}}


def _patch() -> Document:
    return {"requestBody": {"required": True, "content": {"application/merge-patch+json": {"schema": _OBJECT}}}}


def _tile_paths(
    reader: Reader, layer: Layer, folder: str, kind: str, content: Document
) -> Iterator[tuple[str, Document]]:
    here, title, say = f"/collections/{layer.name}/{folder}", layer.title[reader.language], reader.choose
    stem = f"{layer.name}.collection.{kind}"
    sets = {JSON: {"schema": {"$ref": "#/components/schemas/tileSets"}}, **_page()}
    words = f"{title}: {say('các bộ ô', 'tilesets')}"
    yield here, {"get": _get(reader, layer.name, f"{stem}.getTileSetsList", words, sets, "f")}
    one = {JSON: {"schema": {"$ref": "#/components/schemas/tileSet"}}, **_page()}
    words = f"{title}: {say('một bộ ô', 'one tileset')}"
    tileset = _get(reader, layer.name, f"{stem}.getTileSet", words, one, "tileMatrixSetId", "f-tilejson")
    yield f"{here}/{{tileMatrixSetId}}", {"get": tileset}
    words = f"{title}: {say('một ô', 'one tile')}"
    names = ("tileMatrixSetId", "tileMatrix", "tileRow", "tileCol", *(WHICH if kind == "vector" else ()))
    tile = _get(
        reader, layer.name, f"{stem}.getTile", words, content, *names, f"f-{'mvt' if kind == 'vector' else 'png'}"
    )
    _empty(tile, say("Ô trống", "An empty tile"))
    if kind == "vector":
        own = [filtered_by(reader, column) for column in visible_columns(layer, reader.caller)]
        tile["parameters"] = [*_list(tile["parameters"]), *own]
    yield f"{here}/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}", {"get": tile}


def _raster_paths(reader: Reader, layer: Layer) -> Iterator[tuple[str, Document]]:
    say, title = reader.choose, layer.title[reader.language]
    content: Document = {
        COVERAGE_TYPES["GTiff"]: {"schema": _binary()},
        COVERAGE_TYPES["json"]: {"schema": _OBJECT},
    }
    words = f"{title}: {say('các ô lưới', 'cells')}"
    names = ("bbox", "bbox-crs", "subset", "datetime", "f-coverage")
    coverage = _get(reader, layer.name, f"{layer.name}.getCoverage", words, content, *names)
    coverage["parameters"] = [*_list(coverage["parameters"]), properties(reader, layer.columns)]
    _empty(coverage, say("Không có ô lưới nào ở đó", "No cells there"))
    yield f"/collections/{layer.name}/coverage", {"get": coverage}
    yield from _tile_paths(reader, layer, "map/tiles", "map", {"image/png": {"schema": _binary()}})


def _get(reader: Reader, tag: str, name: str, summary: str, content: Document, *parameters: str) -> Document:
    """One GET operation. parameters: names of components; `lang` is everywhere but on tiles."""
    names = parameters if parameters[-1:] == ("f-mvt",) else (*parameters, "lang")
    content = {**content, JSONLD: {"schema": _OBJECT}} if "f-ld" in parameters else content
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        "parameters": [_reference(parameter) for parameter in names],
        "responses": {
            "200": {"description": reader.choose("Được", "Success"), "content": content},
            "206": {"description": reader.choose("Một khoảng byte", "A range of it")},
            "304": {"description": reader.choose("Không đổi", "Not modified")},
            "414": {"description": reader.choose("Địa chỉ quá dài", "The address is too long")},
            "416": {"description": reader.choose("Không có khoảng byte này", "No such range")},
            **{status: _problem(status) for status in ("400", "401", "403", "404", "406", "413", "500", "503")},
        },
    }


def _search(reader: Reader, tag: str) -> Document:
    """The search box: its text is a parameter of its own, and its pages are short."""
    say = reader.choose
    shared = _get(reader, tag, "search", say("Tìm địa điểm", "Search for places"), {GEOJSON: {"schema": _OBJECT}})
    text: Document = {"type": "string", "maxLength": LONGEST, "default": ""}
    most: Document = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 12}
    words = say(
        "Phường cũ hay mới, đường, địa điểm, địa chỉ, mã, tọa độ",
        "A ward old or new, a street, a place, an address, a code, coordinates",
    )
    own: list[Document] = [
        {"name": "q", "in": "query", "description": words, "schema": text},
        {"name": "limit", "in": "query", "description": say("Nhiều nhất", "At most"), "schema": most},
    ]
    return {**shared, "parameters": [*own, _reference("lang"), _reference("f-json")]}


def _probe(reader: Reader, tag: str, name: str, summary: str) -> Document:
    good: Document = {"description": reader.choose("Được", "Success"), "content": {JSON: {"schema": _OBJECT}}}
    statuses = {status: _problem(status) for status in ("500", "503")}
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": {"200": good, **statuses}}


def _empty(operation: Document, words: str) -> None:
    responses = operation["responses"]
    if isinstance(responses, dict):
        responses["204"] = {"description": words}


def _success(operation: Document) -> Document:
    responses = operation["responses"]
    return responses["200"] if isinstance(responses, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _reference(parameter: str) -> Document:
    return {"$ref": f"#/components/parameters/{parameter}"}


def _problem(status: str) -> Document:
    return {"$ref": f"#/components/responses/{PROBLEMS[status]}"}


def _binary() -> Document:
    return {"type": "string", "format": "binary"}


def _page() -> Document:
    return {HTML: {"schema": {"type": "string"}}}


def _feature_schemas(reader: Reader) -> Iterator[tuple[str, Document]]:
    """A feature and a page of features of every layer."""
    for layer in reader.layers:
        if layer.origin == "raster":
            continue
        columns = visible_columns(layer, reader.caller)
        properties = {column.name: dict(_member(reader, column)) for column in columns}
        yield (
            f"{layer.name}Feature",
            {
                "type": "object",
                "required": ["type", "geometry", "properties"],
                "properties": {
                    "type": enum("Feature"),
                    "id": {"type": "integer", "format": "int64"},
                    "geometry": {"$ref": "#/components/schemas/geometry"},
                    "properties": {"type": "object", "properties": properties},
                    "links": {"type": "array", "items": {"$ref": "#/components/schemas/link"}},
                },
            },
        )
        yield (
            f"{layer.name}Features",
            {
                "type": "object",
                "required": ["type", "features"],
                "properties": {
                    "type": enum("FeatureCollection"),
                    "features": {"type": "array", "items": {"$ref": f"#/components/schemas/{layer.name}Feature"}},
                    "links": {"type": "array", "items": {"$ref": "#/components/schemas/link"}},
                    "numberMatched": {"type": "integer", "minimum": 0},
                    "numberReturned": {"type": "integer", "minimum": 0},
                },
            },
        )


def _member(reader: Reader, column: Column) -> Iterator[tuple[str, object]]:
    yield "title", column.title[reader.language]
    if column.type == "text[]":
        yield from column.kind.schema.items()
    else:
        yield from plain(column).items()
    if not column.required:
        yield "nullable", True


def _responses(reader: Reader) -> Document:
    content: Document = {PROBLEM: {"schema": {"$ref": "#/components/schemas/problem"}}}
    words = reader.choose("Lỗi", "Problem")
    return {name: {"description": f"{words}: {name}", "content": content} for name in PROBLEMS.values()}
