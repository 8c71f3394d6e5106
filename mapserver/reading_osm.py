"""Rows out of OpenStreetMap files: which tags of which geometries make a layer.

OGR splits a file into points, lines and multipolygons (and others); tags that are no attribute of these stand in
`other_tags` as hstore text. Counts of a layer are counts of that split."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from mapserver.faults import Origin, RawRows
from mapserver.reading_files import Source
from mapserver.reading_ogr import arrow_batches, said
from mapserver.wholeness import whole

Tags = Mapping[str, object]
"""Tag → the values that are taken: a text, several texts, or True for any. A feature with one of the tags is taken."""
Value = str | tuple[str, ...] | Callable[[Mapping[str, str]], object]
"""A column's value: a tag, the first of several tags that is there, or a function of all tags."""
_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)')
_ESCAPE = re.compile(r"\\(.)")
_IDS = ("osm_id", "osm_way_id")


def osm(
    source: Source,
    *,
    points: Tags | None = None,
    lines: Tags | None = None,
    multipolygons: Tags | None = None,
    columns: Mapping[str, Value] | None = None,
    apart: Mapping[str, Tags] | None = None,
) -> Iterator[gpd.GeoDataFrame]:
    """The features of an OSM file that have one of the tags, in frames with the layer's columns.

    columns: layer column → tag, tags or function of the tags. A column of the layer that is not named there takes the
    tag of its own name; the layer's key column takes `node/123`, `way/456` or `relation/7` unless it is named.
    In a layer of points an area stands as a point on its surface. apart: counted and reported, not loaded
    (`{"multipolygons": {"addr:housenumber": True}}`). Index: the OSM id."""
    taken = {"points": points, "lines": lines, "multipolygons": multipolygons}
    for part, wanted in taken.items():
        if wanted:
            for found in _features(source, part, wanted):
                yield _frame(source, part, found, columns or {})
    notes = tuple(_apart(source, part, tags) for part, tags in (apart or {}).items())
    if notes:
        yield _note_frame(notes)


def tags_of(other_tags: str | None) -> dict[str, str]:
    """The tags in OGR's hstore text."""
    if not other_tags:
        return {}
    if "\\" not in other_tags:
        return dict(_PAIR.findall(other_tags))
    return {_ESCAPE.sub(r"\1", key): _ESCAPE.sub(r"\1", value) for key, value in _PAIR.findall(other_tags)}


@dataclass(frozen=True, slots=True)
class _Found:
    """Features of one batch: tags, ids (`way/456`) and shapes, side by side."""

    tags: list[dict[str, str]]
    ids: list[str]
    shapes: Any


def _features(source: Source, part: str, wanted: Tags) -> Iterator[_Found]:
    for batch in _batches(source, part):
        tags = _tags(batch)
        at = [i for i, one in enumerate(tags) if _wanted(one, wanted)]
        if at:
            wkb = batch.column(batch.schema.names.index("wkb_geometry"))
            shapes = shapely.from_wkb([wkb[i].as_py() for i in at], on_invalid="ignore")
            yield _Found([tags[i] for i in at], _ids(batch, part, at), shapes)


def _batches(source: Source, part: str) -> Iterator[pa.RecordBatch]:
    whole(source.path, source.name)
    with said(source):
        yield from (batch for _, batch in arrow_batches(source, part))


def _tags(batch: pa.RecordBatch) -> list[dict[str, str]]:
    """All tags of each feature, attributes and other_tags together."""
    names = [n for n in batch.schema.names if n not in (*_IDS, "other_tags", "wkb_geometry", "z_order")]
    columns = [batch.column(batch.schema.names.index(name)).to_pylist() for name in names]
    others = batch.column(batch.schema.names.index("other_tags")).to_pylist()
    out = []
    for i, other in enumerate(others):
        tags = tags_of(other)
        for name, values in zip(names, columns, strict=True):
            if values[i] is not None:
                tags[name] = values[i]
        out.append(tags)
    return out


def _wanted(tags: Mapping[str, str], wanted: Tags) -> bool:
    for tag, values in wanted.items():
        value = tags.get(tag)
        if value is None:
            continue
        if (
            values is True
            or value == values
            or (isinstance(values, list | tuple | set | frozenset) and value in values)
        ):
            return True
    return False


def _ids(batch: pa.RecordBatch, part: str, at: list[int]) -> list[str]:
    whole = {name: batch.column(batch.schema.names.index(name)) for name in _IDS if name in batch.schema.names}
    if part == "points":
        return [f"node/{whole['osm_id'][i]}" for i in at]
    if part == "lines":
        return [f"way/{whole['osm_id'][i]}" for i in at]
    ways, relations = whole["osm_way_id"], whole["osm_id"]
    return [f"way/{ways[i]}" if ways[i].is_valid else f"relation/{relations[i]}" for i in at]


def _frame(source: Source, part: str, found: _Found, columns: Mapping[str, Value]) -> gpd.GeoDataFrame:
    layer = source.layer
    index = np.array([int(name.rpartition("/")[2]) for name in found.ids], np.int64)
    data: dict[str, Any] = {}
    for column in layer.columns:
        if column.name in columns:
            data[column.name] = [_value(tags, columns[column.name]) for tags in found.tags]
        elif column.name == layer.key:
            data[column.name] = found.ids
        else:
            data[column.name] = [tags.get(column.name) for tags in found.tags]
    shapes = shapely.point_on_surface(found.shapes) if layer.geometry == "Point" and part != "points" else found.shapes
    frame = gpd.GeoDataFrame(pd.DataFrame(data, index=index), geometry=shapes, crs="EPSG:4326")
    frame.attrs["part"] = part
    frame.attrs["origin"] = Origin(part=part, rows=index, raw=_raw(found), format="osm", headers=tuple(data))
    return frame


def _raw(found: _Found) -> RawRows:
    return lambda at: [{"osm": found.ids[i], **found.tags[i]} for i in at]


def _value(tags: Mapping[str, str], value: Value) -> object:
    if callable(value):
        return value(tags)
    if isinstance(value, tuple):
        return next((tags[tag] for tag in value if tags.get(tag)), None)
    return tags.get(value)


def _apart(source: Source, part: str, wanted: Tags) -> str:
    count = sum(len(found.ids) for found in _features(source, part, wanted))
    return f"{count} {part} with {' or '.join(wanted)} are not of this layer and were left where they are"


def _note_frame(notes: tuple[str, ...]) -> gpd.GeoDataFrame:
    frame = gpd.GeoDataFrame(geometry=[], crs="EPSG:4326")
    frame.attrs["part"] = ""
    frame.attrs["origin"] = Origin(notes=notes)
    return frame
