"""GetCapabilities of each version: pure functions of what is offered, to whom, in which language."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from mapserver.crs import OFFERED, WGS84
from mapserver.facts import Facts
from mapserver.gml import NAMESPACE, PREFIX
from mapserver.identity import Identity
from mapserver.layer import Language, Layer
from mapserver.ows.references import urn
from mapserver.ows.wfs.asking import BY_ID
from mapserver.ows.wfs.formats import offered
from mapserver.ows.wfs.operators import filter_capabilities
from mapserver.ows.wfs.versions import V100, V110, V200, VERSIONS, Version
from mapserver.ows.xml import document, node, nodes
from mapserver.query import Caller

READING = ("GetCapabilities", "DescribeFeatureType", "GetFeature")
STORED = ("GetPropertyValue", "ListStoredQueries", "DescribeStoredQueries")
CONSTRAINTS = {
    "ImplementsBasicWFS": True, "ImplementsTransactionalWFS": True, "ImplementsLockingWFS": False,
    "KVPEncoding": True, "XMLEncoding": True, "SOAPEncoding": False, "ImplementsInheritance": False,
    "ImplementsRemoteResolve": False, "ImplementsResultPaging": True, "ImplementsStandardJoins": False,
    "ImplementsSpatialJoins": False, "ImplementsTemporalJoins": False, "ImplementsFeatureVersioning": False,
    "ManageStoredQueries": False,
}  # fmt: skip
"""What WFS 2.0 asks every server to declare."""
WORLD = (-180.0, -90.0, 180.0, 90.0)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a capabilities document tells of. url: of the door; layers: those the reader may see."""

    url: str
    layers: tuple[Layer, ...]
    facts: Facts
    identity: Identity
    language: Language
    caller: Caller

    def writes(self, layer: Layer) -> bool:
        """Whether this reader may write the layer; the anonymous one is told what a token could write."""
        return layer.writable and (not self.caller.name or layer.name in self.caller.writes)


def capabilities(offer: Offer, version: Version) -> bytes:
    """The capabilities document of a version."""
    namespaces = {
        "xmlns": version.wfs,
        f"xmlns__{version.filter_prefix}": version.filter,
        "xmlns__gml": version.gml_namespace,
        "xmlns__xlink": "http://www.w3.org/1999/xlink",
        "xmlns__xsd": "http://www.w3.org/2001/XMLSchema",
        "xmlns__xsi": "http://www.w3.org/2001/XMLSchema-instance",
        f"xmlns__{PREFIX}": NAMESPACE,
    }
    if version.ows:
        namespaces["xmlns__ows"] = version.ows
    schema = "http://schemas.opengis.net/wfs/1.0.0/WFS-capabilities.xsd" if version is V100 else version.wfs_schema
    root = node("WFS_Capabilities", version=version.number, xsi__schemaLocation=f"{version.wfs} {schema}", **namespaces)
    parts = _of_100(offer) if version is V100 else _of_ows(offer, version)
    root.extend([*parts, _types(offer, version), filter_capabilities(version)])
    return document(root)


def _types(offer: Offer, version: Version) -> Element:
    listed = node("FeatureTypeList")
    if version is V100:
        listed.append(node("Operations", node("Query")))
    elif version is V110:
        listed.append(node("Operations", node("Operation", "Query")))
    listed.extend(_type(offer, layer, version) for layer in offer.layers)
    return listed


def _type(offer: Offer, layer: Layer, version: Version) -> Element:
    language = offer.language
    west, south, east, north = offer.facts.of(layer).extent.box or WORLD
    told = [
        node("Name", f"{PREFIX}:{layer.name}"),
        node("Title", layer.title[language]),
        node("Abstract", layer.description[language]),
    ]
    if version is V100:
        edges = zip(("minx", "miny", "maxx", "maxy"), map(str, (west, south, east, north)), strict=True)
        writing = [node(name) for name in ("Insert", "Update", "Delete")] if offer.writes(layer) else []
        operations = node("Operations", node("Query"), *writing)
        told += [node("Keywords", layer.theme), node("SRS", "EPSG:4326"), operations]
        return node("FeatureType", *told, node("LatLongBoundingBox", **dict(edges)))
    told += [node("ows:Keywords", node("ows:Keyword", layer.theme)), *_references(layer, version)]
    if version is V110:
        writing_11 = ("Insert", "Update", "Delete") if offer.writes(layer) else ()
        told.append(node("Operations", *nodes("Operation", ("Query", *writing_11))))
    told.append(node("OutputFormats", *nodes("Format", offered())))
    if layer.geometry or version is V110:
        corners = (f"{west} {south}", f"{east} {north}")
        lower, upper = (node(f"ows:{name}Corner", at) for name, at in zip(("Lower", "Upper"), corners, strict=True))
        told.append(node("ows:WGS84BoundingBox", lower, upper))
    return node("FeatureType", *told)


def _references(layer: Layer, version: Version) -> list[Element]:
    """The CRSs that a type is offered in, the default one first."""
    word = "SRS" if version is V110 else "CRS"
    if layer.geometry is None:
        return [node(f"No{word}")]
    others = [urn(crs) for crs in OFFERED if crs != WGS84]
    return [node(f"Default{word}", urn(WGS84)), *nodes(f"Other{word}", others)]


# 1.0.0


def _of_100(offer: Offer) -> list[Element]:
    who, language = offer.identity, offer.language
    service = node(
        "Service",
        node("Name", "WFS"),
        node("Title", who.title[language]),
        node("Abstract", who.description[language]),
        node("Keywords", ", ".join(who.keywords[language])),
        node("OnlineResource", offer.url),
        node("Fees", "NONE"),
        node("AccessConstraints", who.licence),
    )
    get = node("DCPType", node("HTTP", node("Get", onlineResource=f"{offer.url}?")))
    post = node("DCPType", node("HTTP", node("Post", onlineResource=offer.url)))
    operations = [
        node("GetCapabilities", get, post),
        node("DescribeFeatureType", node("SchemaDescriptionLanguage", node("XMLSCHEMA")), get, post),
        node("GetFeature", node("ResultFormat", node("GML2")), get, post),
        node("Transaction", post),
    ]
    return [service, node("Capability", node("Request", *operations))]


# 1.1.0 and 2.0.0


def _of_ows(offer: Offer, version: Version) -> list[Element]:
    who, language = offer.identity, offer.language
    identification = node(
        "ows:ServiceIdentification",
        node("ows:Title", who.title[language]),
        node("ows:Abstract", who.description[language]),
        node("ows:Keywords", *nodes("ows:Keyword", who.keywords[language])),
        node("ows:ServiceType", "WFS"),
        *nodes("ows:ServiceTypeVersion", list(VERSIONS)[::-1] if version is V200 else [version.number]),
        node("ows:Fees", "NONE"),
        node("ows:AccessConstraints", who.licence),
    )
    provider = node(
        "ows:ServiceProvider",
        node("ows:ProviderName", who.provider[language]),
        node("ows:ProviderSite", xlink__href=who.provider_url),
        node("ows:ServiceContact"),
    )
    return [identification, provider, _operations(offer, version)]


def _operations(offer: Offer, version: Version) -> Element:
    parameters = [_parameter("version", list(VERSIONS), version)]
    operations = [
        _operation(offer, "GetCapabilities", version, {"AcceptVersions": list(VERSIONS)}),
        _operation(offer, "DescribeFeatureType", version, {"outputFormat": [version.output]}),
        _operation(offer, "GetFeature", version, {"resultType": ["results", "hits"], "outputFormat": offered()}),
        *([_operation(offer, name, version, {}) for name in STORED] if version is V200 else []),
        _operation(offer, "Transaction", version, {"inputFormat": [version.output]}),
    ]
    constraints = []
    if version is V200:
        constraints = [
            node("ows:Constraint", node("ows:NoValues"), node("ows:DefaultValue", str(given).upper()), name=name)
            for name, given in CONSTRAINTS.items()
        ]
    return node("ows:OperationsMetadata", *operations, *parameters, *constraints)


def _operation(offer: Offer, name: str, version: Version, parameters: dict[str, list[str]]) -> Element:
    get = node("ows:Get", xlink__href=f"{offer.url}?")
    post = node("ows:Post", xlink__href=offer.url)
    ways = [post] if name == "Transaction" else [get, post]
    told = [_parameter(each, values, version) for each, values in parameters.items()]
    return node("ows:Operation", node("ows:DCP", node("ows:HTTP", *ways)), *told, name=name)


def _parameter(name: str, values: list[str], version: Version) -> Element:
    told = nodes("ows:Value", values)
    return node("ows:Parameter", *([node("ows:AllowedValues", *told)] if version is V200 else told), name=name)


# Stored queries


def stored_queries(layers: tuple[Layer, ...]) -> bytes:
    """ListStoredQueries: the one that every server must have."""
    types = nodes("wfs:ReturnFeatureType", (f"{PREFIX}:{layer.name}" for layer in layers))
    query = node("wfs:StoredQuery", node("wfs:Title", "GetFeatureById"), *types, id=BY_ID)
    return document(_stored("wfs:ListStoredQueriesResponse", query))


def stored_query() -> bytes:
    """DescribeStoredQueries: what that one takes."""
    description = node(
        "wfs:StoredQueryDescription",
        node("wfs:Title", "GetFeatureById"),
        node("wfs:Parameter", name="ID", type_="xsd:string"),
        node(
            "wfs:QueryExpressionText",
            returnFeatureTypes="",
            language="urn:ogc:def:queryLanguage:OGC-WFS::WFS_QueryExpression",
            isPrivate="true",
        ),
        id=BY_ID,
    )
    return document(_stored("wfs:DescribeStoredQueriesResponse", description))


def _stored(element: str, inside: Element) -> Element:
    namespaces = {f"xmlns__{PREFIX}": NAMESPACE, "xmlns__xsd": "http://www.w3.org/2001/XMLSchema"}
    return node(element, inside, xmlns__wfs=V200.wfs, **namespaces)
