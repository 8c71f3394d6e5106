"""What is declared is documented: settings, errors, commands, layers, dependencies."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from mapserver import errors
from mapserver.catalogue import catalogue
from mapserver.settings import ROOT, Settings

DOCS = ROOT / "docs"


def rows(page: str) -> str:
    return "\n".join(line for line in (DOCS / page).read_text(encoding="utf-8").splitlines() if line.startswith("|"))


def settings_names() -> set[str]:
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    return {str(name) for alias in aliases for name in (getattr(alias, "choices", None) or [alias])}


def test_every_setting_is_documented_and_no_other():
    documented = set(re.findall(r"`((?:CITYMAP_|HOST|PORT|DATABASE_URL)[A-Z_]*)`(?=[,| ])", rows("settings.md")))
    internal = {name for name in settings_names() if name in {"CITYMAP_APP_URL", "CITYMAP_OWNER_URL"}}
    assert documented == settings_names() - internal


def declared(group: str | None) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] if group is None else project["optional-dependencies"][group]
    return {re.split(r"[\[<>=!~; ]", text)[0] for text in wanted}


def test_every_dependency_has_its_line_and_no_line_is_left_over():
    documented = set(re.findall(r"^\| ([a-z0-9@/-]+) \|", rows("dependencies.md"), re.MULTILINE)) - {"package"}
    viewer = json.loads((ROOT / "viewer" / "package.json").read_text())
    assert documented == declared(None) | declared("dev") | {*viewer["dependencies"], *viewer["devDependencies"]}


@pytest.mark.parametrize("minor", ["311", "312", "313"])
def test_every_lock_holds_every_dependency_with_hashes_and_no_address(minor):
    lock = (ROOT / "requirements" / f"py{minor}.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==", lock, re.MULTILINE))
    assert declared(None) | declared("dev") <= locked
    assert lock.count("--hash=sha256:") > len(locked)
    assert "://" not in lock


def kinds() -> list[type[errors.CityMapError]]:
    found, left = [], [errors.CityMapError]
    while left:
        kind = left.pop()
        found.append(kind)
        left += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.kind())
def test_every_kind_of_error_has_its_section(kind):
    assert f"## {kind.kind()}\n" in (DOCS / "errors.md").read_text(encoding="utf-8")


def test_every_layer_is_documented():
    text = (DOCS / "layers.md").read_text(encoding="utf-8")
    for layer in catalogue(ROOT / "layers"):
        assert f"`{layer.name}`" in text, layer.name
