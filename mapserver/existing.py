"""Tables of somebody else's that are served where they stand: found, checked with words, and shown through a view.

The view is ours, in the schema `layers`, and belongs to the login that may read the table: rights by column hold, and
nothing is written to the table's own schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import psycopg

from mapserver import tables
from mapserver.catalogue import Problem
from mapserver.layer import Column, Existing, Layer

Connection = psycopg.Connection[tuple[object, ...]]

FITTING = MappingProxyType(
    {
        "text": ("text", "character varying"),
        "code": ("text", "character varying"),
        "uri": ("text", "character varying"),
        "integer": ("bigint", "integer", "smallint"),
        "number": ("double precision", "real", "numeric", "bigint", "integer", "smallint"),
        "boolean": ("boolean",),
        "date": ("date",),
        "datetime": ("timestamp with time zone",),
        "text[]": ("text[]", "character varying[]"),
    }
)
"""Stored types that a column may have as they are: indexes on them are used without a cast."""
KINDS = MappingProxyType({"v": "a view", "f": "a foreign table", "i": "an index", "S": "a sequence"})
_MODIFIER = re.compile(r"\([\d, ]+\)")


@dataclass(frozen=True, slots=True)
class Stored:
    """One column as it is stored: its type, whether it is never null, and whether the login may read it."""

    kind: str
    never_null: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A table as it stands. indexes: (first column, method, unique by it alone)."""

    columns: Mapping[str, Stored]
    indexes: frozenset[tuple[str, str, bool]]
    by_row: bool
    """Whether row-level security hides rows of it."""


def faults(conn: Connection, layer: Layer, table: Existing) -> Iterator[Problem]:
    """Everything that keeps a table from being served as the layer file says, and what would be right."""
    where = f"{table.schema}.{table.name}"

    def problem(key: str, message: str) -> Problem:
        return Problem(f"{layer.name}.yml", key, message)

    kind = _kind(conn, table)
    if kind not in ("r", "p", "m"):
        is_ = f"is {KINDS.get(kind, 'no table')}; ask it in layers/{layer.name}.sql" if kind else "is not there"
        yield problem("table", f"{where} {is_}")
        return
    found = _found(conn, table)
    if found.by_row:
        yield problem("table", f"{where} hides rows (row-level security); serve a view of it instead")
    yield from (problem(*said) for said in _column_faults(layer, table, found))
    yield from (problem(*said) for said in _index_faults(layer, table, found))


def shown(conn: Connection, layers: list[tuple[Layer, Existing]]) -> None:
    """Makes the view of each layer, as the login that may read the table, and grants it."""
    conn.execute(f"GRANT USAGE, CREATE ON SCHEMA {tables.SCHEMA} TO SESSION_USER".encode())
    conn.execute("SET LOCAL ROLE none")
    for layer, table in layers:
        stands = _found(conn, table)
        whole = layer.geometry is None or stands.columns[table.geometry].never_null
        conn.execute(";\n".join([*tables.stand_in(layer, table, whole=whole), *tables.grants(layer)]).encode())
    conn.execute(f"SET LOCAL ROLE {tables.LOADER}".encode())


def _column_faults(layer: Layer, table: Existing, found: Found) -> Iterator[tuple[str, str]]:
    """(key, message) of every column that is missing, closed to us, or of another type."""
    wanted = [(table.id, "table.id", _whole_number(found, table.id))]
    wanted += [(_stored(column), f"columns.{column.name}", _fits(column, found)) for column in layer.columns]
    if layer.geometry:
        wanted.append((table.geometry, "table.geometry", _geometry_fits(layer, table, found)))
    for name, key, fault in wanted:
        if name not in found.columns:
            yield key, f"{table.schema}.{table.name} has no column {name}; it has {', '.join(found.columns)}"
        elif not found.columns[name].readable:
            yield key, f"the login of DATABASE_URL may not read the column {name}"
        elif fault:
            yield key, fault


def _stored(column: Column) -> str:
    return column.stored_as or column.name


def _whole_number(found: Found, name: str) -> str:
    column = found.columns.get(name)
    if column is None or (column.kind in FITTING["integer"] and column.never_null):
        return ""
    return f"{name} is {column.kind}; an id is a whole number that is never null"


def _fits(column: Column, found: Found) -> str:
    stored = found.columns.get(_stored(column))
    if stored is None:
        return ""
    if _MODIFIER.sub("", stored.kind) not in FITTING[column.type]:
        return f"is stored as {stored.kind}; a {column.type} column is {' or '.join(FITTING[column.type])}"
    if column.required and not stored.never_null:
        return "is `required`, but the table lets it be null; take `required` away, or have it SET NOT NULL"
    return ""


def _geometry_fits(layer: Layer, table: Existing, found: Found) -> str:
    stored = found.columns.get(table.geometry)
    if stored is None:
        return ""
    right = f"geometry({layer.geometry},{table.srid})"
    fitting = {right, right.replace(",", "Z,")} | ({"geometry"} if layer.geometry == "Geometry" else set())
    return "" if stored.kind in fitting else f"is stored as {stored.kind}; the layer promises {right}"


def _index_faults(layer: Layer, table: Existing, found: Found) -> Iterator[tuple[str, str]]:
    """(key, message) of every index that a promise of the layer needs and the table lacks."""
    where = f"{tables.quoted(table.schema)}.{tables.quoted(table.name)}"
    if (table.id, "btree", True) not in found.indexes:
        yield "table.id", f"has no unique index; have its owner run: CREATE UNIQUE INDEX ON {where} ({table.id})"
    methods = {(column, method) for column, method, _ in found.indexes}
    if layer.geometry and (table.geometry, "gist") not in methods:
        yield (
            "table.geometry",
            f"has no spatial index; have its owner run: CREATE INDEX ON {where} USING gist ({table.geometry})",
        )
    for column in layer.columns:
        if (column.index or column.name == layer.time) and (_stored(column), "btree") not in methods:
            remedy = f"have its owner run: CREATE INDEX ON {where} ({tables.quoted(_stored(column))})"
            yield f"columns.{column.name}", f"has no index, and is promised to be fast; {remedy}"


def _kind(conn: Connection, table: Existing) -> str:
    """PostgreSQL's letter for what stands there, or nothing."""
    row = conn.execute(
        """
        SELECT c.relkind::text
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = %s
        """,
        (table.schema, table.name),
    ).fetchone()
    return str(row[0]) if row else ""


def _found(conn: Connection, table: Existing) -> Found:
    where = (table.schema, table.name)
    columns = conn.execute(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            has_schema_privilege(session_user, n.oid, 'USAGE')
            AND has_column_privilege(session_user, c.oid, a.attnum, 'SELECT'), c.relrowsecurity
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname = %s AND c.relname = %s
        ORDER BY a.attnum
        """,
        where,
    ).fetchall()
    indexes = conn.execute(
        """
        SELECT a.attname, m.amname, i.indisunique AND i.indnkeyatts = 1
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am m ON m.oid = x.relam
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE n.nspname = %s AND c.relname = %s AND i.indisvalid AND i.indpred IS NULL
        """,
        where,
    )
    return Found(
        {str(name): Stored(str(kind), bool(never), bool(may)) for name, kind, never, may, _ in columns},
        frozenset((str(column), str(method), bool(unique)) for column, method, unique in indexes),
        any(bool(row[4]) for row in columns),
    )
