"""Petitions in the words of Open311 GeoReport v2, as values: services, requests, updates, and their JSON and XML.

The specification is at wiki.open311.org/GeoReport_v2; extended statuses of updates are mySociety's (FixMyStreet)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

import orjson

from mapserver.layer import Language
from mapserver.systems.petitions.rules import Rules

Form = str
JSON, XML = "application/json", "text/xml"
MEDIA: Mapping[Form, str] = {"json": f"{JSON}; charset=utf-8", "xml": f"{XML}; charset=utf-8"}
EXTENDED: Mapping[str, str] = {
    "received": "open",
    "forwarded": "investigating",
    "returned": "internal_referral",
    "in_progress": "in_progress",
    "reopened": "open",
    "answered": "fixed",
    "closed": "closed",
    "rejected": "no_further_action",
    "merged": "duplicate",
}
"""mySociety's extended status of each of ours; another one is open or closed."""
Document = Mapping[str, Any]


def services(rules: Rules, lang: Language) -> list[Document]:
    """The types of requests: the city's fields."""
    return [
        {
            "service_code": code,
            "service_name": title[lang],
            "description": title["en" if lang == "vi" else "vi"],
            "metadata": bool(_sub_fields(rules, code)),
            "type": "realtime",
            "keywords": code.replace("_", ","),
            "group": _group(rules, code, lang),
        }
        for code, title in rules.titles.items()
    ]


def definition(rules: Rules, code: str, lang: Language) -> Document:
    """What may be asked about a request of a service: its sub-field."""
    values = [{"key": key, "name": title.text()[lang]} for key, title in _sub_fields(rules, code).items()]
    attribute = {
        "variable": True,
        "code": "sub_field",
        "datatype": "singlevaluelist",
        "required": False,
        "datatype_description": "",
        "order": 1,
        "description": "Chuyên mục" if lang == "vi" else "Sub-field",
        "values": values,
    }
    return {"service_code": code, "attributes": [attribute] if values else []}


def request(rules: Rules, record: Mapping[str, Any], lang: Language) -> Document:
    """One service request. record: as `desk` gives it."""
    unit = rules.file.units.get(record["unit"] or "")
    longitude, latitude = record["coordinates"]
    replies = [reply["text"] for reply in record.get("replies", ()) if reply["public"]]
    return {
        "service_request_id": record["code"],
        "status": "closed" if rules.handled(record["status"]) else "open",
        "extended_status": EXTENDED.get(record["status"], "open"),
        "status_notes": replies[-1] if replies else "",
        "service_name": rules.titles[record["field"]][lang] if record["field"] in rules.titles else record["field"],
        "service_code": record["field"],
        "description": record["text"] or "",
        "agency_responsible": unit.title.text()[lang] if unit else "",
        "service_notice": f"{'Hạn trả lời' if lang == 'vi' else 'Due on'} {record['dueOn']}",
        "requested_datetime": record["receivedAt"],
        "updated_datetime": record["updatedAt"],
        "expected_datetime": f"{record['dueOn']}T17:00:00+07:00",
        "address": record["address"] or "",
        "address_id": record["asset"] or "",
        "zipcode": "",
        "lat": latitude,
        "long": longitude,
        "media_url": record["photos"][0] if record["photos"] else "",
    }


def update(event: Mapping[str, Any]) -> Document:
    """One change of status, for mySociety's `servicerequestupdates`."""
    return {
        "update_id": f"{event['code']}-{event['at']}-{event['status']}",
        "service_request_id": event["code"],
        "status": EXTENDED.get(event["status"], "open"),
        "updated_datetime": event["at"],
        "description": event["note"] or "",
        "media_url": "",
    }


def discovery(base: str, changed: str) -> Document:
    """Where the services stand (Service Discovery)."""
    formats = ["text/xml", "application/json"]
    return {
        "changeset": changed,
        "contact": f"{base}/",
        "key_service": f"{base}/open311/v2/key",
        "endpoints": [
            {
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": f"{base}/open311/v2",
                "changeset": changed,
                "type": "production",
                "formats": formats,
            }
        ],
    }


def rendered(root: str, item: str, document: Document | Sequence[Document], form: Form) -> bytes:
    """A document in one of the two forms. root, item: names of the elements of XML."""
    if form == "json":
        return orjson.dumps(document)
    inner = _fields(document) if isinstance(document, Mapping) else "".join(_element(item, one) for one in document)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>{inner}</{root}>'.encode()


_ONE_OF = {"attributes": "attribute", "values": "value", "endpoints": "endpoint", "formats": "format"}


def _fields(document: Document) -> str:
    return "".join(_element(name, value) for name, value in document.items())


def _element(name: str, value: object) -> str:
    """One element; a list has an element for each of its members."""
    match value:
        case Mapping():
            inner = _fields(value)
        case list() | tuple():
            inner = "".join(_element(_ONE_OF.get(name, "item"), one) for one in value)
        case bool():
            inner = "true" if value else "false"
        case _:
            inner = escape("".join(c for c in str(value) if c >= " " or c in "\t\n\r")) if value is not None else ""
    return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"


def _sub_fields(rules: Rules, code: str) -> Mapping[str, Any]:
    field = rules.file.fields.get(code)
    return field.sub_fields if field else {}


def _group(rules: Rules, code: str, lang: Language) -> str:
    unit = rules.file.units.get(rules.unit(code) or "")
    return unit.title.text()[lang] if unit else ""
