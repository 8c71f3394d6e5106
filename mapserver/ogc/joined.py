"""Tables joined to units, as they go out: GeoJSON, CSV, a workbook or JSON; never without their account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import orjson

from mapserver import spreadsheets
from mapserver.areas import Areas
from mapserver.joining import Joined, JoinedRow
from mapserver.ogc.documents import Document
from mapserver.ogc.links import GEOJSON, JSON
from mapserver.regrouping import Regrouped, account_of, flat, links_of

FORMS = {
    "geojson": (GEOJSON,),
    "json": (JSON,),
    "csv": ("text/csv",),
    "xlsx": (spreadsheets.XLSX,),
}
ACCOUNT = "X-Rows"
"""Header of a CSV answer that tells its account: matched, ambiguous, unmatched."""


@dataclass(frozen=True, slots=True)
class Output:
    """A body and its media type."""

    content: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def written(made: Regrouped, areas: Areas, form: str, outlines: Mapping[int, str]) -> Output:
    """A regrouped table in one of FORMS. outlines: GeoJSON text by uid."""
    rows = [flat(row, areas) for row in made.rows]
    account = account_of(made.account)
    told = {name: account[name] for name in ("rows", "matched", "ambiguous", "unmatched")}
    headers = {ACCOUNT: ", ".join(f"{name}={count}" for name, count in told.items())}
    about = {**told, **{f"total {c}": f"{before} → {after}" for c, (before, after) in made.totals.items()}}
    about |= {"boundaries": made.boundaries, **{f"note {i}": note for i, note in enumerate(made.notes, 1)}}
    match form:
        case "csv":
            return Output(spreadsheets.csv_of(rows), "text/csv; charset=utf-8", headers)
        case "xlsx":
            doubts = [{"status": kind, **doubt} for kind, doubt in _doubts(made)]
            sheets = {"result": rows, "account": [{"what": k, "is": v} for k, v in about.items()], "asked": doubts}
            return Output(spreadsheets.xlsx_of(sheets), spreadsheets.XLSX, headers)
    properties = [{**row, "links": links_of(one, areas)} for row, one in zip(rows, made.rows, strict=True)]
    summary: Document = {
        "boundaries": made.boundaries,
        "totals": {c: {"before": before, "after": after} for c, (before, after) in made.totals.items()},
        "account": account,
        "lost": [unit.full_name for unit in made.lost],
        "notes": list(made.notes),
    }
    if form == "json":
        return Output(_json({**summary, "rows": properties}), JSON, headers)
    features = [
        _feature(i, row.area.uid, said, outlines)
        for i, (row, said) in enumerate(zip(made.rows, properties, strict=True), 1)
    ]
    return Output(_json({"type": "FeatureCollection", **summary, "features": features}), GEOJSON, headers)


def joined_written(made: Joined, form: str, outlines: Mapping[int, str]) -> Output:
    """A joined table in one of FORMS. outlines: GeoJSON text by uid."""
    rows = [_cells(row, made) for row in made.rows]
    account = account_of(made.account)
    told = {name: account[name] for name in ("rows", "matched", "ambiguous", "unmatched")}
    headers = {ACCOUNT: ", ".join(f"{name}={count}" for name, count in told.items())}
    match form:
        case "csv":
            return Output(spreadsheets.csv_of(rows), "text/csv; charset=utf-8", headers)
        case "xlsx":
            doubts = [{"status": kind, **doubt} for kind, doubt in _doubts(made)]
            about = [{"what": k, "is": v} for k, v in {**told, "boundaries": made.boundaries}.items()]
            return Output(
                spreadsheets.xlsx_of({"result": rows, "account": about, "asked": doubts}), spreadsheets.XLSX, headers
            )
        case "json":
            return Output(_json({"boundaries": made.boundaries, "account": account, "rows": rows}), JSON, headers)
    features = [
        _feature(i, row.area.uid, cells, outlines)
        for i, (row, cells) in enumerate(zip(made.rows, rows, strict=True), 1)
    ]
    summary: Document = {"boundaries": made.boundaries, "account": account}
    return Output(_json({"type": "FeatureCollection", **summary, "features": features}), GEOJSON, headers)


def _cells(row: JoinedRow, made: Joined) -> dict[str, object]:
    said: dict[str, object] = {"code": row.area.code, "name": row.area.name, "uid": row.area.uid}
    said |= {"period": row.period.text} if row.period else {}
    return {**said, **row.cells, "boundaries": made.boundaries}


def _feature(number: int, uid: int, properties: Mapping[str, object], outlines: Mapping[int, str]) -> Document:
    shape = orjson.Fragment(outlines[uid]) if uid in outlines else None
    return {"type": "Feature", "id": number, "geometry": shape, "properties": properties}


def _doubts(made: Regrouped | Joined) -> list[tuple[str, dict[str, object]]]:
    both = (("ambiguous", made.account.ambiguous), ("unmatched", made.account.unmatched))
    return [(kind, {"row": d.row, "said": d.said, "why": d.why}) for kind, doubts in both for d in doubts]


def _json(document: Document) -> bytes:
    return orjson.dumps(document, default=number)


def number(value: object) -> object:
    """A decimal as a JSON number: whole where it is, else as near as a double comes."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    raise TypeError(type(value).__name__)
