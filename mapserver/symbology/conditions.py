"""Conditions on the attributes of a feature, as rules of SLD and QML need them: and, or, not, comparisons, lists.

Conditions are frozen values; `both` and `negated` keep them short, so that rules that nothing meets are not written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Value = str | float | int | bool
Operator = Literal["==", "<", "<=", ">", ">="]
_INVERSE: dict[Operator, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True, slots=True)
class Among:
    """The column has one of the values; `yes` false: it has none of them, or no value."""

    column: str
    values: frozenset[Value]
    yes: bool = True


@dataclass(frozen=True, slots=True)
class Compared:
    """The column has a value that stands so to another; `or_null`: or it has none."""

    column: str
    operator: Operator
    value: float | str
    or_null: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """The column has a value; `yes` false: it has none."""

    column: str
    yes: bool = True


@dataclass(frozen=True, slots=True)
class Every:
    """All of them hold; of none, always."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """One of them holds; of none, never."""

    parts: tuple[Condition, ...] = ()


Condition = Among | Compared | Given | Every | Some
ALWAYS, NEVER = Every(), Some()


def both(one: Condition, other: Condition) -> Condition:
    """Both hold."""
    return every((one, other))


def every(conditions: Iterable[Condition]) -> Condition:
    """All hold: flat, lists of one column met, NEVER where two exclude each other."""
    parts: list[Condition] = []
    for condition in conditions:
        parts += condition.parts if isinstance(condition, Every) else (condition,)
    merged = _merged(dict.fromkeys(parts))
    if NEVER in merged:
        return NEVER
    return merged[0] if len(merged) == 1 else Every(tuple(merged))


def some(conditions: Iterable[Condition]) -> Condition:
    """One holds: flat, ALWAYS where one always does."""
    parts: list[Condition] = []
    for condition in conditions:
        parts += condition.parts if isinstance(condition, Some) else (condition,)
    kept = _listed(dict.fromkeys(parts))
    if ALWAYS in kept:
        return ALWAYS
    return kept[0] if len(kept) == 1 else Some(tuple(kept))


def _listed(parts: Iterable[Condition]) -> list[Condition]:
    """Alternatives with one list of values for each column."""
    out: list[Condition] = []
    wanted: dict[str, frozenset[Value]] = {}
    for part in parts:
        if isinstance(part, Among) and part.yes:
            wanted[part.column] = wanted.get(part.column, frozenset()) | part.values
        else:
            out.append(part)
    return [Among(column, values) for column, values in wanted.items()] + out


def negated(condition: Condition) -> Condition:
    """It does not hold."""
    match condition:
        case Among(column, values, yes):
            return Among(column, values, not yes)
        case Given(column, yes):
            return Given(column, not yes)
        case Compared(column, "==", value):
            return Among(column, frozenset({value}), yes=False)
        case Compared(column, operator, value, or_null):
            return Compared(column, _INVERSE[operator], value, not or_null)
        case Every(parts):
            return some(map(negated, parts))
        case Some(parts):
            return every(map(negated, parts))


def _merged(parts: Iterable[Condition]) -> list[Condition]:
    """Conditions with one list for each column: what it must be among, less what it must not."""
    out: list[Condition] = []
    wanted: dict[str, frozenset[Value]] = {}
    barred: dict[str, frozenset[Value]] = {}
    for part in parts:
        if not isinstance(part, Among):
            out.append(part)
        elif part.yes:
            wanted[part.column] = wanted[part.column] & part.values if part.column in wanted else part.values
        else:
            barred[part.column] = barred.get(part.column, frozenset()) | part.values
    for column, values in wanted.items():
        left = values - barred.pop(column, frozenset())
        out.append(Among(column, left) if left else NEVER)
    return out + [Among(column, values, yes=False) for column, values in barred.items()]
