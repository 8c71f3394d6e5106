"""Defects of what stands in the database: links that do not add up, chains with holes, outlines off the ground."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from mapserver.areas import Areas
from mapserver.systems.areas.defects import Defect, Row, of_links

NEITHER = 0.93
"""Share of a unit's ground that must lie in the units it went to."""


def defects(conn: psycopg.Connection[Any], areas: Areas) -> Iterator[Defect]:
    """Every defect of the areas as a whole."""
    yield from _links(areas)
    yield from _dates(areas)
    yield from _ground(conn, areas)


def _links(areas: Areas) -> Iterator[Defect]:
    for day in areas.reforms:
        rows = [
            Row(0, areas.units[link.origin].code, areas.units[link.heir].code, link.whole)
            for link in areas.links
            if areas.units[link.heir].valid_from == day
        ]
        units = areas.units.values()
        yield from of_links(
            rows, (u.code for u in units if u.valid_to == day), (u.code for u in units if u.valid_from == day)
        )


def _dates(areas: Areas) -> Iterator[Defect]:
    for link in areas.links:
        origin, heir = areas.units[link.origin], areas.units[link.heir]
        if origin.valid_to != heir.valid_from:
            message = f"ends on {origin.valid_to}, its heir {heir.code} begins on {heir.valid_from}"
            yield Defect("link", origin.code, message)


def _ground(conn: psycopg.Connection[Any], areas: Areas) -> Iterator[Defect]:
    """Units whose measured ground does not lie in their heirs."""
    rows = conn.execute("""
        SELECT l.from_uid, sum(w.measured), min(ST_Area(a.geometry::geography)) / 1e6
        FROM citymap.area_link AS l
        JOIN citymap.area_weight AS w ON (w.from_uid, w.to_uid) = (l.from_uid, l.to_uid) AND w.kind = 'area'
        JOIN citymap.area AS a ON a.uid = l.from_uid
        GROUP BY 1
        ORDER BY 1""")
    for uid, inside, whole in rows:
        if whole and inside / whole < NEITHER:
            message = f"only {inside / whole:.0%} of its {whole:.2f} km² lie in the units it went to"
            yield Defect("area", areas.units[uid].code, message, "warning")
