"""GetFeature and its relatives as questions, out of key-value pairs or of XML, the same for every version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from mapserver import cql2
from mapserver.catalogue import Catalogue
from mapserver.cql2.expression import Call, Expression, Property
from mapserver.cql2.sql import GEOMETRY, ID
from mapserver.crs import CRS84
from mapserver.errors import CityMapError, NotFound
from mapserver.layer import Column, Layer
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.filters import About, box, by_ids, filtering, property_name
from mapserver.ows.kvp import Pairs, listed
from mapserver.ows.references import Reference, reference
from mapserver.ows.wfs.versions import Version
from mapserver.ows.xml import attribute, children, local, text, tree
from mapserver.query import Caller, Filter, ItemsQuery, Sort, opened, seen

BY_ID = "urn:ogc:def:query:OGC-WFS::GetFeatureById"
BY_ID_NAMES = (BY_ID, "http://www.opengis.net/def/query/OGC-WFS/0/GetFeatureById", "GetFeatureById")
MOST = 2**62
FIRST_INT = 2**53


@dataclass(frozen=True, slots=True)
class Wanted:
    """One question, and the name of the CRS that its answer is written in."""

    query: ItemsQuery
    reference: Reference


@dataclass(frozen=True, slots=True)
class Asked:
    """A GetFeature or a GetPropertyValue, read. limit and offset are over all its questions together."""

    version: Version
    wanted: tuple[Wanted, ...]
    form: str | None = None
    limit: int | None = None
    offset: int = 0
    hits: bool = False
    by_id: bool = False
    """Asked by the stored query: the answer is the feature itself."""
    value: str = ""
    """The property that GetPropertyValue asks for."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What requests are read against."""

    catalogue: Catalogue
    caller: Caller
    version: Version

    def layer(self, named: str, locator: str) -> Layer:
        """The layer of a feature type. Raises OwsFault, or Unauthorized or Forbidden."""
        try:
            layer = opened(self.catalogue.layers, local(named), self.caller)
        except NotFound as error:
            raise OwsFault(Code.INVALID, locator, f"there is no feature type {named[:60]!r}") from error
        if layer.origin == "raster":
            raise OwsFault(Code.INVALID, locator, f"{layer.name} is a raster, without features")
        return layer

    def columns(self, layer: Layer) -> Mapping[str, Column]:
        """The columns that the caller may see."""
        return seen(layer, self.caller.insider)


# Key-value pairs


def from_pairs(desk: Desk, given: Pairs) -> Asked:
    """A GetFeature or GetPropertyValue of a GET request, or of a form."""
    stored = given.get("STOREDQUERY_ID")
    common = Asked(
        desk.version,
        (),
        form=given.get("OUTPUTFORMAT"),
        limit=given.whole("COUNT" if "COUNT" in given else "MAXFEATURES", MOST),
        offset=given.whole("STARTINDEX", FIRST_INT) or 0,
        hits=_hits(given.get("RESULTTYPE")),
        value=given.get("VALUEREFERENCE") or "",
    )
    if stored is not None:
        return replace(common, wanted=(_stored(desk, stored, given, given),), by_id=True)
    names = _type_names(desk, given)
    parts = {key: _parallel(given, key, len(names)) for key in ("FILTER", "PROPERTYNAME", "SORTBY")}
    wanted = tuple(
        _from_pairs(desk, given, desk.layer(each, desk.version.types), {key: part[i] for key, part in parts.items()})
        for i, each in enumerate(names)
    )
    return replace(common, wanted=wanted)


def _from_pairs(desk: Desk, given: Pairs, layer: Layer, own: Mapping[str, str | None]) -> Wanted:
    srs = _reference(desk, given.get("SRSNAME"), "srsName")
    about = About(layer, desk.columns(layer), (srs if "SRSNAME" in given else desk.version.default).crs)
    filters = [
        *([filtering(tree(own["FILTER"]), about)] if own["FILTER"] else []),
        *([_in_box(desk, given["BBOX"], layer)] if "BBOX" in given else []),
        *([by_ids(list(listed(ids)), layer)] if (ids := given.first("RESOURCEID", "FEATUREID")) else []),
        *([Filter(cql2.parsed(given["CQL_FILTER"]))] if "CQL_FILTER" in given else []),
    ]
    columns = about.columns
    return _wanted(
        layer,
        srs,
        _joined(filters),
        _selection(_names(own["PROPERTYNAME"]), layer, columns, "propertyName"),
        tuple(_sorts(own["SORTBY"], columns)),
    )


def _type_names(desk: Desk, given: Pairs) -> list[str]:
    text = given.first("TYPENAMES", "TYPENAME")
    if text is None:
        ids = given.first("RESOURCEID", "FEATUREID")
        if ids is None:
            raise OwsFault(Code.MISSING, desk.version.types, "is required")
        text = ",".join(dict.fromkeys(each.rpartition(".")[0] for each in listed(ids)))
    names = list(listed(text.replace(")(", ",").strip("()")))
    if not names or len(names) > 50:
        raise OwsFault(Code.INVALID, desk.version.types, "needs 1 to 50 feature types")
    return names


def _parallel(given: Pairs, key: str, number: int) -> list[str | None]:
    """A parameter for each feature type: `(one)(two)`, or one for all of them."""
    text = given.get(key)
    if text is None or not text.startswith("("):
        return [text] * number
    parts: list[str | None] = [part or None for part in text.removeprefix("(").removesuffix(")").split(")(")]
    if len(parts) not in (1, number):
        raise OwsFault(Code.INVALID, key, f"needs one part in parentheses for each of {number} feature types")
    return parts * number if len(parts) == 1 else parts


def _names(text: str | None) -> list[str] | None:
    """The names of `propertyName`; None for all of them."""
    return None if text is None or text.strip() == "*" else list(listed(text))


def _sorts(text: str | None, columns: Mapping[str, Column]) -> Iterator[Sort]:
    """`name,pupils D` or `pupils DESC`."""
    for part in listed(text or ""):
        named, _, order = part.partition(" ")
        yield _sort(named, order.strip().upper() or "ASC", columns)


def _sort(named: str, order: str, columns: Mapping[str, Column]) -> Sort:
    column = property_name(named, "sortBy")
    if column not in columns or columns[column].type == "text[]":
        raise OwsFault(Code.INVALID, "sortBy", f"cannot sort by {column[:60]!r}; there are {', '.join(columns)}")
    if order not in ("A", "ASC", "D", "DESC", "ASCENDING", "DESCENDING"):
        raise OwsFault(Code.INVALID, "sortBy", f"needs ASC or DESC, got {order[:20]!r}")
    return Sort(column, order.startswith("D"))


def _in_box(desk: Desk, given: str, layer: Layer) -> Filter:
    """`bbox=a,b,c,d[,crs]`, in the axis order of its CRS, or of the version's default."""
    parts = given.split(",")
    srs = _reference(desk, ",".join(parts[4:]) or None, "bbox")
    try:
        edges = tuple(float(part) for part in parts[:4])
    except ValueError as error:
        raise OwsFault(Code.INVALID, "bbox", f"needs four numbers and a CRS, got {given[:60]!r}") from error
    if len(edges) != 4 or not all(abs(edge) < 1e12 for edge in edges):
        raise OwsFault(Code.INVALID, "bbox", f"needs four numbers and a CRS, got {given[:60]!r}")
    if layer.geometry is None:
        raise OwsFault(Code.INVALID, "bbox", f"{layer.name} has no geometry")
    return Filter(Call("s_intersects", (Property(GEOMETRY), box(edges, srs.crs, "bbox"))))


# XML


def from_xml(desk: Desk, root: Element) -> Asked:
    """A GetFeature or GetPropertyValue that was posted."""
    given = Pairs({key.rpartition("}")[2]: text for key, text in root.attrib.items()})
    common = Asked(
        desk.version,
        (),
        form=given.get("OUTPUTFORMAT"),
        limit=given.whole("COUNT" if "COUNT" in given else "MAXFEATURES", MOST),
        offset=given.whole("STARTINDEX", FIRST_INT) or 0,
        hits=_hits(given.get("RESULTTYPE")),
        value=given.get("VALUEREFERENCE") or "",
    )
    stored = [*children(root, "StoredQuery")]
    if stored:
        parameters = {(attribute(e, "name") or "").upper(): text(e) for e in children(stored[0], "Parameter")}
        wanted = _stored(desk, attribute(stored[0], "id") or "", parameters, given)
        return replace(common, wanted=(wanted,), by_id=True)
    queries = [*children(root, "Query")]
    if not 0 < len(queries) <= 50:
        raise OwsFault(Code.MISSING, "Query", "needs 1 to 50 queries")
    return replace(common, wanted=tuple(_from_query(desk, query) for query in queries))


def _from_query(desk: Desk, element: Element) -> Wanted:
    locator = desk.version.types
    named = attribute(element, "typeNames") or attribute(element, "typeName")
    if not named:
        raise OwsFault(Code.MISSING, locator, "is required")
    if len(named.split()) > 1 or "," in named:
        raise OwsFault(Code.OPTION, locator, "joins of feature types are not offered")
    layer = desk.layer(named, locator)
    srs_text = attribute(element, "srsName")
    srs = _reference(desk, srs_text, "srsName")
    about = About(layer, desk.columns(layer), (srs if srs_text else desk.version.default).crs)
    filters = [filtering(each, about) for each in children(element, "Filter")]
    names = [text(each) for each in children(element, "PropertyName")]
    sorts = [_sorted_by(each, about.columns) for by in children(element, "SortBy") for each in children(by)]
    selected = _selection(None if not names or "*" in names else names, layer, about.columns, "PropertyName")
    return _wanted(layer, srs, _joined(filters), selected, tuple(sorts))


def _sorted_by(element: Element, columns: Mapping[str, Column]) -> Sort:
    named = next(children(element, "PropertyName", "ValueReference"), None)
    order = next(children(element, "SortOrder"), None)
    if named is None:
        raise OwsFault(Code.MISSING, "SortBy", "a SortProperty needs the name of a property")
    return _sort(text(named), text(order).upper() or "ASC", columns)


# Both


def _wanted(
    layer: Layer, srs: Reference, condition: Filter | None, names: tuple[str, ...] | None, sort: tuple[Sort, ...]
) -> Wanted:
    if len({term.column for term in sort}) < len(sort):
        raise OwsFault(Code.INVALID, "sortBy", "names a property twice")
    query = ItemsQuery(layer, limit=MOST, sort=sort, properties=names, filter=condition, crs=srs.crs)
    return Wanted(query, srs)


def _selection(
    names: list[str] | None, layer: Layer, columns: Mapping[str, Column], locator: str
) -> tuple[str, ...] | None:
    """The properties that are asked for, those that every feature must have among them."""
    if names is None:
        return None
    wanted = [property_name(each, locator) for each in names]
    known = {GEOMETRY, ID, "boundedBy", *columns}
    for each in wanted:
        if each not in known:
            offered = ", ".join([*columns, *([GEOMETRY] if layer.geometry else [])])
            raise OwsFault(Code.INVALID, locator, f"there is no property {each[:60]!r}; there are {offered}")
    return tuple(each for each in (*columns, GEOMETRY) if each in wanted)


def _joined(filters: list[Filter]) -> Filter | None:
    """All conditions together; each holds its geometries in longitude and latitude."""
    if not filters:
        return None
    expressions: tuple[Expression, ...] = tuple(each.expression for each in filters)
    return Filter(expressions[0] if len(expressions) == 1 else Call("and", expressions), CRS84)


def _stored(desk: Desk, identifier: str, parameters: Mapping[str, str], given: Pairs) -> Wanted:
    """The one stored query that there is: a feature by its id."""
    if identifier not in BY_ID_NAMES:
        raise OwsFault(Code.INVALID, "storedquery_id", f"there is no query {identifier[:80]!r}; there is {BY_ID}")
    wanted = parameters.get("ID")
    if not wanted:
        raise OwsFault(Code.MISSING, "ID", "is required by GetFeatureById")
    try:
        layer = desk.layer(wanted.rpartition(".")[0], "ID")
    except CityMapError as error:
        raise missing(wanted) if isinstance(error, OwsFault) else error from error
    return _wanted(layer, _reference(desk, given.get("SRSNAME"), "srsName"), by_ids([wanted], layer), None, ())


def missing(wanted: str) -> OwsFault:
    """No feature has this id."""
    return OwsFault(Code.NOT_FOUND, "ID", f"there is no feature {wanted[:80]!r}")


def _reference(desk: Desk, text: str | None, locator: str) -> Reference:
    return reference(text, locator) if text else desk.version.default


def _hits(text: str | None) -> bool:
    if text is not None and text.lower() not in ("results", "hits"):
        raise OwsFault(Code.INVALID, "resultType", f"needs results or hits, got {text[:40]!r}")
    return text is not None and text.lower() == "hits"
