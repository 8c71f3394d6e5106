"""Legends as MapLibre styles: the rows of a fragment's legend, to be drawn by the renderer that draws the map.

A legend lies on the ground south-east of 0° 0°, a metre to the pixel, so that it is a picture like any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapserver.crs import WEB_MERCATOR
from mapserver.layer import Language, Layer
from mapserver.mapview import RADIUS_M, Frame
from mapserver.styles import Theme, swatches

ROW_PX, PAD_PX = 22, 6
SWATCH_PX = (24, 14)
TEXT_PX = 12.5
CHARACTER_PX = 7.2
"""What a letter of the label font takes at TEXT_PX, amply."""
MOST_ROWS = 150
INK: Mapping[Theme, str] = {"light": "#2f3437", "dark": "#e3e6e4"}
FONTS = {True: ["Be Vietnam Pro SemiBold"], False: ["Be Vietnam Pro Regular"]}
Json = Any


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a legend. shape: fill, line or circle; empty for a heading."""

    title: str
    shape: str = ""
    color: str = ""
    outline: str | None = None
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Legend:
    """Rows from top to bottom."""

    rows: tuple[Row, ...]
    theme: Theme = "light"

    @property
    def frame(self) -> Frame:
        """Its ground, and its size in pixels."""
        longest = max((len(row.title) + (0 if row.shape else -4) for row in self.rows), default=1)
        width = round(3 * PAD_PX + SWATCH_PX[0] + max(longest, 4) * CHARACTER_PX)
        height = 2 * PAD_PX + ROW_PX * max(1, len(self.rows))
        return Frame(WEB_MERCATOR, (0.0, -float(height), float(width), 0.0), width, height)


def legend(layers: Sequence[Layer], language: Language, theme: Theme) -> Legend:
    """The legend of some layers. Of several: first those that one row tells all of, then the others, with headings."""
    each = [(Row(layer.title[language]), _rows(layer, language, theme)) for layer in layers]
    if len(each) == 1:
        return Legend(each[0][1] or (each[0][0],), theme)
    plain = [row for _, rows in each if len(rows) == 1 for row in rows]
    grouped = [row for heading, rows in each if len(rows) > 1 for row in (heading, *rows)]
    return Legend(tuple([*plain, *grouped][:MOST_ROWS]), theme)


def _rows(layer: Layer, language: Language, theme: Theme) -> tuple[Row, ...]:
    given = swatches(layer, language, theme)
    return tuple(Row(**{key: value for key, value in row.items() if value is not None}) for row in given)


def stylesheet(legend: Legend) -> dict[str, Json]:
    """The MapLibre style that draws a legend."""
    features = [feature for place, row in enumerate(legend.rows) for feature in _features(row, place)]
    shapes = {"type": "FeatureCollection", "features": features}
    return {
        "version": 8,
        "sources": {"legend": {"type": "geojson", "data": shapes, "tolerance": 0, "maxzoom": 18}},
        "layers": [*_swatch_layers(), *_text_layers(INK[legend.theme])],
    }


def _features(row: Row, place: int) -> Iterator[Json]:
    middle = PAD_PX + ROW_PX * (place + 0.5)
    left, right = float(PAD_PX), float(PAD_PX + SWATCH_PX[0])
    about = {"color": row.color, "outline": row.outline or row.color, "edged": row.outline is not None}
    match row.shape:
        case "fill":
            half = SWATCH_PX[1] / 2
            ring = ((left, middle - half), (right, middle - half), (right, middle + half), (left, middle + half))
            yield _feature("Polygon", [_placed((*ring, ring[0]))], about | {"shape": "fill"})
        case "line":
            ends = _placed(((left, middle), (right, middle)))
            yield _feature("LineString", ends, about | {"shape": "dashed" if row.dashed else "line"})
        case "circle":
            yield _feature("Point", _placed((((left + right) / 2, middle),))[0], about | {"shape": "circle"})
    across = right + PAD_PX if row.shape else left
    yield _feature("Point", _placed(((across, middle),))[0], {"title": row.title, "heading": not row.shape})


def _feature(kind: str, coordinates: Json, properties: Mapping[str, Json]) -> Json:
    return {
        "type": "Feature",
        "properties": dict(properties),
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def _placed(points: Iterable[tuple[float, float]]) -> list[list[float]]:
    """Pixels from the top left corner, in degrees; so near to 0° 0° a metre of Web Mercator is one of latitude."""
    degree = RADIUS_M * 3.141592653589793 / 180
    return [[x / degree, -y / degree] for x, y in points]


def _swatch_layers() -> list[Json]:
    colour, outline = ["get", "color"], ["get", "outline"]
    return [
        _part("fill", "fill", {"fill-color": colour, "fill-outline-color": outline}),
        _part("casing", "line", {"line-color": outline, "line-width": 6}, ["get", "edged"]),
        _part("line", "line", {"line-color": colour, "line-width": 4}),
        _part("dashed", "line", {"line-color": colour, "line-width": 2, "line-dasharray": [3, 2]}, shape="dashed"),
        _part("circle", "circle", {"circle-color": colour, "circle-radius": 5, "circle-stroke-color": outline,
                                   "circle-stroke-width": ["case", ["get", "edged"], 1.2, 0]}),
    ]  # fmt: skip


def _part(name: str, kind: str, paint: Json, only: Json = True, shape: str = "") -> Json:
    wanted = ["==", ["get", "shape"], shape or kind]
    condition = wanted if only is True else ["all", wanted, only]
    return {"id": name, "type": kind, "source": "legend", "filter": condition, "paint": paint}


def _text_layers(ink: str) -> list[Json]:
    return [
        {
            "id": f"text-{heading}",
            "type": "symbol",
            "source": "legend",
            "filter": ["==", ["get", "heading"], heading],
            "layout": {
                "text-field": ["get", "title"],
                "text-font": FONTS[heading],
                "text-size": TEXT_PX,
                "text-anchor": "left",
                "text-justify": "left",
                "text-max-width": 200,
                "text-allow-overlap": True,
            },
            "paint": {"text-color": ink},
        }
        for heading in (True, False)
    ]
