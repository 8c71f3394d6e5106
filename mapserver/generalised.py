"""The generalised copy of a layer for low zooms: where it stands, and which rows were touched since it was made.

The copy is derived and can be thrown away. Beside it stands the table of touched rows: statement triggers add to it
whatever changes the layer, in the writer's own transaction, and never wait. A tile takes untouched rows from the copy
and touched ones from the layer itself, so that it never shows an old shape; a row without an id says that everything
may have been touched, and then tiles come from the layer until the copy is made again."""

from __future__ import annotations

import hashlib

from mapserver.layer import Column, Layer
from mapserver.tables import INSIDER, READER, literal, quoted, visible

SCHEMA = "generalised"
METHOD = 1
"""Rises when copies would be made otherwise: those made before are made again."""
MOST_TOUCHED = 1000
"""Rows of one statement that are told one by one, and touched rows up to which a copy is used."""
FOLDED = 0.02
"""Share of the changes after which too many touched rows are folded into one that says: everything."""
COUNT = "point_count"
CLUSTERS, BEST = 16, 64
"""Squares along the side of a tile, of which each has one cluster, or one point."""
WORLD_M = 2 * 20_037_508.342789244
"""Side of the square world of EPSG:3857."""


def table(layer: Layer) -> str:
    """Schema-qualified, quoted name of the copy: (zoom, id, columns, geom in EPSG:3857), all zooms in one table."""
    return f"{SCHEMA}.{quoted(layer.name)}"


def touched(layer: Layer) -> str:
    """Schema-qualified, quoted name of the table of touched rows: (xid, at, id, was)."""
    return f"citymap.{quoted(f'touched_{layer.name}')}"


def columns(layer: Layer) -> tuple[Column, ...]:
    """The columns of a copy: those of tiles, whoever asks, and the one that ranks."""
    chosen = layer.tiles.columns
    return tuple(
        column
        for column in visible(layer, insider=True)
        if column.kind.tile and (chosen is None or column.name in (*chosen, layer.tiles.rank))
    )


def mark(layer: Layer) -> str:
    """Names what a copy is made of besides rows: one with another mark is of no use."""
    of = [METHOD, layer.geometry, layer.tiles, *((c.name, c.type, c.access.level) for c in columns(layer))]
    return hashlib.sha256(repr([layer.access.level, *of]).encode()).hexdigest()[:16]


def grants(layer: Layer, target: str, further: tuple[str, ...]) -> list[str]:
    """Who may read a copy, or the touched rows: whoever may read the layer, column by column."""
    out = []
    for role, insider in ((READER, False), (INSIDER, True)):
        if layer.access.level == "public" or (insider and layer.access.level == "internal"):
            seen = visible(layer, insider=insider)
            own = [column.name for column in columns(layer) if column in seen] if target == table(layer) else []
            out.append(f"GRANT SELECT ({', '.join(map(quoted, ('id', *own, *further)))}) ON {target} TO {role}")
    return out


def square(zoom: int, along: int) -> tuple[str, str]:
    """SQL of the column and the row of the square that a point `geom` in EPSG:3857 lies in, of a zoom's tiles."""
    side = WORLD_M / (2**zoom * along)
    return f"floor(ST_X(geom) / {side!r})::bigint", f"floor(ST_Y(geom) / {side!r})::bigint"


def ground() -> list[str]:
    """Statements that make what the triggers run, and what tells of touched rows; they may be run again."""
    ours = "citymap.follow_touched(), citymap.fold_touched(text)"
    return [_TOUCHED, _FOLD, _FOLLOWED, f"REVOKE ALL ON FUNCTION {ours} FROM PUBLIC"]


def follow(layer: Layer) -> list[str]:
    """Statements that make touched rows be told of, and call everything touched: the table may be another one."""
    if layer.origin != "ingest":
        return []
    events = {"insert": "NEW TABLE AS new_rows", "update": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
              "delete": "OLD TABLE AS old_rows", "truncate": ""}  # fmt: skip
    if layer.tiles.generalise is None:
        gone = [f"DROP TRIGGER IF EXISTS touched_{event} ON {layer.table}" for event in events]
        return [*gone, f"DROP TABLE IF EXISTS {touched(layer)}"]
    was = "geom" if layer.tiles.generalise == "clusters" else "NULL"
    runs = f"EXECUTE FUNCTION citymap.follow_touched({literal(f'touched_{layer.name}')}, {literal(was)})"
    return [
        f"CREATE TABLE IF NOT EXISTS {touched(layer)} (xid xid8 NOT NULL DEFAULT pg_current_xact_id(),"
        " at bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id bigint, was geometry)",
        *grants(layer, touched(layer), ("was", "at")),
        *(
            f"CREATE OR REPLACE TRIGGER touched_{event} AFTER {event.upper()} ON {layer.table}"
            f"{f' REFERENCING {rows}' if rows else ''} FOR EACH STATEMENT {runs}"
            for event, rows in events.items()
        ),
        f"INSERT INTO {touched(layer)} DEFAULT VALUES",
    ]


_TOUCHED = """
    CREATE OR REPLACE FUNCTION citymap.touched(layer text) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $touched$
    DECLARE
        number bigint;
    BEGIN
        IF to_regclass(format('citymap.%I', 'touched_' || layer)) IS NULL THEN
            RETURN NULL;
        END IF;
        EXECUTE format(
            'SELECT CASE WHEN bool_or(id IS NULL) THEN NULL ELSE count(DISTINCT id) END FROM citymap.%I',
            'touched_' || layer) INTO number;
        RETURN number;
    END $touched$"""
"""Rows of a layer that were touched since its copy was made; null when that may be all of them."""

_FOLD = f"""
    CREATE OR REPLACE FUNCTION citymap.fold_touched(target text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $fold$
    BEGIN
        EXECUTE format(
            'WITH there AS MATERIALIZED (SELECT at FROM citymap.%1$I FOR UPDATE SKIP LOCKED),
                many AS MATERIALIZED (SELECT at FROM there WHERE (SELECT count(*) FROM there) > {5 * MOST_TOUCHED}),
                gone AS (DELETE FROM citymap.%1$I WHERE at IN (SELECT at FROM many) RETURNING at)
            INSERT INTO citymap.%1$I (id) SELECT NULL FROM gone HAVING count(*) > 0', target);
    END $fold$"""

_FOLLOWED = f"""
    CREATE OR REPLACE FUNCTION citymap.follow_touched() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $followed$
    DECLARE
        rows text := CASE TG_OP WHEN 'INSERT' THEN 'new_rows' ELSE 'old_rows' END;
        few boolean := false;
    BEGIN
        IF TG_OP <> 'TRUNCATE' THEN
            EXECUTE format(
                'SELECT count(*) <= {MOST_TOUCHED} FROM (SELECT FROM %I LIMIT {MOST_TOUCHED + 1}) AS many', rows)
                INTO few;
        END IF;
        IF NOT few THEN
            EXECUTE format('INSERT INTO citymap.%I DEFAULT VALUES', TG_ARGV[0]);
        ELSIF TG_OP = 'INSERT' THEN
            EXECUTE format('INSERT INTO citymap.%I (id) SELECT id FROM new_rows', TG_ARGV[0]);
        ELSE
            EXECUTE format('INSERT INTO citymap.%I (id, was) SELECT id, %s FROM old_rows', TG_ARGV[0], TG_ARGV[1]);
            IF TG_OP = 'UPDATE' THEN
                EXECUTE format('INSERT INTO citymap.%I (id) SELECT id FROM new_rows EXCEPT SELECT id FROM old_rows',
                    TG_ARGV[0]);
            END IF;
        END IF;
        IF random() < {FOLDED} THEN
            PERFORM citymap.fold_touched(TG_ARGV[0]);
        END IF;
        RETURN NULL;
    END $followed$"""
