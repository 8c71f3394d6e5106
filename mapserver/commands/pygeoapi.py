"""`citymap pygeoapi`: the file that pygeoapi is told by, its lower half made anew from the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from mapserver.catalogue import catalogue
from mapserver.errors import BadCatalogue
from mapserver.identity import identity, path
from mapserver.ogc import config as rendering
from mapserver.settings import settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Render config/pygeoapi.yml.")


@app.callback()
def told() -> None:
    """Keeps `config` a sub-command while it is the only one."""


@app.command()
def config(
    check: Annotated[bool, typer.Option(help="Write nothing; exit code 1 when the file is not fresh.")] = False,
) -> None:
    """Render what stands below `resources:` from the layer files; what stands above is kept as it is."""
    chosen = settings()
    file = path(chosen)
    identity(file)
    fresh = rendering.rendered(file, catalogue(chosen.layers))
    if file.read_text(encoding="utf-8") == fresh:
        typer.echo(f"{file.name} is fresh")
    elif check:
        raise BadCatalogue(file.name, "is older than the layer files; run `citymap pygeoapi config`")
    else:
        file.write_text(fresh, encoding="utf-8")
        typer.echo(f"{file.name} rendered")
