"""The report of one ward: one HTML file with its map and figures, whole without a network.

Knows neither HTTP nor SQL."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template

from mapserver.catalogue import Catalogue
from mapserver.layer import Language
from mapserver.viewer.notebook import folium_map, page

Json = Any


@dataclass(frozen=True, slots=True)
class Count:
    """How many features of a layer a ward has. mean: over all wards; rank: 1 has the most."""

    layer: str
    number: float
    mean: float
    rank: int


@dataclass(frozen=True, slots=True)
class WardFacts:
    """What the doors told of a ward. ward: its feature; features: by layer; origins: rows of its links."""

    ward: Json
    counts: tuple[Count, ...]
    features: Mapping[str, Json]
    origins: tuple[Mapping[str, Json], ...]
    synthetic: frozenset[str]
    """Names of layers whose data was generated."""
    on: date


def counted(layer: str, units: Sequence[Mapping[str, Json]], code: str) -> Count | None:
    """A ward's count among those of all units (`code`, `value`); None for a code that none of them has."""
    values = [float(unit["value"]) for unit in units]
    own = next((float(unit["value"]) for unit in units if unit["code"] == code), None)
    if own is None:
        return None
    return Count(layer, own, sum(values) / len(values), 1 + sum(value > own for value in values))


def ward_report(facts: WardFacts, catalogue: Catalogue, language: Language = "vi") -> str:
    """The page. Raises NotReady while the viewer is not built."""
    outline = {"type": "FeatureCollection", "features": [facts.ward]}
    drawn = page(folium_map({"wards": outline, **facts.features}, catalogue, language))
    drawn.title = html.escape(str(facts.ward["properties"]["full_name"]))
    made = drawn.render()
    words = {key: pair[0 if language == "vi" else 1] for key, pair in WORDS.items()}
    told = _template().render(
        w=words, ward=facts.ward["properties"], counts=facts.counts, origins=facts.origins, day=facts.on.isoformat(),
        sources=sorted({catalogue[count.layer].source[language] for count in facts.counts}),
        titles={layer.name: layer.title[language] for layer in catalogue},
        synthetic=facts.synthetic, number=_number(language),
    )  # fmt: skip
    return made.replace("<body>", f"<body>{told}", 1).replace("<html>", f'<html lang="{language}">', 1)


def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(loader=folder, autoescape=True).get_template("ward.html")


def _number(language: Language) -> Any:
    def told(value: float | None, digits: int = 0) -> str:
        if value is None:
            return "–"
        text = f"{value:,.{digits}f}"
        return text.translate(str.maketrans(",.", ".,")) if language == "vi" else text

    return told


WORDS = {
    "area": ("Diện tích (km²)", "Area (km²)"),
    "people": ("Dân số", "People"),
    "code": ("Mã đơn vị", "Unit code"),
    "layer": ("Lớp dữ liệu", "Layer"),
    "number": ("Số lượng", "Number"),
    "mean": ("Bình quân", "Mean"),
    "rank": ("Hạng", "Rank"),
    "has": ("Trong địa bàn", "What it has"),
    "lineage": ("Qua sắp xếp ngày 01/7/2025", "Through the reform of 1 July 2025"),
    "old": ("Đơn vị cũ", "Old unit"),
    "came": ("Phần về đây", "Part that came"),
    "whole": ("toàn bộ", "whole"),
    "part": ("một phần", "part"),
    "clause": ("Khoản", "Clause"),
    "synthetic": ("Dữ liệu mô phỏng", "Synthetic data"),
    "made_on": ("Lập ngày", "Made on"),
    "sources": ("Nguồn dữ liệu", "Data sources"),
    "public": ("Chỉ gồm dữ liệu công khai.", "Public data only."),
}
"""Sentences of the page: Vietnamese, English."""
