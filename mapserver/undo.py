"""Undoing the last load of a layer: what it replaced stands again, and can be put back in the same way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import psycopg

from mapserver import tables
from mapserver.catalogue import Catalogue
from mapserver.errors import BadLoad
from mapserver.layer import Layer
from mapserver.loading import transaction
from mapserver.standing import STAGING, before, rename, stand
from mapserver.systems.areas.assignment import assigned, wards_load
from mapserver.tables import quoted
from mapserver.wards import reassign

Connection = psycopg.Connection[Any]
_LAST = (
    "SELECT id, mode, source, (notes ->> 'replaces')::bigint FROM citymap.load"
    " WHERE layer = %s AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1"
)
_AGAIN = (
    "INSERT INTO citymap.load (layer, mode, source, checksum, who, synthetic, finished_at, rows_in, rows_loaded,"
    " rows_quarantined, crs, crs_decided_by, notes) SELECT layer, 'undo', source, checksum, %s, synthetic,"
    " clock_timestamp(), rows_in, rows_loaded, rows_quarantined, crs, crs_decided_by, %s"
    " FROM citymap.load WHERE id = %s RETURNING id, source, rows_loaded"
)


@dataclass(frozen=True, slots=True)
class Undone:
    """What stands now. load: its new number; undone: the number of the load that stood before."""

    load: int
    undone: int
    source: str
    rows: int


def undo(owner_dsn: str, catalogue: Catalogue, layer: Layer, who: str, *, dry_run: bool = False) -> Undone:
    """Puts back what the last load of a layer replaced, in one transaction. Raises BadLoad, in words."""
    with transaction(owner_dsn, layer, who, dry_run) as conn:
        last, replaced = _last(conn, layer)
        _same_columns(conn, layer)
        again = f"{layer.name} again"
        rename(conn, STAGING, before(layer), again)
        stand(conn, catalogue, layer, again)
        row = conn.execute(_AGAIN, (who, json.dumps({"undoes": last, "replaces": last}), replaced)).fetchone()
        if row is None:
            raise BadLoad(layer.name, f"load {replaced}, which load {last} replaced, is not known any more")
        for other in _follows(catalogue, layer):
            reassign(conn, other)
            assigned(conn, other, wards_load(conn))
        return Undone(row[0], last, row[1], row[2])


def _follows(catalogue: Catalogue, layer: Layer) -> list[Layer]:
    """The layers whose ward codes must be those of the wards that stand now, before anybody sees them."""
    if layer.name == "wards":
        return [other for other in catalogue.vector if other.ward and other.writable and other.origin == "ingest"]
    return [layer] if layer.ward else []


def _last(conn: Connection, layer: Layer) -> tuple[int, int]:
    """The number of the last load, and of the one that it replaced."""
    row = conn.execute(_LAST, (layer.name,)).fetchone()
    if row is None:
        raise BadLoad(layer.name, "was never loaded; there is nothing to undo")
    number, mode, source, replaced = row
    there = conn.execute("SELECT to_regclass(%s)", (f"{STAGING}.{quoted(before(layer))}",)).fetchone() != (None,)
    if mode not in ("replace", "undo"):
        raise BadLoad(layer.name, f"its last load ({number}, {source}) was an {mode}; only a replace can be undone")
    if replaced is None or not there:
        raise BadLoad(layer.name, f"its last load ({number}, {source}) replaced nothing that was kept")
    return number, replaced


def _same_columns(conn: Connection, layer: Layer) -> None:
    """A table of another shape cannot stand as the layer any more."""
    described = (
        "SELECT array_agg((attname, format_type(atttypid, atttypmod))::text ORDER BY attname) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
    )
    shapes = [
        conn.execute(described, (name,)).fetchone()
        for name in (f"{STAGING}.{quoted(before(layer))}", f"{tables.SCHEMA}.{quoted(layer.name)}")
    ]
    if shapes[0] != shapes[1]:
        raise BadLoad(layer.name, "its columns have changed since; load the old source again instead")
