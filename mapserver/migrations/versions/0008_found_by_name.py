"""Names as they are searched: without case, marks and punctuation, a space before and after every word."""

from alembic import op

revision = "0008"
down_revision = "0007"

# `sought.folded` does the same to what people type
SEARCHABLE = r"""
    CREATE FUNCTION citymap.searchable(said text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT ' ' || lower(translate(regexp_replace(normalize(said, NFD), '[\u0300-\u036f]', '', 'g'),
                                     'đĐÐ.,;:()"''–-', 'ddd          ') COLLATE "C") || ' ' $$
"""


def upgrade() -> None:
    op.execute(SEARCHABLE)
