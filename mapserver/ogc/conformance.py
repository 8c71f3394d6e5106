"""The conformance classes that this API declares: one table, for the declaration and its page.

A class stands here only when every SHALL of it is met; what is nearly met stands in `docs/ogc.md` instead."""

from __future__ import annotations

from mapserver.ogc.documents import Document, root
from mapserver.ogc.house import Reader
from mapserver.ogc.links import ways

SPEC = "http://www.opengis.net/spec/"
CLASSES: dict[str, str] = {
    "ogcapi-common-1/1.0/conf/core": "OGC API - Common - Part 1: Core",
    "ogcapi-common-1/1.0/conf/landing-page": "OGC API - Common - Part 1: Landing page",
    "ogcapi-common-1/1.0/conf/json": "OGC API - Common - Part 1: JSON",
    "ogcapi-common-1/1.0/conf/html": "OGC API - Common - Part 1: HTML",
    "ogcapi-common-1/1.0/conf/oas30": "OGC API - Common - Part 1: OpenAPI 3.0",
    "ogcapi-common-2/1.0/conf/collections": "OGC API - Common - Part 2: Collections",
    "ogcapi-features-1/1.0/conf/core": "OGC API - Features - Part 1: Core",
    "ogcapi-features-1/1.0/conf/geojson": "OGC API - Features - Part 1: GeoJSON",
    "ogcapi-features-1/1.0/conf/html": "OGC API - Features - Part 1: HTML",
    "ogcapi-features-1/1.0/conf/oas30": "OGC API - Features - Part 1: OpenAPI 3.0",
    "ogcapi-features-2/1.0/conf/crs": "OGC API - Features - Part 2: Coordinate Reference Systems by Reference",
    "ogcapi-features-3/1.0/conf/queryables": "OGC API - Features - Part 3: Queryables",
    "ogcapi-features-3/1.0/conf/queryables-query-parameters": "OGC API - Features - Part 3: Queryables as parameters",
    "ogcapi-features-3/1.0/conf/filter": "OGC API - Features - Part 3: Filter",
    "ogcapi-features-3/1.0/conf/features-filter": "OGC API - Features - Part 3: Features filter",
    "ogcapi-features-4/1.0/conf/create-replace-delete": "OGC API - Features - Part 4: Create, replace, delete",
    "ogcapi-features-4/1.0/conf/update": "OGC API - Features - Part 4: Update",
    "ogcapi-features-4/1.0/conf/features": "OGC API - Features - Part 4: Features",
    "ogcapi-features-6/1.0/conf/properties": "OGC API - Features - Part 6: Property selection",
    "ogcapi-features-6/1.0/conf/properties-features": "OGC API - Features - Part 6: Property selection of features",
    "ogcapi-features-8/1.0/conf/sortables": "OGC API - Features - Part 8: Sortables",
    "ogcapi-features-8/1.0/conf/sorting": "OGC API - Features - Part 8: Sorting",
    "ogcapi-features-8/1.0/conf/features-sorting": "OGC API - Features - Part 8: Sorting of features",
    "cql2/1.0/conf/cql2-text": "CQL2: Text",
    "cql2/1.0/conf/cql2-json": "CQL2: JSON",
    "cql2/1.0/conf/basic-cql2": "CQL2: Basic",
    "cql2/1.0/conf/advanced-comparison-operators": "CQL2: Advanced comparison operators",
    "cql2/1.0/conf/case-insensitive-comparison": "CQL2: Case-insensitive comparison",
    "cql2/1.0/conf/accent-insensitive-comparison": "CQL2: Accent-insensitive comparison",
    "cql2/1.0/conf/basic-spatial-functions": "CQL2: Basic spatial functions",
    "cql2/1.0/conf/basic-spatial-functions-plus": "CQL2: Basic spatial functions with every geometry",
    "cql2/1.0/conf/spatial-functions": "CQL2: Spatial functions",
    "cql2/1.0/conf/temporal-functions": "CQL2: Temporal functions",
    "cql2/1.0/conf/array-functions": "CQL2: Array functions",
    "cql2/1.0/conf/property-property": "CQL2: Property-property comparisons",
    "cql2/1.0/conf/functions": "CQL2: Functions",
    "cql2/1.0/conf/arithmetic": "CQL2: Arithmetic expressions",
    "ogcapi-common-3/1.0/conf/schemas": "OGC API - Common - Part 3: Schemas",
    "ogcapi-common-3/1.0/conf/advanced-property-roles": "OGC API - Common - Part 3: Advanced property roles",
    "ogcapi-common-3/1.0/conf/returnables-and-receivables": "OGC API - Common - Part 3: Returnables and receivables",
    "ogcapi-common-3/1.0/conf/queryables": "OGC API - Common - Part 3: Queryables",
    "ogcapi-common-3/1.0/conf/sortables": "OGC API - Common - Part 3: Sortables",
    "ogcapi-common-3/1.0/conf/profile-parameter": "OGC API - Common - Part 3: Profile query parameter",
    "ogcapi-common-3/1.0/conf/profile-codelists": "OGC API - Common - Part 3: Profiles for codelists",
    "json-fg-1/1.0/conf/core": "JSON-FG: Core",
    "json-fg-1/1.0/conf/types-schemas": "JSON-FG: Feature types and schemas",
    "json-fg-1/1.0/conf/profiles": "JSON-FG: GeoJSON profiles",
    "json-fg-1/1.0/conf/api": "JSON-FG in Web APIs",
    "ogcapi-tiles-1/1.0/conf/core": "OGC API - Tiles - Part 1: Core",
    "ogcapi-tiles-1/1.0/conf/tileset": "OGC API - Tiles - Part 1: Tileset",
    "ogcapi-tiles-1/1.0/conf/tilesets-list": "OGC API - Tiles - Part 1: Tilesets list",
    "ogcapi-tiles-1/1.0/conf/geodata-tilesets": "OGC API - Tiles - Part 1: Geodata tilesets",
    "ogcapi-tiles-1/1.0/conf/mvt": "OGC API - Tiles - Part 1: Mapbox Vector Tiles",
    "ogcapi-tiles-1/1.0/conf/oas30": "OGC API - Tiles - Part 1: OpenAPI 3.0",
    "tms/2.0/conf/tilematrixset": "2D Tile Matrix Set 2.0: Tile matrix set",
    "tms/2.0/conf/json-tilematrixset": "2D Tile Matrix Set 2.0: JSON of a tile matrix set",
    "tms/2.0/conf/tilesetmetadata": "2D Tile Matrix Set 2.0: Tileset metadata",
    "tms/2.0/conf/json-tilesetmetadata": "2D Tile Matrix Set 2.0: JSON of tileset metadata",
}
"""Class, below SPEC, and what a person calls it."""


def conformance(reader: Reader) -> Document:
    """The conformance declaration."""
    return {
        "title": reader.choose("Các lớp tuân thủ", "Conformance classes"),
        "conformsTo": [f"{SPEC}{name}" for name in CLASSES],
        "links": [*ways(reader, "/conformance"), root(reader)],
    }
