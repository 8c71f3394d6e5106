"""`citymap restore`: the city of a backup, into an empty data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mapserver import backup as backups
from mapserver import database
from mapserver.catalogue import catalogue
from mapserver.settings import settings


def restore(file: Annotated[Path, typer.Argument(help="A file that `citymap backup` wrote.")]) -> None:
    """Make the city of a backup in an empty data folder (CITYMAP_DATA) or an empty database (DATABASE_URL)."""
    backups.contents(file)
    chosen = settings()
    layers = catalogue(chosen.layers)
    with database.started(chosen) as (admin_dsn, app_dsn):
        database.found(admin_dsn, private=app_dsn is not None)
        about = backups.restore(admin_dsn, chosen.data, file)
        database.prepare(admin_dsn, layers, app_dsn)
    typer.echo(f"restored {len(about.rows)} tables, {sum(about.rows.values())} rows, as of {about.made_at}")
