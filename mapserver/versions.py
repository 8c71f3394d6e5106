"""The version of a layer: a number that rises with every transaction that changed it, whoever ran it.

A statement-level trigger adds a row to `citymap.change`; the version is the sum over the rows that a reader can see. So
writers wait for nobody, and a transaction that commits late still changes the sum (a counter's row would make them
wait, and a sequence or a largest id would miss it). Rows are folded now and then; folding keeps the sum."""

from __future__ import annotations

from mapserver.layer import Layer
from mapserver.tables import INSIDER, READER, literal

FOLDED = 0.02
"""Share of the changes after which the rows of a layer are folded into one."""
_FIRST = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
"""Where versions begin: later than any before, whatever was dropped or restored in between."""


def ground() -> list[str]:
    """Statements that make the table of changes and what its triggers run; they may be run again."""
    return [
        "CREATE TABLE IF NOT EXISTS citymap.change"
        ' (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, layer text COLLATE "C" NOT NULL,'
        " number bigint NOT NULL,"
        " at timestamptz NOT NULL DEFAULT clock_timestamp())",
        "ALTER TABLE citymap.change ADD COLUMN IF NOT EXISTS at timestamptz NOT NULL DEFAULT clock_timestamp()",
        "CREATE INDEX IF NOT EXISTS change_layer_idx ON citymap.change (layer)",
        f"GRANT SELECT ON citymap.change TO {READER}, {INSIDER}",
        f"GRANT USAGE ON SCHEMA citymap TO {READER}, {INSIDER}",
        """
        CREATE OR REPLACE FUNCTION citymap.fold_changes(folded text) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = citymap AS $fold$
            WITH there AS MATERIALIZED (SELECT id FROM change WHERE layer = folded FOR UPDATE SKIP LOCKED),
                gone AS (DELETE FROM change WHERE id IN (SELECT id FROM there) RETURNING number, at)
            INSERT INTO change (layer, number, at) SELECT folded, sum(number), max(at) FROM gone HAVING count(*) > 0
        $fold$""",
        f"""
        CREATE OR REPLACE FUNCTION citymap.changed() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = citymap AS $changed$
        BEGIN
            INSERT INTO change (layer, number) VALUES (TG_ARGV[0], 1);
            IF random() < {FOLDED} THEN
                PERFORM fold_changes(TG_ARGV[0]);
            END IF;
            RETURN NULL;
        END $changed$""",
        "REVOKE ALL ON FUNCTION citymap.changed(), citymap.fold_changes(text) FROM PUBLIC",
    ]


def follow(layer: Layer) -> list[str]:
    """Statements that make the version follow the layer's table, and rise at once: the table may be another one."""
    if layer.origin != "ingest":
        return []
    name = literal(layer.name)
    return [
        f"CREATE OR REPLACE TRIGGER version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {layer.table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION citymap.changed({name})",
        f"INSERT INTO citymap.change (layer, number) SELECT {name},"
        f" CASE WHEN EXISTS (SELECT FROM citymap.change WHERE layer = {name}) THEN 1 ELSE {_FIRST} END",
    ]


RESTORED = f"UPDATE citymap.change SET number = number + {_FIRST}"
"""After a restore: no version is one that was told before."""
