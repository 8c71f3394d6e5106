"""The part of the API definition that is about petitions: look-up, moves, the monitor, and Open311.

Open311's services are described to everybody, the rest to those who may see the layer `petitions`."""

from __future__ import annotations

from collections.abc import Iterator

from mapserver.ogc.documents import Document
from mapserver.ogc.house import Reader
from mapserver.ogc.links import HTML, JSON
from mapserver.ogc.openapi_parts import PROBLEMS
from mapserver.query import may_see
from mapserver.systems.petitions.monitor import AGES, NAMES, RANKS, STEPS
from mapserver.systems.petitions.rules import LAYER, kept

XML, FORM = "text/xml", "application/x-www-form-urlencoded"
_OBJECT: Document = {"type": "object"}
_TEXT: Document = {"type": "string"}
_DAY: Document = {"type": "string", "format": "date"}
_MOMENT: Document = {"type": "string", "format": "date-time"}
_LANG: Document = {"$ref": "#/components/parameters/lang"}
_COUNT: Document = {"type": "integer", "minimum": 0}
_CODE: Document = {"name": "code", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_FORMAT: Document = {
    "name": "format",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "enum": ["json", "xml"]},
}
_EACH: Document = {"type": "array", "items": _OBJECT}
_BOTH: Document = {JSON: {"schema": {}}, XML: {"schema": {}}}


def general(reader: Reader, tag: str) -> Iterator[tuple[str, Document]]:
    """The paths of the petitions, as far as the reader may go."""
    if not kept(reader.catalogue):
        return
    yield from _services(reader, tag)
    if may_see(reader.catalogue[LAYER], reader.caller):
        yield from _requests(reader, tag)
        yield from _records(reader, tag)


def _services(reader: Reader, tag: str) -> Iterator[tuple[str, Document]]:
    say, base = reader.choose, "/open311/v2"
    words = say("Open311: các loại phản ánh", "Open311: the services")
    yield f"{base}/services.{{format}}", {"get": _open(reader, tag, "open311.services", words)}
    one = _path("serviceCode", _TEXT)
    words = say("Open311: thuộc tính của một loại", "Open311: one service")
    yield f"{base}/services/{{serviceCode}}.{{format}}", {"get": _open(reader, tag, "open311.service", words, one)}
    words = say("Open311: nơi có dịch vụ", "Open311: service discovery")
    yield "/open311/discovery.{format}", {"get": _open(reader, tag, "open311.discovery", words)}


def _requests(reader: Reader, tag: str) -> Iterator[tuple[str, Document]]:
    say, base = reader.choose, "/open311/v2"
    span = [_query("start_date", _MOMENT), _query("end_date", _MOMENT)]
    size = _query("page_size", {"type": "integer", "minimum": 1, "maximum": 1000})
    which = [_query("service_request_id", _TEXT), _query("service_code", _TEXT), *span, size]
    which += [_query("status", {"type": "string", "enum": ["open", "closed"]})]
    which += [_query("page", {"type": "integer", "minimum": 1})]
    listed = _open(reader, tag, "open311.requests", say("Open311: các phản ánh", "Open311: requests"), *which)
    post = _open(reader, tag, "open311.post", say("Open311: gửi phản ánh", "Open311: a new request"))
    post["requestBody"] = {"required": True, "content": {FORM: {"schema": _report()}}}
    yield f"{base}/requests.{{format}}", {"get": listed, "post": post}
    one = _path("requestId", _TEXT)
    words = say("Open311: một phản ánh", "Open311: one request")
    yield f"{base}/requests/{{requestId}}.{{format}}", {"get": _open(reader, tag, "open311.request", words, one)}
    words = say("Open311: số của một thẻ", "Open311: the request of a token")
    token = _open(reader, tag, "open311.token", words, _path("token", _TEXT))
    yield f"{base}/tokens/{{token}}.{{format}}", {"get": token}
    words = say("Open311: thay đổi tình trạng", "Open311: changes of status (mySociety)")
    updates = _open(reader, tag, "open311.updates", words, *span, size)
    yield f"{base}/servicerequestupdates.{{format}}", {"get": updates}


def _report() -> Document:
    texts = ("api_key", "address_string", "address_id", "description", "media_url", "email", "first_name", "last_name")
    degrees: Document = {"type": "number"}
    properties: Document = {"service_code": _TEXT, "lat": degrees, "long": degrees, **dict.fromkeys(texts, _TEXT)}
    return {"type": "object", "required": ["service_code", "lat", "long"], "properties": properties}


def _records(reader: Reader, tag: str) -> Iterator[tuple[str, Document]]:
    say = reader.choose
    q = _query("q", {"type": "string", "maxLength": 200})
    box = {**_query("bbox", {"type": "array", "items": {"type": "number"}}), "style": "form", "explode": False}
    limit = _query("limit", {"type": "integer", "minimum": 1, "maximum": 10_000})
    words = say("Tra cứu phản ánh (không cần dấu)", "Look petitions up")
    pages: Document = {JSON: {"schema": _OBJECT}, HTML: {"schema": _TEXT}}
    yield "/petitions", {"get": _get(reader, tag, "petitions.find", words, pages, q, box, limit)}
    words = say("Một phản ánh và quá trình của nó", "One petition with its timeline")
    yield "/petitions/{code}", {"get": _get(reader, tag, "petitions.one", words, pages, _CODE)}
    words = say("Danh mục và quy tắc", "Lists and rules")
    yield "/petitions/rules", {"get": _get(reader, tag, "petitions.rules", words, {JSON: {"schema": _OBJECT}})}
    words = say("Số liệu giám sát", "Figures of how petitions are handled")
    table: Document = {JSON: {"schema": _monitored()}, "text/csv": {"schema": _TEXT}, HTML: {"schema": _TEXT}}
    asked = [
        {**_query("by", {"type": "array", "items": {"type": "string", "enum": [*NAMES, *STEPS]}}), "explode": False},
        *(_query(name, _TEXT) for name in NAMES), _query("datetime", {**_TEXT, "example": "2026-01-01/2026-03-31"}),
        _query("asOf", _DAY), _query("rank", {"type": "string", "enum": [*RANKS, *(f"-{name}" for name in RANKS)]}),
    ]  # fmt: skip
    yield "/petitions/monitor", {"get": _get(reader, tag, "petitions.monitor", words, table, *asked)}
    move: Document = {name: {"type": "string"} for name in ("status", "unit", "duplicateOf", "note")}
    words = say("Chuyển tình trạng hoặc đơn vị", "Change status or unit")
    body: Document = {"type": "object", "additionalProperties": False, "properties": move}
    yield "/petitions/{code}/moves", {"post": _post(reader, tag, "petitions.move", words, body, "200")}
    reply: Document = {"text": {"type": "string", "minLength": 1, "maxLength": 10_000}, "public": {"type": "boolean"}}
    body = {"type": "object", "additionalProperties": False, "required": ["text"], "properties": reply}
    words = say("Trả lời người dân hoặc ghi chú nội bộ", "Reply, in public or inside")
    yield "/petitions/{code}/replies", {"post": _post(reader, tag, "petitions.reply", words, body, "201")}


def _monitored() -> Document:
    """Groups with their figures. Rates say what they are of."""
    counts = ("received", "handled", "open", "late", "lateHandled", "lateOpen", "onTimeOf", "reopened")
    rate: Document = {"type": "number", "minimum": 0, "maximum": 1, "nullable": True}
    days: Document = {"type": "integer", "minimum": 0, "nullable": True}
    ages = {f"{least}-{most}" if most else f"{least}+": _COUNT for least, most in AGES}
    figures: Document = {
        **dict.fromkeys(counts, _COUNT), "onTimeRate": rate, "reopenRate": rate, "medianDays": days, "p90Days": days,
        "ageing": {"type": "object", "properties": ages}, "links": {"type": "object", "additionalProperties": _TEXT},
    }  # fmt: skip
    groups: Document = {"type": "array", "items": {"type": "object", "required": [*counts], "properties": figures}}
    return {"type": "object", "required": ["asOf", "groups"], "properties": {"asOf": _DAY, "groups": groups}}


def _query(name: str, schema: Document) -> Document:
    return {"name": name, "in": "query", "schema": schema}


def _path(name: str, schema: Document) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _get(reader: Reader, tag: str, name: str, summary: str, content: Document, *parameters: Document) -> Document:
    return _operation(reader, tag, name, summary, content, *parameters, _query("f", _TEXT), _LANG)


def _post(  # noqa: PLR0917 -- the parts of one operation
    reader: Reader, tag: str, name: str, summary: str, body: Document, status: str
) -> Document:
    made = _operation(reader, tag, name, summary, {JSON: {"schema": _OBJECT}}, _CODE, status=status)
    return {**made, "requestBody": {"required": True, "content": {JSON: {"schema": body}}}}


def _operation(
    reader: Reader, tag: str, name: str, summary: str, content: Document, *parameters: Document, status: str = "200"
) -> Document:
    statuses = ("400", "401", "403", "404", "406", "413", "415", "422", "500", "503")
    problems = {code: {"$ref": f"#/components/responses/{PROBLEMS[code]}"} for code in statuses}
    success: Document = {"description": reader.choose("Được", "Success"), "content": content}
    long: Document = {"description": reader.choose("Địa chỉ quá dài", "The address is too long")}
    return {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters],
        "responses": {status: success, "414": long, **problems},
    }


def _open(reader: Reader, tag: str, name: str, summary: str, *parameters: Document) -> Document:
    """An operation of Open311: its faults come in its own words, in the form that was asked for."""
    made = _operation(reader, tag, name, summary, _BOTH, *parameters, _FORMAT, _query("api_key", _TEXT), _LANG)
    told: Document = {"description": reader.choose("Không được", "Refused"), "content": _BOTH}
    either: Document = {**_BOTH, "application/problem+json": {"schema": _OBJECT}}
    missing: Document = {"description": reader.choose("Không có", "Not there"), "content": either}
    refusals = dict.fromkeys(("400", "401", "403", "406", "413", "415", "422"), told)
    answered = made["responses"] if isinstance(made["responses"], dict) else {}
    return {**made, "responses": {**answered, **refusals, "404": missing}}
