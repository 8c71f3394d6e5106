"""Counts by place on the boundaries of earlier days: built once for each layer, then kept by its triggers.

Built again when outlines change, or when a load changed many rows; until then answers are re-aggregated, and say so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import psycopg

from mapserver import tallies
from mapserver.areas import Areas
from mapserver.catalogue import Catalogue
from mapserver.layer import Layer
from mapserver.tables import literal

MOST_ROWS = 1_000_000
"""Rows up to which a layer is counted by place of itself; looking one up takes PostGIS about 20 µs."""
Connection = psycopg.Connection[Any]


def past_days(areas: Areas) -> list[date]:
    """The last day of each boundaries before today's."""
    return [date.fromordinal(day.toordinal() - 1) for day in areas.reforms]


def due(conn: Connection, layers: Iterable[Layer], areas: Areas) -> list[tuple[str, date]]:
    """Layers and days that want counting."""
    days = past_days(areas)
    return [(layer.name, day) for layer in layers if tallies.counted(layer) for day in days if _due(conn, layer, day)]


def count(conn: Connection, layers: Catalogue, areas: Areas) -> list[tuple[str, date]]:
    """Builds what is due, each layer and day in one transaction; what was built."""
    outlines = _outlines(conn)
    for day in past_days(areas):
        _pieces(conn, day, outlines)
    wanted = due(conn, layers, areas)
    for name, day in wanted:
        _built(conn, layers[name], day, outlines)
    return wanted


def _outlines(conn: Connection) -> int:
    """The change after which outlines were as they are."""
    row = conn.execute(
        "SELECT coalesce(max(id), 0) FROM citymap.area_change WHERE what IN ('wards', 'boundaries')"
    ).fetchone()
    return row[0] if row else 0


def _pieces(conn: Connection, day: date, outlines: int) -> None:
    """The outlines of a day in small pieces, as they are now; counts in older ones are void."""
    with conn.transaction():
        made = f"outlines {outlines}"
        row = conn.execute("SELECT obj_description('citymap.area_piece'::regclass)").fetchone()
        there = conn.execute("SELECT EXISTS (SELECT FROM citymap.area_piece WHERE on_day = %s)", (day,)).fetchone()
        if row == (made,) and there == (True,):
            return
        if row != (made,):
            conn.execute("DELETE FROM citymap.area_count")
            conn.execute("DELETE FROM citymap.ward_tally WHERE on_day IS NOT NULL")
            conn.execute("DELETE FROM citymap.area_piece")
            conn.execute(f"COMMENT ON TABLE citymap.area_piece IS {literal(made)}".encode())
        conn.execute(
            """
            INSERT INTO citymap.area_piece (on_day, code, geom)
            SELECT %s, code, ST_Subdivide(geometry, 64)
            FROM citymap.area
            WHERE (valid_from IS NULL OR valid_from <= %s) AND valid_to > %s AND geometry IS NOT NULL""",
            (day, day, day),
        )


def _due(conn: Connection, layer: Layer, day: date) -> bool:
    held = "EXISTS (SELECT FROM citymap.area_piece WHERE on_day = %(day)s)"
    kept = "EXISTS (SELECT FROM citymap.area_count WHERE layer = %(layer)s AND on_day = %(day)s)"
    rows = "(SELECT sum(amount) FROM citymap.ward_tally WHERE layer = %(layer)s AND measure = '' AND dim = ''"
    rows += " AND grain = 'all'"
    rows += " AND on_day IS NULL)"
    query = f"SELECT {held} AND NOT {kept} AND {rows} BETWEEN 1 AND {MOST_ROWS}"
    return conn.execute(query.encode(), {"layer": layer.name, "day": day}).fetchone() == (True,)


def _built(conn: Connection, layer: Layer, day: date, outlines: int) -> None:
    """Counts a layer while nobody writes it; readers go on."""
    with conn.transaction():
        conn.execute(f"LOCK TABLE {layer.table} IN SHARE MODE".encode())
        conn.execute(tallies.build(layer, f"date {literal(day.isoformat())}").encode())
        conn.execute(
            "INSERT INTO citymap.area_count (layer, on_day, outlines) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (layer.name, day, outlines),
        )


def fold(conn: Connection) -> list[str]:
    """Adds up the rows that changes left, where they are most of a layer's; the layers that were folded."""
    kept = "measure, dim, value, ward, grain, day, level, on_day"
    rows = conn.execute(
        f"SELECT layer FROM citymap.ward_tally GROUP BY layer HAVING count(*) > 2 * count(DISTINCT ({kept}))"
    ).fetchall()
    for (layer,) in rows:
        conn.execute("SELECT citymap.fold_tallies(%s)", (layer,))
    return [layer for (layer,) in rows]
