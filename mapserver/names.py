"""Features by their names: the index that finds them, and the questions of the search box in SQL.

A layer is found by its name column when it holds features of its own, with a place. Lines of one name that lie
together are one street; what is measured again and again at one place is that place once."""

from __future__ import annotations

from mapserver.filters import Arguments
from mapserver.layer import Layer
from mapserver.query import Caller, may_see, seen
from mapserver.sought import Sought, forms, street_words
from mapserver.statements import Statement
from mapserver.tables import literal, quoted

LOOKED_AT = 2_000
"""Rows of a layer that a question looks at: with a word that thousands share, the best of these are shown."""
APART_DEGREES = 0.02
"""Lines of one name farther apart (2 km) are streets of their own."""
NUMBER, STREET = "house_number", "street"
"""The columns of a layer that holds addresses."""


def named(layer: Layer) -> bool:
    """Whether features of the layer are found by the words of their name."""
    column = layer.by_name.get(layer.name_column or "")
    own = layer.origin == "ingest" and layer.geometry is not None and not addresses(layer)
    return own and column is not None and column.type == "text" and column.name != layer.key


def coded(layer: Layer) -> bool:
    """Whether people call a feature of the layer by its code."""
    return (
        layer.origin == "ingest" and layer.geometry is not None and bool(layer.key) and layer.key == layer.name_column
    )


def addresses(layer: Layer) -> bool:
    """Whether the layer holds house numbers and streets."""
    return {NUMBER, STREET} <= layer.by_name.keys()


def streets(layer: Layer) -> bool:
    """Whether the features of the layer are pieces of something longer."""
    return bool(layer.geometry and layer.geometry.endswith("LineString"))


def open_to(layer: Layer, caller: Caller) -> bool:
    """Whether the caller may see the layer and what its features are called."""
    columns = seen(layer, caller.insider)
    wanted = {NUMBER, STREET} if addresses(layer) else {layer.name_column}
    return may_see(layer, caller) and wanted <= columns.keys()


def follow(layer: Layer) -> list[str]:
    """Statements that index the names of the layer's table; they may be run again."""
    if not named(layer):
        return []
    index = quoted(f"{layer.name}_searched_idx")
    on = f"gin ({_searchable(layer)} gin_trgm_ops)"
    return [f"CREATE INDEX IF NOT EXISTS {index} ON {layer.table} USING {on}"]


def by_words(layers: list[Layer], asked: Sought, limit: int) -> Statement:
    """Rows (JSON text of a hit) of the features whose names have every word, the best of each layer."""
    arguments = Arguments()
    parts = [_words_in(layer, asked, limit, arguments) for layer in layers]
    return Statement(" UNION ALL ".join(f"({part})" for part in parts), tuple(arguments.values))


def by_likeness(layers: list[Layer], asked: Sought, limit: int) -> Statement:
    """Rows (JSON text of a hit) of the features whose names are most like the text: a slip of the pen."""
    arguments = Arguments()
    phrase = arguments.add(asked.phrase, "text")
    parts = []
    for layer in layers:
        name = _searchable(layer)
        met = f"{name} %> {phrase}"
        order = f"word_similarity({phrase}, {_searched('name')}) DESC"
        parts.append(_hits(layer, met, order, arguments.add(limit, "bigint")))
    return Statement(" UNION ALL ".join(f"({part})" for part in parts), tuple(arguments.values))


def by_code(layers: list[Layer], code: str) -> Statement:
    """Rows (JSON text of a hit) of the features that are called by this code."""
    arguments = Arguments()
    wanted = arguments.add(code, "text")
    parts = [_hits(layer, f"{quoted(layer.key or '')} = {wanted}", "id", "1") for layer in layers]
    return Statement(" UNION ALL ".join(f"({part})" for part in parts), tuple(arguments.values))


def street_names(layers: list[Layer], asked: Sought, limit: int) -> Statement:
    """Rows (a street's name) of the streets that have every word of the street asked for, the shortest first."""
    arguments = Arguments()
    parts = [
        f"SELECT {quoted(layer.name_column or '')} AS name FROM {layer.table}"
        f" WHERE {_all_words(layer, asked.street, arguments)} LIMIT {LOOKED_AT}"
        for layer in layers
    ]
    together = " UNION ALL ".join(f"({part})" for part in parts)
    most = arguments.add(limit, "bigint")
    sql = f"SELECT name FROM ({together}) AS found GROUP BY name ORDER BY length(name), count(*) DESC LIMIT {most}"
    return Statement(sql, tuple(arguments.values))


def by_address(layer: Layer, number: str, names: list[str], wards: list[str], limit: int) -> Statement:
    """Rows (JSON text of a hit) of the houses on streets of these names whose numbers begin so, the very one first.

    wards: codes that the house may lie in; none means any."""
    arguments = Arguments()
    on = arguments.add(_array(names), "text[]")
    exact, begins = arguments.add(number, "text"), arguments.add(f"{number}%", "text")
    conditions = [f"{quoted(STREET)} = ANY ({on})", f"lower({quoted(NUMBER)}) LIKE {begins}"]
    if wards and layer.ward:
        conditions.append(f"ward_code = ANY ({arguments.add(_array(wards), 'text[]')})")
    order = f"lower({quoted(NUMBER)}) <> {exact}, length({quoted(NUMBER)}), {quoted(NUMBER)}, id"
    return Statement(
        _hits(layer, " AND ".join(conditions), order, arguments.add(limit, "bigint"), (NUMBER, STREET)),
        tuple(arguments.values),
    )


def by_ward(codes: list[str]) -> Statement:
    """Rows (code, JSON text of the box and a point of a ward)."""
    sql = f"SELECT code, {_place('geom')}::text FROM layers.wards WHERE code = ANY ($1::text[])"
    return Statement(sql, (_array(codes).encode(),))


EXTENT = Statement(
    "SELECT json_build_array(ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box))::text"
    " FROM (SELECT ST_Extent(geom) AS box FROM layers.wards) AS city WHERE box IS NOT NULL"
)
"""One row (west, south, east, north of the city), or none."""


def _words_in(layer: Layer, asked: Sought, limit: int, arguments: Arguments) -> str:
    words = street_words(asked.words) if streets(layer) else asked.words
    met = _all_words(layer, words, arguments)
    phrase, begins = arguments.add(f" {' '.join(words)} ", "text"), arguments.add(f" {' '.join(words)}%", "text")
    name = _searched("name")
    order = f"{name} <> {phrase}, {name} NOT LIKE {begins}"
    return _hits(layer, met, order, arguments.add(limit, "bigint"))


def _all_words(layer: Layer, words: tuple[str, ...], arguments: Arguments) -> str:
    """Every word begins a word of the name; a number that another word follows is a word of its own."""
    name, last = _searchable(layer), len(words) - 1
    conditions = []
    for i, word in enumerate(words):
        tail = " %" if word.isdigit() and i < last else "%"
        any_form = [f"{name} LIKE {arguments.add(f'% {_escaped(form)}{tail}', 'text')}" for form in forms(word)]
        conditions.append(f"({' OR '.join(any_form)})")
    return " AND ".join(conditions)


def _hits(layer: Layer, met: str, order: str, limit: str, also: tuple[str, ...] = ()) -> str:
    """SQL text giving hits as JSON text. order: may name the column `name`."""
    rank = quoted(layer.tiles.rank) if layer.tiles.rank and layer.tiles.rank in layer.by_name else "NULL::float8"
    ward = "ward_code" if layer.ward else "NULL::text"
    columns = "".join(f", {quoted(name)}" for name in also if name != layer.name_column)
    rows = (
        f"SELECT id, {quoted(layer.name_column or 'id')}::text AS name, {ward} AS ward, {rank}::float8 AS rank,"
        f" geom{columns} FROM {layer.table} WHERE {met} LIMIT {LOOKED_AT}"
    )
    if streets(layer):
        rows = _joined(rows)
    elif layer.time:
        rows = f"SELECT DISTINCT ON (name) * FROM ({rows}) AS every ORDER BY name, id DESC"
    hit = f"json_build_array({literal(layer.name)}, id, name, ward, rank, {_place('geom')})::text"
    last = "length(name), id" if "length" not in order else "id"
    return f"SELECT {hit} FROM ({rows}) AS found ORDER BY {order}, rank DESC NULLS LAST, {last} LIMIT {limit}"


def _joined(rows: str) -> str:
    """Lines of one name that lie together as one, called by the first of them."""
    middle = "ST_Centroid(ST_Envelope(geom))"
    clusters = (
        f"SELECT *, ST_ClusterDBSCAN({middle}, {APART_DEGREES}, 1) OVER (PARTITION BY name) AS cluster"
        f" FROM ({rows}) AS pieces"
    )
    return (
        "SELECT min(id) AS id, name, (mode() WITHIN GROUP (ORDER BY ward)) AS ward, max(rank) AS rank,"
        f" ST_Collect(geom) AS geom FROM ({clusters}) AS clustered GROUP BY name, cluster"
    )


def _place(geometry: str) -> str:
    """West, south, east, north, and a point of the geometry."""
    edges = ", ".join(f"ST_{edge}({geometry})" for edge in ("XMin", "YMin", "XMax", "YMax"))
    point = f"ST_PointOnSurface({geometry})"
    return f"json_build_array({edges}, ST_X({point}), ST_Y({point}))"


def _searchable(layer: Layer) -> str:
    return _searched(quoted(layer.name_column or ""))


def _searched(sql: str) -> str:
    return f"citymap.searchable({sql})"


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _array(values: list[str]) -> str:
    """An array of text as PostgreSQL reads it."""
    quotes = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in quotes) + "}"
