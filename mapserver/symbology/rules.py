"""Rules out of a MapLibre style: for a range of scales and a condition, what is drawn in which colours and widths.

A part of a style (one MapLibre layer) becomes a Pass of rules; passes are drawn one over the other. Sizes are pixels of
0.28 mm, scales those of Web Mercator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from mapserver import styles
from mapserver.layer import Language, Layer
from mapserver.mapview import TILE_PX, WORLD_M
from mapserver.matrices import PIXEL_M
from mapserver.styles import Theme
from mapserver.symbology.conditions import ALWAYS, NEVER, Condition, both, some
from mapserver.symbology.expressions import Cases, Unsaid, cases, column, condition, zooms

Kind = Literal["fill", "line", "circle", "label", "raster"]
HIGHEST_ZOOM = 24.0
MOST_RULES = 400
"""Of one layer; beyond that the finer classes are left out, and said so."""
Json = Any

_PAINT: Mapping[str, Mapping[str, Json]] = {
    "fill": {"fill-color": "#000000", "fill-opacity": 1, "fill-outline-color": None},
    "line": {"line-color": "#000000", "line-width": 1, "line-opacity": 1, "line-dasharray": None,
             "line-cap": "butt", "line-join": "miter"},
    "circle": {"circle-color": "#000000", "circle-radius": 5, "circle-opacity": 1, "circle-stroke-color": "#000000",
               "circle-stroke-width": 0},
    "symbol": {"text-field": "", "text-size": 16, "text-color": "#000000", "text-halo-color": None,
               "text-halo-width": 0, "text-font": None, "symbol-placement": "point", "text-offset": None,
               "text-anchor": "center", "text-variable-anchor": None, "text-radial-offset": 0},
    "raster": {"raster-opacity": 1},
}  # fmt: skip
"""What is said of each kind of part, with the specification's defaults."""
_LOOK_ALIKE = frozenset({
    "raster-resampling", "text-padding", "text-max-width", "text-justify", "text-max-angle", "visibility",
    "text-rotation-alignment", "symbol-spacing",
})  # fmt: skip
"""What other programs choose themselves, without another picture."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. low, high: scale denominators (low <= scale < high), None without end. look: by property name."""

    title: str
    met: Condition
    low: float | None
    high: float | None
    look: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Pass:
    """The rules of one part of a style."""

    name: str
    kind: Kind
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Symbology:
    """How a layer is drawn, and what of its style could not be said."""

    layer: Layer
    language: Language
    passes: tuple[Pass, ...]
    unsaid: tuple[str, ...] = field(default=())


def symbology(layer: Layer, language: Language, theme: Theme = "light") -> Symbology:
    """The rules of a layer's style. Raises BadCatalogue when its fragment is not right."""
    style = styles.layer_style(layer, "", language, theme)
    legend = {row["color"]: row["title"] for row in reversed(styles.swatches(layer, language, theme))}
    passes, unsaid = [], []
    for part in style["layers"]:
        if part["type"] in _PAINT:
            made, told = _pass(part, legend)
            passes.append(made)
            unsaid += told
        elif part["type"] != "background":
            unsaid.append(f"{part['id']}: parts of type {part['type']}")
    return Symbology(layer, language, tuple(one for one in passes if one.rules), tuple(dict.fromkeys(unsaid)))


def _pass(part: Mapping[str, Json], legend: Mapping[str, str]) -> tuple[Pass, list[str]]:
    given = {**part.get("paint", {}), **part.get("layout", {})}
    wanted = {**_PAINT[part["type"]], **{name: given[name] for name in _PAINT[part["type"]] if name in given}}
    left = sorted(given.keys() - wanted.keys() - _LOOK_ALIKE)
    told = [f"{part['id']}: {name}" for name in left]
    told += [f"{part['id']}: text-variable-anchor, but for the first"] if "text-variable-anchor" in given else []
    smooth = (name for name in sorted(given) if _is_smooth(given[name]))
    told += [f"{part['id']}: {name} changes in steps, not smoothly" for name in smooth]
    rules: list[Rule] = []
    for low, high in _bands(part, wanted):
        try:
            rules += _rules(part, wanted, (low, high), legend)
        except Unsaid as error:
            told.append(f"{part['id']}: {error}")
    kind: Kind = "label" if part["type"] == "symbol" else part["type"]
    if len(rules) > MOST_RULES:
        told.append(f"{part['id']}: {len(rules) - MOST_RULES} of {len(rules)} rules")
    return Pass(part["id"], kind, tuple(rules[:MOST_RULES])), told


def _is_smooth(value: Json) -> bool:
    return isinstance(value, list) and value[:1] == ["interpolate"]


def _bands(part: Mapping[str, Json], wanted: Mapping[str, Json]) -> Iterator[tuple[float, float]]:
    """Ranges of zoom within which nothing changes its course."""
    first, last = float(part.get("minzoom", 0)), float(part.get("maxzoom", HIGHEST_ZOOM))
    turns = {zoom for value in (*wanted.values(), part.get("filter")) for zoom in zooms(value)}
    yield from pairwise([first, *sorted(zoom for zoom in turns if first < zoom < last), last])


def _rules(
    part: Mapping[str, Json], wanted: Mapping[str, Json], band: tuple[float, float], legend: Mapping[str, str]
) -> Iterator[Rule]:
    """The rules of one range of zoom, as everything is in its middle."""
    low, high = band
    middle = (low + min(high, low + 2)) / 2 if high == HIGHEST_ZOOM else (low + high) / 2
    looks: Cases = [(condition(part.get("filter"), middle), {})]
    for name, value in wanted.items():
        looks = [
            (joint, {**look, name: one})
            for met, look in looks
            for also, one in cases(value, middle)
            if (joint := both(met, also)) != NEVER
        ]
    for look, met in _joined(looks):
        title = next((legend[colour] for colour in look.values() if isinstance(colour, str) and colour in legend), "")
        yield Rule(title, met, scale(high) if high < HIGHEST_ZOOM else None, scale(low) if low > 0 else None, look)


def _joined(looks: Cases) -> Iterator[tuple[Mapping[str, Json], Condition]]:
    """Every look that shows anything, once, with all the conditions under which it holds."""
    alike: dict[str, tuple[Mapping[str, Json], list[Condition]]] = {}
    for met, look in looks:
        if _visible(look):
            alike.setdefault(repr(look), (look, []))[1].append(met)
    for look, conditions in alike.values():
        yield look, some(conditions)


def _visible(look: Mapping[str, Json]) -> bool:
    sizes = (look.get(name, 1) for name in ("line-width", "circle-radius", "text-size"))
    opacities = (value for name, value in look.items() if name.endswith("-opacity"))
    return all(size > 0 for size in sizes) and all(value > 0 for value in opacities) and look.get("text-field") != ""


def scale(zoom: float) -> float:
    """The scale denominator of a zoom."""
    return round(WORLD_M / (TILE_PX * 2**zoom) / PIXEL_M, 2)


def label(look: Mapping[str, Json]) -> tuple[str, str]:
    """(column, fixed text) of a label; one of them is empty."""
    name = column(look["text-field"])
    return (name, "") if name else ("", str(look["text-field"]))


def placed(look: Mapping[str, Json]) -> tuple[str, float, float]:
    """Where a label lies: its anchor (the side of it that is at the point), and how far it is moved right and down."""
    varied = look["text-variable-anchor"]
    anchor = varied[0] if varied else look["text-anchor"]
    em, away = look["text-size"], look["text-radial-offset"] * look["text-size"]
    across, down = look["text-offset"] or (0, 0)
    toward = {"left": (away, 0), "right": (-away, 0), "top": (0, away), "bottom": (0, -away)}.get(anchor, (0, 0))
    return anchor, across * em + toward[0], down * em + toward[1]


def always(rule: Rule) -> bool:
    """Whether the rule holds for every feature."""
    return rule.met == ALWAYS
