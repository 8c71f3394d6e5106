"""`citymap layers`: what the catalogue holds, whether it is right, and a table made anew."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mapserver import database, styles
from mapserver.catalogue import Catalogue, catalogue, json_schema, read
from mapserver.errors import BadCatalogue, BadQuery
from mapserver.reference import page
from mapserver.settings import settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="List, check and renew layers.")


@app.command("list")
def listed() -> None:
    """List the layers: name, origin, geometry, title."""
    for layer in catalogue(settings().layers):
        typer.echo(f"{layer.name:20} {layer.origin:7} {layer.geometry or '-':16} {layer.title.vi}")


@app.command()
def check(
    tables: Annotated[bool, typer.Option(help="Compare with the tables in the database, too.")] = False,
) -> None:
    """Say every problem of the layer files and styles (and tables); exit code 1 when there is one."""
    chosen = settings()
    layers, problems = read(chosen.layers)
    problems += styles.faults(Catalogue(layers))
    if problems:
        raise BadCatalogue("", "\n".join(map(str, problems)))
    if tables:
        with database.opened(chosen, Catalogue(layers)):
            pass
    typer.echo(f"{len(layers)} layers, no problem")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a layer file, for editors."""
    typer.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))


@app.command()
def docs() -> None:
    """Print the page of all layers and columns, `docs/layers.md`."""
    typer.echo(page(catalogue(settings().layers)), nl=False)


@app.command()
def renew(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", help="Also when the layer is written through the API.")] = False,
) -> None:
    """Throw a layer's table away and make it empty, as its file has it now; load it again afterwards."""
    chosen = settings()
    layers = catalogue(chosen.layers)
    if name not in layers or layers[name].origin != "ingest":
        tabled = ", ".join(layer.name for layer in layers if layer.origin == "ingest")
        raise BadQuery("NAME", f"there is no table layer {name}; there are {tabled}")
    if layers[name].writable and not yes:
        raise BadQuery("NAME", f"the rows of {name} were written by people; `citymap backup` first, then add --yes")
    with database.opened(chosen, layers, refuse=False) as opened:
        database.renew(opened.owner_dsn, layers[name])
    typer.echo(f"{name} is empty; load it with `citymap ingest {name} …`")
