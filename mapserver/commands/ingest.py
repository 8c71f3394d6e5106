"""`citymap ingest`: files or addresses into a layer, with a report of what was loaded and what was not."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mapserver import database
from mapserver.catalogue import Catalogue, catalogue
from mapserver.errors import BadLoad
from mapserver.layer import Layer
from mapserver.loading import Mode, Provenance, Report, load
from mapserver.reading import Source, opened
from mapserver.reading_files import checksum
from mapserver.scripts import deed, frames
from mapserver.settings import Settings, settings
from mapserver.upkeep import due

SOME_QUARANTINED = 3
"""Exit code of a load that left some rows in quarantine."""
STEP_ROWS = 500_000
"""Rows between two lines of progress where there is no terminal."""


def ingest(  # noqa: PLR0917 -- typer makes options of them
    layer: Annotated[str, typer.Argument(help="Name of the layer, as `citymap layers list` gives it.")],
    sources: Annotated[list[str], typer.Argument(help="Files or http(s) addresses; several make one load.")],
    append: Annotated[bool, typer.Option("--append", help="Add to what the layer has.")] = False,
    upsert: Annotated[bool, typer.Option("--upsert", help="Change rows of a known key, add the others.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and report; change nothing.")] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="Make invalid geometries valid instead of refusing them.")
    ] = False,
    crs: Annotated[str | None, typer.Option(help="CRS of the sources, e.g. EPSG:9210, whatever they say.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of text files, e.g. cp1258.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook, or layer inside a container.")] = None,
    who: Annotated[str | None, typer.Option(help="Who answers for the load; the user by default.")] = None,
) -> None:
    """Load files into a layer: check, replace, report. Exit code 3 when rows were left in quarantine."""
    if append and upsert:
        raise typer.BadParameter("--append and --upsert exclude each other")
    mode: Mode = "append" if append else "upsert" if upsert else "replace"
    chosen = settings()
    layers = catalogue(chosen.layers)
    target = _layer(layers, layer)
    with ExitStack() as stack:
        read = [stack.enter_context(opened(s, target, encoding=encoding, crs=crs, sheet=sheet)) for s in sources]
        provenance = Provenance(", ".join(sources), who or getpass.getuser(), _sum(read))
        there = stack.enter_context(database.opened(chosen, layers))
        if target.origin == "raster":
            report = _raster(chosen, there.owner_dsn, target, read, provenance)
        else:
            progress = stack.enter_context(_progress(target.name))
            rows = _frames(target, read)
            report = load(
                there.owner_dsn, layers, target, rows, provenance,
                mode=mode, dry_run=dry_run, mend=mend, progress=progress,
            )  # fmt: skip
            report = replace(report, notes=report.notes + (() if dry_run else following(there.owner_dsn, layers)))
    show(report)
    if report.quarantined:
        raise typer.Exit(SOME_QUARANTINED)


def following(owner_dsn: str, layers: Catalogue) -> tuple[str, ...]:
    """What is due now, and who does it."""
    todo = due(owner_dsn, layers)
    if not todo:
        return ()
    return (f"{', '.join(todo)}: a running server brings them up by itself; `citymap upkeep` does it now",)


def show(report: Report) -> None:
    """A report as a table for people."""
    console = Console(highlight=False)
    verb = {"replace": "replaced by", "append": "added to from", "upsert": "updated from"}[report.mode]
    dry = " [bold](dry run: nothing was changed)[/bold]" if report.dry_run else ""
    console.print(f"[bold]{report.layer}[/bold] {verb} {escape(report.source)}{dry}")
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(report):
        facts.add_row(name, escape(value))
    console.print(facts)
    if report.refusals:
        console.print(_refusals(report))
        if report.load is not None:
            console.print(f"Every quarantined row: citymap quarantine show --load {report.load}")


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "rows in", f"{report.rows_in:,}"
    yield "loaded", f"{report.loaded:,}"
    yield "quarantined", f"{report.quarantined:,}"
    if report.mended:
        yield "mended", f"{report.mended:,}"
    for reference in report.references:
        yield "CRS", reference
    if report.in_no_ward:
        yield "in no ward", f"{report.in_no_ward:,} (loaded, without a ward code)"
    for note in report.notes:
        yield "note", note
    yield "seconds", f"{report.seconds:.1f}"
    if report.load is not None:
        yield "load", str(report.load)


def _refusals(report: Report) -> Table:
    table = Table("reason", "column", "rows", "for example", title="In quarantine", title_justify="left")
    for refusal in report.refusals:
        shown = [f"{_row(q.source, q.part, q.row, report)}: {q.faults[0].reason}" for q in refusal.examples]
        table.add_row(refusal.kind, escape(refusal.column), f"{refusal.count:,}", escape("\n".join(shown)))
    return table


def _row(source: str, part: str, row: int, report: Report) -> str:
    """`row 7`, with the file where there are several, and the sheet or inner layer where there is one."""
    several = source if source and source != report.source else ""
    return ", ".join(filter(None, (several, part, f"row {row}")))


def _layer(layers: Catalogue, name: str) -> Layer:
    if name not in layers:
        raise BadLoad(name, f"there is no such layer; there are {', '.join(layers.layers)}")
    return layers[name]


def _sum(read: list[Source]) -> str | None:
    """Checksum of the sources, which must be there."""
    for source in read:
        if not source.path.exists():
            raise BadLoad(source.name, "there is no such file")
    return ", ".join(checksum(source.path) for source in read)


def _frames(layer: Layer, read: list[Source]) -> Iterator[pd.DataFrame]:
    for source in read:
        yield from frames(layer, source)


def _raster(chosen: Settings, dsn: str, layer: Layer, read: list[Source], provenance: Provenance) -> Report:
    from mapserver import raster  # rasterio starts in 0.3 s, which only rasters should cost
    from mapserver.loading_raster import load_raster  # as above

    if len(read) != 1:
        raise BadLoad(layer.name, f"is a raster and takes one file, not {len(read)}; merge them first (gdalbuildvrt)")
    make = deed(layer, "read")

    def write(path: Path) -> None:
        make(read[0], path)

    return load_raster(dsn, layer, write, raster.path(chosen, layer), provenance)


class _Lines:
    """Progress as plain lines, for logs."""

    def __init__(self, name: str) -> None:
        self.name, self.said = name, 0

    def __call__(self, rows: int) -> None:
        if rows - self.said >= STEP_ROWS:
            self.said = rows
            print(f"{self.name}: {rows:,} rows checked", file=sys.stderr)


@contextmanager
def _progress(name: str) -> Iterator[_Lines | _Bar]:
    """A bar on a terminal, a line now and then elsewhere; always on stderr."""
    if not sys.stderr.isatty():
        yield _Lines(name)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]:,} rows"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress, name)


class _Bar:
    """Progress as a bar without an end: the number of rows is not known before."""

    def __init__(self, progress: Progress, name: str) -> None:
        self.progress, self.task = progress, progress.add_task(f"loading {name}", total=None, rows=0)

    def __call__(self, rows: int) -> None:
        self.progress.update(self.task, rows=rows)
