"""MapLibre expressions taken apart: at one zoom, into the values that they take and the conditions for each.

Source: the MapLibre style specification, expressions. Raises Unsaid for what has no counterpart in a rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from mapserver.symbology.conditions import (
    ALWAYS,
    NEVER,
    Among,
    Compared,
    Condition,
    Given,
    Operator,
    both,
    every,
    negated,
    some,
)

Json = Any
Cases = list[tuple[Condition, Json]]
COMPARISONS: tuple[Operator, ...] = ("==", "<", "<=", ">", ">=")


class Unsaid(Exception):
    """An expression that rules cannot say; the message names it."""


def zooms(expression: Json) -> Iterator[float]:
    """The zooms at which an expression changes its course."""
    match expression:
        case ["interpolate", _, ["zoom"], *stops]:
            yield from stops[::2]
        case ["step", ["zoom"], _, *stops]:
            yield from stops[::2]
        case ["==" | "<" | "<=" | ">" | ">=", ["zoom"], int() | float() as zoom]:
            yield zoom
    if isinstance(expression, list):
        for part in expression:
            yield from zooms(part)


def cases(expression: Json, zoom: float) -> Cases:
    """Every value of an expression at a zoom, with the condition under which it takes it; conditions are exclusive."""
    match expression:
        case ["literal", value]:
            return [(ALWAYS, value)]
        case ["interpolate", curve, ["zoom"], *stops]:
            return _interpolated(curve, stops, zoom)
        case ["step", ["zoom"], first, *stops]:
            return cases(_stepped(first, stops, zoom), zoom)
        case ["step", value, first, *stops]:
            return _steps(value, first, stops, zoom)
        case ["match", value, *branches]:
            return _matched(value, branches, zoom)
        case ["case", *branches]:
            return _chosen(branches, zoom)
        case ["to-string" | "to-number", inner]:
            return cases(inner, zoom)
        case ["coalesce", *options] if all(not _is_expression(one) or one[0] == "get" for one in options):
            return [(ALWAYS, expression)]
        case ["get", str()]:
            return [(ALWAYS, expression)]
        case [str() as operator, *_] if _is_expression(expression):
            raise Unsaid(f"the expression {operator!r}")
    return [(ALWAYS, expression)]


def condition(expression: Json, zoom: float) -> Condition:
    """A filter, or the condition of a `case`, at a zoom."""
    match expression:
        case True | None:
            return ALWAYS
        case False:
            return NEVER
        case ["all", *parts]:
            return every(condition(part, zoom) for part in parts)
        case ["any", *parts]:
            return some(condition(part, zoom) for part in parts)
        case ["!", part]:
            return negated(condition(part, zoom))
        case ["has", str() as column]:
            return Given(column)
        case ["in", value, ["literal", [*members]]]:
            return Among(_column(value)[0], frozenset(members))
        case ["!=", value, other]:
            return negated(condition(["==", value, other], zoom))
        case [operator, ["zoom"], limit] if operator in COMPARISONS:
            return ALWAYS if _compares(operator, zoom, limit) else NEVER
        case ["==", value, other]:
            return Among(_column(value)[0], frozenset({other}))
        case [operator, value, int() | float() as limit] if operator in COMPARISONS:
            column, default = _column(value)
            lacking = default is not None and _compares(operator, default, limit)
            return Compared(column, operator, limit, lacking)
    raise Unsaid(f"the condition {str(expression)[:60]}")


def column(expression: Json) -> str | None:
    """The column whose value an expression is; None for anything else."""
    match expression:
        case ["get", str() as name]:
            return name
        case ["coalesce", ["get", str() as name], *_]:
            return name
        case ["to-string" | "to-number", inner]:
            return column(inner)
    return None


def _is_expression(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str) and value[0] in _OPERATORS


_WORDS = """get has literal match case step interpolate coalesce concat to-string to-number in zoom + - * / % ^ ! all
    any == != < <= > >= format image length upcase downcase number-format let var min max round floor ceil abs"""
_OPERATORS = frozenset(_WORDS.split())


def _column(expression: Json) -> tuple[str, float | None]:
    """The column that is compared, and the number that stands for it where it has no value."""
    name = column(expression)
    if name is None:
        raise Unsaid(f"a comparison of {str(expression)[:60]}")
    return name, _default(expression)


def _default(expression: Json) -> float | None:
    match expression:
        case ["coalesce", _, int() | float() as default]:
            return default
        case ["to-number" | "to-string", inner]:
            return _default(inner)
    return None


def _compares(operator: str, one: float, other: float) -> bool:
    return {"==": one == other, "<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[operator]


def _matched(value: Json, branches: Sequence[Json], zoom: float) -> Cases:
    name, _ = _column(value)
    out: Cases = []
    seen: frozenset[Json] = frozenset()
    for labels, output in zip(branches[:-1:2], branches[1::2], strict=True):
        members = frozenset(labels if isinstance(labels, list) else [labels]) - seen
        seen |= members
        out += _under(Among(name, members), cases(output, zoom))
    return out + _under(Among(name, seen, yes=False), cases(branches[-1], zoom))


def _chosen(branches: Sequence[Json], zoom: float) -> Cases:
    out: Cases = []
    left: Condition = ALWAYS
    for asked, output in zip(branches[:-1:2], branches[1::2], strict=True):
        met = condition(asked, zoom)
        out += _under(both(left, met), cases(output, zoom))
        left = both(left, negated(met))
    return out + _under(left, cases(branches[-1], zoom))


def _steps(value: Json, first: Json, stops: Sequence[Json], zoom: float) -> Cases:
    name, default = _column(value)
    limits, outputs = stops[::2], (first, *stops[1::2])
    out: Cases = []
    for place, output in enumerate(outputs):
        low, high = limits[place - 1] if place else None, limits[place] if place < len(limits) else None
        lacking = default is not None and (low is None or default >= low) and (high is None or default < high)
        ends = [Compared(name, ">=", low)] if low is not None else []
        ends += [Compared(name, "<", high)] if high is not None else []
        met = every(ends)
        out += _under(some((met, Given(name, yes=False))) if lacking else met, cases(output, zoom))
    return out


def _stepped(first: Json, stops: Sequence[Json], zoom: float) -> Json:
    value = first
    for limit, output in zip(stops[::2], stops[1::2], strict=True):
        value = output if zoom >= limit else value
    return value


def _interpolated(curve: Json, stops: Sequence[Json], zoom: float) -> Cases:
    """Numbers between two stops; of data-driven stops, every pair of values that goes together."""
    pairs = list(zip(stops[::2], stops[1::2], strict=True))
    if zoom <= pairs[0][0] or len(pairs) == 1:
        return cases(pairs[0][1], zoom)
    for (low, first), (high, second) in pairwise(pairs):
        if zoom < high:
            share = _share(curve, zoom, low, high)
            return _mixed(cases(first, zoom), cases(second, zoom), share)
    return cases(pairs[-1][1], zoom)


def _mixed(ones: Cases, others: Cases, share: float) -> Cases:
    out: Cases = []
    for met, one in ones:
        for also, other in others:
            joint = both(met, also)
            if joint != NEVER:
                out.append((joint, _between(one, other, share)))
    return out


def _between(one: Json, other: Json, share: float) -> Json:
    """A number between two; of anything else, the nearer."""
    if isinstance(one, int | float) and isinstance(other, int | float):
        return round(one + (other - one) * share, 2)
    return one if share < 0.5 else other


def _share(curve: Json, zoom: float, low: float, high: float) -> float:
    base = float(curve[1]) if curve[0] == "exponential" else 1.0
    if base == 1.0:
        return (zoom - low) / (high - low)
    return float((base ** (zoom - low) - 1) / (base ** (high - low) - 1))


def _under(condition: Condition, found: Cases) -> Cases:
    return [(joint, value) for inner, value in found if (joint := both(condition, inner)) != NEVER]
