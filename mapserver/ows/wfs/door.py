"""The address `/wfs`: reads a request by GET or POST, says who asks, answers, and tells what went wrong as OWS does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from mapserver.bodies import Bodies, packed
from mapserver.clerk import Clerk
from mapserver.coding import STREAMED, coding
from mapserver.errors import CityMapError, TooLarge
from mapserver.facts import FactBook
from mapserver.house import House
from mapserver.identity import identity, path
from mapserver.negotiation import language
from mapserver.ows import faults
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.kvp import Pairs, listed, pairs
from mapserver.ows.wfs import answers, capabilities, transactions
from mapserver.ows.wfs.answers import Answer, Telling
from mapserver.ows.wfs.asking import Asked, Desk, from_pairs, from_xml, missing
from mapserver.ows.wfs.capabilities import Offer
from mapserver.ows.wfs.formats import output
from mapserver.ows.wfs.schemas import schema
from mapserver.ows.wfs.versions import NEWEST, V200, Version, meant, negotiated
from mapserver.ows.xml import MAX_BODY_BYTES, attribute, children, name, text, tree
from mapserver.query import Caller, may_see
from mapserver.refusals import refused
from mapserver.store import StoreError

XML = "text/xml; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
NOT_HERE = ("LockFeature", "GetFeatureWithLock", "CreateStoredQuery", "DropStoredQuery", "GetGmlObject")


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read as far as which operation of which version it means. root: what was posted as XML."""

    request: Request
    operation: str
    version: Version
    given: Pairs
    root: Element | None
    caller: Caller
    url: str

    def telling(self, dsn: str) -> Telling:
        """What answers are made with; links to other pages are only made of what came by GET."""
        kept = dict(self.given) if self.root is None else {}
        spoken = language(None, self.request.headers.get("accept-language"))
        return Telling(dsn, self.caller, self.url, kept, spoken)


class WfsDoor:
    """One worker's WFS. dsn: the database as the web workers' role."""

    def __init__(self, house: House, bodies: Bodies, clerk: Clerk, dsn: str) -> None:
        self._house, self._bodies, self._clerk, self._dsn = house, bodies, clerk, dsn
        self._identity = identity(path(house.settings))
        self._facts = FactBook(house.settings, house.catalogue, house.store)

    def routes(self) -> list[BaseRoute]:
        """The one address."""
        return [Route("/wfs", self.answer, methods=["GET", "HEAD", "POST"])]

    async def answer(self, request: Request) -> Response:
        """The answer to any request, or the exception report of the version it is in."""
        version = NEWEST
        try:
            given, root = await _read(request)
            version = _version(given)
            call = await self._call(request, given, root)
            return await self._operations()[call.operation](call)
        except CityMapError as error:
            told = error
        except StoreError as error:
            told = refused(error.sqlstate, error.message)
        report = faults.report("WFS", version.number, told)
        return Response(report.body, report.status, faults.headers(told), f"{report.media_type}; charset=utf-8")

    def _operations(self) -> dict[str, Callable[[Call], Awaitable[Response]]]:
        return {
            "GetCapabilities": self._capabilities,
            "DescribeFeatureType": self._schema,
            "GetFeature": self._features,
            "GetPropertyValue": self._values,
            "ListStoredQueries": self._stored_queries,
            "DescribeStoredQueries": self._stored_query,
            "Transaction": self._transaction,
        }

    async def _call(self, request: Request, given: Pairs, root: Element | None) -> Call:
        if given.get("SERVICE", "WFS").upper() != "WFS":
            raise OwsFault(Code.INVALID, "service", f"needs WFS, got {given['SERVICE'][:40]!r}")
        known = {each.lower(): each for each in self._operations()}
        wanted = name(root) if root is not None else given.needed("REQUEST")
        operation = known.get(wanted.strip().lower())
        if operation is None:
            code = Code.UNSUPPORTED if wanted in NOT_HERE else Code.INVALID
            raise OwsFault(code, "request", f"needs one of {', '.join(known.values())}, got {wanted[:60]!r}")
        if operation == "GetCapabilities":
            given.needed("SERVICE")
        version = negotiated(given) if operation == "GetCapabilities" else meant(given.get("VERSION"))
        caller = await self._house.caller(request)
        return Call(request, operation, version, given, root, caller, f"{self._house.base_url(request)}/wfs")

    def _desk(self, call: Call) -> Desk:
        return Desk(self._house.catalogue, call.caller, call.version)

    # Operations

    async def _capabilities(self, call: Call) -> Response:
        spoken = language(None, call.request.headers.get("accept-language"))
        layers = tuple(layer for layer in self._house.catalogue.vector if may_see(layer, call.caller))
        offer = Offer(call.url, layers, await self._facts.facts(), self._identity, spoken, call.caller)
        return Response(capabilities.capabilities(offer, call.version), media_type=XML)

    async def _schema(self, call: Call) -> Response:
        desk, locator = self._desk(call), call.version.types
        named = [text(each) for each in children(call.root, "TypeName")] if call.root is not None else []
        named += listed(call.given.first("TYPENAMES", "TYPENAME") or "") if call.root is None else ()
        own = output(_described(call.given.get("OUTPUTFORMAT")), call.version)
        if own.gml is None:
            raise OwsFault(Code.INVALID, "outputFormat", f"needs {call.version.output}")
        layers = [desk.layer(each, locator) for each in dict.fromkeys(named)]
        layers = layers or [layer for layer in self._house.catalogue.vector if may_see(layer, call.caller)]
        media_type = own.media_type if own.gml is V200 else XML
        return Response(schema(layers, call.caller, own.gml), media_type=media_type)

    async def _features(self, call: Call) -> Response:
        asked, telling = self._asked(call), call.telling(self._dsn)
        if not asked.by_id or call.version is not V200:
            return await self._sent(call, answers.features(asked, telling))
        answer = answers.one(asked, telling)
        pieces = await self._bodies.begun(answer.source)
        async with aclosing(pieces):  # type: ignore[type-var]
            body = b"".join([piece async for piece in pieces])
        if not body:
            raise missing(call.given.get("ID", "with this id"))
        return Response(body, media_type=answer.media_type)

    async def _values(self, call: Call) -> Response:
        if call.version is not V200:
            raise OwsFault(Code.UNSUPPORTED, "request", f"WFS {call.version.number} has no {call.operation}")
        return await self._sent(call, answers.values(self._asked(call), call.telling(self._dsn)))

    async def _stored_queries(self, call: Call) -> Response:
        layers = tuple(layer for layer in self._house.catalogue.vector if may_see(layer, call.caller))
        return Response(capabilities.stored_queries(layers), media_type=XML)

    async def _stored_query(self, call: Call) -> Response:
        return Response(capabilities.stored_query(), media_type=XML)

    async def _transaction(self, call: Call) -> Response:
        if call.root is None:
            raise OwsFault(Code.UNSUPPORTED, "request", "a Transaction is sent by POST, as XML")
        body = await transactions.done(call.root, self._desk(call), self._clerk)
        return Response(body, media_type=XML)

    def _asked(self, call: Call) -> Asked:
        desk = self._desk(call)
        return from_pairs(desk, call.given) if call.root is None else from_xml(desk, call.root)

    async def _sent(self, call: Call, answer: Answer) -> Response:
        """A body in pieces, packed as the client takes it."""
        headers = {"cache-control": "no-cache"}
        if answer.file:
            headers["content-disposition"] = f'attachment; filename="citymap.{answer.file}"'
        if call.request.method == "HEAD":
            return Response(headers=headers, media_type=answer.media_type)
        pieces = await self._bodies.begun(answer.source)
        packable = answer.media_type != "application/zip"
        chosen = coding(call.request.headers.get("accept-encoding"), STREAMED) if packable else "identity"
        if chosen != "identity":
            headers["content-encoding"] = chosen
        return StreamingResponse(_closing(packed(pieces, chosen)), headers=headers, media_type=answer.media_type)


async def _closing(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, closed at once when nobody takes any more."""
    async with aclosing(pieces):  # type: ignore[type-var]
        async for piece in pieces:
            yield piece


def _version(given: Pairs) -> Version:
    """The version that a report is written in, whatever else is wrong."""
    try:
        asked = given.get("REQUEST", "").strip().lower()
        return negotiated(given) if asked == "getcapabilities" else meant(given.get("VERSION"))
    except OwsFault:
        return NEWEST


def _described(form: str | None) -> str | None:
    return None if form is None or form.strip().upper() == "XMLSCHEMA" else form


async def _read(request: Request) -> tuple[Pairs, Element | None]:
    """The pairs of a request, and what it posted as XML; attributes of its root count as pairs."""
    given = pairs(request.scope["query_string"])
    if request.method != "POST":
        return given, None
    body = await _body(request)
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type == FORM and body.lstrip()[:1] != b"<":
        return Pairs({**given, **pairs(body)}), None
    if not body.strip():
        return given, None
    root = tree(body)
    own = {key.rpartition("}")[2]: value for key, value in root.attrib.items()}
    accepted = [text(each) for each in root.iter() if name(each) == "Version"]
    if accepted and name(root) == "GetCapabilities":
        own["ACCEPTVERSIONS"] = ",".join(accepted)
    stored = next((each for each in root.iter() if name(each) == "Parameter"), None)
    if stored is not None and (attribute(stored, "name") or "").upper() == "ID":
        own.setdefault("ID", text(stored))
    return Pairs({"REQUEST": name(root), **own}), root


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("body", f"is over {MAX_BODY_BYTES // 2**20} MB")
    return bytes(body)
