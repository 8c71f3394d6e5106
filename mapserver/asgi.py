"""What a web worker runs: the application, out of the environment that `citymap serve` prepared."""

from __future__ import annotations

from mapserver.app import create_app
from mapserver.errors import BadSetup
from mapserver.http.hot import Hot
from mapserver.settings import settings


def app() -> Hot:
    """Factory for the ASGI server. Raises BadSetup when no database was prepared for it."""
    chosen = settings()
    if chosen.app_url is None:
        raise BadSetup("CITYMAP_APP_URL", "is not set; workers are started by `citymap serve`")
    return create_app(chosen, chosen.app_url)
