"""pygeoapi's provider plugins: features out of our store, coverages with the band names of the catalogue.

pygeoapi calls a provider in a worker thread with its own idea of the question; the question that was checked at our
door travels beside it, in ASKED, and that one is asked. So a page cannot differ from the same page as GeoJSON."""

from __future__ import annotations

import asyncio
import json
import math
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from pygeoapi.provider.base import BaseProvider, ProviderConnectionError, ProviderItemNotFoundError
from pygeoapi.provider.rasterio_ import RasterioProvider

from mapserver import statements
from mapserver.query import Caller, ItemQuery, ItemsQuery
from mapserver.store import Rows, Store


@dataclass(frozen=True, slots=True)
class Asked:
    """The question behind a call of pygeoapi, who asks it, and what a template should know besides the answer."""

    store: Store
    caller: Caller
    question: ItemsQuery | ItemQuery
    loop: asyncio.AbstractEventLoop
    """The loop that the store lives in."""
    page: dict[str, Any] = field(default_factory=dict)


ASKED: ContextVar[Asked] = ContextVar("asked")


class LayerProvider(BaseProvider):  # type: ignore[misc]
    """Features of one layer, read through the store with the caller's rights."""

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self.get_fields()

    def get_fields(self) -> dict[str, dict[str, str]]:
        """Nothing: filters and sorting are checked and asked by our own door."""
        self._fields: dict[str, dict[str, str]] = {}
        return self._fields

    def query(self, **_: Any) -> dict[str, Any]:
        """The page of features that was asked for, as GeoJSON."""
        asked = _asked()
        if not isinstance(asked.question, ItemsQuery):
            raise ProviderConnectionError("a page was expected")
        rows = _rows(asked, statements.items(asked.question, asked.caller))
        return {"type": "FeatureCollection", **collection(asked.question, rows), "page": asked.page}

    def get(self, identifier: str, **_: Any) -> dict[str, Any]:
        """One feature. Raises pygeoapi's own error when there is none."""
        asked = _asked()
        if not isinstance(asked.question, ItemQuery):
            raise ProviderConnectionError("one feature was expected")
        rows = _rows(asked, statements.item(asked.question, asked.caller))
        if not len(rows):
            raise ProviderItemNotFoundError(f"there is no feature {identifier}")
        feature: dict[str, Any] = json.loads(rows.value() or b"")
        before, after = next(iter(_rows(asked, statements.neighbours(asked.question))))
        turns = {"prev": before, "next": after}
        return feature | {"page": asked.page} | {name: int(at) for name, at in turns.items() if at}


def collection(query: ItemsQuery, rows: Rows) -> dict[str, Any]:
    """Features of a page in its order, the places of its first and last, and whether more lie before and after."""
    kept = list(rows)[: query.limit]
    backward = query.cursor is not None and query.cursor.backward
    if backward:
        kept.reverse()
    more = len(rows) > query.limit
    came = query.cursor is not None or query.offset > 0
    return {
        "features": [json.loads(feature or b"") for feature, _ in kept],
        "places": [json.loads(place or b"") for _, place in (kept[:1] + kept[-1:])],
        "before": bool(kept) and (more if backward else came),
        "after": bool(kept) and (True if backward else more),
    }


def _asked() -> Asked:
    try:
        return ASKED.get()
    except LookupError as error:
        raise ProviderConnectionError("this provider answers inside the CityMap server only") from error


def _rows(asked: Asked, statement: statements.Statement) -> Rows:
    """Asks the store from a worker thread."""
    return asyncio.run_coroutine_threadsafe(asked.store.fetch(asked.caller, statement), asked.loop).result()


class RasterProvider(RasterioProvider):  # type: ignore[misc]
    """pygeoapi's rasterio provider, its bands called as in the layer file, its axes at the centres of the cells."""

    def __init__(self, provider_def: dict[str, Any]) -> None:
        self.bands: list[dict[str, Any]] = provider_def["bands"]
        super().__init__(provider_def)

    def get_fields(self) -> dict[str, dict[str, Any]]:
        """Bands by their number, as pygeoapi counts them."""
        self._fields = {
            str(number): {"title": band["name"], "type": "number", "x-ogc-unit": band["unit"]}
            for number, band in enumerate(self.bands, 1)
        }
        return self._fields

    def gen_covjson(self, metadata: dict[str, Any], data: Any) -> dict[str, Any]:
        """CoverageJSON of the cells. metadata: rasterio's; data: bands, rows, columns (masked)."""
        cells, width, height = metadata["transform"], metadata["width"], metadata["height"]
        chosen = metadata["bands"] or range(1, len(self.bands) + 1)
        bands = [self.bands[number - 1] for number in chosen]
        axes = {
            "x": {"start": cells.c + cells.a / 2, "stop": cells.c + cells.a * (width - 0.5), "num": width},
            "y": {"start": cells.f + cells.e / 2, "stop": cells.f + cells.e * (height - 0.5), "num": height},
        }
        system = {"type": self._coverage_properties["crs_type"], "id": self._coverage_properties["bbox_crs"]}
        return {
            "type": "Coverage",
            "domain": {
                "type": "Domain",
                "domainType": "Grid",
                "axes": axes,
                "referencing": [{"coordinates": ["x", "y"], "system": system}],
            },
            "parameters": {band["name"]: _parameter(band) for band in bands},
            "ranges": {band["name"]: _range(cells, width, height) for band, cells in zip(bands, data, strict=False)},
        }


def _parameter(band: dict[str, Any]) -> dict[str, Any]:
    label = {"vi": band["vi"], "en": band["en"]}
    symbol = {"symbol": {"type": "http://www.opengis.net/def/uom/UCUM/", "value": band["unit"]}}
    return {
        "type": "Parameter",
        "description": label,
        **({"unit": symbol} if band["unit"] else {}),
        "observedProperty": {"label": label},
    }


def _range(cells: Any, width: int, height: int) -> dict[str, Any]:
    numbers = [None if v is None or (isinstance(v, float) and math.isnan(v)) else v for v in cells.flatten().tolist()]
    return {
        "type": "NdArray",
        "dataType": "float" if cells.dtype.kind == "f" else "integer",
        "axisNames": ["y", "x"],
        "shape": [height, width],
        "values": numbers,
    }
