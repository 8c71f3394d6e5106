"""Tokens: made once, shown once, listed, revoked."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from mapserver import tokens
from mapserver.catalogue import Catalogue
from mapserver.database import Database
from mapserver.errors import BadQuery

pytestmark = pytest.mark.postgis


def test_only_the_hash_of_a_secret_is_stored(database: Callable[..., Database], layers: Catalogue) -> None:
    dsn = database().owner_dsn
    secret = tokens.add(dsn, layers, "parks", ("field_notes",), insider=True)
    with psycopg.connect(dsn) as conn:
        stored = conn.execute("SELECT t::text, hash FROM citymap.token AS t").fetchone()
    assert stored is not None
    assert secret.startswith(tokens.PREFIX)
    assert secret not in stored[0]
    assert stored[1] == tokens.hashed(secret)
    [listed] = tokens.tokens(dsn)
    assert (listed.name, listed.writes, listed.insider, listed.revoked_at) == ("parks", ["field_notes"], True, None)


def test_a_revoked_name_stays_taken(database: Callable[..., Database], layers: Catalogue) -> None:
    dsn = database().owner_dsn
    tokens.add(dsn, layers, "parks", ())
    tokens.revoke(dsn, "parks")
    assert tokens.tokens(dsn)[0].revoked_at is not None
    with pytest.raises(BadQuery, match="no token parks in force"):
        tokens.revoke(dsn, "parks")
    with pytest.raises(BadQuery, match="choose another name"):
        tokens.add(dsn, layers, "parks", ())


@pytest.mark.parametrize(
    ("name", "writes", "words"),
    [
        ("Công viên", (), "no token name"),
        ("", (), "no token name"),
        ("parks", ("wards",), "no writable layer; writable are field_notes"),
        ("parks", ("x",), "no writable layer"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(
    database: Callable[..., Database], layers: Catalogue, name: str, writes: tuple[str, ...], words: str
) -> None:
    dsn = database().owner_dsn
    with pytest.raises(BadQuery, match=words):
        tokens.add(dsn, layers, name, writes)
    assert tokens.tokens(dsn) == []
