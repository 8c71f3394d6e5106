"""Which table stands as a layer: a staged one takes its place, and the one that stood there can be put back."""

from __future__ import annotations

from typing import Any

import psycopg

from mapserver import generalised, history, names, tables, tallies, versions
from mapserver.catalogue import Catalogue
from mapserver.errors import BadLoad
from mapserver.layer import Layer
from mapserver.tables import quoted

STAGING = "staging"
Connection = psycopg.Connection[Any]


def before(layer: Layer) -> str:
    """Name, in the staging schema, of the table that stood before the one that stands now."""
    return f"{layer.name} before"


def stand(conn: Connection, catalogue: Catalogue, layer: Layer, staged: str) -> None:
    """The staged table takes the layer's place under its name; what hung on the old one is made again.

    The old table is kept, once, for `undo`; that of a written layer is not: nothing could be put back over edits."""
    views = _dependent_views(conn, catalogue, layer)
    run(conn, *(f"DROP VIEW IF EXISTS {view.table} CASCADE" for view in reversed(views)))
    run(conn, f"DROP TABLE IF EXISTS {STAGING}.{quoted(before(layer))}")
    if layer.writable or not _filled(conn, layer):
        run(conn, f"DROP TABLE {layer.table}")
    else:
        rename(conn, tables.SCHEMA, layer.name, before(layer))
        run(conn, f"ALTER TABLE {tables.SCHEMA}.{quoted(before(layer))} SET SCHEMA {STAGING}")
    rename(conn, STAGING, staged, layer.name)
    run(conn, f"ALTER TABLE {STAGING}.{quoted(layer.name)} SET SCHEMA {tables.SCHEMA}", *tables.grants(layer))
    run(conn, *history.follow(layer), *tallies.follow(layer), *versions.follow(layer), *names.follow(layer))
    run(conn, *generalised.follow(layer))
    for view in views:
        run(conn, *tables.view(view), *tables.grants(view))


def rename(conn: Connection, schema: str, name: str, new: str) -> None:
    """Renames a table, and its indexes with it."""
    if name == new:
        return
    for index in index_names(conn, name, schema):
        run(conn, f"ALTER INDEX {schema}.{quoted(index)} RENAME TO {quoted(new + index.removeprefix(name))}")
    run(conn, f"ALTER TABLE {schema}.{quoted(name)} RENAME TO {quoted(new)}")


def index_names(conn: Connection, name: str, schema: str = STAGING) -> list[str]:
    """The indexes of a table."""
    rows = conn.execute("SELECT indexname FROM pg_indexes WHERE schemaname = %s AND tablename = %s", (schema, name))
    return [index for (index,) in rows]


def run(conn: Connection, *statements: str) -> None:
    """Statements made of catalogue names; values never stand in them."""
    for statement in statements:
        conn.execute(statement.encode())


def _filled(conn: Connection, layer: Layer) -> bool:
    return conn.execute(f"SELECT EXISTS (SELECT FROM {layer.table})".encode()).fetchone() == (True,)


def _dependent_views(conn: Connection, catalogue: Catalogue, layer: Layer) -> list[Layer]:
    """View layers that read this table, directly or through others, each after those that it reads."""
    rows = conn.execute(
        """
        WITH RECURSIVE reader AS (
            SELECT %s::regclass::oid AS oid, 0 AS depth
            UNION ALL
            SELECT rule.ev_class, reader.depth + 1
            FROM reader
            JOIN pg_depend AS needs ON needs.refobjid = reader.oid AND needs.classid = 'pg_rewrite'::regclass
            JOIN pg_rewrite AS rule ON rule.oid = needs.objid AND rule.ev_class <> reader.oid
        )
        SELECT c.relnamespace::regnamespace::text, c.relname, max(reader.depth)
        FROM reader
        JOIN pg_class AS c USING (oid)
        WHERE reader.depth > 0
        GROUP BY 1, 2
        ORDER BY 3, 2
        """,
        (layer.table,),
    ).fetchall()
    foreign = [f"{schema}.{name}" for schema, name, _ in rows if schema != "layers" or name not in catalogue]
    if foreign:
        named = ", ".join(foreign)
        raise BadLoad(layer.name, f"the views {named} read its table and are no layers; drop them first")
    return [catalogue[name] for _, name, _ in rows]
