"""Records of petitions, kept in step with a source: of every petition the newest version that anybody told of.

Versions are ordered by their moment, then by how far the handling is, then by digest; the greatest stands. So rows may
come in any order, again and again, from two importers at once: the records end up the same. What happened to a petition
is a set of observations, for the same reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import psycopg
import pyarrow as pa
import shapely

from mapserver.systems.areas.assignment import assigned, wards_load
from mapserver.systems.petitions.placing import Placer, placer
from mapserver.systems.petitions.rules import Rules

BATCH = 20_000
"""Rows of one transaction."""
Connection = psycopg.Connection[Any]

STAGED = """
    CREATE TEMP TABLE IF NOT EXISTS staged (
        code text COLLATE "C", field text, sub_field text, channel text, received_at timestamptz, said text,
        photos text[], address text, precision text, asset text, geom geometry, ward_code text, reported_ward text,
        unit text, due_on date, due_provisional boolean, status text, closed_at timestamptz, satisfaction smallint,
        reopened boolean, parent text, version_at timestamptz, version_rank smallint, synthetic boolean,
        version_digest text COLLATE "C"
    ) ON COMMIT DELETE ROWS"""
COLUMNS = (
    "code", "field", "sub_field", "channel", "received_at", "said", "photos", "address", "precision", "asset", "geom",
    "ward_code", "reported_ward", "unit", "due_on", "due_provisional", "status", "closed_at", "satisfaction",
    "reopened", "parent", "version_at", "version_rank", "synthetic",
)  # fmt: skip
_FIXED = ("code", "version_at", "version_rank", "version_digest", "synthetic", "reopened")
_PLACE = ("geom", "precision", "ward_code", "reported_ward")
_RECKONED = ("ward_code", "reported_ward", "due_provisional", "version_at", "version_rank", "synthetic")
DIGESTED = (
    f"UPDATE staged SET version_digest = md5(ROW({', '.join(name for name in COLUMNS if name not in _RECKONED)})::text)"
)
"""Of what the source says; written in UTC, so that every session makes the same of it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of rows. older: versions that the record had outgrown, or had already."""

    added: int = 0
    changed: int = 0
    older: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.added + other.added, self.changed + other.changed, self.older + other.older)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One cell that is not right: position of the row in its batch, column of the sheet, and what would be right."""

    at: int
    column: str
    reason: str


@dataclass(frozen=True)
class Keeper:
    """Keeps the records of one database. given: columns that the source has; others of a known petition stay."""

    conn: Connection
    rules: Rules
    who: str
    given: frozenset[str]
    synthetic: bool = False
    _due: dict[tuple[date, int], date] = field(default_factory=dict)

    def ready(self) -> Placer:
        """Makes the stage; gives the places of today."""
        self.conn.execute("SET TIME ZONE 'UTC'")
        self.conn.execute("SET work_mem = '64MB'")  # a batch is counted in many ways at once
        self.conn.execute(STAGED)
        return placer(self.conn)

    def keep(self, made: Iterable[tuple[object, ...]]) -> Tally:
        """Puts versions into the records, in the caller's transaction."""
        with self.conn.cursor() as cursor, cursor.copy(f"COPY staged ({', '.join(COLUMNS)}) FROM STDIN") as copy:
            for row in made:
                copy.write_row(row)
        self.conn.execute(DIGESTED)
        return self._merged()

    def versions(self, rows: pa.Table, places: Placer) -> tuple[list[tuple[object, ...]], list[Refusal]]:
        """The rows as versions of records, and the cells that cannot be."""
        sheet = {name: rows.column(name).to_pylist() for name in rows.column_names}
        blank: list[Any] = [None] * rows.num_rows
        found = places.places({name: sheet.get(name, blank) for name in ("longitude", "latitude", "ward", "precision")})
        wrong = [Refusal(at, "longitude", "the place lies outside the city") for at in found.lost]
        wrong += [Refusal(at, "ward", f"{sheet['ward'][at]!r} is no ward of today, or the name of several")
                  for at in found.unknown]  # fmt: skip
        shapes = shapely.to_wkb(found.points, hex=True, include_srid=False)
        made = []
        for at in range(rows.num_rows):
            row = {name: values[at] for name, values in sheet.items()}
            wrong += [Refusal(at, *fault) for fault in _faults(row)]
            place = (shapes[at], found.precision[at], found.wards[at])
            made.append(self._version(row, place))
        return made, wrong

    def _version(self, row: dict[str, Any], place: tuple[str, str, str | None]) -> tuple[object, ...]:
        """One row in the order of COLUMNS."""
        received: datetime = row["received_at"]
        status, closed = row["status"], row.get("closed_at")
        moments = [at for at in (received, closed, row.get("updated_at")) if at is not None]
        at = row.get("updated_at") or max(moments)
        handled = self.rules.handled(status)
        unit = row.get("unit") or self.rules.unit(row["field"])
        due = row.get("due_on") or self._due_on(received, row["field"], unit)
        geom, precision, ward = place
        return (
            row["code"], row["field"], row.get("sub_field"), row["channel"], received, row.get("said"),
            _photos(row.get("photos")), row.get("address"), precision, row.get("asset"), geom, ward, None, unit, due,
            self.rules.days.provisional(due), status, (closed or at) if handled else None, row.get("satisfaction"),
            bool(row.get("reopened")) or status == "reopened", row.get("parent"), at, self.rules.ranks.get(status, 0),
            self.synthetic,
        )  # fmt: skip

    def _due_on(self, received: datetime, field_: str, unit: str | None) -> date:
        key = (self.rules.local(received), self.rules.working_days(field_, unit))
        if key not in self._due:
            self._due[key] = self.rules.days.after(*key)
        return self._due[key]

    def _merged(self) -> Tally:
        """The greatest version of each petition of the stage stands, unless the record has a greater one."""
        row = self.conn.execute(_merge(self.given), {"who": self.who}).fetchone()
        self.conn.execute(_EVENTS, {"who": self.who})
        self.conn.execute(_REOPENED)
        added, changed, rows = row or (0, 0, 0)
        return Tally(added, changed, rows - added - changed)


def _merge(given: frozenset[str]) -> str:
    """One row (added, changed, rows of the stage)."""
    changing = [name for name in COLUMNS if name not in _FIXED and _changes(name, given)]
    columns = ", ".join((*COLUMNS, "version_digest"))
    settings = ", ".join(f"{name} = excluded.{name}" for name in (*changing, *_FIXED[1:4]))
    version = "({0}.version_at, {0}.version_rank, {0}.version_digest)"
    return f"""
        WITH newest AS (
            SELECT DISTINCT ON (code) * FROM staged
            ORDER BY code, version_at DESC, version_rank DESC, version_digest DESC
        ), put AS (
            INSERT INTO citymap.petition AS p ({columns})
            SELECT {columns} FROM newest ORDER BY code
            ON CONFLICT (code) DO UPDATE SET {settings}, reopened = p.reopened OR excluded.reopened
            WHERE {version.format("p")} < {version.format("excluded")}
            RETURNING xmax = 0 AS new
        )
        SELECT (SELECT count(*) FROM put WHERE new), (SELECT count(*) FROM put WHERE NOT new),
               (SELECT count(*) FROM staged)"""


def _changes(name: str, given: frozenset[str]) -> bool:
    """Whether a newer row of the source changes a column of the record: it says something of it."""
    if name in _PLACE:
        return bool(given & {"longitude", "ward"})
    if name in ("due_on", "due_provisional"):
        return "due_on" in given
    return name in given or name in ("status", "closed_at", "field", "channel", "received_at")


# what was seen is kept for each version, also for those that came too late to change the record
_EVENTS = """
    INSERT INTO citymap.petition_event (petition, at, kind, value, who)
    SELECT p.id, seen.at, seen.kind, seen.value, %(who)s
    FROM staged AS s
    JOIN citymap.petition AS p USING (code)
    CROSS JOIN LATERAL (VALUES
        (s.received_at, 'status', 'received'),
        (coalesce(s.closed_at, s.version_at), 'status', s.status),
        (s.version_at, 'unit', CASE WHEN s.status <> 'received' AND NOT s.synthetic THEN s.unit END),
        (s.version_at, 'parent', s.parent)
    ) AS seen (at, kind, value)
    WHERE seen.value IS NOT NULL AND NOT (seen.value = 'received' AND seen.at <> s.received_at)
    ON CONFLICT DO NOTHING"""
_REOPENED = """
    UPDATE citymap.petition AS p SET reopened = true
    FROM staged AS s
    WHERE s.code = p.code AND NOT p.reopened
    AND (s.reopened
         OR EXISTS (SELECT FROM citymap.petition_event AS e WHERE e.petition = p.id AND e.value = 'reopened'))"""


def _faults(row: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """(column, reason) of what one cell alone cannot tell."""
    closed, parent, marks = row.get("closed_at"), row.get("parent"), row.get("satisfaction")
    updated = row.get("updated_at")
    if updated is not None and updated < row["received_at"]:
        yield "updated_at", f"{updated:%Y-%m-%d %H:%M} is before the petition was received"
    if closed is not None and closed < row["received_at"]:
        yield "closed_at", f"{closed:%Y-%m-%d %H:%M} is before the petition was received"
    if parent is not None and parent == row["code"]:
        yield "parent", "a petition is no duplicate of itself"
    if marks is not None and not 1 <= marks <= 5:
        yield "satisfaction", f"{marks} is not 1 to 5"


def _photos(text: str | None) -> list[str]:
    """Links, parted by spaces, semicolons or line breaks."""
    return [part for part in (text or "").replace(";", " ").split() if part.startswith(("https://", "http://"))]


def first_assigned(conn: Connection, layer: Any) -> None:
    """Writes down, once, that the petitions have the wards of today."""
    known = conn.execute("SELECT EXISTS (SELECT FROM citymap.ward_assignment WHERE layer = %s)", (layer.name,))
    if known.fetchone() == (False,):
        assigned(conn, layer, wards_load(conn))


def fold(conn: Connection) -> None:
    """Adds up the rows that changes left in the counts."""
    conn.execute("SELECT citymap.fold_petitions()")


Progress = Callable[[int], None]
