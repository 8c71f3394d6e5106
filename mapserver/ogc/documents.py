"""The landing page and the collections as JSON: pure functions of a reader and the catalogue."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from mapserver import formats
from mapserver.crs import OFFERED
from mapserver.facts import Bounds, Fact
from mapserver.layer import Layer
from mapserver.ogc.house import Reader
from mapserver.ogc.links import GEOJSON, HTML, JSON, JSONLD, OPENAPI, REL, SCHEMA, STYLE, Link, link, ways
from mapserver.query import visible_columns

Document = dict[str, object]

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"
COVERAGE_TYPES = {"json": "application/prs.coverage+json", "GTiff": "image/tiff; application=geotiff"}
_SPDX = re.compile(r"^[A-Za-z0-9.+-]+-\d[A-Za-z0-9.+-]*$|^MIT$")
_EPSG = re.compile(r"^EPSG:(\d+)$")


def landing(reader: Reader) -> Document:
    """The root of the API."""
    say, base = reader.choose, reader.base
    return {
        "title": reader.identity.title[reader.language],
        "description": reader.identity.description[reader.language],
        "attribution": reader.identity.provider[reader.language],
        "links": [
            *ways(reader, "/", ld=True),
            link(f"{base}/api", "service-desc", OPENAPI, say("Định nghĩa API (OpenAPI 3.0)", "API definition")),
            link(f"{base}/api?f=html", "service-doc", HTML, say("Tài liệu API", "API documentation")),
            link(f"{base}/conformance", "conformance", JSON, say("Các lớp tuân thủ", "Conformance classes")),
            link(f"{base}/collections", "data", JSON, say("Các lớp dữ liệu", "Collections")),
            link(f"{base}/tileMatrixSets", f"{REL}tiling-schemes", JSON, say("Lưới ô bản đồ", "Tile matrix sets")),
            link(f"{base}/functions", f"{REL}functions", JSON, say("Hàm trong bộ lọc", "Functions of filters")),
            link(f"{base}/processes", f"{REL}processes", JSON, say("Các quy trình", "Processes")),
            link(f"{base}/styles", f"{REL}styles", JSON, say("Kiểu hiển thị", "Styles")),
            link(f"{base}/map", "related", HTML, say("Bản đồ", "The map")),
            link(reader.identity.licence_url, "license", HTML, reader.identity.licence),
        ],
    }


def collections(reader: Reader) -> Document:
    """Every collection that this reader may see."""
    listed = [collection(reader, layer) for layer in reader.layers]
    return {
        "title": reader.choose("Các lớp dữ liệu", "Collections"),
        "links": [*ways(reader, "/collections", ld=True), root(reader)],
        "crs": [crs.uri for crs in OFFERED],
        "numberMatched": len(listed),
        "numberReturned": len(listed),
        "collections": listed,
    }


def collection(reader: Reader, layer: Layer) -> Document:
    """One layer as a collection: what it is, where and when it is, and where its data are."""
    fact = reader.facts.of(layer)
    raster = layer.origin == "raster"
    return {
        "id": layer.name,
        "title": layer.title[reader.language],
        "description": layer.description[reader.language],
        "keywords": keywords(reader, layer),
        "extent": extent(reader, layer),
        **({} if raster else {"itemType": "feature"}),
        **_crs(layer, fact),
        **own_members(reader, layer),
        "links": [*_links(reader, layer), root(reader)],
    }


def own_members(reader: Reader, layer: Layer) -> Document:
    """What this API says of a layer beyond the standard."""
    fact = reader.facts.of(layer)
    said: dict[str, object] = {
        "theme": layer.theme,
        "owner": layer.owner[reader.language],
        "source": layer.source[reader.language],
        "licence": layer.licence,
        "update": layer.update,
        "synthetic": fact.synthetic,
        "updated": fact.updated,
        "access": None if layer.access.level == "public" else layer.access.level,
    }
    return {name: value for name, value in said.items() if value is not None}


def keywords(reader: Reader, layer: Layer) -> list[str]:
    """Words to find the layer by: its theme, its geometry, its owner."""
    return [word for word in (layer.theme, layer.geometry, layer.owner[reader.language]) if word]


def extent(reader: Reader, layer: Layer) -> Document:
    """Where and when the layer's data are, in CRS84 and the Gregorian calendar; empty when nothing is known."""
    known = reader.facts.of(layer).extent
    out: Document = {}
    if known.box:
        out["spatial"] = {"bbox": [list(outward(known.box))], "crs": CRS84}
    if layer.as_of or layer.time in {column.name for column in visible_columns(layer, reader.caller)}:
        out["temporal"] = {"interval": [[_instant(known.first), _instant(known.last)]], "trs": GREGORIAN}
    return out


def outward(box: Bounds) -> Bounds:
    """The box at 1e-7 degrees, rounded so that it still holds everything."""
    west, south, east, north = (value * 1e7 for value in box)
    return math.floor(west) / 1e7, math.floor(south) / 1e7, math.ceil(east) / 1e7, math.ceil(north) / 1e7


def root(reader: Reader) -> Link:
    """The link home."""
    return link(f"{reader.base}/", "root", JSON, reader.identity.title[reader.language])


def _instant(at: str | None) -> str | None:
    """A date as the first moment of its day."""
    return f"{at}T00:00:00Z" if at and "T" not in at else at


def _crs(layer: Layer, fact: Fact) -> Document:
    if layer.geometry:
        return {"crs": [crs.uri for crs in OFFERED], "storageCrs": CRS84}
    code = _EPSG.match(fact.grid.crs) if fact.grid else None
    if code:
        uri = f"http://www.opengis.net/def/crs/EPSG/0/{code[1]}"
        return {"crs": [CRS84, uri], "storageCrs": uri}
    return {}


def _links(reader: Reader, layer: Layer) -> Iterator[Link]:
    yield from ways(reader, f"/collections/{layer.name}", ld=True)
    yield from _raster_links(reader, layer) if layer.origin == "raster" else _feature_links(reader, layer)
    url, say = f"{reader.base}/collections/{layer.name}", reader.choose
    yield link(f"{url}/schema", f"{REL}schema", SCHEMA, say("Lược đồ dữ liệu", "Schema"))
    yield link(f"{url}/schema?f=html", "describedby", HTML, say("Mô tả các cột", "Columns described"))
    if layer.geometry or layer.origin == "raster":
        yield link(f"{reader.base}/styles/{layer.name}", f"{REL}styles", STYLE, say("Kiểu hiển thị", "Style"))
        yield link(
            f"{reader.base}/map{map_place(reader, layer)}", "related", HTML, say("Xem trên bản đồ", "On the map")
        )
    if _SPDX.match(layer.licence):
        yield link(f"https://spdx.org/licenses/{layer.licence}.html", "license", HTML, layer.licence)


def _feature_links(reader: Reader, layer: Layer) -> Iterator[Link]:
    url, say = f"{reader.base}/collections/{layer.name}", reader.choose
    yield link(f"{url}/items", "items", GEOJSON, say("Dữ liệu dạng GeoJSON", "Features as GeoJSON"))
    yield link(f"{url}/items?f=html", "items", HTML, say("Dữ liệu dạng bảng", "Features as a table"))
    yield link(f"{url}/items?f=jsonld", "items", JSONLD, say("Dữ liệu dạng JSON-LD", "Features as JSON-LD"))
    yield link(f"{url}/items?f=jsonfg", "items", GEOJSON, say("Dữ liệu dạng JSON-FG", "Features as JSON-FG"))
    for made in formats.offered(layer):
        title = say(f"Tải về dạng {made.title.vi}", f"Download as {made.title.en}")
        yield link(f"{url}/items?f={made.name}", "items", made.media_type, title)
    if layer.history:
        yield link(f"{url}/changes", f"{REL}changeset", JSON, say("Những gì đã thay đổi", "What changed"))
    yield link(f"{url}/queryables", f"{REL}queryables", SCHEMA, say("Cột lọc được", "Queryables"))
    yield link(f"{url}/sortables", f"{REL}sortables", SCHEMA, say("Cột sắp xếp được", "Sortables"))
    if layer.geometry:
        yield link(f"{url}/tiles", f"{REL}tilesets-vector", JSON, say("Ô véc-tơ", "Vector tilesets"))


def _raster_links(reader: Reader, layer: Layer) -> Iterator[Link]:
    url, say = f"{reader.base}/collections/{layer.name}", reader.choose
    geotiff, covjson = COVERAGE_TYPES["GTiff"], COVERAGE_TYPES["json"]
    yield link(f"{url}/coverage?f=GTiff", f"{REL}coverage", geotiff, say("Lưới dạng GeoTIFF", "Coverage as GeoTIFF"))
    yield link(f"{url}/coverage?f=json", f"{REL}coverage", covjson, say("Lưới dạng CoverageJSON", "As CoverageJSON"))
    yield link(f"{url}/coverage?f=GTiff", "enclosure", geotiff, say("Tải toàn bộ", "Download all of it"))
    yield link(f"{url}/map/tiles", f"{REL}tilesets-map", JSON, say("Ô ảnh", "Map tilesets"))


def map_place(reader: Reader, layer: Layer) -> str:
    """The part of the map's address that shows this layer where its data are."""
    box = reader.facts.of(layer).extent.box
    return f"{zoomed(box)}&layers={layer.name}" if box else f"#layers={layer.name}"


def zoomed(box: Bounds) -> str:
    """The part of the map's address that shows a box."""
    west, south, east, north = box
    zoom = min(16.0, max(2.0, math.log2(360 / max(east - west, north - south, 0.003))))
    return f"#map={zoom:.1f}/{(south + north) / 2:.5f}/{(west + east) / 2:.5f}"
