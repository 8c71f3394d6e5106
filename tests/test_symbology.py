"""SLD and QML say what MapLibre draws: compared with the reference implementation of the style specification."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import xsd
from conftest import citymap
from test_pictures import pixels

from mapserver import styles
from mapserver.catalogue import catalogue
from mapserver.layer import Layer
from mapserver.settings import ROOT
from mapserver.styles import drawn
from mapserver.symbology.conditions import Among, Compared, Condition, Every, Given, Some, every, negated, some
from mapserver.symbology.expressions import Unsaid, cases, condition
from mapserver.symbology.qml import expression, qml
from mapserver.symbology.rules import Symbology, scale, symbology
from mapserver.symbology.sld import OGC, SE, SLD, sld

LAYERS = [layer for layer in catalogue(ROOT / "layers") if drawn(layer)]
VECTORS = [layer for layer in LAYERS if layer.origin != "raster"]
ZOOMS = (8.5, 10.2, 11.7, 12.4, 13.2, 14.1, 15.3, 16.4, 18.0)
OPACITIES = {"fill": "fill-opacity", "line": "line-opacity", "circle": "circle-opacity"}
COLOURS = {"fill": "fill-color", "line": "line-color", "circle": "circle-color"}


def met(asked: Condition, feature: dict[str, Any]) -> bool:
    """Whether a condition holds; written apart from the house, for its tests."""
    match asked:
        case Among(column, values, yes):
            return (feature.get(column) in values and feature.get(column) is not None) == yes
        case Compared(column, operator, value, or_null):
            have = feature.get(column)
            if have is None:
                return or_null
            return {"<": have < value, "<=": have <= value, ">": have > value, ">=": have >= value}[operator]
        case Given(column, yes):
            return (feature.get(column) is not None) == yes
        case Every(parts):
            return all(met(part, feature) for part in parts)
        case Some(parts):
            return any(met(part, feature) for part in parts)


def samples(layer: Layer) -> list[dict[str, Any]]:
    """Features with every value that the layer's style asks for, and with none."""
    asked = {name: set[Any]() for name in (column.name for column in layer.columns)}

    def look(value: Any) -> None:
        match value:
            case ["match", inner, *branches]:
                for labels in branches[:-1:2]:
                    asked[column(inner)] |= set(labels if isinstance(labels, list) else [labels])
            case ["in", inner, ["literal", members]]:
                asked[column(inner)] |= set(members)
            case ["step", inner, _, *stops] if inner != ["zoom"]:
                asked[column(inner)] |= {stop + by for stop in stops[::2] for by in (-1, 0, 1)}
            case ["==" | "<" | ">" | ">=" | "<=", inner, str() | int() | float() as other] if inner != ["zoom"]:
                asked[column(inner)].add(other)
        for part in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
            look(part)

    def column(inner: Any) -> str:
        return inner[1] if inner[0] == "get" else column(inner[1])

    look(styles.layer_style(layer, "", "vi")["layers"])
    wanted = {name: sorted(values, key=str) for name, values in asked.items() if values}
    out: list[dict[str, Any]] = [{}]
    for place in range(max(map(len, wanted.values()), default=0) + 1):
        for shift in (0, 1, 2):
            chosen = {name: [*values, None][(place + shift * at) % (len(values) + 1)]
                      for at, (name, values) in enumerate(wanted.items())}  # fmt: skip
            out.append({name: value for name, value in chosen.items() if value is not None})
    needed = {column.name for column in layer.columns if column.required} & wanted.keys()
    return [feature for feature in out if needed <= feature.keys()]


def parts_of(layer: Layer) -> list[dict[str, Any]]:
    """The parts of a layer's style that have a colour."""
    return [part for part in styles.layer_style(layer, "", "vi")["layers"] if part["type"] in COLOURS]


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """[layer][part][zoom][feature] of what the style specification's own implementation draws."""
    asked = {layer.name: {"parts": parts_of(layer), "features": samples(layer)} for layer in VECTORS}
    given = {"layers": asked, "zooms": ZOOMS, "wanted": [*COLOURS.values(), *OPACITIES.values()]}
    oracle = ["node", str(Path(__file__).with_name("style_oracle.mjs"))]
    done = subprocess.run(oracle, input=json.dumps(given), text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def colours(said: Symbology, name: str, zoom: float, feature: dict[str, Any]) -> list[str]:
    """The colours of the rules that a feature meets in one pass, at a zoom."""
    (one,) = [each for each in said.passes if each.name == name]
    at = scale(zoom)
    seen = [r for r in one.rules if (r.low or 0) <= at < (r.high or 1e12) and met(r.met, feature)]
    return [rule.look[COLOURS[one.kind]] for rule in seen]


@pytest.mark.parametrize("layer", VECTORS, ids=lambda layer: layer.name)
def test_rules_colour_what_the_reference_implementation_colours(layer, reference):
    features, said = samples(layer), symbology(layer, "vi")
    for part, by_zoom in zip(parts_of(layer), reference[layer.name], strict=True):
        for zoom, row in zip(ZOOMS, by_zoom, strict=True):
            for feature, expected in zip(features, row, strict=True):
                have = colours(said, part["id"], zoom, feature)
                seen = expected and float(expected.get(OPACITIES[part["type"]], 1)) > 0
                wanted = seen and rgb(expected[COLOURS[part["type"]]])
                assert len(have) <= 1, "conditions exclude each other"
                if have:
                    assert rgb(have[0]) == wanted, (part["id"], zoom, feature)
                elif wanted:
                    assert thin(part, zoom), (part["id"], zoom, feature, "is drawn by MapLibre and by no rule")


def thin(part: dict[str, Any], zoom: float) -> bool:
    """Whether a part may be of no width at a zoom, for some of its features: then no rule is written."""
    return "0" in json.dumps(part["paint"].get(f"{part['type']}-width", "")) and zoom < 16


def rgb(text: str) -> tuple[int, ...]:
    if text.startswith("#"):
        return tuple(int(text[at : at + 2], 16) for at in (1, 3, 5))
    return tuple(round(float(part)) for part in text[text.index("(") + 1 : -1].split(",")[:3])


def test_classes_are_titled_as_in_the_legend_in_both_languages():
    for layer in VECTORS:
        for language in ("vi", "en"):
            rows = {row["title"] for row in styles.swatches(layer, language)}
            said = {rule.title for one in symbology(layer, language).passes for rule in one.rules}
            assert said - {""} <= rows


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_descriptors_are_well_formed_and_tell_what_they_leave_out(layer):
    said = symbology(layer, "vi")
    for version, namespace in (("1.0.0", SLD), ("1.1.0", SE)):
        root = ET.fromstring(sld([said], version))
        assert root.get("version") == version
        rules = root.findall(f".//{{{namespace}}}Rule")
        assert len(rules) == sum(len(one.rules) for one in said.passes) > 0
        assert len(root.findall(f".//{{{OGC}}}Filter")) <= len(rules)
    root = ET.fromstring(qml(said))
    assert root.tag == "qgis"
    for unsaid in said.unsaid:
        assert unsaid.replace("--", "- -") in sld([said], "1.0.0").decode()


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_descriptors_follow_the_schemas_of_the_ogc(version):
    place = ("http://www.opengis.net/sld", f"sld/{version}/StyledLayerDescriptor.xsd")
    assert xsd.faults(sld([symbology(layer, "vi") for layer in LAYERS], version), place) == []


def test_what_no_rule_can_say_is_refused_by_name():
    with pytest.raises(Unsaid, match="concat"):
        cases(["concat", ["get", "a"], "b"], 10)
    with pytest.raises(Unsaid, match="within"):
        condition(["within", {}], 10)


def test_conditions_stay_short_and_exclude():
    one, two = Among("class", frozenset({"a", "b"})), Among("class", frozenset({"b", "c"}))
    assert every((one, two)) == Among("class", frozenset({"b"}))
    assert every((one, negated(one))) == some(())
    assert some((one, two)) == Among("class", frozenset({"a", "b", "c"}))
    assert expression(negated(one)) == "(\"class\" IS NULL OR \"class\" NOT IN ('a', 'b'))"


def test_the_command_writes_and_says_what_is_not_expressed(tmp_path):
    done = citymap("styles", "export", str(tmp_path), "schools")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"schools.sld", "schools.se.sld", "schools.qml"}
    assert "not expressed: schools: circle-radius changes in steps" in done.stdout
    assert "Mầm non" in (tmp_path / "schools.qml").read_text(encoding="utf-8")
    assert citymap("styles", "export", str(tmp_path), "nothing").returncode == 1


@pytest.mark.postgis
def test_the_doors_give_what_the_command_writes(server):
    forms = {"sld10": "StyledLayerDescriptor", "sld11": "Rule", "qml": "RuleRenderer"}
    for form, word in forms.items():
        answer = httpx.get(f"{server}/styles/wards?f={form}", timeout=60)
        assert answer.status_code == 200
        assert word in answer.text
    assert httpx.get(f"{server}/styles/citymap?f=qml", timeout=60).status_code == 404
    styled = httpx.get(f"{server}/wms?SERVICE=WMS&VERSION=1.1.1&REQUEST=GetStyles&LAYERS=wards,roads", timeout=60)
    assert len(ET.fromstring(styled.content).findall(f"{{{SLD}}}NamedLayer")) == 2


def test_qgis_draws_with_our_qml_and_sld(tmp_path):
    """A school and a kindergarten, drawn by QGIS with each of the files."""
    kinds = {"school": (106.70, 10.770), "kindergarten": (106.704, 10.773), None: (106.702, 10.774)}
    features = [
        {"type": "Feature", "id": place, "geometry": {"type": "Point", "coordinates": at},
         "properties": {"kind": kind, "name": "Trường Nguyễn Thị Minh Khai"}}
        for place, (kind, at) in enumerate(kinds.items())
    ]  # fmt: skip
    collection = {"type": "FeatureCollection", "features": features}
    (tmp_path / "schools.json").write_text(json.dumps(collection), encoding="utf-8")
    citymap("styles", "export", str(tmp_path), "schools")
    script = str(Path(__file__).with_name("qgis_styles.py"))
    command = ["/usr/bin/python3", script, str(tmp_path), "schools", "schools.qml", "schools.sld", "schools.se.sld"]
    env = {"QT_QPA_PLATFORM": "offscreen", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    for name in ("schools.qml", "schools.sld", "schools.se.sld"):
        picture = pixels((tmp_path / f"{name}.png").read_bytes())[:3].reshape(3, -1).T
        found = {tuple(colour) for colour in picture.tolist()}
        assert (0xB4, 0x69, 0x0E) in found, name
        assert (0xDF, 0xA3, 0x5B) in found, name
