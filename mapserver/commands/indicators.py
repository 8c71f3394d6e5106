"""`citymap indicators`: sheets in, figures out, and the dictionary both ways."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from pydantic import ValidationError

from mapserver import database, spreadsheets
from mapserver.catalogue import Catalogue, catalogue
from mapserver.errors import BadLoad, BadQuery
from mapserver.settings import settings
from mapserver.systems.areas.book import areas_in
from mapserver.systems.indicators import exporting, importing, records
from mapserver.systems.indicators.dictionary import IndicatorBody, entry_of
from mapserver.systems.indicators.importing import Report
from mapserver.systems.indicators.records import STATUSES, Indicator, Wanted
from mapserver.systems.indicators.rules import rules
from mapserver.systems.indicators.sheet import Wish

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Indicators: import, export, dictionary.")
WRONG_CELLS = 3
"""Exit code of a dry run that found wrong cells."""
Connection = psycopg.Connection[Any]


@app.command("import")
def import_(  # noqa: PLR0917 -- typer makes options of them
    file: Annotated[Path, typer.Argument(help="A CSV, XLSX or SDMX-CSV file of figures.")],
    indicator: Annotated[str | None, typer.Option(help="The indicator of a wide sheet (a column for a month).")] = None,
    status: Annotated[str, typer.Option(help=f"Of figures that say none: {', '.join(STATUSES)}.")] = "provisional",
    as_of: Annotated[str | None, typer.Option(help="Day of the boundaries that the sheet is on.")] = None,
    year: Annotated[int | None, typer.Option(help="Year of headers such as `Tháng 5`.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="The figures are targets.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every cell; change nothing.")] = False,
    who: Annotated[str | None, typer.Option(help="Who answers for it; the user by default.")] = None,
) -> None:
    """Take in a sheet of figures: the whole of it, or with one wrong cell nothing."""
    if status not in STATUSES:
        raise BadQuery("--status", f"needs one of {', '.join(STATUSES)}, got {status[:40]!r}")
    wish = Wish(indicator, status, _day(as_of), year, plan)
    with _opened() as (conn, _):
        report = importing.imported(conn, file.name, _content(file), wish, who or getpass.getuser(), dry_run=dry_run)
    _told(report)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A .csv, .xlsx or (with --sdmx) SDMX-CSV file to write.")],
    indicator: Annotated[str | None, typer.Option(help="One indicator; all by default, but for .xlsx.")] = None,
    sdmx: Annotated[bool, typer.Option("--sdmx", help="SDMX-CSV 2.0.")] = False,
    all_versions: Annotated[bool, typer.Option("--all-versions", help="Every version, not what holds.")] = False,
) -> None:
    """Write figures: long CSV, SDMX-CSV 2.0, or the wide sheet of one indicator."""
    with _opened() as (conn, _):
        wanted = Wanted(indicator, all_versions=all_versions)
        rows = [records.observation_of(row[0]) for row in importing.asked(conn, records.observations(wanted))]
        form = "sdmx" if sdmx else "xlsx" if file.suffix == ".xlsx" else "csv"
        file.write_bytes(exporting.exported(form, rows, importing.indicators_in(conn), areas_in(conn)))
    typer.echo(f"{len(rows):,} figures written to {file}")


@app.command()
def dictionary(
    file: Annotated[Path | None, typer.Argument(help="A .csv or .xlsx of entries to take in; none: list them.")] = None,
    who: Annotated[str | None, typer.Option(help="Who answers for it; the user by default.")] = None,
) -> None:
    """List the dictionary as CSV, or take entries in: all of them, or with one wrong row none."""
    with _opened() as (conn, layers):
        if file is None:
            known = importing.indicators_in(conn).values()
            typer.echo(spreadsheets.csv_of(one.json() for one in known).decode("utf-8-sig"), nl=False)
            return
        read = [*entries(file, frozenset(rules(layers).groups))]
        with conn.transaction():
            changed = importing.entered(conn, read, who or getpass.getuser())
    typer.echo(f"{len(read)} entries read, {changed} new or changed")


def entries(file: Path, groups: frozenset[str]) -> Iterator[Indicator]:
    """Entries of a sheet. Raises BadLoad naming the row."""
    for line, row in spreadsheets.numbered(_content(file)):
        said = {name: cell for name, cell in row.items() if cell not in (None, "") and name not in _RECKONED}
        try:
            yield entry_of(IndicatorBody.model_validate(_plain(said)), groups)
        except ValidationError as error:
            first = error.errors()[0]
            column = str(first["loc"][0]) if first["loc"] else ""
            raise BadLoad(file.name, f"row {line}, {column}: {first['msg']}; nothing was changed") from error
        except BadQuery as error:
            raise BadLoad(file.name, f"row {line}, {error}; nothing was changed") from error


_RECKONED = ("additive", "version")


def _plain(said: Mapping[str, object]) -> dict[str, object]:
    """Cells as what they are: workbooks make numbers of group codes, CSV makes text of all."""
    group = str(said.get("group_code", "")).removesuffix(".0")
    return {**said, **({"group_code": group.zfill(2)} if group else {})}


def _told(report: Report) -> None:
    read = report.read
    typer.echo(f"{read.rows} rows, {read.cells} figures read; {report.added} new, {len(read.wrong)} wrong cells")
    if read.ignored:
        typer.echo(f"columns left aside: {', '.join(read.ignored)}")
    for cell in read.wrong[:50]:
        typer.echo(str(cell))
    if report.dry_run:
        typer.echo("dry run: nothing was changed")
        if read.wrong:
            raise typer.Exit(WRONG_CELLS)


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise BadQuery("FILE", f"there is no file {file}")
    return file.read_bytes()


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadQuery("--as-of", f"needs a day such as 2025-07-01, got {str(text)[:40]!r}") from None


@contextmanager
def _opened() -> Iterator[tuple[Connection, Catalogue]]:
    chosen = settings()
    layers = catalogue(chosen.layers)
    with database.opened(chosen, layers) as there, psycopg.connect(there.owner_dsn, autocommit=True) as conn:
        yield conn, layers
