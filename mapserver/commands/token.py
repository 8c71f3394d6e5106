"""`citymap token`: tokens made, listed, revoked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from mapserver import tokens
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import opened
from mapserver.settings import settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Make, list and revoke tokens.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose it is, e.g. green-department.")],
    write: Annotated[list[str] | None, typer.Option(help="A layer it may write; may be given again.")] = None,
    insider: Annotated[bool, typer.Option("--insider", help="May see what is internal.")] = False,
) -> None:
    """Make a token and print it: it is shown this once only."""
    with _database() as (dsn, layers):
        typer.echo(tokens.add(dsn, layers, name, tuple(write or ()), insider=insider))


@app.command("list")
def listed() -> None:
    """List tokens and what they may do."""
    with _database() as (dsn, _):
        for token in tokens.tokens(dsn):
            state = f"revoked {token.revoked_at:%Y-%m-%d}" if token.revoked_at else "in force"
            may = [*(f"writes {name}" for name in token.writes), *(["insider"] if token.insider else [])]
            typer.echo(f"{token.name:24} {state:18} {', '.join(may) or 'may nothing'}")


@app.command()
def revoke(name: str) -> None:
    """End a token now."""
    with _database() as (dsn, _):
        tokens.revoke(dsn, name)
    typer.echo(f"{name} is revoked")


@contextmanager
def _database() -> Iterator[tuple[str, Catalogue]]:
    chosen = settings()
    layers = catalogue(chosen.layers)
    with opened(chosen, layers) as database:
        yield database.owner_dsn, layers
