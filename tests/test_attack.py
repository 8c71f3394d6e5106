"""Hostile requests through every door: the answer is always below 500, and every refusal a problem in words."""

from __future__ import annotations

import json
import random
import re
import socket
from urllib.parse import quote, urlsplit

import httpx
import pytest
from conftest import amount

from mapserver.catalogue import catalogue
from mapserver.settings import ROOT

pytestmark = pytest.mark.postgis

LAYERS = catalogue(ROOT / "layers")
SEED = 20250701
ODD_IDS = (
    "-1", "0", "+1", "01", "1.0", "1e3", "NaN", "null", "%00", "%0a", "%ff%fe", "%F0%28%8C%28", "9223372036854775807",
    "9223372036854775808", "9" * 400, "a" * 4000, "..", "../..", "%2e%2e%2f", "%2F", "'", "' OR 1=1--", "${7*7}",
    "<script>", "１", "๓", "🙂", "%25", "1;2", "1,2", " ", "%20",
)  # fmt: skip
ODD_VALUES = (
    *ODD_IDS,
    "",
    "0",
    "-5",
    "1e400",
    "inf",
    "-inf",
    "true",
    "../../etc/passwd",
    "\\",
    "{}",
    "[]",
    "a=b&c",
    "(" * 3000,
)
ODD_HEADERS = (
    {"accept": ";;;"}, {"accept": "*;q=0"}, {"accept": "*/*;q=0"}, {"accept": "application/json;q=nan"},
    {"accept": ",,,;q=,/"}, {"accept": "a" * 6000}, {"accept": "text/html;q=2"}, {"accept-language": ";;;"},
    {"accept-language": "*;q=0"}, {"accept-language": "xx-" + "y" * 3000}, {"accept-encoding": "gzip;q=x, *;q=0"},
    {"accept-encoding": ",br;;q"}, {"if-none-match": '"'}, {"if-none-match": 'W/"' + "x" * 3000},
    {"authorization": ""}, {"if-none-match": "*"}, {"authorization": "Bearer"}, {"authorization": "Bearer \xff\xfe"},
    {"authorization": "Basic Og=="}, {"authorization": "Bearer " + "A" * 5000}, {"range": "bytes=99999999-1"},
    {"x-forwarded-host": "evil.example", "x-forwarded-proto": "gopher"}, {"content-length": "0", "expect": "nothing"},
)  # fmt: skip
NUMBER = re.compile(r"^\d+$")


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def definition(http):
    return http.get("/api?lang=en").json()


def fine(answer: httpx.Response) -> None:
    """Below 500, and every refusal a problem document that says what is wrong."""
    assert answer.status_code < 500, (str(answer.url)[:300], answer.text[:300])
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", answer.url
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["title"]
        assert problem["detail"]
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "Traceback" not in answer.text


def reads(definition) -> list[str]:
    """The paths that can be read; Open311 refuses in its own form, and takes what it does not know."""
    paths = definition["paths"].items()
    return [where for where, operations in paths if "get" in operations and not where.startswith("/open311/")]


def filled(where: str) -> str:
    """A path with values that are right in its places."""
    right = {
        "{featureId}": "1", "{tileMatrixSetId}": "WebMercatorQuad", "{tileMatrix}": "14", "{tileRow}": "7696",
        "{tileCol}": "13040", "{styleId}": "citymap", "{kind}": "not-found", "{format}": "json",
    }  # fmt: skip
    for name, value in right.items():
        where = where.replace(name, value)
    return where


def test_every_path_refuses_what_it_does_not_know(http, definition):
    for where in reads(definition):
        if where in ("/healthz", "/readyz"):
            continue
        answer = http.get(filled(where), params={"no_such_parameter": "1"})
        assert answer.status_code == 400, where
        fine(answer)


def test_repeated_parameters_are_refused(http, definition):
    for where in reads(definition):
        if where in ("/healthz", "/readyz"):
            continue
        answer = http.get(f"{filled(where)}?f=json&f=html")
        assert answer.status_code == 400, where
        fine(answer)


@pytest.mark.parametrize("headers", ODD_HEADERS, ids=str)
def test_odd_headers_break_nothing(http, definition, headers):
    for where in random.Random(SEED).sample(reads(definition), 25):
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        fine(http.get(filled(where), headers=raw))


@pytest.mark.parametrize(
    "wanted", ["bytes=99999999999-", "bytes=5-1", "bytes=a-b", "bytes=", "lines=1-2", "bytes=0-1,x"]
)
def test_an_odd_range_of_a_raster_gives_the_whole(http, wanted):
    for layer in LAYERS:
        if layer.origin == "raster":
            answer = http.get(f"/collections/{layer.name}/coverage?f=GTiff", headers={"range": wanted})
            assert answer.status_code == 200
            part = http.get(f"/collections/{layer.name}/coverage?f=GTiff", headers={"range": "bytes=0-3"})
            assert (part.status_code, part.content) == (206, answer.content[:4])


@pytest.mark.parametrize("odd", ODD_IDS)
def test_odd_path_segments_are_not_found(http, definition, odd):
    """Each templated place of a few paths of each kind, with a segment that nothing can be called."""
    for where in kinds(definition):
        refused = {400, 404} | ({401} if http.get(filled(where)).status_code == 401 else set())
        for name in re.findall(r"\{\w+\}", where):
            place = filled(where.replace(name, "\0", 1)).replace("\0", odd)
            answer = http.get(place)
            fine(answer)
            if not NUMBER.match(odd) and "/" not in odd and odd not in (".", "..", "%2F", "%2e%2e%2f"):
                assert answer.status_code in refused, place


@pytest.mark.parametrize("odd", ODD_IDS)
def test_odd_collection_ids_are_not_found(http, odd):
    for tail in ("", "/items", "/items/1", "/schema", "/tiles", "/coverage", "/tiles/WebMercatorQuad/1/0/0"):
        answer = http.get(f"/collections/{odd}{tail}")
        fine(answer)
        if ".." not in odd and "%2" not in odd:
            assert answer.status_code == 404, odd


def resolved(definition, parameter) -> dict:
    """A parameter, or the component it refers to."""
    if "$ref" not in parameter:
        return parameter
    return definition["components"]["parameters"][parameter["$ref"].rsplit("/", 1)[1]]


def kinds(definition) -> list[str]:
    """One path of each shape, of a random layer."""
    shapes: dict[str, list[str]] = {}
    for where in reads(definition):
        shapes.setdefault(re.sub(r"^/collections/\w+", "/collections/*", where), []).append(where)
    return [random.Random(SEED).choice(paths) for paths in shapes.values()]


@pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda odd: odd[:20])
def test_odd_values_of_every_parameter(http, definition, odd):
    """Every parameter of one path of each shape, percent-encoded as it is and as raw bytes."""
    for where in kinds(definition):
        for parameter in definition["paths"][where]["get"].get("parameters", []):
            said = resolved(definition, parameter)
            if said["in"] == "query":
                fine(http.get(f"{filled(where)}?{said['name']}={quote(odd)}"))
                if "%" in odd:
                    fine(http.get(f"{filled(where)}?{said['name']}={odd}"))


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "abc", "", "--1", "1_000", "٣"])
def test_a_bad_limit_is_400_in_every_form(http, limit):
    for form in ("json", "html", "jsonld"):
        answer = http.get("/collections/wards/items", params={"limit": limit, "f": form})
        assert answer.status_code == 400
        assert answer.json()["parameter"] == "limit"


def test_a_huge_limit_is_cut_not_refused(http):
    for form in ("json", "html", "jsonld"):
        assert http.get("/collections/schools/items", params={"limit": "9" * 20, "f": form}).status_code == 200


@pytest.mark.parametrize(
    "query", ["?%00=1", "?f=json%00", "?f=%ff", "?%ff=1", "?=", "?&&&", "?f", "?f=json&" + "a=1&" * 300]
)
def test_odd_query_strings(http, query):
    for where in ("/", "/collections", "/collections/wards/items", "/collections/wards/items/1", "/collections/wards"):
        fine(http.get(where + query))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
def test_other_methods_are_405_or_asked_for_a_token(http, definition, method):
    for where in kinds(definition):
        answer = http.request(method, filled(where), content=b"{}", headers={"content-type": "application/geo+json"})
        # 400 and 415 where anybody may send something to be computed: a body of the wrong kind
        computed = where.startswith(("/joins", "/processes")) and method == "POST"
        expected = (200, 204, 401, 403, 405, *((400, 415) if computed else ()))
        assert answer.status_code in expected, (method, where, answer.status_code)
        if answer.status_code == 405:
            assert "GET" in answer.headers["allow"]
        if method != "OPTIONS":
            fine(answer)


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /collections/\xff\xfe HTTP/1.1", b"GET /collections/wards/items?name=\xff\xfe HTTP/1.1",
        b"GET /collections/\xe1\xba\xa1 HTTP/1.1", b"GET // HTTP/1.1", b"GET //collections HTTP/1.1",
        b"GET /collections//items HTTP/1.1", b"GET http://evil.example/collections HTTP/1.1", b"GET * HTTP/1.1",
        b"GET /collections/wards/items/%C0%AE HTTP/1.1", b"GET /?" + b"a" * 20_000 + b" HTTP/1.1",
        b"get / HTTP/1.1", b"GET /%", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9",
    ],
)  # fmt: skip
def test_raw_bytes_leave_the_server_alive(http, server, request_line):
    place = urlsplit(server)
    with socket.create_connection((place.hostname, place.port), timeout=10) as raw:
        raw.sendall(request_line + b"\r\nHost: " + place.netloc.encode() + b"\r\nConnection: close\r\n\r\n")
        said = b""
        while chunk := raw.recv(65536):
            said += chunk
    status = re.match(rb"HTTP/1\.[01] (\d+)", said)
    assert status is None or int(status[1]) < 500, said[:200]
    assert http.get("/healthz").status_code == 200


def test_a_foreign_host_stays_outside(http):
    for host in ("evil.example", "evil.example:8000", "", "127.0.0.1:1", "[::1", "a" * 3000, "localhost:99999", "\xff"):
        answer = http.get("/collections?f=json", headers=[(b"host", host.encode("latin-1"))])
        assert answer.status_code < 500
        assert "evil.example" not in answer.text
        assert answer.status_code >= 400 or not any(
            href.startswith(f"http://{host}/") for href in re.findall(r'"href":"([^"]+)"', answer.text) if host
        )


def test_random_questions(http, definition):
    """Seeded questions out of the definition itself, half of their values right and half not."""
    chance = random.Random(SEED)
    paths = reads(definition)
    for _ in range(amount(500, 20_000)):
        where = chance.choice(paths)
        given = {}
        for parameter in definition["paths"][where]["get"].get("parameters", []):
            said = resolved(definition, parameter)
            if said["in"] == "query" and chance.random() < 0.25:
                given[said["name"]] = likely(chance, said["schema"])
        fine(http.get(filled(where), params=given))


def likely(chance: random.Random, schema: dict) -> str:
    if chance.random() < 0.3:
        return chance.choice(ODD_VALUES)
    if "enum" in schema:
        return chance.choice(schema["enum"])
    match schema.get("type"):
        case "integer":
            return str(chance.choice([0, 1, 2, 10, 10**6, -(2**63)]))
        case "number":
            return str(chance.choice([0.5, -1.0, 1e30, 3]))
        case "boolean":
            return "true"
        case "array":
            return ",".join(likely(chance, schema["items"]) for _ in range(chance.choice([1, 2, 4, 6])))
    return chance.choice(
        ["2025-07-01", "2025-01-01/..", "name = 'x'", "26740", "Lat(10:11)", json.dumps({"op": "not"})]
    )
