"""Rounds of the DTI in the database: SQL, a statement for each deed. Scores are only added, never changed.

Published rounds are everybody's; others are seen by insiders, and the database itself says so (row-level security)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import orjson

from mapserver.filters import Arguments
from mapserver.statements import Statement
from mapserver.systems.indicators.dti import FOLLOWS, TAKES, Component, Score

_MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
_ROUND = f"""
    SELECT json_build_object('id', id, 'framework', framework, 'title', title, 'stage', stage, 'closesOn', closes_on,
        'components', components, 'who', who, 'at', {_MOMENT.format("at")}, 'version', version)::text
    FROM citymap.dti_round"""


def one(number: int) -> Statement:
    """One row (JSON of a round), or none."""
    return Statement(f"{_ROUND} WHERE id = $1::bigint", (str(number).encode(),))


def listed(framework: str | None) -> Statement:
    """Rows (JSON), the newest first."""
    if framework is None:
        return Statement(f"{_ROUND} ORDER BY id DESC LIMIT 200")
    return Statement(f"{_ROUND} WHERE framework = $1::text ORDER BY id DESC LIMIT 200", (framework.encode(),))


def opened(framework: str, title: str, closes_on: object, of: Sequence[Component], who: str) -> Statement:
    """One row (id, version) of the new round."""
    arguments = Arguments()
    values = {
        "framework": arguments.add(framework, "text"), "title": arguments.add(title, "text"),
        "closes_on": arguments.add(closes_on, "date"),  # type: ignore[arg-type]
        "components": arguments.add(json.dumps([asdict(c) for c in of], default=str), "jsonb"),
        "who": arguments.add(who, "text"),
    }  # fmt: skip
    return Statement(
        f"INSERT INTO citymap.dti_round ({', '.join(values)}) VALUES ({', '.join(values.values())})"
        " RETURNING id::text, version::text",
        tuple(arguments.values),
    )


def moved(number: int, stage: str, version: int) -> Statement:
    """One row (id, new version); none when the round is another version, or not before this stage."""
    arguments = Arguments()
    where = arguments.add(number, "bigint"), arguments.add(version, "int")
    before = ", ".join(f"'{name}'" for name, after in FOLLOWS.items() if stage in after) or "NULL"
    return Statement(
        f"UPDATE citymap.dti_round SET stage = {arguments.add(stage, 'text')}, version = version + 1"
        f" WHERE id = {where[0]} AND version = {where[1]} AND stage IN ({before}) RETURNING id::text, version::text",
        tuple(arguments.values),
    )


def scored(number: int, unit: str, kind: str, rows: Iterable[tuple[str, Decimal, str | None]], who: str) -> Statement:
    """A row (id, '') for each score (component, points, evidence); none when the round's stage takes no such scores.

    The round is held while they are added, so that it cannot go on to its next stage in between."""
    arguments = Arguments()
    given = arguments.add(json.dumps([{"c": c, "s": str(s), "e": e} for c, s, e in rows]), "jsonb")
    of, whose, what = arguments.add(number, "bigint"), arguments.add(unit, "text"), arguments.add(kind, "text")
    stages = ", ".join(f"'{stage}'" for stage, kinds in TAKES.items() if kind in kinds) or "NULL"
    return Statement(
        f"""
        WITH held AS (
            SELECT id FROM citymap.dti_round WHERE id = {of} AND stage IN ({stages}) FOR UPDATE
        )
        INSERT INTO citymap.dti_score (round, unit, component, kind, score, evidence, who)
        SELECT held.id, {whose}, g.c, {what}, g.s, g.e, {arguments.add(who, "text")}
        FROM held, jsonb_to_recordset({given}) AS g (c text, s numeric, e text)
        RETURNING id::text, ''""",
        tuple(arguments.values),
    )


def scores(number: int) -> Statement:
    """Rows (JSON for `score_of`) of every score of a round, the oldest first."""
    sql = (
        "SELECT json_build_array(unit, component, kind, score::text, evidence, who, id)::text"
        " FROM citymap.dti_score WHERE round = $1::bigint ORDER BY id"
    )
    return Statement(sql, (str(number).encode(),))


def score_of(row: bytes) -> Score:
    """A score out of a row of `scores`."""
    unit, component, kind, score, evidence, who, number = orjson.loads(row)
    return Score(unit, component, kind, Decimal(score), evidence, who, number)


def components_of(made: dict[str, Any]) -> tuple[Component, ...]:
    """The components of a round out of its JSON."""
    return tuple(Component(**{**one_, "max": Decimal(str(one_["max"]))}) for one_ in made["components"])
