"""Loading a boundary set: units of one day with their outlines, checked as a whole, all of it or nothing.

Units that are known (same code, held on that day) take the set's outlines and names; others are new versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import psycopg
import pyarrow as pa
import shapely

from mapserver.areas import Area, Areas
from mapserver.checks import Checked, Checker
from mapserver.errors import BadLoad
from mapserver.layer import Column, Layer, Text
from mapserver.reading import opened, rows
from mapserver.reading_files import checksum
from mapserver.systems.areas.book import areas_in, noted
from mapserver.systems.areas.defects import Defect, alike, errors, of_set
from mapserver.wards import wards

KINDS = {
    "ward": Text("Phường", "Ward"),
    "commune": Text("Xã", "Commune"),
    "township": Text("Thị trấn", "Township"),
    "special_zone": Text("Đặc khu", "Special zone"),
    "district": Text("Huyện", "District"),
    "urban_district": Text("Quận", "Urban district"),
    "city": Text("Thành phố", "City"),
    "town": Text("Thị xã", "Town"),
}
OUTLINE = "ST_Multi(ST_CollectionExtract(ST_SetSRID(%s::geometry, 4326), 3))"
"""An outline out of WKB: nothing but its polygons."""
LEVELS = {"district": "district", "urban_district": "district", "city": "district", "town": "district"}


def text(name: str, vi: str, en: str, *aliases: str, required: bool = False) -> Column:
    return Column(name, "text", Text(vi, en), required=required, aliases=aliases)


SET = Layer(
    name="boundary_set",
    title=Text("Bộ ranh giới", "Boundary set"),
    description=Text("Các đơn vị của một ngày", "The units of one day"),
    theme="administration",
    owner=Text("", ""),
    licence="",
    source=Text("", ""),
    update="as-needed",
    origin="ingest",
    geometry="MultiPolygon",
    columns=(
        text("code", "Mã đơn vị", "Unit code", "ma", "ma dvhc", "ma phuong xa", "ward_code", required=True),
        text("full_name", "Tên đầy đủ", "Full name", "name", "ten", "ten don vi", "ten day du", required=True),
        text("name_en", "Tên tiếng Anh", "English name"),
        Column("kind", "code", Text("Loại đơn vị", "Kind"), codes=KINDS, aliases=("unit_type", "loai")),
        text("parent", "Mã đơn vị cấp trên", "Parent code", "district_code", "ma quan huyen"),
        text("parent_name", "Đơn vị cấp trên", "Parent", "district", "quan huyen"),
        Column("area_km2_published", "number", Text("Diện tích công bố", "Published area"), aliases=("dien tich",)),
        Column("population", "integer", Text("Dân số", "Population"), aliases=("dan so",)),
    ),
)
"""What a file of outlines is read as: headers, encoding and CRS as for any layer."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What a set is. start, end: the units' validity (new versions); on: the day whose units take the outlines."""

    start: date | None = None
    end: date | None = None
    on: date | None = None
    final: bool = False
    legal_basis: str | None = None
    who: str = "citymap"
    crs: str | None = None

    @property
    def day(self) -> date | None:
        return self.on or self.start or (date.fromordinal(self.end.toordinal() - 1) if self.end else None)


@dataclass(frozen=True, slots=True)
class Report:
    """What a set did, or would have done. changed, added: units; change: the areas' new version, None for a dry run."""

    units: int
    changed: int
    added: int
    defects: tuple[Defect, ...]
    notes: tuple[str, ...]
    change: int | None


def load(dsn: str, where: str | Path, meant: Meant, *, dry_run: bool = False, mend: bool = False) -> Report:
    """Loads a file of outlines. Nothing is changed when it has an error, or on a dry run.

    Raises BadLoad when the file cannot be read at all."""
    if meant.day is None:
        raise BadLoad("--from", "say since when the units hold (--from), until when (--to), or on which day (--on)")
    with opened(where, SET, crs=meant.crs) as source:
        given, defects = _read(source, mend)
        digest = checksum(source.path)
    return apply(dsn, given, meant, defects, source=str(where), digest=digest, dry_run=dry_run)


def apply(
    dsn: str, given: gpd.GeoDataFrame, meant: Meant, defects: list[Defect] | None = None,
    *, source: str, digest: str | None = None, dry_run: bool = False,
) -> Report:  # fmt: skip
    """Checks units and stores them, all or none."""
    faults = [*(defects or [])]
    if len(given):
        faults += of_set(given, final=meant.final)
    with psycopg.connect(dsn) as conn:
        conn.execute("LOCK TABLE citymap.area IN SHARE ROW EXCLUSIVE MODE")
        book = areas_in(conn)
        faults += _against(book, given, meant)
        if errors(faults) or dry_run or not len(given):
            conn.rollback()
            return Report(len(given), 0, 0, tuple(faults), (), None)
        changed, added, notes = _stored(conn, book, given, meant, source)
        change = noted(
            conn, "boundaries", source, meant.who, checksum=digest, changed=changed, added=added,
            defects=[str(fault) for fault in faults],
        )  # fmt: skip
    return Report(len(given), changed, added, tuple(faults), notes, change)


def _read(source: Any, mend: bool) -> tuple[gpd.GeoDataFrame, list[Defect]]:
    checker = Checker(SET, wards([], shapely.from_wkb([])), mend)
    checked = [checker.check(frame) for frame in rows(source)]
    faults = [row_fault(q) for one in checked for q in one.quarantined]
    frames = [_frame(one) for one in checked if one.rows.num_rows]
    if not frames:
        return gpd.GeoDataFrame({"code": [], "name": []}, geometry=[], crs=4326), faults or [
            Defect("row", source.name, "holds no rows")
        ]
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=4326), faults


def row_fault(row: Any) -> Defect:
    column = row.faults[0].column
    return Defect("row", f"row {row.row}" + (f", column {column}" if column else ""), row.reason)


def _frame(checked: Checked) -> gpd.GeoDataFrame:
    table: pa.Table = checked.rows
    shapes = shapely.from_wkb(table.column("geom").to_pylist())
    plain = table.drop_columns(["geom"]).to_pandas().astype(object)
    frame = gpd.GeoDataFrame(plain.where(plain.notna(), None), geometry=shapely.set_srid(shapes, 0), crs=4326)
    return frame.rename(columns={"full_name": "name"})


def _against(book: Areas, given: gpd.GeoDataFrame, meant: Meant) -> Iterator[Defect]:
    """Units that do not fit to those that are known."""
    for code, name in zip(given["code"], given["name"], strict=True):
        there = _known(book, code, meant)
        if meant.on and there is None:
            yield Defect("code", code, f"no unit had this code on {meant.on}; --from says that these are new versions")
        elif meant.on is None and there is None:
            yield from _clash(book, code, meant)
        if there is not None and meant.on and not alike(name, there.name):
            yield Defect("name", code, f"was {there.name} on {meant.on}, the set says {name}; is it of another day?")


def _known(book: Areas, code: str, meant: Meant) -> Area | None:
    """The unit that takes the outline: held on the day, or of the very same validity."""
    if meant.on:
        return book.of_code(code, meant.on)
    return next((u for u in book.versions(code) if (u.valid_from, u.valid_to) == (meant.start, meant.end)), None)


def _clash(book: Areas, code: str, meant: Meant) -> Iterator[Defect]:
    for unit in book.versions(code):
        begins_open = unit.valid_from is None and meant.end is not None and (unit.valid_to or date.max) > meant.end
        if not begins_open and _overlap(unit, meant):
            yield Defect(
                "code", code, f"is {unit.name} from {unit.valid_from or '…'} to {unit.valid_to or '…'} already"
            )


def _overlap(unit: Area, meant: Meant) -> bool:
    one = (unit.valid_from or date.min, unit.valid_to or date.max)
    other = (meant.start or date.min, meant.end or date.max)
    return max(one[0], other[0]) < min(one[1], other[1])


def _stored(
    conn: psycopg.Connection[Any], book: Areas, given: gpd.GeoDataFrame, meant: Meant, source: str
) -> tuple[int, int, tuple[str, ...]]:
    changed = added = begun = 0
    for row in given.to_dict("records"):
        there = _known(book, row["code"], meant)
        if there is None:
            begun += _begins(conn, row["code"], meant)
            _insert(conn, row, meant, source)
            added += 1
        else:
            _update(conn, there.uid, row, meant, source)
            changed += 1
    notes = (f"{begun} units of unknown beginning are known to have begun on {meant.end}",) if begun else ()
    return changed, added, notes


def _begins(conn: psycopg.Connection[Any], code: str, meant: Meant) -> int:
    """A later unit of this code, of which no beginning was known, began when this one ended."""
    if meant.end is None:
        return 0
    return conn.execute(
        "UPDATE citymap.area SET valid_from = %s WHERE code = %s AND valid_from IS NULL"
        " AND (valid_to IS NULL OR valid_to > %s)",
        (meant.end, code, meant.end),
    ).rowcount


def _insert(conn: psycopg.Connection[Any], row: dict[str, Any], meant: Meant, source: str) -> None:
    kind = row.get("kind") or kind_of(row["name"])
    conn.execute(
        f"""
        INSERT INTO citymap.area (code, name, name_en, kind, level, parent, parent_name, valid_from, valid_to,
            legal_basis, area_km2_published, population, geometry, geometry_status, geometry_source)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, {OUTLINE}, %s, %s)""",
        (
            row["code"], row["name"], row.get("name_en"), kind, LEVELS.get(kind, "commune"), row.get("parent"),
            row.get("parent_name"), meant.start, meant.end, meant.legal_basis, row.get("area_km2_published"),
            row.get("population"), shapely.to_wkb(row["geometry"]), _status(meant), source,
        ),
    )  # fmt: skip


def _update(conn: psycopg.Connection[Any], uid: int, row: dict[str, Any], meant: Meant, source: str) -> None:
    """The outline is another one now; what the set does not say stays as it was."""
    conn.execute(
        f"""
        UPDATE citymap.area SET geometry = {OUTLINE}, geometry_status = %s, geometry_source = %s,
            area_km2_published = coalesce(%s, area_km2_published), population = coalesce(%s, population),
            legal_basis = coalesce(%s, legal_basis)
        WHERE uid = %s""",
        (
            shapely.to_wkb(row["geometry"]), _status(meant), source, row.get("area_km2_published"),
            row.get("population"), meant.legal_basis, uid,
        ),
    )  # fmt: skip


def _status(meant: Meant) -> str:
    return "final" if meant.final else "provisional"


def kind_of(name: str) -> str:
    """The kind that a unit's full name begins with; a ward when it says none."""
    lowered = name.lower()
    return next((kind for kind, text in KINDS.items() if lowered.startswith(text.vi.lower())), "ward")
