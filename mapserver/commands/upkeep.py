"""`citymap upkeep`: what follows from changed data, done at once instead of behind by a running server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mapserver import upkeep as duties
from mapserver.catalogue import catalogue
from mapserver.database import opened
from mapserver.settings import settings


def upkeep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is due; change nothing.")] = False,
) -> None:
    """Do what follows from changed data: wards of features, outlines, weights, counts. Cut short, it goes on later."""
    chosen = settings()
    layers = catalogue(chosen.layers)
    with opened(chosen, layers) as there:
        if dry_run:
            notes = tuple(f"due: {words}" for words in duties.due(there.owner_dsn, layers))
        else:
            notes = duties.caught_up(there.owner_dsn, layers, lambda words: print(words, file=sys.stderr, flush=True))
    for note in notes or ("Everything is up to the data.",):
        typer.echo(note)
