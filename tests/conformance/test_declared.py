"""What is declared is tested, and every test can fail."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from conformance.api import CHECKS, Api, Check
from conformance.conftest import PLAIN
from conformance.faults import Spoilt, WrongFault

pytestmark = pytest.mark.postgis

for file in sorted(Path(__file__).parent.glob("test_*.py")):
    if file.stem != "test_declared":
        importlib.import_module(f"conformance.{file.stem}")
FUNCTIONS = {check.function.__name__: check for check in CHECKS}


def test_every_declared_class_has_tests_of_its_requirements(api: Api):
    tested = {check.conformance_class for check in CHECKS}
    assert [name for name in api.declared if name not in tested] == []


def test_every_test_has_a_name_of_its_own():
    assert len(FUNCTIONS) == len({check.function for check in CHECKS})


@pytest.fixture
def spoilt(request: pytest.FixtureRequest) -> Iterator[dict[str, Api]]:
    """The server and the desk, seen through the fault of a check."""
    check: Check = request.param
    seen = {}
    for name in inspect.signature(check.function).parameters:
        whole: Api = request.getfixturevalue(name)
        http = httpx.Client(base_url=whole.http.base_url, transport=Spoilt(check.broken_by), timeout=60, headers=PLAIN)
        seen[name] = Api(http, whole.oracle, whole.token)
    yield seen
    for api in seen.values():
        api.http.close()


@pytest.mark.parametrize(
    ("spoilt", "check"), [(check, check) for check in FUNCTIONS.values()], ids=FUNCTIONS, indirect=["spoilt"]
)
def test_a_planted_fault_is_found(spoilt: dict[str, Api], check: Check):
    with pytest.raises((Exception, pytest.fail.Exception)) as found:
        check.function(**spoilt)
    assert not isinstance(found.value, WrongFault), found.value
