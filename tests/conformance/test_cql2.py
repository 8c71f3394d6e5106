"""CQL2 (OGC 21-065r2): every class, evaluated over all stored rows and compared with Python and shapely."""

from __future__ import annotations

import itertools
import json
from typing import Any

import shapely
from conftest import amount

from conformance import cases, faults
from conformance.api import Api, requirement, some
from conformance.cases import ARRAYS, BOOLEANS, NUMBERS, TEXTS, TIMES, call, geojson, negated
from conformance.oracle import SPATIAL, TEMPORAL, accenti, text, value

CQL2 = "cql2/1.0/req"
ITEMS = "/items$"
GEOMETRY = {"property": "geometry"}
MIDDLE, END, LATER = (f"{year}-01-01T00:00:00Z" for year in (2050, 2100, 2200))
"""Later than all that is stored."""
SIGNS = ("=", "<>", "<", ">", "<=", ">=")


def in_filter(pattern: str, instead: str) -> faults.Fault:
    return faults.mishearing("filter", pattern, instead)


def literal(api: Api, *trees: Any, also: dict[str, bool] | None = None) -> None:
    """Expressions without properties, and texts with what they must be: true for every row, or for none."""
    name = min(filter(api.filled, api.feature_collections), key=lambda n: len(api.table(n).ids))
    told = {text(tree): value(tree, {}) is True for tree in trees} | (also or {})
    for written, true in told.items():
        expected = api.table(name).ids if true else []
        api.check(name, expected, filter=written, filter_lang="cql2-text")


@requirement(f"{CQL2}/basic-cql2/property", broken_by=in_filter('"([a-z_]+)"', "id"))
def test_a_property_is_its_value_or_null(api: Api):
    for subject in cases.subjects(api):
        for kind in (TEXTS, NUMBERS, BOOLEANS, TIMES):
            for property_, values in subject.of(kind):
                cases.check(subject, call("=", property_, values[0]), call("isNull", property_))


@requirement(
    f"{CQL2}/basic-cql2/binary-comparison-predicate",
    f"{CQL2}/basic-cql2/cql2-filter",
    broken_by=in_filter(">=|<=", "="),
)
def test_comparisons(api: Api):
    asked = 0
    for subject in cases.subjects(api):
        for kind in (TEXTS, NUMBERS, TIMES):
            for property_, values in subject.of(kind):
                signs = some(list(SIGNS), amount(3, 6), f"{subject.name}{property_}")
                asked += cases.check(subject, *(call(sign, property_, v) for sign in signs for v in values[:2]))
        for property_, values in subject.of(BOOLEANS):
            asked += cases.check(subject, *(call(sign, property_, v) for sign in ("=", "<>") for v in values))
    assert asked > 50


@requirement(f"{CQL2}/basic-cql2/null-predicate", broken_by=in_filter("IS NULL", "IS NOT NULL"))
def test_null(api: Api):
    for subject in cases.subjects(api):
        for kind in (TEXTS, NUMBERS, BOOLEANS, TIMES, ARRAYS):
            for property_, _ in subject.of(kind):
                cases.check(subject, call("isNull", property_), negated(call("isNull", property_)))


@requirement(f"{CQL2}/basic-cql2/cql2-filter", broken_by=in_filter(" OR ", " AND "))
def test_and_or_not_are_those_of_three_values(api: Api):
    for subject in cases.subjects(api):
        simple = [
            call(subject.chance.choice(SIGNS[:4]), property_, one)
            for kind in (TEXTS, NUMBERS)
            for property_, values in subject.of(kind)
            for one in values[:1]
        ]
        for _ in range(amount(4, 20)):
            a, b, c = (subject.chance.choice(simple) for _ in range(3))
            trees = call("or", a, call("and", b, c)), call("and", negated(call("or", a, b)), negated(c))
            cases.check(subject, subject.chance.choice(trees), call("or", negated(a), b, c))


@requirement(f"{CQL2}/basic-cql2/cql2-filter", broken_by=in_filter("^(.*) OR (.*) AND (.*)$", r"(\1 OR \2) AND \3"))
def test_precedence_and_spelling_are_those_of_the_grammar(api: Api):
    for name in filter(api.filled, api.feature_collections):
        ids = api.table(name).ids
        first, rest = ids[0], ids[1:]
        meant = {
            f"id = {first} OR id > {first} AND id < {first}": [first],
            f"NOT id = {first} AND id >= {first}": rest,
            f"not(id={first})Or id={first}": ids,
            f"((id = {first}))": [first],
            f'\t"id"\n=  {first} ': [first],
            f"id = {first}.0": [first],
            f"id = {first}e0": [first],
            f"TRUE AND id = {first}": [first],
            f"id = {first} or FALSE": [first],
            f"id <> {first} AND true": rest,
        }
        for written, expected in meant.items():
            api.check(name, expected, filter=written, filter_lang="cql2-text")


@requirement(
    f"{CQL2}/advanced-comparison-operators/like-predicate",
    f"{CQL2}/cql2-text/advanced-comparison-operators",
    f"{CQL2}/cql2-json/advanced-comparison-operators",
    broken_by=in_filter("%", "_"),
)
def test_like(api: Api):
    for subject in cases.subjects(api, TEXTS):
        for property_, values in subject.of(TEXTS):
            for one in filter(None, values):
                safe = one.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
                patterns = [f"{one[:2]}%", f"%{one[-2:]}", f"%{one[len(one) // 2]}%", "_" * len(one), safe, "%", ""]
                patterns = [p for p in patterns if not p.endswith("\\") or p == safe]
                trees = [call("like", property_, pattern) for pattern in some(patterns, amount(3, 7), one)]
                cases.check(subject, *trees, negated(trees[0]))
    literal(
        api,
        *(call("like", "100%_\\", p) for p in ("100\\%\\_\\\\", "100%\\\\", "100_%", "100\\%", "1000%", "%\\_%")),
    )


@requirement(
    f"{CQL2}/advanced-comparison-operators/between-predicate", broken_by=in_filter("BETWEEN|between", "NOT BETWEEN")
)
def test_between(api: Api):
    for subject in cases.subjects(api, NUMBERS):
        for property_, values in subject.of(NUMBERS):
            low, high = min(values), max(values)
            trees = [call("between", property_, *ends) for ends in ((low, high), (high, low), (values[0], values[-1]))]
            cases.check(subject, *trees, negated(trees[-1]))


@requirement(f"{CQL2}/advanced-comparison-operators/in-predicate", broken_by=in_filter(r"IN \(([^,)]+),", r"IN ("))
def test_in(api: Api):
    for subject in cases.subjects(api):
        for kind in (TEXTS, NUMBERS, TIMES):
            for property_, values in subject.of(kind):
                cases.check(subject, call("in", property_, values), negated(call("in", property_, values[:2])))


@requirement(
    f"{CQL2}/case-insensitive-comparison/casei-function",
    f"{CQL2}/cql2-text/case-insensitive-comparison",
    f"{CQL2}/cql2-json/case-insensitive-comparison",
    broken_by=in_filter("casei", "lower"),
)
def test_casei_is_full_case_folding(api: Api):
    for subject in cases.subjects(api, TEXTS):
        for property_, values in subject.of(TEXTS):
            for one in values[: amount(1, 5)]:
                folded = [call("casei", one.swapcase()), call("casei", one)]
                cases.check(subject, call("=", call("casei", property_), folded[0]))
                cases.check(subject, call("like", call("casei", property_), call("casei", f"{one[:3].upper()}%")))
                cases.check(subject, call("in", call("casei", property_), folded))
    pairs = [
        ("ß", "SS"),
        ("ς", "Σ"),
        ("ĐƯỜNG", "đường"),
        ("ẞ", "ss"),
        ("ﬁ", "FI"),
        ("ỪƯ", "ừư"),
        ("K", "k"),
        ("ǰ", "J̌"),
    ]
    literal(api, *(call("=", call("casei", a), call("casei", b)) for a, b in [*pairs, ("đ", "d"), ("ạ", "a")]))


@requirement(
    f"{CQL2}/accent-insensitive-comparison/accenti-function",
    f"{CQL2}/cql2-text/accent-insensitive-comparison",
    f"{CQL2}/cql2-json/accent-insensitive-comparison",
    broken_by=in_filter("accenti", "lower"),
)
def test_accenti_strips_every_tone_and_folds_d(api: Api):
    for subject in cases.subjects(api, TEXTS):
        for property_, values in subject.of(TEXTS):
            for one in values[: amount(1, 5)]:
                cases.check(subject, call("=", call("accenti", property_), call("accenti", accenti(one))))
                both = call("casei", call("accenti", property_)), call("casei", call("accenti", one.upper()))
                cases.check(subject, call("=", *both), call("like", call("accenti", property_), call("accenti", one)))
    same = [
        ("Đặng", "Dang"),
        ("đồng", "dong"),
        ("Nguyễn", "Nguyen"),
        ("ạ", "a\u0323"),
        ("Trường", "Truong"),
        ("é", "e"),
    ]
    literal(api, *(call("=", call("accenti", a), call("accenti", b)) for a, b in [*same, ("đ", "t"), ("A", "a")]))


@requirement(
    f"{CQL2}/basic-spatial-functions/spatial-functions",
    f"{CQL2}/basic-spatial-functions/spatial-predicate",
    f"{CQL2}/cql2-text/basic-spatial-functions",
    f"{CQL2}/cql2-json/basic-spatial-functions",
    broken_by=in_filter("s_intersects", "S_DISJOINT"),
)
def test_intersects_with_points_and_boxes(api: Api):
    for subject in cases.subjects(api, cases.SHAPES):
        for point in cases.points(subject):
            box = {"bbox": [point.x - 0.01, point.y - 0.02, point.x + 0.015, point.y + 0.01]}
            trees = [call("s_intersects", GEOMETRY, shape) for shape in (geojson(point), box)]
            cases.check(subject, *trees, negated(trees[1]), languages=("cql2-json", "cql2-text"))


@requirement(
    f"{CQL2}/basic-spatial-functions-plus/spatial-data-types",
    f"{CQL2}/cql2-text/basic-spatial-functions-plus",
    f"{CQL2}/cql2-json/basic-spatial-functions-plus",
    broken_by=in_filter('MULTIPOLYGON.*|"MultiPolygon".*', "POINT(0 0))"),
)
def test_literals_of_every_geometry(api: Api):
    for subject in cases.subjects(api, cases.SHAPES):
        boxes, points = cases.near(subject), cases.points(subject)
        if not boxes:
            continue
        shapes = [
            shapely.LineString([(points[0].x - 0.02, points[0].y - 0.01), *((p.x + 0.02, p.y + 0.01) for p in points)]),
            shapely.MultiPoint(points), boxes[0], shapely.union_all(boxes), shapely.MultiPolygon([boxes[0]]),
            shapely.MultiLineString([box.exterior.coords[:3] for box in boxes]),
            shapely.GeometryCollection([points[0], boxes[-1]]),
        ]  # fmt: skip
        cases.check(subject, *(call("s_intersects", GEOMETRY, geojson(shape)) for shape in shapes))
    for name in api.spatial():
        (first, shape), *_ = api.table(name).placed().items()
        x, y = shapely.get_coordinates(shape)[0].tolist()
        for written in (f"POINT Z({x!r} {y!r} 5)", f"POINT({x!r} {y!r} 5)", f"point ( {x!r}   {y!r} )"):
            assert first in api.ids(name, filter=f"S_INTERSECTS(geometry,{written})"), (name, written)


@requirement(
    f"{CQL2}/spatial-functions/spatial-functions",
    f"{CQL2}/cql2-text/spatial-functions",
    f"{CQL2}/cql2-json/spatial-functions",
    broken_by=in_filter("s_within|s_crosses|s_overlaps", "S_INTERSECTS"),
)
def test_every_spatial_relation(api: Api):
    told = dict.fromkeys(SPATIAL, 0)
    for subject in cases.subjects(api, cases.SHAPES, most=99):
        boxes = cases.near(subject)
        edges = [shape.boundary for shape in boxes + subject.shapes if not shape.boundary.is_empty]
        inner = [shape.representative_point() for shape in subject.shapes]
        rows = [row for row in api.table(subject.name).rows if row["geometry"]] if boxes else []
        for relation in SPATIAL:
            trees = [call(relation, GEOMETRY, geojson(shape)) for shape in [*subject.shapes, *boxes, *edges, *inner]]
            true = [tree for tree in trees if not told[relation] and any(value(tree, row) for row in rows)]
            told[relation] += len(true)
            cases.check(subject, *true[:1], *some(trees, amount(1, 12), relation))
    assert all(told.values()), f"relations that were true for no row: {told}"


@requirement(
    f"{CQL2}/temporal-functions/temporal-functions",
    f"{CQL2}/temporal-functions/temporal-predicates",
    f"{CQL2}/cql2-text/temporal-functions",
    f"{CQL2}/cql2-json/temporal-functions",
    broken_by=in_filter("t_after|t_during|t_metby", "T_BEFORE"),
)
def test_every_temporal_function(api: Api):
    told = dict.fromkeys(TEMPORAL, 0)
    for subject in cases.subjects(api, TIMES):
        for property_, values in subject.of(TIMES):
            for at in values[: amount(2, 8)]:
                early, late = cases.around(at)
                written = at.get("timestamp") or f"{at['date']}T00:00:00Z"
                open_ = {"interval": [property_, END]}  # an interval that starts at the property
                ends = {
                    END: [early, written],
                    LATER: [written],
                    MIDDLE: [early, late, written],
                    "..": [early, "..", END],
                }
                spans = [[early, late], ["..", written], [late, END]]
                spans += [[start, end] for end, starts in ends.items() for start in starts]
                for relation in TEMPORAL:
                    instants = relation in ("t_after", "t_before", "t_disjoint", "t_equals", "t_intersects")
                    trees = [call(relation, open_, {"interval": span}) for span in spans]
                    trees += [call(relation, property_, at)] if instants else []
                    trees += [call(relation, property_, {"interval": span}) for span in spans[:4]]
                    chosen = [t for t in trees if any(value(t, row) for row in api.table(subject.name).rows)]
                    told[relation] += len(chosen)
                    cases.check(subject, *some(chosen, amount(1, 5), relation), *some(trees, amount(1, 8), relation))
    assert all(told.values()), f"functions that were true for no row: {told}"


@requirement(
    f"{CQL2}/array-functions/array-predicates",
    f"{CQL2}/cql2-text/arrays",
    f"{CQL2}/cql2-json/arrays",
    broken_by=in_filter("a_contains|a_containedby|a_equals", "A_OVERLAPS"),
)
def test_arrays_are_sets(api: Api):
    asked = 0
    for subject in cases.subjects(api, ARRAYS):
        for property_, values in subject.of(ARRAYS):
            for one in values:
                lists = [one, one[:1], [*reversed(one), *one], [*one, "no-such"], ["no-such"]]
                for array in filter(None, lists):
                    relations = ("a_contains", "a_containedby", "a_equals", "a_overlaps")
                    asked += cases.check(subject, *(call(relation, property_, array) for relation in relations))
    arrays = any(s.get("type") == "array" for name in api.feature_collections for s in schema(api, name).values())
    assert asked or not arrays
    literal(
        api,
        call("a_equals", ["a", "b"], ["b", "a", "a"]), call("a_contains", ["a"], ["a", "b"]),
        call("a_containedby", ["a"], ["a", "b"]), call("a_overlaps", ["a", "c"], ["b", "c"]),
    )  # fmt: skip


def schema(api: Api, name: str) -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = api.json(f"/collections/{name}/queryables")["properties"]
    return properties


@requirement(
    f"{CQL2}/property-property/withdraw-permissions",
    f"{CQL2}/cql2-text/property-property",
    f"{CQL2}/cql2-json/property-property",
    broken_by=in_filter(r'^\(("\w+") (\S+) ("\w+")\)$', r"(\1 \2 \1)"),
)
def test_properties_stand_on_either_side(api: Api):
    for subject in cases.subjects(api):
        for kind in (TEXTS, NUMBERS, TIMES):
            found = subject.of(kind, amount(3, 12))
            for left, values in found:
                cases.check(subject, call("<", values[0], left), call("=", values[0], left))
                for right, _ in found:
                    cases.check(subject, call(subject.chance.choice(SIGNS), left, right), languages=("cql2-text",))
        for shape in subject.shapes[:1]:
            cases.check(subject, call("s_intersects", geojson(shape), GEOMETRY), call("s_within", GEOMETRY, GEOMETRY))


@requirement(
    f"{CQL2}/arithmetic/arithmetic",
    f"{CQL2}/cql2-text/arithmetic",
    f"{CQL2}/cql2-json/arithmetic",
    broken_by=in_filter(r" \* | div ", " + "),
)
def test_arithmetic(api: Api):
    for subject in cases.subjects(api, NUMBERS):
        found = subject.of(NUMBERS)
        for left, values in found:
            right, (one, *_) = subject.chance.choice(found)
            trees = [
                call("=", call("+", left, 0), values[0]), call(">", call("+", left, right), one),
                call("<", call("-", left, right), 1), call(">=", call("*", left, 2), one),
                call("<=", call("/", right, 4), one), call("=", call("%", left, 3), 1),
                call("=", call("div", left, 2), 3), call(">", call("^", call("%", left, 7), 2), 10),
            ]  # fmt: skip
            cases.check(subject, *(tree for tree in trees if exact(api, subject, tree)))
    told = {"2 + 3 * 4 = 14": True, "(2 + 3) * 4 = 20": True, "2 * 3 ^ 2 = 18": True, "10 - 4 - 3 = 3": True,
            "-2 + 5 = 3": True, "7 % 4 = 3": True, "7 div 2 = 3": True, "7 / 2 = 3.5": True, "20 / 2 / 5 = 2": True,
            "1 + 1 = 3": False, "2 * -3 = -6": True, "1e2 = 100": True, "id - id = 0": True}  # fmt: skip
    literal(api, also=told)


def exact(api: Api, subject: cases.Subject, tree: Any) -> bool:
    """Whether floating point cannot turn a comparison about: no value lies as near to the other side as rounding."""
    for row in api.table(subject.name).rows:
        left, right = (value(part, row) for part in tree["args"])
        if left is not None and right is not None and left != right and abs(left - right) < 1e-9 * max(1, abs(left)):
            return False
    return True


@requirement(
    f"{CQL2}/functions/get-functions-operation",
    f"{CQL2}/functions/get-functions-response-json",
    broken_by=faults.saying('"functions"', '"function"', "^/functions$"),
)
def test_functions_are_listed_with_arguments_and_returns(api: Api):
    answer = api.json("/functions", "application/json")
    kinds = {"string", "number", "integer", "boolean", "geometry", "datetime", "array"}
    for function in answer["functions"]:
        assert isinstance(function["name"], str)
        assert set(function["returns"]) <= kinds, function
        assert all(set(argument["type"]) <= kinds for argument in function["arguments"]), function


@requirement(
    f"{CQL2}/functions/functions",
    f"{CQL2}/cql2-text/functions",
    f"{CQL2}/cql2-json/functions",
    broken_by=in_filter("char_length", "-char_length"),
)
def test_every_listed_function_is_what_python_says(api: Api):
    asked = set()
    for function in api.json("/functions")["functions"]:
        (kind,) = {*function["returns"]} & {"string", "number"}
        for subject in cases.subjects(api):
            taken = [argument["type"][0] for argument in function["arguments"]]
            rows = api.table(subject.name).rows[: amount(60, 400)]
            for arguments in some(list(choices(subject, taken)), amount(1, 2), function["name"]):
                tree = call(function["name"], *arguments)
                middle = sorted(v for v in (value(tree, row) for row in rows) if v is not None)
                if middle:
                    pivot = middle[len(middle) // 2] if kind == "string" else between(middle)
                    cases.check(subject, call("<=", tree, pivot), call(">", tree, pivot))
                    asked.add(function["name"])
    assert asked == {function["name"] for function in api.json("/functions")["functions"]}


def between(numbers: list[float]) -> float:
    """A number that lies well between two of the numbers."""
    gaps = [(high - low, (low + high) / 2) for low, high in itertools.pairwise(numbers)]
    return max(gaps, default=(0, numbers[0] + 0.5))[1]


def choices(subject: cases.Subject, taken: list[str]) -> list[list[Any]]:
    """Arguments for a function: a property of each type, or a literal geometry for a second one."""
    first = {
        "string": [p for p, _ in subject.of(TEXTS)],
        "number": [p for p, _ in subject.of(NUMBERS)],
        "geometry": [GEOMETRY] if subject.shapes else [],
    }[taken[0]]
    rest = [geojson(point) for point in cases.points(subject)[:1]] if len(taken) > 1 else []
    return [[one, *rest] for one in first if len(taken) == 1 + len(rest)]


@requirement(f"{CQL2}/cql2-text/basic-cql2", broken_by=in_filter(r"\bNOT\b", ""))
def test_text_of_basic_cql2(api: Api):
    for subject in cases.subjects(api):
        for kind in (TEXTS, NUMBERS, BOOLEANS):
            for property_, values in subject.of(kind):
                tree = call(
                    "and", negated(call("=", property_, values[0])), call("or", call("isNull", property_), True)
                )
                cases.check(subject, tree, negated(call("=", property_, values[-1])), languages=("cql2-text",))


@requirement(f"{CQL2}/cql2-text/escaping", broken_by=in_filter("''", "'"))
def test_escapes_in_text(api: Api):
    told = {
        "'it''s' = 'it\\'s'": True, "'a\\\\b' = 'a\\\\b'": True, "char_length('''') = 1": True,
        "char_length('\\a\\b\\t\\n\\v\\f\\r') = 7": True, "char_length('\\\\') = 1": True, "'\\t' = '\t'": True,
        "'\\n' = 'n'": False, "'''' = '\\''": True, "'Đ' = 'Đ'": True,
    }  # fmt: skip
    literal(api, also=told)


@requirement(f"{CQL2}/cql2-json/basic-cql2", broken_by=in_filter('"(and|or)"', '"not"'))
def test_json_of_basic_cql2(api: Api):
    for subject in cases.subjects(api):
        for kind in (TEXTS, NUMBERS, BOOLEANS):
            for property_, values in subject.of(kind):
                one = call("=", property_, values[0])
                trees = [
                    call("and", one, True),
                    call("or", one, False),
                    negated(one),
                    call("<>", property_, values[-1]),
                ]
                cases.check(subject, *trees, languages=("cql2-json",))
    for bad in ("[]", "1", '"x"', "null", '{"op":"="}', '{"op":"=","args":[1]}', '{"args":[]}', '{"property":1}', "{"):
        name = api.feature_collections[0]
        assert api.get(api.items(name), filter=bad, filter_lang="cql2-json").status_code == 400, bad
    assert json.loads(json.dumps(trees))
