"""Tile matrix sets and tilesets as JSON (OGC 17-083r4, 20-057), and TileJSON for those who want that."""

from __future__ import annotations

import morecantile

from mapserver.errors import NotFound
from mapserver.layer import GEOMETRIES, Layer
from mapserver.ogc.documents import CRS84, Document, outward, root
from mapserver.ogc.house import Reader
from mapserver.ogc.links import JSON, MVT, REL, SCHEMA, Link, link, ways
from mapserver.statements import counted, tile_columns

MATRIX_SET = "WebMercatorQuad"
MERCATOR = "http://www.opengis.net/def/crs/EPSG/0/3857"
REGISTERED = f"http://www.opengis.net/def/tilematrixset/OGC/1.0/{MATRIX_SET}"
PNG = "image/png"
WORLD = (-180.0, -85.0511287, 180.0, 85.0511287)
_DIMENSIONS = {"Point": 0, "MultiPoint": 0, "LineString": 1, "MultiLineString": 1, "Polygon": 2, "MultiPolygon": 2}
_QUAD = morecantile.tms.get(MATRIX_SET)


def matrix_sets(reader: Reader) -> Document:
    """The list of tile matrix sets: one."""
    title = reader.choose("Lưới ô bản đồ", "Tile matrix sets")
    url = f"{reader.base}/tileMatrixSets/{MATRIX_SET}"
    listed = {
        "id": MATRIX_SET,
        "title": _QUAD.title or MATRIX_SET,
        "uri": REGISTERED,
        "crs": MERCATOR,
        "links": [link(url, "self", JSON, MATRIX_SET)],
    }
    return {"title": title, "links": [*ways(reader, "/tileMatrixSets"), root(reader)], "tileMatrixSets": [listed]}


def matrix_set(reader: Reader, name: str) -> Document:
    """One tile matrix set. Raises NotFound for any but WebMercatorQuad."""
    known(name)
    defined: Document = _QUAD.model_dump(mode="json", exclude_none=True, by_alias=True)
    return {**defined, "links": [*ways(reader, f"/tileMatrixSets/{name}"), root(reader)]}


def tilesets(reader: Reader, layer: Layer) -> Document:
    """The tilesets of a layer: one of vector tiles, or one of pictures for a raster."""
    title = reader.choose("Bộ ô của", "Tilesets of")
    here = f"/collections/{layer.name}/{_folder(layer)}"
    listed = {
        "title": layer.title[reader.language],
        "dataType": _data_type(layer),
        "crs": MERCATOR,
        "tileMatrixSetURI": REGISTERED,
        "links": [
            link(f"{reader.base}{here}/{MATRIX_SET}", "self", JSON, reader.choose("Bộ ô này", "This tileset")),
            _scheme(reader),
        ],
    }
    return {
        "title": f"{title} {layer.title[reader.language]}",
        "links": [*ways(reader, here), root(reader)],
        "tilesets": [listed],
    }


def tileset(reader: Reader, layer: Layer, name: str) -> Document:
    """The metadata of one tileset. Raises NotFound for an unknown tile matrix set."""
    known(name)
    west, south, east, north = _box(reader, layer)
    here = f"/collections/{layer.name}/{_folder(layer)}/{name}"
    return {
        "title": layer.title[reader.language],
        "description": layer.description[reader.language],
        "attribution": layer.source[reader.language],
        "license": layer.licence,
        "dataType": _data_type(layer),
        "crs": MERCATOR,
        "tileMatrixSetURI": REGISTERED,
        "tileMatrixSetLimits": [_limits(zoom) for zoom in _zooms(layer)],
        "boundingBox": {"lowerLeft": [west, south], "upperRight": [east, north], "crs": CRS84},
        "centerPoint": {
            "coordinates": [(west + east) / 2, (south + north) / 2],
            "crs": CRS84,
            "tileMatrix": str(layer.tiles.min_zoom),
        },
        **({} if layer.origin == "raster" else {"layers": [_vector_layer(reader, layer)]}),
        "links": [
            *ways(reader, here),
            link(f"{reader.base}{here}?f=tilejson", "alternate", JSON, "TileJSON"),
            _item(reader, layer),
            _scheme(reader),
            link(f"{reader.base}/collections/{layer.name}", "geodata", JSON, layer.title[reader.language]),
        ],
    }


def tilejson(reader: Reader, layer: Layer) -> Document:
    """The same tileset as TileJSON 3.0."""
    west, south, east, north = _box(reader, layer)
    columns = tile_columns(layer, reader.caller)
    fields = {column.name: column.title[reader.language] for column in columns}
    fields |= dict.fromkeys(counted(layer), _point_count(reader))
    vector = {
        "id": layer.name,
        "description": layer.title[reader.language],
        "minzoom": layer.tiles.min_zoom,
        "maxzoom": layer.tiles.max_zoom,
        "whole_from": layer.tiles.whole_zoom,
        **({"generalised": layer.tiles.generalise} if layer.tiles.generalise else {}),
        "fields": fields,
    }
    return {
        "tilejson": "3.0.0",
        "name": layer.title[reader.language],
        "description": layer.description[reader.language],
        "attribution": layer.source[reader.language],
        "scheme": "xyz",
        "tiles": [f"{reader.base}/collections/{layer.name}/{_folder(layer)}/{MATRIX_SET}/{{z}}/{{y}}/{{x}}"],
        "minzoom": layer.tiles.min_zoom,
        "maxzoom": layer.tiles.max_zoom,
        "bounds": [west, south, east, north],
        "center": [(west + east) / 2, (south + north) / 2, layer.tiles.min_zoom],
        **({} if layer.origin == "raster" else {"vector_layers": [vector]}),
    }


def known(name: str) -> None:
    """Raises NotFound for any tile matrix set but the one we have."""
    if name != MATRIX_SET:
        raise NotFound("tileMatrixSetId", f"there is no tile matrix set {name[:60]!r}; there is {MATRIX_SET}")


def _folder(layer: Layer) -> str:
    return "map/tiles" if layer.origin == "raster" else "tiles"


def _data_type(layer: Layer) -> str:
    return "map" if layer.origin == "raster" else "vector"


def _zooms(layer: Layer) -> range:
    return range(layer.tiles.min_zoom, layer.tiles.max_zoom + 1)


def _limits(zoom: int) -> Document:
    """Every tile of a zoom is answered, an empty one by 204: data may be added anywhere at any time."""
    last = 2**zoom - 1
    return {"tileMatrix": str(zoom), "minTileRow": 0, "maxTileRow": last, "minTileCol": 0, "maxTileCol": last}


def _box(reader: Reader, layer: Layer) -> tuple[float, float, float, float]:
    known = reader.facts.of(layer).extent.box
    if known is None:
        return WORLD
    west, south, east, north = outward(known)
    return west, max(south, WORLD[1]), east, min(north, WORLD[3])


def _scheme(reader: Reader) -> Link:
    return link(f"{reader.base}/tileMatrixSets/{MATRIX_SET}", f"{REL}tiling-scheme", JSON, MATRIX_SET)


def _item(reader: Reader, layer: Layer) -> Link:
    media = PNG if layer.origin == "raster" else MVT
    here = f"{reader.base}/collections/{layer.name}/{_folder(layer)}/{MATRIX_SET}"
    title = reader.choose("Một ô", "One tile")
    return link(f"{here}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}", "item", media, title, templated=True)


def _point_count(reader: Reader) -> str:
    return reader.choose("Số điểm trong cụm (chỉ ở các mức phóng nhỏ)", "Points of the cluster (at low zooms only)")


def _vector_layer(reader: Reader, layer: Layer) -> Document:
    """The one layer inside the tiles, with the schema of its properties."""
    columns = tile_columns(layer, reader.caller)
    properties: Document = {c.name: {"title": c.title[reader.language], **c.kind.schema} for c in columns}
    properties |= {name: {"title": _point_count(reader), "type": "integer"} for name in counted(layer)}
    described: Document = {
        "id": layer.name,
        "title": layer.title[reader.language],
        "description": layer.description[reader.language],
        "dataType": "vector",
        "minTileMatrix": str(layer.tiles.min_zoom),
        "maxTileMatrix": str(layer.tiles.max_zoom),
        "propertiesSchema": {"type": "object", "properties": properties},
        "links": [link(f"{reader.base}/collections/{layer.name}/schema", f"{REL}schema", SCHEMA, layer.name)],
    }
    if layer.geometry in _DIMENSIONS:
        described["geometryDimension"] = _DIMENSIONS[layer.geometry]
    elif layer.geometry not in GEOMETRIES:
        raise NotFound("collectionId", f"{layer.name} has no geometry, so no tiles")
    return described
