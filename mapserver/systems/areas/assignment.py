"""Ward codes that stay true: when the wards are others, every layer is assigned anew, beside what readers see.

In batches that are kept, so that a run cut short goes on where it was; then all rows of a layer change in one
transaction. Readers see the old assignment or the new one, never both.

The rule for a place: the ward whose ground or border holds it; on a shared border the lowest code; in a gap between
wards, at sea or beyond the city, none. A feature with an extent is where a point inside it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from mapserver.layer import Layer
from mapserver.tables import literal, quoted

BATCH = 20_000
NEAR_DEGREES = 0.0005
"""About 50 m: nearer to a ward than this, a place outside of all lies in a gap between them."""
Progress = Callable[[str, int, int], None]
Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Moved:
    """What a reassignment did. border, gap, outside: features decided by the rule; moved: in another ward now."""

    layer: str
    features: int
    moved: int
    border: int
    gap: int
    outside: int


def carries_ward(layers: Iterable[Layer]) -> list[Layer]:
    """The layers whose features carry their ward."""
    return [layer for layer in layers if layer.ward and layer.origin == "ingest"]


def wards_load(conn: Connection) -> int | None:
    """The number of the load that the wards are of; None when they were never loaded."""
    row = conn.execute("SELECT max(id) FROM citymap.load WHERE layer = 'wards' AND finished_at IS NOT NULL").fetchone()
    return row[0] if row else None


def assigned(conn: Connection, layer: Layer, number: int | None) -> None:
    """Writes down that all ward codes of a layer are of the wards of this load."""
    conn.execute(
        "INSERT INTO citymap.ward_assignment (layer, wards_load) VALUES (%s, %s) ON CONFLICT (layer) DO UPDATE"
        " SET wards_load = excluded.wards_load, assigned_at = now(), next_load = NULL, cursor = 0",
        (layer.name, number),
    )


def pending(conn: Connection, layers: Iterable[Layer]) -> list[Layer]:
    """Layers with features whose ward codes are of wards that stand no more."""
    now = wards_load(conn)
    if now is None:
        return []
    known = dict(conn.execute("SELECT layer, wards_load FROM citymap.ward_assignment").fetchall())
    return [layer for layer in carries_ward(layers) if known.get(layer.name, -1) != now and _filled(conn, layer)]


def reassign_pending(conn: Connection, layers: Iterable[Layer], progress: Progress | None = None) -> list[Moved]:
    """Assigns every pending layer anew; a second run at the same time leaves a layer to the first.

    conn: with autocommit, for each step is a transaction of its own."""
    done = [_reassigned(conn, layer, progress) for layer in pending(conn, layers)]
    return [moved for moved in done if moved is not None]


def _reassigned(conn: Connection, layer: Layer, progress: Progress | None) -> Moved | None:
    got = conn.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 1))", (f"wards of {layer.name}",)).fetchone()
    if got != (True,):
        return None
    try:
        _begun(conn, layer)
        while _batch(conn, layer, progress):
            pass
        return _switched(conn, layer)
    finally:
        conn.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 1))", (f"wards of {layer.name}",))


def _stage(layer: Layer) -> str:
    return f"staging.{quoted(f'{layer.name} wards')}"


def _filled(conn: Connection, layer: Layer) -> bool:
    return conn.execute(f"SELECT EXISTS (SELECT FROM {layer.table})".encode()).fetchone() == (True,)


def _begun(conn: Connection, layer: Layer) -> None:
    """A run onto the newest wards: one that was cut short is gone on with, one onto older wards is thrown away."""
    with conn.transaction():
        now = wards_load(conn)
        _pieces(conn, now)
        row = conn.execute("SELECT next_load FROM citymap.ward_assignment WHERE layer = %s", (layer.name,)).fetchone()
        there = conn.execute("SELECT to_regclass(%s)", (_stage(layer),)).fetchone()
        if row == (now,) and there != (None,):
            return
        conn.execute(f"DROP TABLE IF EXISTS {_stage(layer)}".encode())
        made = f'CREATE TABLE {_stage(layer)} (id bigint PRIMARY KEY, code text COLLATE "C", held int, stamp text)'
        conn.execute(made.encode())
        conn.execute(
            "INSERT INTO citymap.ward_assignment (layer, next_load) VALUES (%s, %s)"
            " ON CONFLICT (layer) DO UPDATE SET next_load = excluded.next_load, cursor = 0",
            (layer.name, now),
        )


def _pieces(conn: Connection, number: int | None) -> None:
    """The wards in small pieces, for PostGIS looks at every corner of a ward for every point."""
    said = conn.execute("SELECT obj_description(to_regclass('staging.ward_piece'))").fetchone()
    if said == (f"wards of load {number}",):
        return
    conn.execute("DROP TABLE IF EXISTS staging.ward_piece")
    conn.execute("CREATE TABLE staging.ward_piece AS SELECT code, ST_Subdivide(geom, 64) AS geom FROM layers.wards")
    conn.execute("CREATE INDEX ON staging.ward_piece USING gist (geom)")
    conn.execute(f"COMMENT ON TABLE staging.ward_piece IS {literal(f'wards of load {number}')}".encode())
    conn.execute("ANALYZE staging.ward_piece")


def _held(layer: Layer, features: str) -> str:
    """For a query for `id`, `geom` and `stamp`: the ward of each, and how many wards hold it."""
    place = "geom" if layer.geometry == "Point" else "ST_PointOnSurface(geom)"
    return f"""
        SELECT f.id, min(p.code) AS code, count(DISTINCT p.code)::int AS held, f.stamp
        FROM (SELECT id, {place} AS place, stamp FROM ({features}) AS features) AS f
        LEFT JOIN staging.ward_piece AS p ON ST_Intersects(p.geom, f.place)
        GROUP BY f.id, f.stamp"""


def _batch(conn: Connection, layer: Layer, progress: Progress | None) -> bool:
    """The next features, assigned beside; whether there were any."""
    with conn.transaction():
        conn.execute("SET LOCAL enable_seqscan = off")
        following = f"""
            SELECT id, geom, xmin::text AS stamp
            FROM {layer.table}
            WHERE id > (SELECT cursor FROM citymap.ward_assignment WHERE layer = {literal(layer.name)})
            ORDER BY id
            LIMIT {BATCH}"""
        added = _staged(conn, layer, following)
        if added:
            last = f"UPDATE citymap.ward_assignment SET cursor = (SELECT max(id) FROM {_stage(layer)}) WHERE layer = %s"
            conn.execute(last.encode(), (layer.name,))
    if added and progress:
        row = conn.execute(
            f"SELECT (SELECT count(*) FROM {_stage(layer)}), (SELECT count(*) FROM {layer.table})".encode()
        )
        progress(layer.name, *(row.fetchone() or (0, 0)))
    return added > 0


def _staged(conn: Connection, layer: Layer, features: str) -> int:
    """Assigns the features of a query beside the layer; how many there were."""
    added = f"""
        INSERT INTO {_stage(layer)} (id, code, held, stamp)
        {_held(layer, features)}
        ON CONFLICT (id) DO UPDATE
        SET code = excluded.code, held = excluded.held, stamp = excluded.stamp"""
    return conn.execute(added.encode()).rowcount


def _switched(conn: Connection, layer: Layer) -> Moved | None:
    """All features change to their new ward at once; those that were written meanwhile are looked at again.

    None when the wards were changed once more: the layer is still pending, onto those."""
    stage = _stage(layer)
    with conn.transaction():
        conn.execute(f"LOCK TABLE {layer.table} IN SHARE ROW EXCLUSIVE MODE".encode())
        row = conn.execute("SELECT next_load FROM citymap.ward_assignment WHERE layer = %s", (layer.name,)).fetchone()
        now = wards_load(conn)
        if row != (now,):
            return None
        written = f"""
            SELECT f.id, f.geom, f.xmin::text AS stamp
            FROM {layer.table} AS f
            LEFT JOIN {stage} AS s ON s.id = f.id AND s.stamp = f.xmin::text
            WHERE s.id IS NULL"""
        _staged(conn, layer, written)
        moved = conn.execute(
            f"""
            UPDATE {layer.table} AS f
            SET ward_code = s.code
            FROM {stage} AS s
            WHERE s.id = f.id AND f.ward_code IS DISTINCT FROM s.code""".encode()
        ).rowcount
        told = Moved(layer.name, *_decided(conn, layer, moved))
        assigned(conn, layer, now)
        conn.execute(
            "UPDATE citymap.ward_assignment SET notes = %s WHERE layer = %s", (json.dumps(asdict(told)), layer.name)
        )
        conn.execute(f"DROP TABLE {stage}".encode())
    return told


def _decided(conn: Connection, layer: Layer, moved: int) -> tuple[int, int, int, int, int]:
    """(features, moved, on a shared border, in a gap, outside)."""
    row = conn.execute(
        f"""
        SELECT count(*), count(*) FILTER (WHERE s.held > 1), count(*) FILTER (WHERE s.held = 0 AND near.gap),
               count(*) FILTER (WHERE s.held = 0 AND NOT near.gap)
        FROM {layer.table} AS f
        JOIN {_stage(layer)} AS s USING (id)
        LEFT JOIN LATERAL (
            SELECT EXISTS (
                SELECT FROM staging.ward_piece AS p WHERE ST_DWithin(p.geom, ST_PointOnSurface(f.geom), {NEAR_DEGREES})
            ) AS gap
        ) AS near ON s.held = 0""".encode()
    ).fetchone()
    features, border, gap, outside = row or (0, 0, 0, 0)
    return features, moved, border, gap, outside
