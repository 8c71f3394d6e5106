"""An export of the hotline into the records: read, checked cell by cell, kept batch by batch, gone on with after a cut.

A sheet with a wrong cell is refused before anything is written, unless its wrong rows are to be left out. Every batch
is one transaction that also says how far the file was read; so a killed import loses nothing and doubles nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
from openpyxl.utils import get_column_letter

from mapserver.catalogue import Catalogue
from mapserver.checks import Checked, Checker
from mapserver.errors import BadLoad
from mapserver.faults import Origin
from mapserver.layer import Layer
from mapserver.loading import Provenance
from mapserver.reading import opened, rows
from mapserver.reading_files import checksum
from mapserver.systems.petitions import records
from mapserver.systems.petitions.records import BATCH, Keeper, Tally
from mapserver.systems.petitions.rules import LAYER, Rules, rules
from mapserver.systems.petitions.sheet import sheet
from mapserver.wards import wards

MOST = 2 * BATCH
"""Rows of one transaction at most."""
SHOWN = 50
"""Wrong cells that are told one by one; all are counted."""
Progress = Callable[[int], None]
Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One wrong cell: where it stands in the file, as an office program names it, and what would be right."""

    sheet: str
    place: str
    column: str
    reason: str

    def __str__(self) -> str:
        where = f"{self.sheet}!{self.place}" if self.sheet else self.place
        return f"{where} ({self.column}): {self.reason}" if self.column else f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did. number: in citymap.petition_import, None for a dry run; resumed: rows done before a cut."""

    source: str
    number: int | None
    rows: int
    resumed: int
    tally: Tally
    wrong: int
    cells: tuple[Cell, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Wish:
    """How a file is to be imported."""

    who: str
    dry_run: bool = False
    skip_wrong: bool = False
    sheet: str | None = None
    encoding: str | None = None
    synthetic: bool = False


def imported(
    owner_dsn: str, catalogue: Catalogue, file: str | Path, wish: Wish, progress: Progress | None = None
) -> Report:
    """Imports one file. Raises BadLoad, naming cells, when nothing was changed."""
    law = rules(catalogue)
    form = sheet(catalogue[LAYER], law)
    began = time.monotonic()
    with opened(file, form, sheet=wish.sheet, encoding=wish.encoding) as source:
        digest = checksum(source.path)
        work = Import(catalogue, law, form, wish, source.name, digest, progress)
        with psycopg.connect(owner_dsn, autocommit=True) as conn, alone(conn, digest, source.name):
            done = work.begun(conn)
            if not done and not wish.skip_wrong:
                work.refuse_wrong(conn, rows(source))
            return work.run(conn, rows(source), done, began)


@dataclass(frozen=True, slots=True)
class Step:
    """How far an import has come with one batch."""

    number: int | None
    rows_done: int
    left_out: int


@contextmanager
def alone(conn: Connection, digest: str, name: str) -> Iterator[None]:
    """One import of a file at a time; other files go on beside it. Raises BadLoad."""
    lock = "SELECT {}(hashtextextended(%s, 2))"
    got = conn.execute(lock.format("pg_try_advisory_lock").encode(), (digest,)).fetchone()
    if got != (True,):
        raise BadLoad(name, "is being imported by somebody else right now; that import goes on")
    try:
        yield
    finally:
        conn.execute(lock.format("pg_advisory_unlock").encode(), (digest,))


@dataclass(frozen=True)
class Import:
    """One file on its way into the records."""

    catalogue: Catalogue
    rules: Rules
    form: Layer
    wish: Wish
    name: str
    digest: str
    progress: Progress | None

    def begun(self, conn: Connection) -> int:
        """Rows of this file that an import which was cut short has done."""
        query = "SELECT rows_done FROM citymap.petition_import WHERE checksum = %s AND finished_at IS NULL"
        row = conn.execute(query, (self.digest,)).fetchone()
        return row[0] if row and not self.wish.dry_run else 0

    def refuse_wrong(self, conn: Connection, frames: Iterable[pd.DataFrame]) -> None:
        """Reads the whole file without writing. Raises BadLoad with the cells that are wrong."""
        keeper = Keeper(conn, self.rules, self.wish.who, frozenset())
        places, count, cells = keeper.ready(), 0, list[Cell]()
        for checked, origin in self._checked(frames):
            _, refused = keeper.versions(checked.rows, places)
            found = [*_cells(checked, origin), *_told(refused, checked, origin)]
            count, cells = count + len(found), (cells + found)[:SHOWN]
        if count:
            listed = "\n".join(map(str, cells)) + ("\n…" if count > SHOWN else "")
            raise BadLoad(self.name, f"{count} cells are not right; nothing was changed\n{listed}")

    def run(self, conn: Connection, frames: Iterable[pd.DataFrame], done: int, began: float) -> Report:
        """Keeps every good row after those that were done before."""
        number = None if self.wish.dry_run else self._opened(conn)
        seen, wrong, tally, cells = 0, 0, Tally(), list[Cell]()
        keeper: Keeper | None = None
        for checked, origin in self._checked(frames):
            seen += checked.rows_in
            if seen <= done:
                continue
            if keeper is None:
                keeper = Keeper(conn, self.rules, self.wish.who, checked.given, self.wish.synthetic)
                places = keeper.ready()
            made, refused = keeper.versions(checked.rows, places)
            bad = [*_cells(checked, origin), *_told(refused, checked, origin)]
            out = {refusal.at for refusal in refused}
            good = [version for at, version in enumerate(made) if at not in out]
            tally += self._kept(conn, keeper, good, Step(number, seen, checked.rows_in - len(good)))
            wrong, cells = wrong + len(bad), (cells + bad)[:SHOWN]
            if self.progress:
                self.progress(seen)
        if not seen:
            raise BadLoad(self.name, "holds no rows; nothing was changed")
        self._finished(conn, number)
        return Report(self.name, number, seen, done, tally, wrong, tuple(cells), time.monotonic() - began)

    def _checked(self, frames: Iterable[pd.DataFrame]) -> Iterator[tuple[Checked, Origin]]:
        """Frames in batches, through the checks that every load has."""
        checker = Checker(self.form, wards([], _NOTHING))
        for frame in frames:
            frame.attrs["source"] = self.name
            origin = frame.attrs.get("origin") or Origin()
            for start in range(0, len(frame), MOST):
                yield checker.check(frame.iloc[start : start + MOST]), origin

    def _kept(self, conn: Connection, keeper: Keeper, versions: list[tuple[object, ...]], step: Step) -> Tally:
        """One batch and the account of it, in one transaction; a dry run takes it back."""
        with conn.transaction(force_rollback=self.wish.dry_run):
            tally = keeper.keep(versions)
            records.first_assigned(conn, self.catalogue[LAYER])
            conn.execute(
                "UPDATE citymap.petition_import SET rows_done = %s, added = added + %s, changed = changed + %s,"
                " older = older + %s, refused = refused + %s WHERE id = %s",
                (step.rows_done, tally.added, tally.changed, tally.older, step.left_out, step.number),
            )
        return tally

    def _opened(self, conn: Connection) -> int:
        row = conn.execute(
            "INSERT INTO citymap.petition_import (source, checksum, who) VALUES (%s, %s, %s)"
            " ON CONFLICT (checksum) WHERE finished_at IS NULL DO UPDATE SET who = excluded.who RETURNING id",
            (self.name, self.digest, self.wish.who),
        ).fetchone()
        return int(row[0]) if row else 0

    def _finished(self, conn: Connection, number: int | None) -> None:
        """The import's end, and a line in the account of loads: what the layer shows came from here."""
        if number is None:
            return
        with conn.transaction():
            conn.execute("UPDATE citymap.petition_import SET finished_at = clock_timestamp() WHERE id = %s", (number,))
            conn.execute(_LOGGED, (self.wish.synthetic, number))
            records.fold(conn)


_NOTHING: Any = []
_LOGGED = """
    INSERT INTO citymap.load (layer, mode, source, checksum, started_at, finished_at, who, rows_in, rows_loaded,
                              rows_quarantined, synthetic)
    SELECT 'petitions', 'upsert', source, checksum, started_at, finished_at, who, rows_done, added + changed, refused,
           %s
    FROM citymap.petition_import WHERE id = %s"""


def filled(
    owner_dsn: str, catalogue: Catalogue, frames: Iterable[pd.DataFrame], provenance: Provenance,
    progress: Progress | None = None,
) -> Tally:  # fmt: skip
    """Synthetic petitions in the place of synthetic ones. Raises BadLoad where there are real ones."""
    law = rules(catalogue)
    work = Import(catalogue, law, sheet(catalogue[LAYER], law), Wish(provenance.who, synthetic=True),
                  provenance.source, f"synthetic {provenance.source}", progress)  # fmt: skip
    with psycopg.connect(owner_dsn, autocommit=True) as conn, alone(conn, work.digest, work.name):
        if real(conn):
            raise BadLoad(LAYER, "holds real petitions, which no demo replaces")
        if not work.begun(conn):
            conn.execute("TRUNCATE citymap.petition, citymap.petition_release CASCADE")
        return work.run(conn, _gathered(map(_located, frames)), work.begun(conn), time.monotonic()).tally


def real(conn: Connection) -> bool:
    """Whether there are petitions that nobody made up."""
    there = conn.execute("SELECT EXISTS (SELECT FROM citymap.petition WHERE NOT synthetic)").fetchone()
    return there == (True,)


def _located(frame: Any) -> pd.DataFrame:
    """A frame with points as one with longitude and latitude."""
    plain = pd.DataFrame(frame.drop(columns="geometry"))
    plain["longitude"], plain["latitude"] = frame.geometry.x, frame.geometry.y
    return plain


def _gathered(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The same rows in frames of about BATCH: the more are counted at once, the fewer counts there are to add."""
    few: list[pd.DataFrame] = []
    for frame in frames:
        few.append(frame)
        if sum(map(len, few)) >= BATCH:
            yield pd.concat(few)
            few = []
    if few:
        yield pd.concat(few)


def _cells(checked: Checked, origin: Origin) -> list[Cell]:
    """The wrong cells that the checks of every load find."""
    return [
        _cell(checked, origin, fault.row, fault.column, fault.reason)
        for row in checked.quarantined
        for fault in row.faults
    ]


def _told(refused: list[records.Refusal], checked: Checked, origin: Origin) -> list[Cell]:
    """The wrong cells that only a petition can have."""
    return [
        _cell(checked, origin, int(checked.numbers[r.at]), origin.names.get(r.column, r.column), r.reason)
        for r in refused
    ]


def _cell(checked: Checked, origin: Origin, row: int, column: str, reason: str) -> Cell:
    letter = get_column_letter(origin.headers.index(column) + 1) if column in origin.headers else ""
    return Cell(checked.part, f"{letter}{row}" if letter else f"row {row}", column, reason)
