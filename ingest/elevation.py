"""Elevation: a Cloud Optimized GeoTIFF out of any GeoTIFF, or made-up land that rises to the north."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from rasterio.io import DatasetReader
from rasterio.transform import from_bounds
from rasterio.vrt import WarpedVRT
from rio_cogeo.cogeo import cog_translate
from rio_cogeo.profiles import cog_profiles

from ingest.city import City
from ingest.city.plane import Array, to_plane
from mapserver.reading import Source

SIZE, NODATA = 1024, -9999.0
HILLS = ((107.11, 10.52, 470, 3200), (107.08, 10.36, 170, 1300), (107.24, 10.43, 320, 2200), (106.62, 8.69, 560, 3000),
         (106.35, 11.36, 260, 4200), (107.40, 10.60, 140, 6000))  # fmt: skip
"""Longitude, latitude, height and half width in metres."""


def read(source: Source, target: Path) -> None:
    """Any GeoTIFF, as a COG: tiled, with overviews, deflated; `--crs` says what the file does not."""
    with rasterio.open(source.path) as data:
        if source.crs is None:
            cog(data, target)
            return
        with WarpedVRT(data, src_crs=source.crs, crs=source.crs) as named:
            cog(named, target)


def demo(city: City, target: Path) -> None:
    """Heights in metres on about 300 m, nothing outside the wards; the same at every scale."""
    west, south, east, north = city.wards.total_bounds
    lon = west + (np.arange(SIZE) + 0.5) * (east - west) / SIZE
    lat = north - (np.arange(SIZE) + 0.5) * (north - south) / SIZE
    xy = to_plane(np.stack(np.meshgrid(lon, lat), axis=-1))
    heights = np.where(city.ground.ward_at(xy) >= 0, _heights(xy), NODATA).astype("float32")
    profile = {"driver": "GTiff", "width": SIZE, "height": SIZE, "count": 1, "dtype": "float32", "crs": "EPSG:4326",
               "transform": from_bounds(west, south, east, north, SIZE, SIZE), "nodata": NODATA}  # fmt: skip
    with TemporaryDirectory(prefix="citymap-") as folder:
        plain = Path(folder) / "elevation.tif"
        with rasterio.open(plain, "w", **profile) as data:
            data.write(heights, 1)
        with rasterio.open(plain) as data:
            cog(data, target)


def cog(data: DatasetReader | WarpedVRT, target: Path) -> None:
    """Writes a raster as a Cloud Optimized GeoTIFF."""
    profile = cog_profiles.get("deflate") | {"blockxsize": 256, "blockysize": 256}
    cog_translate(data, str(target), profile, in_memory=False, quiet=True)


def _heights(xy: Array) -> Array:
    """Flat and low in the south, gentle swells to the north, and the hills."""
    x, y = xy[..., 0], xy[..., 1]
    rise = 34 / (1 + np.exp(-(y - 24_000) / 9_000)) + 26 / (1 + np.exp(-(x + 0.4 * y - 42_000) / 12_000))
    swell = np.sin(x / 2100) * np.cos(y / 2600) + 0.6 * np.sin((x + y) / 900) + 0.3 * np.sin((x - 2 * y) / 410)
    heights = 1.4 + rise * (1 + 0.16 * swell) + 0.5 * swell
    for lon, lat, height, width in HILLS:
        hill = to_plane(np.array([lon, lat]))
        heights += height * np.exp(-((xy - hill) ** 2).sum(axis=-1) / (2 * (width / 1.6) ** 2)) * (1 + 0.12 * swell)
    return np.round(heights, 1)
