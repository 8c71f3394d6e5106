"""Whatever a client makes of the API definition: no fault of the server, and nothing that the definition does not say.

Reads go to the toy city; writes, with a token, to a server over a database of their own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import httpx
import pytest
import schemathesis
from conftest import amount, free_port, fresh, serve
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import content_type_conformance, not_a_server_error, status_code_conformance

from mapserver import tokens
from mapserver.settings import settings as house_settings

pytestmark = pytest.mark.postgis
REQUESTS = amount(500, 20_000)
CHECKS = (not_a_server_error, content_type_conformance, status_code_conformance)
FEATURES = 9
"""Ids from 1 that well-formed requests ask for."""
NEVER_IN_ANSWERS = (b"Traceback", b"psycopg", b"/site-packages/")


@pytest.fixture(scope="module")
def desk(cluster, template, layers, house) -> Iterator[tuple[str, str]]:
    """A server that may be written to, and a token for all of it that may."""
    chosen = house_settings(data=house, real_data=house / "nothing", port=free_port(), workers=1)
    writable = tuple(layer.name for layer in layers if layer.writable)
    with fresh(cluster, template, layers) as made, serve(chosen, made) as url:
        yield url, tokens.add(made.owner_dsn, layers, "fuzz", writable, insider=True)


def operations(url: str, token: str, methods: set[str]) -> list:
    """What the definition describes for these methods, as the bearer sees it."""
    raw = httpx.get(f"{url}/api", headers={"authorization": f"Bearer {token}"} if token else {}).json()
    schema = schemathesis.openapi.from_dict(raw)
    schema.config.update(base_url=url)
    return [found.ok() for found in schema.get_all_operations() if found.ok().method.upper() in methods]


def hammered(found: list, requests: int, token: str) -> tuple[Counter, dict[str, str]]:
    """Sends so many requests, in rounds over the operations; the statuses that came back, and what was wrong."""
    tools = Tools(token, Counter(), {})
    each = max(5, requests // len(found) // 2)
    for turn in count():
        for place, operation in enumerate(shuffled(found, turn)):
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                if tools.statuses.total() >= requests:
                    return tools.statuses, tools.faults
                try:
                    strike(operation, mode, each, tools, turn * 10_000 + place)
                except (Exception, BaseExceptionGroup) as fault:
                    tools.faults.setdefault(operation.label, str(getattr(fault, "exceptions", fault))[:2000])
    raise AssertionError("rounds never end")


def shuffled(found: list, turn: int) -> list:
    return random.Random(turn).sample(found, len(found))


@dataclass(frozen=True)
class Tools:
    """What a strike needs: the right, the tally, and the faults found by operation."""

    token: str
    statuses: Counter
    faults: dict[str, str]


def strike(operation, mode: GenerationMode, examples: int, tools: Tools, start: int) -> None:
    """Requests for one operation, well or ill formed."""
    headers = {"authorization": f"Bearer {tools.token}"} if tools.token else {}

    @seed(start)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def sent(case) -> None:
        if mode is GenerationMode.POSITIVE and "featureId" in (case.path_parameters or {}):
            case.path_parameters["featureId"] = 1 + tools.statuses.total() % FEATURES  # one that there may be
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict) and case.body.get("geometry"):
            case.body["geometry"] = {"type": "Point", "coordinates": [106.7, 10.8]}  # one that lies in the world
        if tools.token:
            case.headers = {**(case.headers or {}), **headers}
        answer = case.call(headers=headers)
        tools.statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS, headers=headers)
        assert not any(word in answer.content for word in NEVER_IN_ANSWERS)

    with suppress(Unsatisfiable):  # nothing can be malformed where there is no parameter
        sent()


def told(kind: str, found: list, statuses: Counter) -> None:
    print(f"\nfuzz: {statuses.total()} {kind} by {len(found)} operations: {dict(sorted(statuses.items()))}")


def test_reads_are_answered_as_described(server, capsys):
    found = operations(server, "", {"GET"})
    statuses, faults = hammered(found, REQUESTS * 3 // 4, "")
    with capsys.disabled():
        told("reads", found, statuses)
    assert not faults, "\n".join(f"{name}: {fault}" for name, fault in faults.items())
    assert statuses[200]
    assert not any(status >= 500 for status in statuses)


def test_writes_are_answered_as_described(desk, capsys):
    url, token = desk
    found = operations(url, token, {"POST", "PUT", "PATCH", "DELETE"})
    statuses, faults = hammered(found, REQUESTS // 4, token)
    with capsys.disabled():
        told("writes", found, statuses)
    assert not faults, "\n".join(f"{name}: {fault}" for name, fault in faults.items())
    assert not any(status >= 500 for status in statuses)
