"""Functions that CQL2 filters need: comparing without case, comparing without marks, powers that cannot fail."""

from alembic import op

revision = "0002"
down_revision = "0001"

STEPS = (
    # upper before lower folds ß and ss, σ and ς together, as full case folding does
    """
    CREATE FUNCTION citymap.casei(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT lower(upper(said COLLATE "und-x-icu") COLLATE "und-x-icu") $$
    """,
    # marks are taken off the decomposed text; đ has no decomposition
    r"""
    CREATE FUNCTION citymap.accenti(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT translate(regexp_replace(normalize(said, NFD), '[\u0300-\u036f]', '', 'g'), 'đĐ', 'dD') $$
    """,
    """
    CREATE FUNCTION citymap.power(base numeric, exponent numeric) RETURNS numeric
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS
    $$
    BEGIN
        RETURN power(base::float8, exponent::float8)::numeric;
    EXCEPTION WHEN data_exception THEN
        RETURN NULL;
    END
    $$
    """,
)


def upgrade() -> None:
    for step in STEPS:
        op.execute(step)
