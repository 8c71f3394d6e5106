"""Every version of every feature, for the layers that keep their history: DDL of the table beside the layer's own.

Triggers follow whatever changes the layer: the API, a load, SQL by hand. A version says when it was true, which
transaction began and ended it (so that a client can be told exactly what it has not seen), and who did it."""

from __future__ import annotations

from mapserver import tables
from mapserver.layer import Layer
from mapserver.tables import INSIDER, READER, literal, quoted

SCHEMA = "history"
OWN = {
    "_version": "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "_from": "timestamptz NOT NULL",
    "_to": "timestamptz",
    "_began": "xid8 NOT NULL",
    "_ended": "xid8",
    "_began_by": "text",
    "_ended_by": "text",
}
"""Columns of a version besides those of the feature. A layer's column cannot begin with _."""
TOLD = ("_version", "_from", "_to", "_began", "_ended")
"""Those that readers may see: who did it stays inside."""
RESTORED = "3"
"""Transaction that everything restored from a backup belongs to: older than any of the new cluster."""


def table(layer: Layer) -> str:
    """Schema-qualified, quoted name of the table of versions."""
    return f"{SCHEMA}.{quoted(layer.name)}"


def follow(layer: Layer) -> list[str]:
    """Statements that make the versions follow the layer's table, and catch up with it; they may be run again."""
    if not layer.history:
        return []
    return [*_made(layer), *_indexes(layer), *_grants(layer), *_functions(layer), *_triggers(layer), _settled(layer)]


def _columns(layer: Layer) -> list[str]:
    return ["id", *(column.name for column in layer.columns), *(["geom"] if layer.geometry else [])]


def _made(layer: Layer) -> list[str]:
    """The table; a column that the layer was given later is added, one that it lost stays with its past."""
    columns = ", ".join(f"{name} {kind}" for name, kind in OWN.items())
    there = f"CREATE TABLE IF NOT EXISTS {table(layer)} ({columns})"
    added = [f"ADD COLUMN IF NOT EXISTS {column}" for column in ("id bigint", *tables.nullable_columns(layer))]
    known = f"INSERT INTO citymap.kept (layer) VALUES ({literal(layer.name)}) ON CONFLICT DO NOTHING"
    return [there, f"ALTER TABLE {table(layer)} {', '.join(added)}", known]


def _indexes(layer: Layer) -> list[str]:
    on = {"then": "(id, _from)"} | {name: f"({name})" for name in ("_from", "_began", "_ended")}
    on |= {"geom": "USING gist (geom)"} if layer.geometry else {}
    now = f"CREATE UNIQUE INDEX IF NOT EXISTS {quoted(f'{layer.name}_now')} ON {table(layer)} (id) WHERE _to IS NULL"
    return [now] + [
        f"CREATE INDEX IF NOT EXISTS {quoted(f'{layer.name}_{name}')} ON {table(layer)} {columns}"
        for name, columns in on.items()
    ]


def _grants(layer: Layer) -> list[str]:
    """Whoever may read the layer may read its past, column by column."""
    out = [f"REVOKE ALL ON {table(layer)} FROM PUBLIC, {READER}, {INSIDER}"]
    for role, insider in ((READER, False), (INSIDER, True)):
        if layer.access.level == "public" or (insider and layer.access.level == "internal"):
            seen = [column.name for column in tables.visible(layer, insider=insider)]
            names = [*TOLD, "id", *seen, *(["geom"] if layer.geometry else [])]
            out.append(f"GRANT SELECT ({', '.join(map(quoted, names))}) ON {table(layer)} TO {role}")
    return out


def _functions(layer: Layer) -> list[str]:
    """`settle` ends the versions that are true no more and begins the new ones, of the touched ids or (null) all."""
    settled, columns = _function(layer, "settle"), list(map(quoted, _columns(layer)))
    new, old = (", ".join(f"{of}.{column}" for column in columns) for of in "nv")
    same = f"ROW({new}) IS NOT DISTINCT FROM ROW({old})"
    among = "(touched IS NULL OR {}.id IN (SELECT unnest(touched)))"
    settle = f"""
        CREATE OR REPLACE FUNCTION {settled}(touched bigint[]) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $settle$
        DECLARE
            at timestamptz := clock_timestamp();
            who text := coalesce(nullif(current_setting('citymap.caller', true), ''), session_user);
        BEGIN
            UPDATE {table(layer)} AS v SET _to = at, _ended = pg_current_xact_id(), _ended_by = who
            WHERE v._to IS NULL AND {among.format("v")}
              AND NOT EXISTS (SELECT FROM {layer.table} AS n WHERE n.id = v.id AND {same});
            INSERT INTO {table(layer)} ({", ".join(columns)}, _from, _began, _began_by)
            SELECT {new}, at, pg_current_xact_id(), who
            FROM {layer.table} AS n
            WHERE {among.format("n")}
              AND NOT EXISTS (SELECT FROM {table(layer)} AS v WHERE v.id = n.id AND v._to IS NULL);
        END $settle$"""
    followed = f"""
        CREATE OR REPLACE FUNCTION {_function(layer, "follow")}() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $follow$
        BEGIN
            CASE TG_OP
                WHEN 'INSERT' THEN PERFORM {settled}(ARRAY(SELECT id FROM fresh));
                WHEN 'DELETE' THEN PERFORM {settled}(ARRAY(SELECT id FROM stale));
                WHEN 'UPDATE' THEN PERFORM {settled}(ARRAY(SELECT id FROM stale UNION SELECT id FROM fresh));
                ELSE PERFORM {settled}(NULL);
            END CASE;
            RETURN NULL;
        END $follow$"""
    named = f"{settled}(bigint[]), {_function(layer, 'follow')}()"
    return [settle, followed, f"REVOKE ALL ON FUNCTION {named} FROM PUBLIC"]


def _triggers(layer: Layer) -> list[str]:
    fresh, stale = "NEW TABLE AS fresh", "OLD TABLE AS stale"
    referring = {"insert": fresh, "update": f"{stale} {fresh}", "delete": stale, "truncate": ""}
    return [
        f"CREATE OR REPLACE TRIGGER history_{event} AFTER {event.upper()} ON {layer.table}"
        f" {f'REFERENCING {seen}' if seen else ''} FOR EACH STATEMENT EXECUTE FUNCTION {_function(layer, 'follow')}()"
        for event, seen in referring.items()
    ]


def _settled(layer: Layer) -> str:
    return f"SELECT {_function(layer, 'settle')}(NULL)"


def _function(layer: Layer, verb: str) -> str:
    return f"{SCHEMA}.{quoted(f'{verb} {layer.name}')}"


def restored(name: str) -> list[str]:
    """After a restore transaction numbers begin again: versions belong to the past, and tokens given out are void."""
    there = f"{SCHEMA}.{quoted(name)}"
    return [
        f"UPDATE {there} SET _began = '{RESTORED}', _ended = CASE WHEN _ended IS NOT NULL THEN xid8 '{RESTORED}' END",
        f"UPDATE citymap.kept SET epoch = gen_random_uuid(), pruned = '0' WHERE layer = {literal(name)}",
    ]


def prune(layer: Layer) -> str:
    """A statement that forgets versions ended before `before` and gives their number; older tokens are void then."""
    return f"""
        WITH gone AS (DELETE FROM {table(layer)} WHERE _to < %(before)s RETURNING _ended),
             void AS (UPDATE citymap.kept SET pruned = greatest(pruned, (SELECT max(_ended) FROM gone))
                      WHERE layer = {literal(layer.name)})
        SELECT count(*) FROM gone"""
