"""A load: check, stage, replace (or add), log, all in one transaction.

Readers see the old picture until the commit; whatever ends a load before that leaves the layer as it was.
Rows in = rows loaded + rows quarantined, always."""

from __future__ import annotations

import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import pgpq
import psycopg
import pyarrow as pa
from psycopg import sql

from mapserver import history, tables
from mapserver.catalogue import Catalogue
from mapserver.checks import Checked, Checker, Quarantined, raw_json
from mapserver.errors import BadLoad
from mapserver.faults import Fault
from mapserver.layer import Layer
from mapserver.standing import STAGING, index_names, stand
from mapserver.systems.areas.assignment import assigned, wards_load
from mapserver.tables import quoted
from mapserver.wards import reassign, wards_in

Mode = Literal["replace", "append", "upsert"]
Progress = Callable[[int], None]
EXAMPLES = 3
"""Examples of each reason that a report shows."""
LOCK_WAIT = "60s"
_Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the rows of a load come from. source: paths or addresses; checksum: SHA-256 over their bytes."""

    source: str
    who: str
    checksum: str | None = None
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Refusals:
    """Rows that were quarantined for one kind of fault, with the first few as examples."""

    kind: str
    column: str
    count: int
    examples: tuple[Quarantined, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a load did. load: its number in citymap.load, None for a dry run."""

    layer: str
    mode: str
    source: str
    load: int | None
    rows_in: int
    loaded: int
    quarantined: int
    refusals: tuple[Refusals, ...]
    mended: int
    in_no_ward: int
    references: tuple[str, ...]
    """CRS of each part and how it was decided."""
    notes: tuple[str, ...]
    seconds: float
    dry_run: bool = False


def load(
    owner_dsn: str,
    catalogue: Catalogue,
    layer: Layer,
    frames: Iterable[pd.DataFrame],
    provenance: Provenance,
    *,
    mode: Mode = "replace",
    dry_run: bool = False,
    mend: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Load frames of rows into a layer. Raises BadLoad, in words, when nothing was changed.

    frames: as an ingest script yields them, read lazily; flat memory whatever their number.
    mode: `replace` the content, `append` to it, or `upsert` by the layer's key."""
    _possible(layer, mode)
    with transaction(owner_dsn, layer, provenance.who, dry_run) as conn:
        work = _Load(conn, catalogue, layer, provenance, mode, dry_run)
        work.start()
        checker = Checker(layer, wards_in(conn), mend)
        for checked in _ahead(map(checker.check, frames)):
            work.take(checked)
            if progress:
                progress(work.tally.rows_in)
        return work.finish(checker)


def _possible(layer: Layer, mode: Mode) -> None:
    if layer.origin != "ingest":
        what = "an existing table of somebody else's" if layer.existing else f"a {layer.origin}"
        raise BadLoad(layer.name, f"is {what}; only a table layer takes rows")
    if layer.system:
        raise BadLoad(layer.name, f"shows the records of a system; use `citymap {layer.system} import`")
    if mode == "upsert" and layer.key is None:
        raise BadLoad(
            layer.name, "has no key to tell which rows are the same; use --append, or name a `key` in its file"
        )


@contextmanager
def transaction(dsn: str, layer: Layer, who: str, dry_run: bool) -> Iterator[_Connection]:
    """One transaction that only one load of a layer can be in; a dry run is rolled back."""
    try:
        with psycopg.connect(dsn, autocommit=False) as conn:
            settings = "SELECT set_config('lock_timeout', %s, true), set_config('citymap.caller', %s, true)"
            conn.execute(settings, (LOCK_WAIT, who))
            got = conn.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (f"load {layer.name}",))
            if got.fetchone() != (True,):
                raise BadLoad(layer.name, "is being loaded by somebody else right now; try again when that is done")
            yield conn
            conn.rollback() if dry_run else conn.commit()
    except psycopg.errors.LockNotAvailable as error:
        raise BadLoad(
            layer.name, f"is in use by a long query; nothing was changed after waiting {LOCK_WAIT}"
        ) from error
    except psycopg.errors.DiskFull as error:
        raise BadLoad(layer.name, "the disk of the database is full; nothing was changed") from error
    except psycopg.OperationalError as error:
        raise BadLoad(layer.name, f"the database broke off: {' '.join(str(error).split())}") from error


def _ahead(items: Iterator[Checked]) -> Iterator[Checked]:
    """The same items, the next one being made while the last one is sent."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        coming.result()
        gc.freeze()  # a million shapes made the collector walk all modules again and again: 2.5 s became 0.9 s
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


@dataclass(slots=True)
class _Tally:
    """Counts of a load as it goes on."""

    rows_in: int = 0
    staged: int = 0
    quarantined: int = 0
    mended: int = 0
    in_no_ward: int = 0
    given: set[str] = field(default_factory=set)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[Quarantined]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def refused(self, rows: Iterable[Quarantined]) -> None:
        for row in rows:
            key = (row.faults[0].kind, row.faults[0].column)
            self.quarantined += 1
            self.reasons[key] += 1
            if self.reasons[key] <= EXAMPLES:
                self.examples.setdefault(key, []).append(row)

    def refusals(self) -> tuple[Refusals, ...]:
        return tuple(Refusals(*key, count, tuple(self.examples[key])) for key, count in self.reasons.most_common())


@dataclass(slots=True)
class _Run:
    """A stretch of staged rows out of one frame: ids `first` … are the source rows `numbers`."""

    first: int
    source: str
    part: str
    numbers: Any


@dataclass(slots=True)
class _Load:
    """The statements of one load, in their order."""

    conn: _Connection
    catalogue: Catalogue
    layer: Layer
    provenance: Provenance
    mode: Mode
    dry_run: bool
    tally: _Tally = field(default_factory=_Tally)
    runs: list[_Run] = field(default_factory=list)
    number: int = 0
    replaces: int | None = None
    """The load before this one."""
    wards_load: int | None = None
    """The load of the wards that the rows are assigned to."""
    began: float = field(default_factory=time.monotonic)

    @property
    def stage(self) -> str:
        return f"{STAGING}.{quoted(self.layer.name)}"

    @property
    def new(self) -> str:
        """The name that the new content has until it stands in the old one's place."""
        return f"{STAGING}.{quoted(self.layer.name + ' new')}"

    def start(self) -> None:
        """An empty stage, without its primary key until the rows are in, and the load's own row."""
        self._refuse_precious()
        self.wards_load = wards_load(self.conn)
        self._bare(self.layer.name)
        provenance = self.provenance
        row = self.conn.execute(
            "INSERT INTO citymap.load (layer, mode, source, checksum, who, synthetic)"
            " VALUES (%s, %s, %s, %s, %s, %s)"
            " RETURNING id, (SELECT max(id) FROM citymap.load WHERE layer = %s AND finished_at IS NOT NULL)",
            (
                self.layer.name,
                self.mode,
                provenance.source,
                provenance.checksum,
                provenance.who,
                provenance.synthetic,
                self.layer.name,
            ),
        ).fetchone()
        self.number, self.replaces = row or (0, None)

    def take(self, checked: Checked) -> None:
        """Stage the good rows of a frame and quarantine the others."""
        tally, count = self.tally, checked.rows.num_rows
        if count:
            self.runs.append(_Run(tally.staged + 1, checked.source, checked.part, _compact(checked.numbers)))
            ids = pa.array(np.arange(tally.staged + 1, tally.staged + count + 1))
            self._copy(checked.rows.add_column(0, "id", ids))
        self._quarantine(checked.quarantined)
        tally.rows_in += checked.rows_in
        tally.staged += count
        tally.mended += checked.mended
        tally.in_no_ward += checked.in_no_ward
        tally.given |= checked.given
        tally.notes += checked.notes

    def finish(self, checker: Checker) -> Report:
        """Duplicates out, ids given, indexes built, the new content in place, the load written down."""
        if not self.tally.rows_in:
            raise BadLoad(self.provenance.source, f"holds no rows; {self.layer.name} keeps what it had")
        if not self.tally.staged and self.mode == "replace":
            raise _nothing_good(self.layer, self.tally, self.provenance)
        self._without_duplicates()
        match self.mode:
            case "replace":
                self._replace()
            case "append" | "upsert":
                self._add()
        self._follow_wards()
        if self.layer.ward:
            self._assigned()
        report = self._report(checker)
        self._log(report)
        return report

    # Staging

    def _bare(self, name: str) -> None:
        self._run(f"DROP TABLE IF EXISTS {STAGING}.{quoted(name)}", *tables.create(self.layer, STAGING, name))
        row = self.conn.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'",
            (f"{STAGING}.{quoted(name)}",),
        ).fetchone()
        if row:
            self._run(f"ALTER TABLE {STAGING}.{quoted(name)} DROP CONSTRAINT {quoted(row[0])}")

    def _copy(self, rows: pa.Table) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
        into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.SQL(self.stage), names)
        encoder = pgpq.ArrowToPostgresBinaryEncoder(rows.schema)
        with self.conn.cursor() as cursor, cursor.copy(into) as copy:
            copy.write(encoder.write_header())
            for batch in rows.to_batches():
                copy.write(encoder.write_batch(batch))
            copy.write(encoder.finish())

    def _quarantine(self, rows: Iterable[Quarantined]) -> None:
        rows = tuple(rows)
        if not rows:
            return
        self.tally.refused(rows)
        into = "COPY citymap.quarantine (load_id, layer, source, part, source_row, column_name, reason, raw) FROM STDIN"
        with self.conn.cursor() as cursor, cursor.copy(into) as copy:
            for row in rows:
                column = row.faults[0].column or None
                copy.write_row(
                    (self.number, self.layer.name, row.source or self.provenance.source, row.part or None, row.row,
                     column, row.reason.replace("\x00", "␀"), row.raw)
                )  # fmt: skip

    # Duplicates

    def _without_duplicates(self) -> None:
        """Of rows with the same key the first stays; with `append` none whose key the layer has already."""
        key = self.layer.key
        if key is None:
            return
        while not self._unique(key):
            self._refuse(key, f"""
                SELECT s.id, f.first, to_jsonb(s) - 'geom', {_wkt(self.layer)}
                FROM (SELECT id, min(id) OVER (PARTITION BY {quoted(key)}) AS first FROM {self.stage}) AS f
                JOIN {self.stage} AS s USING (id)
                WHERE f.id > f.first
                ORDER BY s.id""", "stands in row {} already")  # fmt: skip
        if self.mode == "append":
            self._refuse(key, f"""
                SELECT s.id, NULL, to_jsonb(s) - 'geom', {_wkt(self.layer)}
                FROM {self.stage} AS s
                JOIN {self.layer.table} AS old ON old.{quoted(key)} = s.{quoted(key)}
                ORDER BY s.id""", f"is in {self.layer.name} already; use --upsert to change it")  # fmt: skip

    def _unique(self, key: str) -> bool:
        """Builds the unique index; it costs nothing more when there are no duplicates, the common case."""
        index = next(s for s in tables.indexes(self.layer, STAGING) if s.startswith("CREATE UNIQUE"))
        try:
            with self.conn.transaction():
                self._run(index)
            return True
        except psycopg.errors.UniqueViolation:
            return False

    def _refuse(self, key: str, query: str, why: str) -> None:
        found = self.conn.execute(query.encode()).fetchall()
        if not found:
            return
        self._quarantine(self._duplicate(key, why, row) for row in found)
        ids = [row[0] for row in found]
        self.conn.execute(f"DELETE FROM {self.stage} WHERE id = ANY (%s)".encode(), (ids,))
        self.tally.staged -= len(ids)

    def _duplicate(self, key: str, why: str, found: tuple[int, int | None, dict[str, Any], str]) -> Quarantined:
        at, first, raw, wkt = found
        run, row = self._source_row(at)
        reason = f"{key} {raw[key]!r} {why.format(self._source_row(first)[1] if first else '')}"
        del raw["id"]
        kind = "duplicate" if first else "known already"
        return Quarantined(
            run.source, run.part, row, (Fault(row, key, kind, reason),), raw_json(raw | {"geometry": wkt})
        )

    def _source_row(self, at: int) -> tuple[_Run, int]:
        run = self.runs[int(np.searchsorted([run.first for run in self.runs], at, side="right")) - 1]
        return run, int(run.numbers[at - run.first])

    # Replacing

    def _replace(self) -> None:
        """The stage, with the ids that its rows had before, takes the place of the layer's table."""
        stage = self._with_old_ids() if self._had_rows() and self.layer.key else self.stage
        self._run(f"ALTER TABLE {stage} ADD PRIMARY KEY (id)")
        name = self.layer.name if stage == self.stage else f"{self.layer.name} new"
        there = index_names(self.conn, name)
        for promised, statement in zip(
            tables.index_names(self.layer, name), tables.indexes(self.layer, STAGING, name), strict=True
        ):
            if promised not in there:
                self._run(statement)
        self._run(f"ANALYZE {stage}")
        self._continue_numbering(stage)
        if not self.dry_run:
            stand(self.conn, self.catalogue, self.layer, name)

    def _had_rows(self) -> bool:
        return self.conn.execute(f"SELECT EXISTS (SELECT FROM {self._known} AS known)".encode()).fetchone() == (True,)

    @property
    def _known(self) -> str:
        """Every id that was given, with its key; where history is kept an id is never given to another feature."""
        if not self.layer.history:
            return f"(TABLE {self.layer.table})"
        key, versions = quoted(self.layer.key or "id"), history.table(self.layer)
        named = f", {key}" if self.layer.key else ""
        return f"(SELECT DISTINCT ON ({key}) id{named} FROM {versions} ORDER BY {key}, _version DESC)"

    def _with_old_ids(self) -> str:
        """A copy of the stage in which rows keep the id that their key had; new rows are numbered beyond."""
        self._bare(f"{self.layer.name} new")
        columns, key = self._columns(), quoted(self.layer.key or "")
        self._run(f"""
            INSERT INTO {self.new} (id, {", ".join(columns)})
            SELECT coalesce(old.id, top.id + row_number() OVER (PARTITION BY old.id IS NULL ORDER BY s.id)),
                   {", ".join(f"s.{c}" for c in columns)}
            FROM {self.stage} AS s
            LEFT JOIN {self._known} AS old ON old.{key} = s.{key}
            CROSS JOIN (SELECT max(id) AS id FROM {self._known} AS known) AS top""")
        self._run(f"DROP TABLE {self.stage}")
        return self.new

    # Adding

    def _add(self) -> None:
        """Rows into the standing table; with `upsert` those of a known key change what the source has columns for."""
        columns, table = self._columns(), self.layer.table
        self._run(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        if self.mode == "upsert":
            self._update()
        known = f"WHERE NOT EXISTS (SELECT FROM {table} AS old WHERE old.{self._key} = s.{self._key})"
        self._run(f"""
            INSERT INTO {table} (id, {", ".join(columns)})
            SELECT top.id + row_number() OVER (ORDER BY s.id), {", ".join(f"s.{c}" for c in columns)}
            FROM {self.stage} AS s
            CROSS JOIN (SELECT coalesce(max(id), 0) AS id FROM {self._known} AS known) AS top
            {known if self.mode == "upsert" else ""}""")
        self._run(f"DROP TABLE {self.stage}")
        self._continue_numbering(table)

    def _update(self) -> None:
        given = [
            c for c in self._columns() if c.strip('"') in {*self.tally.given, "geom", "ward_code"} and c != self._key
        ]
        if given:
            self._run(f"""
                UPDATE {self.layer.table} AS old
                SET {", ".join(f"{c} = s.{c}" for c in given)}
                FROM {self.stage} AS s
                WHERE s.{self._key} = old.{self._key}""")

    @property
    def _key(self) -> str:
        return quoted(self.layer.key or "")

    def _columns(self) -> list[str]:
        names = [column.name for column in self.layer.columns] + (["geom"] if self.layer.geometry else [])
        return list(map(quoted, names))

    def _follow_wards(self) -> None:
        """Layers that are written through the API change their wards with the wards: a clerk's feature has the new
        ones at once. The others follow after the load, in batches."""
        if self.layer.name != "wards" or self.dry_run:
            return
        for other in self.catalogue.vector:
            if other.ward and other.writable and other.origin == "ingest":
                if changed := reassign(self.conn, other):
                    self.tally.notes.append(f"{changed} features of {other.name} are in another ward now")
                assigned(self.conn, other, self.number)

    def _assigned(self) -> None:
        """Rows that stood before rows of newer wards are added follow those: a layer's wards are of one load."""
        known = self.conn.execute("SELECT wards_load FROM citymap.ward_assignment WHERE layer = %s", (self.layer.name,))
        if self.mode != "replace" and known.fetchone() not in ((self.wards_load,), None):
            reassign(self.conn, self.layer)
        assigned(self.conn, self.layer, self.wards_load)

    def _continue_numbering(self, table: str) -> None:
        """Where the API adds rows, their ids go on beyond the loaded ones."""
        if self.layer.writable:
            highest = f"greatest((SELECT max(id) FROM {table}), (SELECT max(id) FROM {self._known} AS known), 0)"
            beyond = f"SELECT setval(pg_get_serial_sequence(%s, 'id'), {highest} + 1, false)"
            self.conn.execute(beyond.encode(), (table,))

    # Log

    def _refuse_precious(self) -> None:
        """What people wrote through the API is not in any source, so that a replace would lose it."""
        if not self.layer.writable or self.mode != "replace":
            return
        written = "SELECT EXISTS (SELECT FROM citymap.history WHERE layer = %s)"
        if self.conn.execute(written, (self.layer.name,)).fetchone() == (True,):
            raise BadLoad(self.layer.name, "has rows that were written through the API; use --append or --upsert")

    def _report(self, checker: Checker) -> Report:
        tally = self.tally
        return Report(
            layer=self.layer.name,
            mode=self.mode,
            source=self.provenance.source,
            load=None if self.dry_run else self.number,
            rows_in=tally.rows_in,
            loaded=tally.staged,
            quarantined=tally.quarantined,
            refusals=tally.refusals(),
            mended=tally.mended,
            in_no_ward=tally.in_no_ward,
            references=_references(checker),
            notes=(*_ward_notes(self.layer, checker), *dict.fromkeys(tally.notes)),
            seconds=time.monotonic() - self.began,
            dry_run=self.dry_run,
        )

    def _log(self, report: Report) -> None:
        references = dict.fromkeys(report.references)
        notes = {
            "notes": report.notes,
            "mended": report.mended,
            "in_no_ward": report.in_no_ward,
            "seconds": round(report.seconds, 3),
            "replaces": self.replaces,
            "quarantined": {f"{r.kind}: {r.column}" if r.column else r.kind: r.count for r in report.refusals},
        }
        self.conn.execute(
            "UPDATE citymap.load SET finished_at = clock_timestamp(), rows_in = %s, rows_loaded = %s,"
            " rows_quarantined = %s, crs = %s, crs_decided_by = %s, notes = %s WHERE id = %s",
            (
                report.rows_in, report.loaded, report.quarantined,
                "; ".join(r.partition(": ")[0] for r in references) or None,
                "; ".join(r.partition(": ")[2] for r in references) or None,
                json.dumps(notes, ensure_ascii=False), self.number,
            ),
        )  # fmt: skip

    def _run(self, *statements: str) -> None:
        """Statements made of catalogue names; values never stand in them."""
        for statement in statements:
            self.conn.execute(statement.encode())


def _compact(numbers: Any) -> Any:
    """Consecutive row numbers as a range, which takes no room however many they are."""
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first + 1 == len(numbers) and bool((np.diff(numbers) == 1).all()):
        return range(first, last + 1)
    return numbers


def _wkt(layer: Layer) -> str:
    return "ST_AsText(s.geom)" if layer.geometry else "NULL"


def _nothing_good(layer: Layer, tally: _Tally, provenance: Provenance) -> BadLoad:
    first = next(iter(tally.refusals()))
    example = first.examples[0]
    where = (
        f"row {example.row}, column {example.faults[0].column}" if example.faults[0].column else f"row {example.row}"
    )
    return BadLoad(
        example.source or provenance.source,
        f"none of its {tally.rows_in} rows could be loaded; {layer.name} keeps what it had. "
        f"{first.count} × {first.kind}, first in {where}: {example.reason}",
    )


def _references(checker: Checker) -> tuple[str, ...]:
    """`EPSG:9210 (…): how it was decided`, once for each part."""
    made = checker.rulings.references
    lines: dict[str, None] = {}
    for (source, part), decision in made.items():
        where = f" [{part or source}]" if len(made) > 1 else ""
        lines[f"{decision.reference.name}{where}: {decision.how}"] = None
    return tuple(lines)


def _ward_notes(layer: Layer, checker: Checker) -> Iterator[str]:
    if layer.ward and not len(checker.wards):
        yield "no wards are loaded: nothing was checked against the city, and ward_code is empty; load wards first"
