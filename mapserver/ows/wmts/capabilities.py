"""GetCapabilities of WMTS 1.0.0."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from mapserver.facts import Facts
from mapserver.identity import Identity
from mapserver.matrices import MATRIX_SETS
from mapserver.ows.wms.asking import WHOLE, Asked, language_of
from mapserver.ows.wms.capabilities import TITLES, entry, root
from mapserver.pictures import MEDIA_TYPES

ENDINGS = tuple((media, form) for media, form in MEDIA_TYPES.items())


def capabilities(asked: Asked, base: str, facts: Facts, identity: Identity) -> bytes:
    """The document: the whole map, then every layer that the caller may see."""
    language = language_of(asked.given)
    layers = [entry(layer, facts.of(layer).extent, "1.1.1", language) for layer in asked.visible]
    whole = root(asked.visible, facts, "1.1.1", language)
    page = _environment().get_template("capabilities.xml").render(
        base=base, service=f"{base}/wmts", identity=identity, language=language, layers=[whole, *layers], whole=WHOLE,
        matrix_sets=tuple(MATRIX_SETS.values()), styles=TITLES[language], formats=tuple(MEDIA_TYPES), endings=ENDINGS,
        sequence=facts.version,
    )  # fmt: skip
    return page.encode()


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
