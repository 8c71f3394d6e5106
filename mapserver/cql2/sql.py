"""A CQL2 expression as a condition of SQL: names and types are checked, literals become arguments.

Nulls behave as in SQL, which is what the standard asks: a comparison with null is neither true nor false."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import shapely

from mapserver.cql2.expression import (
    ARITHMETIC,
    ARRAYS,
    COMPARISONS,
    SPATIAL,
    TEMPORAL,
    Array,
    Bbox,
    Call,
    Expression,
    Geometry,
    Instant,
    Interval,
    Literal,
    Property,
)
from mapserver.cql2.functions import FUNCTIONS
from mapserver.crs import CRS84, Crs
from mapserver.errors import BadQuery
from mapserver.filters import Arguments
from mapserver.filters import placed as as_stored
from mapserver.layer import Column, Layer
from mapserver.projection import in_lon_lat
from mapserver.tables import quoted
from mapserver.times import instant_of

GEOMETRY, ID = "geometry", "id"
"""The names under which a feature's geometry and its id are asked about."""
_TYPES = {
    "text": "text", "code": "text", "uri": "text", "integer": "number", "number": "number", "boolean": "boolean",
    "date": "time", "datetime": "time", "text[]": "array",
}  # fmt: skip
_BIGINT = 2**63
_RELATIONS = {
    "after": "{a} > {d}",
    "before": "{b} < {c}",
    "contains": "{a} < {c} AND {b} > {d}",
    "disjoint": "({b} < {c} OR {a} > {d})",
    "during": "{a} > {c} AND {b} < {d}",
    "equals": "{a} = {c} AND {b} = {d}",
    "finishedby": "{a} < {c} AND {b} = {d}",
    "finishes": "{a} > {c} AND {b} = {d}",
    "intersects": "NOT ({b} < {c} OR {a} > {d})",
    "meets": "{b} = {c}",
    "metby": "{a} = {d}",
    "overlappedby": "{a} > {c} AND {a} < {d} AND {b} > {d}",
    "overlaps": "{a} < {c} AND {b} > {c} AND {b} < {d}",
    "startedby": "{a} = {c} AND {b} > {d}",
    "starts": "{a} = {c} AND {b} < {d}",
}
"""Allen's relations between [a, b] and [c, d], as the standard's table of temporal operators has them."""
_ARRAY_RELATIONS = {
    "containedby": "{0} <@ {1}",
    "contains": "{0} @> {1}",
    "equals": "({0} @> {1} AND {0} <@ {1})",
    "overlaps": "{0} && {1}",
}


@dataclass(frozen=True, slots=True)
class Term:
    """A piece of SQL and its type; an interval has its end in `end`."""

    sql: str
    type: str
    end: str = ""


def condition(
    expression: Expression, layer: Layer, columns: Mapping[str, Column], arguments: Arguments, crs: Crs = CRS84
) -> str:
    """SQL that is true for the features the expression means. columns: those the caller may see, by name.

    crs: of the geometries in the expression. Raises BadQuery naming what is unknown or of the wrong type."""
    return _Writer(layer, columns, arguments, crs).of(expression, "boolean").sql


def names(expression: Expression) -> frozenset[str]:
    """Every property the expression names."""
    match expression:
        case Property(name):
            return frozenset({name})
        case Call(_, parts) | Array(parts):
            return frozenset().union(*map(names, parts))
        case Interval(start, end):
            return frozenset().union(*(names(e) for e in (start, end) if e is not None))
    return frozenset()


class _Writer:
    def __init__(self, layer: Layer, columns: Mapping[str, Column], arguments: Arguments, crs: Crs) -> None:
        self._layer, self._columns, self._arguments, self._crs = layer, columns, arguments, crs

    def of(self, expression: Expression, wanted: str) -> Term:
        """The term of an expression that must have a type."""
        term = self._array(expression) if wanted == "array" else self._term(expression)
        if term.type != wanted:
            raise BadQuery("filter", f"{_told(expression)} is {_named(term.type)}; {_named(wanted)} is needed there")
        return term

    def _term(self, expression: Expression) -> Term:
        match expression:
            case Property(name):
                return self._property(name)
            case Literal(value):
                return self._literal(value)
            case Instant(at):
                return Term(self._arguments.add(instant_of(at), "timestamptz"), "time")
            case Interval():
                return self._interval(expression)
            case Geometry(shape):
                return self._geometry(shape)
            case Bbox(edges):
                return self._bbox(edges)
            case Array():
                return self._array(expression)
            case Call(name, arguments):
                return self._call(name, arguments)

    def _property(self, name: str) -> Term:
        if name == GEOMETRY and self._layer.geometry:
            return Term("geom", "geometry")
        if name == ID:
            return Term("id", "number")
        column = self._columns.get(name)
        if column is None:
            raise BadQuery(
                "filter", f"there is no property {name[:60]!r}; there are {', '.join([ID, GEOMETRY, *self._columns])}"
            )
        sql = quoted(name)
        if column.type == "date":
            sql = f"({sql}::timestamp AT TIME ZONE 'UTC')"
        return Term(sql, _TYPES[column.type])

    def _literal(self, value: str | int | float | bool) -> Term:
        match value:
            case bool():
                return Term("true" if value else "false", "boolean")
            case str():
                if "\x00" in value:
                    raise BadQuery("filter", "holds a NUL character")
                return Term(self._arguments.add(value, "text"), "text")
            case int():
                return Term(self._arguments.add(value, "bigint" if abs(value) < _BIGINT else "numeric"), "number")
            case _:
                return Term(self._arguments.add(value, "float8"), "number")

    def _interval(self, interval: Interval) -> Term:
        ends = []
        for given, open_end in ((interval.start, "-infinity"), (interval.end, "infinity")):
            ends.append(f"'{open_end}'::timestamptz" if given is None else self.of(given, "time").sql)
        start, end = (e.at if isinstance(e, Instant) else None for e in (interval.start, interval.end))
        if start and end and instant_of(start) > instant_of(end):
            raise BadQuery("filter", "an INTERVAL starts after its end")
        return Term(ends[0], "interval", ends[1])

    def _geometry(self, shape: shapely.Geometry) -> Term:
        placed = in_lon_lat(shape, self._crs)
        if placed is None:
            raise BadQuery("filter", "a geometry reaches beyond longitude -180..180 or latitude -90..90")
        text = shapely.to_wkb(shapely.set_srid(placed, 4326), hex=True, include_srid=True)
        return Term(as_stored(self._layer, self._arguments.add(text, "geometry")), "geometry")

    def _bbox(self, edges: tuple[float, float, float, float]) -> Term:
        west, south, east, north = edges
        if self._crs.swap:
            west, south, east, north = south, west, north, east
        if south > north or (west > east and self._crs.srid != 4326):
            raise BadQuery("filter", "a BBOX has its lower corner first")
        parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        boxes = [shapely.box(left, south, right, north) for left, right in parts]
        shape = boxes[0] if len(boxes) == 1 else shapely.union_all(boxes)
        if self._crs.swap:
            shape = shapely.transform(shape, lambda c: c[:, ::-1])
        return self._geometry(shape)

    def _array(self, expression: Expression) -> Term:
        """An array; a single text in parentheses is one, too."""
        if isinstance(expression, Literal) and isinstance(expression.value, str):
            expression = Array((expression,))
        if not isinstance(expression, Array):
            return self._term(expression)
        parts = [self.of(item, "text").sql for item in expression.items]
        return Term(f"ARRAY[{', '.join(parts)}]::text[]", "array")

    def _call(self, name: str, arguments: tuple[Expression, ...]) -> Term:
        if name in ("and", "or"):
            if len(arguments) < 2:
                raise BadQuery("filter", f"{name} needs at least two arguments")
            return Term(f"({f' {name.upper()} '.join(self.of(a, 'boolean').sql for a in arguments)})", "boolean")
        if name in COMPARISONS:
            return self._comparison(name, *_exactly(name, 2, arguments))
        if name in ARITHMETIC:
            return self._arithmetic(name, *_exactly(name, 2, arguments))
        family, _, relation = name.partition("_")
        if family == "s" and relation in SPATIAL:
            a, b = (self.of(part, "geometry").sql for part in _exactly(name, 2, arguments))
            return Term(f"ST_{relation.capitalize()}({a}, {b})", "boolean")
        if family == "t" and relation in TEMPORAL:
            return self._temporal(relation, *_exactly(name, 2, arguments))
        if family == "a" and relation in ARRAYS:
            a, b = (self.of(part, "array").sql for part in _exactly(name, 2, arguments))
            return Term(_ARRAY_RELATIONS[relation].format(a, b), "boolean")
        return self._other(name, arguments)

    def _other(self, name: str, arguments: tuple[Expression, ...]) -> Term:
        match name:
            case "not":
                return Term(f"(NOT {self.of(_exactly(name, 1, arguments)[0], 'boolean').sql})", "boolean")
            case "isnull":
                return Term(f"({self._scalar(*_exactly(name, 1, arguments)).sql} IS NULL)", "boolean")
            case "like":
                text, pattern = (self.of(part, "text").sql for part in _exactly(name, 2, arguments))
                return Term(f"({text} LIKE {_whole_pattern(arguments[1], pattern)})", "boolean")
            case "between":
                value, low, high = _exactly(name, 3, arguments)
                both = (self._comparison(">=", value, low).sql, self._comparison("<=", value, high).sql)
                return Term(f"({both[0]} AND {both[1]})", "boolean")
            case "in":
                return self._in(*_exactly(name, 2, arguments))
            case "casei" | "accenti":
                text = self.of(_exactly(name, 1, arguments)[0], "text").sql
                return Term(f"citymap.{name}({text})", "text")
        return self._function(name, arguments)

    def _function(self, name: str, arguments: tuple[Expression, ...]) -> Term:
        function = FUNCTIONS.get(name)
        if function is None:
            raise BadQuery("filter", f"there is no function {name[:60]!r}; there are {', '.join(FUNCTIONS)}")
        given = _exactly(name, len(function.takes), arguments)
        parts = [self.of(a, t).sql for a, t in zip(given, function.takes, strict=True)]
        return Term(function.sql.format(*parts), function.gives)

    def _scalar(self, expression: Expression) -> Term:
        term = self._term(expression)
        if term.type == "interval":
            raise BadQuery("filter", "an interval cannot stand there")
        return term

    def _comparison(self, sign: str, left: Expression, right: Expression) -> Term:
        a, b = self._scalar(left), self._scalar(right)
        if a.type != b.type:
            raise BadQuery(
                "filter", f"{_told(left)} is {_named(a.type)} and {_told(right)} is {_named(b.type)}: not comparable"
            )
        if a.type in ("geometry", "array") or (a.type == "boolean" and sign not in ("=", "<>")):
            raise BadQuery("filter", f"{_named(a.type)} cannot be compared with {sign}")
        # texts are compared bytewise, so that < means the same on every machine
        order = ' COLLATE "C"' if a.type == "text" and sign not in ("=", "<>") else ""
        return Term(f"({a.sql} {sign} {b.sql}{order})", "boolean")

    def _in(self, value: Expression, choices: Expression) -> Term:
        if not isinstance(choices, Array):
            raise BadQuery("filter", "IN needs a list in parentheses")
        if not choices.items:
            raise BadQuery("filter", "IN needs at least one value")
        equal = [self._comparison("=", value, choice).sql for choice in choices.items]
        return Term(f"({' OR '.join(equal)})", "boolean")

    def _arithmetic(self, sign: str, left: Expression, right: Expression) -> Term:
        # by way of its text a float keeps every digit; a cast alone keeps 15
        a, b = (f"{self.of(part, 'number').sql}::text::numeric" for part in (left, right))
        match sign:
            case "/":
                sql = f"({a} / NULLIF({b}, 0))"
            case "%":
                sql = f"mod({a}, NULLIF({b}, 0))"
            case "div":
                sql = f"div({a}, NULLIF({b}, 0))"
            case "^":
                sql = f"citymap.power({a}, {b})"
            case _:
                sql = f"({a} {sign} {b})"
        return Term(sql, "number")

    def _temporal(self, relation: str, left: Expression, right: Expression) -> Term:
        (a, b), (c, d) = (self._ends(part) for part in (left, right))
        holds = f"({_RELATIONS[relation].format(a=a, b=b, c=c, d=d)})"
        unused = [f"{end} IS NOT NULL" for end in (a, b, c, d) if end not in holds]
        return Term(f"CASE WHEN {' AND '.join(unused)} THEN {holds} END" if unused else holds, "boolean")

    def _ends(self, expression: Expression) -> tuple[str, str]:
        term = self._term(expression)
        if term.type not in ("time", "interval"):
            raise BadQuery("filter", f"{_told(expression)} is {_named(term.type)}; a time is needed there")
        return term.sql, term.end or term.sql


def _exactly(name: str, number: int, arguments: tuple[Expression, ...]) -> tuple[Expression, ...]:
    if len(arguments) != number:
        raise BadQuery("filter", f"{name} needs {number} argument{'s' if number > 1 else ''}, got {len(arguments)}")
    return arguments


def _whole_pattern(pattern: Expression, sql: str) -> str:
    """The pattern, refused when it ends in a lone escape, which PostgreSQL would fail on."""
    inner = pattern
    while isinstance(inner, Call) and inner.name in ("casei", "accenti") and inner.arguments:
        inner = inner.arguments[0]
    if not isinstance(inner, Literal) or not isinstance(inner.value, str):
        raise BadQuery("filter", "LIKE needs a text as its pattern")
    if (len(inner.value) - len(inner.value.rstrip("\\"))) % 2:
        raise BadQuery("filter", "the pattern of LIKE ends in a lone escape")
    return sql


def _told(expression: Expression) -> str:
    match expression:
        case Property(name):
            return f"the property {name[:60]!r}"
        case Literal(value):
            return repr(value)[:60]
        case Call(name, _):
            return f"the result of {name}"
    return f"the {type(expression).__name__.lower()}"


def _named(kind: str) -> str:
    return {"number": "a number", "boolean": "true or false", "array": "an array", "interval": "an interval"}.get(
        kind, f"a {kind}"
    )
