"""Questions about single petitions, and what a clerk does with one: SQL, a statement for each.

Read as an insider, written as the clerk: row-level security knows who may. Nothing here runs anything."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mapserver.edits import WARD
from mapserver.filters import Arguments
from mapserver.sought import sought
from mapserver.statements import Statement
from mapserver.systems.petitions.rules import Rules

_MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
_POINT = "json_build_array(round(ST_X(p.geom)::numeric, 7), round(ST_Y(p.geom)::numeric, 7))"
_WHOLE = f"""
    'id', p.id, 'code', p.code, 'field', p.field, 'subField', p.sub_field, 'channel', p.channel,
    'receivedAt', {_MOMENT.format("p.received_at")}, 'text', p.said, 'photos', p.photos, 'address', p.address,
    'coordinates', {_POINT}, 'precision', p.precision, 'asset', p.asset, 'ward', p.ward_code,
    'wardWhenReported', nullif(p.reported_ward, ''), 'unit', p.unit, 'dueOn', p.due_on,
    'dueProvisional', p.due_provisional, 'status', p.status, 'closedAt', {_MOMENT.format("p.closed_at")},
    'satisfaction', p.satisfaction, 'reopened', p.reopened, 'duplicateOf', p.parent,
    'updatedAt', {_MOMENT.format("p.version_at")}"""
_TIMELINE = f"""
    (SELECT coalesce(json_agg(json_build_object('at', {_MOMENT.format("e.at")}, 'what', e.kind, 'value', e.value,
                                                'note', e.note, 'who', e.who) ORDER BY e.at, e.kind), '[]')
     FROM (SELECT *, lag(value) OVER (PARTITION BY kind ORDER BY at) AS before
           FROM citymap.petition_event WHERE petition = p.id) AS e
     WHERE e.before IS DISTINCT FROM e.value)"""
_REPLIES = f"""
    (SELECT coalesce(json_agg(json_build_object('at', {_MOMENT.format("r.at")}, 'text', r.said, 'public', r.public,
                                                'who', r.who) ORDER BY r.at, r.id), '[]')
     FROM citymap.petition_reply AS r WHERE r.petition = p.id)"""
NEAR_M, NEAR_DAYS = 200, 14
"""How near in place and time another petition of the field may be the same matter."""
_NEAR_DEGREES = NEAR_M / 108_000


def whole(code: str) -> Statement:
    """One row (JSON of a petition with its timeline and replies), or none."""
    sql = (
        f"SELECT json_build_object({_WHOLE}, 'timeline', {_TIMELINE}, 'replies', {_REPLIES})::text"
        " FROM citymap.petition AS p WHERE p.code = $1::text"
    )
    return Statement(sql, (code.encode(),))


def near(code: str, limit: int = 20) -> Statement:
    """Rows (JSON) of petitions about the same asset, or of the same field near in place and time: the likeliest first.

    score: 0.5 for the same asset, else up to 0.4 by nearness; 0.2 by days between; 0.3 by likeness of the texts."""
    metres = "ST_DistanceSphere(p.geom, q.geom)"
    days = "abs(extract(epoch FROM p.received_at - q.received_at)) / 86400"
    score = (
        f"(CASE WHEN p.asset = q.asset THEN 0.5 ELSE 0.4 * greatest(0, 1 - {metres} / {NEAR_M}) END"
        f" + 0.2 * greatest(0, 1 - {days} / {NEAR_DAYS})"
        " + 0.3 * similarity(coalesce(p.said, ''), coalesce(q.said, '')))"
    )
    sql = f"""
        SELECT json_build_object('code', p.code, 'field', p.field, 'status', p.status, 'address', p.address,
               'receivedAt', {_MOMENT.format("p.received_at")}, 'coordinates', {_POINT},
               'metres', round({metres}), 'days', round(({days})::numeric, 1), 'score', round(({score})::numeric, 3),
               'sameAsset', coalesce(p.asset = q.asset, false))::text
        FROM citymap.petition AS q
        JOIN citymap.petition AS p ON p.id <> q.id AND (
            p.asset = q.asset
            OR (p.field = q.field AND ST_DWithin(p.geom, q.geom, {_NEAR_DEGREES!r})
                AND p.precision NOT IN ('ward', 'city') AND q.precision NOT IN ('ward', 'city')
                AND p.received_at BETWEEN q.received_at - interval '{NEAR_DAYS} days'
                                      AND q.received_at + interval '{NEAR_DAYS} days'))
        WHERE q.code = $1::text
        ORDER BY {score} DESC, p.code
        LIMIT $2::int"""
    return Statement(sql, (code.encode(), str(limit).encode()))


def found(text: str, box: tuple[float, float, float, float] | None, limit: int) -> Statement:
    """Rows (JSON) of petitions with every word of a text (without case and marks) in text or address, or the code."""
    arguments = Arguments()
    conditions = []
    if text:
        code = arguments.add(text.strip(), "text")
        words = [f"{_SEARCHED} LIKE {arguments.add(f'%{word}%', 'text')}" for word in sought(text).words]
        conditions.append(f"(p.code = {code} OR upper(p.code) = upper({code})" + (
            f" OR ({' AND '.join(words)}))" if words else ")"))  # fmt: skip
    if box is not None:
        edges = ", ".join(arguments.add(edge, "float8") for edge in box)
        conditions.append(f"p.geom && ST_MakeEnvelope({edges}, 4326)")
    sql = (
        f"SELECT json_build_object({_WHOLE})::text FROM citymap.petition AS p"
        f" WHERE {' AND '.join(conditions) or 'true'}"
        f" ORDER BY p.received_at DESC, p.id DESC LIMIT {arguments.add(limit, 'int')}"
    )
    return Statement(sql, tuple(arguments.values))


_SEARCHED = "citymap.searchable(coalesce(p.said, '') || ' ' || coalesce(p.address, ''))"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which petitions a list means."""

    codes: Sequence[str] = ()
    fields: Sequence[str] = ()
    open: bool | None = None
    since: datetime | date | None = None
    until: datetime | date | None = None
    limit: int = 50
    offset: int = 0


def listed(wanted: Wanted) -> Statement:
    """Rows (JSON) of petitions, the newest first."""
    arguments = Arguments()
    conditions = []
    for column, values in (("code", wanted.codes), ("field", wanted.fields)):
        if values:
            conditions.append(f"p.{column} IN ({', '.join(arguments.add(value, 'text') for value in values)})")
    if wanted.open is not None:
        conditions.append(f"p.closed_at IS {'' if wanted.open else 'NOT '}NULL")
    for sign, end in ((">=", wanted.since), ("<=", wanted.until)):
        if end is not None:
            conditions.append(f"p.received_at {sign} {arguments.add(end, 'timestamptz')}")
    sql = (
        f"SELECT json_build_object({_WHOLE}, 'replies', {_REPLIES})::text FROM citymap.petition AS p"
        f" WHERE {' AND '.join(conditions) or 'true'} ORDER BY p.received_at DESC, p.id DESC"
        f" LIMIT {arguments.add(wanted.limit, 'int')} OFFSET {arguments.add(wanted.offset, 'int')}"
    )
    return Statement(sql, tuple(arguments.values))


def updates(since: datetime | date | None, until: datetime | date | None, limit: int) -> Statement:
    """Rows (JSON) of changes of status between two moments, the oldest first."""
    arguments = Arguments()
    conditions = ["e.kind = 'status'"]
    for sign, end in ((">=", since), ("<=", until)):
        if end is not None:
            conditions.append(f"e.at {sign} {arguments.add(end, 'timestamptz')}")
    sql = (
        f"SELECT json_build_object('code', p.code, 'at', {_MOMENT.format('e.at')}, 'status', e.value,"
        " 'note', e.note)::text"
        " FROM citymap.petition_event AS e JOIN citymap.petition AS p ON p.id = e.petition"
        f" WHERE {' AND '.join(conditions)} ORDER BY e.at, p.code LIMIT {arguments.add(limit, 'int')}"
    )
    return Statement(sql, tuple(arguments.values))


@dataclass(frozen=True, slots=True)
class Move:
    """A change of status, of handling unit, or of both."""

    code: str
    status: str | None
    unit: str | None
    parent: str | None
    note: str | None
    who: str


def moved(move: Move, rules: Rules) -> Statement:
    """One row (code) when the move was allowed and is done; none when it is not, or there is no such petition."""
    arguments = Arguments()
    code, at = arguments.add(move.code, "text"), "now()"
    settings = ["version_at = greatest(now(), p.version_at + interval '1 microsecond')", "version_digest = ''"]
    conditions, events = [f"p.code = {code}"], []
    for column, value in (("unit", move.unit), ("parent", move.parent)):
        if value is not None:
            place = arguments.add(value, "text")
            settings.append(f"{column} = {place}")
            events.append(f"('{column}', {place})")
    if move.status is not None:
        status = arguments.add(move.status, "text")
        closed = "greatest(now(), p.received_at)" if rules.handled(move.status) else "NULL"
        settings += [f"status = {status}", f"closed_at = {closed}", f"version_rank = {rules.ranks[move.status]}"]
        settings += ["reopened = true"] if move.status == "reopened" else []
        before = ", ".join(arguments.add(one, "text") for one in rules.may_follow(move.status))
        conditions.append(f"p.status IN ({before})" if before else "false")
        events.append(f"('status', {status})")
    note, who = arguments.add(move.note, "text"), arguments.add(move.who, "text")
    sql = f"""
        WITH moved AS (
            UPDATE citymap.petition AS p SET {", ".join(settings)}
            WHERE {" AND ".join(conditions)}
            RETURNING p.id, p.code
        ), seen AS (
            INSERT INTO citymap.petition_event (petition, at, kind, value, note, who)
            SELECT moved.id, {at}, e.kind, e.value, {note}, {who}
            FROM moved, (VALUES {", ".join(events)}) AS e (kind, value)
            ON CONFLICT DO NOTHING
        )
        SELECT code, '' FROM moved"""
    return Statement(sql, tuple(arguments.values))


def replied(code: str, said: str, *, public: bool, who: str) -> Statement:
    """One row (code), or none when there is no such petition."""
    sql = (
        "WITH one AS (SELECT id, code FROM citymap.petition WHERE code = $1::text), put AS ("
        " INSERT INTO citymap.petition_reply (petition, said, public, who)"
        " SELECT id, $2::text, $3::boolean, $4::text FROM one) SELECT code, '' FROM one"
    )
    return Statement(sql, (code.encode(), said.encode(), b"true" if public else b"false", who.encode()))


@dataclass(frozen=True, slots=True)
class Report:
    """A new petition, as somebody tells of it. longitude, latitude: EPSG:4326 degrees."""

    field: str
    sub_field: str | None
    channel: str
    said: str | None
    address: str | None
    asset: str | None
    photos: tuple[str, ...]
    longitude: float
    latitude: float
    received_at: datetime
    who: str


def new_code(at: datetime) -> str:
    """A code that nobody can guess from another."""
    return f"CM-{at:%Y%m%d}-{secrets.token_hex(5).upper()}"


def added(report: Report, code: str, rules: Rules) -> Statement:
    """One row (code, unit) of the new record."""
    arguments = Arguments()
    unit = rules.unit(report.field)
    due = rules.due_on(report.received_at, report.field, unit)
    east, north = (arguments.add(degrees, "float8") for degrees in (report.longitude, report.latitude))
    place = f"ST_SetSRID(ST_MakePoint({east}, {north}), 4326)"
    photos = ", ".join(arguments.add(photo, "text") for photo in report.photos)
    texts = {
        "code": code, "field": report.field, "sub_field": report.sub_field, "channel": report.channel,
        "said": report.said, "address": report.address, "asset": report.asset, "unit": unit,
        "precision": "asset" if report.asset else "point", "status": "received", "version_digest": "",
    }  # fmt: skip
    values = {name: arguments.add(value, "text") for name, value in texts.items()}
    values |= {name: arguments.add(report.received_at, "timestamptz") for name in ("received_at", "version_at")}
    values |= {"due_on": arguments.add(due, "date"), "version_rank": "0", "geom": place}
    values |= {"due_provisional": "true" if rules.days.provisional(due) else "false"}
    values |= {"photos": f"ARRAY[{photos}]::text[]", "ward_code": WARD.format(place)}
    values["reported_ward"] = values["ward_code"]
    who = arguments.add(report.who, "text")
    sql = f"""
        WITH put AS (
            INSERT INTO citymap.petition ({", ".join(values)}) VALUES ({", ".join(values.values())})
            RETURNING id, code, unit, received_at
        ), seen AS (
            INSERT INTO citymap.petition_event (petition, at, kind, value, who)
            SELECT id, received_at, 'status', 'received', {who} FROM put
        )
        SELECT code, coalesce(unit, '') FROM put"""
    return Statement(sql, tuple(arguments.values))
