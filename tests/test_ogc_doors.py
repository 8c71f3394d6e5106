"""The OGC door as a client meets it: a real server over the toy city."""

from __future__ import annotations

import httpx
import pytest

from mapserver.catalogue import Catalogue

pytestmark = pytest.mark.postgis


@pytest.fixture(scope="module")
def http(server: str) -> httpx.Client:
    return httpx.Client(base_url=server, timeout=60)


def test_landing(http: httpx.Client, layers: Catalogue) -> None:
    assert http.get("/").status_code == 200
