"""Steps of the precious schema `citymap`, run by `database.prepare` through Alembic. Layer tables need none."""
