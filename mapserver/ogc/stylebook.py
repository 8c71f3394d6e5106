"""The list of styles, and one style, for one reader."""

from __future__ import annotations

import re

from mapserver import styles as drawing
from mapserver.catalogue import Catalogue
from mapserver.errors import BadQuery, NotFound
from mapserver.layer import Layer
from mapserver.ogc.documents import Document, root
from mapserver.ogc.house import Reader
from mapserver.ogc.links import STYLE, Link, link, ways
from mapserver.query import opened
from mapserver.styles import THEMES, Theme

SHEET = "citymap"
"""The style of all layers together."""
GREY = ("#404040", "#f0f0f0")
_HEX = re.compile(r"^#[0-9a-fA-F]{6}$")


def theme(text: str | None) -> Theme:
    """Light or dark; light when nothing is asked. Raises BadQuery."""
    for known in THEMES:
        if text in (None, known):
            return known
    raise BadQuery("theme", f"needs one of {', '.join(THEMES)}, got {(text or '')[:40]!r}")


def styles(reader: Reader) -> Document:
    """The list of styles: all together, then one a layer."""
    named = [(SHEET, reader.identity.title[reader.language])]
    named += [(layer.name, layer.title[reader.language]) for layer in _drawn(reader)]
    return {
        "title": reader.choose("Kiểu hiển thị", "Styles"),
        "default": SHEET,
        "styles": [{"id": name, "title": title, "links": _links(reader, name)} for name, title in named],
        "links": [*ways(reader, "/styles"), root(reader)],
    }


def style(reader: Reader, name: str, theme: Theme) -> Document:
    """One MapLibre style. Raises NotFound, Unauthorized or Forbidden."""
    layers = _drawn(reader)
    if name == SHEET:
        return drawing.assembled(layers, reader.base, reader.language, theme)
    layer = opened(reader.catalogue.layers, name, reader.caller) if name in reader.catalogue else None
    if layer is None or not drawing.drawn(layer):
        raise NotFound("styleId", f"there is no style {name[:60]!r}; there are {', '.join([SHEET, *layers.layers])}")
    return drawing.layer_style(layer, reader.base, reader.language, theme)


def colours(reader: Reader, layer: Layer) -> tuple[str, ...]:
    """The colours of a raster from low to high: those of its legend, or grey where that names fewer than two."""
    card = drawing.layer_style(layer, reader.base, reader.language)["metadata"]["citymap:layers"][layer.name]
    named = tuple(swatch["color"] for swatch in card["legend"] if _HEX.match(str(swatch["color"])))
    return named if len(named) > 1 else GREY


def _drawn(reader: Reader) -> Catalogue:
    """What the reader may see of what has a picture."""
    return Catalogue({layer.name: layer for layer in reader.layers if drawing.drawn(layer)})


def _links(reader: Reader, name: str) -> list[Link]:
    title = reader.choose("Kiểu MapLibre", "MapLibre style")
    return [link(f"{reader.base}/styles/{name}", "stylesheet", STYLE, title)]
