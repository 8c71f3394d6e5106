"""What ArcGIS asks before it asks for features: the server, the services, a service, its one layer. Pure functions."""

from __future__ import annotations

from typing import Any

from mapserver.arcgis.asking import MAX_RECORDS
from mapserver.arcgis.words import GEOMETRY_TYPES, OID, fields, offered, reference
from mapserver.crs import CRS84
from mapserver.facts import Fact
from mapserver.layer import Language, Layer
from mapserver.query import Caller, seen

VERSION = 10.91
"""The ArcGIS Server whose answers these are like: 10.9.1."""
FORMATS = "JSON, geoJSON, PBF"
WORLD = (-180.0, -90.0, 180.0, 90.0)
_SYMBOLS = {
    "esriGeometryPoint": {"type": "esriSMS", "style": "esriSMSCircle", "color": [0, 92, 153, 255], "size": 5,
                          "outline": {"color": [255, 255, 255, 255], "width": 0.75}},
    "esriGeometryPolyline": {"type": "esriSLS", "style": "esriSLSSolid", "color": [0, 92, 153, 255], "width": 1.5},
    "esriGeometryPolygon": {"type": "esriSFS", "style": "esriSFSSolid", "color": [0, 92, 153, 64],
                            "outline": {"type": "esriSLS", "style": "esriSLSSolid", "color": [0, 92, 153, 255],
                                        "width": 1}},
}  # fmt: skip
"""A plain symbol for each type; the city's own styles are told by `/styles`."""


def info() -> dict[str, Any]:
    """`/arcgis/rest/info`."""
    return {"currentVersion": VERSION, "fullVersion": "10.9.1", "authInfo": {"isTokenBasedSecurity": False}}


def services(layers: list[Layer]) -> dict[str, Any]:
    """`/arcgis/rest/services`."""
    told = [{"name": layer.name, "type": "FeatureServer"} for layer in layers if offered(layer)]
    return {"currentVersion": VERSION, "folders": [], "services": told}


def service(layer: Layer, fact: Fact, language: Language) -> dict[str, Any]:
    """`…/FeatureServer`."""
    own = {"id": 0, "name": layer.title[language], "parentLayerId": -1, "defaultVisibility": True, "subLayerIds": None,
           "minScale": 0, "maxScale": 0, "type": _kind(layer)}  # fmt: skip
    if layer.geometry:
        own["geometryType"] = GEOMETRY_TYPES[layer.geometry]
    return {
        "currentVersion": VERSION,
        "serviceDescription": layer.description[language],
        "description": layer.description[language],
        "copyrightText": layer.source[language],
        "hasVersionedData": False,
        "supportsDisconnectedEditing": False,
        "hasStaticData": not layer.writable,
        "maxRecordCount": MAX_RECORDS,
        "supportedQueryFormats": FORMATS,
        "capabilities": "Query",
        "spatialReference": reference(CRS84),
        "initialExtent": extent(fact),
        "fullExtent": extent(fact),
        "allowGeometryUpdates": False,
        "units": "esriDecimalDegrees",
        "layers": [own] if layer.geometry else [],
        "tables": [] if layer.geometry else [own],
    }


def layer_document(layer: Layer, fact: Fact, language: Language, caller: Caller) -> dict[str, Any]:
    """`…/FeatureServer/0`."""
    columns = seen(layer, caller.insider)
    told: dict[str, Any] = {
        "currentVersion": VERSION,
        "id": 0,
        "name": layer.title[language],
        "type": _kind(layer),
        "description": layer.description[language],
        "copyrightText": layer.source[language],
        "defaultVisibility": True,
        "displayField": layer.name_column if layer.name_column in columns else OID,
        "objectIdField": OID,
        "uniqueIdField": {"name": OID, "isSystemMaintained": True},
        "globalIdField": "",
        "typeIdField": None,
        "subtypeField": "",
        "fields": fields(columns, language),
        "indexes": [],
        "types": [],
        "templates": [],
        "relationships": [],
        "hasAttachments": False,
        "hasM": False,
        "hasZ": False,
        "htmlPopupType": "esriServerHTMLPopupTypeNone",
        "isDataVersioned": False,
        "maxRecordCount": MAX_RECORDS,
        "standardMaxRecordCount": MAX_RECORDS,
        "tileMaxRecordCount": MAX_RECORDS,
        "maxRecordCountFactor": 1,
        "supportedQueryFormats": FORMATS,
        "capabilities": "Query",
        "useStandardizedQueries": True,
        "supportsStatistics": False,
        "supportsAdvancedQueries": True,
        "supportsCoordinatesQuantization": True,
        "advancedQueryCapabilities": _advanced(),
    }
    if layer.geometry:
        told |= _drawn(layer, fact)
    return told


def extent(fact: Fact) -> dict[str, Any]:
    """Where a layer's features are, in longitude and latitude."""
    edges = dict(zip(("xmin", "ymin", "xmax", "ymax"), fact.extent.box or WORLD, strict=True))
    return {**edges, "spatialReference": reference(CRS84)}


def _kind(layer: Layer) -> str:
    return "Feature Layer" if layer.geometry else "Table"


def _drawn(layer: Layer, fact: Fact) -> dict[str, Any]:
    kind = GEOMETRY_TYPES[layer.geometry or ""]
    symbol = _SYMBOLS.get(kind, _SYMBOLS["esriGeometryPoint"])
    return {
        "geometryType": kind,
        "minScale": 0,
        "maxScale": 0,
        "extent": extent(fact),
        "sourceSpatialReference": reference(CRS84),
        "drawingInfo": {"renderer": {"type": "simple", "symbol": symbol}, "transparency": 0, "labelingInfo": None},
    }


def _advanced() -> dict[str, bool]:
    offered_here = ("supportsPagination", "supportsOrderBy", "supportsReturningQueryExtent", "useStandardizedQueries")
    refused = (
        "supportsStatistics", "supportsDistinct", "supportsQueryWithDistance", "supportsSqlExpression",
        "supportsHavingClause", "supportsCountDistinct", "supportsPaginationOnAggregatedQueries",
        "supportsQueryAttachments", "supportsPercentileStatistics", "supportsReturningGeometryCentroid",
        "supportsQueryWithResultType", "supportsFullTextSearch", "supportsOutFieldSQLExpression",
    )  # fmt: skip
    return dict.fromkeys(offered_here, True) | dict.fromkeys(refused, False)
