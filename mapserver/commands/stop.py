"""`citymap stop`: ends a server of this data folder, and whatever one left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mapserver import serving
from mapserver.settings import settings


def stop(data: Annotated[Path | None, typer.Option(help="Data folder.")] = None) -> None:
    """Stop what serves from the data folder, and what a killed server left running."""
    chosen = settings(data=data)
    typer.echo(f"stopped what ran from {chosen.data}" if serving.stop(chosen) else f"nothing runs from {chosen.data}")
