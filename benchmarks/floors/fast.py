"""Floor: bare ASGI, prepared binary rows of libpq handed to the encoder, nothing kept between requests.

`DATABASE_URL=… granian --interface asgi fast:app`. No links, no exact box, no rights, no ETag.
`/raw/N` answers N fixed bytes: what the web server alone costs."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from psycopg import pq
from tables import COLUMNS, KINDS

from mapserver.encoder import encoder
from mapserver.rowstatements import Shape
from mapserver.store import Rows

Send = Callable[[dict[str, Any]], Awaitable[None]]
JSON = (b"content-type", b"application/geo+json")
MVT = (b"content-type", b"application/vnd.mapbox-vector-tile")
ENCODER = encoder()
BUFFER = 64 / 4096
free: asyncio.LifoQueue[Link] = asyncio.LifoQueue()


class Link:
    """One connection, driven by the event loop, one question at a time."""

    def __init__(self) -> None:
        self.pg = pq.PGconn.connect(os.environ["DATABASE_URL"].encode())
        self.pg.nonblocking = 1
        self.prepared: set[bytes] = set()

    async def result(self) -> pq.abc.PGresult:
        loop, found = asyncio.get_running_loop(), None
        self.pg.flush()  # a question of a few bytes goes at once
        while True:
            while self.pg.is_busy():
                done = loop.create_future()
                loop.add_reader(self.pg.socket, done.set_result, None)
                await done
                loop.remove_reader(self.pg.socket)
                self.pg.consume_input()
            result = self.pg.get_result()
            if result is None:
                assert found is not None
                return found
            found = result

    async def ask(self, sql: str, given: list[bytes]) -> Rows:
        name = hashlib.md5(sql.encode()).hexdigest().encode()
        if name not in self.prepared:
            self.pg.send_prepare(name, sql.encode())
            await self.result()
            self.prepared.add(name)
        self.pg.send_query_prepared(name, given, result_format=pq.Format.BINARY)
        return Rows(await self.result())


async def asked(sql: str, given: list[bytes]) -> Rows:
    link = await free.get()
    try:
        return await link.ask(sql, given)
    finally:
        free.put_nowait(link)


@cache
def features(table: str) -> tuple[str, Shape]:
    keys = b"\0" + b"".join(f'"{column}":\0'.encode() for column in COLUMNS[table]) + b"\0"
    return f"SELECT id, {', '.join(COLUMNS[table])}, geom FROM {table}", Shape(f"I{KINDS[table]}G".encode(), keys)


@cache
def tiles(table: str) -> Shape:
    return Shape(f"I{KINDS[table]}G".encode(), b"".join(f"{name}\0".encode() for name in ("", *COLUMNS[table], "")))


async def items(table: str, query: bytes) -> bytes:
    given = {name: values[0] for name, values in parse_qs(query.decode()).items()}
    select, shape = features(table)
    met, arguments = [], list[bytes]()
    if "bbox" in given:
        arguments += [edge.encode() for edge in given["bbox"].split(",")]
        met.append("geom && ST_MakeEnvelope($1::float8, $2::float8, $3::float8, $4::float8, 4326)")
    for name, test in (("field", "field = ${}::text"), ("status", "status = ${}::text"), ("after", "id > ${}::bigint")):
        if name in given:
            arguments.append(given[name].encode())
            met.append(test.format(len(arguments)))
    limit, offset = given.get("limit", "10"), given.get("offset", "0")
    arguments += [limit.encode(), offset.encode()]
    where = f" WHERE {' AND '.join(met)}" if met else ""
    last = len(arguments)
    sql = f"{select}{where} ORDER BY id LIMIT ${last - 1}::bigint OFFSET ${last}::bigint"
    rows = await asked(sql, arguments)
    return b'{"type":"FeatureCollection","features":[%b]}' % encoded(rows, shape, int(limit))


def encoded(rows: Rows, shape: Shape, limit: int) -> bytes:
    found = ENCODER and ENCODER.features(rows, shape, limit, 1 << 30, decimals=7, swap=False, backward=False)
    assert found
    return found[0]


async def item(table: str, number: str) -> bytes:
    select, shape = features(table)
    return encoded(await asked(f"{select} WHERE id = $1::bigint", [number.encode()]), shape, 1)


async def tile(table: str, z: int, y: int, x: int) -> bytes:
    side = 2.0**z

    def latitude(row: float) -> float:
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * row / side))))

    edges = ((x - BUFFER) / side * 360 - 180, latitude(y + 1 + BUFFER), (x + 1 + BUFFER) / side * 360 - 180,
             latitude(y - BUFFER))  # fmt: skip
    box = ", ".join(f"{edge!r}" for edge in edges)
    rows = await asked(f"{features(table)[0]} WHERE geom && ST_MakeEnvelope({box}, 4326)", [])
    made = ENCODER and ENCODER.tile(rows, tiles(table), table, (z, x, y), buffer=64, mercator=False)
    assert made is not None
    return made


async def answered(path: str, query: bytes) -> tuple[bytes, tuple[bytes, bytes]]:
    match path.split("/")[1:]:
        case ["raw", size]:
            return raw(int(size)), JSON
        case ["collections", table, "items"]:
            return await items(table, query), JSON
        case ["collections", table, "items", number]:
            return await item(table, number), JSON
        case ["collections", table, "tiles", _, z, y, x]:
            return await tile(table, int(z), int(y), int(x)), MVT
    raise LookupError(path)


@cache
def raw(size: int) -> bytes:
    return b"x" * size


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] == "lifespan.startup":
            for _ in range(4):
                free.put_nowait(Link())
            await send({"type": "lifespan.startup.complete"})
        await send({"type": f"{message['type']}.complete"})
        return
    try:
        status, (body, kind) = 200, await answered(scope["path"], scope["query_string"])
    except (LookupError, ValueError, AssertionError) as error:
        status, body, kind = 404, repr(error).encode(), (b"content-type", b"text/plain")
    headers = [kind, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
