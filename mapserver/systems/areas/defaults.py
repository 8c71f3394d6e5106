"""What an empty database begins with: the units and links that the city's `ingest/areas.py` gives, if it has one.

Without outlines: those come with the layer `wards`, or with a boundary set. Runs once, when the tables are empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import psycopg
import shapely

from mapserver.scripts import module
from mapserver.systems.areas.book import noted

SCRIPT = "areas"
COLUMNS = (
    "code", "name", "name_en", "kind", "level", "parent", "parent_name", "valid_from", "valid_to", "legal_basis",
    "area_km2_published",
)  # fmt: skip
WHO = "citymap"


def fill(conn: psycopg.Connection[Any], layers: Path) -> None:
    """Fills empty area tables from the city's script. layers: the folder of layer files."""
    if not _untouched(conn) or not (layers.resolve().parent / "ingest" / f"{SCRIPT}.py").exists():
        return
    city = module(layers, SCRIPT)
    with conn.transaction():
        conn.execute("LOCK TABLE citymap.area IN SHARE ROW EXCLUSIVE MODE")
        if _untouched(conn):
            units, links = city.units(), city.links()
            _units(conn, units)
            _links(conn, links)
            noted(conn, "default", f"ingest/{SCRIPT}.py", WHO, areas=len(units), links=len(links))


def _untouched(conn: psycopg.Connection[Any]) -> bool:
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM citymap.area) OR EXISTS (SELECT FROM citymap.area_change)"
    ).fetchone()
    return row == (False,)


def _units(conn: psycopg.Connection[Any], units: gpd.GeoDataFrame) -> None:
    plain = pd.DataFrame(units[list(COLUMNS)]).astype(object)
    plain = plain.where(plain.notna(), None)
    with (
        conn.cursor() as cursor,
        cursor.copy(f"COPY citymap.area ({', '.join(COLUMNS)}, point, box) FROM STDIN") as copy,
    ):
        for values, point, box in zip(plain.itertuples(index=False), units["point"], units["box"], strict=True):
            copy.write_row((*values, _ewkb(point), _ewkb(box)))


def _ewkb(shape: Any) -> str | None:
    if not isinstance(shape, shapely.Geometry):
        return None
    return str(shapely.to_wkb(shapely.set_srid(shape, 4326), hex=True, include_srid=True))


def _links(conn: psycopg.Connection[Any], links: pd.DataFrame) -> None:
    """Links by code: from the unit that ended, to the unit that began, on one and the same day."""
    conn.execute("CREATE TEMP TABLE given_link (from_code text, to_code text, kind text, main boolean) ON COMMIT DROP")
    with conn.cursor() as cursor, cursor.copy("COPY given_link FROM STDIN") as copy:
        for row in links[["from_code", "to_code", "kind", "main"]].itertuples(index=False):
            copy.write_row(row)
    conn.execute("""
        INSERT INTO citymap.area_link (from_uid, to_uid, kind, main, unchanged)
        SELECT origin.uid, heir.uid, g.kind, g.main,
               g.kind = 'whole' AND count(*) OVER (PARTITION BY heir.uid) = 1
        FROM given_link AS g
        JOIN citymap.area AS origin ON origin.code = g.from_code AND origin.valid_to IS NOT NULL
        JOIN citymap.area AS heir ON heir.code = g.to_code AND heir.valid_from = origin.valid_to""")
