"""A raster load: the script writes a file beside the old one, it is looked at, takes its place, and is written down."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import rasterio
from rasterio.errors import RasterioError
from rio_cogeo.cogeo import cog_validate

from mapserver.errors import BadLoad
from mapserver.layer import Layer
from mapserver.loading import Provenance, Report


def load_raster(
    owner_dsn: str, layer: Layer, make: Callable[[Path], object], target: Path, provenance: Provenance
) -> Report:
    """Let `make` write a Cloud Optimized GeoTIFF and put it where the layer's file stands.

    Raises BadLoad when the file is no COG, or has no CRS or other bands than the layer; the old file stays then."""
    began = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    try:
        try:
            make(fresh)
            crs, cells = _looked_at(layer, fresh, provenance.source)
        except (RasterioError, OSError) as error:
            raise BadLoad(provenance.source, f"is not a readable raster: {error}") from error
        number = _logged(owner_dsn, layer, provenance, crs, cells)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return Report(
        layer=layer.name, mode="replace", source=provenance.source, load=number, rows_in=cells, loaded=cells,
        quarantined=0, refusals=(), mended=0, in_no_ward=0, references=(f"{crs}: declared",), notes=(),
        seconds=time.monotonic() - began,
    )  # fmt: skip


def _looked_at(layer: Layer, file: Path, source: str) -> tuple[str, int]:
    """CRS and number of cells of a file that keeps the layer's promises."""
    if not file.exists():
        raise BadLoad(source, f"ingest/{layer.name}.py wrote no file")
    good, faults, _ = cog_validate(str(file), quiet=True)
    if not good:
        raise BadLoad(source, f"did not become a Cloud Optimized GeoTIFF: {'; '.join(faults)}")
    with rasterio.open(file) as data:
        if data.crs is None:
            raise BadLoad(source, "does not say its CRS; name it with --crs")
        if data.count != len(layer.columns):
            named = ", ".join(layer.by_name)
            raise BadLoad(source, f"has {data.count} bands; {layer.name} has {len(layer.columns)}: {named}")
        return str(data.crs.to_string())[:200], data.width * data.height


def _logged(dsn: str, layer: Layer, provenance: Provenance, crs: str, cells: int) -> int:
    with psycopg.connect(dsn) as conn:
        row = conn.execute(
            "INSERT INTO citymap.load (layer, mode, source, checksum, who, synthetic, crs, crs_decided_by,"
            " rows_in, rows_loaded, finished_at) VALUES (%s, 'replace', %s, %s, %s, %s, %s, 'declared', %s, %s, now())"
            " RETURNING id",
            (
                layer.name,
                provenance.source,
                provenance.checksum,
                provenance.who,
                provenance.synthetic,
                crs,
                cells,
                cells,
            ),
        ).fetchone()
    return int(row[0]) if row else 0
