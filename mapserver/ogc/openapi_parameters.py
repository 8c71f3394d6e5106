"""The parameters of the API definition: those that every layer shares, and those that come from its columns."""

from __future__ import annotations

from mapserver.changes import DEFAULT_LIMIT as CHANGES_LIMIT
from mapserver.cql2 import LANGUAGES as FILTER_LANGUAGES
from mapserver.cql2 import MAX_LENGTH
from mapserver.crs import OFFERED
from mapserver.formats import FORMATS
from mapserver.layer import LANGUAGES, Column
from mapserver.negotiation import GEOJSON_PROFILES
from mapserver.ogc.documents import Document
from mapserver.ogc.house import Reader
from mapserver.ogc.schemas import WRITES
from mapserver.ogc.stylebook import ENCODINGS
from mapserver.ogc.tilesets import MATRIX_SET
from mapserver.query import DEFAULT_LIMIT, MAX_LIMIT
from mapserver.styles import THEMES

SHARED = ("changes-limit", "schema-type")
"""Components of parameters whose name stands for other things in other places."""
WHICH = ("datetime", "filter", "filter-lang", "filter-crs", "id")
"""Parameters that say which features are meant, on items and on vector tiles."""
FORMS = {
    "f": ("json", "html"),
    "f-ld": ("json", "html", "jsonld"),
    "f-item": ("json", "html", "jsonld", "jsonfg"),
    "f-items": ("json", "html", "jsonld", "jsonfg", *FORMATS),
    "f-json": ("json",),
    "f-tilejson": ("json", "html", "tilejson"),
    "f-mvt": ("mvt",),
    "f-png": ("png",),
    "f-style": ("json", "html", *ENCODINGS),
    "f-coverage": ("GTiff", "json"),
}
"""Components of the parameter `f`, which takes other values in other places."""
_TEXT: Document = {"type": "string"}
_INTEGER: Document = {"type": "integer", "format": "int64"}
_FROM_ZERO: Document = {"type": "integer", "minimum": 0}
_NUMBERS: Document = {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
_CRS: Document = {
    "type": "string",
    "format": "uri",
    "enum": [crs.uri for crs in OFFERED],
    "default": OFFERED[0].uri,
}
_LIMIT: Document = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}


_PROFILE: Document = {"type": "string", "enum": [*GEOJSON_PROFILES]}


def parameters(reader: Reader) -> Document:
    """The components that paths refer to."""
    words = reader.choose("Dạng dữ liệu, thay cho tiêu đề Accept", "The representation, instead of the Accept header")
    forms = {name: query("f", words, enum(*values)) for name, values in FORMS.items()}
    return {**forms, **_questions(reader), **_places(reader), **_headers(reader)}


def _questions(reader: Reader) -> Document:
    say = reader.choose
    counted: Document = {**enum("results", "hits"), "default": "results"}
    themed: Document = {**enum(*THEMES), "default": THEMES[0]}
    language: Document = {**enum(*FILTER_LANGUAGES), "default": FILTER_LANGUAGES[0]}
    table: tuple[tuple[str, str, Document], ...] = (
        ("lang", say("Ngôn ngữ", "Language"), enum(*LANGUAGES)),
        ("limit", say("Số đối tượng một trang", "Features a page"), _LIMIT),
        ("offset", say("Bỏ qua ngần này đối tượng", "Skip this many features"), {**_FROM_ZERO, "maximum": 10**12}),
        ("cursor", say("Chỗ tiếp theo, lấy từ liên kết next", "A place, out of a link"), _TEXT),
        ("bbox", say("Chỉ trong khung này", "Only what meets this box"), _NUMBERS),
        ("bbox-crs", say("Hệ tọa độ của bbox", "CRS of bbox"), _CRS),
        ("crs", say("Hệ tọa độ của kết quả", "CRS of the answer"), _CRS),
        ("datetime", say("Thời điểm hoặc khoảng", "A time, or start/end"), _TEXT),
        ("resultType", say("Đối tượng, hay chỉ số lượng", "Features, or their count"), counted),
        ("id", say("Mã đối tượng", "Id of a feature"), _INTEGER),
        ("filter", say("Biểu thức CQL2", "A CQL2 expression"), {**_TEXT, "maxLength": MAX_LENGTH}),
        ("filter-lang", say("Ngôn ngữ của filter", "Language of filter"), language),
        ("filter-crs", say("Hệ tọa độ trong filter", "CRS of geometries in filter"), _CRS),
        ("profile", say("Hồ sơ GeoJSON", "GeoJSON profile"), {"type": "array", "items": _PROFILE}),
        ("schema-type", say("Lược đồ của nội dung gửi lên", "Schema of what is sent"), enum(*WRITES)),
        ("since", say("Mã nhận được lần trước", "The token of last time"), _TEXT),
        ("changes-limit", say("Số thay đổi một trang", "Changes a page"), {**_LIMIT, "default": CHANGES_LIMIT}),
        ("subset", "Lat(low:high),Lon(low:high)", _TEXT),
        ("theme", say("Sáng hay tối", "Light or dark"), themed),
    )
    return {
        name: query(name.rpartition("-")[2] if name in SHARED else name, words, schema) for name, words, schema in table
    }


def _headers(reader: Reader) -> Document:
    say = reader.choose
    table = (
        ("If-Match", say("ETag của bản định sửa", "ETag of the version to change")),
        ("Content-Crs", say("Hệ tọa độ của nội dung gửi lên, trong <>", "CRS of the body, in angle brackets")),
    )
    return {name: {"name": name, "in": "header", "description": words, "schema": _TEXT} for name, words in table}


def _places(reader: Reader) -> Document:
    say = reader.choose
    table: tuple[tuple[str, str, Document], ...] = (
        ("featureId", say("Mã đối tượng", "Id of the feature"), _INTEGER),
        ("styleId", say("Tên kiểu", "Name of the style"), _TEXT),
        ("kind", say("Loại lỗi", "Kind of error"), _TEXT),
        ("tileMatrixSetId", say("Lưới ô", "Tile matrix set"), enum(MATRIX_SET)),
        ("tileMatrix", say("Mức thu phóng", "Zoom"), {**_FROM_ZERO, "maximum": 24}),
        ("tileRow", say("Hàng", "Row"), _FROM_ZERO),
        ("tileCol", say("Cột", "Column"), _FROM_ZERO),
    )
    return {name: path(name, words, schema) for name, words, schema in table}


def query(name: str, words: str, schema: Document, *, explode: bool = False) -> Document:
    """One query parameter, its lists separated by commas."""
    base: Document = {"name": name, "in": "query", "required": False, "description": words, "schema": schema}
    return base | {"style": "form", "explode": explode}


def path(name: str, words: str, schema: Document) -> Document:
    """One path parameter."""
    return {"name": name, "in": "path", "required": True, "description": words, "schema": schema}


def enum(*values: str) -> Document:
    """One of some words."""
    return {"type": "string", "enum": list(values)}


def sortby(reader: Reader, columns: tuple[Column, ...]) -> Document:
    """`sortby` of one layer."""
    names = [column.name for column in columns if column.type != "text[]"]
    words = reader.choose("Cột sắp xếp, `-` là giảm dần: ", "Columns to sort by, `-` for descending: ")
    items: Document = {"type": "string", "enum": [f"{sign}{name}" for name in names for sign in ("", "-", "+")]}
    return query("sortby", words + ", ".join(names), {"type": "array", "items": items, "minItems": 1})


def properties(reader: Reader, columns: tuple[Column, ...]) -> Document:
    """`properties` of one layer."""
    words = reader.choose("Chỉ lấy các cột này", "Only these columns")
    items: Document = {"type": "string", "enum": [column.name for column in columns]}
    return query("properties", words, {"type": "array", "items": items})


def filtered_by(reader: Reader, column: Column) -> Document:
    """A column as a parameter: only features with this value."""
    return query(column.name, column.title[reader.language], plain(column))


def plain(column: Column) -> Document:
    """A value of a column, in OpenAPI 3.0's own dialect of JSON Schema."""
    if column.type == "text[]":
        return {"type": "string"}
    said = dict(column.kind.schema)
    if column.codes:
        said["enum"] = list(column.codes)
    if column.type in ("integer", "number"):
        said["format"] = "int64" if column.type == "integer" else "double"
    return said
