"""OGC API - Common: landing page, conformance, API definition, collections; JSON, HTML and OpenAPI 3.0 of them.

What Features Part 1 asks in the same words is entered under both."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from openapi_spec_validator import validate

from conformance import faults
from conformance.api import SPEC, Api, check_links, href, media, requirement
from conformance.oracle import instant
from conformance.test_features_core import bounds, time_of

COMMON, COLLECTIONS, FEATURES = (
    "ogcapi-common-1/1.0/req",
    "ogcapi-common-2/1.0/req/collections",
    "ogcapi-features-1/1.0/req",
)
OPENAPI = "application/vnd.oai.openapi+json"


@requirement(f"{COMMON}/landing-page/root-op", f"{FEATURES}/core/root-op", broken_by=faults.status(500, "^/$"))
def test_the_landing_page_answers(api: Api):
    assert api.get("/").status_code == 200


@requirement(
    f"{COMMON}/landing-page/root-success", f"{FEATURES}/core/root-success", broken_by=faults.unlinked("conformance")
)
def test_the_landing_page_links_to_definition_conformance_and_data(api: Api):
    check_links(api.landing, "service-desc", "service-doc", "conformance", "data", "self", "alternate")
    assert isinstance(api.landing["title"], str)
    assert isinstance(api.landing["description"], str)


@requirement(
    f"{COMMON}/landing-page/api-definition-op",
    f"{FEATURES}/core/api-definition-op",
    broken_by=faults.status(404, "^/api$"),
)
def test_the_definition_answers_where_the_landing_page_says(api: Api):
    for rel in ("service-desc", "service-doc"):
        for where in href(api.landing, rel):
            assert api.get(where).status_code == 200, where


@requirement(
    f"{COMMON}/landing-page/api-definition-success",
    f"{FEATURES}/core/api-definition-success",
    broken_by=faults.header("content-type", "text/plain", "^/api$"),
)
def test_the_definition_is_of_the_type_that_is_asked_for(api: Api):
    for link in api.landing["links"]:
        if link["rel"] in ("service-desc", "service-doc"):
            answer = api.get("/api", link["type"])
            assert (answer.status_code, media(answer)) == (200, link["type"].split(";")[0])


@requirement(
    f"{COMMON}/landing-page/conformance-op",
    f"{FEATURES}/core/conformance-op",
    broken_by=faults.status(404, "^/conformance$"),
)
def test_conformance_answers_by_its_path_and_by_its_link(api: Api):
    for where in ("/conformance", *href(api.landing, "conformance")):
        assert api.get(where).status_code == 200, where


@requirement(
    f"{COMMON}/landing-page/conformance-success",
    f"{FEATURES}/core/conformance-success",
    broken_by=faults.saying("http://www.opengis.net/spec/", "", "^/conformance$"),
)
def test_conformance_lists_classes_once_each_by_their_uris(api: Api):
    listed = api.json("/conformance")["conformsTo"]
    assert len(listed) == len(set(listed))
    assert all(uri.startswith("http") for uri in listed)
    assert f"{SPEC}ogcapi-features-1/1.0/conf/core" in listed


@requirement(f"{COMMON}/core/http", f"{FEATURES}/core/http", broken_by=faults.status(200, "/no-such"))
def test_methods_and_statuses_are_those_of_http(api: Api):
    for where in ("/", "/conformance", "/collections", api.items(api.feature_collections[0])):
        got, head = api.get(where), api.http.head(where)
        assert (head.status_code, head.content) == (got.status_code, b""), where
        assert head.headers["content-type"] == got.headers["content-type"]
        assert api.http.request("BREW", where).status_code in (405, 501), where
    for where in ("/no-such", "/collections/no-such", "/collections/no-such/items"):
        assert api.get(where).status_code == 404, where


def documents(api: Api) -> list[str]:
    """Addresses of every kind of document."""
    names = [f"/collections/{name}" for name in api.collections]
    tails = ("/items", "/schema", "/queryables", "/sortables")
    kinds = [f"/collections/{name}{tail}" for name in api.feature_collections for tail in tails]
    ones = [f"{api.items(name)}/{number}" for name in api.feature_collections for number in api.table(name).ids[:1]]
    return ["/", "/conformance", "/api", "/collections", *names, *kinds, *ones]


@requirement(
    f"{COMMON}/core/query-param-name-unknown",
    f"{FEATURES}/core/query-param-unknown",
    broken_by=faults.asking(lambda given: {n: v for n, v in given.items() if n != "no-such-parameter"}),
)
def test_an_unknown_parameter_is_refused_everywhere(api: Api):
    for where in documents(api):
        assert api.get(where, **{"no-such-parameter": "1"}).status_code == 400, where


@requirement(
    f"{COMMON}/core/query-param-value-invalid",
    f"{FEATURES}/core/query-param-invalid",
    broken_by=faults.forgiving(r"/items$"),
)
def test_a_parameter_of_no_meaning_is_refused(api: Api):
    bad = {
        "limit": ["0", "-1", "x", "1.5", "", "1e2"],
        "bbox": ["1,2,3", "1,2,3,4,5", "a,b,c,d", "NaN,0,1,1", "0,0,inf,1", "", "0,10,1,5", "1,2,3,4,"],
        "datetime": ["soon", "2020-13-01", "2020-01-01/2019-01-01", "..", "", "/", "2020-01-01/2020-01-02/2020-01-03"],
        "f": ["no-such-form"],
    }
    for name in api.feature_collections:
        for parameter, texts in bad.items():
            for text in texts:
                if (parameter, text) == ("datetime", "/"):  # an interval open at both ends: see /req/core/fc-time-*
                    continue
                answer = api.get(api.items(name), **{parameter: text})
                assert answer.status_code == 400, f"{answer.url}: {answer.status_code}"


@requirement(f"{COMMON}/core/query-param-capitalization", broken_by=faults.asking(
    lambda given: {n.lower(): v.lower() for n, v in given.items()}
))  # fmt: skip
def test_names_and_values_are_case_sensitive(api: Api):
    for name in api.feature_collections:
        assert api.get(api.items(name), LIMIT=1).status_code == 400
        assert api.get(api.items(name), f="JSON").status_code == 400


@requirement(
    f"{COMMON}/core/query-param-list-delimiter",
    f"{COMMON}/core/query-param-list-escape",
    f"{COMMON}/core/query-param-list-empty",
    broken_by=faults.mishearing("bbox", "^.*$", "0,0,0,0"),
)
def test_a_list_is_delimited_by_commas_plain_or_escaped(api: Api):
    for name in api.spatial():
        lists = ("-180,-90,180,90", "-180%2C-90%2c180%2C90", "-180,-90,180,9%30")
        counts = [len(api.json(f"{api.items(name)}?limit=7&bbox={written}")["features"]) for written in lists]
        assert counts == [min(7, len(api.table(name).ids))] * 3, name


@requirement(
    f"{COMMON}/core/query-param-value-integer",
    f"{COMMON}/core/query-param-value-decimal",
    f"{COMMON}/core/query-param-value-double",
    broken_by=faults.mishearing("bbox", "e1", ""),
)
def test_numbers_may_be_written_as_decimals_or_with_an_exponent(api: Api):
    for name in api.spatial():
        for world in ("-180.0,-90.0,180.0,90.0", "-1.8e2,-9e1,1.8e2,9e1", "-18e1,-90,+180,90."):
            answer = api.get(f"{api.items(name)}?limit=1&bbox={world.replace('+', '%2B')}")
            assert answer.json().get("features"), answer.url


@requirement(
    f"{COMMON}/json/definition",
    f"{COMMON}/json/content",
    broken_by=faults.header("content-type", "text/html", "^/conformance$"),
)
def test_the_documents_come_as_json(api: Api):
    for where in ("/", "/conformance"):
        answer = api.get(where, "application/json")
        assert (answer.status_code, media(answer)) == (200, "application/json")
        assert isinstance(answer.json(), dict)


@requirement(
    f"{COMMON}/html/definition", f"{FEATURES}/html/definition", broken_by=faults.header("content-type", "text/plain")
)
def test_every_document_comes_as_a_page(api: Api):
    for where in documents(api):
        answer = api.get(where, "text/html")
        assert (answer.status_code, media(answer)) == (200, "text/html"), where


@requirement(
    f"{COMMON}/html/content", f"{FEATURES}/html/content", broken_by=faults.saying("(?s)<main.*</main>", "<main></main>")
)
def test_a_page_says_in_its_body_what_the_document_says(api: Api):
    for where in ("/", "/conformance", "/collections", *(f"/collections/{name}" for name in api.collections)):
        page = Body(api.get(where, "text/html").text)
        told = api.json(where, "application/json")
        for name in ("title", "description"):
            assert squeezed(told.get(name, "")) in page.text, (where, name)
        for uri in told.get("conformsTo", []):
            assert uri in page.text or uri in page.hrefs, uri
        for link in told.get("links", []):
            if link["rel"] in ("data", "items", "conformance", "service-doc", "license"):
                assert any(bare(link["href"]) == bare(target) for target in page.hrefs), (where, link)
    for name in api.feature_collections:
        shown = api.get(api.items(name), "text/html", limit=3).text
        for feature in api.json(api.items(name), limit=3)["features"]:
            assert re.search(rf'href="[^"]*/collections/{name}/items/{feature["id"]}[?"]', shown), name


class Body(HTMLParser):
    """The text and the links of a page's body."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.hrefs, self._inside = "", set[str](), False
        self.feed(page)
        self.text = squeezed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = self._inside or tag == "body"
        if tag == "a" and self._inside:
            self.hrefs.add(dict(attrs).get("href") or "")

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside else ""


def squeezed(text: str) -> str:
    return " ".join(text.split())


def bare(url: str) -> str:
    return url.split("?", maxsplit=1)[0].rstrip("/")


@requirement(
    f"{COMMON}/oas30/oas-definition-1",
    f"{FEATURES}/oas30/oas-definition-1",
    broken_by=faults.saying("version=3.0", "version=2.0", "^/$"),
)
def test_the_definition_is_offered_as_openapi_and_as_a_page(api: Api):
    types = {link["type"] for link in api.landing["links"] if link["rel"] in ("service-desc", "service-doc")}
    assert {f"{OPENAPI};version=3.0", "text/html"} <= types
    answer = api.get("/api", f"{OPENAPI};version=3.0")
    assert answer.headers["content-type"].replace(" ", "") == f"{OPENAPI};version=3.0"


@requirement(
    f"{COMMON}/oas30/oas-definition-2",
    f"{FEATURES}/oas30/oas-definition-2",
    broken_by=faults.without("responses", where="^/api$"),
)
def test_the_definition_is_valid_openapi_3_0(api: Api):
    assert api.definition["openapi"].startswith("3.0.")
    try:
        validate(json.loads(json.dumps(api.definition)))
    except Exception as error:
        pytest.fail(f"/api: {error}")


@requirement(
    f"{COMMON}/oas30/oas-impl",
    f"{FEATURES}/oas30/oas-impl",
    broken_by=faults.status(404, "/schema$"),
)
def test_what_the_definition_describes_answers(api: Api):
    for where, operations in api.definition["paths"].items():
        if "get" in operations and "{" not in where:
            described = operations["get"]["responses"]
            answer = api.get(where)
            assert answer.status_code == 200, where
            assert media(answer) in {kind.split(";")[0] for kind in api.resolved(described["200"])["content"]}, where


@requirement(
    f"{COMMON}/oas30/completeness",
    f"{COMMON}/oas30/exceptions-codes",
    f"{FEATURES}/oas30/completeness",
    f"{FEATURES}/oas30/exceptions-codes",
    broken_by=faults.status(418, "no-such|/items/9"),
)
def test_every_answer_is_described(api: Api):
    asked: list[tuple[str, str, dict[str, str]]] = [("/", "/", {"no-such": "1"}), ("/api", "/api", {})]
    for name in api.feature_collections:
        items = api.items(name)
        asked += [(items, items, {}), (items, items, {"limit": "x"}), (items, items, {"f": "no-such"})]
        asked += [(f"{items}/{{featureId}}", f"{items}/9{number}", {}) for number in range(2)]
    for template, where, params in asked:
        answer = api.get(where, **params)
        described = api.definition["paths"][template]["get"]["responses"]
        assert str(answer.status_code) in described, f"{answer.url}: {answer.status_code}"
        if answer.content:
            content = api.resolved(described[str(answer.status_code)])["content"]
            assert media(answer) in {kind.split(";")[0] for kind in content}, answer.url


@requirement(
    f"{COMMON}/oas30/security",
    f"{FEATURES}/oas30/security",
    broken_by=faults.without("security", where="^/api$"),
)
def test_what_needs_a_right_says_so(api: Api):
    schemes = api.definition["components"]["securitySchemes"]
    writing = [
        operation
        for where, operations in api.definition["paths"].items()
        for method, operation in operations.items()
        if where.startswith("/collections/") and method in ("post", "put", "patch", "delete")
    ]
    assert writing
    for operation in writing:
        assert {scheme for choice in operation.get("security", []) for scheme in choice} & set(schemes)


@requirement(
    f"{COLLECTIONS}/collections-list-op", f"{FEATURES}/core/fc-md-op", broken_by=faults.status(404, "^/collections$")
)
def test_the_collections_answer_by_their_path_and_by_their_link(api: Api):
    for where in ("/collections", *href(api.landing, "data")):
        assert api.get(where).status_code == 200, where


@requirement(
    f"{COLLECTIONS}/collections-list-success",
    f"{FEATURES}/core/fc-md-success",
    broken_by=faults.changing(lambda body: body.pop("links"), "^/collections$"),
)
def test_the_collections_are_a_list_with_links(api: Api):
    body = api.json("/collections", "application/json")
    assert isinstance(body["collections"], list)
    assert "links" in body
    for collection in body["collections"]:
        assert isinstance(collection["id"], str)
        assert isinstance(collection["links"], list)


@requirement(
    f"{COLLECTIONS}/collections-list-links",
    f"{FEATURES}/core/fc-md-links",
    broken_by=faults.unlinked("alternate", "^/collections$"),
)
def test_the_collections_link_to_themselves_in_every_form(api: Api):
    check_links(api.json("/collections"), "self", "alternate")


@requirement(
    f"{COLLECTIONS}/collections-list-collections",
    f"{FEATURES}/core/fc-md-items",
    broken_by=faults.changing(lambda body: body["collections"].pop(0), "^/collections$"),
)
def test_every_collection_with_a_path_is_in_the_list(api: Api):
    paths = {where.split("/")[2] for where in api.definition["paths"] if where.startswith("/collections/")}
    assert set(api.collections) == paths - {"{collectionId}"}


@requirement(
    f"{FEATURES}/core/fc-md-items-links", broken_by=faults.saying('"rel": ?"items", ?"type"', '"rel":"items","kind"')
)
def test_a_collection_links_to_its_items_in_every_form(api: Api):
    for name in api.feature_collections:
        said = api.collections[name]
        check_links(said, "items")
        offered = {link["type"] for link in said["links"] if link["rel"] == "items"}
        described = api.resolved(api.definition["paths"][api.items(name)]["get"]["responses"]["200"])["content"]
        assert {kind.split(";")[0] for kind in offered} >= {kind.split(";")[0] for kind in described}, name


@requirement(
    f"{COLLECTIONS}/description-op", f"{FEATURES}/core/sfc-md-op", broken_by=faults.status(404, "^/collections/[^/]+$")
)
def test_every_collection_answers(api: Api):
    for name in api.collections:
        assert api.get(f"/collections/{name}").status_code == 200, name


@requirement(
    f"{COLLECTIONS}/description-success",
    f"{FEATURES}/core/sfc-md-success",
    broken_by=faults.changing(lambda body: body.update(title="?"), "^/collections/[^/]+$"),
)
def test_a_collection_says_the_same_alone_and_in_the_list(api: Api):
    for name, listed in api.collections.items():
        alone = api.json(f"/collections/{name}")
        for member in ("id", "title", "description", "extent", "itemType", "crs", "storageCrs"):
            assert alone.get(member) == listed.get(member), (name, member)
        assert {link["href"] for link in listed["links"]} <= {link["href"] for link in alone["links"]}


@requirement(f"{COLLECTIONS}/description-links", broken_by=faults.unlinked("self", "^/collections/[^/]+$"))
def test_a_collection_links_to_itself_in_every_form(api: Api):
    for name in api.collections:
        said = api.json(f"/collections/{name}")
        check_links(said, "self", "alternate")
        assert all(link.get("rel") for link in said["links"])


@requirement(
    f"{COLLECTIONS}/description-extent",
    f"{COLLECTIONS}/description-extent-multi",
    f"{FEATURES}/core/fc-md-extent",
    f"{FEATURES}/core/fc-md-extent-multi",
    broken_by=faults.saying(r'"bbox": ?\[\[1\d\d', '"bbox": [[120', "^/collections$"),
)
def test_the_extent_holds_every_feature(api: Api):
    for name in api.feature_collections:
        extent = api.collections[name].get("extent", {})
        if api.table(name).placed():
            west, south, east, north = extent["spatial"]["bbox"][0]
            box = bounds(api.table(name))
            assert west <= box[0] <= box[2] <= east, name
            assert south <= box[1] <= box[3] <= north, name
        time = time_of(api, name)
        if time and (known := time.known(api.table(name))):
            first, last = extent["temporal"]["interval"][0]
            assert first is None or instant(first) <= known[0], name
            assert last is None or instant(last) >= known[-1], name
