"""The ArcGIS door: each vector layer as a read-only FeatureServer, for ArcGIS Pro and the ArcGIS JavaScript SDK.

The same questions as every door's, in the words of the GeoServices REST specification. It refuses what it does not
answer, statistics above all, instead of leaving it out."""

from __future__ import annotations

from starlette.routing import BaseRoute

from mapserver.arcgis.door import Door
from mapserver.house import House


def routes(house: House) -> list[BaseRoute]:
    """The routes of one worker."""
    return Door(house).routes()
