"""All SQL that writes single features: an edit and its history row are one statement and stand or fall together.

Run as the clerk; row-level security lets it touch only the layers that the token names."""

from __future__ import annotations

from mapserver.crs import CRS84
from mapserver.features import Feature
from mapserver.filters import Arguments
from mapserver.layer import Layer
from mapserver.query import Caller, visible_columns
from mapserver.statements import Statement, feature_json
from mapserver.tables import literal, quoted

WARD = (
    "(SELECT w.code FROM layers.wards AS w WHERE ST_Intersects(w.geom, ST_PointOnSurface({0})) ORDER BY w.code LIMIT 1)"
)
"""The ward of a geometry; on a shared border the lowest code, as at ingest."""


def insert(layer: Layer, feature: Feature, caller: Caller) -> Statement:
    """One row (the new feature as JSON)."""
    arguments = Arguments()
    names, places = zip(*_assigned(layer, feature, arguments), strict=True)
    edit = f"INSERT INTO {layer.table} ({', '.join(map(quoted, names))}) VALUES ({', '.join(places)}) RETURNING *"
    return _logged(layer, caller, edit, "insert", before="NULL", after="to_jsonb(edited)", arguments=arguments)


def replace(layer: Layer, feature_id: int, feature: Feature, caller: Caller) -> Statement:
    """One row (the changed feature as JSON), or none when there is no such feature."""
    arguments = Arguments()
    settings = ", ".join(f"{quoted(name)} = {place}" for name, place in _assigned(layer, feature, arguments))
    row = arguments.add(feature_id, "bigint")
    edit = f"UPDATE {layer.table} AS t SET {settings} FROM old WHERE t.id = old.id RETURNING t.*, to_jsonb(old) AS was"
    old = f"old AS (SELECT * FROM {layer.table} WHERE id = {row} FOR UPDATE), "
    after = "to_jsonb(edited) - 'was'"
    return _logged(layer, caller, edit, "update", before="was", after=after, arguments=arguments, first=old)


def delete(layer: Layer, feature_id: int, caller: Caller) -> Statement:
    """One row (the feature that was), or none when there is no such feature."""
    arguments = Arguments()
    edit = f"DELETE FROM {layer.table} WHERE id = {arguments.add(feature_id, 'bigint')} RETURNING *"
    return _logged(layer, caller, edit, "delete", before="to_jsonb(edited)", after="NULL", arguments=arguments)


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
) -> Statement:
    who = arguments.add(caller.name, "text")
    sql = (
        f"WITH {first}edited AS ({edit}), logged AS ("
        f" INSERT INTO citymap.history (layer, feature_id, action, before, after, who)"
        f" SELECT {literal(layer.name)}, id, '{action}', {before}, {after}, {who} FROM edited)"
        f" SELECT {feature_json(layer, visible_columns(layer, caller), CRS84)} FROM edited"
    )
    return Statement(sql, tuple(arguments.values))
