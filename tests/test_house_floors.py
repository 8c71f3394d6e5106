"""The order of the house, held by reading its source: imports go down the floors, and rooms keep to their matter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from mapserver.settings import ROOT

FLOORS = {
    "ground": "errors settings",
    "words": "layer catalogue crs identity",
    "thought": (
        "generalised generalisation query matrices mapview pictures legends symbology formats linking projection "
        "history versions filters cql2 parameters features ddl tables styles text times values faults headers "
        "negotiation coding reference shapes areas area_names periods sheets refusals reaggregation regrouping "
        "joining whereabouts sought spreadsheets tallies"
    ),
    "voice": "aggregates names statements rowstatements extracts gml edits changes",
    "hands": (
        "store encoder fetching freshness generalising tilecache tilefolder tiling walking archives rendering house "
        "downloads standing undo existing loading facts bodies clerk featurecollections loading_raster checks wards "
        "georeference reading reading_files reading_ogr reading_osm reading_tables wholeness scripts systems upkeep "
        "datafolder cluster database migrations backup raster tokens"
    ),
    "doors": "http ogc viewer ows arcgis",
    "roof": "app asgi cli commands serving filling tending",
}
"""Every room of the engine by its floor, from the ground up. A new room is entered here, once."""
FLOOR_OF = {room: height for height, rooms in enumerate(FLOORS.values()) for room in rooms.split()}
DOORS = FLOORS["doors"].split()
ENGINE = ROOT / "mapserver"
SOURCES = sorted(ENGINE.rglob("*.py"))


def module(path: Path) -> str:
    """Dotted name of a source file below the engine, `` for the engine itself."""
    parts = path.relative_to(ENGINE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path) for path in SOURCES}


def imported(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """(statement, full dotted name) of everything a tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def rooms_used(path: Path) -> set[str]:
    """Modules of the engine that a file imports, without the name imported from them."""
    used = set()
    for _, name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if name.startswith("mapserver."):
            inner = name.removeprefix("mapserver.")
            used.add(inner if inner in MODULES else inner.rpartition(".")[0])
    return used - {"", module(path)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: module(path) or "mapserver")
def test_imports_only_go_down(path: Path) -> None:
    room = module(path).split(".")[0]
    if not room:
        return
    assert room in FLOOR_OF, f"enter the new room `{room}` on its floor, in {Path(__file__).name}"
    above = {used for used in rooms_used(path) if FLOOR_OF[used.split(".")[0]] > FLOOR_OF[room]}
    assert not above, f"{path.name} stands below {above}"


def test_the_plan_names_no_room_that_is_gone() -> None:
    assert {name.split(".")[0] for name in MODULES} - {""} == set(FLOOR_OF)


def test_doors_never_import_each_other() -> None:
    for path in SOURCES:
        door = module(path).split(".")[0]
        if door in DOORS:
            used = {name.split(".")[0] for name in rooms_used(path)}
            assert used & set(DOORS) <= {door}, f"{path} opens another door"


def test_no_circle_of_imports() -> None:
    graph = {module(path): rooms_used(path) for path in SOURCES}
    for name, used in graph.items():
        used.discard(name.rpartition(".")[0])
    assert [*TopologicalSorter(graph).static_order()]


def test_the_engine_imports_no_city() -> None:
    for path in SOURCES:
        for _, name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            assert name.split(".")[0] not in ("ingest", "layers", "styles"), f"{path} imports the city"


def test_only_settings_reads_the_environment() -> None:
    for path in SOURCES:
        if module(path) == "settings":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        read = [name for _, name in imported(tree) if name in ("os.environ", "os.getenv")]
        read += [ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
        assert not {"os.environ", "os.environb", "os.getenv"} & set(read), f"{path} reads the environment"


def test_no_import_hides_in_a_function() -> None:
    """A late import hides a circle; one that starts a program faster says so in a comment on its line."""
    hidden = []
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines()
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                hidden += [f"{path}:{n.lineno}" for n, _ in imported(function) if "#" not in lines[n.lineno - 1]]
    assert not hidden


def test_every_module_says_what_it_is_for() -> None:
    for path in SOURCES:
        if path.parent.name != "versions" or path.name != "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"


def test_no_room_is_a_cupboard() -> None:
    for name in MODULES:
        assert not {"utils", "util", "helpers", "helper", "manager", "common", "misc"} & set(
            name.replace(".", "_").split("_")
        )
