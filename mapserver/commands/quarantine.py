"""`citymap quarantine`: the rows that were not loaded, and why."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import psycopg
import shapely
import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mapserver import database
from mapserver.catalogue import catalogue
from mapserver.errors import BadQuery
from mapserver.settings import settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="List, show and export quarantined rows.")
SHOWN_CHARACTERS = 1000
FIELDS = ("load_id", "layer", "source", "part", "source_row", "column_name", "reason")
LayerOption = Annotated[str | None, typer.Option("--layer", help="Only rows meant for this layer.")]
LoadOption = Annotated[int | None, typer.Option("--load", help="Only rows of this load.")]
_WHERE = "(%(layer)s::text IS NULL OR layer = %(layer)s) AND (%(load)s::bigint IS NULL OR load_id = %(load)s)"


@app.command("list")
def listed(layer: LayerOption = None, load: LoadOption = None) -> None:
    """Loads that left rows in quarantine, with how many for each column."""
    query = f"""
        SELECT load_id, layer, source, coalesce(column_name, '') AS column_name, count(*) AS rows, min(reason) AS reason
        FROM citymap.quarantine
        WHERE {_WHERE}
        GROUP BY 1, 2, 3, 4
        ORDER BY 1 DESC, 5 DESC"""
    table = Table("load", "layer", "source", "column", "rows", "for example")
    count = 0
    with _rows(query, layer, load) as rows:
        for row in rows:
            count += row["rows"]
            table.add_row(*(escape(str(value)) for value in row.values()))
    Console().print(table if count else "The quarantine is empty.")


@app.command()
def show(
    layer: LayerOption = None,
    load: LoadOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 50,
) -> None:
    """Quarantined rows one by one, with their raw values."""
    query = f"SELECT * FROM citymap.quarantine WHERE {_WHERE} ORDER BY load_id DESC, id LIMIT %(limit)s"
    console = Console(highlight=False)
    with _rows(query, layer, load, limit=limit) as rows:
        for row in rows:
            place = ", ".join(
                filter(None, (row["source"], row["part"], f"row {row['source_row']}", row["column_name"]))
            )
            console.print(f"[bold]{escape(row['layer'])}[/bold] {escape(place)}: {escape(row['reason'])}")
            raw = json.dumps(row["raw"], ensure_ascii=False)
            console.print(escape(raw if len(raw) <= SHOWN_CHARACTERS else f"{raw[:SHOWN_CHARACTERS]} …"), style="dim")


@app.command()
def export(
    file: Annotated[
        Path | None, typer.Argument(help="A .csv or .geojson file; without it CSV to the terminal.")
    ] = None,
    layer: LayerOption = None,
    load: LoadOption = None,
) -> None:
    """Write quarantined rows, with their raw values, as CSV or GeoJSON, to be put right and loaded again."""
    suffix = file.suffix.lower() if file else ".csv"
    writers = {".csv": _csv, ".geojson": _geojson, ".json": _geojson}
    if suffix not in writers:
        raise BadQuery("FILE", f"{file} ends in {suffix or 'nothing'}; expected .csv or .geojson")
    query = f"SELECT * FROM citymap.quarantine WHERE {_WHERE} ORDER BY load_id, id"
    with _rows(query, layer, load) as rows:
        if file is None:
            count = _csv(rows, sys.stdout)
        else:
            with file.open("w", encoding="utf-8", newline="") as stream:
                count = writers[suffix](rows, stream)
    print(f"{count} rows{f' in {file}' if file else ''}", file=sys.stderr)


@contextmanager
def _rows(query: str, layer: str | None, load: int | None, **more: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """The rows of a query, streamed."""
    chosen = settings()
    with (
        database.opened(chosen, catalogue(chosen.layers), refuse=False) as there,
        psycopg.connect(there.owner_dsn) as conn,
        conn.cursor("quarantine", row_factory=dict_row) as cursor,
    ):
        cursor.execute(query.encode(), {"layer": layer, "load": load, **more})
        yield iter(cursor)


def _csv(rows: Iterator[dict[str, Any]], stream: IO[str]) -> int:
    writer = csv.writer(stream)
    writer.writerow([*FIELDS, "raw"])
    count = 0
    for row in rows:
        writer.writerow([*(row[name] for name in FIELDS), json.dumps(row["raw"], ensure_ascii=False)])
        count += 1
    return count


def _geojson(rows: Iterator[dict[str, Any]], stream: IO[str]) -> int:
    """One feature a row; the geometry where the raw one can be read, in the CRS it came in."""
    stream.write('{"type":"FeatureCollection","features":[')
    count = 0
    for row in rows:
        properties = {name: row[name] for name in FIELDS} | {f"raw {k}": v for k, v in row["raw"].items()}
        feature = {"type": "Feature", "geometry": _geometry(row["raw"].get("geometry")), "properties": properties}
        stream.write(("," if count else "") + "\n" + json.dumps(feature, ensure_ascii=False))
        count += 1
    stream.write("\n]}\n")
    return count


def _geometry(wkt: object) -> object:
    shape = shapely.from_wkt(wkt, on_invalid="ignore") if isinstance(wkt, str) else None
    if shape is None or not shapely.is_valid_input(shape) or shape.is_empty:
        return None
    text = shapely.to_geojson(shape)
    return None if "nan" in text.lower() or "inf" in text.lower() else json.loads(text)
