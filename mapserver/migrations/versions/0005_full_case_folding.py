"""CASEI folds case in full: ẞ as ß, every sigma as σ, and ı apart from i."""

from __future__ import annotations

from alembic import op

revision, down_revision, branch_labels, depends_on = "0005", "0004", None, None

# Upper case takes ß to SS, and ẞ only once it is lower; ı waits beside (U+E000), since its upper case is that of i.
FOLD = r"""
    CREATE OR REPLACE FUNCTION citymap.casei(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT translate(lower(upper(translate(lower(said COLLATE "und-x-icu"), 'ı', U&'\E000') COLLATE "und-x-icu")
                              COLLATE "und-x-icu"), U&'ς\E000', 'σı') $$
"""
BEFORE = """
    CREATE OR REPLACE FUNCTION citymap.casei(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT lower(upper(said COLLATE "und-x-icu") COLLATE "und-x-icu") $$
"""


def upgrade() -> None:
    op.execute(FOLD)


def downgrade() -> None:
    op.execute(BEFORE)
