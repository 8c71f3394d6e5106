"""What is asked of every server: the same pages, boxes, features, documents and tiles, in each server's own words.

A set of requests is drawn from a seed; two sets tell whether anything is tuned to fixed requests."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from dataset import CENTRE, FIELDS

FIELD, STATE = FIELDS[1], "done"
HALF_KM = (0.00458, 0.00452)
BOXES, IDS = 16, 300


@dataclass(frozen=True, slots=True)
class Draw:
    """What one set of requests is made of."""

    rng: random.Random
    rows: int
    """Addresses there are."""

    def box(self) -> str:
        x, y = (self.rng.gauss(middle, 0.03) for middle in CENTRE)
        return f"{x - HALF_KM[0]:.6f},{y - HALF_KM[1]:.6f},{x + HALF_KM[0]:.6f},{y + HALF_KM[1]:.6f}"

    def tile(self, zoom: int, spread: float) -> tuple[int, int, int]:
        """z, x, y of a tile near the centre."""
        lon, lat = (middle + self.rng.uniform(-spread, spread) for middle in CENTRE)
        side, sine = 2**zoom, math.sin(math.radians(lat))
        down = 0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)
        return zoom, int((lon + 180) / 360 * side), int(down * side)


class Dialect:
    """How a server is asked. A method that gives None says that it cannot be."""

    tail = ""
    """Parameters that go with every document."""
    features = tiles = documents = True
    api = "/api"

    def __init__(self, base: str) -> None:
        self.base = base

    def collection(self, name: str) -> str:
        return f"{self.base}/collections/{name}"

    def items(self, name: str, query: str) -> str | None:
        return f"{self.collection(name)}/items?{query}{self.tail}" if self.features else None

    def item(self, name: str, number: int) -> str | None:
        return f"{self.collection(name)}/items/{number}" if self.features else None

    def filtered(self, name: str, query: str, field: str, state: str) -> str | None:
        return self.items(name, f"{query}&field={quote(field)}&status={state}")

    def cql(self, name: str, query: str, text: str) -> str | None:
        return self.items(name, f"{query}&filter-lang=cql2-text&filter={quote(text)}")

    def after(self, name: str, number: int) -> str | None:
        """The page behind an id; None where there is no such page, or a `next` link has to be followed."""
        return None

    def document(self, path: str) -> str | None:
        return f"{self.base}{path}?{self.tail.lstrip('&')}".rstrip("?") if self.documents else None

    def tile(self, name: str, z: int, x: int, y: int) -> str | None:
        return f"{self.collection(name)}/tiles/WebMercatorQuad/{z}/{y}/{x}" if self.tiles else None


class CityMap(Dialect):
    """Ours; the cursor of a `next` link is read from a page."""

    tail = "&f=json"


class Floor(Dialect):
    """The two floors."""

    documents = False

    def cql(self, name: str, query: str, text: str) -> str | None:
        return None

    def after(self, name: str, number: int) -> str | None:
        return self.items(name, f"limit=10&after={number}")


class Fast(Floor):
    """The bare floor: a document is as many fixed bytes."""

    def document(self, path: str) -> str | None:
        return f"{self.base}/raw/20000"


class Pygeoapi(Dialect):
    tail, tiles, api = "&f=json", False, "/openapi"

    def cql(self, name: str, query: str, text: str) -> str | None:
        return self.items(name, f"{query}&filter={quote(text)}")


class Tipg(Dialect):
    def collection(self, name: str) -> str:
        return f"{self.base}/collections/public.{name}"

    def tile(self, name: str, z: int, x: int, y: int) -> str | None:
        return f"{self.collection(name)}/tiles/WebMercatorQuad/{z}/{x}/{y}"


class MapServer(Dialect):
    """Ignores offset, property filters and CQL2, so these are not asked of it."""

    tail = "&f=json"

    def __init__(self, base: str) -> None:
        super().__init__(f"{base}/ms/CITY/ogcapi")
        self.cgi = f"{base}/ms/"

    def filtered(self, name: str, query: str, field: str, state: str) -> str | None:
        return None

    def cql(self, name: str, query: str, text: str) -> str | None:
        return None

    def tile(self, name: str, z: int, x: int, y: int) -> str | None:
        return f"{self.cgi}?map=CITY&mode=tile&tilemode=gmap&tile={x}+{y}+{z}&layers={name}&map.imagetype=mvt"


class Qgis(Dialect):
    tiles, api = False, "/api.openapi3"

    def __init__(self, base: str) -> None:
        super().__init__(f"{base}/qgis/wfs3")

    def items(self, name: str, query: str) -> str | None:
        return f"{self.collection(name)}/items.json?{query}"

    def item(self, name: str, number: int) -> str | None:
        return f"{self.collection(name)}/items/{number}.json"

    def cql(self, name: str, query: str, text: str) -> str | None:
        return None

    def document(self, path: str) -> str | None:
        return f"{self.base}{path}.json"


Asking = Callable[[Dialect, Draw], list[str | None]]


def _pages(limit: int, dialect: Dialect, draw: Draw) -> list[str | None]:
    return [dialect.items("addresses", f"limit={limit}")]


def _boxes(dialect: Dialect, draw: Draw) -> list[str | None]:
    return [dialect.items("addresses", f"limit=100&bbox={draw.box()}") for _ in range(BOXES)]


def _filtered(dialect: Dialect, draw: Draw) -> list[str | None]:
    return [dialect.filtered("petitions", f"limit=100&bbox={draw.box()}", FIELD, STATE) for _ in range(BOXES)]


def _cql(dialect: Dialect, draw: Draw) -> list[str | None]:
    text = f"field='{FIELD}' AND status='{STATE}'"
    return [dialect.cql("petitions", f"limit=100&bbox={draw.box()}", text) for _ in range(BOXES)]


def _offset(dialect: Dialect, draw: Draw) -> list[str | None]:
    return [dialect.items("addresses", f"limit=10&offset={draw.rows // 2}")]


def _keyset(dialect: Dialect, draw: Draw) -> list[str | None]:
    return [dialect.after("addresses", draw.rng.randrange(draw.rows // 2, draw.rows - 10)) for _ in range(BOXES)]


def _by_id(dialect: Dialect, draw: Draw) -> list[str | None]:
    return [dialect.item("addresses", draw.rng.randrange(1, draw.rows)) for _ in range(IDS)]


def _document(path: str, dialect: Dialect, draw: Draw) -> list[str | None]:
    return [dialect.document(dialect.api if path == "/api" else path)]


def _tiles(name: str, zoom: int, number: int, dialect: Dialect, draw: Draw) -> list[str | None]:
    spread = 0.1 if zoom < 12 else 0.03
    return [dialect.tile(name, *draw.tile(zoom, spread)) for _ in range(number)]


WORKLOADS: dict[str, Asking] = {
    "items 10": partial(_pages, 10),
    "items 100": partial(_pages, 100),
    "items 1000": partial(_pages, 1000),
    "items 10000": partial(_pages, 10_000),
    "bbox 1 km²": _boxes,
    "bbox + field + status": _filtered,
    "bbox + CQL2": _cql,
    "offset, half of all": _offset,
    "keyset, half of all": _keyset,
    "one by id": _by_id,
    "landing": partial(_document, "/"),
    "conformance": partial(_document, "/conformance"),
    "collections": partial(_document, "/collections"),
    "OpenAPI": partial(_document, "/api"),
    "tile wards z10": partial(_tiles, "wards", 10, 2),
    "tile roads z12": partial(_tiles, "roads", 12, 2),
    "tile roads z14": partial(_tiles, "roads", 14, 6),
    "tile addresses z12": partial(_tiles, "addresses", 12, 1),
    "tile addresses z14": partial(_tiles, "addresses", 14, 4),
    "tile addresses z16": partial(_tiles, "addresses", 16, 8),
}
"""Every row of the table: what is asked of a server, out of one draw. Nothing is asked of a server that cannot."""


def urls(workload: str, dialect: Dialect, seed: int, rows: int) -> list[str]:
    """The requests of a workload; none where the server cannot be asked."""
    asked = WORKLOADS[workload](dialect, Draw(random.Random(seed), rows))
    return [url for url in asked if url is not None]
