"""The raster files of the data folder, read: what they cover, and pictures and cells out of them.

A raster layer is one Cloud Optimized GeoTIFF, `<data>/rasters/<layer>.tif`. Nothing here knows HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.warp import transform, transform_bounds

from mapserver.errors import NotReady
from mapserver.layer import Layer
from mapserver.settings import Settings

FOLDER = "rasters"


@dataclass(frozen=True, slots=True)
class Grid:
    """What a raster file covers. box: west, south, east, north in degrees; resolution in units of its CRS."""

    box: tuple[float, float, float, float]
    width: int
    height: int
    resolution: tuple[float, float]
    crs: str
    """Authority and code of the file's CRS, such as EPSG:4326."""
    bands: int
    dtype: str
    nodata: float | None


def path(settings: Settings, layer: Layer) -> Path:
    """Where a raster layer's file lies."""
    return settings.data / FOLDER / f"{layer.name}.tif"


def grid(file: Path) -> Grid:
    """What the file covers. Raises NotReady when it is not there yet, or cannot be read."""
    try:
        with rasterio.open(file) as data:
            box = transform_bounds(data.crs, "OGC:CRS84", *data.bounds)
            code = data.crs.to_epsg()
            return Grid(
                box=(box[0], box[1], box[2], box[3]),
                width=data.width,
                height=data.height,
                resolution=(data.res[0], data.res[1]),
                crs=f"EPSG:{code}" if code else data.crs.to_wkt(),
                bands=data.count,
                dtype=data.dtypes[0],
                nodata=data.nodata,
            )
    except RasterioIOError as error:
        raise NotReady(file.stem, "its raster file is not loaded yet") from error


def picture(file: Path, zxy: tuple[int, int, int], colours: tuple[str, ...]) -> bytes | None:
    """A 256 × 256 PNG of the first band in WebMercatorQuad; None where the raster has no cell.

    colours: two or more, `#rrggbb`, from low to high. Raises NotReady when the file cannot be read."""
    from rio_tiler.errors import TileOutsideBounds  # late: it starts in seconds, and a city may have no raster
    from rio_tiler.io import Reader  # as above

    z, x, y = zxy
    try:
        span = stretch(file, file.stat().st_mtime_ns)
        with Reader(str(file)) as source:
            image = source.tile(x, y, z, indexes=1, resampling_method="bilinear")
    except TileOutsideBounds:
        return None
    except (RasterioIOError, OSError) as error:
        raise NotReady(file.stem, "its raster file is not loaded yet") from error
    if not image.mask.any():
        return None
    image.rescale(in_range=(span,))
    png: bytes = image.render(img_format="PNG", colormap=ramp(colours))
    return png


def values(file: Path, point: tuple[float, float]) -> tuple[float, ...] | None:
    """The cells of every band at a longitude and latitude; None where the raster has none.

    Raises NotReady when the file cannot be read."""
    try:
        with rasterio.open(file) as data:
            x, y = transform("OGC:CRS84", data.crs, [point[0]], [point[1]])
            (cells,) = data.sample([(x[0], y[0])], masked=True)
    except (RasterioIOError, OSError) as error:
        raise NotReady(file.stem, "its raster file is not loaded yet") from error
    return None if np.ma.getmaskarray(cells).any() else tuple(float(cell) for cell in cells)


@lru_cache(maxsize=64)
def ramp(colours: tuple[str, ...]) -> dict[int, tuple[int, int, int, int]]:
    """256 colours that run evenly through those given."""
    corners = np.array([[int(colour[place : place + 2], 16) for place in (1, 3, 5)] for colour in colours])
    at = np.linspace(0, len(colours) - 1, 256)
    mixed = [np.interp(at, range(len(colours)), channel).round().astype(int) for channel in corners.T]
    return {step: (int(r), int(g), int(b), 255) for step, (r, g, b) in enumerate(zip(*mixed, strict=True))}


@lru_cache(maxsize=64)
def stretch(file: Path, modified_ns: int) -> tuple[float, float]:
    """The values between which nearly all cells lie (2nd and 98th percentile), kept while the file is the same one."""
    from rio_tiler.io import Reader  # late, as above

    del modified_ns
    with Reader(str(file)) as source:
        band = source.statistics(max_size=512)["b1"]
    low, high = float(band.percentile_2), float(band.percentile_98)
    return (low, high) if low < high else (low, low + 1)
