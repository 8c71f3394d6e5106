"""Explanation requests: a leader asks of an indicator or a ward, the unit answers, the leader accepts or sends it back.

SQL, a statement for each deed; every deed names the version it is done to, so that of two at once one is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from mapserver.filters import Arguments
from mapserver.statements import Statement

Status = Literal["open", "answered", "sent_back", "accepted"]
STATUSES: tuple[Status, ...] = ("open", "answered", "sent_back", "accepted")
FOLLOWS = {"answered": ("open", "sent_back"), "sent_back": ("answered",), "accepted": ("answered",)}
"""Each deed, and the states that it may be done in."""
_MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
_WHOLE = f"""
    SELECT json_build_object('id', r.id, 'indicator', r.indicator, 'area', r.area, 'areaCode', a.code,
        'areaName', a.name, 'period', r.period, 'view', r.map_view, 'dataVersion', r.data_version, 'unit', r.unit,
        'question', r.question, 'dueOn', r.due_on,
        'late', r.status IN ('open', 'sent_back') AND r.due_on < current_date, 'status', r.status,
        'askedBy', r.asked_by, 'askedAt', {_MOMENT.format("r.asked_at")}, 'version', r.version,
        'history', (SELECT coalesce(json_agg(json_build_object('version', e.version, 'at', {_MOMENT.format("e.at")},
                        'status', e.status, 'text', e.said, 'who', e.who) ORDER BY e.version), '[]')
                    FROM citymap.indicator_request_event AS e WHERE e.request = r.id))::text
    FROM citymap.indicator_request AS r
    LEFT JOIN citymap.area AS a ON a.uid = r.area"""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. view: address of the map as the leader saw it; area: uid; due_on: the last day for an answer."""

    indicator: str | None
    area: int | None
    period: str | None
    view: str | None
    unit: str
    text: str
    due_on: date
    who: str


def one(number: int) -> Statement:
    """One row (JSON of a request with its history), or none."""
    return Statement(f"{_WHOLE} WHERE r.id = $1::bigint", (str(number).encode(),))


def listed(status: str | None, unit: str | None) -> Statement:
    """Rows (JSON), what is due first."""
    arguments, conditions = Arguments(), list[str]()
    for column, value in (("status", status), ("unit", unit)):
        if value is not None:
            conditions.append(f"r.{column} = {arguments.add(value, 'text')}")
    clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "r.status = 'accepted', r.due_on, r.id"
    return Statement(f"{_WHOLE}{clause} ORDER BY {order} LIMIT 500", tuple(arguments.values))


def asked(question: Question) -> Statement:
    """One row (id, version) of the new request; it is bound to the newest import there is."""
    arguments = Arguments()
    values = {
        "indicator": arguments.add(question.indicator, "text"), "area": arguments.add(question.area, "bigint"),
        "period": arguments.add(question.period, "text"), "map_view": arguments.add(question.view, "text"),
        "unit": arguments.add(question.unit, "text"), "question": arguments.add(question.text, "text"),
        "due_on": arguments.add(question.due_on, "date"), "asked_by": arguments.add(question.who, "text"),
        "data_version": "(SELECT coalesce(max(id), 0) FROM citymap.indicator_import)",
    }  # fmt: skip
    return Statement(
        f"""
        WITH put AS (
            INSERT INTO citymap.indicator_request ({", ".join(values)}) VALUES ({", ".join(values.values())})
            RETURNING id, version, status, question, asked_by
        ), seen AS (
            INSERT INTO citymap.indicator_request_event (request, version, status, said, who)
            SELECT id, version, status, question, asked_by FROM put
        )
        SELECT id::text, version::text FROM put""",
        tuple(arguments.values),
    )


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does with a request. version: the one they saw."""

    number: int
    status: str
    text: str | None
    who: str
    version: int


def done(deed: Deed) -> Statement:
    """One row (id, new version); none when the request is another version now, or not in a state for this."""
    arguments = Arguments()
    number, seen = arguments.add(deed.number, "bigint"), arguments.add(deed.version, "int")
    status, said = arguments.add(deed.status, "text"), arguments.add(deed.text, "text")
    who = arguments.add(deed.who, "text")
    before = ", ".join(arguments.add(state, "text") for state in FOLLOWS[deed.status])
    return Statement(
        f"""
        WITH moved AS (
            UPDATE citymap.indicator_request SET status = {status}, version = version + 1
            WHERE id = {number} AND version = {seen} AND status IN ({before})
            RETURNING id, version
        ), seen AS (
            INSERT INTO citymap.indicator_request_event (request, version, status, said, who)
            SELECT id, version, {status}, {said}, {who} FROM moved
        )
        SELECT id::text, version::text FROM moved""",
        tuple(arguments.values),
    )
