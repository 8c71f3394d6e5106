"""The server as a client sees it, and the register of requirements."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import pytest
from conftest import amount

from conformance.oracle import Oracle, Table

SPEC = "http://www.opengis.net/spec/"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
GEOJSON, SCHEMA, PROBLEM = "application/geo+json", "application/schema+json", "application/problem+json"
DASHED = {"bbox_crs": "bbox-crs", "filter_lang": "filter-lang", "filter_crs": "filter-crs"}
"""Parameters whose names are no names in Python."""
MANY = 200
"""More features than this are counted, not read; five times as many when all is asked for."""
Fault = Callable[[httpx.Request, "Send"], httpx.Response]
Send = Callable[[httpx.Request], httpx.Response]


@dataclass(frozen=True)
class Check:
    """One test of a requirement, and the fault that must make it fail."""

    requirement: str
    function: Callable[..., None]
    broken_by: Fault

    @property
    def conformance_class(self) -> str:
        return class_of(self.requirement)


CHECKS: list[Check] = []


def class_of(requirement: str) -> str:
    """`ogcapi-features-1/1.0/req/core/root-op` belongs to `ogcapi-features-1/1.0/conf/core`."""
    return requirement.rpartition("/")[0].replace("/req/", "/conf/")


def requirement(*names: str, broken_by: Fault) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enters a test under the requirements it looks at, and marks it by them."""

    def enter(function: Callable[..., None]) -> Callable[..., None]:
        CHECKS.extend(Check(name, function, broken_by) for name in names)
        return pytest.mark.postgis(pytest.mark.requirement(*names)(function))

    return enter


@dataclass
class Api:
    """A server, what it says of itself, and what is true of its data."""

    http: httpx.Client
    oracle: Oracle
    token: str = ""

    def get(self, where: str, accept: str = "", /, **params: Any) -> httpx.Response:
        """An answer, whatever its status."""
        named = {DASHED.get(name, name): value for name, value in params.items()}
        return self.http.get(where, params=named or None, headers={"accept": accept} if accept else None)

    def json(self, where: str, accept: str = "", /, **params: Any) -> Any:
        """The JSON of a good answer."""
        answer = self.get(where, accept, **params)
        assert answer.status_code == 200, f"{answer.url}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def send(self, method: str, where: str, body: Any = None, media: str = GEOJSON, **headers: str) -> httpx.Response:
        """A request with the right to write; `_` in a header's name stands for `-`."""
        named = {"authorization": f"Bearer {self.token}", "content-type": media}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, where, json=body, headers={n: v for n, v in named.items() if v})

    @cached_property
    def landing(self) -> dict[str, Any]:
        return self.json("/", "application/json")

    @cached_property
    def declared(self) -> list[str]:
        """The classes declared, below SPEC where they are OGC's."""
        return [uri.removeprefix(SPEC) for uri in self.json("/conformance")["conformsTo"]]

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The API definition."""
        return self.json("/api")

    @cached_property
    def collections(self) -> dict[str, dict[str, Any]]:
        """Every collection by its id."""
        return {collection["id"]: collection for collection in self.json("/collections")["collections"]}

    @cached_property
    def feature_collections(self) -> list[str]:
        """Ids of the collections that have features."""
        found = [name for name, said in self.collections.items() if any(href(said, "items", GEOJSON))]
        assert found, "no collection links to its items"
        return found

    def spatial(self) -> list[str]:
        """Ids of the feature collections that have features with a geometry."""
        return [name for name in self.feature_collections if self.table(name).placed()]

    def filled(self, name: str) -> bool:
        return len(self.table(name).ids) > 0

    def table(self, name: str) -> Table:
        """What is stored for a collection."""
        return self.oracle.table(name)

    def items(self, name: str) -> str:
        return f"/collections/{name}/items"

    def parameters(self, where: str, method: str = "get") -> dict[str, dict[str, Any]]:
        """The parameters that the API definition gives an operation, by name, references resolved."""
        path = self.definition["paths"][where]
        given = [*path.get("parameters", []), *path[method].get("parameters", [])]
        return {said["name"]: said for said in (self.resolved(parameter) for parameter in given)}

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """What a reference inside the API definition points at."""
        while "$ref" in node:
            place: Any = self.definition
            for key in node["$ref"].removeprefix("#/").split("/"):
                place = place[key.replace("~1", "/").replace("~0", "~")]
            node = place
        return node

    def pages(self, where: str, /, **params: Any) -> Iterator[dict[str, Any]]:
        """The pages of features, by `next`."""
        body = self.json(where, **params)
        yield body
        while following := next(href(body, "next"), None):
            body = self.json(following)
            yield body

    def ids(self, name: str, /, **params: Any) -> list[int]:
        """Ids of every feature of a collection that the parameters mean, in the order they come."""
        asked = {"limit": 10000, **params}
        if "properties" in self.parameters(self.items(name)):
            asked.setdefault("properties", "")
        return [feature["id"] for body in self.pages(self.items(name), **asked) for feature in body["features"]]

    def check(self, name: str, expected: list[int], /, **params: Any) -> None:
        """The parameters mean exactly these features. Where they are many, they are counted, and one page is read."""
        if len(expected) <= amount(MANY, 5 * MANY) or "resultType" not in self.parameters(self.items(name)):
            found = self.ids(name, **params)
            assert sorted(found) == expected, f"{name} {params}: {sorted(found)[:9]}…, not {expected[:9]}…"
            return
        counted = self.json(self.items(name), resultType="hits", **params)["numberMatched"]
        assert counted == len(expected), f"{name} {params}: {counted}, not {len(expected)}"
        page = [feature["id"] for feature in self.json(self.items(name), limit=20, **params)["features"]]
        assert page == expected[:20], f"{name} {params}: {page[:9]}…, not {expected[:9]}…"


def href(document: dict[str, Any], rel: str, media: str = "") -> Iterator[str]:
    """The addresses of a document's links of a relation, and of a media type if one is given."""
    for link in document.get("links", []):
        if link["rel"] == rel and (not media or link.get("type", "").split(";")[0] == media):
            yield link["href"]


def some(things: list[Any], number: int, seed: str = "") -> list[Any]:
    """At most so many of the things, the same ones in every run."""
    return random.Random(f"conformance {seed}").sample(things, number) if len(things) > number else things


def media(answer: httpx.Response) -> str:
    """The media type of an answer, without parameters."""
    return answer.headers.get("content-type", "").split(";")[0]


def check_links(document: dict[str, Any], *rels: str) -> None:
    """A document has links of these relations, and each says its type."""
    for rel in rels:
        found = [link for link in document.get("links", []) if link["rel"] == rel]
        assert found, f"no link {rel!r}"
        assert all(link.get("type") and link.get("href") for link in found), found
