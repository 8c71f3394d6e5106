"""Drawn pixels made into a picture: warped into another CRS, laid on a background, cut, encoded. Through GDAL.

Pixels are arrays (4, rows, columns) of red, green, blue and alpha, 8 bits each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import Affine, from_bounds
from rasterio.warp import reproject

from mapserver.mapview import Frame, Shot
from mapserver.rendering.job import Colour, Form, Window

Pixels = NDArray[np.uint8]
TOLERANCE_PX = 0.02
"""How far GDAL's approximated transformation may be off."""
DRIVERS: dict[Form, dict[str, object]] = {
    "png": {"driver": "PNG", "zlevel": 5},
    "jpeg": {"driver": "JPEG", "quality": 88},
    "webp": {"driver": "WEBP", "quality": 88},
}


def warped(pixels: Pixels, shot: Shot, frame: Frame) -> Pixels:
    """A Web Mercator shot in the CRS, at the place and in the size of a frame; transparent where it has nothing."""
    out = np.zeros((4, frame.height, frame.width), np.uint8)
    fine = shot.pixel / shot.ratio
    there = Affine(fine, 0, shot.left, 0, -fine, shot.top)
    here = from_bounds(*frame.edges, frame.width, frame.height)
    try:
        reproject(
            _premultiplied(pixels), out, src_transform=there, src_crs=CRS.from_epsg(3857), dst_transform=here,
            dst_crs=_crs(frame), resampling=Resampling.average if shot.ratio > 1 else Resampling.cubic,
            tolerance=TOLERANCE_PX,
        )  # fmt: skip
    except RasterioError:  # the frame lies where its CRS has no ground
        return np.zeros_like(out)
    return _straight(out)


def encoded(pixels: Pixels, form: Form, background: Colour | None) -> bytes:
    """A picture file. JPEG has no transparency: without a background it stands on white."""
    behind = (255, 255, 255) if form == "jpeg" and background is None else background
    opaque = pixels[3].min() == 255
    bands = pixels[:3] if opaque else pixels if behind is None else _laid_on(pixels, behind)
    about = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": "uint8"}
    with MemoryFile() as memory:
        with memory.open(**DRIVERS[form], **about) as file:
            file.write(bands)
        return bytes(memory.read())


def decoded(png: bytes) -> Pixels:
    """The pixels of a PNG with transparency."""
    with MemoryFile(png) as memory, memory.open() as file:
        return np.asarray(file.read(), np.uint8)


def cut(pixels: Pixels, window: Window) -> Pixels:
    """A piece of a picture."""
    down, across = (slice(at, at + size) for at, size in ((window.top, window.height), (window.left, window.width)))
    return np.ascontiguousarray(pixels[:, down, across])


def blank(width: int, height: int) -> Pixels:
    """A picture of nothing."""
    return np.zeros((4, height, width), np.uint8)


def _crs(frame: Frame) -> CRS:
    return CRS.from_string(frame.crs.proj4 or f"EPSG:{frame.crs.srid}")


def _premultiplied(pixels: Pixels) -> Pixels:
    """Colours weighted by their alpha, so that the colour of what is transparent does not bleed into its neighbours."""
    colours = (pixels[:3].astype(np.uint16) * pixels[3] + 127) // 255
    return np.concatenate([colours.astype(np.uint8), pixels[3:]])


def _straight(pixels: Pixels) -> Pixels:
    alpha = np.maximum(pixels[3].astype(np.uint16), 1)
    colours = np.minimum((pixels[:3].astype(np.uint16) * 255 + alpha // 2) // alpha, 255)
    return np.concatenate([colours.astype(np.uint8), pixels[3:]])


def _laid_on(pixels: Pixels, behind: Colour) -> Pixels:
    alpha = pixels[3].astype(np.uint16)
    under = np.array(behind, np.uint16)[:, None, None]
    mixed = (pixels[:3].astype(np.uint16) * alpha + under * (255 - alpha) + 127) // 255
    return np.asarray(mixed, np.uint8)
