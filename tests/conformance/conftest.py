"""The server under judgement: one that is read, one of its own that is written."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from conftest import free_port, fresh, serve

from conformance.api import Api
from conformance.oracle import Oracle
from mapserver import tokens
from mapserver.settings import settings

PLAIN = {"accept-encoding": "identity"}
"""Large pages are read faster than they are packed."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(name…): the requirements of a standard that a test looks at")


@pytest.fixture(scope="session")
def oracle(toy) -> Oracle:
    return Oracle(toy.admin_dsn)


@pytest.fixture(scope="session")
def api(server, oracle) -> Iterator[Api]:
    """The toy city, to read."""
    with httpx.Client(base_url=server, timeout=60, headers=PLAIN) as http:
        yield Api(http, oracle)


@pytest.fixture(scope="session")
def desk(cluster, template, layers, house) -> Iterator[Api]:
    """A server over an empty database, to write, with a token for every layer that may be written."""
    chosen = settings(data=house, real_data=house / "nothing", port=free_port(), workers=1)
    writable = tuple(layer.name for layer in layers if layer.writable)
    with fresh(cluster, template, layers) as made, serve(chosen, made) as url:
        token = tokens.add(made.owner_dsn, layers, "conformance", writable, insider=False)
        with httpx.Client(base_url=url, timeout=60, headers=PLAIN) as http:
            yield Api(http, Oracle(made.admin_dsn), token)
