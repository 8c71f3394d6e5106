"""Counts on the boundaries of earlier days, by place: outlines in pieces, and which layers are counted in them."""

from alembic import op

revision = "0007"
down_revision = "0006"

STEPS = (
    # on_day: the last day of the boundaries that a row is counted on; null is today's wards, by ward_code
    "ALTER TABLE citymap.ward_tally ADD COLUMN on_day date",
    "CREATE INDEX ward_tally_then_idx ON citymap.ward_tally (layer, on_day) WHERE on_day IS NOT NULL",
    """
    CREATE TABLE citymap.area_piece (
        on_day date NOT NULL,
        code text COLLATE "C" NOT NULL,
        geom geometry(Geometry, 4326) NOT NULL
    )
    """,
    "CREATE INDEX area_piece_idx ON citymap.area_piece USING gist (geom)",
    """
    CREATE TABLE citymap.area_count (
        layer text COLLATE "C" NOT NULL,
        on_day date NOT NULL,
        outlines bigint NOT NULL,
        PRIMARY KEY (layer, on_day)
    )
    """,
    """
    CREATE OR REPLACE FUNCTION citymap.fold_tallies(of text) RETURNS void LANGUAGE sql SET search_path = public AS $$
        WITH gone AS (DELETE FROM citymap.ward_tally WHERE layer = of RETURNING *)
        INSERT INTO citymap.ward_tally (layer, measure, dim, value, ward, day, amount, level, on_day)
        SELECT layer, measure, dim, value, ward, day, sum(amount), level, on_day
        FROM gone
        GROUP BY layer, measure, dim, value, ward, day, level, on_day
        HAVING sum(amount) <> 0
    $$
    """,
    "GRANT SELECT ON citymap.area_count TO citymap_reader, citymap_insider, citymap_clerk, citymap_app",
)


def upgrade() -> None:
    for step in STEPS:
        op.execute(step)
