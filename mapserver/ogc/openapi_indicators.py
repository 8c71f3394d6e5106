"""The part of the API definition that is about indicators and the DTI, to those who may see the layer `indicators`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mapserver import spreadsheets
from mapserver.areas import WEIGHTS
from mapserver.ogc.documents import Document
from mapserver.ogc.house import Reader
from mapserver.ogc.links import HTML, JSON
from mapserver.ogc.openapi_parts import PROBLEMS
from mapserver.query import may_see
from mapserver.systems.indicators import dti, explaining, sdmx
from mapserver.systems.indicators.classes import LEAST, METHODS, MOST
from mapserver.systems.indicators.dictionary import IndicatorBody
from mapserver.systems.indicators.records import STATUSES
from mapserver.systems.indicators.rules import LAYER, kept
from mapserver.systems.indicators.signs import KINDS
from mapserver.systems.indicators.states import COLOURS

_OBJECT: Document = {"type": "object"}
_TEXT: Document = {"type": "string"}
_DAY: Document = {"type": "string", "format": "date"}
_FLAG: Document = {"type": "boolean", "default": False}
_BINARY: Document = {"type": "string", "format": "binary"}
_CSV = "text/csv"
_MONTH: Document = {"type": "string", "example": "2026-05"}
_AREA: Document = {"type": "string", "description": "A code of today, `#uid`, or `_T` for the city", "example": "26740"}


def general(reader: Reader, tag: str) -> Iterator[tuple[str, Document]]:
    """The paths of the indicators, as far as the reader may go."""
    if kept(reader.catalogue) and may_see(reader.catalogue[LAYER], reader.caller):
        writer = _Writer(reader, tag)
        yield from _dictionary(writer)
        yield from _figures(writer)
        yield from _judged(writer)
        if reader.caller.insider:
            yield from _requests(writer)
        yield from _frameworks(writer)
        yield from _rounds(writer)


def _dictionary(make: _Writer) -> Iterator[tuple[str, Document]]:
    say, code = make.reader.choose, _path("code")
    listed = make.get("indicators.list", say("Danh mục chỉ tiêu", "The dictionary"), (JSON, _CSV, HTML))
    yield "/indicators", {"get": listed}
    one = make.get("indicators.one", say("Một chỉ tiêu", "One indicator"), (JSON,), code)
    schema = IndicatorBody.model_json_schema(ref_template="{model}")
    words = say("Thêm hoặc sửa một chỉ tiêu", "Add an indicator or change it")
    which = [_header("If-Match"), _header("If-None-Match")]
    body: Document = {JSON: {"schema": _nullable(schema)}}
    yield "/indicators/{code}", {"get": one, "put": make.write("indicators.put", words, body, "200", code, *which)}


def _figures(make: _Writer) -> Iterator[tuple[str, Document]]:
    say, code = make.reader.choose, _path("code")
    wish = (_query("indicator", _TEXT), _query("status", _enum(STATUSES)), _query("asOf", _DAY),
            _query("year", {"type": "integer"}), _query("plan", _FLAG), _query("dryRun", _FLAG),
            _query("name", _TEXT))  # fmt: skip
    sheets: Document = {media: {"schema": _BINARY} for media in (_CSV, spreadsheets.XLSX, sdmx.MEDIA_TYPE)}
    words = say("Nạp một biểu số liệu", "Take in a sheet of figures")
    yield "/indicators/import", {"post": make.write("indicators.import", words, sheets, "201", *wish)}
    span = (_query("from", _DAY), _query("to", _DAY))
    words = say("Xuất số liệu", "Figures as a file")
    asked = (_query("indicator", _TEXT), *span, _query("allVersions", _FLAG))
    files = (_CSV, spreadsheets.XLSX, sdmx.MEDIA_TYPE)
    yield "/indicators/export", {"get": make.get("indicators.export", words, files, *asked)}
    words = say("Mọi phiên bản số liệu", "Every version of the figures")
    asked_ = (code, _query("area", _AREA), _query("period", _MONTH))
    yield "/indicators/{code}/observations", {"get": make.get("indicators.observations", words, (JSON,), *asked_)}
    words = say("Chuỗi số liệu qua các lần sắp xếp", "A series across the reform")
    more = (code, _query("area", _AREA), _query("boundaries", _DAY), _query("weight", _enum(WEIGHTS)), *span)
    yield "/indicators/{code}/series", {"get": make.get("indicators.series", words, (JSON, _CSV, HTML), *more)}


def _judged(make: _Writer) -> Iterator[tuple[str, Document]]:
    say = make.reader.choose
    which = (_query("indicator", _TEXT), _query("period", _MONTH), _query("limit", {"type": "integer", "minimum": 1}))
    words = say("Trạng thái, đỏ trước", "States, red first")
    states = make.get("indicators.states", words, (JSON, HTML), *which, _query("colour", _enum(COLOURS)))
    yield "/indicators/states", {"get": states}
    words = say("Dấu hiệu bất thường", "Abnormal signs")
    alerts = make.get("indicators.alerts", words, (JSON,), *which, _query("kind", _enum(KINDS)))
    yield "/indicators/alerts", {"get": alerts}
    words = say("Phân lớp màu cho bản đồ", "Classes of a choropleth")
    count: Document = {"type": "integer", "minimum": LEAST, "maximum": MOST, "default": 5}
    asked = (_path("code"), _query("datetime", _MONTH), _query("method", _enum(METHODS)), _query("k", count))
    yield "/indicators/{code}/classes", {"get": make.get("indicators.classes", words, (JSON,), *asked)}


def _requests(make: _Writer) -> Iterator[tuple[str, Document]]:
    say, number = make.reader.choose, _path("id")
    asked = (_query("status", _enum(explaining.STATUSES)), _query("unit", _TEXT))
    listed = make.get("indicators.requests", say("Yêu cầu giải trình", "Explanation requests"), (JSON, HTML), *asked)
    texts: Document = dict.fromkeys(("indicator", "period", "view", "unit", "question"), _TEXT)
    body = _json({**texts, "area": {"type": "integer"}, "dueOn": _DAY}, "unit", "question", "dueOn")
    ask = make.write("indicators.ask", say("Yêu cầu giải trình", "Ask for an explanation"), body, "201")
    yield "/indicators/requests", {"get": listed, "post": ask}
    words = say("Một yêu cầu và quá trình", "One request with its history")
    one = make.get("indicators.request", words, (JSON,), number)
    yield "/indicators/requests/{id}", {"get": one}
    words = say("Giải trình, trả lại hoặc chấp nhận", "Answer, send back or accept")
    body = _json({"status": _enum(tuple(explaining.FOLLOWS)), "text": _TEXT}, "status")
    move = make.write("indicators.move", words, body, "200", number, _header("If-Match"))
    yield "/indicators/requests/{id}/moves", {"post": move}


def _frameworks(make: _Writer) -> Iterator[tuple[str, Document]]:
    say = make.reader.choose
    words = say("Các bộ chỉ số chuyển đổi số", "Frameworks of the DTI")
    yield "/dti/frameworks", {"get": make.get("dti.frameworks", words, (JSON,))}
    words = say("Một bộ chỉ số", "One framework")
    yield "/dti/frameworks/{name}", {"get": make.get("dti.framework", words, (JSON,), _path("name"))}


def _rounds(make: _Writer) -> Iterator[tuple[str, Document]]:
    say, number, points = make.reader.choose, _path("id"), {"type": "number", "minimum": 0}
    listed = make.get("dti.rounds", say("Các kỳ đánh giá", "Rounds"), (JSON,), _query("framework", _TEXT))
    several: Document = {"type": "array", "items": _OBJECT}
    body = _json({"framework": _TEXT, "title": _TEXT, "closesOn": _DAY, "components": several}, "framework", "title",
                 "components")  # fmt: skip
    opened = make.write("dti.open", say("Mở kỳ đánh giá", "Open a round"), body, "201")
    yield "/dti/rounds", {"get": listed, "post": opened}
    words = say("Một kỳ đánh giá", "One round")
    yield "/dti/rounds/{id}", {"get": make.get("dti.round", words, (JSON,), number)}
    words = say("Tổng điểm, thứ hạng, ra-đa", "Totals, ranks and radar")
    yield "/dti/rounds/{id}/ranking", {"get": make.get("dti.ranking", words, (JSON, HTML), number)}
    asked = [{**_query(name, _TEXT), "required": True} for name in ("unit", "component")]
    words = say("Nếu tăng một thành phần", "What if a component were raised")
    by: Document = {**_query("by", {"type": "number"}), "required": True}
    yield "/dti/rounds/{id}/what-if", {"get": make.get("dti.whatIf", words, (JSON,), number, *asked, by)}
    body = _json({"stage": _enum(dti.STAGES)}, "stage")
    words = say("Chuyển bước", "On to the next stage")
    move = make.write("dti.move", words, body, "200", number, _header("If-Match"))
    yield "/dti/rounds/{id}/moves", {"post": move}
    one: Document = {"type": "object", "properties": {"component": _TEXT, "score": points, "evidence": _TEXT}}
    body = _json({"unit": _TEXT, "kind": _enum(dti.KINDS), "scores": {"type": "array", "items": one}}, "unit", "kind")
    words = say("Chấm điểm một đơn vị", "Scores of one unit")
    yield "/dti/rounds/{id}/scores", {"post": make.write("dti.score", words, body, "201", number)}
    words = say("Tự đo các thành phần", "Measure what the platform can measure")
    measured = make.write("dti.measure", words, {JSON: {"schema": _OBJECT}}, "201", number)
    yield "/dti/rounds/{id}/measure", {"post": {k: v for k, v in measured.items() if k != "requestBody"}}


@dataclass(frozen=True, slots=True)
class _Writer:
    """Operations for one reader, under one tag."""

    reader: Reader
    tag: str

    def get(self, name: str, summary: str, media: tuple[str, ...], *parameters: Document) -> Document:
        content: Document = {one: {"schema": _OBJECT if one == JSON else _TEXT} for one in media}
        language: Document = {"$ref": "#/components/parameters/lang"}
        return self._operation(name, summary, content, "200", (*parameters, _query("f", _TEXT), language))

    def write(self, name: str, summary: str, body: Document, status: str, *parameters: Document) -> Document:
        made = self._operation(name, summary, {JSON: {"schema": _OBJECT}}, status, parameters)
        return {**made, "requestBody": {"required": True, "content": body}}

    def _operation(
        self, name: str, summary: str, content: Document, status: str, parameters: tuple[Document, ...]
    ) -> Document:
        say = self.reader.choose
        statuses = ("400", "401", "403", "404", "406", "412", "413", "415", "422", "428", "500", "503")
        problems = {code: {"$ref": f"#/components/responses/{PROBLEMS[code]}"} for code in statuses}
        success: Document = {"description": say("Được", "Success"), "content": content}
        long: Document = {"description": say("Địa chỉ quá dài", "The address is too long")}
        also: Document = {"201": success} if status == "200" and name.endswith(".put") else {}
        return {
            "tags": [self.tag], "operationId": name, "summary": summary, "parameters": [*parameters],
            "responses": {status: success, **also, "414": long, **problems},
        }  # fmt: skip


def _nullable(schema: dict[str, object]) -> Document:
    """A JSON Schema of pydantic's as OpenAPI 3.0 writes it: no `null` among the types, no defaults of null."""
    raw = schema["properties"]
    properties = {name: _plain(one) for name, one in raw.items()} if isinstance(raw, dict) else {}
    return {"type": "object", "required": schema["required"], "properties": properties, "additionalProperties": False}


def _plain(one: dict[str, object]) -> Document:
    options = one.get("anyOf")
    first = next((o for o in options if o != {"type": "null"}), {}) if isinstance(options, list) else one
    kept_ = {key: value for key, value in first.items() if key not in ("title", "default", "exclusiveMinimum")}
    return {**kept_, "nullable": True} if isinstance(options, list) else kept_


def _json(properties: Document, *required: str) -> Document:
    schema = {"type": "object", "additionalProperties": False, "required": [*required], "properties": properties}
    return {JSON: {"schema": schema}}


def _enum(values: tuple[str, ...]) -> Document:
    return {"type": "string", "enum": [*values]}


def _query(name: str, schema: Document) -> Document:
    return {"name": name, "in": "query", "schema": schema}


def _path(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _header(name: str) -> Document:
    return {"name": name, "in": "header", "schema": _TEXT}
