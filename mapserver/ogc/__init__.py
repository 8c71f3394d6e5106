"""The OGC door: documents, pages and coverages of every layer of the catalogue, through OGC APIs.

Items and vector tiles as such are answered hot, in `http/`; pygeoapi is called as a library of pure functions."""

from __future__ import annotations

from fastapi import APIRouter

from mapserver.house import House
from mapserver.ogc.door import Door


def routes(house: House) -> APIRouter:
    """The routes of one worker."""
    return Door(house).router()
