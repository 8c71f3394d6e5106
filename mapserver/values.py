"""Text and other source values as the types of a layer, whole columns at a time.

What cannot be read is marked, never guessed: 1,234 may be a thousand or one and a bit, so it is neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mapserver.layer import Column
from mapserver.text import folded, tidy

VIETNAM = timezone(timedelta(hours=7))
"""Times without a zone are Vietnamese local time."""
TIMESTAMP = pa.timestamp("us", "UTC")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_DECIMAL_COMMA = r"^[+-]?\d+,\d+$"
_TWO_READINGS = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_VIETNAMESE_NUMBER = r"^[+-]?\d{1,3}(\.\d{3})+,\d+$"
_WHOLE = r"^[+-]?\d{1,19}(\.0+)?$"
_ISO_LOCAL = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"
_TRUE = frozenset({"true", "t", "1", "yes", "y", "co", "dung", "x"})
_FALSE = frozenset({"false", "f", "0", "no", "n", "khong", "sai"})
_DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%Y/%m/%d", "%Y%m%d")

Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Converted:
    """A column in its layer's type. bad: rows whose value could not be read (their value is null)."""

    array: pa.Array
    bad: Mask
    expected: str
    """What would have been right, for the message."""


def converted(column: pa.Array, target: Column) -> Converted:
    """A source column of any Arrow type as the type of a layer's column."""
    return _CONVERSIONS[target.type](_plain(column), target)


def text_of(column: pa.Array) -> pa.Array:
    """Any column as text: whole floats without `.0`, instants as ISO 8601."""
    column = _plain(column)
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_floating(column.type):
        whole = pc.and_(pc.is_finite(column), pc.equal(pc.floor(column), column))
        small = pc.and_(whole, pc.less(pc.abs(column), 1e15))
        whole_text = pc.if_else(small, column, 0).cast(pa.int64()).cast(pa.string())
        return pc.if_else(small, whole_text, column.cast(pa.string()))
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def numbers(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Finite float64 numbers, decimal point or unmistakable decimal comma, and which values are none."""
    column = _plain(column)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or _is_decimal(column.type)):
        return _numbers_of_text(tidy(text_of(column)))
    values = column.cast(pa.float64(), safe=False)
    finite = pc.is_finite(values)
    bad = _mask(pc.and_(pc.is_valid(values), pc.invert(finite)))
    return pc.if_else(finite, values, pa.scalar(None, pa.float64())), bad


def moment(text: str) -> datetime | None:
    """A date and time as ISO 8601 or day/month/year, or None; without a zone it is Vietnamese time."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        read = next((day for day in (_parsed(text, form) for form in _DAY_FIRST) if day), None)  # type: ignore[assignment]
    if read is None:
        return None
    try:
        return (read if read.tzinfo else read.replace(tzinfo=VIETNAM)).astimezone(UTC)
    except OverflowError:
        return None


def _parsed(text: str, pattern: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern)
    except ValueError:
        return None


def _plain(column: pa.Array) -> pa.Array:
    """One contiguous array, dictionaries and large or viewed text unfolded."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or column.type == pa.string_view():
        return column.cast(pa.string())
    return column


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind))


def _mask(flags: pa.Array) -> Mask:
    return np.asarray(pc.fill_null(flags, False).to_numpy(zero_copy_only=False), dtype=bool)


def _numbers_of_text(text: pa.Array) -> tuple[pa.Array, Mask]:
    good = pc.match_substring_regex(text, _NUMBER)
    if pc.all(good, skip_nulls=True).as_py() is not False:
        return _finite(text.cast(pa.float64()))
    comma = pc.and_not(pc.match_substring_regex(text, _DECIMAL_COMMA), pc.match_substring_regex(text, _TWO_READINGS))
    vietnamese = pc.match_substring_regex(text, _VIETNAMESE_NUMBER)
    text = pc.if_else(vietnamese, pc.replace_substring(text, ".", ""), text)
    text = pc.if_else(pc.or_(comma, vietnamese), pc.replace_substring(text, ",", "."), text)
    readable = pc.match_substring_regex(text, _NUMBER)
    values, infinite = _finite(pc.if_else(readable, text, pa.scalar(None, pa.string())).cast(pa.float64()))
    return values, _mask(pc.invert(readable)) | infinite


def _finite(values: pa.Array) -> tuple[pa.Array, Mask]:
    """1e999 reads as infinity."""
    finite = pc.is_finite(values)
    return pc.if_else(finite, values, pa.scalar(None, pa.float64())), _mask(pc.invert(finite))


def _number(column: pa.Array, target: Column) -> Converted:
    return Converted(*numbers(column), "a finite number such as 12.5 (1,234 can be read two ways: write 1234 or 1.234)")


def _integer(column: pa.Array, target: Column) -> Converted:
    expected = "a whole number such as 12"
    if pa.types.is_integer(column.type) and column.type != pa.uint64():
        return Converted(column.cast(pa.int64()), np.zeros(len(column), bool), expected)
    if pa.types.is_boolean(column.type):
        return Converted(column.cast(pa.int64()), np.zeros(len(column), bool), expected)
    if pa.types.is_floating(column.type):
        fits = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), 2.0**63))
        bad = _mask(pc.and_(pc.is_valid(column), pc.invert(pc.fill_null(fits, False))))
        return Converted(pc.if_else(fits, column, pa.scalar(None, column.type)).cast(pa.int64()), bad, expected)
    text = tidy(text_of(column))
    readable = pc.match_substring_regex(text, _WHOLE)
    digits = pc.replace_substring_regex(pc.if_else(readable, text, pa.scalar(None, pa.string())), r"\.0+$", "")
    values, overflown = _int64(pc.replace_substring_regex(digits, r"^\+", ""))
    return Converted(values, _mask(pc.invert(readable)) | overflown, expected)


def _int64(digits: pa.Array) -> tuple[pa.Array, Mask]:
    try:
        return digits.cast(pa.int64()), np.zeros(len(digits), bool)
    except pa.ArrowInvalid:
        values = [None if d is None or not -(2**63) <= int(d) < 2**63 else int(d) for d in digits.to_pylist()]
        array = pa.array(values, pa.int64())
        return array, _mask(pc.and_(pc.is_valid(digits), pc.is_null(array)))


def _text(column: pa.Array, target: Column) -> Converted:
    text = tidy(text_of(column))
    return Converted(text, np.zeros(len(text), bool), "text")


def _uri(column: pa.Array, target: Column) -> Converted:
    text = tidy(text_of(column))
    good = pc.match_substring_regex(text, r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"]+$")
    kept = pc.if_else(good, text, pa.scalar(None, pa.string()))
    return Converted(kept, _mask(pc.invert(good)), "an address such as https://example.vn/page")


def _code(column: pa.Array, target: Column) -> Converted:
    codes = target.codes or {}
    understood: dict[str, str] = {}
    for code, title in codes.items():
        for form in (code, title.vi, title.en):
            understood.setdefault(folded(form), code)
    listed = ", ".join(f"{code} ({title.vi})" for code, title in list(codes.items())[:8])
    expected = f"one of {listed}" + (", …" if len(codes) > 8 else "")
    return _by_distinct(column, lambda v: v if v in codes else understood.get(folded(v)), pa.string(), expected)


def _boolean(column: pa.Array, target: Column) -> Converted:
    if pa.types.is_boolean(column.type):
        return Converted(column, np.zeros(len(column), bool), "true or false")
    known: Mapping[str, bool] = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
    return _by_distinct(column, lambda v: known.get(folded(v)), pa.bool_(), "true or false (có or không, 1 or 0)")


def _date(column: pa.Array, target: Column) -> Converted:
    expected = "a date such as 2025-07-01 or 01/07/2025"
    if pa.types.is_date(column.type):
        return Converted(column.cast(pa.date32()), np.zeros(len(column), bool), expected)
    if pa.types.is_timestamp(column.type):
        return Converted(_local(column).cast(pa.date32(), safe=False), np.zeros(len(column), bool), expected)
    return _by_distinct(column, _day, pa.date32(), expected)


def _day(text: str) -> date | None:
    read = moment(text)
    return read.astimezone(VIETNAM).date() if read else None


def _local(column: pa.Array) -> pa.Array:
    """Vietnamese wall-clock time of a timestamp column."""
    if column.type.tz is None:
        return column
    hours = pa.scalar(timedelta(hours=7), pa.duration("us"))
    return pc.add(column.cast(TIMESTAMP).cast(pa.timestamp("us")), hours)


def _datetime(column: pa.Array, target: Column) -> Converted:
    expected = "a time such as 2025-07-01T08:30:00+07:00 or 01/07/2025 08:30"
    none_bad = np.zeros(len(column), bool)
    if pa.types.is_timestamp(column.type):
        return Converted(_instants(column), none_bad, expected)
    if pa.types.is_date(column.type):
        return Converted(_instants(column.cast(pa.timestamp("us"))), none_bad, expected)
    text = tidy(text_of(column))
    if pc.all(pc.match_substring_regex(text, _ISO_LOCAL), skip_nulls=True).as_py():
        try:
            return Converted(_instants(text.cast(pa.timestamp("us"))), none_bad, expected)
        except pa.ArrowInvalid:
            pass  # a 30 February: found value by value
    return _by_distinct(text, moment, TIMESTAMP, expected)


def _instants(column: pa.Array) -> pa.Array:
    """Timestamps in UTC; those without a zone are Vietnamese time."""
    if column.type.tz is not None:
        return column.cast(TIMESTAMP, safe=False)
    hours = pa.scalar(timedelta(hours=7), pa.duration("us"))
    return pc.subtract(column.cast(pa.timestamp("us"), safe=False), hours).cast(TIMESTAMP)


def _texts(column: pa.Array, target: Column) -> Converted:
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        split = pc.split_pattern(tidy(text_of(column)), ";")
        column = split
    values = [None if v is None else _listed(v) for v in column.to_pylist()]
    array = pa.array(values, pa.list_(pa.string()))
    return Converted(array, np.zeros(len(array), bool), "texts separated by ;")


def _listed(values: list[object]) -> list[str] | None:
    kept = tidy(pa.array([None if v is None else str(v) for v in values], pa.string())).drop_null().to_pylist()
    return kept or None


def _by_distinct(column: pa.Array, read: Callable[[str], Any], kind: pa.DataType, expected: str) -> Converted:
    """Each distinct text read once; None means that it cannot be."""
    distinct = tidy(text_of(column)).dictionary_encode()
    values = pa.array([read(v) for v in distinct.dictionary.to_pylist()], kind)
    array = values.take(distinct.indices)
    return Converted(array, _mask(pc.and_(pc.is_valid(distinct.indices), pc.is_null(array))), expected)


_CONVERSIONS: dict[str, Callable[[pa.Array, Column], Converted]] = {
    "text": _text,
    "code": _code,
    "uri": _uri,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "text[]": _texts,
}
