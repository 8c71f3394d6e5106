"""What filters may say, as the `Filter_Capabilities` of each version tell it."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from mapserver.cql2.functions import FUNCTIONS, Function
from mapserver.ows import filters
from mapserver.ows.wfs.versions import V100, V110, V200, Version
from mapserver.ows.xml import node, nodes

SPATIAL = ("BBOX", *filters.RELATIONS, *filters.DISTANCES)
_OPERANDS_11 = ("gml:Envelope", "gml:Point", "gml:LineString", "gml:Polygon")
"""Those that the schema of Filter 1.1 lets one name."""
_OPERANDS = (*_OPERANDS_11, "gml:Curve", "gml:Surface", "gml:MultiPoint", "gml:MultiCurve", "gml:MultiSurface")
_TEMPORAL = [each for each in filters.TEMPORAL if each != "AnyInteracts"]
"""Those that the schema of FES 2.0 lets one name; the other is understood all the same."""
_SHORT = {
    "PropertyIsEqualTo": "EqualTo", "PropertyIsNotEqualTo": "NotEqualTo", "PropertyIsLessThan": "LessThan",
    "PropertyIsGreaterThan": "GreaterThan", "PropertyIsLessThanOrEqualTo": "LessThanEqualTo",
    "PropertyIsGreaterThanOrEqualTo": "GreaterThanEqualTo", "PropertyIsLike": "Like", "PropertyIsBetween": "Between",
    "PropertyIsNull": "NullCheck",
}  # fmt: skip
"""Comparison operators by their names in Filter 1.1."""
_CONFORMANCE = (
    "ImplementsQuery", "ImplementsAdHocQuery", "ImplementsFunctions", "ImplementsResourceId",
    "ImplementsMinStandardFilter", "ImplementsStandardFilter", "ImplementsMinSpatialFilter", "ImplementsSpatialFilter",
    "ImplementsMinTemporalFilter", "ImplementsTemporalFilter", "ImplementsSorting",
)  # fmt: skip
_NOT_IMPLEMENTED = ("ImplementsVersionNav", "ImplementsExtendedOperators", "ImplementsMinimumXPath",
                    "ImplementsSchemaElementFunc")  # fmt: skip
_XSD = {"text": "xsd:string", "number": "xsd:double", "geometry": "gml:AbstractGeometryType"}
"""Types of arguments and values of functions."""


def filter_capabilities(version: Version) -> Element:
    """The `Filter_Capabilities` of a version."""
    return {V100: _of_100, V110: _of_110, V200: _of_200}[version]()


def _of_100() -> Element:
    spatial = [node(f"ogc:{'Intersect' if each == 'Intersects' else each}") for each in SPATIAL]
    comparisons = [node(f"ogc:{each}") for each in ("Simple_Comparisons", "Like", "Between", "NullCheck")]
    functions = [node("ogc:Function_Name", f.name, nArgs=str(len(f.takes))) for f in FUNCTIONS.values()]
    return node(
        "ogc:Filter_Capabilities",
        node("ogc:Spatial_Capabilities", node("ogc:Spatial_Operators", *spatial)),
        node(
            "ogc:Scalar_Capabilities",
            node("ogc:Logical_Operators"),
            node("ogc:Comparison_Operators", *comparisons),
            node(
                "ogc:Arithmetic_Operators",
                node("ogc:Simple_Arithmetic"),
                node("ogc:Functions", node("ogc:Function_Names", *functions)),
            ),
        ),
    )


def _of_110() -> Element:
    functions = [node("ogc:FunctionName", f.name, nArgs=str(len(f.takes))) for f in FUNCTIONS.values()]
    return node(
        "ogc:Filter_Capabilities",
        node(
            "ogc:Spatial_Capabilities",
            node("ogc:GeometryOperands", *nodes("ogc:GeometryOperand", _OPERANDS_11)),
            node("ogc:SpatialOperators", *(node("ogc:SpatialOperator", name=each) for each in SPATIAL)),
        ),
        node(
            "ogc:Scalar_Capabilities",
            node("ogc:LogicalOperators"),
            node("ogc:ComparisonOperators", *nodes("ogc:ComparisonOperator", _SHORT.values())),
            node(
                "ogc:ArithmeticOperators",
                node("ogc:SimpleArithmetic"),
                node("ogc:Functions", node("ogc:FunctionNames", *functions)),
            ),
        ),
        node("ogc:Id_Capabilities", node("ogc:EID"), node("ogc:FID")),
    )


def _of_200() -> Element:
    comparisons = (*_SHORT, "PropertyIsNil")
    return node(
        "fes:Filter_Capabilities",
        node(
            "fes:Conformance",
            *(_constraint(name, "TRUE") for name in _CONFORMANCE),
            *(_constraint(name, "FALSE") for name in _NOT_IMPLEMENTED),
        ),
        node("fes:Id_Capabilities", node("fes:ResourceIdentifier", name="fes:ResourceId")),
        node(
            "fes:Scalar_Capabilities",
            node("fes:LogicalOperators"),
            node("fes:ComparisonOperators", *(node("fes:ComparisonOperator", name=each) for each in comparisons)),
        ),
        node(
            "fes:Spatial_Capabilities",
            node("fes:GeometryOperands", *(node("fes:GeometryOperand", name=each) for each in _OPERANDS)),
            node("fes:SpatialOperators", *(node("fes:SpatialOperator", name=each) for each in SPATIAL)),
        ),
        node(
            "fes:Temporal_Capabilities",
            node(
                "fes:TemporalOperands",
                *(node("fes:TemporalOperand", name=each) for each in ("gml:TimeInstant", "gml:TimePeriod")),
            ),
            node("fes:TemporalOperators", *(node("fes:TemporalOperator", name=each) for each in _TEMPORAL)),
        ),
        node("fes:Functions", *map(_function, FUNCTIONS.values())),
    )


def _constraint(name: str, value: str) -> Element:
    return node("fes:Constraint", node("ows:NoValues"), node("ows:DefaultValue", value), name=name)


def _function(function: Function) -> Element:
    arguments = [
        node("fes:Argument", node("fes:Type", _XSD[kind]), name=f"argument{place}")
        for place, kind in enumerate(function.takes, 1)
    ]
    returns = node("fes:Returns", _XSD[function.gives])
    return node("fes:Function", returns, node("fes:Arguments", *arguments), name=function.name)
