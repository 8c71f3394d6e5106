"""All SQL that reads a layer as GML: one feature as one text, for GML 2.1.2, 3.1.1 and 3.2.1.

A text holds no line break and no tab of its own (values have them as character references), so that COPY's text form
only doubles its backslashes. What XML 1.0 cannot hold is left out of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mapserver.crs import Crs
from mapserver.layer import Column, Layer
from mapserver.query import Caller, ItemsQuery
from mapserver.statements import (
    DEGREE_DECIMALS,
    METRE_DECIMALS,
    Statement,
    outline,
    selection,
    shown,
    value_json,
)
from mapserver.tables import literal, quoted

Version = Literal["2.1.2", "3.1.1", "3.2.1"]
PREFIX = "citymap"
NAMESPACE = "urn:citymap:layers"
"""The namespace of every feature type; not an address, so that it is the same under any host name."""
GEOMETRY = "geometry"
"""The element that holds a feature's geometry, named as in CQL2 and GeoJSON."""
MULTI = {
    "MultiPoint": ("MultiPoint", "pointMember"),
    "MultiLineString": ("MultiCurve", "curveMember"),
    "MultiPolygon": ("MultiSurface", "surfaceMember"),
}
"""Element of a multi-geometry in GML 3, and of each of its members."""
_SPECIAL = r"'[&<>\u0001-\u001f\ufffe\uffff]'"
_UNPRINTABLE = "||".join(f"chr({code})" for code in [*range(1, 9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
_REFERENCES = (("'&'", "'&amp;'"), ("'<'", "'&lt;'"), ("'>'", "'&gt;'"), ("chr(9)", "'&#9;'"), ("chr(10)", "'&#10;'"),
               ("chr(13)", "'&#13;'"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """How features are written. srs: the name of the CRS as it stands in `srsName`; member: element around each."""

    version: Version
    srs: str
    member: str


def features(query: ItemsQuery, caller: Caller, limit: int | None, form: Form) -> Statement:
    """Rows of one text, a feature within its member element each, in the question's order."""
    what = _feature(query.layer, shown(query, caller), query.crs, form, placed=with_geometry(query))
    return selection(query, caller, [f"'<{form.member}>'||{what}||'</{form.member}>'"], limit)


def feature(query: ItemsQuery, caller: Caller, form: Form) -> Statement:
    """Rows of one text, a bare feature each, with the namespaces it needs: the answer of GetFeatureById."""
    what = _feature(query.layer, shown(query, caller), query.crs, form, placed=True)
    return selection(query, caller, [what], None)


def values(query: ItemsQuery, caller: Caller, limit: int | None, form: Form, name: str) -> Statement:
    """Rows of one text, the value of one property within a member each; features without it are left out."""
    column = query.layer.by_name.get(name)
    what = _placed(query.layer, query.crs, form) if column is None else _value(query.layer, column)
    met = selection(query, caller, [f"{what} AS _value"], limit)
    sql = f"SELECT '<{form.member}>'||_value||'</{form.member}>' FROM ({met.sql}) AS rows WHERE _value IS NOT NULL"
    return Statement(sql, met.arguments)


def with_geometry(query: ItemsQuery) -> bool:
    """Whether the geometry is asked for: it is a property like any other here."""
    return query.layer.geometry is not None and (query.properties is None or GEOMETRY in query.properties)


def _feature(layer: Layer, columns: tuple[Column, ...], crs: Crs, form: Form, *, placed: bool) -> str:
    name, key = f"{PREFIX}:{layer.name}", "fid" if form.version == "2.1.2" else "gml:id"
    members = [_member(column.name, _value(layer, column), column) for column in columns]
    if placed and layer.geometry:
        members.append(_wrapped(GEOMETRY, _placed(layer, crs, form), sure=layer.origin == "ingest"))
    inside = "||".join(members) or "''"
    return f"""'<{name} {key}="{layer.name}.'||id||'">'||{inside}||'</{name}>'"""


def _member(name: str, value: str, column: Column) -> str:
    if column.type == "text[]":
        return f"coalesce({value},'')"
    return _wrapped(name, value, sure=False)


def _wrapped(name: str, value: str, *, sure: bool) -> str:
    """A value within its element; nothing at all where it is null."""
    element = f"'<{PREFIX}:{name}>'||{value}||'</{PREFIX}:{name}>'"
    return element if sure else f"coalesce({element},'')"


def _value(layer: Layer, column: Column) -> str:
    """A value as text of XML; lists come as repeated elements, tags and all."""
    match column.type:
        case "integer" | "number" | "boolean":
            return value_json(layer, column)
        case "date" | "datetime":
            return f"""trim(both '"' from {value_json(layer, column)})"""
        case "text[]":
            tags = f"'<{PREFIX}:{column.name}>'||{escaped('part')}||'</{PREFIX}:{column.name}>'"
            parts = f"unnest({quoted(column.name)}) WITH ORDINALITY AS parts(part, place)"
            return f"(SELECT string_agg({tags}, '' ORDER BY place) FROM {parts})"
        case _:
            return escaped(quoted(column.name))


def escaped(text: str) -> str:
    """A text with character references where XML, or COPY, would take a character for its own."""
    out = f"translate({text}, {_UNPRINTABLE}, '')"
    for character, reference in _REFERENCES:
        out = f"replace({out}, {character}, {reference})"
    return f"(CASE WHEN {text} ~ {_SPECIAL} THEN {out} ELSE {text} END)"


def _placed(layer: Layer, crs: Crs, form: Form) -> str:
    """The geometry as GML, with its CRS on the outermost element, its coordinates in the CRS's order."""
    shape = outline(layer, crs)
    if crs.swap:
        shape = f"ST_FlipCoordinates({shape})"
    if layer.geometry in MULTI and form.version == "3.2.1":
        return _parts(layer.geometry, shape, crs, form, layer)
    if layer.geometry == "Geometry" and form.version == "3.2.1":
        return _any(shape, crs, form, layer)
    return _whole(shape, crs, form, _id(layer))


def _whole(shape: str, crs: Crs, form: Form, identified: str) -> str:
    """A geometry as PostGIS writes it; without an SRID, so that the name of the CRS is ours to write."""
    decimals = DEGREE_DECIMALS if crs.srid == 4326 else METRE_DECIMALS
    version, options = (2, 0) if form.version == "2.1.2" else (3, 4)
    own = f", {identified}" if form.version == "3.2.1" else ""
    written = f"ST_AsGML({version}, ST_SetSRID({shape}, 0), {decimals}, {options}, 'gml'{own})"
    named = literal(rf'\& srsName="{form.srs}"')
    return f"regexp_replace({written}, '^<[A-Za-z:]+', {named})"


def _parts(kind: str, shape: str, crs: Crs, form: Form, layer: Layer) -> str:
    """A multi-geometry of GML 3.2 whose members have ids of their own: PostGIS gives them all the same."""
    element, member = MULTI.get(kind, ("MultiGeometry", "geometryMember"))
    decimals = DEGREE_DECIMALS if crs.srid == 4326 else METRE_DECIMALS
    place = "array_to_string(part.path, '.')"
    part = f"ST_AsGML(3, ST_SetSRID(part.geom, 0), {decimals}, 4, 'gml', {_id(layer)}||'.'||{place})"
    parts = f"SELECT string_agg('<gml:{member}>'||{part}||'</gml:{member}>', '' ORDER BY part.path)"
    opened = f"""'<gml:{element} srsName="{form.srs}" gml:id="'||{_id(layer)}||'">'"""
    return f"{opened}||({parts} FROM ST_Dump({shape}) AS part)||'</gml:{element}>'"


def _any(shape: str, crs: Crs, form: Form, layer: Layer) -> str:
    """A geometry of any type."""
    several = (*MULTI, "GeometryCollection")
    kinds = [f"WHEN 'ST_{kind}' THEN {_parts(kind, shape, crs, form, layer)}" for kind in several]
    return f"(CASE ST_GeometryType(geom) {' '.join(kinds)} ELSE {_whole(shape, crs, form, _id(layer))} END)"


def _id(layer: Layer) -> str:
    return f"'{layer.name}.'||id||'.{GEOMETRY}'"
