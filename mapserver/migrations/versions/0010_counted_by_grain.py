"""Counts by ward at several grains of time, so that an answer reads as few rows for many features as for few."""

from alembic import op

revision = "0010"
down_revision = "0009"

STEPS = (
    # every layer is counted anew when its triggers are, at the end of this start
    "TRUNCATE citymap.ward_tally, citymap.area_count",
    # all: whatever the day, which is null; year and month: day is their first one
    """
    ALTER TABLE citymap.ward_tally
    ADD COLUMN grain text COLLATE "C" NOT NULL CHECK (grain IN ('all', 'year', 'month', 'day'))
    """,
    "DROP INDEX citymap.ward_tally_idx",
    "CREATE INDEX ward_tally_idx ON citymap.ward_tally (layer, measure, dim, grain, day)",
    """
    CREATE OR REPLACE FUNCTION citymap.fold_tallies(of text) RETURNS void LANGUAGE sql SET search_path = public AS $$
        WITH gone AS (DELETE FROM citymap.ward_tally WHERE layer = of RETURNING *)
        INSERT INTO citymap.ward_tally (layer, measure, dim, value, ward, grain, day, amount, level, on_day)
        SELECT layer, measure, dim, value, ward, grain, day, sum(amount), level, on_day
        FROM gone
        GROUP BY layer, measure, dim, value, ward, grain, day, level, on_day
        HAVING sum(amount) <> 0
    $$
    """,
)


def upgrade() -> None:
    for step in STEPS:
        op.execute(step)
