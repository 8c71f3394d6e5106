"""Alembic's way in: runs the steps on the connection that `database.prepare` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="alembic_version",
    version_table_schema="citymap",
)
with context.begin_transaction():
    context.run_migrations()
