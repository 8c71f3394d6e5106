"""The parts of the API definition that no layer changes: problems, and the schemas of the documents."""

from __future__ import annotations

from mapserver.layer import GEOMETRIES
from mapserver.ogc.documents import Document

PROBLEM = "application/problem+json"
PROBLEMS = {
    "400": "BadQuery",
    "401": "Unauthorized",
    "403": "Forbidden",
    "404": "NotFound",
    "405": "MethodNotAllowed",
    "406": "NotAcceptable",
    "410": "Gone",
    "412": "Stale",
    "413": "TooLarge",
    "415": "UnsupportedMedia",
    "422": "BadFeature",
    "428": "NoVersion",
    "500": "ServerError",
    "503": "NotReady",
}
"""Component of each status that is not a success."""

_TEXT: Document = {"type": "string"}
_URI: Document = {"type": "string", "format": "uri"}
_LINKS: Document = {"type": "array", "items": {"$ref": "#/components/schemas/link"}}
_TEXTS: Document = {"type": "array", "items": _TEXT}


def _object(required: tuple[str, ...], **properties: Document) -> Document:
    needed: Document = {"required": list(required)} if required else {}
    return {"type": "object", **needed, "properties": properties}


def _list(name: str) -> Document:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


SCHEMAS: dict[str, Document] = {
    "any": {"type": "object"},
    "link": _object(
        ("href", "rel"), href=_TEXT, rel=_TEXT, type=_TEXT, title=_TEXT, hreflang=_TEXT, templated={"type": "boolean"}
    ),
    "problem": _object(
        ("type", "title", "status"),
        type=_URI,
        title=_TEXT,
        status={"type": "integer", "minimum": 400, "maximum": 599},
        detail=_TEXT,
        parameter=_TEXT,
        errors={"type": "array", "items": _object(("pointer", "detail"), pointer=_TEXT, detail=_TEXT)},
    ),
    "landingPage": _object(("links",), title=_TEXT, description=_TEXT, attribution=_TEXT, links=_LINKS),
    "confClasses": _object(("conformsTo",), conformsTo=_TEXTS, links=_LINKS),
    "extent": _object(
        (),
        spatial=_object(
            (),
            bbox={
                "type": "array",
                "minItems": 1,
                "items": {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}},
            },
            crs=_URI,
        ),
        temporal=_object(
            (),
            interval={
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "array",
                    "minItems": 2,
                    "maxItems": 2,
                    "items": {"type": "string", "format": "date-time", "nullable": True},
                },
            },
            trs=_URI,
        ),
    ),
    "collection": _object(
        ("id", "links"),
        id=_TEXT,
        title=_TEXT,
        description=_TEXT,
        keywords=_TEXTS,
        extent={"$ref": "#/components/schemas/extent"},
        itemType=_TEXT,
        crs=_TEXTS,
        storageCrs=_URI,
        theme=_TEXT,
        owner=_TEXT,
        source=_TEXT,
        licence=_TEXT,
        update=_TEXT,
        synthetic={"type": "boolean"},
        updated={"type": "string", "format": "date-time"},
        access=_TEXT,
        links=_LINKS,
    ),
    "collections": _object(
        ("links", "collections"),
        title=_TEXT,
        links=_LINKS,
        crs=_TEXTS,
        numberMatched={"type": "integer"},
        numberReturned={"type": "integer"},
        collections=_list("collection"),
    ),
    "geometry": {
        "type": "object",
        "nullable": True,
        "required": ["type"],
        "properties": {
            "type": {
                "type": "string",
                "enum": [*(name for name in GEOMETRIES if name != "Geometry"), "GeometryCollection"],
            },
            "coordinates": {"type": "array", "items": {}},
            "geometries": {"type": "array", "items": {"type": "object"}},
        },
    },
    "tileSets": _object(("tilesets",), title=_TEXT, links=_LINKS, tilesets=_list("tileSet")),
    "tileSet": _object(
        ("dataType", "crs", "links"),
        title=_TEXT,
        description=_TEXT,
        dataType=_TEXT,
        crs=_TEXT,
        tileMatrixSetURI=_URI,
        links=_LINKS,
    ),
    "tileMatrixSets": _object(("tileMatrixSets",), tileMatrixSets={"type": "array", "items": {"type": "object"}}),
    "tileMatrixSet": _object(("tileMatrices", "crs"), id=_TEXT, crs=_TEXT, tileMatrices={"type": "array", "items": {}}),
    "functions": _object(("functions",), functions={"type": "array", "items": {"type": "object"}}, links=_LINKS),
    "styles": _object(("styles",), default=_TEXT, styles={"type": "array", "items": {"type": "object"}}, links=_LINKS),
}
