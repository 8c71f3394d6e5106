"""What is counted by ward, kept as it changes; and which wards each layer was last assigned to."""

from alembic import op

revision = "0006"
down_revision = "0005"

STEPS = (
    # rows are only added (and folded): a sum over them is exact whatever is committed, and writers never wait
    """
    CREATE TABLE citymap.ward_tally (
        layer text COLLATE "C" NOT NULL,
        measure text COLLATE "C" NOT NULL,
        dim text COLLATE "C" NOT NULL,
        value text COLLATE "C",
        ward text COLLATE "C",
        day date,
        amount numeric NOT NULL,
        level text COLLATE "C" NOT NULL CHECK (level IN ('public', 'internal'))
    )
    """,
    "CREATE INDEX ward_tally_idx ON citymap.ward_tally (layer, measure, dim, day)",
    "ALTER TABLE citymap.ward_tally ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY public_sees ON citymap.ward_tally FOR SELECT TO citymap_reader, citymap_clerk"
    " USING (level = 'public')",
    "CREATE POLICY insider_sees ON citymap.ward_tally FOR SELECT TO citymap_insider USING (true)",
    """
    CREATE FUNCTION citymap.fold_tallies(of text) RETURNS void LANGUAGE sql SET search_path = public AS $$
        WITH gone AS (DELETE FROM citymap.ward_tally WHERE layer = of RETURNING *)
        INSERT INTO citymap.ward_tally (layer, measure, dim, value, ward, day, amount, level)
        SELECT layer, measure, dim, value, ward, day, sum(amount), level
        FROM gone
        GROUP BY layer, measure, dim, value, ward, day, level
        HAVING sum(amount) <> 0
    $$
    """,
    "REVOKE ALL ON FUNCTION citymap.fold_tallies(text) FROM PUBLIC",
    # wards_load: the load of `wards` that ward codes are of; next_load and cursor: of the reassignment under way
    """
    CREATE TABLE citymap.ward_assignment (
        layer text COLLATE "C" PRIMARY KEY,
        wards_load bigint,
        assigned_at timestamptz NOT NULL DEFAULT now(),
        next_load bigint,
        cursor bigint NOT NULL DEFAULT 0,
        notes jsonb NOT NULL DEFAULT '{}'
    )
    """,
    "GRANT SELECT ON citymap.ward_tally, citymap.ward_assignment"
    " TO citymap_reader, citymap_insider, citymap_clerk, citymap_app",
)


def upgrade() -> None:
    for step in STEPS:
        op.execute(step)
