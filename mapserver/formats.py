"""The files that a layer, or a part of it, can be had as: one table, from which doors and documents take theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mapserver.layer import Layer, Text


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file. also: other media types that mean it. driver: the GDAL driver that writes it, if one does."""

    name: str
    title: Text
    media_type: str
    suffix: str
    also: tuple[str, ...] = ()
    driver: str | None = None
    tables: bool = True
    """Whether it can hold a layer without geometry."""


def _plain(name: str) -> Text:
    return Text(name, name)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        made.name: made
        for made in (
            Format("csv", _plain("CSV"), "text/csv", "csv"),
            Format("xlsx", _plain("Excel (XLSX)"),
                   "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
            Format("geojsonseq", _plain("GeoJSONSeq"), "application/geo+json-seq", "geojsonl"),
            Format("parquet", _plain("GeoParquet"), "application/vnd.apache.parquet", "parquet",
                   ("application/x-parquet", "application/parquet")),
            Format("fgb", _plain("FlatGeobuf"), "application/flatgeobuf", "fgb", driver="FlatGeobuf", tables=False),
            Format("gpkg", _plain("GeoPackage"), "application/geopackage+sqlite3", "gpkg",
                   ("application/x-sqlite3",), driver="GPKG"),
            Format("shp", Text("Shapefile (nén)", "Shapefile (zipped)"), "application/zip", "shp.zip",
                   ("application/x-shapefile",), driver="ESRI Shapefile", tables=False),
        )
    }
)  # fmt: skip
"""Every kind of file, by the value of `f`."""


def offered(layer: Layer) -> tuple[Format, ...]:
    """The kinds of file that can hold this layer."""
    return tuple(made for made in FORMATS.values() if made.tables or layer.geometry)
