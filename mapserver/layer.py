"""The nouns of the engine: Layer and Column, frozen data, and the one table of column types.

Table, SQL, style, queryables, OpenAPI and documents are functions *of* a layer, in their own rooms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = ("vi", "en")


@dataclass(frozen=True, slots=True)
class Text:
    """A text in Vietnamese and English."""

    vi: str
    en: str

    def __getitem__(self, language: Language) -> str:
        return self.vi if language == "vi" else self.en


@dataclass(frozen=True, slots=True)
class ColumnType:
    """One row of the type table: the same type in SQL, in JSON Schema, in Arrow, and in a JSON text made by SQL."""

    sql: str
    schema: Mapping[str, object]
    arrow: str
    json_sql: str
    """SQL text giving the JSON text of column `{0}`, never null for a non-null value."""
    tile: bool = True
    """Whether it may stand in a vector tile (MVT knows no arrays)."""


def _type(sql: str, schema: dict[str, object], arrow: str, json_sql: str, *, tile: bool = True) -> ColumnType:
    return ColumnType(sql, MappingProxyType(schema), arrow, json_sql, tile)


TYPES: Mapping[str, ColumnType] = MappingProxyType(
    {
        "text": _type("text", {"type": "string"}, "string", "to_json({0})::text"),
        "code": _type("text", {"type": "string"}, "string", "to_json({0})::text"),
        "uri": _type("text", {"type": "string", "format": "uri"}, "string", "to_json({0})::text"),
        "integer": _type("bigint", {"type": "integer"}, "int64", "{0}::text"),
        "number": _type("double precision", {"type": "number"}, "float64", "{0}::text"),
        "boolean": _type("boolean", {"type": "boolean"}, "bool", "CASE WHEN {0} THEN 'true' ELSE 'false' END"),
        "date": _type(
            "date", {"type": "string", "format": "date"}, "date32", """'"'||to_char({0},'YYYY-MM-DD')||'"'"""
        ),
        "datetime": _type(
            "timestamptz",
            {"type": "string", "format": "date-time"},
            "timestamp[us, tz=UTC]",
            """'"'||to_char({0} AT TIME ZONE 'UTC','YYYY-MM-DD"T"HH24:MI:SS.US"Z"')||'"'""",
        ),
        "text[]": _type(
            "text[]",
            {"type": "array", "items": {"type": "string"}},
            "list<string>",
            "to_json({0})::text",
            tile=False,
        ),
    }
)
"""The one type table. `code` is text out of a code list; `integer` is 64 bits; numbers are finite."""

GEOMETRIES: Mapping[str, str] = MappingProxyType(
    {
        "Point": "geometry-point",
        "LineString": "geometry-linestring",
        "Polygon": "geometry-polygon",
        "MultiPoint": "geometry-multipoint",
        "MultiLineString": "geometry-multilinestring",
        "MultiPolygon": "geometry-multipolygon",
        "Geometry": "geometry-any",
    }
)
"""Geometry types of a layer, and their JSON Schema format (OGC API Features Part 5)."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may see a layer or a column. Anything but public carries its reason and the date it is looked at again."""

    level: Literal["public", "internal", "secret"] = "public"
    reason: str = ""
    review: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One attribute of a layer."""

    name: str
    type: str
    title: Text
    description: Text | None = None
    unit: str | None = None
    codes: Mapping[str, Text] | None = None
    required: bool = False
    index: bool = False
    """Has a btree index, so that filtering and sorting by it stay fast."""
    access: Access = Access()
    aliases: tuple[str, ...] = ()
    """Other headers under which agencies send it (compared without case, accents and punctuation)."""
    stored_as: str = ""
    """Its name in an existing table, where that is another."""

    @property
    def kind(self) -> ColumnType:
        return TYPES[self.type]


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a layer goes into vector tiles. columns: names that stand in a tile; None means all public ones."""

    min_zoom: int = 0
    max_zoom: int = 16
    columns: tuple[str, ...] | None = None
    rank: str | None = None
    """Column whose higher values are kept first where a tile would hold too much."""
    whole_from: int | None = None
    """Zoom from which on a tile holds everything, however large; None means the last one."""
    generalise: Literal["shapes", "best", "clusters"] | None = None
    """What a layer's generalised copy for the zooms below `whole_zoom` holds; None means that it has none."""

    @property
    def whole_zoom(self) -> int:
        return self.max_zoom if self.whole_from is None else self.whole_from

    @property
    def generalised_zooms(self) -> range:
        """The zooms that the generalised copy is for."""
        return range(self.min_zoom, min(self.whole_zoom, self.max_zoom + 1) if self.generalise else self.min_zoom)


@dataclass(frozen=True, slots=True)
class Existing:
    """A table of somebody else's: where it stands, and what its id and geometry are called there."""

    schema: str
    name: str
    id: str = "id"
    geometry: str = "geom"
    srid: int = 4326


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the catalogue; its name is its file's stem and its table `layers.<name>`."""

    name: str
    title: Text
    description: Text
    theme: str
    owner: Text
    licence: str
    source: Text
    update: str
    origin: Literal["ingest", "view", "raster", "table"]
    columns: tuple[Column, ...]
    geometry: str | None = None
    """A key of GEOMETRIES; None for a layer without geometry, and for rasters."""
    key: str | None = None
    """Column that names a row at its source (unique, required); keeps ids the same across loads."""
    time: str | None = None
    """The date or datetime column that `datetime` asks about."""
    until: str | None = None
    """The date column of the first day on which a feature did not hold any more; then `time` is when it began."""
    name_column: str | None = None
    """The column a person would call the feature by."""
    ward: bool = False
    """Carries `ward_code`, assigned by a spatial join at ingest."""
    writable: bool = False
    """May be written through the API by a token with the right; then its rows are precious."""
    if_match: bool = False
    """A change through the API must name the version that it changes (`If-Match`)."""
    history: bool = False
    """Every version of its features is kept: `datetime` without a time column answers as of then, and `/changes`."""
    system: str = ""
    """The system whose records it shows; its rows follow those, and no load replaces them."""
    access: Access = Access()
    tiles: Tiles = Tiles()
    sql: str = ""
    """The SELECT of a view."""
    reads: frozenset[str] = frozenset()
    """The layers that a view reads."""
    existing: Existing | None = None
    """The table that a layer of origin `table` is served from, in place."""
    folder: Path = field(default=Path(), compare=False)
    """The folder of the layer files this one was read from."""

    def __hash__(self) -> int:
        """By name, so that what is made of a layer once can be kept by it; equal layers have equal names."""
        return hash(self.name)

    @property
    def table(self) -> str:
        """Schema-qualified, quoted SQL name."""
        return f'layers."{self.name}"'

    @property
    def as_of(self) -> bool:
        """Whether `datetime` asks for the features as they were, instead of for a column."""
        return self.history and self.time is None

    @property
    def by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    @property
    def srid(self) -> int:
        """The SRID of the stored geometries."""
        return self.existing.srid if self.existing else 4326

    @property
    def is_loaded(self) -> bool:
        """Whether it is empty until a load fills it; views and existing tables fill themselves."""
        return self.origin in ("ingest", "raster")
