"""The table a layer promises, as DDL text: created, indexed, granted, and compared with what is really there.

Nothing here runs anything. Names come from the catalogue only and are quoted by SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from mapserver.layer import Column, Existing, Layer

SCHEMA = "layers"
READER, INSIDER, CLERK, LOADER = "citymap_reader", "citymap_insider", "citymap_clerk", "citymap_loader"
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


def quoted(name: str) -> str:
    """An identifier, always quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text literal, for comments and policies, where SQL takes no parameter."""
    return "'" + text.replace("'", "''") + "'"


def table(layer: Layer, schema: str = SCHEMA, name: str | None = None) -> sa.Table:
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


def create(layer: Layer, schema: str = SCHEMA, name: str | None = None) -> list[str]:
    """Statements that make the bare table, with its comments and without its indexes."""
    made = table(layer, schema, name)
    target = f"{quoted(schema)}.{quoted(name or layer.name)}"
    statements = [str(CreateTable(made).compile(dialect=_DIALECT)).strip()]
    statements.append(f"COMMENT ON TABLE {target} IS {literal(f'{layer.title.vi} / {layer.title.en}')}")
    for column in layer.columns:
        said = f"{column.title.vi} / {column.title.en}" + (f" [{column.unit}]" if column.unit else "")
        statements.append(f"COMMENT ON COLUMN {target}.{quoted(column.name)} IS {literal(said)}")
    return statements


def index_names(layer: Layer, name: str | None = None) -> dict[str, str]:
    """Name of each index the layer promises, and what it is on; the primary key apart."""
    stem = name or layer.name
    promised = {f"{stem}_geom_idx": "geom"} if layer.geometry else {}
    if layer.key:
        promised[f"{stem}_{layer.key}_key"] = layer.key
    on = [column.name for column in layer.columns if column.index and column.name != layer.key]
    if layer.time and layer.time not in on and layer.time != layer.key:
        on.append(layer.time)
    return promised | {f"{stem}_{column}_idx": column for column in on}


def indexes(layer: Layer, schema: str = SCHEMA, name: str | None = None) -> list[str]:
    """Statements that make every index the layer promises (the primary key stands in the table)."""
    made = table(layer, schema, name)
    out = []
    for index, column in index_names(layer, name).items():
        using: dict[str, Any] = {"postgresql_using": "gist"} if column == "geom" else {}
        on = [made.c[column]] if column in ("geom", layer.key) else [made.c[column], made.c.id]
        unique = column == layer.key
        out.append(str(CreateIndex(sa.Index(index, *on, unique=unique, **using)).compile(dialect=_DIALECT)))
    return out


def column_types(layer: Layer) -> dict[str, str]:
    """What `format_type` must say of each column of the layer's table."""
    types = {"id": "bigint"}
    types |= {
        column.name: {"timestamptz": "timestamp with time zone"}.get(column.kind.sql, column.kind.sql)
        for column in layer.columns
    }
    if layer.geometry:
        types["geom"] = f"geometry({layer.geometry},{layer.srid})" if layer.origin == "ingest" else "geometry"
    return types


def nullable_columns(layer: Layer) -> list[str]:
    """The columns of the layer's table as DDL, types and collations and nothing else; the id's is not among them."""
    made = [column for column in table(layer).columns if column.name != "id"]
    return [str(CreateColumn(column).compile(dialect=_DIALECT)).removesuffix(" NOT NULL") for column in made]


def visible(layer: Layer, *, insider: bool) -> tuple[Column, ...]:
    """The columns that a right may see; secret ones are seen by nobody."""
    levels = ("public", "internal") if insider else ("public",)
    return tuple(column for column in layer.columns if column.access.level in levels)


def grants(layer: Layer) -> list[str]:
    """Who may do what with the table or view: reader and insider select by column, the clerk writes row by row."""
    target = layer.table
    out = [f"REVOKE ALL ON {target} FROM PUBLIC, {READER}, {INSIDER}, {CLERK}"]
    for role, insider in ((READER, False), (INSIDER, True)):
        if layer.access.level == "public" or (insider and layer.access.level == "internal"):
            names = ["id", *(c.name for c in visible(layer, insider=insider)), *(["geom"] if layer.geometry else [])]
            names += ["xmin"] if layer.writable else []  # the version of a row, for ETags
            out.append(f"GRANT SELECT ({', '.join(map(quoted, names))}) ON {target} TO {role}")
    return out + (_write_grants(layer) if layer.writable else [])


def _write_grants(layer: Layer) -> list[str]:
    target = layer.table
    may = f"{literal(layer.name)} = ANY (string_to_array(current_setting('citymap.writes', true), ','))"
    return [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {target} TO {CLERK}",
        f"ALTER TABLE {target} ENABLE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS read ON {target}",
        f"CREATE POLICY read ON {target} FOR SELECT TO {READER}, {INSIDER}, {CLERK} USING (true)",
        f"DROP POLICY IF EXISTS write ON {target}",
        f"CREATE POLICY write ON {target} FOR ALL TO {CLERK} USING ({may}) WITH CHECK ({may})",
    ]


def view(layer: Layer) -> list[str]:
    """Statements that make (or make again) a view layer out of its `layers/<name>.sql`."""
    names = ["id", *(column.name for column in layer.columns), *(["geom"] if layer.geometry else [])]
    return [
        f"DROP VIEW IF EXISTS {layer.table}",
        f"CREATE VIEW {layer.table} AS SELECT {', '.join(map(quoted, names))} FROM (\n{layer.sql}\n) AS answer",
        f"COMMENT ON VIEW {layer.table} IS {literal(f'{layer.title.vi} / {layer.title.en}')}",
    ]


def stand_in(layer: Layer, table: Existing, *, whole: bool) -> list[str]:
    """Statements that make the view through which an existing table is served, under the names of the layer.

    whole: its geometry is never null; else rows without one are left out, for they cannot be asked about by place."""
    named = {"id": table.id} | {column.name: column.stored_as or column.name for column in layer.columns}
    named |= {"geom": table.geometry} if layer.geometry else {}
    columns = ", ".join(f"{quoted(stored)} AS {quoted(name)}" for name, stored in named.items())
    there = f" WHERE {quoted(table.geometry)} IS NOT NULL" if not whole else ""
    return [
        f"DROP VIEW IF EXISTS {layer.table}",
        f"CREATE VIEW {layer.table} AS SELECT {columns} FROM {quoted(table.schema)}.{quoted(table.name)}{there}",
    ]


def _column(layer: Layer, column: Column) -> sa.Column[Any]:
    """Keys and ward codes compare bytewise (C); names keep the database's own order."""
    kind = _SQL_TYPES[column.type]()
    if column.type == "text" and (column.name == layer.key or column.name in _KEY_NAMES):
        kind = sa.Text(collation="C")
    return sa.Column(column.name, kind, nullable=not column.required)
