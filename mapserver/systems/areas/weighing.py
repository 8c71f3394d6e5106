"""What stands on the ground of every link: addresses, buildings, people, km², out of the layers themselves.

Kept with the version of the data it was measured from; measured again when that is another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import shapely

from mapserver.layer import Layer
from mapserver.shapes import Array
from mapserver.systems.areas.book import noted
from mapserver.systems.areas.defaults import WHO

COUNTED: Mapping[str, str] = {"addresses": "addresses", "buildings": "buildings"}
"""Kind of weight, and the layer whose features are counted."""
BATCH = 200_000
KM2_PER_M2 = 1e-6


@dataclass(frozen=True, slots=True)
class Pieces:
    """The ground of every link that has outlines on both sides: origin ∩ heir, in longitude and latitude."""

    links: tuple[tuple[int, int], ...]
    shapes: Array
    km2: Array


def due(conn: psycopg.Connection[Any], layers: Mapping[str, Layer]) -> dict[str, str]:
    """Kinds of weight that are not measured from the data that stand now, and the version of these data."""
    kept = dict(conn.execute("SELECT kind, min(data_version) FROM citymap.area_weight GROUP BY kind").fetchall())
    wanted = _versions(conn, layers)
    return {kind: version for kind, version in wanted.items() if kept.get(kind) != version}


def measure(
    conn: psycopg.Connection[Any], layers: Mapping[str, Layer], say: Callable[[str], None] = lambda _: None
) -> dict[str, int]:
    """Measures what is due, each kind in one transaction; links measured, by kind."""
    done: dict[str, int] = {}
    todo = due(conn, layers)
    if not todo:
        return done
    pieces = _pieces(conn)
    for kind, version in todo.items():
        say(f"weights by {kind}: {len(pieces.links):,} links")
        amounts = _amounts(conn, kind, pieces, layers)
        with conn.transaction():
            _store(conn, kind, version, amounts)
        done[kind] = len(amounts)
    return done


def _versions(conn: psycopg.Connection[Any], layers: Mapping[str, Layer]) -> dict[str, str]:
    """The version of the data that each kind of weight could be measured from now."""
    outlines = conn.execute(
        "SELECT coalesce(max(id), 0) FROM citymap.area_change WHERE what IN ('default', 'wards', 'boundaries', 'links')"
    ).fetchone()
    loads = dict(
        conn.execute("SELECT layer, max(id) FROM citymap.load WHERE finished_at IS NOT NULL GROUP BY layer").fetchall()
    )
    any_outline = conn.execute("SELECT EXISTS (SELECT FROM citymap.area WHERE geometry IS NOT NULL)").fetchone()
    if outlines is None or any_outline != (True,):
        return {}
    version = f"outlines {outlines[0]}"
    found = {"area": version}
    for kind, layer in COUNTED.items():
        if layer in loads and layer in layers:
            found[kind] = f"{version}, {layer} load {loads[layer]}"
    people = conn.execute("SELECT EXISTS (SELECT FROM citymap.area WHERE population > 0)").fetchone()
    return found | ({"population": version} if people == (True,) else {})


def _pieces(conn: psycopg.Connection[Any]) -> Pieces:
    rows = conn.execute("""
        SELECT l.from_uid, l.to_uid, ST_AsBinary(p.geom), ST_Area(p.geom::geography)
        FROM citymap.area_link AS l
        JOIN citymap.area AS origin ON origin.uid = l.from_uid
        JOIN citymap.area AS heir ON heir.uid = l.to_uid
        CROSS JOIN LATERAL (SELECT ST_Intersection(origin.geometry, heir.geometry) AS geom) AS p
        WHERE p.geom IS NOT NULL""").fetchall()
    shapes = shapely.from_wkb([bytes(row[2]) for row in rows])
    return Pieces(
        tuple((origin, heir) for origin, heir, *_ in rows),
        np.asarray(shapes, object),
        np.array([row[3] for row in rows], float) * KM2_PER_M2,
    )


def _amounts(
    conn: psycopg.Connection[Any], kind: str, pieces: Pieces, layers: Mapping[str, Layer]
) -> dict[tuple[int, int], float]:
    match kind:
        case "area":
            amounts = pieces.km2
        case "population":
            return _people(conn, pieces)
        case _:
            amounts = _counted(conn, layers[COUNTED[kind]], pieces)
    return {link: float(amount) for link, amount in zip(pieces.links, amounts, strict=True)}


def _counted(conn: psycopg.Connection[Any], layer: Layer, pieces: Pieces) -> Array:
    """How many features of a layer stand on each piece; on a border between two they count for both."""
    counts = np.zeros(len(pieces.links), np.int64)
    if not len(pieces.links):
        return counts
    shapely.prepare(pieces.shapes)
    tree = shapely.STRtree(pieces.shapes)
    place = "geom" if layer.geometry == "Point" else "ST_PointOnSurface(geom)"
    with conn.transaction(), conn.cursor(name="counted", binary=True) as cursor:
        cursor.execute(f"SELECT ST_X(p), ST_Y(p) FROM (SELECT {place} AS p FROM {layer.table}) AS places".encode())
        while rows := cursor.fetchmany(BATCH):
            points = shapely.points(np.array(rows, float))
            _, piece = tree.query(points, predicate="intersects")
            counts += np.bincount(piece, minlength=len(counts))
    return counts


def _people(conn: psycopg.Connection[Any], pieces: Pieces) -> dict[tuple[int, int], float]:
    """Population of each heir, spread evenly over its ground; only where all heirs of an origin have one."""
    people = dict(conn.execute("SELECT uid, population FROM citymap.area WHERE population IS NOT NULL").fetchall())
    ground: dict[int, float] = {}
    for (_, heir), km2 in zip(pieces.links, pieces.km2, strict=True):
        ground[heir] = ground.get(heir, 0.0) + float(km2)
    return {
        (origin, heir): people[heir] * float(km2) / ground[heir]
        for (origin, heir), km2 in zip(pieces.links, pieces.km2, strict=True)
        if heir in people and ground[heir] > 0
    }


def _store(conn: psycopg.Connection[Any], kind: str, version: str, amounts: dict[tuple[int, int], float]) -> None:
    conn.execute("DELETE FROM citymap.area_weight WHERE kind = %s", (kind,))
    into = "COPY citymap.area_weight (from_uid, to_uid, kind, measured, data_version) FROM STDIN"
    with conn.cursor() as cursor, cursor.copy(into) as copy:
        for (origin, heir), amount in amounts.items():
            copy.write_row((origin, heir, kind, amount, version))
    noted(conn, "weights", version, WHO, kind=kind, links=len(amounts))
