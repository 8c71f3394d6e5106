"""DescribeFeatureType: the feature types as XML Schema, for the GML of each version. A pure function of layers."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from mapserver.gml import GEOMETRY, NAMESPACE, PREFIX
from mapserver.layer import Column, Layer
from mapserver.ows.wfs.versions import V100, V200, Version
from mapserver.ows.xml import document, node
from mapserver.query import Caller, visible_columns

TYPES = {
    "text": "xsd:string", "code": "xsd:string", "uri": "xsd:string", "integer": "xsd:long", "number": "xsd:double",
    "boolean": "xsd:boolean", "date": "xsd:date", "datetime": "xsd:dateTime", "text[]": "xsd:string",
}  # fmt: skip
"""Column types in XML Schema."""
_PROPERTIES = {
    "LineString": "Curve", "Polygon": "Surface", "MultiLineString": "MultiCurve", "MultiPolygon": "MultiSurface",
}  # fmt: skip
"""Geometry types whose property type GML 3 names otherwise."""


def schema(layers: Sequence[Layer], caller: Caller, version: Version) -> bytes:
    """The schema of feature types, without what the caller may not see."""
    root = node(
        "xsd:schema",
        node("xsd:import", namespace=version.gml_namespace, schemaLocation=version.gml_schema),
        targetNamespace=NAMESPACE,
        elementFormDefault="qualified",
        version="1.0",
        xmlns__xsd="http://www.w3.org/2001/XMLSchema",
        xmlns__gml=version.gml_namespace,
        **{f"xmlns__{PREFIX}": NAMESPACE},
    )
    for layer in layers:
        root.append(_type(layer, caller, version))
        group = "gml:AbstractFeature" if version is V200 else "gml:_Feature"
        root.append(node("xsd:element", name=layer.name, type_=f"{PREFIX}:{layer.name}Type", substitutionGroup=group))
    return document(root)


def _type(layer: Layer, caller: Caller, version: Version) -> Element:
    elements = [_element(column) for column in visible_columns(layer, caller)]
    if layer.geometry:
        # `minOccurs` 0: a client may ask for other properties only
        elements.append(node("xsd:element", name=GEOMETRY, type_=_property(layer.geometry, version), minOccurs="0"))
    extension = node("xsd:extension", node("xsd:sequence", *elements), base="gml:AbstractFeatureType")
    return node("xsd:complexType", node("xsd:complexContent", extension), name=f"{layer.name}Type")


def _element(column: Column) -> Element:
    element = node("xsd:element", name=column.name, type_=TYPES[column.type], minOccurs="0")
    if column.type == "text[]":
        element.set("maxOccurs", "unbounded")
    return element


def _property(geometry: str, version: Version) -> str:
    """The property type that holds a geometry type."""
    if geometry == "Geometry":
        return "gml:GeometryPropertyType" if version is not V100 else "gml:GeometryAssociationType"
    if version is V100:
        return f"gml:{geometry}PropertyType"
    return f"gml:{_PROPERTIES.get(geometry, geometry)}PropertyType"
