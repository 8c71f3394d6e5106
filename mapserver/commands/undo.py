"""`citymap undo`: what the last load of a layer replaced stands again."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from mapserver.catalogue import catalogue
from mapserver.commands.ingest import following
from mapserver.database import opened
from mapserver.errors import BadLoad
from mapserver.settings import settings
from mapserver.undo import undo as undone


def undo(
    layer: Annotated[str, typer.Argument(help="Name of the layer, as `citymap layers list` gives it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would stand again.")] = False,
    who: Annotated[str | None, typer.Option(help="Who answers for it; the user by default.")] = None,
) -> None:
    """Put back what the last load of a layer replaced. Once more, and the load stands again."""
    chosen = settings()
    layers = catalogue(chosen.layers)
    if layer not in layers:
        raise BadLoad(layer, f"there is no such layer; there are {', '.join(layers.layers)}")
    with opened(chosen, layers) as there:
        now = undone(there.owner_dsn, layers, layers[layer], who or getpass.getuser(), dry_run=dry_run)
        notes = () if dry_run else following(there.owner_dsn, layers)
    verb = "would stand" if dry_run else "stands"
    typer.echo(f"{layer}: {now.source} ({now.rows:,} rows) {verb} again instead of load {now.undone}")
    for note in notes:
        typer.echo(f"  {note}")
