"""Writes the features that a question means as a file, in pieces, with flat memory however many there are.

One statement on a connection of its own, with the caller's rights: a file is one picture of the layer. Texts are made
by PostgreSQL (COPY), tables of values come as Arrow (ADBC) and are written by Arrow, by GDAL, or as XLSX. What GDAL and
XLSX write is made in a temporary file first: a FlatGeobuf has its spatial index before its features."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
from psycopg.conninfo import make_conninfo

from mapserver import extracts
from mapserver.crs import Crs
from mapserver.errors import TooLarge
from mapserver.formats import Format
from mapserver.layer import Language, Layer
from mapserver.query import Caller, ItemsQuery
from mapserver.statements import Statement, shown

PIECE = 256 * 1024
"""Bytes of a piece, about."""
RIGHTS = "SELECT set_config('role', {}, false), set_config('citymap.caller', {}, false)"
OPTIONS = "-c default_transaction_read_only=on -c cursor_tuple_fraction=1"
CITY_TIME = ZoneInfo("Asia/Ho_Chi_Minh")
"""XLSX knows no time zones: its times are the city's."""
SHEET_ROWS = 1_048_575
"""Rows of an XLSX sheet below its header."""


@dataclass(slots=True)
class Download:
    """One file being written. limit: at most so many features; None means all that are meant."""

    dsn: str
    query: ItemsQuery
    caller: Caller
    made: Format
    limit: int | None = None
    language: Language = "vi"
    _cancel: Callable[[], None] | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[bytes]:
        match self.made.name:
            case "csv":
                return self._copied(extracts.texts(self.query, self.caller, self.limit), "FORMAT csv, HEADER")
            case "geojsonseq":
                return self._lines()
            case "parquet":
                return self._parquet()
            case "xlsx":
                return self._filed(self._xlsx)
            case _:
                return self._filed(self._by_gdal)

    def cancel(self) -> None:
        """Ends the statement that runs for this file, if any; from any thread."""
        if self._cancel is not None:
            with suppress(Exception):  # it may be over this very moment
                self._cancel()

    # Texts

    def _copied(self, statement: Statement, options: str) -> Iterator[bytes]:
        with psycopg.connect(address(self.dsn), autocommit=True) as conn:
            self._cancel = conn.cancel
            escaped = escaping(conn)
            conn.execute(rights(self.caller, escaped).encode())
            copied = f"COPY ({extracts.literal(statement, escaped)}) TO STDOUT ({options})"
            with conn.cursor() as cursor, cursor.copy(copied.encode()) as copy:
                yield from pieces(map(bytes, copy))

    def _lines(self) -> Iterator[bytes]:
        # JSON has no control characters of its own, so that a backslash is all that COPY's text form has doubled
        for piece in self._copied(extracts.lines(self.query, self.caller, self.limit), "FORMAT text"):
            yield piece.replace(b"\\\\", b"\\")

    # Tables of values

    @contextmanager
    def _reader(self) -> Iterator[pa.RecordBatchReader]:
        """Batches of the selection, with the columns of `extracts.columns`."""
        from adbc_driver_postgresql import dbapi  # late: only files need it

        with psycopg.connect(address(self.dsn)) as conn:
            escaped = escaping(conn)
            text = extracts.literal(extracts.columns(self.query, self.caller, self.limit), escaped)
            own = rights(self.caller, escaped)
        with dbapi.connect(address(self.dsn), autocommit=True) as conn, conn.cursor() as cursor:
            self._cancel = cursor.adbc_cancel
            cursor.execute(own)
            cursor.fetchall()
            cursor.execute(text)
            try:
                yield cursor.fetch_record_batch()
            finally:
                self._cancel = None

    def _parquet(self) -> Iterator[bytes]:
        import pyarrow.parquet as pq  # late: only files need it

        with self._reader() as reader:
            schema = pa.schema([pa.field(f.name, f.type) for f in reader.schema], _geo(self.query))
            sink = _Sink()
            with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                    yield sink.taken()
            yield sink.taken()

    # Files made beside

    def _filed(self, write: Callable[[Path], Path]) -> Iterator[bytes]:
        """A file written to a temporary folder, then given out in pieces."""
        with tempfile.TemporaryDirectory(prefix="citymap-download-") as folder, write(Path(folder)).open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def _by_gdal(self, folder: Path) -> Path:
        import pyogrio  # late: only files need it

        layer = self.query.layer
        path = folder / f"{layer.name}.{self.made.suffix}"
        with self._reader() as reader:
            pyogrio.write_arrow(
                reader if all(column.type != "text[]" for column in layer.columns) else _without_lists(reader),
                path,
                layer=layer.name if self.made.name == "gpkg" else None,
                driver=self.made.driver,
                geometry_name="geometry" if layer.geometry else None,
                geometry_type=_geometry_type(layer),
                crs=_authority(self.query.crs),
                encoding="UTF-8" if self.made.name == "shp" else None,
                layer_options=_layer_options(layer, self.made),
            )
        return path

    def _xlsx(self, folder: Path) -> Path:
        from openpyxl import Workbook  # late: only files need it

        book = Workbook(write_only=True)
        sheet = book.create_sheet(self.query.layer.name[:31])
        sheet.append(self._titles())
        for count, row in enumerate(self._rows(), 1):
            if count > SHEET_ROWS:
                raise TooLarge("f", f"a sheet of XLSX ends after {SHEET_ROWS:,} rows; take csv, or a part of the layer")
            sheet.append([_cell(sheet, value) for value in row])
        path = folder / "sheet.xlsx"
        book.save(path)
        return path

    def _titles(self) -> list[str]:
        """Headers for people: titles, units in brackets."""
        columns = shown(self.query, self.caller)
        titles = [f"{c.title[self.language]} [{c.unit}]" if c.unit else c.title[self.language] for c in columns]
        return ["id", *titles, *_axes(self.query)]

    def _rows(self) -> Iterator[list[object]]:
        columns = shown(self.query, self.caller)
        named = [column.codes or {} for column in columns]
        with self._reader() as reader:
            for batch in reader:
                values = [batch.column(0).to_pylist()]
                values += [batch.column(i).to_pylist() for i in range(1, len(columns) + 1)]
                places = _coordinates(self.query, batch)
                for row in zip(*values, *places, strict=True):
                    told = [
                        codes[value][self.language] if isinstance(value, str) and value in codes else value
                        for codes, value in zip(named, row[1 : len(columns) + 1], strict=True)
                    ]
                    yield [row[0], *told, *row[len(columns) + 1 :]]


def address(dsn: str) -> str:
    """The database, for a connection of its own that only reads."""
    return make_conninfo(dsn, options=OPTIONS, application_name="citymap download")


def rights(caller: Caller, escaped: Callable[[bytes], bytes]) -> str:
    """The statement that gives a connection the caller's rights."""
    return RIGHTS.format(*(escaped(text.encode()).decode() for text in (caller.role, caller.name)))


def escaping(conn: psycopg.Connection[Any]) -> Callable[[bytes], bytes]:
    """Literals escaped by PostgreSQL's own rules, as this connection has them."""
    escaping = psycopg.pq.Escaping(conn.pgconn)
    return lambda value: bytes(escaping.escape_literal(value))


class _Sink:
    """A file that only grows, and is taken away in pieces."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written stays until it is taken."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def pieces(parts: Iterator[bytes], size: int = PIECE) -> Iterator[bytes]:
    """Small parts joined to pieces of about `size` bytes."""
    held: list[bytes] = []
    length = 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)


def _geo(query: ItemsQuery) -> dict[bytes, bytes] | None:
    """The `geo` metadata of GeoParquet 1.1; without a CRS it means longitude and latitude."""
    layer = query.layer
    if layer.geometry is None:
        return None
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": [] if layer.geometry == "Geometry" else [layer.geometry],
    }
    if query.crs.srid != 4326:
        from pyproj import CRS  # late: only files need it

        column["crs"] = CRS.from_user_input(query.crs.code).to_json_dict()
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return {b"geo": json.dumps(geo).encode()}


def _geometry_type(layer: Layer) -> str | None:
    return {"Geometry": "Unknown", None: None}.get(layer.geometry, layer.geometry)


def _layer_options(layer: Layer, made: Format) -> dict[str, str]:
    """The index of a FlatGeobuf has no place for a feature without geometry, which only a view can have."""
    return {"SPATIAL_INDEX": "NO"} if made.driver == "FlatGeobuf" and layer.origin == "view" else {}


def _authority(crs: Crs) -> str:
    """A CRS as GDAL's files name it; they all hold east before north."""
    return "EPSG:4326" if crs.srid == 4326 else crs.code


def _without_lists(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Lists as JSON texts, for formats that know no lists."""
    fields = [pa.field(f.name, pa.string() if pa.types.is_list(f.type) else f.type) for f in reader.schema]
    schema = pa.schema(fields)

    def plain(column: pa.Array) -> pa.Array:
        if not pa.types.is_list(column.type):
            return column
        return pa.array([None if v is None else json.dumps(v, ensure_ascii=False) for v in column.to_pylist()])

    batches = (pa.RecordBatch.from_arrays([plain(c) for c in batch.columns], schema=schema) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _axes(query: ItemsQuery) -> list[str]:
    """Columns of a point's coordinates in a sheet; an outline has no place in a cell."""
    if query.layer.geometry != "Point":
        return []
    return ["longitude", "latitude"] if query.crs.srid == 4326 else ["easting", "northing"]


def _coordinates(query: ItemsQuery, batch: pa.RecordBatch) -> list[list[float]]:
    if not _axes(query):
        return []
    import shapely  # late: only files need it

    points = shapely.from_wkb(batch.column(batch.num_columns - 1).to_numpy(zero_copy_only=False))
    return [shapely.get_x(points).tolist(), shapely.get_y(points).tolist()]


def _cell(sheet: Any, value: object) -> object:
    """A value as a cell holds it; a text that begins with = is a text, and no formula."""
    from openpyxl.cell import WriteOnlyCell  # late: only files need it

    if isinstance(value, datetime):
        return value.astimezone(CITY_TIME).replace(tzinfo=None)
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if isinstance(value, str) and value.startswith("="):
        cell = WriteOnlyCell(sheet, value)
        cell.data_type = "s"
        return cell
    return value
