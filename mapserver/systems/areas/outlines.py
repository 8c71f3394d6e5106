"""Outlines follow the layer `wards`: the units of today take its polygons, and made-up ones are made up anew.

A unit whose outline came with a boundary set is never touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import psycopg
import shapely

from mapserver.scripts import module
from mapserver.systems.areas.book import latest, noted
from mapserver.systems.areas.defaults import SCRIPT, WHO

MADE_UP = "made up"
FOLLOWED = "wards"
"""What a change is called that took the outlines of the layer `wards`."""


def due(conn: psycopg.Connection[Any]) -> int | None:
    """The number of the newest load of `wards`, when the outlines have not followed it yet."""
    row = conn.execute("SELECT max(id) FROM citymap.load WHERE layer = 'wards' AND finished_at IS NOT NULL").fetchone()
    number = row[0] if row else None
    return number if number is not None and latest(conn, FOLLOWED).get("load") != number else None


def follow(conn: psycopg.Connection[Any], layers: Path) -> tuple[str, ...]:
    """Brings the outlines up to the layer `wards`, in one transaction; what there is to say of it."""
    with conn.transaction():
        conn.execute("LOCK TABLE citymap.area IN SHARE ROW EXCLUSIVE MODE")
        number = due(conn)
        if number is None:
            return ()
        taken, unknown = _taken(conn, number)
        made = _made_up(conn, layers) if taken else 0
        noted(conn, FOLLOWED, f"load {number}", WHO, load=number, taken=taken, made_up=made, unknown=unknown)
    return _notes(taken, made, unknown)


def _taken(conn: psycopg.Connection[Any], number: int) -> tuple[int, list[str]]:
    """Units of today whose outline is another one now; codes of wards that no unit of today has."""
    changed = conn.execute("""
        UPDATE citymap.area AS a
        SET geometry = w.geom, population = w.population, geometry_source = %s
        FROM layers.wards AS w
        WHERE w.code = a.code AND a.valid_to IS NULL
        AND (a.geometry_source IS NULL OR starts_with(a.geometry_source, 'layer wards'))""",
        (f"layer wards, load {number}",),
    )  # fmt: skip
    rows = conn.execute("""
        SELECT code FROM layers.wards AS w
        WHERE NOT EXISTS (SELECT FROM citymap.area AS a WHERE a.code = w.code AND a.valid_to IS NULL)
        ORDER BY code""").fetchall()
    return changed.rowcount, [code for (code,) in rows]


def _made_up(conn: psycopg.Connection[Any], layers: Path) -> int:
    """Units before the last reform that have no outline of their own get one from the city's script."""
    outlines = getattr(module(layers, SCRIPT), "outlines", None)
    if outlines is None:
        return 0
    made = outlines(_wards(conn))
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            UPDATE citymap.area AS a
            SET geometry = ST_Multi(ST_SetSRID(%s::geometry, 4326)), geometry_source = %s
            WHERE a.code = %s AND (a.geometry IS NULL OR a.geometry_source = %s)
            AND a.valid_to = (SELECT max(heir.valid_from) FROM citymap.area AS heir WHERE heir.valid_to IS NULL)""",
            [
                (shapely.to_wkb(shape), MADE_UP, code, MADE_UP)
                for code, shape in zip(made["code"], made.geometry, strict=True)
            ],
        )
    return len(made)


def _wards(conn: psycopg.Connection[Any]) -> gpd.GeoDataFrame:
    rows = conn.execute("SELECT code, ST_AsBinary(geom) FROM layers.wards ORDER BY code").fetchall()
    shapes = gpd.GeoSeries.from_wkb([bytes(wkb) for _, wkb in rows], crs=4326)
    return gpd.GeoDataFrame({"code": [code for code, _ in rows]}, geometry=shapes)


def _notes(taken: int, made: int, unknown: list[str]) -> tuple[str, ...]:
    said = [f"{taken} area versions of today took their outlines"] if taken else []
    said += [f"{made} outlines of earlier units were made up inside them"] if made else []
    if unknown:
        shown = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
        said.append(f"{len(unknown)} wards are in no area version of today ({shown}); see `citymap areas load`")
    return tuple(said)
