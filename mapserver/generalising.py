"""Makes the generalised copy of a layer: out of one moment of its rows, beside whoever reads and writes.

The layer is held for as long as its rows are copied, no longer. What is touched while the copy is made stays told of,
so a copy is right from its first moment on. Whatever cuts this short leaves the copy that was there before."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import psycopg
import shapely

from mapserver import generalisation, generalised
from mapserver.generalisation import Ranked
from mapserver.layer import Layer
from mapserver.tables import quoted

REST = 10
"""A copy is not made again before so many times as long have passed as making it took, and LEAST_REST_S."""
LEAST_REST_S = 10.0
Connection = psycopg.Connection[Any]

DUE = f"""
    SELECT coalesce(string_agg(c.relname, ' ' ORDER BY c.relname), '')
    FROM pg_class c
    WHERE c.relnamespace = to_regnamespace('{generalised.SCHEMA}') AND c.relkind = 'r' AND c.relname NOT LIKE '% new'
        AND coalesce(citymap.touched(c.relname::text), 1) > 0
        AND (obj_description(c.oid, 'pg_class')::jsonb ->> 'rests_until')::float8 < extract(epoch FROM now())"""
"""Copies that stand and are due again, in words; another text when one becomes due."""


def due(conn: Connection, layer: Layer) -> bool:
    """Whether rows were touched since the copy was made, and it has rested; or rows have none of this kind yet."""
    if layer.tiles.generalise is None:
        return False
    about = _about(conn, layer)
    if about is None:
        return conn.execute(f"SELECT EXISTS (SELECT FROM {layer.table})".encode()).fetchone() == (True,)
    if about["mark"] != generalised.mark(layer):
        return True
    row = conn.execute("SELECT citymap.touched(%s)", (layer.name,)).fetchone()
    return row != (0,) and float(about["rests_until"]) < time.time()


def rebuild(conn: Connection, layer: Layer) -> str:
    """Makes the copy anew; what there is to say of it. conn: in autocommit mode, acting as the owner of the layers."""
    began = time.time()
    moment = _copied(conn, layer)
    try:
        with conn.transaction():
            conn.execute("SET LOCAL lock_timeout = '10s'")
            rows = _made(conn, layer)
            _stands(conn, layer, moment, time.time() - began)
    finally:
        conn.execute(f"DROP TABLE IF EXISTS {_staged(layer)}, {_staged(layer, 'shapes')}".encode())
    return f"{layer.name} is generalised for its low zooms: {rows:,} shapes in {time.time() - began:.1f} s"


def drop(conn: Connection, layer: Layer) -> None:
    """Throws the copy away; tiles come from the layer then."""
    conn.execute(f"DROP TABLE IF EXISTS {generalised.table(layer)}".encode())


def _about(conn: Connection, layer: Layer) -> dict[str, Any] | None:
    """What the copy says of itself; None when there is none."""
    query = "SELECT obj_description(to_regclass(%s), 'pg_class')"
    row = conn.execute(query, (generalised.table(layer),)).fetchone()
    return dict(json.loads(row[0])) if row and row[0] else None


def _staged(layer: Layer, what: str = "rows") -> str:
    return f"staging.{quoted(f'{layer.name} {what}')}"


def _new(layer: Layer) -> str:
    return f"{generalised.SCHEMA}.{quoted(f'{layer.name} new')}"


def _names(layer: Layer, prefix: str = "") -> list[str]:
    return [f"{prefix}{quoted(column.name)}" for column in generalised.columns(layer)]


def _copied(conn: Connection, layer: Layer) -> str:
    """Copies the rows of one moment; that moment, as a snapshot of PostgreSQL."""
    conn.execute(f"DROP TABLE IF EXISTS {_staged(layer)}".encode())
    columns = ", ".join(["id", *_names(layer)])
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        # before the moment is chosen: a load that has just put another table there would look empty from before it
        conn.execute(f"LOCK TABLE {layer.table} IN ACCESS SHARE MODE".encode())
        conn.execute(
            f"CREATE UNLOGGED TABLE {_staged(layer)} AS"
            f" SELECT {columns}, ST_Transform(geom, 3857) AS geom FROM {layer.table}".encode()
        )
        row = conn.execute("SELECT pg_current_snapshot()::text").fetchone()
    return str(row[0]) if row else ""


def _made(conn: Connection, layer: Layer) -> int:
    """The new copy, filled and indexed; its rows."""
    kind, new = layer.tiles.generalise, _new(layer)
    conn.execute(f"DROP TABLE IF EXISTS {new}".encode())
    number = ", 1::bigint AS point_count, 0::bigint AS cx, 0::bigint AS cy" if kind == "clusters" else ""
    conn.execute(
        f"CREATE TABLE {new} AS SELECT 0::smallint AS zoom, *{number} FROM {_staged(layer)} WITH NO DATA".encode()
    )
    {"shapes": _shapes, "best": _best, "clusters": _clusters}[kind or "shapes"](conn, layer)
    for zoom in layer.tiles.generalised_zooms:
        conn.execute(f"CREATE INDEX ON {new} USING gist (geom) WHERE zoom = {zoom}".encode())
    conn.execute(f"ANALYZE {new}".encode())
    row = conn.execute(f"SELECT count(*) FROM {new}".encode()).fetchone()
    return int(row[0]) if row else 0


def _stands(conn: Connection, layer: Layer, moment: str, seconds: float) -> None:
    """The new copy takes the place of the old one, and what it was made of is touched no more."""
    until = time.time() + max(LEAST_REST_S, REST * seconds)
    about = json.dumps({"mark": generalised.mark(layer), "seconds": round(seconds, 2), "rests_until": until})
    further = ("zoom", "geom", *((generalised.COUNT, "cx", "cy") if layer.tiles.generalise == "clusters" else ()))
    for statement in (
        f"DROP TABLE IF EXISTS {generalised.table(layer)}",
        f"ALTER TABLE {_new(layer)} RENAME TO {quoted(layer.name)}",
        f"COMMENT ON TABLE {generalised.table(layer)} IS '{about}'",
        *generalised.grants(layer, generalised.table(layer), further),
    ):
        conn.execute(statement.encode())
    # what seems to be of the future was restored from another cluster, with its transaction's number there
    conn.execute(
        f"DELETE FROM {generalised.touched(layer)} WHERE pg_visible_in_snapshot(xid, %s::pg_snapshot)"
        " OR xid >= pg_snapshot_xmax(pg_current_snapshot())".encode(),
        (moment,),
    )


def _best(conn: Connection, layer: Layer) -> None:
    """Of the points in a square the one with the highest rank: what is seen at a zoom is seen at every finer one."""
    columns = ", ".join(["id", *_names(layer), "geom"])
    rank = f"{quoted(layer.tiles.rank)} DESC NULLS LAST, " if layer.tiles.rank else ""
    finer = f"{_staged(layer)} AS s"
    for zoom in reversed(layer.tiles.generalised_zooms):
        cell = ", ".join(generalised.square(zoom, generalised.BEST))
        conn.execute(
            f"INSERT INTO {_new(layer)} (zoom, {columns}) SELECT {zoom}, {columns} FROM ("
            f" SELECT DISTINCT ON ({cell}) * FROM {finer} ORDER BY {cell}, {rank}id) AS best ORDER BY geom".encode()
        )
        finer = f"{_new(layer)} AS s WHERE zoom = {zoom}"


def _clusters(conn: Connection, layer: Layer) -> None:
    """The points of a square as one, in their middle; one that is alone there stays itself, attributes and all."""
    columns = _names(layer)
    own = "".join(f", CASE WHEN n = 1 THEN s.{name} END" for name in columns)
    for zoom in reversed(layer.tiles.generalised_zooms):
        conn.execute(
            f"INSERT INTO {_new(layer)} (zoom, id{''.join(f', {name}' for name in columns)}, geom, point_count, cx, cy)"
            f" SELECT {zoom}, CASE WHEN n = 1 THEN s.id ELSE -s.id END{own},"
            f" CASE WHEN n = 1 THEN s.geom ELSE ST_SetSRID(ST_MakePoint(x, y), 3857) END, n, cx, cy"
            f" FROM ({_gathered(layer, zoom)}) AS cluster JOIN {_staged(layer)} AS s USING (id) ORDER BY 3".encode()
        )


def _gathered(layer: Layer, zoom: int) -> str:
    """SQL of the clusters of a zoom (cx, cy, id, n, x, y): out of points, or out of the clusters of the finer zoom."""
    if zoom == layer.tiles.generalised_zooms[-1]:
        cx, cy = generalised.square(zoom, generalised.CLUSTERS)
        points = f"SELECT {cx} AS cx, {cy} AS cy, id, 1::bigint AS point_count, geom FROM {_staged(layer)}"
    else:
        points = f"SELECT cx >> 1 AS cx, cy >> 1 AS cy, abs(id) AS id, point_count, geom FROM {_new(layer)}"
        points += f" WHERE zoom = {zoom + 1}"
    mean = "sum(ST_{}(geom) * point_count) / sum(point_count) AS {}"
    return (
        f"SELECT cx, cy, min(id) AS id, sum(point_count)::bigint AS n, {mean.format('X', 'x')}, {mean.format('Y', 'y')}"
        f" FROM ({points}) AS finer GROUP BY cx, cy"
    )


def _shapes(conn: Connection, layer: Layer) -> None:
    """Lines and areas, simplified from zoom to zoom, the best of them where they are too many."""
    these = _ranked(conn, layer)
    shapes = _staged(layer, "shapes")
    conn.execute(f"DROP TABLE IF EXISTS {shapes}".encode())
    conn.execute(f"CREATE UNLOGGED TABLE {shapes} (zoom smallint, id bigint, geom geometry)".encode())
    for zoom in reversed(layer.tiles.generalised_zooms):
        these = Ranked(these.ids, these.ranks, generalisation.simplified(these.shapes, zoom))
        count = generalisation.kept(these, zoom)
        these = Ranked(these.ids[:count], these.ranks[:count], these.shapes[:count])
        _sent(conn, shapes, zoom, these)
    columns = _names(layer)
    conn.execute(
        f"INSERT INTO {_new(layer)} (zoom, id{''.join(f', {name}' for name in columns)}, geom)"
        f" SELECT f.zoom, s.id{''.join(f', s.{name}' for name in columns)}, f.geom"
        f" FROM {shapes} AS f JOIN {_staged(layer)} AS s USING (id) ORDER BY f.zoom, f.geom".encode()
    )


def _ranked(conn: Connection, layer: Layer) -> Ranked:
    rank = f"{quoted(layer.tiles.rank)}::float8" if layer.tiles.rank else "NULL::float8"
    query = f"SELECT id, {rank}, ST_AsBinary(geom) FROM {_staged(layer)}"
    rows = conn.cursor(binary=True).execute(query.encode()).fetchall()
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    ranks = np.array([np.nan if row[1] is None else row[1] for row in rows], dtype=np.float64)
    return generalisation.ranked(ids, ranks, np.asarray(shapely.from_wkb([row[2] for row in rows]), dtype=object))


def _sent(conn: Connection, table: str, zoom: int, these: Ranked) -> None:
    there = ~shapely.is_empty(these.shapes)
    hexes = shapely.to_wkb(shapely.set_srid(these.shapes[there], 3857), hex=True, include_srid=True)
    ids = these.ids[there].tolist()
    with conn.cursor().copy(f"COPY {table} (zoom, id, geom) FROM STDIN".encode()) as copy:
        copy.write("".join(f"{zoom}\t{number}\t{shape}\n" for number, shape in zip(ids, hexes, strict=True)))
