"""The catalogue as a page for people: every layer, its columns, and who answers for it.

`docs/layers.md` is this page of the city's own catalogue; a test keeps it fresh."""

from __future__ import annotations

from collections.abc import Iterator

from mapserver.catalogue import Catalogue
from mapserver.layer import Access, Column, Layer

ORIGINS = {"ingest": "table", "view": "view", "raster": "raster", "table": "existing table"}


def page(layers: Catalogue) -> str:
    """Markdown: a table of all layers, then a section each."""
    return "\n".join([*_head(layers), *(line for layer in layers for line in _section(layer))]).rstrip() + "\n"


def _head(layers: Catalogue) -> Iterator[str]:
    yield "# Layers"
    yield ""
    yield "Written by `citymap layers docs` out of `layers/*.yml`; do not edit by hand."
    yield ""
    yield "| layer | lớp | kind | geometry | update |"
    yield "|---|---|---|---|---|"
    for layer in layers:
        shape = layer.geometry or "–"
        origin = ORIGINS[layer.origin]
        yield f"| [`{layer.name}`](#{layer.name}) | {layer.title.vi} | {origin} | {shape} | {layer.update} |"
    yield ""


def _section(layer: Layer) -> Iterator[str]:
    yield f"## {layer.name}"
    yield ""
    yield f"**{layer.title.vi}** · {layer.title.en}"
    yield ""
    yield layer.description.vi
    yield ""
    yield layer.description.en
    yield ""
    yield f"Owner: {layer.owner.vi} ({layer.owner.en}). Source: {layer.source.en}. Licence: {layer.licence}."
    yield from filter(None, (_access(layer.access), _rules(layer)))
    yield ""
    yield "| column | tên | title | type | unit or codes | also read as |"
    yield "|---|---|---|---|---|---|"
    yield from map(_row, layer.columns)
    yield ""


def _rules(layer: Layer) -> str:
    said = [f"Key: `{layer.key}`." if layer.key else "", f"Time: `{layer.time}`." if layer.time else ""]
    return " ".join([text for text in said if text] + (["Written through the API."] if layer.writable else []))


def _access(access: Access) -> str:
    return "" if access.level == "public" else f"**{access.level}**: {access.reason} (review {access.review})."


def _row(column: Column) -> str:
    marks = ", ".join(filter(None, (column.type, "required" if column.required else "", _access(column.access))))
    cells = (f"`{column.name}`", column.title.vi, column.title.en, marks, _values(column), ", ".join(column.aliases))
    return f"| {' | '.join(cells)} |"


def _values(column: Column) -> str:
    if column.codes:
        return ", ".join(f"`{code}` {title.vi}" for code, title in column.codes.items())
    return column.unit or ""
