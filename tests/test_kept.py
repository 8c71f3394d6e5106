"""Documents that go out as kept bytes are the documents: for every language, coding and form, and never for a token."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from mapserver.app import create_app
from mapserver.http.kept import KEEP_S, Kept

pytestmark = pytest.mark.postgis
PATHS = ("/", "/conformance", "/collections", "/collections/wards", "/api", "/collections/wards/queryables",
         "/tileMatrixSets", "/collections/wards/tiles/WebMercatorQuad", "/styles/wards")  # fmt: skip


def test_without_a_cache_no_document_is_kept(toy, toy_settings):
    for cache in (True, False):
        made = create_app(toy_settings.model_copy(update={"cache": cache}), toy.app_dsn)
        assert isinstance(made._behind, Kept) == cache


@pytest.fixture(scope="module")
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_a_kept_document_is_the_one_that_was_made(http, path):
    wishes = ({}, {"accept-language": "en"}, {"accept-encoding": "identity"}, {"accept": "text/html"})
    for wish in wishes:
        made, kept = http.get(path, headers=wish), http.get(path, headers=wish)
        assert made.status_code == kept.status_code == 200
        assert made.content == kept.content
        same = ("etag", "content-type", "content-encoding", "content-language", "vary", "link", "cache-control")
        assert [made.headers.get(name) for name in same] == [kept.headers.get(name) for name in same]
    assert len({http.get(path, headers=wish).headers["etag"] for wish in wishes}) >= 3


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_has_it_gets_304_and_no_body(http, path):
    first = http.get(path)
    again = http.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "content-type" not in again.headers
    other = http.get(path, headers={"if-none-match": '"another"'})
    assert other.content == first.content


@pytest.mark.parametrize("path", PATHS)
def test_a_token_is_looked_at_though_the_document_is_kept(http, path):
    assert http.get(path).status_code == 200
    assert http.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize("path", ["/collections?unknown=1", "/nowhere", "/collections/none"])
def test_what_is_wrong_is_wrong_again(http, path):
    assert http.get(path).status_code == http.get(path).status_code >= 400


def test_a_client_that_asks_for_changes_only_is_answered_for_ever(http):
    """Also when nobody else asks, and the kept document is made again and again."""
    tag = {"if-none-match": http.get("/conformance").headers["etag"]}
    until = time.monotonic() + 2 * KEEP_S + 0.2
    while time.monotonic() < until:
        assert http.get("/conformance", headers=tag).status_code == 304
    assert http.get("/conformance").json()["conformsTo"]


def test_head_and_get_are_told_apart(http):
    whole = http.get("/conformance")
    head = http.head("/conformance")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == whole.headers["etag"]
