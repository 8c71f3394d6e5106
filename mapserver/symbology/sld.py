"""Symbology as Styled Layer Descriptor: 1.0.0 (OGC 02-070) and 1.1.0 with Symbology Encoding 1.1 (OGC 05-077r4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from xml.etree import ElementTree as ET

from mapserver.symbology.conditions import Among, Compared, Condition, Every, Given, Some
from mapserver.symbology.rules import Pass, Rule, Symbology, always, label, placed

Version = Literal["1.0.0", "1.1.0"]
SLD, OGC, SE = ("http://www.opengis.net/sld", "http://www.opengis.net/ogc", "http://www.opengis.net/se")
for _prefix, _namespace in (("sld", SLD), ("ogc", OGC), ("se", SE)):
    ET.register_namespace(_prefix, _namespace)
FAMILY = "Be Vietnam Pro"
_OPERATORS = {
    "==": "EqualTo",
    "<": "LessThan",
    "<=": "LessThanOrEqualTo",
    ">": "GreaterThan",
    ">=": "GreaterThanOrEqualTo",
}
_CAPS = {"butt": "butt", "round": "round", "square": "square"}
_JOINS = {"miter": "mitre", "round": "round", "bevel": "bevel"}
Json = Any


def sld(all_of: Sequence[Symbology], version: Version) -> bytes:
    """The descriptor of some layers. What could not be said stands in a comment."""
    writer = _Writer(version)
    root = ET.Element(f"{{{SLD}}}StyledLayerDescriptor", {"version": version})
    for one in all_of:
        for unsaid in one.unsaid:
            root.append(ET.Comment(f" not expressed: {unsaid.replace('--', '- -')} "))
        root.append(writer.layer(one))
    ET.indent(root)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


class _Writer:
    """Writes elements in the namespace that each version has them in."""

    def __init__(self, version: Version) -> None:
        self._new = version == "1.1.0"
        self._ns = SE if self._new else SLD

    def layer(self, one: Symbology) -> ET.Element:
        layer = ET.Element(f"{{{SLD}}}NamedLayer")
        self._text(layer, "Name", one.layer.name)
        style = ET.SubElement(layer, f"{{{SLD}}}UserStyle")
        self._text(style, "Name", "default")
        if self._new:
            description = self._sub(style, "Description")
            self._text(description, "Title", one.layer.title[one.language])
        else:
            self._text(style, "Title", one.layer.title[one.language])
        ET.SubElement(style, f"{{{SLD}}}IsDefault").text = "1"
        for each in one.passes:
            self._pass(style, each)
        return layer

    def _pass(self, style: ET.Element, one: Pass) -> None:
        if one.kind == "raster":
            body = self._sub(style, "CoverageStyle" if self._new else "FeatureTypeStyle")
        else:
            body = self._sub(style, "FeatureTypeStyle")
        self._text(body, "Name", one.name)
        for place, rule in enumerate(one.rules):
            self._rule(body, one, rule, place)

    def _rule(self, body: ET.Element, one: Pass, rule: Rule, place: int) -> None:
        element = self._sub(body, "Rule")
        self._text(element, "Name", f"{one.name}-{place}")
        if rule.title and self._new:
            self._text(self._sub(element, "Description"), "Title", rule.title)
        elif rule.title:
            self._text(element, "Title", rule.title)
        if not always(rule):
            element.append(_filter(rule.met))
        for name, value in (("MinScaleDenominator", rule.low), ("MaxScaleDenominator", rule.high)):
            if value is not None:
                self._text(element, name, f"{value:.0f}")  # QGIS passes over a scale with decimals
        getattr(self, f"_{one.kind}")(element, rule.look)

    def _fill(self, rule: ET.Element, look: Mapping[str, Json]) -> None:
        symbolizer = self._sub(rule, "PolygonSymbolizer")
        opacity = look["fill-opacity"]
        self._parameters(symbolizer, "Fill", {"fill": look["fill-color"], "fill-opacity": opacity})
        if look["fill-outline-color"]:
            outline = {"stroke": look["fill-outline-color"], "stroke-width": 1, "stroke-opacity": opacity}
            self._parameters(symbolizer, "Stroke", outline)

    def _line(self, rule: ET.Element, look: Mapping[str, Json]) -> None:
        width = look["line-width"]
        dashes = look["line-dasharray"]
        stroke = {"stroke": look["line-color"], "stroke-width": width, "stroke-opacity": look["line-opacity"],
                  "stroke-linecap": _CAPS[look["line-cap"]], "stroke-linejoin": _JOINS[look["line-join"]]}  # fmt: skip
        if dashes and len(dashes) > 1:
            stroke["stroke-dasharray"] = " ".join(f"{part * width:g}" for part in dashes)
        self._parameters(self._sub(rule, "LineSymbolizer"), "Stroke", stroke)

    def _circle(self, rule: ET.Element, look: Mapping[str, Json]) -> None:
        graphic = self._sub(self._sub(rule, "PointSymbolizer"), "Graphic")
        mark = self._sub(graphic, "Mark")
        self._text(mark, "WellKnownName", "circle")
        self._parameters(mark, "Fill", {"fill": look["circle-color"], "fill-opacity": look["circle-opacity"]})
        if look["circle-stroke-width"]:
            stroke = {"stroke": look["circle-stroke-color"], "stroke-width": look["circle-stroke-width"]}
            self._parameters(mark, "Stroke", stroke)
        self._text(graphic, "Size", f"{2 * look['circle-radius']:g}")

    def _label(self, rule: ET.Element, look: Mapping[str, Json]) -> None:
        symbolizer = self._sub(rule, "TextSymbolizer")
        name, fixed = label(look)
        text = self._sub(symbolizer, "Label")
        if name:
            ET.SubElement(text, f"{{{OGC}}}PropertyName").text = name
        else:
            text.text = fixed
        weight = "bold" if "SemiBold" in str(look["text-font"]) else "normal"
        slope = "italic" if "Italic" in str(look["text-font"]) else "normal"
        self._parameters(symbolizer, "Font", {"font-family": FAMILY, "font-size": look["text-size"],
                                              "font-style": slope, "font-weight": weight})  # fmt: skip
        placement = self._sub(symbolizer, "LabelPlacement")
        if look["symbol-placement"] == "line":
            self._sub(placement, "LinePlacement")
        else:
            self._point(self._sub(placement, "PointPlacement"), look)
        if look["text-halo-color"] and look["text-halo-width"]:
            halo = self._sub(symbolizer, "Halo")
            self._text(halo, "Radius", f"{look['text-halo-width']:g}")
            self._parameters(halo, "Fill", {"fill": look["text-halo-color"]})
        self._parameters(symbolizer, "Fill", {"fill": look["text-color"]})

    def _point(self, placement: ET.Element, look: Mapping[str, Json]) -> None:
        anchor = self._sub(placement, "AnchorPoint")
        side, across, down = placed(look)
        self._text(anchor, "AnchorPointX", {"left": "0", "right": "1"}.get(side, "0.5"))
        self._text(anchor, "AnchorPointY", {"bottom": "0", "top": "1"}.get(side, "0.5"))
        moved = self._sub(placement, "Displacement")
        self._text(moved, "DisplacementX", f"{across:g}")
        self._text(moved, "DisplacementY", f"{-down:g}")

    def _raster(self, rule: ET.Element, look: Mapping[str, Json]) -> None:
        self._text(self._sub(rule, "RasterSymbolizer"), "Opacity", f"{look['raster-opacity']:g}")

    def _parameters(self, parent: ET.Element, name: str, values: Mapping[str, Json]) -> None:
        element = self._sub(parent, name)
        for key, value in values.items():
            parameter = self._sub(element, "SvgParameter" if self._new else "CssParameter")
            parameter.set("name", key)
            parameter.text = value if isinstance(value, str) else f"{value:g}"

    def _sub(self, parent: ET.Element, name: str) -> ET.Element:
        return ET.SubElement(parent, f"{{{self._ns}}}{name}")

    def _text(self, parent: ET.Element, name: str, text: str) -> None:
        self._sub(parent, name).text = text


def _filter(met: Condition) -> ET.Element:
    element = ET.Element(f"{{{OGC}}}Filter")
    element.append(_condition(met))
    return element


def _condition(met: Condition) -> ET.Element:
    match met:
        case Among(column, values, yes):
            equal = _joined("Or", [_compared("EqualTo", column, value) for value in sorted(values, key=str)])
            return equal if yes else _joined("Or", [_null(column), _not(equal)])
        case Compared(column, operator, value, or_null):
            compared = _compared(_OPERATORS[operator], column, value)
            return _joined("Or", [compared, _null(column)]) if or_null else compared
        case Given(column, yes):
            return _not(_null(column)) if yes else _null(column)
        case Every(parts):
            return _joined("And", [_condition(part) for part in parts])
        case Some(parts):
            return _joined("Or", [_condition(part) for part in parts])


def _joined(name: str, parts: Sequence[ET.Element]) -> ET.Element:
    if len(parts) == 1:
        return parts[0]
    element = ET.Element(f"{{{OGC}}}{name}")
    element.extend(parts)
    return element


def _not(inner: ET.Element) -> ET.Element:
    return _wrapped("Not", inner)


def _null(column: str) -> ET.Element:
    return _wrapped("PropertyIsNull", _property(column))


def _wrapped(name: str, inner: ET.Element) -> ET.Element:
    element = ET.Element(f"{{{OGC}}}{name}")
    element.append(inner)
    return element


def _property(column: str) -> ET.Element:
    element = ET.Element(f"{{{OGC}}}PropertyName")
    element.text = column
    return element


def _compared(name: str, column: str, value: object) -> ET.Element:
    element = _wrapped(f"PropertyIs{name}", _property(column))
    literal = ET.SubElement(element, f"{{{OGC}}}Literal")
    literal.text = str(value).lower() if isinstance(value, bool) else str(value)
    return element
