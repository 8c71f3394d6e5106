"""Tokens: who may write which layers, or see what is internal, without a login service.

Only the hash of a secret is stored; the secret is shown once, when it is made. The doors verify in `http/rights.py`."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from mapserver.catalogue import Catalogue
from mapserver.errors import BadQuery

NAME = re.compile(r"^[a-z0-9][a-z0-9._@-]{0,63}$")
PREFIX = "cm_"
"""Marks a secret of ours, so that scanners of leaked secrets can know it."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token lets its bearer do."""

    name: str
    writes: list[str]
    insider: bool
    created_at: datetime
    revoked_at: datetime | None


def add(dsn: str, catalogue: Catalogue, name: str, writes: tuple[str, ...], *, insider: bool = False) -> str:
    """Makes a token and gives back its secret, which nobody can read again. Raises BadQuery."""
    if not NAME.match(name):
        raise BadQuery(
            "NAME", f"{name!r} is no token name: 1 to 64 of a-z, 0-9 and ._@-, starting with a letter or digit"
        )
    _writable(catalogue, writes)
    secret = PREFIX + secrets.token_urlsafe(32)
    insert = "INSERT INTO citymap.token (name, hash, writes, insider) VALUES (%s, %s, %s, %s)"
    try:
        with psycopg.connect(dsn) as conn:
            conn.execute(insert, (name, hashed(secret), [*writes], insider))
    except psycopg.errors.UniqueViolation as error:
        raise BadQuery(
            "NAME", f"there is, or was, a token {name}; choose another name, so that history stays clear"
        ) from error
    return secret


def tokens(dsn: str) -> list[Token]:
    """All tokens, revoked ones too, by name."""
    query = "SELECT name, writes, insider, created_at, revoked_at FROM citymap.token ORDER BY name"
    with psycopg.connect(dsn) as conn, conn.cursor(row_factory=class_row(Token)) as cursor:
        return cursor.execute(query).fetchall()


def revoke(dsn: str, name: str) -> None:
    """Ends a token now; its name stays taken. Raises BadQuery when there is none to end."""
    update = "UPDATE citymap.token SET revoked_at = now() WHERE name = %s AND revoked_at IS NULL"
    with psycopg.connect(dsn) as conn:
        if conn.execute(update, (name,)).rowcount == 0:
            raise BadQuery("NAME", f"there is no token {name} in force")


def hashed(secret: str) -> str:
    """What is stored of a secret: it is long and random, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _writable(catalogue: Catalogue, names: tuple[str, ...]) -> None:
    writable = [layer.name for layer in catalogue if layer.writable or layer.system]
    for name in names:
        if name not in writable:
            raise BadQuery("--write", f"{name} is no writable layer; writable are {', '.join(writable) or 'none'}")
