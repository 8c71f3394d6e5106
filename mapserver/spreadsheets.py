"""Office tables as rows of named cells, and rows as CSV and XLSX: for tables that belong to no layer.

A workbook's or CSV's header is the first line that fills most columns; legacy Vietnamese encodings are repaired."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import openpyxl
import python_calamine

from mapserver.errors import BadQuery
from mapserver.text import legacy, repaired_text

MAX_ROWS = 200_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ZIP, _UTF16 = b"PK\x03\x04", (b"\xff\xfe", b"\xfe\xff")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that office programs would run as a formula."""

Cells = Mapping[str, object]


def rows(content: bytes) -> list[Cells]:
    """The rows of a CSV text or an XLSX workbook (its first sheet with content). Raises BadQuery."""
    return [row for _, row in numbered(content)]


def numbered(content: bytes) -> list[tuple[int, Cells]]:
    """The rows, each with its line in the file as office programs count it. Raises BadQuery."""
    lines = _workbook(content) if content.startswith(_ZIP) else _csv(content)
    filled = [(number, line) for number, line in enumerate(lines, 1) if any(_text(cell) for cell in line)]
    if len(filled) < 2:
        raise BadQuery("table", "needs a line of headers and at least one row below it")
    at = _header([line for _, line in filled])
    names = _names(filled[at][1])
    if len(filled) - at - 1 > MAX_ROWS:
        raise BadQuery("table", f"has more than {MAX_ROWS:,} rows")
    found = [dict(zip(names, [*line, *[None] * len(names)], strict=False)) for _, line in filled[at + 1 :]]
    return [*zip([number for number, _ in filled[at + 1 :]], _repaired(found, names), strict=True)]


def _header(lines: Sequence[Sequence[object]]) -> int:
    """Position of the first line that is as wide as the table; titles above it are narrower."""
    widths = [sum(bool(_text(cell)) for cell in line) for line in lines[:20]]
    return next(i for i, width in enumerate(widths) if width >= max(widths) - (max(widths) > 3))


def _names(header: Sequence[object]) -> list[str]:
    texts = [_text(cell) or f"column {i}" for i, cell in enumerate(header, 1)]
    encoding = legacy(texts)
    names = [repaired_text(text, encoding) for text in texts]
    for name in names:
        if names.count(name) > 1:
            raise BadQuery("table", f"has two columns {name[:40]!r}")
    return names


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _csv(content: bytes) -> list[list[object]]:
    if content.startswith(_UTF16):
        text = content.decode("utf-16", "replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    if "\x00" in text:
        raise BadQuery("table", "is neither CSV text nor an XLSX workbook")
    first = "\n".join(text.splitlines()[:20])
    delimiter = max(",;\t|", key=first.count)
    try:
        return [[*line] for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]
    except csv.Error as error:
        raise BadQuery("table", f"is not readable CSV: {error}") from error


def _workbook(content: bytes) -> list[list[object]]:
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = (book.get_sheet_by_name(name).to_python() for name in book.sheet_names)
        found = next((sheet for sheet in sheets if sheet), [])
    except Exception as error:  # calamine raises a family without a common base
        raise BadQuery("table", f"is no readable workbook: {' '.join(str(error).split())[:200]}") from error
    return [[*line] for line in found]


def _repaired(found: list[dict[str, object]], names: Sequence[str]) -> list[Cells]:
    """The rows, columns that are in a legacy encoding brought to Unicode."""
    for name in names:
        texts = [cell for row in found if isinstance(cell := row[name], str)]
        encoding = legacy(texts)
        if encoding:
            for row in found:
                cell = row[name]
                row[name] = repaired_text(cell, encoding) if isinstance(cell, str) else cell
    return [*found]


def csv_of(table: Iterable[Cells]) -> bytes:
    """Rows as CSV with a byte order mark, so that office programs read it as UTF-8."""
    table = [*table]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if table:
        writer.writerow(table[0].keys())
        writer.writerows([_plain(cell) for cell in row.values()] for row in table)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def xlsx_of(sheets: Mapping[str, Sequence[Cells]]) -> bytes:
    """Sheets of rows as a workbook. Text never becomes a formula."""
    book = openpyxl.Workbook(write_only=True)
    for title, table in sheets.items():
        sheet = book.create_sheet(title[:31])
        for line in ([[*table[0].keys()]] if table else []) + [[*row.values()] for row in table]:
            sheet.append([_cell(value) for value in line])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _plain(cell: object) -> object:
    """A cell that no office program takes for a formula."""
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return "'" + cell
    return format(cell, "f") if isinstance(cell, Decimal) else cell


def _cell(cell: object) -> object:
    if isinstance(cell, Decimal):
        return int(cell) if cell == cell.to_integral_value() else float(cell)
    return _plain(cell)
