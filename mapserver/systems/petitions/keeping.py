"""What time alone changes in petitions, and is done behind: late marks, wards as of the report, weekly releases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from mapserver.catalogue import Catalogue
from mapserver.systems.petitions import drawing, public, records
from mapserver.systems.petitions.rules import LAYER, Rules, kept, rules
from mapserver.tallies import CITY_TIME

BATCH = 20_000
Connection = psycopg.Connection[Any]
_REFORMED = """
    SELECT max(valid_from) FROM citymap.area
    WHERE valid_to IS NULL AND level = 'commune' AND valid_from <= current_date"""


def due(conn: Connection, layers: Catalogue) -> list[str]:
    """In words, what is to be done."""
    if not kept(layers):
        return []
    law = rules(layers)
    weeks = public.weeks_due(conn, law, _today(law))
    return [*([f"the release of {len(weeks)} weeks of petitions"] if weeks else []),
            *(["late petitions"] if _late(conn, layers) else []),
            *(["the wards that petitions were reported in"] if _unplaced(conn) else [])]  # fmt: skip


def done(conn: Connection, layers: Catalogue) -> Iterator[str]:
    """Does whatever is due; what there is to say of it."""
    if not kept(layers):
        return
    law = rules(layers)
    if _late(conn, layers):
        marked = conn.execute(drawing.late_now(layers[LAYER]).encode()).rowcount
        yield f"{marked} petitions are late now"
    placed = 0
    while count := _placed(conn):
        placed += count
    if placed:
        yield f"{placed} petitions know the ward that they were reported in"
    if weeks := public.weeks_due(conn, law, _today(law)):
        shown = sum(public.release(conn, law, week) for week in weeks)
        yield f"{len(weeks)} weeks of petitions released in {shown} groups"
    records.fold(conn)


def _today(law: Rules) -> date:
    return law.local(datetime.now(UTC))


def _late(conn: Connection, layers: Catalogue) -> bool:
    table = layers[LAYER].table
    query = f"SELECT EXISTS (SELECT FROM {table} WHERE closed_on IS NULL AND NOT late AND due_on < current_date - 1)"
    return conn.execute(query.encode()).fetchone() == (True,)


def _unplaced(conn: Connection) -> bool:
    query = "SELECT EXISTS (SELECT FROM citymap.petition WHERE reported_ward IS NULL)"
    return conn.execute(query).fetchone() == (True,) and _ready(conn)


def _ready(conn: Connection) -> bool:
    """Whether the outlines of earlier units are there in pieces, where there were earlier units."""
    query = f"SELECT ({_REFORMED}) IS NULL OR EXISTS (SELECT FROM citymap.area_piece)"
    return conn.execute(query.encode()).fetchone() == (True,)


def _placed(conn: Connection) -> int:
    """Gives a batch of petitions the unit of the day they were received; '' for those that lie in none.

    The pieces of earlier units are kept by the last day of their boundaries."""
    if not _unplaced(conn):
        return 0
    day = f"(p.received_at AT TIME ZONE '{CITY_TIME}')::date"
    place = "p.precision <> 'city' AND ST_Intersects(a.geom, p.geom)"
    return conn.execute(
        f"""
        UPDATE citymap.petition AS p
        SET reported_ward = coalesce(CASE WHEN {day} >= coalesce(({_REFORMED}), '-infinity') THEN p.ward_code ELSE (
            SELECT min(a.code) FROM citymap.area_piece AS a
            WHERE a.on_day = (SELECT min(on_day) FROM citymap.area_piece WHERE on_day >= {day}) AND {place}) END, '')
        WHERE p.id IN (SELECT id FROM citymap.petition WHERE reported_ward IS NULL ORDER BY id LIMIT {BATCH})
        """.encode()
    ).rowcount
