"""The OWS door: WFS, WMS and WMTS, for the programs that do not speak OGC API.

kvp.py and xml.py read requests, faults.py tells what is wrong with them; every OWS service shares these."""

from __future__ import annotations

from starlette.routing import BaseRoute

from mapserver.bodies import Bodies
from mapserver.clerk import Clerk
from mapserver.facts import FactBook
from mapserver.house import House
from mapserver.ows.wfs.door import WfsDoor
from mapserver.ows.wms.door import WmsDoor
from mapserver.ows.wmts.door import WmtsDoor


def routes(house: House, bodies: Bodies, clerk: Clerk, dsn: str) -> list[BaseRoute]:
    """The routes of one worker. dsn: the database as the web workers' role."""
    book = FactBook(house.settings, house.catalogue, house.store)
    pictures = [*WmsDoor(house, book).routes(), *WmtsDoor(house, book).routes()]
    return [*pictures, *WfsDoor(house, bodies, clerk, dsn).routes()]
