"""The OGC door: documents, pages and coverages of every layer of the catalogue, through OGC APIs.

Items and vector tiles as such are answered hot, in `http/`; pygeoapi is called as a library of pure functions."""

from __future__ import annotations

from fastapi import APIRouter

from mapserver.house import House
from mapserver.ogc.aggregate import AggregateDoor
from mapserver.ogc.door import Door
from mapserver.ogc.joins import JoinDoor
from mapserver.ogc.processes import ProcessDoor
from mapserver.systems.areas.book import Books


def routes(house: House) -> APIRouter:
    """The routes of one worker."""
    books, router = Books(house.store), Door(house).router()
    router.include_router(ProcessDoor(house, books).router())
    router.include_router(JoinDoor(house, books).router())
    router.include_router(AggregateDoor(house, books).router())
    return router
