"""Sheets into the records: checked as a whole, kept in one transaction or not at all; and the demo's figures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psycopg

from mapserver.areas import Areas
from mapserver.errors import BadLoad, BadQuery
from mapserver.periods import period
from mapserver.statements import Statement
from mapserver.systems.areas.book import areas_in
from mapserver.systems.indicators import records, sdmx
from mapserver.systems.indicators.records import Indicator, Source
from mapserver.systems.indicators.sheet import Read, Wish, read

MAX_BYTES = 20 * 2**20
Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do. added: figures and targets that said something new; number: of the import."""

    read: Read
    added: int
    dry_run: bool
    number: int | None = None

    def json(self) -> dict[str, object]:
        """As the doors tell it; at most 500 wrong cells are listed, all are counted."""
        wrong = [
            {"cell": cell.place, "column": cell.column, "reason": cell.reason,
             "candidates": [{"uid": u.uid, "code": u.code, "name": u.full_name} for u in cell.candidates]}
            for cell in self.read.wrong[:500]
        ]  # fmt: skip
        return {
            "rows": self.read.rows, "figures": len(self.read.observations), "targets": len(self.read.targets),
            "cells": self.read.cells, "added": self.added, "wrong": len(self.read.wrong), "wrongCells": wrong,
            "ignoredColumns": list(self.read.ignored), "dryRun": self.dry_run, "import": self.number,
        }  # fmt: skip


def parsed(content: bytes, indicators: Mapping[str, Indicator], areas: Areas, wish: Wish) -> Read:
    """A sheet of any of the three kinds: SDMX-CSV, wide, long. Raises BadQuery."""
    if len(content) > MAX_BYTES:
        raise BadQuery("table", f"is over {MAX_BYTES // 2**20} MB")
    if sdmx.recognised(content):
        return sdmx.taken(content, indicators, areas, wish)
    return read(content, indicators, areas, wish)


def statements(made: Read, source: Source) -> list[Statement]:
    """What keeps a sheet without a wrong cell; to be run in one transaction."""
    kept = [records.observed(made.observations, source)] if made.observations else []
    kept += [records.planned(made.targets, source)] if made.targets else []
    return [records.ONE_AT_A_TIME, *kept] if kept else []


def source_of(name: str, content: bytes, who: str) -> Source:
    """A file as the origin of its figures."""
    return Source(name, hashlib.sha256(content).hexdigest(), who)


def imported(conn: Connection, name: str, content: bytes, wish: Wish, who: str, *, dry_run: bool = False) -> Report:
    """One file, in one transaction. Raises BadLoad naming the wrong cells, with nothing changed."""
    with conn.transaction():
        made = parsed(content, indicators_in(conn), areas_in(conn), wish)
    if made.wrong and not dry_run:
        shown = "\n".join(map(str, made.wrong[:50])) + ("\n…" if len(made.wrong) > 50 else "")
        raise BadLoad(name, f"{len(made.wrong)} cells are not right; nothing was changed\n{shown}")
    if dry_run:
        return Report(made, 0, dry_run=True)
    with conn.transaction():
        done = [_run(conn, statement) for statement in statements(made, source_of(name, content, who))]
    number = max((number for number, _ in done), default=None)
    return Report(made, sum(added for _, added in done), dry_run=False, number=number)


def _run(conn: Connection, statement: Statement) -> tuple[int, int]:
    """The two numbers that a statement of records answers."""
    row = next(iter(asked(conn, statement)), None)
    return (int(row[0]), int(row[1])) if row else (0, 0)


def asked(conn: Connection, statement: Statement) -> list[tuple[Any, ...]]:
    """The rows of a statement, asked by the owner."""
    texts = [None if value is None else value.decode() for value in statement.arguments]
    return psycopg.RawCursor(conn).execute(statement.sql.encode(), texts).fetchall()


def indicators_in(conn: Connection) -> dict[str, Indicator]:
    """The dictionary of a database."""
    rows = asked(conn, records.dictionary())
    return {one.code: one for one in (records.indicator_of(row[0]) for row in rows)}


def entered(conn: Connection, entries: Sequence[Indicator], who: str) -> int:
    """Adds or changes entries of the dictionary, all or none; how many said something new."""
    return len(asked(conn, records.entered(entries, who)))


def empty(conn: Connection) -> bool:
    """Whether nothing was ever kept that nobody made up."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM citymap.indicator_import WHERE NOT synthetic)"
        " OR EXISTS (SELECT FROM citymap.indicator_request)"
    ).fetchone()
    return row == (False,)


def never_filled(conn: Connection) -> bool:
    """Whether there is no indicator at all."""
    return conn.execute("SELECT EXISTS (SELECT FROM citymap.indicator)").fetchone() == (False,)


WHO = "citymap demo"


def filled(conn: Connection, dictionary: pd.DataFrame, frames: Iterable[pd.DataFrame], source: str) -> int:
    """The demo's dictionary and figures in the place of the demo's, in one transaction; how many figures.

    Raises BadLoad where there are real ones."""
    if not empty(conn):
        raise BadLoad("indicators", "holds real figures, which no demo replaces")
    with conn.transaction():
        conn.execute("TRUNCATE citymap.indicator CASCADE")
        conn.execute("TRUNCATE citymap.indicator_import CASCADE")
        plain = dictionary.astype(object).where(dictionary.notna(), None)
        entered(conn, [Indicator(**row) for row in plain.to_dict("records")], WHO)
        row = conn.execute(
            "INSERT INTO citymap.indicator_import (source, checksum, who, synthetic) VALUES (%s, '', %s, true)"
            " RETURNING id", (source, WHO)).fetchone()  # fmt: skip
        return _copied(conn, frames, int(row[0]) if row else 0)


def _copied(conn: Connection, frames: Iterable[pd.DataFrame], number: int) -> int:
    """Every frame in bulk; gives the number of figures."""
    areas, done, units = areas_in(conn), 0, dict[tuple[str, str], tuple[object, ...] | None]()
    for frame in frames:
        keys = [_unit(areas, code, when, units) for code, when in zip(frame["code"], frame["period"], strict=True)]
        plain = frame.astype(object).where(frame.notna(), None)
        columns = (plain[name] for name in ("indicator", "status", "value", "numerator", "denominator", "plan"))
        rows = [(key, row) for key, row in zip(keys, zip(*columns, strict=True), strict=True) if key is not None]
        with conn.cursor() as cursor:
            with cursor.copy(_INTO.format("observation", "status, value, numerator, denominator").encode()) as copy:
                for key, (code, *said, _) in rows:
                    copy.write_row((code, *key, *said, number))
            with cursor.copy(_INTO.format("target", "value").encode()) as copy:
                for key, (code, *_, plan) in rows:
                    if plan is not None:
                        copy.write_row((code, *key, plan, number))
        done += len(rows)
    return done


def _unit(
    areas: Areas, code: str, said: str, known: dict[tuple[str, str], tuple[object, ...] | None]
) -> tuple[object, ...] | None:
    """(uid, first day, last day, period) of a code in a period; None where no unit had it then."""
    if (code, said) not in known:
        when = period(said)
        unit = areas.of_code(code, when.last) if when else None
        known[code, said] = (unit.uid, when.first, when.last, when.text) if when and unit else None
    return known[code, said]


_INTO = "COPY citymap.indicator_{} (indicator, area, first_day, last_day, period, {}, import) FROM STDIN"
