"""What to tell of a statement that PostgreSQL refused."""

from __future__ import annotations

import logging

from mapserver.errors import BadQuery, CityMapError


def refused(sqlstate: str, message: str) -> CityMapError:
    """The error that a door tells: data exceptions (class 22) come of the client's values, all else is ours."""
    if sqlstate.startswith("22"):
        return BadQuery("", f"this cannot be computed: {message}")
    logging.getLogger("citymap").error("the database refused a statement: %s %s", sqlstate, message)
    return CityMapError("", "the server failed to answer; the operator's log says why")
