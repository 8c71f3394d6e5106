"""`citymap serve`: the map, in the foreground, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mapserver import serving
from mapserver.settings import settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Web worker processes.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder.")] = None,
) -> None:
    """Serve the map in the foreground; fill it first where nothing was loaded."""
    serving.serve(settings(host=host, port=port, workers=workers, data=data), typer.echo)
