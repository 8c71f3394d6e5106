"""OPTIONS, preflights and `Allow`: each address says what it takes, and takes what it says."""

from __future__ import annotations

import httpx
import pytest
from conftest import public

from mapserver.catalogue import catalogue
from mapserver.settings import ROOT

pytestmark = pytest.mark.postgis
LAYERS = public(catalogue(ROOT / "layers"))
READS = {"GET", "HEAD", "OPTIONS"}
WRITES = {"POST": "", "PUT": "/1", "PATCH": "/1", "DELETE": "/1"}


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


def allowed(answer: httpx.Response) -> set[str]:
    return set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize("layer", [layer.name for layer in LAYERS.vector])
def test_only_written_layers_say_that_they_take_writes(http, layer):
    written = LAYERS[layer].writable
    many, one = (http.options(f"/collections/{layer}/items{rest}") for rest in ("", "/1"))
    assert (many.status_code, one.status_code) == (200, 200)
    assert allowed(many) == READS | ({"POST"} if written else set())
    assert allowed(one) == READS | ({"PUT", "PATCH", "DELETE"} if written else set())
    for method, rest in WRITES.items():
        answer = http.request(method, f"/collections/{layer}/items{rest}", json={})
        assert answer.status_code == (401 if written else 405)
        if not written:
            assert allowed(answer) == READS


def test_a_method_that_is_not_taken_names_those_that_are(http):
    for path in ("/", "/collections", "/collections/schools/items/1", "/collections/field_notes/items", "/healthz"):
        answer = http.request("TRACE", path)
        assert answer.status_code == 405
        assert allowed(answer) == allowed(http.options(path)) >= {"GET", "OPTIONS"}


def test_a_preflight_is_told_the_methods_and_headers(http):
    asked = {"Origin": "https://example.vn", "Access-Control-Request-Method": "PUT"}
    answer = http.options("/collections/field_notes/items/1", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "If-Match" in answer.headers["access-control-allow-headers"]


def test_nothing_is_nothing_whatever_the_method(http):
    for method in ("OPTIONS", "GET", "POST"):
        answer = http.request(method, "/no/such/place")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
