"""The area versions of a database as one value, `Areas`, and the account of what was done to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import psycopg

from mapserver.areas import Areas, areas_of
from mapserver.query import ANYONE
from mapserver.statements import Statement
from mapserver.store import Store

VERSION = Statement("SELECT coalesce(max(id), 0)::text FROM citymap.area_change")
"""One row (number that grows with every change)."""
BOOK = Statement("""
    SELECT json_build_object(
        'version', (SELECT coalesce(max(id), 0) FROM citymap.area_change),
        'areas', (
            SELECT coalesce(json_agg(json_build_object(
                'uid', uid, 'code', code, 'name', name, 'name_en', name_en, 'kind', kind, 'level', level,
                'parent', parent, 'parent_name', parent_name, 'valid_from', valid_from, 'valid_to', valid_to,
                'legal_basis', legal_basis, 'geometry_status', geometry_status, 'geometry_source', geometry_source
            ) ORDER BY uid), '[]')
            FROM citymap.area),
        'links', (
            SELECT coalesce(json_agg(json_build_array(from_uid, to_uid, kind, unchanged, main, clause)
                ORDER BY from_uid, to_uid), '[]')
            FROM citymap.area_link),
        'weights', (
            SELECT coalesce(json_agg(json_build_array(from_uid, to_uid, kind, measured, data_version)), '[]')
            FROM citymap.area_weight)
    )::text
""")
"""One row: everything but the outlines, as JSON for `areas_of`."""


OUTLINES = (
    "SELECT uid::text, ST_AsGeoJSON(geometry, 7) FROM citymap.area"
    " WHERE uid = ANY ($1::bigint[]) AND geometry IS NOT NULL"
)
HOLDING = """
    SELECT uid::text
    FROM citymap.area
    WHERE ST_Intersects(geometry, ST_SetSRID(ST_MakePoint($1::float8, $2::float8), 4326))
    AND (valid_from IS NULL OR valid_from <= $3::date)
    AND (valid_to IS NULL OR valid_to > $3::date)
    ORDER BY level, code"""


def areas_in(conn: psycopg.Connection[Any]) -> Areas:
    """The areas of a database."""
    row = conn.execute(BOOK.sql.encode()).fetchone()
    return areas_of(json.loads(row[0])) if row else areas_of({"version": 0, "areas": [], "links": [], "weights": []})


def noted(conn: psycopg.Connection[Any], what: str, source: str, who: str, **notes: object) -> int:
    """Writes down a change; gives its number, the areas' new version."""
    row = conn.execute(
        "INSERT INTO citymap.area_change (what, source, checksum, who, notes) VALUES (%s, %s, %s, %s, %s) RETURNING id",
        (what, source, notes.pop("checksum", None), who, json.dumps(notes, ensure_ascii=False)),
    ).fetchone()
    return int(row[0]) if row else 0


def latest(conn: psycopg.Connection[Any], what: str) -> Mapping[str, Any]:
    """What was noted with the newest change of a kind; nothing when there was none."""
    row = conn.execute(
        "SELECT notes FROM citymap.area_change WHERE what = %s ORDER BY id DESC LIMIT 1", (what,)
    ).fetchone()
    return row[0] if row else {}


class Books:
    """The areas of one worker's database, read again when their version is another one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: Areas | None = None

    async def areas(self) -> Areas:
        """The areas as they stand now."""
        version = int((await self._store.fetch(ANYONE, VERSION)).value() or 0)
        if self._kept is None or self._kept.version != version:
            raw = (await self._store.fetch(ANYONE, BOOK)).value() or b"{}"
            self._kept = areas_of(json.loads(raw))
        return self._kept

    async def outlines(self, uids: Iterable[int]) -> dict[int, str]:
        """Outlines as GeoJSON text, by uid; units without one are left out."""
        wanted = "{" + ",".join(map(str, sorted(set(uids)))) + "}"
        rows = await self._store.fetch(ANYONE, Statement(OUTLINES, (wanted.encode(),)))
        return {int(uid or 0): (shape or b"").decode() for uid, shape in rows}

    async def holding(self, lon: float, lat: float, day: date) -> list[int]:
        """Units that held a place on a day, the lowest code first: several on a shared border."""
        arguments = (repr(lon).encode(), repr(lat).encode(), day.isoformat().encode())
        return [int(uid or 0) for (uid,) in await self._store.fetch(ANYONE, Statement(HOLDING, arguments))]
