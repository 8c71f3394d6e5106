"""What an OWS client is sent when something is wrong: the report of its service, with the headers that belong to it."""

from __future__ import annotations

from starlette.responses import Response

from mapserver.errors import CityMapError
from mapserver.ows.faults import report
from mapserver.refusals import refused
from mapserver.store import StoreError


def refusal(service: str, version: str, error: CityMapError | StoreError) -> Response:
    """The exception report. Retry-After tells when to come again, WWW-Authenticate that a token would help."""
    told = refused(error.sqlstate, error.message) if isinstance(error, StoreError) else error
    body = report(service, version, told)
    headers = {503: {"retry-after": "2"}, 401: {"www-authenticate": 'Bearer realm="citymap"'}}.get(body.status)
    return Response(body.body, body.status, headers, body.media_type)
