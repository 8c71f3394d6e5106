"""`citymap history`: what is kept of the past, and forgetting it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import psycopg
import typer

from mapserver import history
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import opened
from mapserver.errors import BadQuery
from mapserver.layer import Layer
from mapserver.settings import settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="What is kept of the past.")


@app.command("list")
def listed() -> None:
    """List the layers that keep their history, with how many versions of how many features since when."""
    chosen = settings()
    layers = catalogue(chosen.layers)
    with opened(chosen, layers) as database, psycopg.connect(database.owner_dsn) as conn:
        for layer in (layer for layer in layers if layer.history):
            counted = f"SELECT count(*), count(*) FILTER (WHERE _to IS NULL), min(_from) FROM {history.table(layer)}"
            versions, features, since = conn.execute(counted.encode()).fetchone() or (0, 0, None)
            typer.echo(f"{layer.name:24} {versions:>12,} versions {features:>12,} features now  {_day(since)}")


@app.command()
def prune(
    name: Annotated[str, typer.Argument(help="A layer that keeps its history.")],
    before: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Forget what ended before this day (UTC).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much it would be.")] = False,
) -> None:
    """Forget versions that ended before a day; `/changes` answers 410 to tokens that would need them."""
    chosen = settings()
    layers = catalogue(chosen.layers)
    layer = _kept(layers, name)
    with opened(chosen, layers) as database, psycopg.connect(database.owner_dsn) as conn:
        row = conn.execute(history.prune(layer).encode(), {"before": before.replace(tzinfo=UTC)}).fetchone()
        conn.rollback() if dry_run else conn.commit()
    typer.echo(f"{name}: {row[0] if row else 0:,} versions {'would be' if dry_run else 'are'} forgotten")


def _kept(layers: Catalogue, name: str) -> Layer:
    kept = [layer.name for layer in layers if layer.history]
    if name not in kept:
        raise BadQuery("NAME", f"{name} keeps no history; {', '.join(kept) or 'no layer'} does")
    return layers[name]


def _day(since: datetime | None) -> str:
    return f"since {since:%Y-%m-%d %H:%M}" if since else "nothing yet"
