"""OGC API - Tiles - Part 1 and the 2D Tile Matrix Set standard, with tiles decoded and laid over what is stored."""

from __future__ import annotations

import math
from typing import Any

import mapbox_vector_tile
import numpy as np
import shapely
import shapely.geometry
from conftest import amount

from conformance import faults
from conformance.api import REL, Api, href, media, requirement, some

TILES, TMS = "ogcapi-tiles-1/1.0/req", "tms/2.0/req"
MVT = "application/vnd.mapbox-vector-tile"
QUAD = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
HALF = math.pi * 6378137
TILE = r"/tiles/\w+/\d+/\d+/\d+$"


def tileset_lists(api: Api) -> dict[str, str]:
    """Addresses of the lists of tilesets, by collection."""
    found = {}
    for name, said in api.collections.items():
        for kind in ("vector", "map"):
            for where in href(said, f"{REL}tilesets-{kind}"):
                found[f"{name} {kind}"] = where
    return found


def tilesets(api: Api) -> list[tuple[str, dict[str, Any]]]:
    """Every tileset's metadata, with the collection it is of."""
    return [
        (title.split()[0], api.json(next(href(listed, "self"))))
        for title, where in tileset_lists(api).items()
        for listed in api.json(where)["tilesets"]
    ]


def template(tileset: dict[str, Any], kind: str = "") -> str:
    """The template of a tileset's tiles."""
    found = [link for link in tileset["links"] if link["rel"] == "item" and link.get("type", "").startswith(kind)]
    return str(found[0]["href"])


def tile_url(tileset: dict[str, Any], z: Any, row: Any, col: Any) -> str:
    where = template(tileset).replace("{tileMatrix}", str(z)).replace("{tileRow}", str(row))
    return where.replace("{tileCol}", str(col))


def place(lon: float, lat: float, z: int) -> tuple[int, int]:
    """Row and column of the tile that holds a point."""
    n = 2**z
    return int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n), int((lon + 180) / 360 * n)


@requirement(
    f"{TILES}/geodata-tilesets/operation",
    f"{TILES}/geodata-tilesets/desc-links",
    f"{TILES}/tilesets-list/tileset-path",
    broken_by=faults.unlinked(f"{REL}tilesets-vector"),
)
def test_every_collection_with_geometry_has_a_list_of_tilesets(api: Api):
    found = tileset_lists(api)
    assert {title.split()[0] for title in found} >= set(api.spatial())
    for where in found.values():
        assert where.endswith("/tiles")
        answer = api.get(where, "application/json")
        assert (answer.status_code, media(answer)) == (200, "application/json")
        assert answer.json()["tilesets"]


@requirement(f"{TILES}/tilesets-list/tileset-links", broken_by=faults.without("tileMatrixSetURI", where="/tiles$"))
def test_the_list_says_what_each_tileset_is(api: Api):
    for where in tileset_lists(api).values():
        for listed in api.json(where)["tilesets"]:
            assert listed["dataType"] in ("vector", "map", "coverage")
            assert listed["crs"]
            assert listed["tileMatrixSetURI"] == QUAD
            assert next(href(listed, "self"))
            assert api.json(next(href(listed, f"{REL}tiling-scheme")))["uri"] == listed["tileMatrixSetURI"]


@requirement(
    f"{TILES}/tileset/description",
    f"{TMS}/tilesetmetadata/model",
    f"{TMS}/tilesetmetadata/identifier",
    f"{TMS}/json-tilesetmetadata/model",
    f"{TMS}/json-tilesetmetadata/media-type",
    f"{TMS}/json-tilesetmetadata/schema",
    broken_by=faults.saying('"templated": ?true', '"templated":false'),
)
def test_a_tileset_describes_itself(api: Api):
    for name, said in tilesets(api):
        assert {"dataType", "crs", "tileMatrixSetURI", "links"} <= set(said), name
        assert said["tileMatrixSetURI"] == QUAD
        assert next(href(said, f"{REL}tiling-scheme"))
        items = [link for link in said["links"] if link["rel"] == "item"]
        assert items
        for link in items:
            assert link["templated"] is True, name
            assert link["type"], name
            assert all(part in link["href"] for part in ("{tileMatrix}", "{tileRow}", "{tileCol}")), name
        for limit in said.get("tileMatrixSetLimits", []):
            last = 2 ** int(limit["tileMatrix"]) - 1
            assert 0 <= limit["minTileRow"] <= limit["maxTileRow"] <= last, name
            assert 0 <= limit["minTileCol"] <= limit["maxTileCol"] <= last, name


@requirement(
    f"{TMS}/tilematrixset/model",
    f"{TMS}/json-tilematrixset/model",
    f"{TMS}/json-tilematrixset/media-type",
    f"{TMS}/json-tilematrixset/schema",
    broken_by=faults.saying('"scaleDenominator": ?5590', '"scaleDenominator":6590'),
)
def test_the_tile_matrix_set_is_the_registered_one(api: Api):
    for listed in api.json("/tileMatrixSets")["tileMatrixSets"]:
        answer = api.get(next(href(listed, "self")), "application/json")
        assert media(answer) == "application/json"
        said = answer.json()
        assert (said["id"], said["uri"], said["crs"]) == (
            "WebMercatorQuad",
            QUAD,
            "http://www.opengis.net/def/crs/EPSG/0/3857",
        )
        for z, matrix in enumerate(said["tileMatrices"]):
            assert matrix["id"] == str(z)
            assert matrix["scaleDenominator"] == 559082264.0287178 / 2**z or z
            assert abs(matrix["cellSize"] - 2 * HALF / 256 / 2**z) < 1e-6
            assert abs(matrix["scaleDenominator"] * 0.00028 - matrix["cellSize"]) < 1e-6
            assert (matrix["matrixWidth"], matrix["matrixHeight"]) == (2**z, 2**z)
            assert (matrix["tileWidth"], matrix["tileHeight"]) == (256, 256)
            assert np.abs(np.array(matrix["pointOfOrigin"]) - (-HALF, HALF)).max() < 1e-6


@requirement(f"{TILES}/core/conformance-success", broken_by=faults.saying("ogcapi-tiles-1", "ogcapi-tiles-9", "^/conf"))
def test_the_classes_of_tiles_are_declared(api: Api):
    assert {"ogcapi-tiles-1/1.0/conf/core", "ogcapi-tiles-1/1.0/conf/mvt", "tms/2.0/conf/tilematrixset"} <= set(
        api.declared
    )


@requirement(f"{TILES}/core/tc-op", f"{TILES}/core/tc-success", broken_by=faults.status(404, TILE))
def test_a_tile_answers_at_its_template(api: Api):
    for name, said in tilesets(api):
        for z, row, col in tiles_with_something(api, name, said)[:2]:
            link = next(link for link in said["links"] if link["rel"] == "item")
            answer = api.get(tile_url(said, z, row, col), link["type"])
            assert (answer.status_code, media(answer)) == (200, link["type"]), answer.url
            assert answer.content


def tiles_with_something(api: Api, name: str, said: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Tiles at several zooms that hold a vertex of a stored feature."""
    if name not in api.feature_collections:
        return []
    zooms = [int(limit["tileMatrix"]) for limit in said["tileMatrixSetLimits"]]
    chosen = some(list(api.table(name).placed().values()), amount(2, 20), name)
    return [
        (z, *place(*shapely.get_coordinates(shape)[0], z))
        for shape in chosen
        for z in some(zooms[len(zooms) // 2 :], amount(2, 9), name)
    ]


@requirement(f"{TILES}/core/tc-error", broken_by=faults.status(200, "/tiles/"))
def test_a_tile_out_of_range_is_an_error_and_one_without_data_is_empty(api: Api):
    for name, said in tilesets(api):
        bad = [
            (-1, 0, 0),
            (31, 0, 0),
            (100, 0, 0),
            (10**30, 0, 0),
            ("x", 0, 0),
            ("", 0, 0),
            (0, 1, 0),
            (0, 0, 1),
            (0, -1, 0),
        ]
        z = int(said["tileMatrixSetLimits"][-1]["tileMatrix"])
        bad += [(z, 2**z, 0), (z, 0, 2**z), (z, 10**30, 0), (z, "1.5", 0)]
        for where in bad:
            assert api.get(tile_url(said, *where)).status_code in (400, 404), (name, where)
        answer = api.get(tile_url(said, z, 0, 0))
        assert answer.status_code == 204 or (answer.status_code == 200 and media(answer) == MVT), name
        assert not answer.content


@requirement(
    f"{TILES}/core/tc-tilecol-definition",
    f"{TILES}/core/tc-tilerow-definition",
    f"{TILES}/core/tc-tilematrix-definition",
    f"{TILES}/oas30/completeness",
    broken_by=faults.saying('"name": ?"tileRow"', '"name":"y"', "^/api$"),
)
def test_tiles_are_in_the_definition_with_their_parameters(api: Api):
    for where in tileset_lists(api).values():
        path = where.removeprefix(str(api.http.base_url).rstrip("/"))
        assert {path, f"{path}/{{tileMatrixSetId}}"} <= set(api.definition["paths"])
        given = api.parameters(f"{path}/{{tileMatrixSetId}}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}")
        for name in ("tileMatrix", "tileRow", "tileCol"):
            assert (given[name]["in"], given[name]["required"]) == ("path", True)
        for name in ("tileRow", "tileCol"):
            assert (given[name]["schema"]["type"], given[name]["schema"]["minimum"]) == ("integer", 0)


@requirement(f"{TILES}/oas30/operation-id", broken_by=faults.saying(r"\.getTile\"", '.tile"', "^/api$"))
def test_operations_of_tiles_have_the_names_of_the_standard(api: Api):
    suffixes = {
        "": "getTileSetsList",
        "/{tileMatrixSetId}": "getTileSet",
        "/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}": "getTile",
    }
    for title, listed in tileset_lists(api).items():
        for tail, suffix in suffixes.items():
            operation = api.definition["paths"][listed.removeprefix(str(api.http.base_url).rstrip("/")) + tail]["get"]
            assert operation["operationId"].endswith(f".collection.{title.split()[1]}.{suffix}"), (title, tail)


@requirement(f"{TILES}/mvt/content", broken_by=faults.answering(
    lambda a: type(a)(a.status_code, headers=faults.plain(a), content=a.content[: len(a.content) // 2]), TILE
))  # fmt: skip
def test_a_vector_tile_holds_what_lies_in_it_where_it_lies(api: Api):
    for name, said in tilesets(api):
        if said["dataType"] != "vector":
            continue
        stored = api.table(name).placed()
        for z, row, col in tiles_with_something(api, name, said):
            content = api.get(tile_url(said, z, row, col)).content
            decoded = mapbox_vector_tile.decode(content, default_options={"y_coord_down": True})
            assert list(decoded) == [name], (name, z, row, col)
            layer = decoded[name]
            for feature in layer["features"]:
                assert feature["geometry"]["coordinates"], name
                check_in_place(name, stored[feature["id"]], feature, layer["extent"], (z, row, col))


def check_in_place(
    name: str, stored: shapely.Geometry, feature: dict[str, Any], extent: int, tile: tuple[int, int, int]
) -> None:
    """What a tile draws lies on the stored geometry, as near as its own grid and its simplification let it."""
    z, row, col = tile
    size = 2 * HALF / 2**z
    drawn = shapely.get_coordinates(shapely.geometry.shape(feature["geometry"]))
    drawn = drawn[np.all((drawn >= 0) & (drawn <= extent), axis=1)]  # a cut runs along the edge of the buffer
    x = -HALF + (col + drawn[:, 0] / extent) * size
    y = HALF - (row + drawn[:, 1] / extent) * size
    here = shapely.transform(stored, to_mercator)
    clip = shapely.box(
        -HALF + (col - 1) * size, HALF - (row + 2) * size, -HALF + (col + 2) * size, HALF - (row - 1) * size
    )
    far = shapely.distance(shapely.intersection(here, clip), shapely.points(x, y)).max(initial=0)
    assert far <= size / extent * 16, (name, tile, feature["id"], far, size / extent)


def to_mercator(points: np.ndarray) -> np.ndarray:
    lon, lat = np.radians(points).T
    return np.column_stack([6378137 * lon, 6378137 * np.arcsinh(np.tan(lat))])


@requirement(f"{TILES}/mvt/content", broken_by=faults.answering(
    lambda a: type(a)(a.status_code, headers=faults.plain(a), content=b""), TILE
))  # fmt: skip
def test_a_tile_at_the_last_zoom_has_every_feature_that_meets_it(api: Api):
    for name, said in tilesets(api):
        if said["dataType"] != "vector":
            continue
        stored, z = api.table(name).placed(), int(said["tileMatrixSetLimits"][-1]["tileMatrix"])
        for shape in some(list(stored.values()), amount(2, 30), f"last {name}"):
            row, col = place(*shapely.get_coordinates(shape)[0], z)
            size = 2 * HALF / 2**z
            box = shapely.box(-HALF + col * size, HALF - (row + 1) * size, -HALF + (col + 1) * size, HALF - row * size)
            inside = {i for i, s in stored.items() if shapely.intersects(shapely.transform(s, to_mercator), box)}
            decoded = mapbox_vector_tile.decode(api.get(tile_url(said, z, row, col)).content)
            assert inside <= {feature["id"] for feature in decoded[name]["features"]}, (name, z, row, col)
