"""Representations and languages, as a client asks for them."""

from __future__ import annotations

import gzip

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mapserver.coding import KEPT, ONCE, coding, etag, matches
from mapserver.errors import BadQuery, NotAcceptable
from mapserver.negotiation import language, preferences, representation

OFFERED = {"json": ("application/geo+json", "application/json"), "html": ("text/html",)}


@pytest.mark.parametrize(
    ("f", "accept", "expected"),
    [
        (None, None, "json"),
        (None, "*/*", "json"),
        (None, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "html"),
        (None, "text/html;q=0.5, application/json", "json"),
        (None, "text/*", "html"),
        (None, ";;;, application/json", "json"),
        ("html", "application/json", "html"),
    ],
)
def test_the_best_offered_representation_is_given(f, accept, expected):
    assert representation(f, accept, OFFERED) == expected


@pytest.mark.parametrize("accept", ["image/png", "*/*;q=0", "application/json;q=0", "text/html;q=x"])
def test_an_accept_that_rules_everything_out_is_406(accept):
    with pytest.raises(NotAcceptable, match="geo"):
        representation(None, accept, OFFERED)


def test_an_f_that_is_not_offered_names_what_is():
    with pytest.raises(BadQuery, match="json, html"):
        representation("xml", None, OFFERED)


@pytest.mark.parametrize(
    ("lang", "header", "expected"),
    [
        (None, None, "vi"),
        (None, "en-GB,en;q=0.9,vi;q=0.8", "en"),
        (None, "fr, vi;q=0.5, en;q=0.1", "vi"),
        ("en", "vi", "en"),
        (None, "*;q=0", "vi"),
    ],
)
def test_the_language_is_what_was_asked_else_vietnamese(lang, header, expected):
    assert language(lang, header) == expected


@given(st.text(max_size=80))
def test_no_header_is_too_odd_to_read(header):
    assert all(0 <= weight <= 1 for _, weight in preferences(header))
    assert language(None, header) in ("vi", "en")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", "gzip"),
        ("br, gzip;q=0", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("*", "zstd"),
        ("*;q=0", "identity"),
        (None, "identity"),
        ("identity", "identity"),
        ("zstd;q=0, *", "br"),
        (";;;", "identity"),
    ],
)
def test_the_coding_is_one_that_the_client_takes(header, expected):
    assert coding(header) == expected


UNPACKED = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body),
}


@pytest.mark.parametrize("packers", [ONCE, KEPT], ids=["once", "kept"])
@pytest.mark.parametrize("name", UNPACKED)
def test_what_is_packed_can_be_unpacked(packers, name):
    body = "Đường Đồng Khởi ".encode() * 500
    assert UNPACKED[name](packers[name](body)) == body


def test_a_tag_is_known_in_any_coding_and_no_other_is():
    assert all(matches(f'"x", W/{etag("abc", coded)}', "abc") for coded in ("identity", *ONCE))
    assert matches("*", "abc")
    assert not matches('"abcd", "ab"', "abc")
    assert not matches(None, "abc")
