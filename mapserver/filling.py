"""What the loader of `citymap serve` runs: fills the never-loaded layers, out of the environment given to it."""

from __future__ import annotations

import sys

from mapserver.commands.demo import fill
from mapserver.errors import BadSetup, CityMapError
from mapserver.settings import settings


def main() -> None:
    """Fills the never-loaded layers; exit code 1 and one line when that fails."""
    chosen = settings()
    try:
        if chosen.owner_url is None:
            raise BadSetup("CITYMAP_OWNER_URL", "is not set; the loader is started by `citymap serve`")
        fill(chosen, chosen.owner_url)
    except CityMapError as error:
        sys.exit(f"citymap: {error}")


if __name__ == "__main__":
    main()
