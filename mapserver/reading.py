"""Sources of rows: any file an agency has, from a path or a URL, as a stream of frames in the layer's columns.

Nothing is judged here but whether a file is what it says; rows are checked by `checks` and stored by `loading`.
A city's script mostly says `from mapserver.reading import rows` or `osm`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas as gpd
import pyproj
from pyproj.exceptions import CRSError

from mapserver.errors import BadLoad
from mapserver.layer import Layer
from mapserver.reading_files import Source, content, fetched, unpacked
from mapserver.reading_ogr import ogr_rows, parquet_rows
from mapserver.reading_osm import osm
from mapserver.reading_tables import csv_rows, workbook_rows

__all__ = ["Source", "opened", "osm", "rows"]

_READERS = {"csv": csv_rows, "workbook": workbook_rows, "parquet": parquet_rows}


def rows(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """The rows of any table or vector file, in frames of the layer's columns, headers matched by name, alias or title.

    Each frame: index = row number as a person counts it, geometry in the file's own CRS (`crs` None when not said),
    `attrs["part"]` the sheet or inner layer. Raises BadLoad for what cannot be read."""
    kind = content(source)
    if kind == "osm":
        script = f"ingest/{source.layer.name}.py"
        raise BadLoad(source.name, f"{script} must say which OpenStreetMap tags it takes, with mapserver.reading.osm")
    yield from _READERS.get(kind, ogr_rows)(source)


@contextmanager
def opened(
    where: str | Path, layer: Layer, *, encoding: str | None = None, crs: str | None = None, sheet: str | None = None
) -> Iterator[Source]:
    """A source for the length of a load: a URL is downloaded and an archive unpacked into a folder that goes away."""
    name = str(where)
    _known(crs)
    with TemporaryDirectory(prefix="citymap-") as folder:
        path = fetched(name, Path(folder)) if name.startswith(("http://", "https://")) else Path(where)
        path = unpacked(path, Path(folder), name)
        yield Source(path, layer, name=name, encoding=encoding, crs=crs, sheet=sheet)


def _known(crs: str | None) -> None:
    try:
        pyproj.CRS.from_user_input(crs) if crs else None
    except CRSError:
        raise BadLoad("--crs", f"{crs} is not known; expected a code such as EPSG:9210 or EPSG:4326") from None
