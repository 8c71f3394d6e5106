"""Symbology as a QGIS style (QML): rules with scale ranges, drawn pass over pass, and rule-based labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from mapserver.symbology.conditions import Among, Compared, Condition, Every, Given, Some
from mapserver.symbology.rules import Pass, Rule, Symbology, always, label, placed

QGIS_VERSION = "3.22.0"
"""The format as this version wrote it, which every later one reads."""
FAMILY = "Be Vietnam Pro"
KINDS = {"fill": "fill", "line": "line", "circle": "marker"}
_QUADRANTS = {"left": "5", "right": "3", "top": "7", "bottom": "1"}
"""QGIS's quadrant of a label by the side of it that is at the point; over it is 4."""
_CAPS = {"butt": "flat", "round": "round", "square": "square"}
_HEX = re.compile(r"^#([0-9a-fA-F]{6})$")
Json = Any


def qml(one: Symbology) -> bytes:
    """The style of one layer. What could not be said stands in a comment."""
    root = ET.Element("qgis", {"version": QGIS_VERSION, "styleCategories": "Symbology|Labeling", "labelsEnabled": "1"})
    for unsaid in one.unsaid:
        root.append(ET.Comment(f" not expressed: {unsaid.replace('--', '- -')} "))
    if one.layer.origin == "raster":
        root.append(_raster(one))
    else:
        root.append(_renderer([each for each in one.passes if each.kind in KINDS]))
        root.append(_labelling([each for each in one.passes if each.kind == "label"]))
    ET.indent(root)
    head = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    body: bytes = ET.tostring(root, encoding="utf-8")
    return head + body


def expression(met: Condition) -> str:
    """A condition as a QGIS expression."""
    match met:
        case Among(column, values, yes):
            listed = ", ".join(_literal(value) for value in sorted(values, key=str))
            named = _name(column)
            return f"{named} IN ({listed})" if yes else f"({named} IS NULL OR {named} NOT IN ({listed}))"
        case Compared(column, operator, value, or_null):
            compared = f"{_name(column)} {'=' if operator == '==' else operator} {_literal(value)}"
            return f"({compared} OR {_name(column)} IS NULL)" if or_null else compared
        case Given(column, yes):
            return f"{_name(column)} IS {'NOT NULL' if yes else 'NULL'}"
        case Every(parts):
            return " AND ".join(f"({expression(part)})" for part in parts) or "TRUE"
        case Some(parts):
            return " OR ".join(f"({expression(part)})" for part in parts) or "FALSE"


def _renderer(passes: Sequence[Pass]) -> ET.Element:
    renderer = ET.Element("renderer-v2", {"type": "RuleRenderer", "symbollevels": "1", "enableorderby": "0"})
    rules = ET.SubElement(renderer, "rules", {"key": "root"})
    symbols = ET.SubElement(renderer, "symbols")
    for place, (level, one, rule) in enumerate(_all(passes)):
        ET.SubElement(rules, "rule", {"key": f"{one.name}-{place}", "symbol": str(place), **_range(rule)})
        kind = KINDS[one.kind]
        symbol = ET.SubElement(symbols, "symbol", {"type": kind, "name": str(place), "alpha": f"{_opacity(rule):g}"})
        about = {"class": _CLASSES[one.kind], "pass": str(level), "enabled": "1", "locked": "0"}
        layer = ET.SubElement(symbol, "layer", about)
        options = ET.SubElement(layer, "Option", {"type": "Map"})
        for name, value in _OPTIONS[one.kind](rule.look).items():
            ET.SubElement(options, "Option", {"type": "QString", "name": name, "value": value})
    return renderer


def _all(passes: Sequence[Pass]) -> Iterator[tuple[int, Pass, Rule]]:
    for level, one in enumerate(passes):
        for rule in one.rules:
            yield level, one, rule


def _range(rule: Rule) -> dict[str, str]:
    """The attributes of a rule: filter, scales, label."""
    out = {} if always(rule) else {"filter": expression(rule.met)}
    if rule.title:
        out["label"] = rule.title
    if rule.low is not None:
        out["scalemindenom"] = f"{rule.low:.0f}"
    if rule.high is not None:
        out["scalemaxdenom"] = f"{rule.high:.0f}"
    return out


def _opacity(rule: Rule) -> float:
    return float(next((value for name, value in rule.look.items() if name.endswith("-opacity")), 1))


def _fill(look: Mapping[str, Json]) -> dict[str, str]:
    outline = look["fill-outline-color"]
    return {
        "color": _colour(look["fill-color"]),
        "style": "solid",
        "outline_color": _colour(outline or look["fill-color"]),
        "outline_style": "solid" if outline else "no",
        "outline_width": "1",
        "outline_width_unit": "Pixel",
    }


def _line(look: Mapping[str, Json]) -> dict[str, str]:
    width, dashes = look["line-width"], look["line-dasharray"]
    dashed = bool(dashes) and len(dashes) > 1
    return {
        "line_color": _colour(look["line-color"]),
        "line_width": f"{width:g}",
        "line_width_unit": "Pixel",
        "line_style": "solid",
        "capstyle": _CAPS[look["line-cap"]],
        "joinstyle": look["line-join"],
        "use_custom_dash": "1" if dashed else "0",
        "customdash": ";".join(f"{part * width:g}" for part in dashes) if dashed else "5;2",
        "customdash_unit": "Pixel",
    }


def _circle(look: Mapping[str, Json]) -> dict[str, str]:
    stroke = look["circle-stroke-width"]
    return {
        "name": "circle",
        "color": _colour(look["circle-color"]),
        "size": f"{2 * look['circle-radius'] + stroke:g}",
        "size_unit": "Pixel",
        "outline_color": _colour(look["circle-stroke-color"]),
        "outline_style": "solid" if stroke else "no",
        "outline_width": f"{stroke:g}",
        "outline_width_unit": "Pixel",
    }


_CLASSES = {"fill": "SimpleFill", "line": "SimpleLine", "circle": "SimpleMarker"}
_OPTIONS = {"fill": _fill, "line": _line, "circle": _circle}


def _labelling(passes: Sequence[Pass]) -> ET.Element:
    labelling = ET.Element("labeling", {"type": "rule-based"})
    rules = ET.SubElement(labelling, "rules", {"key": "root"})
    for place, (_, one, rule) in enumerate(_all(passes)):
        element = ET.SubElement(rules, "rule", {"key": f"{one.name}-{place}", **_range(rule)})
        settings = ET.SubElement(element, "settings", {"calloutType": "simple"})
        settings.append(_text(rule.look))
        line = rule.look["symbol-placement"] == "line"
        side, across, down = placed(rule.look)
        about = {"placement": "3" if line else "1", "placementFlags": "9", "offsetUnits": "Pixel"}
        moved = {"quadOffset": _QUADRANTS.get(side, "4"), "xOffset": f"{across:g}", "yOffset": f"{down:g}"}
        ET.SubElement(settings, "placement", {**about, **moved})
    return labelling


def _text(look: Mapping[str, Json]) -> ET.Element:
    name, fixed = label(look)
    font = str(look["text-font"])
    style = ET.Element("text-style", {
        "fieldName": name or _literal(fixed), "isExpression": "0" if name else "1", "fontFamily": FAMILY,
        "fontSize": f"{look['text-size']:g}", "fontSizeUnit": "Pixel", "textColor": _colour(look["text-color"]),
        "fontWeight": "75" if "SemiBold" in font else "50", "fontItalic": "1" if "Italic" in font else "0",
    })  # fmt: skip
    halo = bool(look["text-halo-color"] and look["text-halo-width"])
    ET.SubElement(style, "text-buffer", {
        "bufferDraw": "1" if halo else "0", "bufferSize": f"{look['text-halo-width']:g}", "bufferSizeUnits": "Pixel",
        "bufferColor": _colour(look["text-halo-color"] or "#ffffff"),
    })  # fmt: skip
    return style


def _raster(one: Symbology) -> ET.Element:
    opacity = next((rule.look["raster-opacity"] for each in one.passes for rule in each.rules), 1)
    pipe = ET.Element("pipe")
    ET.SubElement(pipe, "rasterrenderer", {"type": "singlebandgray", "grayBand": "1", "opacity": f"{opacity:g}"})
    return pipe


def _colour(text: str) -> str:
    """`#rrggbb` as QGIS writes it; other CSS colours as they stand."""
    found = _HEX.match(text)
    return ",".join(str(int(found[1][at : at + 2], 16)) for at in (0, 2, 4)) + ",255" if found else text


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return f"{value:g}" if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
