"""The assembled style: every layer is drawn, by MapLibre's own rules, in both languages and lights."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapserver import styles
from mapserver.catalogue import Catalogue
from mapserver.errors import BadCatalogue
from mapserver.layer import LANGUAGES, Layer
from mapserver.settings import ROOT
from mapserver.viewer.glyphs import STACKS

BASE = "http://127.0.0.1:8000"
VALIDATOR = ROOT / "viewer" / "node_modules" / ".bin" / "gl-style-validate"
CHOICES = [(language, theme) for language in LANGUAGES for theme in styles.THEMES]


def strings(value: object) -> Iterator[str]:
    """Every text anywhere in a JSON value."""
    match value:
        case str():
            yield value
        case dict():
            yield from (text for member in value.values() for text in strings(member))
        case list():
            yield from (text for member in value for text in strings(member))


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def fragment(folder: Path, layer: Layer, body: object) -> Layer:
    """The layer, moved to a folder where its style is this JSON."""
    (folder / "layers").mkdir(exist_ok=True)
    (folder / "styles").mkdir(exist_ok=True)
    text = body if isinstance(body, str) else json.dumps(body)
    (folder / "styles" / f"{layer.name}.json").write_text(text, encoding="utf-8")
    return replace(layer, folder=folder / "layers")


def test_no_fragment_of_the_city_has_a_fault(layers: Catalogue) -> None:
    assert [str(fault) for fault in styles.faults(layers)] == []


@pytest.mark.parametrize(("language", "theme"), CHOICES)
def test_maplibre_takes_the_style(layers: Catalogue, tmp_path: Path, language: Any, theme: Any) -> None:
    if not VALIDATOR.exists():
        pytest.skip("the viewer's packages are absent; run `sh viewer/build.sh`")
    path = tmp_path / "style.json"
    path.write_text(json.dumps(styles.assembled(layers, BASE, language, theme)), encoding="utf-8")
    told = subprocess.run(["node", VALIDATOR, path], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


def test_every_layer_with_a_picture_is_in_it(layers: Catalogue) -> None:
    style = styles.assembled(layers, BASE, "vi")
    drawn = {layer.name for layer in layers if styles.drawn(layer)}
    assert set(style["sources"]) == drawn
    assert {part["source"] for part in style["layers"] if "source" in part} == drawn
    assert set(style["metadata"]["citymap:layers"]) == drawn


def test_no_colour_and_no_choice_is_left_open(layers: Catalogue) -> None:
    for language, theme in CHOICES:
        style = styles.assembled(layers, BASE, language, theme)
        assert not [text for text in strings(style) if text.startswith("@")]
        assert '{"vi"' not in json.dumps(style)


def test_labels_use_the_fonts_that_are_built(layers: Catalogue) -> None:
    style = styles.assembled(layers, BASE, "vi")
    fonts = {font for part in style["layers"] for font in part.get("layout", {}).get("text-font", ())}
    assert fonts <= set(STACKS)


def test_labels_can_be_read_on_their_halo(layers: Catalogue) -> None:
    for theme in styles.THEMES:
        for part in styles.assembled(layers, BASE, "vi", theme)["layers"]:
            paint = part.get("paint", {})
            if "text-halo-color" in paint:
                ratio = contrast(paint["text-color"], paint["text-halo-color"])
                assert ratio >= 4.5, f"{part['id']} in {theme}: {ratio:.1f}"


def test_areas_lie_under_lines_under_points_under_labels(layers: Catalogue) -> None:
    kinds = [part["type"] for part in styles.assembled(layers, BASE, "vi")["layers"][1:]]
    floors = [styles.FLOORS[kind] for kind in kinds]
    assert floors == sorted(floors)


def test_a_label_speaks_the_language_asked_for(layers: Catalogue) -> None:
    def field(language: Any) -> str:
        style = styles.assembled(layers, BASE, language)
        return json.dumps(next(part for part in style["layers"] if part["id"] == "ward_labels")["layout"]["text-field"])

    assert "name_en" in field("en")
    assert "name_en" not in field("vi")


def test_every_theme_of_the_catalogue_has_a_title(layers: Catalogue) -> None:
    titles = styles.assembled(layers, BASE, "en")["metadata"]["citymap:themes"]
    assert {layer.theme for layer in layers if styles.drawn(layer)} <= set(titles)


def test_a_layer_alone_is_shown_even_when_the_map_opens_without_it(layers: Catalogue) -> None:
    style = styles.layer_style(layers["petitions"], BASE, "vi")
    assert set(style["sources"]) == {"petitions"}
    assert {part["layout"]["visibility"] for part in style["layers"][1:]} == {"visible"}


def test_tiles_are_asked_of_the_server_that_was_named(layers: Catalogue) -> None:
    style = styles.assembled(layers, "https://map.example.vn/gis", "vi")
    links = [text for text in strings(style) if re.match("https?://", text)]
    assert links
    assert all(link.startswith("https://map.example.vn/gis") for link in links)


def test_a_source_cannot_bring_html_into_a_page(layers: Catalogue) -> None:
    layer = replace(layers["wards"], source=replace(layers["wards"].source, vi="<img src=x onerror=alert(1)>"))
    assert "<" not in styles.layer_style(layer, BASE, "vi")["sources"]["wards"]["attribution"]


PART = {"id": "wards", "type": "fill"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{", "is not readable JSON"),
        ({"layers": []}, "layers"),
        ({"layers": [PART], "colour": "red"}, "colour"),
        ({"layers": [{**PART, "paint": {"fill-color": "@sea"}}]}, "there is no colour @sea"),
        ({"layers": [{**PART, "id": "roads"}]}, "an id is wards, or starts with wards-"),
        ({"layers": [{**PART, "type": "sky"}]}, "type is one of"),
        ({"layers": [{**PART, "filter": ["==", ["get", "colour"], 1]}]}, "carry no column colour"),
    ],
)
def test_a_bad_fragment_is_told_with_its_file(layers: Catalogue, tmp_path: Path, body: object, told: str) -> None:
    layer = fragment(tmp_path, layers["wards"], body)
    faults = [str(fault) for fault in styles.faults(Catalogue({"wards": layer}))]
    assert len(faults) == 1
    assert faults[0].startswith("wards.json")
    assert told in faults[0]


def test_a_missing_fragment_is_told_with_its_file(layers: Catalogue, tmp_path: Path) -> None:
    layer = replace(layers["wards"], folder=tmp_path / "layers")
    with pytest.raises(BadCatalogue, match=r"wards\.json: there is no wards\.json in styles/"):
        styles.layer_style(layer, BASE, "vi")


def test_a_new_layer_needs_no_palette_and_no_sheet(layers: Catalogue, tmp_path: Path) -> None:
    body = {
        "layers": [{"id": "wards", "type": "fill", "paint": {"fill-color": {"light": "#ffffff", "dark": "#000000"}}}]
    }
    layer = fragment(tmp_path, layers["wards"], body)
    dark = styles.assembled(Catalogue({"wards": layer}), BASE, "vi", "dark")
    assert dark["layers"][1]["paint"] == {"fill-color": "#000000"}
