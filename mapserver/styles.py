"""The MapLibre style of the city, and of one layer: `styles/<layer>.json` fragments put together over the catalogue.

A fragment says only what its layer looks like; source, source-layer, order among layers, label font, language and theme
come from here. Inside a fragment `"@water"` is a colour of `styles/citymap.json`, `{"vi": …, "en": …}` a choice by
language and `{"light": …, "dark": …}` a choice by theme, at any depth. Nothing here knows HTTP or the database."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapserver.catalogue import Catalogue, Problem
from mapserver.errors import BadCatalogue
from mapserver.layer import Language, Layer

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
Json = Any
Model = TypeVar("Model", bound=BaseModel)

PLAIN = "#3b6fb5"
"""Colour of an existing table that nobody has styled."""
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
    shown = [_shown(part) for part in style["layers"]]
    return {**style, "name": layer.title[language], "layers": shown}


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
    shown = [(layer, _fragment(layer)) for layer in layers]
    sheet = _sheet(shown[0][0].folder.parent / "styles") if shown else SheetFile(name="")
    reading = Reading(language, theme, sheet.palette, "citymap.json")
    parts = sorted(_parts(shown, reading), key=lambda ranked: ranked[0])
    return {
        "version": 8,
        "name": reading.of(sheet.name),
        "center": list(sheet.center),
        "zoom": sheet.zoom,
        "metadata": {
            "citymap:base": base_url,
            "citymap:themes": reading.of(sheet.themes),
            "citymap:layers": {layer.name: _card(layer, fragment, reading) for layer, fragment in shown},
        },
        "glyphs": f"{base_url}/glyphs/{{fontstack}}/{{range}}.pbf",
        "sources": {layer.name: _source(layer, base_url, language) for layer, _ in shown},
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


def _shown(part: dict[str, Json]) -> dict[str, Json]:
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
