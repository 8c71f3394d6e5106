"""Questions a client may ask of a layer, checked before they reach the database.

Every door builds these and asks the same store. Nothing here knows SQL or HTTP."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType

import orjson

from mapserver.cql2.expression import Expression
from mapserver.crs import CRS84, Crs
from mapserver.errors import BadQuery, Forbidden, NotFound, Unauthorized
from mapserver.layer import Column, Layer
from mapserver.negotiation import Profile

MAX_LIMIT = 10_000
DEFAULT_LIMIT = 10
MAX_BODY_BYTES = 16 * 1024 * 1024
"""A page ends here even when rows are left: GDAL was seen to need 11 GB for a page of 400 MB."""

Scalar = str | int | float | bool | date | datetime | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. The anonymous caller has no name; rights come from a token."""

    name: str = ""
    insider: bool = False
    writes: frozenset[str] = frozenset()

    @property
    def role(self) -> str:
        """The database role that reads for this caller."""
        return "citymap_insider" if self.insider else "citymap_reader"

    @property
    def rights_class(self) -> str:
        """What this caller sees, as far as bodies differ by it: part of every cache key."""
        return "insider" if self.insider else "public"


ANYONE = Caller()


def may_see(layer: Layer, caller: Caller) -> bool:
    """Whether the layer as a whole is open to this caller."""
    return layer.access.level == "public" or (caller.insider and layer.access.level == "internal")


def opened(layers: Mapping[str, Layer], name: str, caller: Caller) -> Layer:
    """The layer of this name, for a caller who may see it.

    Raises NotFound when there is none; Unauthorized or Forbidden when it is closed to this caller."""
    layer = layers.get(name)
    if layer is None:
        raise NotFound("collectionId", f"there is no collection {name[:60]!r}")
    if not may_see(layer, caller):
        if caller.name:
            raise Forbidden("collectionId", f"{name} is {layer.access.level}: {layer.access.reason}")
        raise Unauthorized("Authorization", f"{name} is {layer.access.level}; send a token that may read it")
    return layer


def visible_columns(layer: Layer, caller: Caller) -> tuple[Column, ...]:
    """The columns of the layer that this caller may see."""
    return tuple(seen(layer, caller.insider).values())


@lru_cache(1024)
def seen(layer: Layer, insider: bool) -> Mapping[str, Column]:
    """The columns of the layer that insiders, or others, may see, by name."""
    levels = ("public", "internal") if insider else ("public",)
    return MappingProxyType({column.name: column for column in layer.columns if column.access.level in levels})


@dataclass(frozen=True, slots=True)
class Box:
    """A bounding box in `crs`, x before y (already unswapped). west > east crosses the antimeridian (lon/lat only)."""

    west: float
    south: float
    east: float
    north: float
    crs: Crs = CRS84

    @property
    def parts(self) -> tuple[Box, ...]:
        """One box, or two where it crosses the antimeridian."""
        if self.west <= self.east:
            return (self,)
        return (
            Box(self.west, self.south, 180.0, self.north, self.crs),
            Box(-180.0, self.south, self.east, self.north, self.crs),
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """A time interval, both ends included; None is open. Whole days are told by `day` bounds of type date."""

    start: datetime | date | None
    end: datetime | date | None


@dataclass(frozen=True, slots=True)
class Sort:
    """One sorting term; nulls come last either way."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two features in an order: the sort values and the id of the feature beside it.

    backward: the page ends before this place, instead of beginning after it."""

    values: tuple[Scalar, ...]
    id: int
    backward: bool = False

    def text(self) -> str:
        raw = orjson.dumps([*self.values, self.id, int(self.backward)])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, terms: int) -> Cursor:
        """The cursor of a `next` or `prev` link. Raises BadQuery for anything not made here for as many sort terms."""
        try:
            raw = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            *values, feature_id, backward = raw
        except (ValueError, TypeError, binascii.Error, RecursionError) as error:
            raise BadQuery("cursor", "is not one of the links this server gave") from error
        scalars = all(value is None or isinstance(value, str | int | float) for value in values)
        if len(values) != terms or not scalars or not isinstance(feature_id, int) or abs(feature_id) >= 2**63:
            raise BadQuery("cursor", "belongs to another question; start from the first page")
        return cls(tuple(values), feature_id, bool(backward))


@dataclass(frozen=True, slots=True)
class Filter:
    """A CQL2 expression, and the CRS of its geometries."""

    expression: Expression
    crs: Crs = CRS84


@dataclass(frozen=True, slots=True)
class ItemsQuery:
    """A page of features of one layer."""

    layer: Layer
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    cursor: Cursor | None = None
    box: Box | None = None
    interval: Interval | None = None
    equals: tuple[tuple[str, Scalar], ...] = ()
    sort: tuple[Sort, ...] = ()
    properties: tuple[str, ...] | None = None
    filter: Filter | None = None
    crs: Crs = CRS84
    profile: Profile = "rfc7946"


@dataclass(frozen=True, slots=True)
class ItemQuery:
    """One feature by id."""

    layer: Layer
    id: int
    crs: Crs = CRS84
    properties: tuple[str, ...] | None = None
    profile: Profile = "rfc7946"


@dataclass(frozen=True, slots=True)
class TileQuery:
    """One vector tile of one layer in WebMercatorQuad; x and y are inside the matrix of z."""

    layer: Layer
    z: int
    x: int
    y: int
    interval: Interval | None = None
    equals: tuple[tuple[str, Scalar], ...] = ()
    filter: Filter | None = None
    generalised: bool = False
    """Out of the layer's generalised copy, with what was touched since from the layer itself; without conditions."""

    @property
    def whole(self) -> bool:
        """Whether nothing of the layer is left out by conditions."""
        return self.interval is None and not self.equals and self.filter is None


MAX_ZOOM = 24


def tile_query(layer: Layer, z: str, y: str, x: str) -> TileQuery | None:
    """The tile that three path segments name; None when there is no such tile."""
    digits = [part for part in (z, y, x) if part.isascii() and part.isdigit() and len(part) <= 9]
    if len(digits) != 3 or int(z) > MAX_ZOOM:
        return None
    side = 2 ** int(z)
    if int(x) >= side or int(y) >= side:
        return None
    return TileQuery(layer, int(z), int(x), int(y))


def feature_id(text: str) -> int | None:
    """The id a path segment names; None when no feature can have it (too long, a sign, not a number)."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    number = int(text)
    return number if number < 2**63 and str(number) == text else None
