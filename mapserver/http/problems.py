"""Errors as RFC 9457 `application/problem+json`, in one place."""

from __future__ import annotations

import orjson

from mapserver.errors import BadFeature, CityMapError, MethodNotAllowed

MEDIA_TYPE = "application/problem+json"


def problem(error: CityMapError, base_url: str) -> dict[str, object]:
    """The problem document. Its `type` is a page of `docs/errors.md`, stable by the error's kind."""
    body: dict[str, object] = {
        "type": f"{base_url}/problems/{error.kind()}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
    }
    if error.where:
        body["parameter"] = error.where
    if isinstance(error, BadFeature) and error.faults:
        body["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in error.faults]
    return body


def headers(error: CityMapError) -> dict[str, str]:
    """Headers that belong to the error."""
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allow)}
    if error.status == 401:
        return {"WWW-Authenticate": 'Bearer realm="citymap"'}
    if error.status == 503:
        return {"Retry-After": "2"}
    return {}


def rendered(error: CityMapError, base_url: str) -> bytes:
    """The body as bytes."""
    return orjson.dumps(problem(error, base_url))
