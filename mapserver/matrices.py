"""The tile matrix sets a map is cut into: Web Mercator's, and the city's own on its VN-2000 grid.

A matrix set is numbers; the documents about them are made at the doors. Source: OGC 17-083r4."""

from __future__ import annotations

from dataclasses import dataclass

from mapserver.crs import EDGE_OF_WEB_MERCATOR, VN2000, WEB_MERCATOR, Crs

TILE_PX = 256
PIXEL_M = 0.00028
"""The size of a pixel on which OGC's scale denominators are based."""

Edges = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class MatrixSet:
    """A quadtree of square tiles, 256 px wide. left, top: its corner, in `crs`; pixel_m: a pixel at level 0."""

    name: str
    crs: Crs
    left: float
    top: float
    pixel_m: float
    levels: int
    uri: str | None = None
    """Its name in the OGC register, if it stands there."""

    def pixel(self, level: int) -> float:
        """Units of the CRS that a pixel of this level is wide."""
        return float(self.pixel_m / 2**level)

    def scale(self, level: int) -> float:
        """The scale denominator of a level."""
        return self.pixel(level) / PIXEL_M

    def side(self, level: int) -> int:
        """Tiles in a row, and in a column, of this level."""
        return int(2**level)

    def edges(self, level: int, column: int, row: int, across: int = 1) -> Edges:
        """West, south, east, north of a tile, or of a block of `across` tiles each way that begins there."""
        span = TILE_PX * self.pixel(level)
        west, north = self.left + column * span, self.top - row * span
        return west, north - across * span, west + across * span, north


WEB_MERCATOR_QUAD = MatrixSet(
    "WebMercatorQuad",
    WEB_MERCATOR,
    -EDGE_OF_WEB_MERCATOR,
    EDGE_OF_WEB_MERCATOR,
    2 * EDGE_OF_WEB_MERCATOR / TILE_PX,
    21,
    "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad",
)
CITY_QUAD = MatrixSet("HCMCVN2000Quad", VN2000[9210], 500_000.0, 1_300_000.0, 2048.0, 15)
"""From 2048 m a pixel down to 12.5 cm; its one tile of level 0 holds the city and 500 km around."""

MATRIX_SETS = {matrices.name: matrices for matrices in (WEB_MERCATOR_QUAD, CITY_QUAD)}
