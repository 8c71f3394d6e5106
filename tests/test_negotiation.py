"""Representations and languages, as a client asks for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapserver.errors import BadQuery, NotAcceptable
from mapserver.http.answers import accepts_gzip
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
        ("gzip", True),
        ("br, gzip;q=0", False),
        ("*", True),
        ("*;q=0", False),
        (None, False),
        ("identity", False),
        ("gzip;q=0, *", False),
    ],
)
def test_gzip_is_sent_only_to_those_who_take_it(header, expected):
    assert accepts_gzip(header) is expected
