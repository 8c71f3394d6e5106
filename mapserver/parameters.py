"""Query parameters of a request, as a question: every door that takes `bbox`, `datetime`, `limit`… reads them here.

Raises BadQuery naming the parameter and saying what would be right."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from urllib.parse import parse_qsl

from mapserver import cql2
from mapserver.crs import CRS84, OFFERED, Crs, crs_of
from mapserver.errors import BadQuery
from mapserver.layer import Column, Layer
from mapserver.query import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Box,
    Caller,
    Cursor,
    Filter,
    Interval,
    ItemQuery,
    ItemsQuery,
    Scalar,
    Sort,
    TileQuery,
    seen,
    tile_query,
)
from mapserver.times import instant_of, moment

WHICH = ("bbox", "bbox-crs", "datetime", "filter", "filter-lang", "filter-crs")
"""Parameters that say which features are meant."""
ITEMS = (*WHICH, "limit", "offset", "cursor", "crs", "sortby", "properties", "resultType", "profile", "f", "lang", "id")
TILE = ("datetime", "filter", "filter-lang", "filter-crs", "f", "id")
ITEM = ("crs", "properties", "profile", "f", "lang")
_LIMIT = re.compile(r"^\+?[0-9]{1,30}$")
_INTEGER = re.compile(r"^[+-]?[0-9]{1,19}$")


def items_query(layer: Layer, caller: Caller, given: Mapping[str, str]) -> ItemsQuery:
    """The page of features that the parameters of `/collections/{id}/items` ask for."""
    columns = seen(layer, caller.insider)
    known(given, ITEMS, columns)
    sort = sorting(given.get("sortby"), columns)
    return ItemsQuery(
        layer=layer,
        limit=limit(given.get("limit")),
        offset=whole("offset", given["offset"], 0, 10**12) if "offset" in given else 0,
        cursor=Cursor.parse(given["cursor"], len(sort)) if "cursor" in given else None,
        box=box(given.get("bbox"), given.get("bbox-crs")),
        interval=interval(given.get("datetime")),
        equals=equals(given, columns),
        sort=sort,
        properties=selection(given.get("properties"), columns),
        filter=filtering(given),
        crs=crs("crs", given.get("crs")),
    )


def item_query(layer: Layer, caller: Caller, given: Mapping[str, str], number: int) -> ItemQuery:
    """The feature that the parameters of `/collections/{id}/items/{featureId}` ask for."""
    known(given, ITEM)
    columns = seen(layer, caller.insider)
    return ItemQuery(layer, number, crs("crs", given.get("crs")), selection(given.get("properties"), columns))


def tile(layer: Layer, caller: Caller, given: Mapping[str, str], zyx: tuple[str, str, str]) -> TileQuery | None:
    """The tile of three path segments (z, y, x), of what the parameters mean; None when there is no such tile."""
    columns = seen(layer, caller.insider)
    known(given, TILE, columns)
    place = tile_query(layer, *zyx) if layer.geometry else None
    return place and replace(
        place,
        interval=interval(given.get("datetime")),
        equals=equals(given, columns),
        filter=filtering(given),
    )


def equals(given: Mapping[str, str], columns: Mapping[str, Column]) -> tuple[tuple[str, Scalar], ...]:
    """Property filters: `name=value` for the id and any column."""
    by_id = (("id", whole("id", given["id"], -(2**63), 2**63 - 1)),) if "id" in given else ()
    return by_id + tuple((name, value(columns[name], text)) for name, text in given.items() if name in columns)


def filtering(given: Mapping[str, str]) -> Filter | None:
    """The CQL2 filter of `filter`, `filter-lang` and `filter-crs`; its names are checked when it is asked."""
    reference = crs("filter-crs", given.get("filter-crs"))
    language = given.get("filter-lang")
    if "filter" not in given:
        if language is not None:
            cql2.parsed("true", language)
        return None
    return Filter(cql2.parsed(given["filter"], language), reference)


def known(given: Iterable[str], allowed: Collection[str], columns: Collection[str] = ()) -> None:
    """Raises BadQuery for the first parameter that is not one of the allowed, nor a column."""
    for name in given:
        if name not in allowed and name not in columns:
            raise BadQuery(name, f"is not a parameter here; there are {', '.join((*allowed, *columns))}")


def parsed(query_string: bytes) -> dict[str, str]:
    """The query parameters of a request by name. Raises BadQuery for bytes that are not UTF-8 and for repeats."""
    if not query_string:
        return {}
    try:
        text = query_string.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=200)
    except (UnicodeDecodeError, ValueError) as error:
        raise BadQuery("query", "is not percent-encoded UTF-8") from error
    return single(pairs)


def single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parameters by name; a repeated one is an error, since one of its values would be ignored in silence."""
    out: dict[str, str] = {}
    for name, text in pairs:
        if name in out:
            raise BadQuery(name, "is given more than once")
        if "\x00" in text or "\x00" in name:
            raise BadQuery(name.replace("\x00", "?"), "holds a NUL character")
        out[name] = text
    return out


def whole(name: str, text: str, least: int, most: int) -> int:
    """A whole number between two bounds."""
    if not _INTEGER.match(text) or not least <= int(text) <= most:
        raise BadQuery(name, f"needs a whole number from {least} to {most}, got {text[:40]!r}")
    return int(text)


def limit(text: str | None) -> int:
    """The page size: at least 1; above the maximum it is clamped, as the standard asks."""
    if text is None:
        return DEFAULT_LIMIT
    if not _LIMIT.match(text) or int(text) < 1:
        raise BadQuery("limit", f"needs a whole number from 1 to {MAX_LIMIT}, got {text[:40]!r}")
    return min(int(text), MAX_LIMIT)


def result_type(given: Mapping[str, str]) -> str:
    """Features, or only their number."""
    text = given.get("resultType", "results")
    if text not in ("results", "hits"):
        raise BadQuery("resultType", f"needs results or hits, got {text[:40]!r}")
    return text


def crs(name: str, text: str | None) -> Crs:
    """An offered CRS by its URI (or a common short form); CRS84 when not given."""
    if text is None:
        return CRS84
    found = crs_of(text)
    if found is None:
        raise BadQuery(name, f"needs one of {', '.join(c.uri for c in OFFERED)}, got {text[:80]!r}")
    return found


def box(text: str | None, crs_text: str | None) -> Box | None:
    """A box of 4 numbers, or 6 with heights (which do not matter here), in the axis order of its CRS."""
    reference = crs("bbox-crs", crs_text)
    if text is None:
        return None
    numbers = [_number(part) for part in text.split(",")]
    if len(numbers) not in (4, 6):
        raise BadQuery("bbox", f"needs 4 or 6 numbers, got {len(numbers)}")
    half = len(numbers) // 2
    a, b, c, d = numbers[0], numbers[1], numbers[half], numbers[half + 1]
    if len(numbers) == 6 and numbers[2] > numbers[5]:
        raise BadQuery("bbox", "its lowest height is above its highest")
    west, south, east, north = (b, a, d, c) if reference.swap else (a, b, c, d)
    geographic = reference.srid == 4326
    if south > north:
        raise BadQuery("bbox", f"its southern edge {south} is north of its northern edge {north}")
    if west > east and not geographic:
        raise BadQuery("bbox", f"its western edge {west} is east of its eastern edge {east}")
    if geographic and not (south >= -90 and north <= 90):
        order = "latitude first" if reference.swap else "longitude first"
        raise BadQuery("bbox", f"latitudes lie between -90 and 90 ({order} in {reference.code})")
    return Box(west, south, east, north, reference)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in text:
        raise BadQuery("bbox", f"needs numbers separated by commas, got {text[:40]!r}")
    return number


def interval(text: str | None) -> Interval | None:
    """An instant, or `start/end` with `..` or nothing for an open end (RFC 3339 date-times or dates)."""
    if text is None:
        return None
    ends = text.split("/")
    if len(ends) == 1:
        at = moment("datetime", text)
        return Interval(at, at)
    if len(ends) != 2:
        raise BadQuery("datetime", f"needs one time or start/end, got {text[:60]!r}")
    start, end = (None if end in ("", "..") else moment("datetime", end) for end in ends)
    if start is None and end is None and text == "":
        raise BadQuery("datetime", "is empty")
    if start is not None and end is not None and instant_of(start) > instant_of(end):
        raise BadQuery("datetime", "its start is after its end")
    return Interval(start, end)


def sorting(text: str | None, columns: Mapping[str, Column]) -> tuple[Sort, ...]:
    """`name,-population`: columns in order, `-` for descending, `+` for ascending."""
    if text is None:
        return ()
    # an unescaped + arrives as a space
    terms = [Sort(part[1:] if part[:1] in ("+", "-", " ") else part, part[:1] == "-") for part in text.split(",")]
    for term in terms:
        if term.column not in columns or columns[term.column].type == "text[]":
            raise BadQuery("sortby", f"cannot sort by {term.column[:40]!r}; there are {', '.join(columns)}")
    if len({term.column for term in terms}) < len(terms):
        raise BadQuery("sortby", "names a column twice")
    return tuple(terms)


def selection(text: str | None, columns: Mapping[str, Column]) -> tuple[str, ...] | None:
    """`properties=a,b`: the columns to give; an empty value gives none."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(part for part in text.split(",") if part))
    for name in names:
        if name not in columns:
            raise BadQuery("properties", f"there is no {name[:40]!r}; there are {', '.join(columns)}")
    return names


def value(column: Column, text: str) -> Scalar:
    """The value a property filter compares with, of the column's own type."""
    match column.type:
        case "integer":
            return whole(column.name, text, -(2**63), 2**63 - 1)
        case "number":
            return number(column.name, text)
        case "boolean":
            if text not in ("true", "false"):
                raise BadQuery(column.name, f"needs true or false, got {text[:40]!r}")
            return text == "true"
        case "date":
            at = moment(column.name, text)
            return at.date() if isinstance(at, datetime) else at
        case "datetime":
            return instant_of(moment(column.name, text))
        case _:
            return text


def number(name: str, text: str) -> float:
    """A finite number."""
    try:
        read = float(text)
    except ValueError:
        read = math.nan
    if not math.isfinite(read) or "_" in text:
        raise BadQuery(name, f"needs a number, got {text[:40]!r}")
    return read
