"""What changed in a layer since a client last asked: the token, and the SQL of the difference.

A token is a snapshot of PostgreSQL's transactions. What it saw and what is seen now differ by exactly the versions that
the client lacks, whatever ran at the same time and in whatever order it was committed; nothing waits for anything."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass

from mapserver import history
from mapserver.crs import CRS84, Crs
from mapserver.errors import BadQuery, Gone
from mapserver.filters import Arguments
from mapserver.layer import Layer
from mapserver.query import Caller, visible_columns
from mapserver.statements import Statement, feature_json

DEFAULT_LIMIT = 1000
_SNAPSHOT = re.compile(r"^\d{1,20}:\d{1,20}:(\d{1,20}(,\d{1,20})*)?$")


@dataclass(frozen=True, slots=True)
class Token:
    """What a client has seen: a `pg_snapshot`, within an epoch of the database."""

    epoch: str
    snapshot: str

    def text(self) -> str:
        """As it stands in an answer: nothing in it means anything to the client."""
        return _text([self.epoch, self.snapshot])

    @classmethod
    def parse(cls, text: str) -> Token:
        """A token that this server gave. Raises BadQuery for anything else."""
        epoch, snapshot = _parts("since", text, 2)
        return cls(str(epoch), _snapshot("since", snapshot))

    @property
    def oldest(self) -> int:
        """The first transaction that it may not have seen."""
        return int(self.snapshot.partition(":")[0])


@dataclass(frozen=True, slots=True)
class Moment:
    """What the database knows of a layer's past right now. pruned: transactions up to it are forgotten."""

    now: Token
    pruned: int

    def refuse(self, since: Token) -> None:
        """Raises Gone when what changed since that token is not known any more."""
        if since.epoch != self.now.epoch or since.oldest <= self.pruned:
            raise Gone("since", "what changed since then is not kept any more; read the layer again from the start")


@dataclass(frozen=True, slots=True)
class ChangesQuery:
    """A page of the net changes of a layer between two snapshots, in the order of ids."""

    layer: Layer
    since: Token
    until: Token
    after: int | None = None
    limit: int = DEFAULT_LIMIT
    crs: Crs = CRS84

    def cursor(self, after: int) -> str:
        """The place of the next page, which ends at the same snapshot as this one."""
        return _text([self.until.snapshot, after])


def continued(text: str, epoch: str) -> tuple[Token, int]:
    """The snapshot at which a cursor's pages end, and the id after which the next one begins. Raises BadQuery."""
    snapshot, after = _parts("cursor", text, 2)
    if not isinstance(after, int) or abs(after) >= 2**63:
        raise BadQuery("cursor", "is not one of the links this server gave")
    return Token(epoch, _snapshot("cursor", snapshot)), after


def moment(layer: Layer) -> Statement:
    """One row (epoch, snapshot of now, pruned)."""
    sql = "SELECT epoch::text, pg_current_snapshot()::text, pruned::text FROM citymap.kept WHERE layer = $1"
    return Statement(sql, (layer.name.encode(),))


def changes(query: ChangesQuery, caller: Caller) -> Statement:
    """Rows (id, action, moment, feature as JSON or null), one more than asked for."""
    arguments, versions = Arguments(), history.table(query.layer)
    then, now = (arguments.add(token.snapshot, "pg_snapshot") for token in (query.since, query.until))
    after = f"WHERE id > {arguments.add(query.after, 'bigint')}" if query.after is not None else ""
    touched = " UNION ".join(
        f"SELECT id FROM {versions} WHERE {column} >= pg_snapshot_xmin({then})" for column in ("_began", "_ended")
    )
    feature = feature_json(query.layer, visible_columns(query.layer, caller), query.crs)
    sql = f"""
        SELECT t.id::text,
               CASE WHEN is_now._version IS NULL THEN 'delete'
                    WHEN was._version IS NULL THEN 'insert' ELSE 'update' END,
               to_char(coalesce(is_now._from, (SELECT max(_to) FROM {versions} AS v WHERE v.id = t.id))
                       AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               is_now.feature
        FROM (SELECT DISTINCT id FROM ({touched}) AS moved {after}) AS t
        LEFT JOIN LATERAL (SELECT _version FROM {versions} WHERE id = t.id AND {_seen(then)}) AS was ON true
        LEFT JOIN LATERAL (SELECT _version, _from, {feature} AS feature FROM {versions}
                           WHERE id = t.id AND {_seen(now)}) AS is_now ON true
        WHERE was._version IS DISTINCT FROM is_now._version
        ORDER BY t.id LIMIT {arguments.add(query.limit + 1, "bigint")}"""
    return Statement(sql, tuple(arguments.values))


def _seen(snapshot: str) -> str:
    """Whether a version was true for those who looked from that snapshot."""
    began, ended = (f"pg_visible_in_snapshot({column}, {snapshot})" for column in ("_began", "_ended"))
    return f"{began} AND (_ended IS NULL OR NOT {ended})"


def _text(parts: list[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def _parts(name: str, text: str, count: int) -> list[object]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(parts, list) and len(parts) == count:
            return parts
    except (ValueError, binascii.Error, RecursionError):
        pass
    raise BadQuery(name, "is not a token that this server gave")


def _snapshot(name: str, text: object) -> str:
    """A snapshot in PostgreSQL's own form, its transactions in order. Raises BadQuery."""
    if isinstance(text, str) and _SNAPSHOT.match(text):
        first, beyond, running = text.split(":")
        numbers = [int(number) for number in running.split(",") if number]
        bounds = [int(first), *numbers, int(beyond)]
        if bounds[0] > 0 and bounds[-1] < 2**63 and bounds == sorted(bounds) and len(set(numbers)) == len(numbers):
            return text
    raise BadQuery(name, "is not a token that this server gave")
