"""The MapLibre style of the city, and of one layer: `styles/<layer>.json` fragments put together over the catalogue.

A fragment says only what its layer looks like; source, source-layer, order among layers, label font, language and theme
come from here. Inside a fragment `"@water"` is a colour of `styles/citymap.json`, `{"vi": …, "en": …}` a choice by
language and `{"light": …, "dark": …}` a choice by theme, at any depth. Nothing here knows HTTP or the database."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapserver import tallies
from mapserver.catalogue import Catalogue, Problem
from mapserver.errors import BadCatalogue
from mapserver.layer import Language, Layer

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
Json = Any
Model = TypeVar("Model", bound=BaseModel)

PLAIN = "#3b6fb5"
"""Colour of an existing table that nobody has styled."""
GREY = ("#404040", "#f0f0f0")
"""Colours of a raster whose legend names none."""
_HEX = re.compile(r"^#[0-9a-fA-F]{6}$")
LABEL_FONT = ["Be Vietnam Pro Regular"]
FLOORS = {
    "fill": 0,
    "raster": 1,
    "hillshade": 1,
    "heatmap": 2,
    "fill-extrusion": 3,
    "line": 4,
    "circle": 5,
    "symbol": 6,
}
"""Areas lie under pictures, these under lines, lines under points, points under labels, whatever layer they are of."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Swatch(_Strict):
    """One row of a legend. Texts and colours may be choices by language and theme."""

    title: Json
    shape: Literal["fill", "line", "circle"] = "fill"
    color: Json
    outline: Json = None
    dashed: bool = False


class FragmentFile(_Strict):
    """What `styles/<layer>.json` may say."""

    order: Annotated[int, Field(description="Higher lies above, among layers of the same kind")] = 50
    visible: Annotated[bool, Field(description="Shown when the map opens")] = True
    listed: Annotated[bool, Field(description="Stands in the layer list")] = True
    clickable: Annotated[bool, Field(description="Is among what a click finds")] = True
    legend: tuple[Swatch, ...] = ()
    layers: Annotated[tuple[dict[str, Json], ...], Field(min_length=1)]


class SheetFile(_Strict):
    """What `styles/citymap.json` may say: everything on the map that belongs to no layer."""

    name: Json
    center: tuple[float, float] = (0.0, 0.0)
    zoom: float = 2
    background: Json = "#ffffff"
    themes: Annotated[dict[str, Json], Field(description="Title of every theme of the catalogue, in order")] = {}
    palette: dict[str, Json] = {}


@dataclass(frozen=True, slots=True)
class Reading:
    """How choices and colours are resolved: for whom, in which light, out of which palette, and in which file."""

    language: Language
    theme: Theme
    palette: Mapping[str, Json]
    file: str

    def of(self, value: Json) -> Json:
        """The value with every choice made and every named colour looked up. Raises BadCatalogue."""
        match value:
            case str() if value.startswith("@"):
                return self.of(self._colour(value[1:]))
            case {"vi": vi, "en": en} if len(value) == 2:
                return self.of(vi if self.language == "vi" else en)
            case {"light": light, "dark": dark} if len(value) == 2:
                return self.of(light if self.theme == "light" else dark)
            case dict():
                return {key: self.of(member) for key, member in value.items()}
            case list() | tuple():
                return [self.of(member) for member in value]
        return value

    def _colour(self, name: str) -> Json:
        if name not in self.palette:
            raise BadCatalogue(self.file, f"there is no colour @{name}; there are {', '.join(sorted(self.palette))}")
        return self.palette[name]


def assembled(catalogue: Catalogue, base_url: str, language: Language, theme: Theme = "light") -> dict[str, Json]:
    """The style of every layer of the catalogue that has a picture. base_url: root of the links, no trailing slash.

    Give it a catalogue of what the caller may see. Raises BadCatalogue when a fragment is not right."""
    return _style([layer for layer in catalogue if drawn(layer)], base_url, language, theme)


def layer_style(layer: Layer, base_url: str, language: Language, theme: Theme = "light") -> dict[str, Json]:
    """The style of one layer alone, shown whatever its fragment says. Raises BadCatalogue."""
    style = _style([layer], base_url, language, theme)
    return {**style, "name": layer.title[language], "layers": [shown(part) for part in style["layers"]]}


def stacked(layers: Sequence[Layer], language: Language, themes: Sequence[Theme]) -> dict[str, Json]:
    """A style of these layers alone, the first lowest, each shown; only labels lie above all. Raises BadCatalogue.

    themes: one for each layer, or one for all. It has no background, and its addresses are relative."""
    each = themes if len(themes) == len(layers) else [themes[0]] * len(layers)
    single = [layer_style(layer, "", language, theme) for layer, theme in zip(layers, each, strict=True)]
    parts = [part for style in single for part in style["layers"] if part["type"] != "background"]
    labels = [part for part in parts if part["type"] == "symbol"]
    return {
        **{key: value for style in single[:1] for key, value in style.items()},
        "sources": {name: source for style in single for name, source in style["sources"].items()},
        "layers": [*(part for part in parts if part["type"] != "symbol"), *labels],
    }


def shown_first(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """The layers that are shown when the map opens, those that lie above first."""
    found = [(fragment.order, layer) for layer in layers if (fragment := _fragment(layer)).visible and fragment.legend]
    return tuple(layer for _, layer in sorted(found, key=lambda ranked: -ranked[0]))


def swatches(layer: Layer, language: Language, theme: Theme = "light") -> list[dict[str, Json]]:
    """The rows of a layer's legend: `title`, `shape`, `color`, and `outline` and `dashed` where they say so."""
    style = layer_style(layer, "", language, theme)
    rows: list[dict[str, Json]] = style["metadata"]["citymap:layers"][layer.name]["legend"]
    return rows


def raster_colours(layer: Layer) -> tuple[str, ...]:
    """The colours of a raster from low to high: those of its legend, or grey where that names fewer than two."""
    named = tuple(row["color"] for row in swatches(layer, "vi") if _HEX.match(str(row["color"])))
    return named if len(named) > 1 else GREY


def drawn(layer: Layer) -> bool:
    """Whether the layer has a picture at all."""
    return layer.geometry is not None or layer.origin == "raster"


def faults(catalogue: Catalogue) -> Iterator[Problem]:
    """Everything that keeps a fragment from being drawn: bad JSON, unknown colours, ids and columns."""
    for layer in filter(drawn, catalogue):
        file = f"{layer.name}.json"
        try:
            fragment = _fragment(layer)
            _style([layer], "", "vi", "light")
        except BadCatalogue as error:
            yield Problem(error.where or file, "", error.detail)
            continue
        yield from _part_faults(layer, fragment, file)


def _part_faults(layer: Layer, fragment: FragmentFile, file: str) -> Iterator[Problem]:
    known = {
        column.name for column in layer.columns if layer.tiles.columns is None or column.name in layer.tiles.columns
    }
    for part in fragment.layers:
        name = str(part.get("id", ""))
        if name != layer.name and not name.startswith(f"{layer.name}-"):
            yield Problem(file, name or "id", f"an id is {layer.name}, or starts with {layer.name}-")
        if part.get("type") not in FLOORS:
            yield Problem(file, name, f"type is one of {', '.join(FLOORS)}")
        for column in sorted(_columns(part) - known) if layer.origin != "raster" else ():
            yield Problem(
                file, name, f"the tiles of {layer.name} carry no column {column}; they carry {', '.join(known)}"
            )


def _columns(value: Json) -> frozenset[str]:
    """Names that an expression reads from a feature."""
    match value:
        case ["get" | "has", str() as name]:
            return frozenset({name})
        case dict():
            return frozenset().union(*(_columns(member) for member in value.values()))
        case list():
            return frozenset().union(*(_columns(member) for member in value))
    return frozenset()


def _style(layers: Iterable[Layer], base_url: str, language: Language, theme: Theme) -> dict[str, Json]:
    chosen = [(layer, _fragment(layer)) for layer in layers]
    sheet = _sheet(chosen[0][0].folder.parent / "styles") if chosen else SheetFile(name="")
    reading = Reading(language, theme, sheet.palette, "citymap.json")
    parts = sorted(_parts(chosen, reading), key=lambda ranked: ranked[0])
    return {
        "version": 8,
        "name": reading.of(sheet.name),
        "center": list(sheet.center),
        "zoom": sheet.zoom,
        "metadata": {
            "citymap:base": base_url,
            "citymap:themes": reading.of(sheet.themes),
            "citymap:layers": {layer.name: _card(layer, fragment, reading) for layer, fragment in chosen},
        },
        "glyphs": f"{base_url}/glyphs/{{fontstack}}/{{range}}.pbf",
        "sources": {layer.name: _source(layer, base_url, language) for layer, _ in chosen},
        "layers": [_background(reading.of(sheet.background)), *(part for _, part in parts)],
    }


def _parts(
    shown: Iterable[tuple[Layer, FragmentFile]], reading: Reading
) -> Iterator[tuple[tuple[int, int, str, int], dict[str, Json]]]:
    """Every MapLibre layer with its place: kind first, then its order (else the fragment's), then as written."""
    for layer, fragment in shown:
        own = Reading(reading.language, reading.theme, reading.palette, f"{layer.name}.json")
        for place, raw in enumerate(fragment.layers):
            part = _part(own.of(raw), layer, visible=fragment.visible)
            order = part.get("metadata", {}).get("citymap:order", fragment.order)
            yield (FLOORS.get(part["type"], 0), order, layer.name, place), part


def _part(raw: dict[str, Json], layer: Layer, *, visible: bool) -> dict[str, Json]:
    """One MapLibre layer with what the fragment leaves out."""
    layout = dict(raw.get("layout", {}))
    if "text-field" in layout:
        layout.setdefault("text-font", LABEL_FONT)
    layout["visibility"] = "visible" if visible else "none"
    wiring = {"source": layer.name} if layer.origin == "raster" else {"source": layer.name, "source-layer": layer.name}
    return {**raw, **wiring, "layout": layout}


def shown(part: dict[str, Json]) -> dict[str, Json]:
    """A MapLibre layer, made visible."""
    return {**part, "layout": {**part.get("layout", {}), "visibility": "visible"}}


def _background(colour: str) -> dict[str, Json]:
    return {"id": "background", "type": "background", "paint": {"background-color": colour}}


def _source(layer: Layer, base_url: str, language: Language) -> dict[str, Json]:
    """Tiles are named here, not behind a TileJSON: one request less for each layer before the first paint."""
    shared = {
        "minzoom": layer.tiles.min_zoom,
        "maxzoom": layer.tiles.max_zoom,
        "attribution": html.escape(layer.source[language]),
    }
    if layer.origin == "raster":
        picture = f"{base_url}/collections/{layer.name}/map/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"
        return {"type": "raster", "tiles": [picture], "tileSize": 256, **shared}
    tiles = f"{base_url}/collections/{layer.name}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"
    return {"type": "vector", "tiles": [tiles], **shared}


def _card(layer: Layer, fragment: FragmentFile, reading: Reading) -> dict[str, Json]:
    """What a viewer's layer tree needs to know of a layer."""
    starts = (part.get("minzoom", 0) for part in fragment.layers)
    return {
        "title": layer.title[reading.language],
        "theme": layer.theme,
        "visible": fragment.visible,
        "listed": fragment.listed,
        "clickable": fragment.clickable,
        "minzoom": max(layer.tiles.min_zoom, min(starts)),
        "name": layer.name_column,
        "time": layer.by_name[layer.time].type if layer.time else None,
        "counted": tallies.counted(layer),
        "sums": [column.name for column in tallies.measures(layer)],
        "legend": [reading.of(swatch.model_dump(exclude_none=True)) for swatch in fragment.legend],
    }


def _fragment(layer: Layer) -> FragmentFile:
    path = layer.folder.parent / "styles" / f"{layer.name}.json"
    return _plain(layer) if layer.existing and not path.exists() else _read(path, FragmentFile)


def _plain(layer: Layer) -> FragmentFile:
    """How an existing table is drawn that has no fragment: what it is, in one colour, not shown when the map opens."""
    shape: Literal["fill", "line", "circle"] = "circle"
    if layer.geometry and layer.geometry.endswith(("LineString", "Polygon")):
        shape = "line" if layer.geometry.endswith("LineString") else "fill"
    paint = {f"{shape}-color": PLAIN, f"{shape}-opacity": 0.6}
    title = {"vi": layer.title.vi, "en": layer.title.en}
    part = {"id": layer.name, "type": shape, "paint": paint}
    return FragmentFile(visible=False, legend=(Swatch(title=title, shape=shape, color=PLAIN),), layers=(part,))


def _sheet(folder: Path) -> SheetFile:
    """The city's sheet; a folder of layers alone may do without."""
    path = folder / "citymap.json"
    return _read(path, SheetFile) if path.exists() else SheetFile(name="")


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise BadCatalogue(path.name, f"there is no {path.name} in {path.parent.name}/") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadCatalogue(path.name, f"is not readable JSON: {error}") from error
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(str(x) for x in e['loc'])}: {e['msg']}" for e in error.errors())
        raise BadCatalogue(path.name, told) from error
