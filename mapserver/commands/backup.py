"""`citymap backup`: the whole city into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mapserver import backup as backups
from mapserver.catalogue import catalogue
from mapserver.database import opened
from mapserver.settings import settings


def backup(file: Annotated[Path, typer.Argument(help="The file to write, e.g. city-2026-01-31.tar.")]) -> None:
    """Write everything (layers, edits, history, tokens, rasters) into one file, also while the map is served."""
    chosen = settings()
    with opened(chosen, catalogue(chosen.layers)) as database:
        made = backups.backup(database, chosen.data, file)
    typer.echo(f"{file}: {len(made.rows)} tables, {sum(made.rows.values())} rows, {file.stat().st_size >> 10} kB")
