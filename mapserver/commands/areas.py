"""`citymap areas`: boundary sets and link tables in, with every defect told; what stands, and how it is weighed."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mapserver import database
from mapserver.areas import Figures, figures
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import Database
from mapserver.errors import BadQuery
from mapserver.settings import settings
from mapserver.systems.areas import boundaries, linking, standing
from mapserver.systems.areas.assignment import reassign_pending
from mapserver.systems.areas.book import areas_in
from mapserver.systems.areas.defects import Defect, errors
from mapserver.upkeep import caught_up

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Area versions: load, link, check, list, weigh."
)
REFUSED = 1
Dry = Annotated[bool, typer.Option("--dry-run", help="Check and report; change nothing.")]
Who = Annotated[str | None, typer.Option("--who", help="Who answers for it; the user by default.")]


@app.command()
def load(  # noqa: PLR0917 -- typer makes options of them
    source: Annotated[str, typer.Argument(help="A file of outlines, of any format, or an http(s) address.")],
    since: Annotated[str | None, typer.Option("--from", help="First day on which the units hold.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="First day on which they do not hold any more.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="Outlines for the units that held on this day.")] = None,
    final: Annotated[bool, typer.Option("--final", help="Surveyed: gaps and overlaps are errors.")] = False,
    legal_basis: Annotated[str | None, typer.Option(help="The resolution that made the units.")] = None,
    crs: Annotated[str | None, typer.Option(help="CRS of the file, whatever it says.")] = None,
    mend: Annotated[bool, typer.Option("--mend", help="Make invalid outlines valid instead of refusing them.")] = False,
    dry_run: Dry = False,
    who: Who = None,
) -> None:
    """Load a boundary set: all of it, or nothing and every defect. Exit code 1 when it was refused."""
    meant = boundaries.Meant(
        _day("--from", since), _day("--to", to), _day("--on", on), final, legal_basis, who or getpass.getuser(), crs
    )
    with _opened() as (there, layers):
        report = boundaries.load(there.owner_dsn, source, meant, dry_run=dry_run, mend=mend)
        _told(report.defects)
        for note in report.notes:
            typer.echo(note)
        if report.change is not None:
            typer.echo(f"{report.changed} units took these outlines, {report.added} are new")
            _caught_up(there, layers)
    _ended(report.units, "units", report.defects, dry_run)


@app.command()
def links(
    source: Annotated[str, typer.Argument(help="A table (CSV, XLSX, …): old code, new code, whole or part, clause.")],
    day: Annotated[str, typer.Option("--date", help="The day on which the new units began.")],
    dry_run: Dry = False,
    who: Who = None,
) -> None:
    """Load the link table of one reform: all of it, or nothing and every defect. Exit code 1 when it was refused."""
    on = _day("--date", day)
    if on is None:
        raise BadQuery("--date", "is empty")
    with _opened() as (there, layers):
        report = linking.load(there.owner_dsn, source, on, who=who or getpass.getuser(), dry_run=dry_run)
        _told(report.defects)
        typer.echo(
            f"{report.links} links, {report.clauses} with their clause; {report.new} new, {report.gone} gone,"
            f" {report.spelt} names spelt as this table spells them"
        )
        if report.change is not None:
            _caught_up(there, layers)
    _ended(report.links, "links", report.defects, dry_run)


@app.command()
def check() -> None:
    """Check what stands: every reform in figures, and every defect. Exit code 1 when there is an error."""
    with _opened() as (there, _), psycopg.connect(there.owner_dsn) as conn:
        areas = areas_in(conn)
        found = [*standing.defects(conn, areas)]
    for reform in areas.reforms:
        Console(highlight=False).print(_figures(figures(areas, reform)))
    _told(found)
    if errors(found):
        raise typer.Exit(REFUSED)


@app.command("list")
def listed(
    on: Annotated[str | None, typer.Option("--on", help="A day; today by default.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Every unit that ever had this code.")] = None,
) -> None:
    """The units of a day, or every unit that ever had a code, with what became of it."""
    with _opened() as (there, _), psycopg.connect(there.owner_dsn) as conn:
        areas = areas_in(conn)
    day = _day("--on", on) or date.today()
    units = areas.versions(code) if code else areas.on(day)
    table = Table("code", "name", "from", "to", "came from", "went to")
    for unit in units:
        came = ", ".join(areas.units[link.origin].name + _part(link.whole) for link in areas.origins(unit.uid))
        went = ", ".join(areas.units[link.heir].name + _part(link.whole) for link in areas.heirs(unit.uid))
        dates = (str(unit.valid_from or "…"), str(unit.valid_to or "…"))
        table.add_row(unit.code, escape(unit.full_name), *dates, escape(came), escape(went))
    Console(highlight=False).print(table)
    typer.echo(f"{len(units)} units" + (f" on {day} (boundaries {areas.boundaries(day)})" if not code else ""))


@app.command()
def weigh() -> None:
    """Bring outlines and weights up to the layers as they stand; quick when they are."""
    with _opened() as (there, layers):
        _caught_up(there, layers)
        with psycopg.connect(there.owner_dsn) as conn:
            for kind, version in areas_in(conn).data_versions.items():
                typer.echo(f"{kind:12}{version}")


@app.command()
def assign() -> None:
    """Give the features of every layer the wards of today, where they have older ones; a run cut short goes on."""
    with _opened() as (there, layers), psycopg.connect(there.owner_dsn, autocommit=True) as conn:
        done = reassign_pending(conn, layers, _counting)
    table = Table("layer", "features", "in another ward now", "on a border", "in a gap", "outside")
    for moved in done:
        counts = (moved.features, moved.moved, moved.border, moved.gap, moved.outside)
        table.add_row(moved.layer, *(f"{count:,}" for count in counts))
    Console(highlight=False).print(table if done else "Every layer has the wards of today.")


def _counting(layer: str, done: int, of: int) -> None:
    print(f"{layer}: {done:,} of {of:,} features assigned", file=sys.stderr)


@contextmanager
def _opened() -> Iterator[tuple[Database, Catalogue]]:
    chosen = settings()
    layers = catalogue(chosen.layers)
    with database.opened(chosen, layers) as there:
        yield there, layers


def _caught_up(there: Database, layers: Catalogue) -> None:
    for note in caught_up(there.owner_dsn, layers):
        typer.echo(note)


def _day(option: str, text: str | None) -> date | None:
    """A date as 2025-07-01 or 01/07/2025."""
    if text is None:
        return None
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise BadQuery(option, f"needs a date such as 2025-07-01 or 01/07/2025, got {text[:40]!r}")


def _part(whole: bool) -> str:
    return "" if whole else " (part)"


def _told(defects: Iterable[Defect]) -> None:
    for defect in defects:
        typer.echo(str(defect))


def _ended(count: int, what: str, defects: Iterable[Defect], dry_run: bool) -> None:
    """The last line, and the exit code."""
    wrong = errors(defects)
    if wrong:
        typer.echo(f"refused: {len(wrong)} errors in {count} {what}; nothing was changed", err=True)
        raise typer.Exit(REFUSED)
    if dry_run:
        typer.echo(f"dry run: {count} {what} would be loaded; nothing was changed")


def _figures(said: Figures) -> Table:
    table = Table(f"the reform of {said.day}", "", title_justify="left")
    split = ", ".join(f"{count} in {ways}" for ways, count in sorted(said.split.items()))
    rows = (
        ("units → units", f"{said.origins} → {said.heirs}"),
        ("kinds of the new ones", ", ".join(f"{count} {kind}" for kind, count in said.kinds.items())),
        ("links", f"{said.whole + said.part} = {said.whole} whole + {said.part} part"),
        ("units that went to how many", split),
        ("new units that hold a part of an old one", str(said.of_parts)),
        ("new units that re-use an old code", str(said.codes_reused)),
        ("… with another extent", str(said.changed_extent)),
        ("… with another name", str(said.changed_name)),
        ("old names that occurred more than once", str(said.repeated_names)),
        ("not rearranged", ", ".join(said.unchanged)),
    )
    for row in rows:
        table.add_row(*row)
    return table
