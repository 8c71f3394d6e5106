"""The part of the API definition that is about pictures: maps of a layer, and its map tiles."""

from __future__ import annotations

from collections.abc import Iterator

from mapserver.matrices import MATRIX_SETS
from mapserver.ogc.documents import Document
from mapserver.ogc.house import Reader
from mapserver.ogc.maps import FORMS
from mapserver.ogc.openapi_parameters import enum, path, query
from mapserver.ogc.openapi_parts import PROBLEMS
from mapserver.pictures import MAX_SIDE
from mapserver.styles import drawn

_FROM_ZERO: Document = {"type": "integer", "minimum": 0}
_COLOUR: Document = {"type": "string", "pattern": "^(0x|#)?[0-9a-fA-F]{6}$"}
_SIDE: Document = {"type": "integer", "minimum": 1, "maximum": MAX_SIDE}


def general(reader: Reader, tag: str) -> Iterator[tuple[str, Document]]:
    """The paths, for all layers that have a picture."""
    say = reader.choose
    names = [layer.name for layer in reader.layers if drawn(layer)]
    which = path("collectionId", say("Tên lớp", "Name of the layer"), enum(*names))
    ground = [
        *(_shared(name) for name in ("bbox", "bbox-crs", "crs")),
        query("width", say("Chiều rộng, điểm ảnh", "Width, pixels"), _SIDE),
        query("height", say("Chiều cao, điểm ảnh", "Height, pixels"), _SIDE),
    ]
    look = [
        *(_shared(name) for name in ("datetime", "theme")),
        query("bgcolor", say("Màu nền", "Colour behind"), _COLOUR),
        query("transparent", say("Nền trong suốt", "Nothing behind"), {"type": "boolean"}),
        query("f", say("Dạng ảnh", "Format"), enum(*FORMS)),
        _shared("lang"),
    ]
    yield "/collections/{collectionId}/map", _get(reader, tag, "getMap", [which, *ground, *look])
    place = [
        path("tileMatrixSetId", say("Lưới ô", "Tile matrix set"), enum(*MATRIX_SETS)),
        path("tileMatrix", say("Mức", "Level"), {**_FROM_ZERO, "maximum": 20}),
        path("tileRow", say("Hàng", "Row"), _FROM_ZERO),
        path("tileCol", say("Cột", "Column"), _FROM_ZERO),
    ]
    tiles = "/collections/{collectionId}/map/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"
    yield tiles, _get(reader, tag, "getMapTile", [which, *place, *look])


def _get(reader: Reader, tag: str, name: str, parameters: list[Document]) -> Document:
    summary = reader.choose("Ảnh bản đồ của một lớp", "A picture of a layer")
    files: Document = {media: {"schema": {"type": "string", "format": "binary"}} for (media,) in FORMS.values()}
    refusals: Document = {status: {"$ref": f"#/components/responses/{kind}"} for status, kind in PROBLEMS.items()}
    success: Document = {"description": reader.choose("Được", "Success"), "content": files}
    answered: Document = {"200": success, **refusals}
    empty: Document = {"description": reader.choose("Ô trống", "An empty tile")}
    missing: Document = {"501": {"$ref": "#/components/responses/ServerError"}}
    answers: Document = {**answered, **missing, **({} if name == "getMap" else {"204": empty})}
    return {
        "get": {
            "tags": [tag],
            "operationId": name,
            "summary": summary,
            "parameters": parameters,
            "responses": answers,
        }
    }


def _shared(name: str) -> Document:
    return {"$ref": f"#/components/parameters/{name}"}
