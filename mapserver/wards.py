"""The wards of the database as shapes in memory: which one holds a place, and what lies outside the city."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import shapely

from mapserver.layer import Layer
from mapserver.shapes import Array

VIETNAM = (100.0, 7.0, 112.0, 24.0)
"""West, south, east, north: what a ward's outline may not leave."""
MARGIN_KM = 5.0
_KM_PER_DEGREE = 111.32

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Wards:
    """Ward polygons in the order of their codes. box: what counts as the city (the wards' own box and a margin)."""

    codes: Array
    shapes: Array
    box: Box = VIETNAM
    tree: shapely.STRtree | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.codes)

    def holding(self, points: Array) -> Array:
        """Position of the ward that holds each point, -1 where none does; on a shared border the lowest code."""
        found = np.full(len(points), -1, np.int64)
        if self.tree is None or not len(points):
            return found
        at, ward = self.tree.query(points)
        inside = shapely.intersects_xy(self.shapes[ward], shapely.get_x(points[at]), shapely.get_y(points[at]))
        at, ward = at[inside], ward[inside]
        order = np.argsort(-ward, kind="stable")
        found[at[order]] = ward[order]
        return found

    def codes_of(self, found: Array) -> pa.Array:
        """Codes of wards by position; null for -1."""
        return pa.array(self.codes, pa.string()).take(pa.array(found, mask=found < 0))


def wards(codes: list[str], shapes: Array) -> Wards:
    """Wards ready to be asked."""
    if not codes:
        return Wards(np.array([], object), np.array([], object))
    order = np.argsort(np.array(codes, object), kind="stable")
    ordered = np.asarray(shapes, object)[order]
    shapely.prepare(ordered)
    west, south, east, north = shapely.total_bounds(ordered)
    high = MARGIN_KM / _KM_PER_DEGREE
    wide = high / np.cos(np.radians((south + north) / 2))
    box = (float(west - wide), float(south - high), float(east + wide), float(north + high))
    return Wards(np.array(codes, object)[order], ordered, box, shapely.STRtree(ordered))


def wards_in(conn: psycopg.Connection[Any]) -> Wards:
    """The wards of the layer `wards`, or none when it is not there or empty."""
    if conn.execute("SELECT to_regclass('layers.wards') IS NULL").fetchone() == (True,):
        return wards([], np.array([], object))
    rows = conn.execute("SELECT code, ST_AsBinary(geom) FROM layers.wards WHERE geom IS NOT NULL").fetchall()
    return wards([code for code, _ in rows], shapely.from_wkb([bytes(wkb) for _, wkb in rows]))


def reassign(conn: psycopg.Connection[Any], layer: Layer) -> int:
    """Gives the features of a layer the wards that stand in the database now; how many changed.

    In pieces, because PostGIS looks at every corner of a ward for every point; ties as in `Wards.holding`."""
    conn.execute("""
        CREATE TEMP TABLE IF NOT EXISTS ward_piece ON COMMIT DROP AS
        SELECT code, ST_Subdivide(geom, 64) AS geom
        FROM layers.wards""")
    conn.execute("CREATE INDEX IF NOT EXISTS ward_piece_geom_idx ON ward_piece USING gist (geom)")
    changed = conn.execute(
        f"""
        UPDATE {layer.table} AS feature
        SET ward_code = now.code
        FROM (
            SELECT f.id, (
                SELECT min(p.code)
                FROM ward_piece AS p
                WHERE ST_Intersects(p.geom, ST_PointOnSurface(f.geom))
            ) AS code
            FROM {layer.table} AS f
        ) AS now
        WHERE now.id = feature.id
        AND feature.ward_code IS DISTINCT FROM now.code""".encode()
    )
    return changed.rowcount
