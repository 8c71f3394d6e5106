"""All SQL that writes single features: an edit and its history row are one statement and stand or fall together.

Run as the clerk; row-level security lets it touch only the layers that the token names."""

from __future__ import annotations

from mapserver.crs import CRS84
from mapserver.features import Feature
from mapserver.filters import Arguments
from mapserver.layer import Layer
from mapserver.query import Caller, ItemsQuery, visible_columns
from mapserver.statements import STAMP, Statement, feature_json, where
from mapserver.tables import literal, quoted

WARD = (
    "(SELECT w.code FROM layers.wards AS w WHERE ST_Intersects(w.geom, ST_PointOnSurface({0})) ORDER BY w.code LIMIT 1)"
)
"""The ward of a geometry; on a shared border the lowest code, as at ingest."""


ROW = "to_jsonb(edited) - 'stamp'"


def insert(layer: Layer, features: tuple[Feature, ...], caller: Caller) -> Statement:
    """A row (feature as JSON, stamp) for each new feature, all or none."""
    arguments = Arguments()
    assigned = [_assigned(layer, feature, arguments) for feature in features]
    names = ", ".join(quoted(name) for name, _ in assigned[0])
    rows = ", ".join(f"({', '.join(place for _, place in row)})" for row in assigned)
    edit = f"INSERT INTO {layer.table} ({names}) VALUES {rows} RETURNING *, {STAMP} AS stamp"
    return _logged(layer, caller, edit, "insert", before="NULL", after=ROW, arguments=arguments)


def replace(layer: Layer, feature_id: int, feature: Feature, caller: Caller, stamps: tuple[str, ...] = ()) -> Statement:
    """One row (changed feature as JSON, stamp); none when it is not there, or is none of the stamped versions."""
    arguments = Arguments()
    settings = ", ".join(f"{quoted(name)} = {place}" for name, place in _assigned(layer, feature, arguments))
    edit = (
        f"UPDATE {layer.table} AS t SET {settings} FROM old WHERE t.id = old.id"
        f" RETURNING t.*, t.{STAMP} AS stamp, to_jsonb(old) AS was"
    )
    old = f"old AS (SELECT * FROM {layer.table} WHERE {_meant(feature_id, stamps, arguments)} FOR UPDATE), "
    after = f"{ROW} - 'was'"
    return _logged(layer, caller, edit, "update", before="was", after=after, arguments=arguments, first=old)


def delete(layer: Layer, feature_id: int, caller: Caller, stamps: tuple[str, ...] = ()) -> Statement:
    """One row (feature that was, stamp); none when it is not there, or is none of the stamped versions."""
    arguments = Arguments()
    edit = f"DELETE FROM {layer.table} WHERE {_meant(feature_id, stamps, arguments)} RETURNING *, {STAMP} AS stamp"
    return _logged(layer, caller, edit, "delete", before=ROW, after="NULL", arguments=arguments)


def change(query: ItemsQuery, feature: Feature, caller: Caller) -> Statement:
    """A row (id, stamp) for each feature that a question means, given the values that there are."""
    layer, arguments = query.layer, Arguments()
    settings = ", ".join(f"{quoted(name)} = {place}" for name, place in _assigned(layer, feature, arguments))
    edit = (
        f"UPDATE {layer.table} AS t SET {settings} FROM old WHERE t.id = old.id"
        f" RETURNING t.*, t.{STAMP} AS stamp, to_jsonb(old) AS was"
    )
    old = f"old AS (SELECT * FROM {layer.table}{where(query, caller, arguments, paged=False).clause} FOR UPDATE), "
    after = f"{ROW} - 'was'"
    return _logged(
        layer, caller, edit, "update", before="was", after=after, arguments=arguments, first=old, told="id::text"
    )


def remove(query: ItemsQuery, caller: Caller) -> Statement:
    """A row (id, stamp) for each feature that a question means, taken away."""
    layer, arguments = query.layer, Arguments()
    met = where(query, caller, arguments, paged=False).clause
    edit = f"DELETE FROM {layer.table}{met} RETURNING *, {STAMP} AS stamp"
    return _logged(layer, caller, edit, "delete", before=ROW, after="NULL", arguments=arguments, told="id::text")


def _meant(feature_id: int, stamps: tuple[str, ...], arguments: Arguments) -> str:
    """The row of an id, and of one of the stamps when there are any."""
    row = f"id = {arguments.add(feature_id, 'bigint')}"
    versions = ", ".join(arguments.add(stamp, "text") for stamp in stamps)
    return f"{row} AND {STAMP} IN ({versions})" if stamps else row


def _assigned(layer: Layer, feature: Feature, arguments: Arguments) -> list[tuple[str, str]]:
    """(column, SQL of its value) for everything a write sets, the ward too."""
    out = [(column.name, _place(column.kind.sql, value, arguments)) for column, value in feature.values]
    if feature.geometry is not None:
        geometry = arguments.add(feature.geometry, "geometry")
        out.append(("geom", geometry))
        if layer.ward:
            out.append(("ward_code", WARD.format(geometry)))
    return out


def _place(sql_type: str, value: object, arguments: Arguments) -> str:
    if isinstance(value, tuple):
        return f"ARRAY[{', '.join(arguments.add(part, 'text') for part in value)}]::text[]"
    return arguments.add(value, sql_type)  # type: ignore[arg-type]


def _logged(
    layer: Layer,
    caller: Caller,
    edit: str,
    action: str,
    *,
    before: str,
    after: str,
    arguments: Arguments,
    first: str = "",
    told: str = "",
) -> Statement:
    """The edit and its history as one statement. told: SQL of what is said of each row; else the feature as JSON."""
    who = arguments.add(caller.name, "text")
    sql = (
        f"WITH {first}edited AS ({edit}), logged AS ("
        f" INSERT INTO citymap.history (layer, feature_id, action, before, after, who)"
        f" SELECT {literal(layer.name)}, id, '{action}', {before}, {after}, {who} FROM edited)"
        f" SELECT {told or feature_json(layer, visible_columns(layer, caller), CRS84)}, stamp FROM edited"
    )
    return Statement(sql, tuple(arguments.values))
