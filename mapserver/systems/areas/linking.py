"""Loading the link table of one reform: which unit went where, in whole or in part, by which clause; all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import shapely

from mapserver.areas import Area, Areas
from mapserver.checks import Checker
from mapserver.layer import Column, Layer, Text
from mapserver.reading import opened, rows
from mapserver.reading_files import checksum
from mapserver.systems.areas.book import areas_in, noted
from mapserver.systems.areas.boundaries import row_fault, text
from mapserver.systems.areas.defects import Defect, Row, alike, errors, of_links
from mapserver.text import folded
from mapserver.wards import wards

WHOLE, PART = ("whole", "full", "toanbo", "nguyentrang"), ("part", "partial", "motphan")
TABLE = Layer(
    name="link_table",
    title=Text("Bảng chuyển đổi", "Link table"),
    description=Text("Đơn vị cũ đi về đâu", "Where each unit went"),
    theme="administration",
    owner=Text("", ""),
    licence="",
    source=Text("", ""),
    update="as-needed",
    origin="ingest",
    columns=(
        text("from_code", "Mã cũ", "From code", "old_code", "ma don vi cu", required=True),
        text("to_code", "Mã mới", "To code", "new_code", "ma don vi moi", required=True),
        text("kind", "Toàn bộ hay một phần", "Whole or part", "link", "loai", required=True),
        text("clause", "Khoản", "Clause", "law_clause", "dieu khoan"),
        Column("main", "boolean", Text("Mặc định", "Main heir"), aliases=("is_default",)),
        text("from_name", "Tên cũ", "From name", "old_name"),
        text("to_name", "Tên mới", "To name", "new_name"),
    ),
)
"""What a link table is read as."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a link table did, or would have done. spelt: names that were taken as the table spells them."""

    links: int
    new: int
    gone: int
    clauses: int
    spelt: int
    defects: tuple[Defect, ...]
    change: int | None


def load(dsn: str, where: str | Path, day: date, *, who: str = "citymap", dry_run: bool = False) -> Report:
    """Loads the whole link table of the reform of a day. Nothing is changed when it has an error, or on a dry run."""
    with opened(where, TABLE) as source:
        checker = Checker(TABLE, wards([], shapely.from_wkb([])))
        checked = [checker.check(frame) for frame in rows(source)]
        digest = checksum(source.path)
    faults = [row_fault(row) for one in checked for row in one.quarantined]
    frames = [_numbered(one) for one in checked if one.rows.num_rows]
    given = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["from_code", "to_code", "kind"])
    if not frames:
        faults.append(Defect("row", str(where), "holds no rows"))
    return apply(dsn, given, day, faults, source=str(where), digest=digest, who=who, dry_run=dry_run)


def _numbered(checked: Any) -> pd.DataFrame:
    plain = checked.rows.to_pandas().astype(object)
    plain = plain.where(plain.notna(), None)
    plain["row"] = checked.numbers
    return plain


def apply(
    dsn: str, given: pd.DataFrame, day: date, defects: list[Defect] | None = None,
    *, source: str, digest: str | None = None, who: str = "citymap", dry_run: bool = False,
) -> Report:  # fmt: skip
    """Checks links (from_code, to_code, kind, …) and stores them, all or none."""
    faults = [*(defects or []), *_unknown_kinds(given)]
    with psycopg.connect(dsn) as conn:
        conn.execute("LOCK TABLE citymap.area, citymap.area_link IN SHARE ROW EXCLUSIVE MODE")
        book = areas_in(conn)
        faults += _against(book, given, day)
        before = {(x.origin, x.heir) for x in book.links if book.units[x.heir].valid_from == day}
        after = _pairs(book, given, day)
        spelt = _spelt(book, given, day)
        told = (
            len(given),
            len(after - before),
            len(before - after),
            int(given.get("clause", pd.Series()).notna().sum()),
        )
        if errors(faults) or dry_run or not len(given):
            conn.rollback()
            return Report(*told, len(spelt), tuple(faults), None)
        _store(conn, book, given, day, before - after)
        conn.cursor().executemany(
            "UPDATE citymap.area SET name = %s WHERE uid = %s", [(n, u) for u, n in spelt.items()]
        )
        change = noted(conn, "links", source, who, checksum=digest, day=day.isoformat(), links=len(given),
                       spelt=len(spelt), defects=[str(fault) for fault in faults])  # fmt: skip
    return Report(*told, len(spelt), tuple(faults), change)


def _unknown_kinds(given: pd.DataFrame) -> Iterator[Defect]:
    for row in given.to_dict("records"):
        if folded(str(row["kind"])) not in WHOLE + PART:
            yield Defect("link", f"row {row.get('row', '?')}, column kind", f"is whole or part, not {row['kind']!r}")


def _is_whole(kind: object) -> bool:
    return folded(str(kind)) in WHOLE


def origin_of(book: Areas, code: str, day: date) -> Area | None:
    """The unit of this code that ended with the reform of a day."""
    return next((unit for unit in book.versions(code) if unit.valid_to == day), None)


def heir_of(book: Areas, code: str, day: date) -> Area | None:
    """The unit of this code that began with the reform of a day, or of which no beginning is known."""
    held = [unit for unit in book.versions(code) if unit.held_on(day)]
    return next((unit for unit in held if unit.valid_from in (day, None)), None)


def _against(book: Areas, given: pd.DataFrame, day: date) -> Iterator[Defect]:
    """Codes nobody had, names of other units, and links that do not add up."""
    lines = []
    for row in given.to_dict("records"):
        number = int(row.get("row", 0))
        origin, heir = origin_of(book, row["from_code"], day), heir_of(book, row["to_code"], day)
        if origin is None:
            yield Defect("code", f"row {number}, column from_code", f"no unit {row['from_code']} ended on {day}")
        if heir is None:
            yield Defect("code", f"row {number}, column to_code", f"no unit {row['to_code']} began on {day}")
        for unit, name, column in ((origin, row.get("from_name"), "from_name"), (heir, row.get("to_name"), "to_name")):
            if unit and name and not alike(name, unit.name):
                yield Defect("name", f"row {number}, column {column}", f"{unit.code} is {unit.name}, not {name}")
        lines.append(Row(number, row["from_code"], row["to_code"], _is_whole(row["kind"])))
    units = book.units.values()
    yield from of_links(
        lines,
        (unit.code for unit in units if unit.valid_to == day),
        (unit.code for unit in units if unit.valid_from == day),
    )


def _pairs(book: Areas, given: pd.DataFrame, day: date) -> set[tuple[int, int]]:
    pairs = (
        (origin_of(book, one, day), heir_of(book, other, day))
        for one, other in zip(given["from_code"], given["to_code"], strict=True)
    )
    return {(origin.uid, heir.uid) for origin, heir in pairs if origin and heir}


def _spelt(book: Areas, given: pd.DataFrame, day: date) -> dict[int, str]:
    """Names as the table spells them, by uid, where that is not how they are spelt here: the law is nearer to it."""
    found: dict[int, str] = {}
    for row in given.to_dict("records"):
        both = ((origin_of(book, row["from_code"], day), "from_name"), (heir_of(book, row["to_code"], day), "to_name"))
        for unit, column in both:
            name = row.get(column)
            if unit and name and name != unit.name and alike(name, unit.name):
                found[unit.uid] = name
    return found


def _store(
    conn: psycopg.Connection[Any], book: Areas, given: pd.DataFrame, day: date, gone: set[tuple[int, int]]
) -> None:
    ways = given.groupby("to_code")["from_code"].transform("size")
    for row, many in zip(given.to_dict("records"), ways, strict=True):
        origin, heir = origin_of(book, row["from_code"], day), heir_of(book, row["to_code"], day)
        if origin is None or heir is None:
            continue
        whole = _is_whole(row["kind"])
        main = row.get("main")
        conn.execute(
            """
            INSERT INTO citymap.area_link (from_uid, to_uid, kind, unchanged, main, clause)
            VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT (from_uid, to_uid) DO UPDATE
            SET kind = excluded.kind, unchanged = excluded.unchanged, main = excluded.main,
                clause = coalesce(excluded.clause, area_link.clause)""",
            (origin.uid, heir.uid, "whole" if whole else "part", whole and many == 1,
             whole if main is None else bool(main), row.get("clause")),
        )  # fmt: skip
        conn.execute("UPDATE citymap.area SET valid_from = %s WHERE uid = %s AND valid_from IS NULL", (day, heir.uid))
    for pair in gone:
        conn.execute("DELETE FROM citymap.area_link WHERE (from_uid, to_uid) = (%s, %s)", pair)
