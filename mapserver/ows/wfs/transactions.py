"""Transaction: insert, update, replace and delete, as the same edits that every door makes; all are done, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree.ElementTree import Element

import orjson
import shapely

from mapserver import edits, features
from mapserver.clerk import Clerk, Row, permitted
from mapserver.crs import Crs
from mapserver.errors import MethodNotAllowed
from mapserver.features import MAX_BATCH
from mapserver.gml import GEOMETRY
from mapserver.layer import Column, Layer
from mapserver.ows import geometries
from mapserver.ows.faults import Code, OwsFault
from mapserver.ows.filters import About, filtering, property_name
from mapserver.ows.references import reference
from mapserver.ows.wfs.asking import Desk
from mapserver.ows.wfs.versions import V100, V110, V200, Version
from mapserver.ows.xml import attribute, child, children, document, name, namespace, node, text
from mapserver.query import ItemsQuery
from mapserver.statements import Statement

Kind = Literal["Insert", "Update", "Replace", "Delete"]
MOST_ARGUMENTS = 60_000
"""Values of one statement; PostgreSQL takes 65,535."""
_GML = "http://www.opengis.net/gml"
_MEMBERS = ("featureMember", "featureMembers", "member")


@dataclass(frozen=True, slots=True)
class Action:
    """One edit of a transaction. handle: the client's name for it."""

    kind: Kind
    layer: Layer
    statement: Statement
    handle: str = ""


async def done(root: Element, desk: Desk, clerk: Clerk) -> bytes:
    """Does a transaction, whole; its response. Raises OwsFault, or what rights and checks have to say."""
    actions = [action for element in children(root) for action in _actions(element, desk)]
    rows = await clerk.all_rows(desk.caller, [action.statement for action in actions]) if actions else []
    return document(_response(desk.version, [*zip(actions, rows, strict=True)]))


def _actions(element: Element, desk: Desk) -> Iterator[Action]:
    match name(element):
        case "Insert":
            yield from _inserts(element, desk)
        case "Update":
            yield _update(element, desk)
        case "Replace":
            yield _replace(element, desk)
        case "Delete":
            layer = _writable(attribute(element, "typeName") or "", desk)
            yield Action("Delete", layer, edits.remove(_meant(element, layer, desk), desk.caller), _handle(element))
        case "LockId":
            raise OwsFault(Code.OPTION, "LockId", "locks are not offered")
        case "Native" if (attribute(element, "safeToIgnore") or "").lower() == "true":
            return
        case other:
            raise OwsFault(Code.INVALID, other[:60], "is no action of a transaction here")


def _writable(named: str, desk: Desk) -> Layer:
    """A layer that this caller may write. Raises OwsFault, Unauthorized or Forbidden."""
    if not named:
        raise OwsFault(Code.MISSING, "typeName", "is required")
    layer = desk.layer(named, "typeName")
    try:
        permitted(layer, desk.caller)
    except MethodNotAllowed as error:
        raise OwsFault(Code.UNSUPPORTED, "typeName", error.detail) from error
    return layer


def _inserts(element: Element, desk: Desk) -> Iterator[Action]:
    """One statement for the features of each layer, several where they are many."""
    by_layer: dict[str, list[Element]] = {}
    for feature in _features(element):
        by_layer.setdefault(name(feature), []).append(feature)
    if sum(map(len, by_layer.values())) > MAX_BATCH:
        raise OwsFault(Code.PROCESSING, "Insert", f"holds more than {MAX_BATCH} features")
    for named, members in by_layer.items():
        layer = _writable(named, desk)
        made = [_feature(layer, each, desk, attribute(element, "srsName")) for each in members]
        step = MOST_ARGUMENTS // (len(layer.columns) + 2)
        for at in range(0, len(made), step):
            statement = edits.insert(layer, tuple(made[at : at + step]), desk.caller)
            yield Action("Insert", layer, statement, _handle(element))


def _features(element: Element) -> Iterator[Element]:
    """The features in an element, out of collections and members."""
    for each in children(element):
        if name(each) in ("FeatureCollection", *_MEMBERS):
            yield from _features(each)
        elif not namespace(each).startswith(_GML):
            yield each


def _feature(layer: Layer, element: Element, desk: Desk, srs: str | None) -> features.Feature:
    """A feature in GML, checked as one in GeoJSON."""
    given, shape, crs = _content(layer, element, desk, srs)
    raw = {"type": "Feature", "geometry": shape, "properties": given}
    return features.feature(layer, raw, desk.caller, crs)


def _content(layer: Layer, element: Element, desk: Desk, srs: str | None) -> tuple[dict[str, Any], Any, Crs]:
    """Properties and geometry of a feature as GeoJSON has them, and the CRS of its coordinates."""
    columns, given = layer.by_name, dict[str, Any]()
    shape, crs = None, reference(srs, "srsName").crs if srs else desk.version.default.crs
    for each in children(element):
        if namespace(each).startswith(_GML):
            continue
        found = geometries.found(each) if name(each) == GEOMETRY else None
        if found is not None:
            shape, crs = _shape(layer, found, crs)
        elif name(each) != GEOMETRY:
            given[name(each)] = _collected(given, name(each), columns.get(name(each)), text(each))
    return given, shape, crs


def _collected(given: dict[str, Any], named: str, column: Column | None, written: str) -> Any:
    """A value of a property; a list has one more each time it is named."""
    value = _value(column, written)
    if column is not None and column.type == "text[]":
        return [*given.get(named, []), *([] if value is None else [value])]
    return value


def _value(column: Column | None, written: str) -> Any:
    """A text as JSON would have the value; what cannot be read stays text, for the checks to tell of."""
    if not written:
        return None
    try:
        match column.type if column else "":
            case "integer":
                return int(written) if len(written) <= 30 else written
            case "number":
                return float(written)
            case "boolean":
                return {"true": True, "1": True, "false": False, "0": False}.get(written.lower(), written)
            case "datetime" if len(written) in range(19, 27) and "+" not in written and not written.endswith("Z"):
                return f"{written}Z"
    except ValueError:
        return written
    return written


def _shape(layer: Layer, element: Element, crs: Crs) -> tuple[Any, Crs]:
    """A geometry as GeoJSON has it; a single one where the layer has several parts is a multi of one."""
    srs = geometries.srs_name(element)
    shape = geometries.geometry(element)
    raw = orjson.loads(shapely.to_geojson(shape))
    if layer.geometry == f"Multi{raw['type']}":
        raw = {"type": layer.geometry, "coordinates": [raw["coordinates"]]}
    return raw, reference(srs, "srsName").crs if srs else crs


def _update(element: Element, desk: Desk) -> Action:
    layer = _writable(attribute(element, "typeName") or "", desk)
    given, shape, crs = dict[str, Any](), None, desk.version.default.crs
    srs = attribute(element, "srsName")
    crs = reference(srs, "srsName").crs if srs else crs
    for each in children(element, "Property"):
        named = child(each, "Name", "ValueReference")
        written = child(each, "Value")
        column = property_name(text(named), "Property")
        found = geometries.found(written) if written is not None else None
        if column == GEOMETRY and found is not None:
            shape, crs = _shape(layer, found, crs)
        else:
            given[column] = _collected(given, column, layer.by_name.get(column), text(written))
    if not given and shape is None:
        raise OwsFault(Code.MISSING, "Property", "an Update changes at least one")
    made = features.changes(layer, given, shape, desk.caller, crs)
    return Action("Update", layer, edits.change(_meant(element, layer, desk), made, desk.caller), _handle(element))


def _replace(element: Element, desk: Desk) -> Action:
    (feature,) = [*_features_of_replace(element)][:1] or (None,)
    if feature is None:
        raise OwsFault(Code.MISSING, "Replace", "needs a feature and a Filter")
    layer = _writable(name(feature), desk)
    made = _feature(layer, feature, desk, attribute(element, "srsName"))
    return Action("Replace", layer, edits.change(_meant(element, layer, desk), made, desk.caller), _handle(element))


def _features_of_replace(element: Element) -> Iterator[Element]:
    return (each for each in children(element) if name(each) != "Filter")


def _meant(element: Element, layer: Layer, desk: Desk) -> ItemsQuery:
    """The features that an action means: without a filter it means none, and is refused."""
    condition = child(element, "Filter")
    if condition is None:
        raise OwsFault(Code.MISSING, "Filter", f"a {name(element)} says which features it means")
    if layer.if_match:
        detail = f"{layer.name} is changed only by naming the version, which OGC API does and WFS cannot"
        raise OwsFault(Code.PROCESSING, "typeName", detail)
    about = About(layer, desk.columns(layer), desk.version.default.crs)
    return ItemsQuery(layer, filter=filtering(condition, about))


def _handle(element: Element) -> str:
    return attribute(element, "handle") or ""


# Responses


def _response(version: Version, told: list[tuple[Action, list[Row]]]) -> Element:
    if version is V100:
        return _response_100(told)
    totals = {"Insert": 0, "Update": 0, "Replace": 0, "Delete": 0}
    for action, rows in told:
        totals[action.kind] += len(rows)
    words = {"Insert": "Inserted", "Update": "Updated", "Replace": "Replaced", "Delete": "Deleted"}
    counted = [
        node(f"wfs:total{word}", str(totals[kind]))
        for kind, word in words.items()
        if version is V200 or kind != "Replace"
    ]
    return node(
        "wfs:TransactionResponse",
        node("wfs:TransactionSummary", *counted),
        *_results(version, told),
        version=version.number,
        **_namespaces(version),
    )


def _results(version: Version, told: list[tuple[Action, list[Row]]]) -> Iterator[Element]:
    """The ids of the features that were touched; WFS 1.1 tells those of the new ones, and asks for one always."""
    for kind in ("Insert", "Update", "Replace") if version is V200 else ("Insert",):
        results = [
            node("wfs:Feature", _id(version, each), **({"handle": action.handle} if action.handle else {}))
            for action, rows in told
            if action.kind == kind
            for each in _ids(action, rows)
        ]
        if not results and version is V110:
            results = [node("wfs:Feature", _id(version, "none"))]
        if results:
            yield node(f"wfs:{kind}Results", *results)


def _response_100(told: list[tuple[Action, list[Row]]]) -> Element:
    results = [
        node(
            "wfs:InsertResult",
            *(_id(V100, each) for each in _ids(action, rows)),
            **({"handle": action.handle} if action.handle else {}),
        )
        for action, rows in told
        if action.kind == "Insert"
    ]
    status = node("wfs:TransactionResult", node("wfs:Status", node("wfs:SUCCESS")))
    return node("wfs:WFS_TransactionResponse", *results, status, version="1.0.0", **_namespaces(V100))


def _ids(action: Action, rows: list[Row]) -> Iterator[str]:
    """Ids as they are given out; an edit tells the id alone, an insert the whole feature."""
    for body, _ in rows:
        number = orjson.loads(body)
        yield f"{action.layer.name}.{number['id'] if isinstance(number, dict) else number}"


def _id(version: Version, identifier: str) -> Element:
    return node("fes:ResourceId", rid=identifier) if version is V200 else node("ogc:FeatureId", fid=identifier)


def _namespaces(version: Version) -> dict[str, str]:
    return {"xmlns__wfs": version.wfs, f"xmlns__{version.filter_prefix}": version.filter}
