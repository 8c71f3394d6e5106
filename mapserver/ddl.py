"""The table of a layer in SQLAlchemy's terms, and the DDL that it writes: columns, keys, collations, indexes.

Only set-up and loading write DDL, so the rooms that read never wait for SQLAlchemy to start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from mapserver.layer import Column, Layer

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_SQL_TYPES: dict[str, Callable[[], sa.types.TypeEngine[Any]]] = {
    "text": sa.Text,
    "code": lambda: sa.Text(collation="C"),
    "uri": lambda: sa.Text(collation="C"),
    "integer": sa.BigInteger,
    "number": lambda: sa.Double(53),
    "boolean": sa.Boolean,
    "date": sa.Date,
    "datetime": lambda: sa.TIMESTAMP(timezone=True),
    "text[]": lambda: postgresql.ARRAY(sa.Text),
}
_KEY_NAMES = ("ward_code",)


def table(layer: Layer, schema: str, name: str | None) -> sa.Table:
    """The layer as a SQLAlchemy table: `id`, its columns, and `geom` last."""
    numbered = (sa.Identity(always=False),) if layer.writable else ()
    columns: list[sa.Column[Any]] = [
        sa.Column("id", sa.BigInteger, *numbered, primary_key=True, autoincrement=bool(numbered))
    ]
    columns += [_column(layer, column) for column in layer.columns]
    if layer.geometry:
        columns.append(
            sa.Column("geom", Geometry(layer.geometry.upper(), layer.srid, spatial_index=False), nullable=False)
        )
    return sa.Table(name or layer.name, sa.MetaData(schema=schema), *columns)


def created(layer: Layer, schema: str, name: str | None) -> str:
    """CREATE TABLE, bare."""
    return str(CreateTable(table(layer, schema, name)).compile(dialect=_DIALECT)).strip()


def indexed(layer: Layer, schema: str, name: str | None, names: Mapping[str, str]) -> list[str]:
    """CREATE INDEX for each name and the column that it is on."""
    made = table(layer, schema, name)
    out = []
    for index, column in names.items():
        using: dict[str, Any] = {"postgresql_using": "gist"} if column == "geom" else {}
        on = [made.c[column]] if column in ("geom", layer.key) else [made.c[column], made.c.id]
        unique = column == layer.key
        out.append(str(CreateIndex(sa.Index(index, *on, unique=unique, **using)).compile(dialect=_DIALECT)))
    return out


def nullable(layer: Layer, schema: str) -> list[str]:
    """Every column but the id: type and collation, and nothing else."""
    made = [column for column in table(layer, schema, None).columns if column.name != "id"]
    return [str(CreateColumn(column).compile(dialect=_DIALECT)).removesuffix(" NOT NULL") for column in made]


def _column(layer: Layer, column: Column) -> sa.Column[Any]:
    """Keys and ward codes compare bytewise (C); names keep the database's own order."""
    kind = _SQL_TYPES[column.type]()
    if column.type == "text" and (column.name == layer.key or column.name in _KEY_NAMES):
        kind = sa.Text(collation="C")
    return sa.Column(column.name, kind, nullable=not column.required)
