"""Maps for notebooks and reports: layers of the catalogue on a folium map whose file asks nobody for anything.

Leaflet stands inside the file; colours and titles are those of `layers/` and `styles/`. Knows neither HTTP nor SQL."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import folium
from branca.element import Element, Figure

from mapserver import styles
from mapserver.catalogue import Catalogue
from mapserver.errors import NotFound, NotReady
from mapserver.layer import Column, Language, Layer
from mapserver.styles import Theme

Json = Any
LEAFLET = Path(__file__).parent / "static" / "dist" / "leaflet"
"""What `viewer/build.sh` takes out of the npm package."""
MOST_ATTRIBUTES = 12
_PICTURE = re.compile(r"url\(images/([a-z0-9-]+\.png)\)")
_GROUND = {"light": "#f3f0e8", "dark": "#1b2024"}


def folium_map(
    features: Mapping[str, Json], catalogue: Catalogue, language: Language = "vi", theme: Theme = "light"
) -> folium.Map:
    """A map of features by the names of their layers, the first lowest: a legend and a switch for each.

    features: GeoJSON feature collections in WGS 84, or what has `__geo_interface__` (GeoDataFrames).
    Raises NotFound for a layer that the catalogue has not, NotReady while the viewer is not built."""
    made = folium.Map(tiles=None, prefer_canvas=True, control_scale=True)
    made.default_js, made.default_css = [], []  # folium's own are links to other hosts
    page(made).header.add_child(Element(_leaflet(theme)), name="leaflet")
    collections = {name: _collection(value) for name, value in features.items()}
    for name, collection in collections.items():
        if name not in catalogue:
            raise NotFound("features", f"there is no layer {name[:60]!r} in the catalogue")
        _drawn(catalogue[name], collection, language, theme).add_to(made)
    folium.LayerControl(collapsed=False).add_to(made)
    made.fit_bounds(_bounds(collections.values()))
    return made


def page(made: folium.Map) -> Figure:
    """The page that a map stands on."""
    figure = made.get_root()
    assert isinstance(figure, Figure)
    return figure


def _collection(value: Json) -> dict[str, Json]:
    """A plain feature collection whose texts can do no harm: folium puts them into its page as they are."""
    read = value if isinstance(value, Mapping) else value.__geo_interface__
    made = [{**feature, "properties": _harmless(feature.get("properties") or {})} for feature in read["features"]]
    return {"type": "FeatureCollection", "features": made}


def _harmless(properties: Mapping[str, Json]) -> dict[str, Json]:
    return {key: html.escape(value) if isinstance(value, str) else value for key, value in properties.items()}


def _drawn(layer: Layer, collection: dict[str, Json], language: Language, theme: Theme) -> folium.GeoJson:
    """One layer in the colour of its legend, with its attributes under their titles."""
    swatch = next(iter(styles.swatches(layer, language, theme)), {"color": styles.PLAIN, "shape": "fill"})
    color, edge = swatch["color"], swatch.get("outline", swatch["color"])
    point = swatch["shape"] == "circle"
    look = {"color": edge, "weight": 1 if point else 1.5, "fillColor": color, "fillOpacity": 0.9 if point else 0.35}
    columns = _columns(layer, collection["features"])
    for feature in collection["features"]:
        feature["properties"] = {c.name: _told(c, feature["properties"].get(c.name), language) for c in columns}
    title = html.escape(layer.title[language])
    return folium.GeoJson(
        collection,
        name=f'<span style="color:{color if point else edge}">&#9632;</span> {title} ({len(collection["features"])})',
        style_function=lambda _: look,
        marker=folium.CircleMarker(radius=5, fill=True),
        popup=_popup(columns, language),
    )


def _columns(layer: Layer, features: Sequence[Json]) -> tuple[Column, ...]:
    """The columns that any of these features fills, as many as a popup holds."""
    filled = {key for feature in features for key, value in feature["properties"].items() if value is not None}
    return tuple(column for column in layer.columns if column.name in filled)[:MOST_ATTRIBUTES]


def _popup(columns: Sequence[Column], language: Language) -> folium.GeoJsonPopup | None:
    if not columns:
        return None
    titles = [html.escape(column.title[language]) for column in columns]
    return folium.GeoJsonPopup([column.name for column in columns], titles, localize=False)


def _told(column: Column, value: Json, language: Language) -> Json:
    """A code by its title; what is empty as nothing."""
    if value is None:
        return ""
    title = (column.codes or {}).get(value) if isinstance(value, str) else None
    return html.escape(title[language]) if title else value


def _bounds(collections: Any) -> list[list[float]]:
    """South-west and north-east corners, latitude first; the whole world when there is no geometry."""
    shapes = [feature["geometry"] for collection in collections for feature in collection["features"]]
    places = [place for shape in shapes if shape for place in _places(shape)]
    if not places:
        return [[-60.0, -180.0], [80.0, 180.0]]
    lons, lats = [place[0] for place in places], [place[1] for place in places]
    return [[min(lats), min(lons)], [max(lats), max(lons)]]


def _places(shape: Json) -> list[Sequence[float]]:
    if shape["type"] == "GeometryCollection":
        return [place for member in shape["geometries"] for place in _places(member)]
    return _flat(shape["coordinates"])


def _flat(coordinates: Json) -> list[Sequence[float]]:
    if coordinates and isinstance(coordinates[0], int | float):
        return [coordinates]
    return [place for member in coordinates for place in _flat(member)]


def _leaflet(theme: Theme) -> str:
    """Leaflet's script and style, pictures included, as elements of a page. Raises NotReady."""
    script, sheet = _assets()
    ground = f".leaflet-container{{background:{_GROUND[theme]}}}"
    return f"{{% raw %}}<script>{script}</script><style>{sheet}{ground}</style>{{% endraw %}}"


@cache
def _assets() -> tuple[str, str]:
    if not (LEAFLET / "leaflet.js").exists():
        raise NotReady("", "the viewer is not built; run `sh viewer/build.sh`")
    sheet = (LEAFLET / "leaflet.css").read_text(encoding="utf-8")
    return (LEAFLET / "leaflet.js").read_text(encoding="utf-8"), _PICTURE.sub(_inlined, sheet)


def _inlined(found: re.Match[str]) -> str:
    picture = base64.b64encode((LEAFLET / "images" / found[1]).read_bytes()).decode()
    return f"url(data:image/png;base64,{picture})"
