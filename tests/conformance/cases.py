"""Expressions for a collection, made out of its queryables and of the values that are stored: CQL2 JSON trees."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import shapely
import shapely.geometry
from conftest import amount

from conformance.api import Api, some
from conformance.oracle import instant, text, value

Tree = Any
TEXTS, NUMBERS, BOOLEANS, TIMES, ARRAYS, SHAPES = "string", "number", "boolean", "time", "array", "shape"


@dataclass(frozen=True)
class Subject:
    """A collection to make expressions about: its queryables by kind, with values of each."""

    api: Api
    name: str
    kinds: dict[str, dict[str, list[Any]]]
    chance: random.Random

    def of(self, kind: str, most: int = 0) -> list[tuple[Tree, list[Any]]]:
        """Properties of a kind, with some of their values; never more than the amount."""
        found = list(self.kinds.get(kind, {}).items())
        chosen = some(found, most or amount(2, 5), f"{self.name} {kind}")
        return [({"property": name}, some(values, amount(3, 6), name)) for name, values in chosen]

    @property
    def shapes(self) -> list[shapely.Geometry]:
        """Some of the geometries."""
        return some(list(self.api.table(self.name).placed().values()), amount(2, 5), self.name)


def subjects(api: Api, *kinds: str, most: int = 6) -> Iterator[Subject]:
    """The collections that have features, and properties of one of the kinds; in a sample, some that have few."""
    small = [name for name in api.feature_collections if 0 < len(api.table(name).ids) <= amount(700, 10**9)]
    found = [Subject(api, name, kinds_of(api, name), random.Random(name)) for name in small]
    yield from some(
        [s for s in found if not kinds or set(kinds) & set(s.kinds)], amount(most, 10**9), f"subjects {kinds}"
    )


def kinds_of(api: Api, name: str) -> dict[str, dict[str, list[Any]]]:
    """The queryables that have values, by kind, with their values as JSON has them."""
    found: dict[str, dict[str, list[Any]]] = {}
    for column, said in api.json(f"/collections/{name}/queryables")["properties"].items():
        kind = kind_of(said)
        if said.get("format", "").startswith("geometry-") and api.table(name).placed():
            found[SHAPES] = {}
        stored = {json.dumps(plain(row.get(column))) for row in api.table(name).rows} - {"null"}
        if kind and stored:
            found.setdefault(kind, {})[column] = sorted(map(json.loads, stored), key=json.dumps)
    return found


def kind_of(said: dict[str, Any]) -> str | None:
    """The kind of a queryable, by its schema."""
    if said.get("format") in ("date", "date-time"):
        return TIMES
    kind = {"integer": NUMBERS, "number": NUMBERS, "string": TEXTS, "boolean": BOOLEANS, "array": ARRAYS}
    return kind.get(said.get("type", ""))


def plain(stored: Any) -> Any:
    """A stored value as a literal of CQL2 JSON."""
    if isinstance(stored, datetime):
        return {"timestamp": instant(stored).isoformat().replace("+00:00", "Z")}
    if hasattr(stored, "isoformat"):
        return {"date": stored.isoformat()}
    return None if hasattr(stored, "geom_type") else stored


def call(op: str, *arguments: Tree) -> Tree:
    return {"op": op, "args": list(arguments)}


def negated(tree: Tree) -> Tree:
    return call("not", tree)


def check(subject: Subject, *trees: Tree, languages: tuple[str, ...] = ("cql2-text", "cql2-json")) -> int:
    """Each expression finds the rows for which Python says it is true, in either encoding; how many were asked."""
    for place, tree in enumerate(trees):
        expected = subject.api.table(subject.name).where(lambda row, tree=tree: value(tree, row))
        for language in [languages[place % len(languages)]] if amount(0, 1) == 0 else languages:
            written = text(tree) if language == "cql2-text" else json.dumps(tree)
            subject.api.check(subject.name, expected, filter=written, filter_lang=language)
    return len(trees)


def geojson(shape: shapely.Geometry) -> Tree:
    """A geometry as a literal."""
    return json.loads(json.dumps(shapely.geometry.mapping(shape)))


def near(subject: Subject, size: float = 0.01) -> list[shapely.Polygon]:
    """Boxes about some of the geometries."""
    return [shapely.box(p.x - size, p.y - size, p.x + size * 1.1, p.y + size) for p in points(subject)]


def points(subject: Subject) -> list[shapely.Point]:
    """A point of each of some geometries: a vertex of it."""
    return [shapely.Point(shapely.get_coordinates(shape)[0]) for shape in subject.shapes]


def around(at: Tree, days: int = 40) -> tuple[str, str]:
    """Two instants, some days before and after another."""
    middle = instant(at.get("date") or at["timestamp"])
    return tuple((middle + timedelta(days=n)).isoformat().replace("+00:00", "Z") for n in (-days, days))  # type: ignore[return-value]
