"""`citymap reaggregate`: an office table on the boundaries of another day, with an account of every row."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from mapserver import database, spreadsheets
from mapserver.areas import WEIGHTS
from mapserver.catalogue import catalogue
from mapserver.errors import BadQuery
from mapserver.periods import period
from mapserver.regrouping import RateOf, Regrouped, Wanted, flat, regrouped
from mapserver.settings import settings
from mapserver.sheets import Doubt
from mapserver.systems.areas.book import areas_in

ASKED = 3
"""Exit code when some rows were not certain, and stand in no figure."""
SHOWN = 20


def reaggregate(  # noqa: PLR0917 -- typer makes options of them
    file: Annotated[Path, typer.Argument(help="A CSV or XLSX table: code or name, date, figures.")],
    to: Annotated[str | None, typer.Option(help="Day of the wanted boundaries; today by default.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Day of the boundaries that the table is on.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A .csv or .xlsx file to write.")] = None,
    measure: Annotated[
        str | None, typer.Option(help="count, if headers mislead; medians and ranks are refused.")
    ] = None,
    rate: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMERATOR/DENOMINATOR[*PER], of two columns; several are allowed.")
    ] = None,
    weight: Annotated[str, typer.Option(help=f"What split units are cut by first: {', '.join(WEIGHTS)}.")] = WEIGHTS[0],
    whole: Annotated[bool, typer.Option("--whole", help="Whole numbers, by largest remainder.")] = False,
) -> None:
    """Move a table onto other boundaries; sums are kept exactly. Exit code 3 when rows are left to be asked about."""
    if not file.is_file():
        raise BadQuery("FILE", f"there is no file {file}")
    table = spreadsheets.rows(file.read_bytes())
    rates = tuple(_rate(text) for text in rate or ())
    wanted = Wanted(_day("--to", to) or date.today(), _day("--as-of", as_of), None, measure, rates, weight, whole)
    chosen = settings()
    layers = catalogue(chosen.layers)
    with database.opened(chosen, layers) as there, psycopg.connect(there.owner_dsn) as conn:
        areas = areas_in(conn)
    print(f"{len(table):,} rows read against {len(areas.units):,} units", file=sys.stderr)
    made = regrouped(areas, table, wanted)
    rows = [flat(row, areas) for row in made.rows]
    if output is not None:
        output.write_bytes(
            spreadsheets.xlsx_of({"result": rows}) if output.suffix == ".xlsx" else spreadsheets.csv_of(rows)
        )
    else:
        sys.stdout.write(spreadsheets.csv_of(rows).decode("utf-8-sig"))
    _told(made)
    if made.account.ambiguous or made.account.unmatched:
        raise typer.Exit(ASKED)


def _told(made: Regrouped) -> None:
    """The account, in plain lines on stderr."""
    account = made.account
    lines = [
        f"{account.rows:,} rows = {account.matched:,} matched + {len(account.ambiguous):,} to be asked about"
        f" + {len(account.unmatched):,} of no unit",
        f"{len(made.rows):,} figures on the boundaries {made.boundaries}",
        *(f"{column}: {before} before, {after} after" for column, (before, after) in made.totals.items()),
        *made.notes,
        *(f"row {doubt.row}: {doubt.said}: {doubt.why}" for doubt in _some(account.ambiguous, account.unmatched)),
    ]
    print("\n".join(lines), file=sys.stderr)


def _some(*doubts: tuple[Doubt, ...]) -> list[Doubt]:
    return [doubt for kind in doubts for doubt in kind[:SHOWN]]


def _rate(text: str) -> RateOf:
    """`late_pct=late/all*100`."""
    name, _, both = text.partition("=")
    columns, _, per = both.partition("*")
    numerator, _, denominator = columns.partition("/")
    if not (name and numerator and denominator) or (per and not per.replace(".", "", 1).isdigit()):
        raise BadQuery(
            "--rate", f"needs NAME=NUMERATOR/DENOMINATOR*PER, such as late_pct=late/all*100, got {text[:60]!r}"
        )
    return RateOf(name.strip(), numerator.strip(), denominator.strip(), float(per or 1))


def _day(option: str, text: str | None) -> date | None:
    read = period(text) if text else None
    if text and (read is None or read.first != read.last):
        raise BadQuery(option, f"needs a day such as 2025-07-01, got {text[:40]!r}")
    return read.first if read else None
