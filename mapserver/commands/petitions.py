"""`citymap petitions`: exports of the hotline in, releases to the public out, deadlines reckoned."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated

import psycopg
import typer

from mapserver import database
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import Database
from mapserver.errors import BadQuery
from mapserver.settings import settings
from mapserver.systems.petitions import drawing, importing, keeping
from mapserver.systems.petitions.importing import Report, Wish
from mapserver.systems.petitions.rules import LAYER, rules

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Petitions: import, check, release, reckon deadlines."
)
SOME_LEFT_OUT = 3
"""Exit code of an import that left some rows out."""
STEP_ROWS = 100_000


@app.command("import")
def import_(  # noqa: PLR0917 -- typer makes options of them
    file: Annotated[str, typer.Argument(help="The hotline's export: CSV or XLSX, a path or an http(s) address.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count; change nothing.")] = False,
    skip_wrong: Annotated[
        bool, typer.Option("--skip-wrong", help="Leave wrong rows out instead of refusing the file.")
    ] = False,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of a CSV file, e.g. cp1258.")] = None,
    who: Annotated[str | None, typer.Option(help="Who answers for it; the user by default.")] = None,
) -> None:
    """Bring the records up to an export: again and again, in any order, after any cut. Exit code 3: rows left out."""
    wish = Wish(who or getpass.getuser(), dry_run, skip_wrong, sheet, encoding)
    with _opened() as (there, layers):
        report = importing.imported(there.owner_dsn, layers, file, wish, _progress())
    _told(report, dry_run)
    if report.wrong:
        raise typer.Exit(SOME_LEFT_OUT)


@app.command()
def check() -> None:
    """Recount everything and compare it with the counts that are kept. Exit code 1 when they differ."""
    with _opened() as (there, layers), psycopg.connect(there.owner_dsn) as conn:
        wrong = conn.execute(drawing.differences(layers[LAYER]).encode()).fetchall()
        count = conn.execute("SELECT count(*) FROM citymap.petition").fetchone()
    typer.echo(f"{count[0] if count else 0:,} petitions; {len(wrong)} counts are not what a recount gives")
    if wrong:
        raise typer.Exit(1)


@app.command()
def release() -> None:
    """Release the weeks that may be shown to the public, and whatever else is due; the server does it by itself."""
    with _opened() as (there, layers), psycopg.connect(there.owner_dsn, autocommit=True) as conn:
        notes = [*keeping.done(conn, layers)]
    typer.echo("\n".join(notes) or "nothing is due")


@app.command()
def deadline(
    received: Annotated[str, typer.Argument(help="When it was received, such as 2026-01-05T08:30.")],
    field: Annotated[str, typer.Option(help="Its field.")] = "other",
    unit: Annotated[str | None, typer.Option(help="Its handling unit; that of the field by default.")] = None,
) -> None:
    """Say until when a petition is to be forwarded and answered, by the rules and the calendar."""
    law = rules(catalogue(settings().layers))
    try:
        at = datetime.fromisoformat(received)
    except ValueError:
        raise BadQuery("RECEIVED", f"needs a moment such as 2026-01-05T08:30, got {received[:40]!r}") from None
    at = at if at.tzinfo else at.replace(tzinfo=law.zone)
    due = law.due_on(at, field, unit or law.unit(field))
    note = " (provisional: the calendar of that year is not announced)" if law.days.provisional(due) else ""
    typer.echo(f"forward by {law.forward_by(at).astimezone(law.zone):%Y-%m-%d %H:%M}, answer by {due}{note}")


@app.command()
def calendar(year: int) -> None:
    """List the days of a year that are no ordinary ones: off though weekdays, worked though weekends."""
    days = rules(catalogue(settings().layers)).days
    state = "announced" if year <= days.settled else "provisional"
    typer.echo(f"{year}: {state}")
    for number in range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()):
        day = date.fromordinal(number)
        if days.is_working(day) != (day.weekday() < 5):
            typer.echo(f"{day} {day:%a} {'worked' if days.is_working(day) else 'off'}")


@contextmanager
def _opened() -> Iterator[tuple[Database, Catalogue]]:
    chosen = settings()
    layers = catalogue(chosen.layers)
    with database.opened(chosen, layers) as there:
        yield there, layers


def _progress() -> Callable[[int], None]:
    """A line now and then."""
    told = 0

    def said(rows: int) -> None:
        nonlocal told
        if rows - told >= STEP_ROWS or sys.stderr.isatty():
            told = rows
            print(f"{rows:,} rows", file=sys.stderr)

    return said


def _told(report: Report, dry_run: bool) -> None:
    tally = report.tally
    resumed = f", {report.resumed:,} of them before" if report.resumed else ""
    typer.echo(
        f"{report.rows:,} rows read{resumed}: {tally.added:,} new, {tally.changed:,} changed, {tally.older:,} known or"
        f" older, {report.wrong:,} wrong cells  {report.seconds:.1f} s"
    )
    for cell in report.cells:
        typer.echo(str(cell))
    if dry_run:
        typer.echo("dry run: nothing was changed")
