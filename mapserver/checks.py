"""Is every row of a frame what its layer promises? Whole columns at a time; what is not is given with a reason.

A row that passes is in the layer's types, in longitude and latitude, in the layer's geometry type, and has its ward."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from mapserver.errors import BadLoad
from mapserver.faults import Fault, Origin
from mapserver.georeference import SAMPLE, Decision, Sample, decided
from mapserver.layer import Column, Layer
from mapserver.shapes import (
    Array,
    empty,
    ewkb,
    flat,
    inner_points,
    kind_of,
    mended,
    not_finite,
    typed,
    why_invalid,
    without,
)
from mapserver.text import control_characters, legacy, repaired
from mapserver.values import Mask, converted, text_of
from mapserver.wards import VIETNAM, Box, Wards

LONGEST_TEXT = 10_000
LONGEST_INDEXED_BYTES = 2_000
"""A btree entry holds no more than 2,704 bytes."""
LONGEST_RAW = 100_000
"""Characters of a raw geometry that the quarantine keeps."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One row that was not loaded: every fault it has, and its values as they came."""

    source: str
    part: str
    row: int
    faults: tuple[Fault, ...]
    raw: str
    """JSON text."""

    @property
    def reason(self) -> str:
        first, *others = self.faults
        return "; also ".join([first.reason, *(f"{f.column}: {f.reason}" if f.column else f.reason for f in others)])


@dataclass(frozen=True, slots=True)
class Checked:
    """A frame after its checks. rows: what may be stored, in the order of the layer's columns, `geom` as EWKB."""

    source: str
    part: str
    rows: pa.Table
    numbers: Array
    """Row number in the source of each stored row."""
    quarantined: tuple[Quarantined, ...]
    rows_in: int
    mended: int
    in_no_ward: int
    notes: tuple[str, ...]
    given: frozenset[str]
    """The layer's columns that the source has."""


@dataclass(slots=True)
class Rulings:
    """What was decided once for a part of a source: its CRS, and the encoding of each column."""

    references: dict[tuple[str, str], Decision] = field(default_factory=dict)
    encodings: dict[tuple[str, str, str], str | None] = field(default_factory=dict)


class _Findings:
    """Faults by position of the row in its frame."""

    def __init__(self, count: int) -> None:
        self.bad: Mask = np.zeros(count, bool)
        self.faults: dict[int, list[tuple[str, str, str]]] = defaultdict(list)

    def add(self, position: int, column: str, kind: str, reason: str) -> None:
        self.bad[position] = True
        self.faults[position].append((column, kind, reason))

    def mark(self, flags: Mask, column: str, kind: str, reason: str) -> None:
        for position in np.flatnonzero(flags):
            self.add(int(position), column, kind, reason)


@dataclass(frozen=True, slots=True)
class Checker:
    """The checks of one load, and what was decided on the way."""

    layer: Layer
    wards: Wards
    mend: bool = False
    rulings: Rulings = field(default_factory=Rulings)

    def check(self, frame: pd.DataFrame) -> Checked:
        """A frame as rows that may be stored and rows that may not. Raises BadLoad when the file as a whole cannot."""
        return _Check(self, frame).run()


class _Check:
    """One frame on its way through the checks."""

    def __init__(self, checker: Checker, frame: pd.DataFrame) -> None:
        self.checker, self.layer, self.frame = checker, checker.layer, frame
        self.part = str(frame.attrs.get("part", ""))
        self.source = str(frame.attrs.get("source", ""))
        self.origin: Origin = frame.attrs.get("origin") or Origin(part=self.part)
        self.findings = _Findings(len(frame))
        self.mended = 0
        self.notes = list(self.origin.notes)

    def run(self) -> Checked:
        self._complete()
        self._found_while_reading()
        columns = {column.name: self._column(column) for column in self._own_columns()}
        shapes, found = self._place() if self.layer.geometry else (None, None)
        good = ~self.findings.bad
        rows = self._rows(columns, shapes, found, good)
        return Checked(
            source=self.source,
            part=self.part,
            rows=rows,
            numbers=np.asarray(self.frame.index)[good],
            quarantined=self._quarantined(),
            rows_in=len(self.frame),
            mended=self.mended,
            in_no_ward=int((found[good] < 0).sum()) if found is not None and self.layer.ward else 0,
            notes=tuple(self.notes),
            given=frozenset(set(self.frame.columns) & set(self.layer.by_name)),
        )

    def _own_columns(self) -> list[Column]:
        """The layer's columns but for the ward, which is ours to assign."""
        return [c for c in self.layer.columns if not (self.layer.ward and c.name == "ward_code")]

    @property
    def where(self) -> str:
        return f"{self.source} ({self.part})" if self.part and self.part not in self.source else self.source

    def _complete(self) -> None:
        """A required column, or the geometry, that the whole file lacks."""
        missing = [c for c in self._own_columns() if c.required and c.name not in self.frame.columns]
        has = f"the file has {', '.join(self.origin.headers) or ', '.join(map(str, self.frame.columns)) or 'none'}"
        if missing and len(self.frame):
            wanted = "; ".join(f"{c.name} ({c.title.vi} / {c.title.en})" for c in missing)
            raise BadLoad(self.where, f"a required column is missing: {wanted}; {has}")
        if self.layer.geometry and not isinstance(self.frame, gpd.GeoDataFrame) and len(self.frame):
            raise BadLoad(self.where, f"there are no coordinates: expected longitude and latitude (Kinh độ, Vĩ độ), "
                          f"VN-2000 X and Y, or WKT; {has}")  # fmt: skip

    def _found_while_reading(self) -> None:
        if self.origin.faults:
            at = {int(label): position for position, label in enumerate(self.frame.index)}
            for fault in self.origin.faults:
                if fault.row in at:
                    self.findings.add(at[fault.row], fault.column, fault.kind, fault.reason)

    # Attributes

    def _column(self, column: Column) -> pa.Array:
        name = column.name
        if name not in self.frame.columns:
            return pa.nulls(len(self.frame), _arrow_type(column))
        raw = self._in_unicode(name, _array(self.frame[name]))
        values = converted(raw, column)
        header = self.origin.names.get(name, name)
        for at in np.flatnonzero(values.bad):
            kind = "not in the code list" if column.type == "code" else f"not of type {column.type}"
            self.findings.add(int(at), header, kind, f"{_shown(raw[int(at)])} is not {values.expected}")
        if column.required and values.array.null_count:
            empty = _flags(pc.is_null(values.array)) & ~values.bad & ~self._unread()
            self.findings.mark(
                empty, header, "value missing", f"is empty; {name} ({column.title.vi}) must have a value"
            )
        if column.type in ("text", "uri"):
            self._text(column, header, values.array)
        return values.array

    def _unread(self) -> Mask:
        """Rows that could not be read at all, so that their empty values say nothing."""
        unread = np.zeros(len(self.frame), bool)
        for position, faults in self.findings.faults.items():
            unread[position] = any(kind == "wrong width" for _, kind, _ in faults)
        return unread

    def _in_unicode(self, name: str, raw: pa.Array) -> pa.Array:
        """Text out of a legacy encoding; the decision is made once for a column, by its first values with marks."""
        if not pa.types.is_string(raw.type) or pc.all(pc.string_is_ascii(raw), skip_nulls=True).as_py() is not False:
            return raw
        key, encodings = (self.source, self.part, name), self.checker.rulings.encodings
        if key not in encodings:
            encodings[key] = legacy(pc.unique(raw.slice(0, SAMPLE * 4)).to_pylist())
            if encodings[key]:
                header = self.origin.names.get(name, name)
                self.notes.append(f"{self.where}: column {header} was in {encodings[key]}; repaired to Unicode")
        encoding = encodings[key]
        return repaired(raw, encoding) if encoding else raw

    def _text(self, column: Column, header: str, text: pa.Array) -> None:
        self.findings.mark(
            _flags(control_characters(text)), header, "control characters", "holds NUL or another control character"
        )
        indexed = column.index or column.name == self.layer.key
        limit, unit = (LONGEST_INDEXED_BYTES, "bytes") if indexed else (LONGEST_TEXT, "characters")
        length = pc.binary_length(text) if indexed else pc.utf8_length(text)
        for at in np.flatnonzero(_flags(pc.greater(length, limit))):
            reason = f"is {length[int(at)].as_py()} {unit} long; at most {limit} are stored"
            self.findings.add(int(at), header, "too long", reason)

    # Geometry

    def _place(self) -> tuple[Array, Array]:
        """Shapes as the layer stores them, and the position of each one's ward."""
        if not isinstance(self.frame, gpd.GeoDataFrame):
            return np.full(len(self.frame), None, object), np.full(len(self.frame), -1, np.int64)
        given = self._present(np.asarray(self.frame.geometry.array, dtype=object))
        shapes = self._decision(given).reference.moved(given) if len(given) else given
        if shapes is not given:
            self._finite(shapes, "could not be brought from its CRS to longitude and latitude")
        self._in_city(shapes)
        shapes = self._valid(self._typed(shapes))
        found = np.full(len(shapes), -1, np.int64)
        if self.layer.ward:
            good = np.flatnonzero(~self.findings.bad)
            found[good] = self.checker.wards.holding(inner_points(shapes[good]))
        return shapes, found

    def _present(self, raw: Array) -> Array:
        """Two-dimensional, finite shapes; the others marked and made nothing."""
        known = self.findings.bad.copy()
        missing, hollow = shapely.is_missing(raw), empty(raw)
        self.findings.mark(missing & ~known, "geometry", "no geometry", "has no geometry (empty coordinates)")
        self.findings.mark(hollow & ~known, "geometry", "empty geometry", "has an empty geometry")
        shapes = flat(without(raw, missing | hollow))
        return without(shapes, self._finite(shapes, "has a coordinate that is NaN or infinite"))

    def _finite(self, shapes: Array, reason: str) -> Mask:
        flags = not_finite(shapes)
        self.findings.mark(flags, "geometry", "NaN or infinite", reason)
        return flags

    def _decision(self, shapes: Array) -> Decision:
        """The CRS of this part, decided on the first frame that has shapes."""
        key, references = (self.source, self.part), self.checker.rulings.references
        if key not in references:
            sample = self._sample(shapes)
            wards = self.checker.wards if self.layer.name != "wards" else Wards(*_NO_WARDS)
            origin = self.origin
            made = decided(sample, self.frame.crs, wards, asked=origin.crs_asked, axes=origin.axes, form=origin.format)
            if not len(sample.xy):
                return made
            references[key] = made
        return references[key]

    def _sample(self, shapes: Array) -> Sample:
        at = np.flatnonzero(~shapely.is_missing(shapes))
        at = at[:: max(1, len(at) // SAMPLE)][:SAMPLE]
        bounds = shapely.bounds(shapes[at])
        xy = np.column_stack([(bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2])
        return Sample(self.where, xy, self._named(at))

    def _named(self, at: Array) -> Array | None:
        """The wards that the sampled rows name, where the source has a ward column."""
        if not self.layer.ward or "ward_code" not in self.frame.columns:
            return None
        names = text_of(_array(self.frame["ward_code"])).take(pa.array(at)).to_pylist()
        position = {code: i for i, code in enumerate(self.checker.wards.codes)}
        return np.array([position.get((name or "").strip(), -1) for name in names], np.int64)

    def _in_city(self, shapes: Array) -> None:
        """Marks what does not touch the city's box, or has a corner outside the country."""
        box = self._box
        bounds = shapely.bounds(shapes)
        west, south, east, north = bounds.T
        with np.errstate(invalid="ignore"):
            outside = (east < box[0]) | (west > box[2]) | (north < box[1]) | (south > box[3])
            far = (west < VIETNAM[0]) | (east > VIETNAM[2]) | (south < VIETNAM[1]) | (north > VIETNAM[3])
            swapped = (south >= box[0]) & (north <= box[2]) & (west >= box[1]) & (east <= box[3])
        for at in np.flatnonzero((outside | far) & ~self.findings.bad):
            place = f"({(west[at] + east[at]) / 2:.6g}, {(south[at] + north[at]) / 2:.6g})"
            if swapped[at]:
                reason = f"latitude and longitude are swapped: {place} is in the city the other way round"
                self.findings.add(int(at), "geometry", "latitude and longitude swapped", reason)
            else:
                reason = (
                    f"lies outside {self._city}: {place}; expected longitude {box[0]:.2f} to {box[2]:.2f}, "
                    f"latitude {box[1]:.2f} to {box[3]:.2f}"
                )
                self.findings.add(int(at), "geometry", f"outside {self._city}", reason)

    @property
    def _box(self) -> Box:
        return VIETNAM if self.layer.name == "wards" else self.checker.wards.box

    @property
    def _city(self) -> str:
        return "Vietnam" if self._box == VIETNAM else "the city"

    def _typed(self, shapes: Array) -> Array:
        wanted = self.layer.geometry
        if wanted is None or wanted == "Geometry":
            return shapes
        out, wrong = typed(shapes, wanted)
        for at in np.flatnonzero(wrong & ~self.findings.bad):
            reason = f"is a {kind_of(out[at])}; expected a {wanted}"
            self.findings.add(int(at), "geometry", "wrong geometry type", reason)
        return out

    def _valid(self, shapes: Array) -> Array:
        """Marks or mends what is not valid (a polygon that crosses itself), saying where."""
        wanted = self.layer.geometry or ""
        if wanted in ("Point", "MultiPoint"):
            return shapes
        out = shapes.copy()
        for at in np.flatnonzero(~shapely.is_valid(shapes) & ~shapely.is_missing(shapes) & ~self.findings.bad):
            better = mended(shapes[at], wanted) if self.checker.mend else None
            if better is not None:
                out[at], self.mended = better, self.mended + 1
            else:
                reason = f"{why_invalid(shapes[at])}; draw it without the crossing, or load with --mend"
                self.findings.add(int(at), "geometry", "invalid geometry", reason)
        return out

    # What comes out

    def _rows(self, columns: dict[str, pa.Array], shapes: Array | None, found: Array | None, good: Mask) -> pa.Table:
        if self.layer.ward and found is not None:
            columns["ward_code"] = self.checker.wards.codes_of(found) if len(self.checker.wards) else _no_codes(found)
        ordered = {column.name: columns[column.name] for column in self.layer.columns}
        keep = None if good.all() else pa.array(good)
        arrays = {name: array if keep is None else array.filter(keep) for name, array in ordered.items()}
        if shapes is not None:
            arrays["geom"] = ewkb(shapes[good])
        return pa.table(arrays)

    def _quarantined(self) -> tuple[Quarantined, ...]:
        at = np.flatnonzero(self.findings.bad)
        if not len(at):
            return ()
        raws, labels = self._raw(at), self.frame.index
        return tuple(
            Quarantined(
                self.source,
                self.part,
                int(labels[i]),
                tuple(Fault(int(labels[i]), *fault) for fault in self.findings.faults[int(i)]),
                raw,
            )
            for i, raw in zip(at, raws, strict=True)
        )

    def _raw(self, at: Array) -> list[str]:
        """The rows as they stand in the source, as JSON, with their geometry as WKT."""
        origin, frame = self.origin, self.frame
        if origin.raw is not None:
            where = {int(label): i for i, label in enumerate(origin.rows)}
            rows = origin.raw([where[int(frame.index[i])] for i in at])
        else:
            plain = pd.DataFrame(frame.drop(columns=_geometry_name(frame)))
            rows = plain.iloc[at].to_dict("records")
        if isinstance(frame, gpd.GeoDataFrame) and origin.format != "table":
            shapes = np.asarray(frame.geometry.array, dtype=object)[at]
            for row, shape in zip(rows, shapes, strict=True):
                row["geometry"] = None if shape is None else shapely.to_wkt(shape, rounding_precision=9)[:LONGEST_RAW]
        return [raw_json(row) for row in rows]


_NO_WARDS = (np.array([], object), np.array([], object))


def raw_json(row: dict[str, Any]) -> str:
    """Any values as JSON text that jsonb takes: NaN and infinities by name, NUL made visible."""
    return json.dumps(_json_value(row), ensure_ascii=False)


def _json_value(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple | np.ndarray):
        return [_json_value(v) for v in value]
    if isinstance(value, dict):
        return {_storable(k): _json_value(v) for k, v in value.items()}
    if value is pd.NA or value is pd.NaT:
        return None
    return _storable(value)


def _storable(value: object) -> str:
    """Text without NUL and without halves of surrogate pairs, which PostgreSQL takes neither."""
    return str(value).replace("\x00", "␀").encode("utf-8", "replace").decode()


def _array(series: pd.Series) -> pa.Array:
    """A column of a frame in Arrow; what has mixed types becomes text."""
    try:
        made = pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        made = pa.array([None if _is_na(v) else str(v) for v in series], pa.string())
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
    if pa.types.is_large_string(made.type) or made.type == pa.string_view() or pa.types.is_null(made.type):
        return made.cast(pa.string())
    return made.dictionary_decode().cast(pa.string()) if pa.types.is_dictionary(made.type) else made


def _is_na(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _flags(flags: pa.Array) -> Mask:
    return np.asarray(pc.fill_null(flags, False).to_numpy(zero_copy_only=False), dtype=bool)


def _arrow_type(column: Column) -> pa.DataType:
    return {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "date32": pa.date32(),
        "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
        "list<string>": pa.list_(pa.string()),
    }[column.kind.arrow]


def _shown(value: pa.Scalar) -> str:
    plain = value.as_py()
    return repr(plain if not isinstance(plain, str) or len(plain) <= 60 else plain[:57] + "…")


def _no_codes(found: Array) -> pa.Array:
    return pa.nulls(len(found), pa.string())


def _geometry_name(frame: pd.DataFrame) -> list[str]:
    return [frame.geometry.name] if isinstance(frame, gpd.GeoDataFrame) and frame.active_geometry_name else []
