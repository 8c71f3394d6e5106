"""The table a layer promises, as DDL text: created, indexed, granted, and compared with what is really there.

Nothing here runs anything. Names come from the catalogue only and are quoted by SQLAlchemy."""

from __future__ import annotations

from mapserver.layer import Column, Existing, Layer

SCHEMA = "layers"
READER, INSIDER, CLERK, LOADER = "citymap_reader", "citymap_insider", "citymap_clerk", "citymap_loader"


def quoted(name: str) -> str:
    """An identifier, always quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text literal, for comments and policies, where SQL takes no parameter."""
    return "'" + text.replace("'", "''") + "'"


def create(layer: Layer, schema: str = SCHEMA, name: str | None = None) -> list[str]:
    """Statements that make the bare table, with its comments and without its indexes."""
    from mapserver import ddl  # late: SQLAlchemy starts in half a second, and only set-up and loading need it

    target = f"{quoted(schema)}.{quoted(name or layer.name)}"
    statements = [ddl.created(layer, schema, name)]
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
    from mapserver import ddl  # late, as above

    return ddl.indexed(layer, schema, name, index_names(layer, name))


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
    from mapserver import ddl  # late, as above

    return ddl.nullable(layer, SCHEMA)


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
