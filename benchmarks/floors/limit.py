"""Floor: FastAPI and asyncpg, bytes built in PostGIS. No links, no order, no exact box, no rights.

`DATABASE_URL=… uvicorn limit:app`. What a good Python developer would write in a day and not tune."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI
from starlette.responses import Response
from tables import COLUMNS, TIMES

EDGE = 20037508.342789244
BUFFER = 64 / 4096
state: dict[str, asyncpg.Pool] = {}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=2, max_size=4) as state["pool"]:
        yield


app = FastAPI(lifespan=lifespan)


def feature(table: str) -> str:
    members = []
    for column in COLUMNS[table]:
        text = f"to_json({column})::text"
        if column in TIMES:
            text = f"""'"'||to_char({column} AT TIME ZONE 'UTC','YYYY-MM-DD"T"HH24:MI:SS"Z"')||'"'"""
        members.append(f"""'"{column}":'||coalesce({text}, 'null')""")
    properties = "||','||".join(members)
    return (
        """'{"type":"Feature","id":'||id||',"geometry":'||ST_AsGeoJSON(geom, 7)||"""
        f"""',"properties":{{'||{properties}||'}}}}'"""
    )


@app.get("/collections/{table}/items")
async def items(  # noqa: PLR0917  FastAPI's own way
    table: str,
    limit: int = 10,
    offset: int = 0,
    bbox: str | None = None,
    field: str | None = None,
    status: str | None = None,
    after: int | None = None,
) -> Response:
    met, given = ["true"], list[object]()
    if bbox:
        given += map(float, bbox.split(","))
        met.append("geom && ST_MakeEnvelope($1, $2, $3, $4, 4326)")
    for name, wanted in (("field", field), ("status", status)):
        if wanted is not None:
            given.append(wanted)
            met.append(f"{name} = ${len(given)}")
    if after is not None:
        given.append(after)
        met.append(f"id > ${len(given)}")
    given.append(limit)
    page = f"SELECT * FROM {table} WHERE {' AND '.join(met)} ORDER BY id LIMIT ${len(given)} OFFSET {offset}"
    body = f"""'{{"type":"FeatureCollection","features":['||coalesce(string_agg({feature(table)}, ','), '')||']}}'"""
    content = await state["pool"].fetchval(f"SELECT convert_to({body}, 'UTF8') FROM ({page}) AS page", *given)
    return Response(content, media_type="application/geo+json")


@app.get("/collections/{table}/items/{number}")
async def item(table: str, number: int) -> Response:
    sql = f"SELECT convert_to({feature(table)}, 'UTF8') FROM {table} WHERE id = $1"
    return Response(await state["pool"].fetchval(sql, number), media_type="application/geo+json")


@app.get("/collections/{table}/tiles/WebMercatorQuad/{z}/{y}/{x}")
async def tile(table: str, z: int, y: int, x: int) -> Response:
    side = 2 * EDGE / 2**z
    west, north, more = -EDGE + x * side, EDGE - y * side, side * BUFFER

    def box(wider: float) -> str:
        """Literal numbers: a generic plan of parameters took 15 to 25 % more."""
        edges = (west - wider, north - side - wider, west + side + wider, north + wider)
        return f"ST_MakeEnvelope({', '.join(map(repr, edges))}, 3857)"

    drawn = f"ST_AsMVTGeom(ST_Transform(geom, 3857), {box(0)}, 4096, 64, true) AS geom"
    rows = f"SELECT id, {', '.join(COLUMNS[table])}, {drawn} FROM {table} WHERE geom && ST_Transform({box(more)}, 4326)"
    content = await state["pool"].fetchval(
        f"SELECT ST_AsMVT(rows, '{table}', 4096, 'geom', 'id') FROM ({rows}) AS rows"
    )
    return Response(content, media_type="application/vnd.mapbox-vector-tile")
