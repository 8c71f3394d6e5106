"""Reads `layers/*.yml` into a Catalogue, or says every problem with its file and key.

The stem is the wiring: `layers/x.yml` with `layers/x.sql` is a view, with `raster:` a raster, with `table:` a table
that exists already, else `ingest/x.py` reads it. Nothing here touches the database or knows HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapserver.errors import BadCatalogue
from mapserver.layer import GEOMETRIES, TYPES, Access, Column, Existing, Layer, Text, Tiles

NAME = re.compile(r"^[a-z][a-z0-9_]{0,47}$")
READ = re.compile(r'\blayers\."?([a-z][a-z0-9_]*)')
"""A layer's table, named in the SQL of a view."""
RESERVED = frozenset({"id", "geom", "ward_code", "bbox", "limit", "offset", "datetime", "filter", "crs", "f", "sortby"})
WARD_CODE = Column(
    "ward_code",
    "text",
    Text("Mã phường/xã", "Ward code"),
    Text(
        "Mã đơn vị hành chính cấp xã chứa đối tượng, gán bằng phép nối không gian khi nạp dữ liệu",
        "Code of the ward that holds the feature, assigned by a spatial join at ingest",
    ),
    index=True,
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextFile(_Strict):
    """A text in both languages."""

    vi: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]

    def text(self) -> Text:
        return Text(self.vi, self.en)


class AccessFile(_Strict):
    """Who may see it; anything but `public` needs a reason and a review date."""

    level: Literal["public", "internal", "secret"]
    reason: str = ""
    review: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = ""


class ColumnFile(_Strict):
    """One attribute of a layer."""

    type: Literal["text", "code", "uri", "integer", "number", "boolean", "date", "datetime", "text[]"]
    title: TextFile
    description: TextFile | None = None
    unit: Annotated[str | None, Field(description="UCUM symbol, e.g. m, m2, km/h, %")] = None
    codes: Annotated[dict[str, TextFile] | None, Field(description="The code list of a `code` column")] = None
    required: bool = False
    index: Annotated[bool, Field(description="Keep filtering and sorting by it fast")] = False
    access: Literal["public"] | AccessFile = "public"
    aliases: Annotated[tuple[str, ...], Field(description="Other headers under which agencies send it")] = ()
    stored_as: Annotated[str, Field(description="Its name in the existing table, where that is another")] = ""


class TableFile(_Strict):
    """A table that exists already, served in place."""

    name: Annotated[str, Field(description="schema.table", pattern=r"^[^.]+\.[^.]+$")]
    id: Annotated[str, Field(description="Unique whole number", min_length=1)] = "id"
    geometry: Annotated[str, Field(description="The geometry column", min_length=1)] = "geom"
    srid: Annotated[int, Field(description="SRID of the geometry column", gt=0)] = 4326

    def existing(self) -> Existing:
        schema, _, name = self.name.partition(".")
        return Existing(schema, name, self.id, self.geometry, self.srid)


class TilesFile(_Strict):
    """How the layer goes into vector tiles."""

    min_zoom: Annotated[int, Field(ge=0, le=22)] = 0
    max_zoom: Annotated[int, Field(ge=0, le=22)] = 16
    columns: tuple[str, ...] | None = None
    rank: Annotated[str | None, Field(description="Its higher values are kept first in a thinned tile")] = None
    whole_from: Annotated[
        int | None,
        Field(ge=0, le=22, description="Zoom from which on a tile holds everything; below, it may be thinned"),
    ] = None
    generalise: Annotated[
        Literal["shapes", "best", "clusters"] | None,
        Field(
            description="Keep a copy for the zooms below `whole_from`: `shapes` of lines and areas simplified, borders"
            " kept in common; of points the `best` of each small square by `rank`, or `clusters` with `point_count`"
        ),
    ] = None

    def tiles(self) -> Tiles:
        return Tiles(**dict(self))


class LayerFile(_Strict):
    """A layer of the city: `layers/<name>.yml`."""

    title: TextFile
    description: TextFile
    theme: Annotated[str, Field(description="Group in the layer tree", pattern=NAME.pattern)]
    owner: Annotated[TextFile, Field(description="The agency that answers for the data")]
    licence: Annotated[str, Field(description="SPDX identifier, or a name", min_length=2)]
    source: Annotated[TextFile, Field(description="Where it comes from")]
    update: Literal["live", "daily", "weekly", "monthly", "quarterly", "yearly", "as-needed"]
    access: Literal["public"] | AccessFile = "public"
    geometry: Literal[
        "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "Geometry", "none"
    ]
    key: str | None = None
    time: str | None = None
    until: Annotated[str | None, Field(description="First day on which it holds no more; `time` is the first")] = None
    name: Annotated[str | None, Field(description="The column a person would call the feature by")] = None
    ward: Annotated[bool, Field(description="Assign `ward_code` by a spatial join")] = False
    writable: bool = False
    if_match: Annotated[bool, Field(description="A change names the version it changes (If-Match)")] = False
    history: Annotated[bool, Field(description="Keep every version: datetime as of a moment, /changes")] = False
    system: Annotated[
        Literal["petitions", "indicators"] | None, Field(description="The system whose records it shows")
    ] = None
    raster: Annotated[bool, Field(description="A raster: the columns are its bands")] = False
    table: Annotated[
        Annotated[str, Field(pattern=r"^[^.]+\.[^.]+$")] | TableFile | None,
        Field(description="schema.table of a table that exists already, served in place"),
    ] = None
    tiles: TilesFile = TilesFile()
    columns: dict[str, ColumnFile]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: which file, which key, and what would be right."""

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.message}" if self.key else f"{self.file}: {self.message}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All layers by name, in the order of their files' names."""

    layers: Mapping[str, Layer]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers.values())

    def __contains__(self, name: object) -> bool:
        return name in self.layers

    def __getitem__(self, name: str) -> Layer:
        return self.layers[name]

    @property
    def vector(self) -> tuple[Layer, ...]:
        """The layers with rows: tables and views."""
        return tuple(layer for layer in self if layer.origin != "raster")


def catalogue(folder: Path) -> Catalogue:
    """The catalogue of a folder of layer files. Raises BadCatalogue naming every problem."""
    layers, problems = read(folder)
    if problems:
        raise BadCatalogue("", "\n".join(str(problem) for problem in problems))
    return Catalogue(layers)


def read(folder: Path) -> tuple[dict[str, Layer], list[Problem]]:
    """Every layer that can be read, and every problem of all of them."""
    files = sorted(folder.glob("*.yml"))
    if not files:
        return {}, [Problem(str(folder), "", "no layer files (*.yml) here")]
    layers: dict[str, Layer] = {}
    problems: list[Problem] = []
    for path in files:
        raw, faults = _parsed(path)
        if raw is not None:
            layer = _layer(path, raw)
            faults = [*_faults(layer, raw, path)]
            layers[layer.name] = layer
        problems += faults
    stray = [p for p in sorted(folder.glob("*.sql")) if not p.with_suffix(".yml").exists()]
    problems += [Problem(p.name, "", f"has no layer file; expected {p.stem}.yml beside it") for p in stray]
    return layers, problems


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a layer file, for editors."""
    schema = LayerFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "CityMap layer file", **schema}


def _parsed(path: Path) -> tuple[LayerFile | None, list[Problem]]:
    if not NAME.match(path.stem):
        return None, [
            Problem(path.name, "", "a layer's name is lower-case letters, digits and _, starting with a letter")
        ]
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        return LayerFile.model_validate(raw), []
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [Problem(path.name, "", f"is not readable YAML: {' '.join(str(error).split())}")]
    except ValidationError as error:
        return None, [Problem(path.name, ".".join(str(x) for x in e["loc"]), e["msg"]) for e in error.errors()]


def _access(raw: Literal["public"] | AccessFile) -> Access:
    return Access() if raw == "public" else Access(raw.level, raw.reason, raw.review)


def _column(name: str, raw: ColumnFile) -> Column:
    return Column(
        name=name,
        type=raw.type,
        title=raw.title.text(),
        description=raw.description.text() if raw.description else None,
        unit=raw.unit,
        codes={code: title.text() for code, title in raw.codes.items()} if raw.codes else None,
        required=raw.required,
        index=raw.index,
        access=_access(raw.access),
        aliases=raw.aliases,
        stored_as=raw.stored_as,
    )


def _layer(path: Path, raw: LayerFile) -> Layer:
    columns = tuple(_column(name, column) for name, column in raw.columns.items())
    question = path.with_suffix(".sql")
    sql = question.read_text(encoding="utf-8").strip().rstrip(";") if question.exists() else ""
    return Layer(
        name=path.stem,
        title=raw.title.text(),
        description=raw.description.text(),
        theme=raw.theme,
        owner=raw.owner.text(),
        licence=raw.licence,
        source=raw.source.text(),
        update=raw.update,
        origin="raster" if raw.raster else "view" if sql else "table" if raw.table else "ingest",
        columns=(*columns, WARD_CODE) if raw.ward else columns,
        geometry=None if raw.raster or raw.geometry == "none" else raw.geometry,
        key=raw.key,
        time=raw.time,
        until=raw.until,
        name_column=raw.name,
        ward=raw.ward,
        writable=raw.writable,
        if_match=raw.if_match,
        history=raw.history,
        system=raw.system or "",
        access=_access(raw.access),
        tiles=raw.tiles.tiles(),
        sql=sql,
        reads=frozenset(READ.findall(sql)),
        existing=_existing(raw.table),
        folder=path.parent,
    )


def _existing(raw: str | TableFile | None) -> Existing | None:
    return (TableFile(name=raw) if isinstance(raw, str) else raw).existing() if raw else None


def _faults(layer: Layer, raw: LayerFile, path: Path) -> Iterator[Problem]:
    """What a single field cannot tell: names that point nowhere, files that are missing, reasons not given."""

    def problem(key: str, message: str) -> Problem:
        return Problem(path.name, key, message)

    for name, column in raw.columns.items():
        key = f"columns.{name}"
        if not NAME.match(name):
            yield problem(key, "a column's name is lower-case letters, digits and _, starting with a letter")
        if name in RESERVED and not (layer.existing and name == WARD_CODE.name):
            yield problem(key, f"the name {name} is taken by the engine")
        if (column.type == "code") != (column.codes is not None):
            yield problem(key, "`codes` and `type: code` go together")
        if column.type in ("integer", "number") and column.unit is None and column.description is None:
            yield problem(key, "a number needs a unit, or a description that says what it counts")
        if column.access != "public" and not (column.access.reason and column.access.review):
            yield problem(f"{key}.access", "what is not public needs a reason and a review date")
        if column.stored_as and layer.existing is None:
            yield problem(f"{key}.stored_as", "belongs to a layer of an existing `table:`")
    if raw.access != "public" and not (raw.access.reason and raw.access.review):
        yield problem("access", "what is not public needs a reason and a review date")
    yield from _pointers(layer, problem)
    yield from _files(layer, problem)


def _pointers(layer: Layer, problem: Any) -> Iterator[Problem]:
    names = layer.by_name
    for key, name in (
        ("key", layer.key),
        ("name", layer.name_column),
        ("time", layer.time),
        ("until", layer.until),
        ("tiles.rank", layer.tiles.rank),
    ):
        if name is not None and name not in names:
            yield problem(key, f"there is no column {name}; there are {', '.join(names)}")
    if layer.key in names and not names[layer.key or ""].required:
        yield problem("key", f"the key column {layer.key} must be `required: true`")
    if layer.time in names and names[layer.time or ""].type not in ("date", "datetime"):
        yield problem("time", f"the time column {layer.time} must be a date or a datetime")
    if layer.until in names and {getattr(names.get(name or ""), "type", "") for name in (layer.time, layer.until)} != {
        "date"
    }:
        yield problem("until", "goes with `time`, and both columns are dates")
    for name in layer.tiles.columns or ():
        if name not in names:
            yield problem("tiles.columns", f"there is no column {name}")
        elif not TYPES[names[name].type].tile:
            yield problem("tiles.columns", f"{name} is an array; vector tiles cannot hold it")
    if layer.tiles.min_zoom > layer.tiles.max_zoom:
        yield problem("tiles", "min_zoom is above max_zoom")
    yield from _generalise_faults(layer, problem)
    if layer.ward and layer.geometry is None:
        yield problem("ward", "a layer without geometry cannot be joined to wards by place")
    if layer.geometry is not None and layer.geometry not in GEOMETRIES:
        yield problem("geometry", f"is one of {', '.join(GEOMETRIES)}")
    seen: dict[str, str] = {}
    for column in layer.columns:
        for alias in column.aliases:
            if seen.setdefault(alias.casefold(), column.name) != column.name:
                yield problem(f"columns.{column.name}.aliases", f"{alias} also names {seen[alias.casefold()]}")


def _generalise_faults(layer: Layer, problem: Any) -> Iterator[Problem]:
    """A generalised copy follows a table of ours; which kinds there are depends on the geometry."""
    kind, key = layer.tiles.generalise, "tiles.generalise"
    if kind is None:
        return
    if layer.origin != "ingest":
        yield problem(key, "needs a table of its own: nobody tells when what a view or another's table shows changes")
    fitting = ("best", "clusters") if layer.geometry == "Point" else ("shapes",)
    if kind not in fitting or layer.geometry in (None, "MultiPoint", "Geometry"):
        yield problem(key, "is `shapes` for lines and areas, `best` or `clusters` for points, and for nothing else")
    if not layer.tiles.generalised_zooms:
        yield problem(key, "is for the zooms below `whole_from`, and there are none")
    if kind == "clusters" and "point_count" in layer.by_name:
        yield problem("columns.point_count", "is the name that clusters give to the number of their points")


def _files(layer: Layer, problem: Any) -> Iterator[Problem]:
    city = layer.folder.parent
    if layer.existing is not None:
        yield from _existing_faults(layer, problem)
        return
    if layer.origin != "view" and not (city / "ingest" / f"{layer.name}.py").exists():
        yield problem("", f"has neither ingest/{layer.name}.py nor layers/{layer.name}.sql")
    if (layer.geometry or layer.origin == "raster") and not (city / "styles" / f"{layer.name}.json").exists():
        yield problem("", f"has no style; expected styles/{layer.name}.json")
    if layer.writable and layer.origin != "ingest":
        yield problem("writable", "only a table can be written, not a view or a raster")
    if layer.if_match and not layer.writable:
        yield problem("if_match", "says how the layer is written; it goes with `writable: true`")
    if layer.history and (layer.origin != "ingest" or not (layer.key or layer.writable)):
        yield problem("history", "needs a table whose rows keep their ids: one with a `key`, or `writable: true`")


def _existing_faults(layer: Layer, problem: Any) -> Iterator[Problem]:
    """An existing table is read as it is: no script, no style and no question of ours stand beside it."""
    if layer.origin != "table":
        yield problem("table", f"a {layer.origin} is not an existing table, too; take one of the two away")
    if layer.writable:
        yield problem("writable", "an existing table is only read")
    if layer.ward:
        yield problem("ward", "an existing table gets no ward_code; declare the column if it has one")
