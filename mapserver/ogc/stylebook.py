"""The list of styles, and one style, for one reader."""

from __future__ import annotations

from mapserver import styles as drawing
from mapserver.catalogue import Catalogue
from mapserver.errors import BadQuery, NotFound
from mapserver.ogc.documents import Document, root
from mapserver.ogc.house import Reader
from mapserver.ogc.links import STYLE, Link, link, ways
from mapserver.query import opened
from mapserver.styles import THEMES, Theme
from mapserver.symbology.qml import qml
from mapserver.symbology.rules import symbology
from mapserver.symbology.sld import sld

SHEET = "citymap"
"""The style of all layers together."""


ENCODINGS = {
    "sld10": ("application/vnd.ogc.sld+xml; version=1.0",),
    "sld11": ("application/vnd.ogc.sld+xml; version=1.1",),
    "qml": ("application/vnd.qgis.qml+xml",),
}
"""Other encodings of a style, by `f`, with their media types."""
NAMES = {"sld10": "SLD 1.0", "sld11": "SLD 1.1 (Symbology Encoding)", "qml": "QGIS (QML)"}


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


def encoded(reader: Reader, name: str, theme: Theme, form: str) -> bytes:
    """A style in another encoding than MapLibre's. Raises NotFound, also for a QML of several layers."""
    layers = [*_drawn(reader)]
    if name != SHEET:
        style(reader, name, theme)  # says who may not have it
        layers = [reader.catalogue.layers[name]]
    said = [symbology(layer, reader.language, theme) for layer in layers]
    if form != "qml":
        return sld(said, "1.0.0" if form == "sld10" else "1.1.0")
    if len(said) != 1:
        raise NotFound("f", "a QML is the style of one layer; ask for one of them")
    return qml(said[0])


def _drawn(reader: Reader) -> Catalogue:
    """What the reader may see of what has a picture."""
    return Catalogue({layer.name: layer for layer in reader.layers if drawing.drawn(layer)})


def _links(reader: Reader, name: str) -> list[Link]:
    title = reader.choose("Kiểu MapLibre", "MapLibre style")
    here = f"{reader.base}/styles/{name}"
    others = [form for form in ENCODINGS if form != "qml" or name != SHEET]
    return [
        link(here, "stylesheet", STYLE, title),
        *(link(f"{here}?f={form}", "stylesheet", ENCODINGS[form][0], NAMES[form]) for form in others),
    ]
