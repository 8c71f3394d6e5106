"""CQL2: parsed as the standard's grammar says, and true for the rows that an independent oracle finds.

The oracle is Python's own three-valued logic over the same rows; the random expressions are written out by the test."""

from __future__ import annotations

import asyncio
import json
import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import cql2 as other
import psycopg
import pytest
import shapely
from conftest import amount, fresh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from test_items import PINNED_9210
from test_parameters import TREES

from mapserver import cql2, statements
from mapserver.catalogue import Catalogue
from mapserver.cql2.expression import Call, Literal, Property
from mapserver.cql2.sql import names
from mapserver.crs import VN2000, WGS84
from mapserver.errors import BadQuery
from mapserver.query import ANYONE, Filter, ItemsQuery
from mapserver.store import Store

READABLE = [
    "name = 'Sao đen'",
    "height_m > 3.5 AND rings <= 10 OR alive = TRUE",
    "NOT alive = TRUE AND rings <> 3",
    "rings BETWEEN 1 AND 5 AND name LIKE 'S%'",
    "rings NOT IN (1, 2, 3)",
    "name IS NOT NULL",
    "CASEI(name) = CASEI('SAO')",
    "ACCENTI(CASEI(name)) LIKE ACCENTI(CASEI('đ%'))",
    "S_INTERSECTS(geometry, POINT(106.7 10.8))",
    "S_WITHIN(geometry, POLYGON((106 10, 107 10, 107 11, 106 11, 106 10)))",
    "S_INTERSECTS(geometry, BBOX(106, 10, 107, 11))",
    "T_AFTER(seen, TIMESTAMP('2020-01-01T00:00:00Z'))",
    "T_DURING(seen, INTERVAL('2020-01-01T00:00:00Z', '..'))",
    "planted = DATE('2020-01-02')",
    "A_CONTAINS(tags, ('a', 'b'))",
    "height_m + 2 * rings - 1 > 0",
    "(height_m + 2) * rings / 4 < 7",
]


@pytest.mark.parametrize("text", READABLE)
def test_text_and_the_json_that_another_parser_makes_of_it_are_one_expression(text):
    made = cql2.parsed(json.dumps(other.parse_text(text).to_json()), "cql2-json")
    assert canonical(made) == canonical(cql2.parsed(text, "cql2-text"))


def canonical(expression) -> str:
    """An expression without the differences of spelling that the standard leaves open."""
    return repr(expression).lower().replace(".0)", ")").replace(".0,", ",")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a = 1 OR b = 2 AND c = 3", "a = 1 OR (b = 2 AND c = 3)"),
        ("NOT a = 1 AND b = 2", "(NOT (a = 1)) AND b = 2"),
        ("x + 2 * 3 ^ 2 > 4", "(x + (2 * (3 ^ 2))) > 4"),
        ("x - 1 - 2 = 3", "((x - 1) - 2) = 3"),
        ("a NOT LIKE 'b%'", "NOT (a LIKE 'b%')"),
        ("a between 1 and 2 and b = 3", "(a BETWEEN 1 AND 2) AND (b = 3)"),
        ("\"name\" = 'it''s'", "name = 'it\\'s'"),
    ],
)
def test_precedence_is_the_standards(text, same):
    assert cql2.parsed(text) == cql2.parsed(same)


@pytest.mark.parametrize(
    "text",
    [
        "", "a =", "= 1", "a = 1 AND", "(a = 1", "a = 1)", "a IN 1", "a BETWEEN 1", "DATE('soon')", "POINT(1 2",
        "a ! b", "'open", "INTERVAL('..')", "BBOX(1,2,3)", "a = NOT b", "POLYGON((0 0, 1 1, 0 1, 1 0, 0 0))", "{", "{}",
        '{"op":1}', "null", "[" * 5000, "(" * 5000, "NOT " * 3000 + "a",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_bad_query(text):
    with pytest.raises(BadQuery, match="filter"):
        condition(cql2.parsed(text))


def condition(expression) -> str:
    return statements.items(ItemsQuery(TREES, filter=Filter(expression)), ANYONE).sql


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 'red'", "colour"),
        ("gardener = 'Lan'", "gardener"),
        ("pg_sleep(10) = 1", "pg_sleep"),
        ("version() = 'x'", "version"),
        ("height_m = 'tall'", "height_m"),
        ("name > 3", "name"),
        ("alive > TRUE", "compared"),
        ("name", "true or false"),
        ("height_m + name > 1", "name"),
        ("CASEI(rings) = 'a'", "rings"),
        ("S_INTERSECTS(name, POINT(1 2))", "name"),
        ("S_INTERSECTS(geometry, POINT(200 100))", "longitude"),
        ("T_AFTER(name, DATE('2020-01-01'))", "name"),
        ("A_CONTAINS(name, ('a'))", "name"),
        ("name LIKE rings", "rings"),
        ("name LIKE 'a\\'", "filter"),
        ("T_DURING(seen, INTERVAL('2021-01-01','2020-01-01'))", "INTERVAL"),
        ("lower(name, name) = 'a'", "lower"),
        ("rings IN ('a')", "rings"),
    ],
)
def test_unknown_names_and_wrong_types_are_named(text, named):
    with pytest.raises(BadQuery, match=named):
        condition(cql2.parsed(text))


def test_long_chains_are_not_deep():
    assert isinstance(cql2.parsed(" OR ".join(f"rings = {i}" for i in range(900))), Call)


@settings(max_examples=amount(300, 5000), deadline=None)
@given(st.text(alphabet="()'\"=<>,.0aANDORNOT \\%{}[]:\x00é", max_size=50))
def test_any_text_is_an_expression_or_a_bad_query(text):
    try:
        condition(cql2.parsed(text))
    except BadQuery as error:
        assert error.where in ("filter", "bbox")


# --- random expressions against an oracle ---------------------------------------------------------------------------

NAMES = ["Sao đen", "sao ĐEN", "Đa", "da", "Bằng lăng", "bang LANG", "Straße", "STRASSE", "a%b", "", None]
TAGS = [["a"], ["a", "b"], ["c"], [], None]


@dataclass(frozen=True)
class Tree:
    id: int
    name: str | None
    height_m: float | None
    rings: int | None
    alive: bool | None
    seen: datetime | None
    tags: list[str] | None
    x: float
    y: float


FOREST = [
    Tree(
        id=i,
        name=NAMES[i % len(NAMES)],
        height_m=None if i % 7 == 0 else (i % 13) / 2,
        rings=None if i % 5 == 0 else i % 9 - 3,
        alive=None if i % 11 == 0 else i % 2 == 0,
        seen=None if i % 6 == 0 else datetime(2020, 1 + i % 12, 1 + i % 28, i % 24, tzinfo=UTC),
        tags=TAGS[i % len(TAGS)],
        x=106.6 + (i * 37 % 100) / 500,
        y=10.7 + (i * 59 % 100) / 500,
    )
    for i in range(1, 121)
]

Truth = bool | None
Case = tuple[str, Callable[[Tree], object]]


def strict(operation: Callable[..., object]) -> Callable[..., object]:
    """An operation that is null when any operand is."""
    return lambda *operands: None if any(o is None for o in operands) else operation(*operands)


def all_of(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def any_of(left: Truth, right: Truth) -> Truth:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def casei(text: str) -> str:
    return text.casefold()


def accenti(text: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return bare.replace("đ", "d").replace("Đ", "D")


def like(text: str, pattern: str) -> bool:
    """LIKE by hand: % any run, _ one character, no escapes in these patterns."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[i:], pattern[1:]) for i in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and like(text[1:], pattern[1:])


SIGNS = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def numbers(draw, depth: int = 2) -> Case:
    kind = draw(st.sampled_from(["height_m", "rings", "literal", *(["sum"] if depth else [])]))
    if kind == "literal":
        value = draw(st.integers(-4, 9))
        return (f"{value}" if value >= 0 else f"({value})"), lambda t: value
    if kind != "sum":
        return kind, lambda t: getattr(t, kind)
    (a, of_a), (b, of_b) = draw(numbers(depth - 1)), draw(numbers(depth - 1))
    sign = draw(st.sampled_from("+-*"))
    operation = strict({"+": lambda p, q: p + q, "-": lambda p, q: p - q, "*": lambda p, q: p * q}[sign])
    return f"({a} {sign} {b})", lambda t: operation(of_a(t), of_b(t))


@st.composite
def texts(draw) -> Case:
    value = draw(st.sampled_from([n for n in NAMES if n is not None]))
    text, of = draw(st.sampled_from([("name", lambda t: t.name), (quote(value), lambda t: value)]))
    for function in draw(st.lists(st.sampled_from([casei, accenti]), max_size=2)):
        text, of = f"{function.__name__.upper()}({text})", applied(function, of)
    return text, of


def applied(function: Callable[[str], str], of: Callable[[Tree], object]) -> Callable[[Tree], object]:
    return lambda tree: strict(function)(of(tree))


@st.composite
def predicates(draw) -> Case:
    kind = draw(st.sampled_from(["number", "text", "like", "between", "in", "null", "bool", "time", "array", "space"]))
    match kind:
        case "number" | "text":
            of_kind = numbers() if kind == "number" else texts()
            (a, of_a), (b, of_b), sign = draw(of_kind), draw(of_kind), draw(st.sampled_from(list(SIGNS)))
            if kind == "text" and sign not in ("=", "<>"):
                encoded = strict(lambda p, q: SIGNS[sign](p.encode(), q.encode()))
                return f"{a} {sign} {b}", lambda t: encoded(of_a(t), of_b(t))
            return f"{a} {sign} {b}", lambda t: strict(SIGNS[sign])(of_a(t), of_b(t))
        case "like":
            (a, of_a), pattern = draw(texts()), draw(st.sampled_from(["%", "S%", "%a%", "_a", "%đ%", "Đ_", "%b"]))
            return f"{a} LIKE {quote(pattern)}", lambda t: strict(like)(of_a(t), pattern)
        case "between":
            (a, of_a), low = draw(numbers()), draw(st.integers(0, 3))
            high = low + draw(st.integers(0, 4))
            return f"{a} BETWEEN {low} AND {high}", lambda t: strict(lambda v: low <= v <= high)(of_a(t))
        case "in":
            chosen = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
            return f"rings IN ({', '.join(map(str, chosen))})", lambda t: strict(lambda v: v in chosen)(t.rings)
        case "null":
            name = draw(st.sampled_from(["name", "height_m", "rings", "alive", "seen", "tags"]))
            return f"{name} IS NULL", lambda t: getattr(t, name) is None
        case "bool":
            wanted = draw(st.booleans())
            return f"alive = {str(wanted).upper()}", lambda t: strict(lambda v: v == wanted)(t.alive)
        case "time":
            return draw(times())
        case "array":
            return draw(arrays())
    return draw(spaces())


@st.composite
def times(draw) -> Case:
    at = datetime(2020, draw(st.integers(1, 12)), 5, tzinfo=UTC)
    until = datetime(2021, 1, 1, tzinfo=UTC)
    written = f"TIMESTAMP('{at:%Y-%m-%dT%H:%M:%SZ}')"
    span = f"INTERVAL('{at:%Y-%m-%dT%H:%M:%SZ}', '{until:%Y-%m-%dT%H:%M:%SZ}')"
    return draw(
        st.sampled_from(
            [
                (f"T_AFTER(seen, {written})", lambda t: strict(lambda v: v > at)(t.seen)),
                (f"T_BEFORE(seen, {written})", lambda t: strict(lambda v: v < at)(t.seen)),
                (f"T_DURING(seen, {span})", lambda t: strict(lambda v: at < v < until)(t.seen)),
                (f"T_INTERSECTS(seen, {span})", lambda t: strict(lambda v: at <= v <= until)(t.seen)),
                (f"T_DISJOINT(seen, {span})", lambda t: strict(lambda v: v < at or v > until)(t.seen)),
                (f"seen >= {written}", lambda t: strict(lambda v: v >= at)(t.seen)),
            ]
        )
    )


@st.composite
def arrays(draw) -> Case:
    wanted = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True))
    written = "(" + ", ".join(map(quote, wanted)) + ")"
    name, holds = draw(
        st.sampled_from(
            [
                ("A_CONTAINS", lambda own: set(own) >= set(wanted)),
                ("A_CONTAINEDBY", lambda own: set(own) <= set(wanted)),
                ("A_EQUALS", lambda own: set(own) == set(wanted)),
                ("A_OVERLAPS", lambda own: bool(set(own) & set(wanted))),
            ]
        )
    )
    return f"{name}(tags, {written})", lambda t: strict(holds)(t.tags)


@st.composite
def spaces(draw) -> Case:
    west, south = draw(st.integers(0, 80)) / 500 + 106.6, draw(st.integers(0, 80)) / 500 + 10.7
    box = shapely.box(west, south, west + 0.061, south + 0.061)
    written = draw(st.sampled_from([f"BBOX({west}, {south}, {west + 0.061}, {south + 0.061})", box.wkt]))
    name, relation = draw(
        st.sampled_from(
            [("INTERSECTS", shapely.intersects), ("WITHIN", shapely.within), ("DISJOINT", shapely.disjoint)]
        )
    )
    return f"S_{name}(geometry, {written})", lambda t: bool(relation(shapely.Point(t.x, t.y), box))


@st.composite
def expressions(draw, depth: int = 3) -> Case:
    kind = draw(st.sampled_from(["predicate", *(["not", "and", "or", "flat"] if depth else [])]))
    if kind == "predicate":
        return draw(predicates())
    a, of_a = draw(expressions(depth - 1))
    if kind == "not":
        return f"NOT ({a})", lambda t: None if of_a(t) is None else not of_a(t)
    b, of_b = draw(expressions(depth - 1))
    if kind == "flat":
        # no parentheses: AND must bind tighter than OR by itself
        (p, of_p), (q, of_q), (r, of_r) = draw(predicates()), draw(predicates()), draw(predicates())
        return f"({p} OR {q} AND {r})", lambda t: any_of(of_p(t), all_of(of_q(t), of_r(t)))
    joined = all_of if kind == "and" else any_of
    return f"({a}) {kind.upper()} ({b})", lambda t: joined(of_a(t), of_b(t))


@pytest.fixture(scope="module")
def forest(cluster, template):
    """Ids of the trees that a filter finds, asked of PostGIS."""
    with fresh(cluster, template, Catalogue({"trees": TREES})) as made:
        plant(made.owner_dsn)
        loop = asyncio.new_event_loop()
        store = Store(made.app_dsn, size=1)

        def found(text: str, crs=None) -> set[int]:
            chosen = Filter(cql2.parsed(text), crs) if crs else Filter(cql2.parsed(text))
            query = ItemsQuery(TREES, limit=1000, filter=chosen)
            rows = loop.run_until_complete(store.fetch(ANYONE, statements.items(query, ANYONE)))
            return {int(row[1] or 0) for row in rows}

        yield found
        loop.run_until_complete(store.close())
        loop.close()


def plant(dsn: str) -> None:
    """The forest's rows, into its table."""
    with psycopg.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO layers.trees (id, name, height_m, rings, alive, seen, tags, planted, geom) VALUES"
            " (%s, %s, %s, %s, %s, %s, %s, '2020-01-02', ST_SetSRID(ST_MakePoint(%s, %s), 4326))",
            [(t.id, t.name, t.height_m, t.rings, t.alive, t.seen, t.tags, t.x, t.y) for t in FOREST],
        )


@pytest.mark.postgis
@settings(
    max_examples=amount(200, 5000),
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
@given(case=expressions())
def test_a_random_expression_finds_what_the_oracle_finds(forest, case):
    text, holds = case
    assert forest(text) == {tree.id for tree in FOREST if holds(tree) is True}, text


@pytest.mark.postgis
@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("rings / 2 = 1.5", lambda t: t.rings == 3),
        ("rings / 0 = 1", lambda t: False),
        ("rings % 3 = 2", lambda t: t.rings is not None and math.fmod(t.rings, 3) == 2),
        ("rings DIV 2 = 2", lambda t: t.rings in (4, 5)),
        ("rings ^ 2 = 9", lambda t: t.rings in (3, -3)),
        ("rings ^ 0.5 = 2", lambda t: t.rings == 4),
        ("10 ^ 400 > rings", lambda t: False),
        (f"rings < {10**40}", lambda t: t.rings is not None),
        ("S_INTERSECTS(geometry, POINT(106.6 10.7)) OR TRUE = TRUE", lambda t: True),
        ("lower(name) = 'da'", lambda t: t.name == "da"),
        ("char_length(name) = 0", lambda t: t.name == ""),
        ("T_DURING(planted, INTERVAL('2020-01-01', '..'))", lambda t: True),
        ("planted = DATE('2020-01-02')", lambda t: True),
        ("T_INTERSECTS(INTERVAL(planted, seen), DATE('2020-01-02'))", lambda t: t.seen is not None),
    ],
)
def test_arithmetic_functions_and_dates(forest, text, holds):
    assert forest(text) == {tree.id for tree in FOREST if holds(tree)}


@pytest.mark.postgis
def test_a_filter_on_the_grid_finds_the_same_trees(forest):
    """The same box, in longitude and latitude, in latitude and longitude, and on VN-2000 by its own corners."""
    box = shapely.box(106.65, 10.75, 106.72, 10.83)
    plain = forest(f"S_INTERSECTS(geometry, {box.wkt})")
    swapped = forest(f"S_INTERSECTS(geometry, {shapely.transform(box, lambda c: c[:, ::-1]).wkt})", WGS84)
    assert plain == swapped != set()
    centre = forest(
        "S_WITHIN(geometry, POLYGON((598000 1190000, 604000 1190000, 604000 1196000, 598000 1196000, 598000 1190000)))",
        VN2000[9210],
    )
    pinned = Transformer.from_pipeline(PINNED_9210)
    grid = {t.id: pinned.transform(t.x, t.y) for t in FOREST}
    assert centre == {i for i, (e, n) in grid.items() if 598000 < e < 604000 and 1190000 < n < 1196000} != set()


def test_names_that_an_expression_uses_are_known():
    assert names(cql2.parsed("a = 1 AND (b LIKE 'x' OR NOT c IS NULL)")) == {"a", "b", "c"}
    assert Call("=", (Property("a"), Literal(1))) == cql2.parsed("a = 1")
