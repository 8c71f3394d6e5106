"""Rows of CSV files and workbooks: every value as text, so that a bad one can be named with its row."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import python_calamine
import shapely

from mapserver.errors import BadLoad
from mapserver.faults import Fault, Origin, raw_rows
from mapserver.headers import Headers, headers
from mapserver.layer import Layer
from mapserver.reading_files import Source
from mapserver.values import numbers

BLOCK_BYTES = 8 << 20
BATCH_ROWS = 65_536
HEADER_SEARCH = 20
"""Rows in which the header is looked for: office sheets begin with titles."""
SNIFFED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """Some rows of a table as text, with the row number of each in its file."""

    columns: tuple[pa.Array, ...]
    rows: np.ndarray[Any, np.dtype[np.int64]]
    faults: tuple[Fault, ...] = ()


def csv_rows(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Rows of a CSV file; delimiter, encoding and the header's line are found out."""
    encoding = source.encoding or _encoding(source.path)
    _known_encoding(source.name, encoding)
    delimiter, at = _shape(source, encoding)
    head = headers(_first_records(source, encoding, delimiter)[at], source.layer)
    notes = (*_guessed_encoding(source, encoding), *_open_end(source))
    for table in _csv_tables(source, encoding, delimiter, at, len(head.names)):
        yield frame_of(table, head, source, "", notes)


def workbook_rows(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Rows of each sheet of a workbook that has a header for the layer, or of the sheet that was asked for."""
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(source.path))
    except Exception as error:  # calamine raises several kinds, down to zip errors
        raise BadLoad(source.name, f"is not a readable workbook: {error}") from error
    with book:
        found = 0
        for name in _sheets(book, source):
            for frame in _sheet_frames(book, name, source):
                found += 1
                yield frame
        if not found:
            raise BadLoad(source.name, _no_sheet(source, book.sheet_names))


def _no_sheet(source: Source, names: list[str]) -> str:
    expected = f"expected columns such as {_expected(source.layer)}"
    return f"no sheet has a header row with columns of {source.layer.name}; sheets: {', '.join(names)}; {expected}"


def frame_of(
    table: Table, head: Headers, source: Source, part: str, notes: tuple[str, ...] = ()
) -> gpd.GeoDataFrame | pd.DataFrame:
    """Rows of text as a frame of the layer's columns, with its geometry where the table has one."""
    geometry, faults = _geometry(table, head)
    columns = {name: pd.Series(table.columns[p], table.rows, dtype="str") for name, p in head.columns.items()}
    frame = pd.DataFrame(columns, index=table.rows)
    if geometry is not None:
        frame = gpd.GeoDataFrame(frame, geometry=geometry, crs=source.crs)
    raw = pa.Table.from_arrays(list(table.columns), names=_distinct(head.names))
    frame.attrs["part"] = part
    frame.attrs["origin"] = Origin(
        part=part,
        headers=head.names,
        rows=table.rows,
        raw=raw_rows(raw),
        faults=(*table.faults, *faults),
        notes=notes,
        crs_asked=source.crs is not None,
        axes="known" if head.place.axes == "degrees" else head.place.axes,
        format="table",
        names={name: head.names[p] for name, p in head.columns.items()},
    )
    return frame


def _geometry(table: Table, head: Headers) -> tuple[Any, list[Fault]]:
    place = head.place
    if place.wkt is not None:
        return _wkt(table, place.wkt, head.names[place.wkt])
    if place.x is None or place.y is None:
        return None, []
    x, bad_x = numbers(table.columns[place.x])
    y, bad_y = numbers(table.columns[place.y])
    known = {fault.row for fault in table.faults}
    faults = [
        Fault(int(table.rows[i]), head.names[p], "bad coordinate", _bad_coordinate(table.columns[p][i].as_py()))
        for p, bad in ((place.x, bad_x), (place.y, bad_y))
        for i in np.flatnonzero(bad)
        if int(table.rows[i]) not in known
    ]
    xy = np.column_stack([x.to_numpy(zero_copy_only=False), y.to_numpy(zero_copy_only=False)])
    points = np.full(len(xy), None, dtype=object)
    whole = np.isfinite(xy).all(axis=1)
    points[whole] = shapely.points(xy[whole])
    return points, faults


def _bad_coordinate(value: str) -> str:
    return f"{value!r} is not a finite number; expected a coordinate such as 106.7009 or 603797.26"


def _wkt(table: Table, position: int, name: str) -> tuple[Any, list[Fault]]:
    texts = table.columns[position].to_pylist()
    geometry = shapely.from_wkt([t.strip() or None if t else None for t in texts], on_invalid="ignore")
    faults = [
        Fault(
            int(table.rows[i]), name, "bad geometry", f"{text[:60]!r} is not a WKT geometry such as POINT (106.7 10.8)"
        )
        for i, (text, read) in enumerate(zip(texts, geometry, strict=True))
        if text and text.strip() and read is None
    ]
    return geometry, faults


def _distinct(names: Sequence[str]) -> list[str]:
    """Headers as names of a table: blank ones numbered, repeated ones told apart."""
    out: list[str] = []
    for position, name in enumerate(names, 1):
        plain = name or f"column {position}"
        out.append(plain if plain not in out else f"{plain} ({position})")
    return out


def _expected(layer: Layer) -> str:
    return ", ".join(f"{c.name} ({c.title.vi})" for c in layer.columns[:5])


# CSV


def _encoding(path: Path) -> str:
    """UTF-8 or UTF-16 when the file begins so, else Windows-1252 bytes (TCVN3, VNI and cp1258 are told by column)."""
    with path.open("rb") as file:
        head = file.read(SNIFFED_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _guessed_encoding(source: Source, encoding: str) -> Iterator[str]:
    if source.encoding is None and encoding != "utf-8":
        yield f"{source.name}: is not UTF-8; read as {encoding}"


def _open_end(source: Source) -> Iterator[str]:
    with source.path.open("rb") as file:
        file.seek(-1, 2)
        ended = file.read(1) in (b"\n", b"\r", b"\x00")
    if not ended:
        yield f"{source.name}: its last line has no end; if it was cut off, the last row is wrong"


def _known_encoding(name: str, encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise BadLoad(name, f"--encoding {encoding} is not known; expected utf-8, utf-16, cp1258 or latin-1") from None


def _first_records(source: Source, encoding: str, delimiter: str) -> list[list[str]]:
    with source.path.open(encoding=encoding, errors="replace", newline="") as file:
        text = file.read(SNIFFED_BYTES).removeprefix("\ufeff")
    try:
        reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        return [row for row, _ in zip(reader, range(HEADER_SEARCH), strict=False)]
    except csv.Error as error:
        raise BadLoad(source.name, f"is not a readable CSV file: {error}") from error


def _shape(source: Source, encoding: str) -> tuple[str, int]:
    """Delimiter, and position of the header record: the pair under which most columns are understood."""
    best = max(
        (headers(record, source.layer).matched, min(len(record), 2), -at, -order, delimiter)
        for order, delimiter in enumerate(",;\t|")
        for at, record in enumerate(_first_records(source, encoding, delimiter))
    )
    return best[4], -best[2]


def _csv_tables(source: Source, encoding: str, delimiter: str, at: int, width: int) -> Iterator[Table]:
    """Batches of a CSV file; a line of another width is a row with a fault, not the end of the load."""
    stray: list[tuple[int, str, int]] = []

    def keep(row: pacsv.InvalidRow) -> str:
        stray.append((row.number or 0, row.text, row.actual_columns))
        return "skip"

    names = [str(i) for i in range(width)]
    single_byte = encoding not in ("utf-8", "utf-16")
    try:
        with pacsv.open_csv(
            source.path,
            read_options=pacsv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=names,
                skip_rows_after_names=at + 1,
                encoding="utf8" if single_byte else encoding,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep, ignore_empty_lines=False
            ),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary())),
        ) as reader:
            yield from _numbered(reader, stray, at, width, encoding)
    except (pa.ArrowInvalid, UnicodeError, OSError) as error:
        raise BadLoad(source.name, f"is not a readable CSV file: {str(error).splitlines()[0]}") from error


def _numbered(reader: Any, stray: list[tuple[int, str, int]], at: int, width: int, encoding: str) -> Iterator[Table]:
    following = at + 2
    for batch in reader:
        skipped = sorted(stray)
        stray.clear()
        rows = _row_numbers(following, batch.num_rows, [number for number, _, _ in skipped])
        following += batch.num_rows + len(skipped)
        table = _decoded(batch, rows, encoding)
        yield _with_stray(table, _rows_of(skipped, at), width)
    if left := _rows_of(sorted(stray), at):
        none = Table(tuple(pa.array([], pa.string()) for _ in range(width)), np.array([], np.int64))
        yield _with_stray(none, left, width)


def _rows_of(skipped: list[tuple[int, str, int]], at: int) -> list[tuple[int, str, int]]:
    """Skipped lines that are rows: not blank, and below the header."""
    return [(number, text, has) for number, text, has in skipped if text.strip() and number > at + 1]


def _row_numbers(first: int, count: int, skipped: list[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Numbers of the rows that were read, given those in between that were not."""
    numbers_ = np.arange(first, first + count + len(skipped), dtype=np.int64)
    return numbers_[~np.isin(numbers_, skipped)][:count] if skipped else numbers_


def _decoded(batch: pa.RecordBatch, rows: Any, encoding: str) -> Table:
    columns, faults = [], []
    for column in batch.columns:
        text, bad = _text(column, encoding)
        columns.append(text)
        faults += [Fault(int(rows[i]), "", "bad encoding", _bad_bytes(column[int(i)].as_py())) for i in bad]
    return Table(tuple(columns), rows, tuple(faults))


def _text(column: pa.Array, encoding: str) -> tuple[pa.Array, Sequence[int]]:
    """A column of bytes as text, and the positions of the values that are not in the encoding."""
    if encoding in ("utf-8", "utf-16"):
        try:
            return column.cast(pa.string()), ()
        except pa.ArrowInvalid:
            encoding = "utf-8"
    if pc.max(pc.binary_length(column)).as_py() in (0, None) or _ascii(column):
        return column.cast(pa.string()), ()
    values, bad = [], []
    for i, value in enumerate(column.to_pylist()):
        try:
            values.append(None if value is None else value.decode(encoding))
        except UnicodeDecodeError:
            values.append(value.decode("latin-1"))
            bad.append(i)
    return pa.array(values, pa.string()), bad


def _ascii(column: pa.Array) -> bool:
    data = column.buffers()[2]
    return data is None or not (np.frombuffer(data, np.uint8) >= 0x80).any()


def _bad_bytes(value: bytes) -> str:
    shown = value[:40].decode("utf-8", "backslashreplace")
    return f"{shown!r} is not UTF-8 as the rest of the file is; save it as UTF-8, or name its --encoding"


def _with_stray(table: Table, stray: list[tuple[int, str, int]], width: int) -> Table:
    """The rows of another width, added with their fault; their text stands in the first column."""
    if not stray:
        return table
    blank: list[str | None] = [None] * len(stray)
    columns = tuple(
        pa.concat_arrays([column, pa.array([text for _, text, _ in stray] if p == 0 else blank, pa.string())])
        for p, column in enumerate(table.columns)
    )
    faults = tuple(
        Fault(
            number,
            "",
            "wrong width",
            f"has {has} values where the header has {width}; a comma that is not in quotes, or a file that was cut off",
        )
        for number, _, has in stray
    )
    rows = np.concatenate([table.rows, np.array([number for number, _, _ in stray], np.int64)])
    return replace(table, columns=columns, rows=rows, faults=table.faults + faults)


# Workbooks


def _sheets(book: Any, source: Source) -> list[str]:
    names = list(book.sheet_names)
    if source.sheet is None:
        return names
    if source.sheet not in names:
        raise BadLoad(source.name, f"has no sheet {source.sheet!r}; there are {', '.join(names)}")
    return [source.sheet]


def _sheet_frames(book: Any, name: str, source: Source) -> Iterator[gpd.GeoDataFrame]:
    cells = book.get_sheet_by_name(name)
    first = (cells.start or (0, 0))[0] + 1
    lines = [*_head_lines(cells)]
    at, head = _header_of(lines, source)
    if head is None:
        return
    batch: list[Sequence[Any]] = []
    numbers_: list[int] = []
    for offset, line in enumerate(cells.iter_rows()):
        if offset <= at or not any(cell not in ("", None) for cell in line):
            continue
        batch.append(line)
        numbers_.append(first + offset)
        if len(batch) == BATCH_ROWS:
            yield frame_of(_table(batch, numbers_, len(head.names)), head, source, name)
            batch, numbers_ = [], []
    if batch:
        yield frame_of(_table(batch, numbers_, len(head.names)), head, source, name)


def _head_lines(cells: Any) -> Iterator[list[str]]:
    for line, _ in zip(cells.iter_rows(), range(HEADER_SEARCH), strict=False):
        yield [_cell(cell) or "" for cell in line]


def _header_of(lines: list[list[str]], source: Source) -> tuple[int, Headers | None]:
    """The row under which most columns are understood; None when no row has any of the layer's columns."""
    read = [(headers(line, source.layer), -at) for at, line in enumerate(lines)]
    best = max(read, key=lambda pair: (pair[0].matched, pair[1]), default=None)
    return (-best[1], best[0]) if best and best[0].matched else (0, None)


def _table(lines: list[Sequence[Any]], numbers_: list[int], width: int) -> Table:
    columns = (
        pa.array([_cell(line[p]) if p < len(line) else None for line in lines], pa.string()) for p in range(width)
    )
    return Table(tuple(columns), np.array(numbers_, np.int64))


def _cell(value: Any) -> str | None:
    """A cell as text: whole numbers without `.0`, dates as ISO 8601."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat() if value.time() != time() else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)
