"""Every version of the features of layers that keep their history: where they stand, and since when tokens are good."""

from alembic import op

revision = "0003"
down_revision = "0002"

STEPS = (
    # epoch: another one after a restore, since transaction numbers begin again; pruned: before it nothing is known
    """
    CREATE TABLE citymap.kept (
        layer text COLLATE "C" PRIMARY KEY,
        epoch uuid NOT NULL DEFAULT gen_random_uuid(),
        pruned xid8 NOT NULL DEFAULT '0'
    )
    """,
    "GRANT SELECT ON citymap.kept TO citymap_reader, citymap_insider, citymap_clerk, citymap_app",
)


def upgrade() -> None:
    for step in STEPS:
        op.execute(step)
