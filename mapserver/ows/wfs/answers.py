"""The answers to GetFeature and GetPropertyValue: which text stands where, around the members that are streamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

import orjson

from mapserver import gml
from mapserver.bodies import Source
from mapserver.crs import CRS84, WGS84
from mapserver.downloads import Download
from mapserver.errors import BadQuery
from mapserver.featurecollections import Collection, Page, Shape
from mapserver.formats import FORMATS, offered
from mapserver.layer import Language
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.filters import property_name
from mapserver.ows.references import urn
from mapserver.ows.wfs.asking import Asked, Wanted
from mapserver.ows.wfs.formats import Output, output
from mapserver.ows.wfs.versions import V100, V110, V200, Version
from mapserver.query import Caller, ItemsQuery, seen
from mapserver.statements import Statement, feature_json, selection, shown

XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True)
class Answer:
    """What writes a body, and how the body is named."""

    source: Source
    media_type: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Telling:
    """What answers are made with. url: of the door; given: the parameters of the request, for links to other pages."""

    dsn: str
    caller: Caller
    url: str
    given: dict[str, str]
    language: Language


def features(asked: Asked, telling: Telling) -> Answer:
    """The answer to GetFeature. Raises OwsFault for what a format cannot hold."""
    chosen = output(asked.form, asked.version)
    if chosen.kind in ("csv", "shp"):
        return _file(asked, chosen, telling)
    shape = _geojson(asked, telling) if chosen.kind == "geojson" else _gml(asked, chosen.gml or V200, telling)
    counted = V200 in (asked.version, chosen.gml)
    return Answer(_collection(asked, shape, telling, counted=counted), chosen.media_type)


def values(asked: Asked, telling: Telling) -> Answer:
    """The answer to GetPropertyValue of WFS 2.0."""
    (one,) = asked.wanted if len(asked.wanted) == 1 else (None,)
    if one is None:
        raise OwsFault(Code.OPTION, "typeNames", "the values of one feature type are given at a time")
    if not asked.value:
        raise OwsFault(Code.MISSING, "valueReference", "is required")
    name = _valued(one, asked.value, telling.caller)
    form = gml.Form("3.2.1", one.reference.name, "wfs:member")

    def head(pages: tuple[Page, ...]) -> bytes:
        return XML + _opened("wfs:ValueCollection", V200, _counts(asked, pages, telling), telling, (one,))

    def members(query: ItemsQuery, limit: int | None) -> Statement:
        return gml.values(query, telling.caller, limit, form, name)

    shape = Shape(head, members, b"</wfs:ValueCollection>")
    return Answer(_collection(asked, shape, telling), "application/gml+xml; version=3.2")


def _valued(one: Wanted, given: str, caller: Caller) -> str:
    name = property_name(given, "valueReference")
    columns = seen(one.query.layer, caller.insider)
    if name not in (*columns, *([gml.GEOMETRY] if one.query.layer.geometry else [])):
        offered_here = ", ".join(columns)
        raise OwsFault(Code.INVALID, "valueReference", f"there is no property {name[:60]!r}; there are {offered_here}")
    return name


def _collection(asked: Asked, shape: Shape, telling: Telling, *, counted: bool = True) -> Collection:
    return Collection(
        telling.dsn,
        telling.caller,
        tuple(each.query for each in asked.wanted),
        shape,
        limit=asked.limit,
        offset=asked.offset,
        counted=asked.hits or counted,
        hits=asked.hits,
    )


# GML


def _gml(asked: Asked, version: Version, telling: Telling) -> Shape:
    forms = {each.query.layer.name: _form(each, version) for each in asked.wanted}

    def members(query: ItemsQuery, limit: int | None) -> Statement:
        return gml.features(query, telling.caller, limit, forms[query.layer.name])

    def head(pages: tuple[Page, ...]) -> bytes:
        counts = _counts(asked, pages, telling) if version is V200 else _number(asked, pages, version)
        bounded = b"<gml:boundedBy><gml:null>unknown</gml:null></gml:boundedBy>" if version is V100 else b""
        return XML + _opened("wfs:FeatureCollection", version, counts, telling, asked.wanted) + bounded

    def opened(page: Page) -> bytes:
        counted = f'timeStamp="{_now()}" numberMatched="{page.matched}" numberReturned="{page.returned}"'
        return f"<wfs:member><wfs:FeatureCollection {counted}>".encode()

    shape = Shape(head, members, b"</wfs:FeatureCollection>")
    if version is V200 and len(asked.wanted) > 1:
        return replace(shape, opened=opened, closed=b"</wfs:FeatureCollection></wfs:member>")
    return shape


def _form(wanted: Wanted, version: Version) -> gml.Form:
    """How features are written; a CRS that was not named is named as the version of the GML has it."""
    return gml.Form(version.gml, wanted.reference.name, version.member)


def _number(asked: Asked, pages: tuple[Page, ...], version: Version) -> str:
    """`numberOfFeatures` of WFS 1.1.0: of all when only their number is asked, else of those given, where known."""
    known = [page.matched if asked.hits else page.returned for page in pages]
    told = f' numberOfFeatures="{sum(known)}"' if all(n is not None for n in known) else ""  # type: ignore[arg-type]
    return f' timeStamp="{_now()}"{told}' if version is V110 or asked.hits else ""


def _counts(asked: Asked, pages: tuple[Page, ...], telling: Telling) -> str:
    """Attributes of a collection of WFS 2.0, with the links to the pages after and before it."""
    matched, returned = sum(page.matched or 0 for page in pages), sum(page.returned or 0 for page in pages)
    told = f' timeStamp="{_now()}" numberMatched="{matched}" numberReturned="{returned}"'
    if asked.hits or asked.limit is None or not telling.given:
        return told
    if asked.offset + returned < matched:
        told += f" next={_page(telling, asked.offset + asked.limit)}"
    if asked.offset > 0:
        told += f" previous={_page(telling, max(0, asked.offset - asked.limit))}"
    return told


def _page(telling: Telling, offset: int) -> str:
    kept = {name: text for name, text in telling.given.items() if name != "STARTINDEX"}
    return quoteattr(f"{telling.url}?{urlencode({**kept, 'STARTINDEX': str(offset)})}")


def _opened(element: str, version: Version, attributes: str, telling: Telling, wanted: tuple[Wanted, ...]) -> bytes:
    """The start tag of a collection, with every namespace in it and where their schemas are."""
    names = ",".join(dict.fromkeys(f"{gml.PREFIX}:{each.query.layer.name}" for each in wanted))
    described = {"SERVICE": "WFS", "VERSION": version.number, "REQUEST": "DescribeFeatureType"}
    schema = f"{telling.url}?{urlencode({**described, version.types.upper(): names})}"
    gml_schema = f" {version.gml_namespace} {version.gml_schema}" if version is V200 else ""
    locations = f"{version.wfs} {version.wfs_schema} {gml.NAMESPACE} {escape(schema)}{gml_schema}"
    return (
        f'<{element} xmlns:wfs="{version.wfs}" xmlns:gml="{version.gml_namespace}" xmlns:{gml.PREFIX}="{gml.NAMESPACE}"'
        f' xmlns:xsi="{XSI}" xsi:schemaLocation="{locations}"{attributes}>'
    ).encode()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# GetFeatureById


def one(asked: Asked, telling: Telling) -> Answer:
    """The feature that GetFeatureById asks for, as the root of the document; an empty body when there is none."""
    wanted = asked.wanted[0]
    form = _form(wanted, V200)
    namespaces = f' xmlns:gml="{V200.gml_namespace}" xmlns:{gml.PREFIX}="{gml.NAMESPACE}"'.encode()
    name = f"<{gml.PREFIX}:{wanted.query.layer.name}".encode()

    def members(query: ItemsQuery, limit: int | None) -> Statement:
        return gml.feature(query, telling.caller, form)

    source = Collection(telling.dsn, telling.caller, (wanted.query,), Shape(lambda pages: b"", members, b""))
    return Answer(_Rooted(source, name, namespaces), "application/gml+xml; version=3.2")


@dataclass(frozen=True, slots=True)
class _Rooted:
    """A feature made a document of its own: its start tag is given the namespaces."""

    source: Collection
    name: bytes
    namespaces: bytes

    def __iter__(self) -> Iterator[bytes]:
        body = b"".join(self.source)
        if body:
            yield XML + body.replace(self.name, self.name + self.namespaces, 1)

    def cancel(self) -> None:
        self.source.cancel()


# GeoJSON and files


def _geojson(asked: Asked, telling: Telling) -> Shape:
    """A collection of RFC 7946; one in another CRS names it by the member that GeoJSON had until then."""
    crs = asked.wanted[0].query.crs
    named = {"type": "name", "properties": {"name": urn(crs)}}
    member = b"" if crs.srid == 4326 else b'"crs":' + orjson.dumps(named) + b","

    def members(query: ItemsQuery, limit: int | None) -> Statement:
        plain = replace(query, crs=CRS84) if query.crs == WGS84 else query
        feature = feature_json(plain.layer, shown(plain, telling.caller), plain.crs)
        return selection(plain, telling.caller, [feature], limit)

    def head(pages: tuple[Page, ...]) -> bytes:
        known = [page.matched for page in pages if page.matched is not None]
        counted = b'"numberMatched":%d,' % sum(known) if len(known) == len(pages) else b""
        return b'{"type":"FeatureCollection",%b%b"features":[' % (member, counted)

    return Shape(head, members, b"]}", between=b",")


def _file(asked: Asked, chosen: Output, telling: Telling) -> Answer:
    if len(asked.wanted) > 1 or asked.hits:
        raise OwsFault(Code.OPTION, "outputFormat", f"{chosen.names[0]} holds the features of one feature type")
    query, made = replace(asked.wanted[0].query, offset=asked.offset), FORMATS[chosen.kind]
    if made not in offered(query.layer):
        raise BadQuery("outputFormat", f"{query.layer.name} has no geometry, which {chosen.names[0]} is made for")
    download = Download(telling.dsn, query, telling.caller, made, asked.limit, telling.language)
    return Answer(download, chosen.media_type, made.suffix)
