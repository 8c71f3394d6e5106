"""Documents against the OGC's own schemas, which are not ours to ship: a copy of schemas.opengis.net in a folder.

CITYMAP_OGC_SCHEMAS names that folder (it holds `wfs/`, `gml/`, `ows/`, `filter/`, …, and `w3c/1999/xlink.xsd`,
`w3c/2001/xml.xsd` from w3.org). Without it the tests that need it say so and are left out."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

NAME = "CITYMAP_OGC_SCHEMAS"
OWN = "own:schema"
SCHEMAS = "http://schemas.opengis.net/"
PLACES = {SCHEMAS: "", "http://www.w3.org/": "w3c/"}


def folder() -> Path:
    """The folder of schemas, or a skip that says how to have it."""
    given = os.environ.get(NAME)
    if not given:
        wanted = "wfs, wms, wmts, sld, se, gml, ows, filter, iso"
        pytest.skip(f"{NAME} names no copy of schemas.opengis.net; download its {wanted}")
    return Path(given)


class Copies(etree.Resolver):
    """Addresses of schemas as files of the folder; `own:` is a schema that a test brings."""

    def __init__(self, root: Path, own: bytes) -> None:
        self._root, self._own = root, own

    def resolve(self, url, public_id, context):
        if url == OWN:
            return self.resolve_string(self._own, context, base_url=url)
        for address, place in PLACES.items():
            if url.startswith(address):
                file = self._root / place / url.removeprefix(address)
                return self.resolve_string(file.read_bytes(), context, base_url=url)
        return None


@cache
def schema(*parts: tuple[str, str], own: bytes = b"") -> etree.XMLSchema:
    """One schema that imports several. parts: (namespace, path below schemas.opengis.net, or an address)."""
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    parser.resolvers.add(Copies(folder(), own))
    imports = "".join(
        f'<xsd:import namespace="{namespace}" schemaLocation="{place if ":" in place else SCHEMAS + place}"/>'
        for namespace, place in parts
    )
    text = f'<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema">{imports}</xsd:schema>'
    return etree.XMLSchema(etree.fromstring(text, parser))


def faults(document: bytes, *parts: tuple[str, str], own: bytes = b"") -> list[str]:
    """What a schema has against a document. own: a schema of the server's, imported as OWN."""
    checked = schema(*parts, own=own)
    checked.validate(etree.fromstring(document))
    return [f"{error.line}: {error.message}" for error in checked.error_log][:10]
