"""GetCapabilities of WMS 1.1.1 and 1.3.0: what the caller may see, in the caller's language."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader
from pyproj import Transformer

from mapserver import styles
from mapserver.catalogue import Catalogue
from mapserver.crs import CRS84, OFFERED, Crs
from mapserver.facts import Bounds, Extent, Facts
from mapserver.identity import Identity
from mapserver.layer import Language, Layer
from mapserver.legends import Legend, legend
from mapserver.mapview import TILE_PX, WORLD_M
from mapserver.matrices import PIXEL_M
from mapserver.ows.wms.asking import MOST_LAYERS, WHOLE, Asked, language_of, names_of
from mapserver.pictures import MAX_SIDE, MEDIA_TYPES
from mapserver.styles import shown_first

INFO_TYPES = ("text/plain", "text/html", "application/json", "application/geo+json", "application/vnd.ogc.gml")
TITLES: Mapping[Language, tuple[tuple[str, str], ...]] = {
    "vi": (("default", "Mặc định"), ("dark", "Nền tối")),
    "en": (("default", "Default"), ("dark", "Dark")),
}
WORLD = (-180.0, -85.06, 180.0, 85.06)
_EDGE_POINTS = 21


@dataclass(frozen=True, slots=True)
class Entry:
    """A layer as capabilities tell of it. boxes: edges by name of the CRS, in the axis order of the version."""

    name: str
    title: str
    abstract: str
    attribution: str
    west: float | None
    south: float | None
    east: float | None
    north: float | None
    boxes: tuple[tuple[str, tuple[float, ...]], ...]
    time: tuple[str, str] | None
    """(default, extent) of the dimension of time."""
    legend: tuple[int, int]
    """Width and height of its legend, in pixels."""
    most: float | None
    """The scale denominator above which nothing of it is drawn."""

    @property
    def hint(self) -> float:
        """The diagonal of a pixel at that scale, in metres, as WMS 1.1.1 has it."""
        return round((self.most or 0) * PIXEL_M * math.sqrt(2), 4)


def capabilities(asked: Asked, base: str, facts: Facts, identity: Identity) -> bytes:
    """The document."""
    language = language_of(asked.given)
    seen = Catalogue({layer.name: layer for layer in asked.visible})
    themes = styles.assembled(seen, "", language)["metadata"]["citymap:themes"]
    entries = {layer.name: entry(layer, facts.of(layer).extent, asked.version, language) for layer in seen}
    named = {**themes, **{layer.theme: layer.theme for layer in seen if layer.theme not in themes}}
    grouped = [
        (name, title, [entries[layer.name] for layer in seen if layer.theme == name]) for name, title in named.items()
    ]
    page = _environment().get_template("capabilities.xml").render(
        version=asked.version, language=language, base=base, service=f"{base}/wms", identity=identity, whole=WHOLE,
        sequence=facts.version, root=root(asked.visible, facts, asked.version, language),
        themes=[group for group in grouped if group[2]], references=_references(asked.version),
        styles=TITLES[language], picture_types=tuple(MEDIA_TYPES), info_types=INFO_TYPES,
        most_layers=MOST_LAYERS, max_side=MAX_SIDE,
    )  # fmt: skip
    return page.encode()


def described(layers: Sequence[Layer], version: str, base: str) -> bytes:
    """DescribeLayer: where the features behind each layer are had (a raster's cells: at its coverage)."""
    page = _environment().get_template("described.xml")
    return page.render(layers=layers, version=version, base=base).encode()


def entry(layer: Layer, extent: Extent, version: str, language: Language) -> Entry:
    """What is told of one layer."""
    box = extent.box
    west, south, east, north = _outward(box) if box else (None, None, None, None)
    card = styles.layer_style(layer, "", language)["metadata"]["citymap:layers"][layer.name]
    start = float(card["minzoom"])
    return Entry(
        name=layer.name,
        title=layer.title[language],
        abstract=layer.description[language],
        attribution=layer.source[language],
        west=west,
        south=south,
        east=east,
        north=north,
        boxes=_boxes(box, version) if box else (),
        time=_time(layer, extent),
        legend=_size(legend((layer,), language, "light")),
        most=round(WORLD_M / (TILE_PX * 2**start) / PIXEL_M, 2) if start > 0 else None,
    )


def root(layers: Sequence[Layer], facts: Facts, version: str, language: Language) -> Entry:
    """What is told of the whole map. Its title and abstract are the service's."""
    known = [box for box in (facts.of(layer).extent.box for layer in layers) if box]
    edges = np.array(known or [WORLD])
    west, south = (float(edges[:, axis].min()) for axis in (0, 1))
    east, north = (float(edges[:, axis].max()) for axis in (2, 3))
    box = (west, south, east, north)
    size = _size(legend(shown_first(layers), language, "light"))
    return Entry(WHOLE, "", "", "", *_outward(box), _boxes(box, version), None, size, None)


def _size(of: Legend) -> tuple[int, int]:
    return of.frame.width, of.frame.height


def _time(layer: Layer, extent: Extent) -> tuple[str, str] | None:
    if (layer.time is None and not layer.as_of) or extent.first is None:
        return None
    last = extent.last or datetime.now(UTC).date().isoformat()
    step = "PT1S" if "T" in extent.first else "P1D"
    return f"{extent.first}/{last}", f"{extent.first}/{last}/{step}"


def _references(version: str) -> tuple[str, ...]:
    return tuple(name for crs in OFFERED if (name := names_of(crs, version)))


def _boxes(box: Bounds, version: str) -> tuple[tuple[str, tuple[float, ...]], ...]:
    named = ((names_of(crs, version), _box(box, crs, version)) for crs in OFFERED)
    return tuple((name, edges) for name, edges in named if name and edges)


def _box(box: Bounds, crs: Crs, version: str) -> tuple[float, ...] | None:
    """The edges of a box in another CRS; None where that CRS does not reach."""
    west, south, east, north = box
    if crs.srid == CRS84.srid:
        west, south, east, north = _outward(box)
        return (south, west, north, east) if crs.swap and version == "1.3.0" else (west, south, east, north)
    xs, ys = np.meshgrid(np.linspace(west, east, _EDGE_POINTS), np.linspace(south, north, _EDGE_POINTS))
    x, y = _transformer(crs).transform(xs.ravel(), np.clip(ys.ravel(), -85.06, 85.06))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    low = (math.floor(float(x.min())), math.floor(float(y.min())))
    return (*low, math.ceil(float(x.max())), math.ceil(float(y.max())))


@cache
def _transformer(crs: Crs) -> Transformer:
    return Transformer.from_crs("OGC:CRS84", crs.proj4 or crs.code, always_xy=True)


def _outward(box: Bounds) -> Bounds:
    """The box in six decimals, never smaller."""
    west, south, east, north = box
    low, high = (tuple(turn(edge * 1e6) / 1e6 for edge in pair) for turn, pair in
                 ((math.floor, (west, south)), (math.ceil, (east, north))))  # fmt: skip
    return low[0], low[1], high[0], high[1]


@cache
def _environment() -> Environment:
    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=False)
