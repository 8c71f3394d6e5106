"""Rows of what OGR reads (Shapefile, GeoPackage, GeoJSON, MapInfo, File Geodatabase, …) and of GeoParquet."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from tempfile import TemporaryFile
from typing import IO, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as papq
import pyogrio
import pyproj
import shapely
from pyproj.exceptions import CRSError

from mapserver.errors import BadLoad
from mapserver.faults import Fault, Origin, raw_rows
from mapserver.headers import headers
from mapserver.reading_files import Source
from mapserver.text import folded
from mapserver.wholeness import whole

BATCH_ROWS = 65_536
_DAMAGE = ("error ", "truncated", "corrupt", "unexpected end", "malformed", "fread", "premature", "read error")


def ogr_rows(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Rows of one layer of a file that OGR reads."""
    whole(source.path, source.name)
    inner = _inner_layer(source)
    with said(source):
        yield from _ogr_frames(source, inner)


def parquet_rows(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Rows of a GeoParquet file (geometry as WKB), or of a plain Parquet file for a layer without geometry."""
    try:
        with papq.ParquetFile(source.path) as file:
            geometry, crs = _geo(source, file.schema_arrow)
            following = 1
            for batch in file.iter_batches(BATCH_ROWS):
                yield _frame(source, batch, _Part("", geometry, _declared(source, crs), "parquet"), following)
                following += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise BadLoad(source.name, f"is not a readable Parquet file: {_first_line(error)}") from error


def arrow_batches(source: Source, inner: str, **options: Any) -> Iterator[tuple[dict[str, Any], pa.RecordBatch]]:
    """Batches of one inner layer with OGR's description of it. Raises BadLoad in words."""
    with pyogrio.open_arrow(
        source.path, layer=inner, encoding=source.encoding, batch_size=BATCH_ROWS, use_pyarrow=True, **options
    ) as (meta, reader):
        for batch in reader:
            yield meta, batch


@contextmanager
def said(source: Source) -> Iterator[None]:
    """OGR's errors in words; what it only mutters about is looked through for damage at the end."""
    start = _mutterings().tell()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        _damaged(source, [*(str(warning.message) for warning in caught), *_muttered(start)])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pa.ArrowException, RuntimeError) as error:
        raise BadLoad(source.name, f"cannot be read: {_first_line(error)}") from error
    except (UnicodeError, ValueError) as error:
        raise BadLoad(source.name, f"cannot be read: {_first_line(error)}; is its --encoding another?") from error
    except OSError as error:
        raise BadLoad(source.name, f"is damaged or cut off: {_first_line(error)}") from error


@cache
def _mutterings() -> IO[str]:
    """The nameless file that GDAL logs to instead of standard error; it asks for it once, at its first message."""
    file = TemporaryFile("r+", errors="replace")  # noqa: SIM115 -- kept as long as the process
    pyogrio.set_gdal_config_options({"CPL_LOG": f"/proc/self/fd/{file.fileno()}"})
    return file


def _muttered(start: int) -> list[str]:
    file = _mutterings()
    file.seek(start)
    return file.read().splitlines()


def _ogr_frames(source: Source, inner: str) -> Iterator[gpd.GeoDataFrame]:
    following, promised = 1, _promised(source, inner)
    for meta, batch in arrow_batches(source, inner):
        geometry = meta["geometry_name"] or "wkb_geometry" if meta["geometry_type"] else None
        if geometry not in batch.schema.names:
            geometry = None
        yield _frame(source, batch, _Part(inner, geometry, _declared(source, meta["crs"]), _format(source)), following)
        following += batch.num_rows
    if following <= promised:
        raise BadLoad(
            source.name, f"is damaged or cut off: only {following - 1:,} of {promised:,} features can be read"
        )


def _promised(source: Source, inner: str) -> int:
    """How many features a file says it has, -1 when it does not say."""
    return int(pyogrio.read_info(source.path, layer=inner, encoding=source.encoding)["features"])


def _damaged(source: Source, said: list[str]) -> None:
    """OGR goes on after much that makes a file a damaged one; we do not."""
    for message in said:
        if any(word in message.lower() for word in _DAMAGE):
            raise BadLoad(source.name, f"is damaged or cut off: {message}")


def _inner_layer(source: Source) -> str:
    """The layer of a container that was asked for, is the only one, or bears the layer's name."""
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(source.path)]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError) as error:
        raise BadLoad(source.name, f"cannot be read, or is not what its name says: {_first_line(error)}") from error
    if not names:
        raise BadLoad(source.name, "holds no layer; it is damaged, cut off, or not what its name says")
    wanted = source.sheet
    if wanted is not None and wanted not in names:
        raise BadLoad(source.name, f"has no layer {wanted!r}; there are {', '.join(names)}")
    if wanted is not None or len(names) == 1:
        return wanted or names[0]
    layer = source.layer
    forms = {folded(layer.name), folded(layer.title.vi), folded(layer.title.en)}
    same = [name for name in names if folded(name) in forms]
    if len(same) != 1:
        raise BadLoad(source.name, f"holds the layers {', '.join(names) or 'none'}; name one with --sheet")
    return same[0]


def _format(source: Source) -> str:
    return "mapinfo" if source.path.suffix.lower() in (".tab", ".mif") else "ogr"


@dataclass(frozen=True, slots=True)
class _Part:
    """One inner layer: its name, geometry column, CRS and format."""

    name: str
    geometry: str | None
    crs: Any
    format: str


def _frame(source: Source, batch: pa.RecordBatch, part: _Part, first: int) -> gpd.GeoDataFrame | pd.DataFrame:
    rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
    raw, notes = _readable(source, pa.Table.from_batches([batch]))
    shapes, faults = (None, ()) if part.geometry is None else _shapes(raw.column(part.geometry), rows)
    raw = raw if part.geometry is None else raw.drop_columns([part.geometry])
    head = headers(raw.column_names, source.layer)
    columns = {name: _series(raw.column(p), rows) for name, p in head.columns.items()}
    frame = pd.DataFrame(columns, index=rows)
    if shapes is not None and source.layer.geometry:
        frame = gpd.GeoDataFrame(frame, geometry=shapes, crs=part.crs)
    frame.attrs["part"] = part.name
    frame.attrs["origin"] = Origin(
        part=part.name,
        headers=tuple(raw.column_names),
        rows=rows,
        raw=raw_rows(raw),
        faults=faults,
        notes=notes,
        crs_asked=source.crs is not None,
        format=part.format,
        names={name: head.names[p] for name, p in head.columns.items()},
    )
    return frame


def _readable(source: Source, raw: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    """The table with true text: a file that says UTF-8 may hold bytes of another encoding."""
    notes = []
    for at, field in enumerate(raw.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            column = raw.column(at).cast(pa.binary())
            try:
                text = column.cast(pa.string())
            except pa.ArrowInvalid:
                text = pa.array([None if v is None else v.decode("latin-1") for v in column.to_pylist()], pa.string())
                notes.append(
                    f"{source.name}: column {field.name} is not in the encoding the file says; read byte by byte"
                )
            raw = raw.set_column(at, field.name, text)
    return raw, tuple(notes)


def _declared(source: Source, crs: Any) -> Any:
    """The CRS a file declares, or the one that was asked for. Raises BadLoad for one that PROJ does not know."""
    try:
        return None if (source.crs or crs) is None else pyproj.CRS.from_user_input(source.crs or crs)
    except CRSError as error:
        reason = f"its CRS is not understood ({_first_line(error)[:120]}); name it with --crs, e.g. EPSG:9210"
        raise BadLoad(source.name, reason) from error


def _series(column: pa.ChunkedArray, rows: Any) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(column), index=rows)


def _shapes(column: pa.ChunkedArray, rows: Any) -> tuple[Any, tuple[Fault, ...]]:
    wkb = column.to_pylist()
    shapes = shapely.from_wkb(wkb, on_invalid="ignore")
    faults = tuple(
        Fault(
            int(row),
            "geometry",
            "bad geometry",
            "is not a readable geometry (damaged WKB, or a ring of too few points)",
        )
        for row, raw, shape in zip(rows, wkb, shapes, strict=True)
        if raw is not None and shape is None
    )
    return shapes, faults


def _geo(source: Source, schema: pa.Schema) -> tuple[str | None, Any]:
    """Geometry column and CRS of a GeoParquet file; by its standard, no CRS means longitude and latitude."""
    said = (schema.metadata or {}).get(b"geo")
    if said is None:
        return next((n for n in schema.names if folded(n) in ("geometry", "geom", "wkb")), None), None
    geo = json.loads(said)
    name = geo["primary_column"]
    column = geo["columns"][name]
    if column.get("encoding", "WKB") != "WKB":
        raise BadLoad(source.name, f"keeps its geometry as {column['encoding']}; expected WKB")
    crs = column.get("crs", "OGC:CRS84")
    return name, json.dumps(crs) if isinstance(crs, dict) else crs


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
