"""The part of `config/pygeoapi.yml` below `resources:`, rendered from the catalogue, and what a server gives pygeoapi.

The file has two authors and one border. At run time the same functions give pygeoapi live extents, the address of the
request and only the layers that the reader may see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mapserver import raster
from mapserver.catalogue import Catalogue
from mapserver.crs import OFFERED
from mapserver.errors import BadCatalogue
from mapserver.facts import NOTHING, Facts
from mapserver.layer import LANGUAGES, Layer
from mapserver.ogc.documents import CRS84, outward
from mapserver.ogc.house import Reader
from mapserver.settings import Settings

BORDER = "resources:"
NOTICE = "# Rendered by `citymap pygeoapi config` from layers/*.yml; do not edit below this line."
WORLD = (-180.0, -90.0, 180.0, 90.0)
MAX_ITEMS = 20_000
"""Above our own largest page, so that pygeoapi never cuts one."""
_PROVIDERS = "mapserver.ogc.provider."
_TEMPLATES = Path(__file__).parent / "templates"

Config = dict[str, Any]


def rendered(file: Path, catalogue: Catalogue) -> str:
    """The whole file: what stands above the border as it is, what stands below made anew."""
    above, border, _ = file.read_text(encoding="utf-8").partition(f"\n{BORDER}")
    if not border:
        raise BadCatalogue(file.name, f"has no line `{BORDER}`")
    above = above.removesuffix(NOTICE).rstrip("\n")
    below = yaml.safe_dump({"resources": resources(catalogue, NOTHING)}, allow_unicode=True, sort_keys=False, width=120)
    return f"{above}\n\n{NOTICE}\n{below}"


def live(reader: Reader, settings: Settings) -> Config:
    """The configuration that one reader's requests are answered with."""
    whole: Config = yaml.safe_load(reader.identity.file.read_text(encoding="utf-8"))
    whole["server"] |= {
        "url": reader.base,
        "templates": {"path": str(_TEMPLATES)},
        "limits": {"default_items": 10, "max_items": MAX_ITEMS, "on_exceed": "throttle"},
    }
    whole["logging"] = {"level": settings.log.upper()}
    seen = Catalogue({layer.name: layer for layer in reader.layers})
    whole["resources"] = resources(seen, reader.facts, settings)
    return whole


def resources(catalogue: Catalogue, facts: Facts, settings: Settings | None = None) -> Config:
    """One pygeoapi resource for each layer."""
    return {layer.name: _resource(layer, facts, settings) for layer in catalogue}


def _resource(layer: Layer, facts: Facts, settings: Settings | None) -> Config:
    extent = facts.of(layer).extent
    bbox = list(outward(extent.box)) if extent.box else list(WORLD)
    return {
        "type": "collection",
        "title": {language: layer.title[language] for language in LANGUAGES},
        "description": {language: layer.description[language] for language in LANGUAGES},
        "keywords": {language: [layer.theme, layer.owner[language]] for language in LANGUAGES},
        "links": [],
        "extents": {"spatial": {"bbox": bbox, "crs": CRS84}},
        "providers": [_coverage(layer, settings) if layer.origin == "raster" else _features(layer)],
    }


def _features(layer: Layer) -> Config:
    return {
        "type": "feature",
        "name": f"{_PROVIDERS}LayerProvider",
        "data": layer.name,
        "id_field": "id",
        **({"title_field": layer.name_column} if layer.name_column else {}),
        **({"time_field": layer.time} if layer.time else {}),
        "crs": [crs.uri for crs in OFFERED],
        "storage_crs": CRS84,
    }


def _coverage(layer: Layer, settings: Settings | None) -> Config:
    file = raster.path(settings, layer) if settings else f"${{CITYMAP_DATA:-var}}/{raster.FOLDER}/{layer.name}.tif"
    bands = [
        {"name": column.name, "unit": column.unit, **{language: column.title[language] for language in LANGUAGES}}
        for column in layer.columns
    ]
    return {
        "type": "coverage",
        "name": f"{_PROVIDERS}RasterProvider",
        "data": str(file),
        "bands": bands,
        "format": {"name": "GTiff", "mimetype": "image/tiff; application=geotiff"},
    }
