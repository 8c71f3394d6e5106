"""XML of an OWS request as a tree, read without entities, DTDs or anything from outside, and within limits.

expat below defusedxml stops at the first DOCTYPE: there is nothing to expand and nowhere to go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from mapserver.errors import TooLarge
from mapserver.ows.faults import Code, OwsFault, printable

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
"""Levels of elements: a filter of the depth that CQL2 allows, in a query, in a transaction."""


def tree(body: bytes | str) -> Element:
    """The root element of a document. Raises OwsFault, OperationParsingFailed, for what is no safe XML."""
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge("body", f"is over {MAX_BODY_BYTES // 2**20} MB")
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        raise OwsFault(Code.PARSING, "body", "may have no DOCTYPE and no entities of its own") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise OwsFault(Code.PARSING, "body", f"is not well-formed XML: {error}") from error
    if _depth(root) > MAX_DEPTH:
        raise OwsFault(Code.PARSING, "body", f"is nested deeper than {MAX_DEPTH} levels")
    return root


def _depth(root: Element) -> int:
    """Levels of elements, counted without recursion."""
    depth, level = 0, [root]
    while level and depth <= MAX_DEPTH:
        depth, level = depth + 1, [child for element in level for child in element]
    return depth


def name(element: Element) -> str:
    """The local name of an element."""
    return str(element.tag).rpartition("}")[2]


def namespace(element: Element) -> str:
    """The namespace of an element, empty where it has none."""
    return str(element.tag).rpartition("}")[0].removeprefix("{")


def attribute(element: Element, wanted: str) -> str | None:
    """An attribute by its local name, whatever its namespace."""
    return next((text for key, text in element.attrib.items() if key.rpartition("}")[2] == wanted), None)


def children(element: Element, *names: str) -> Iterator[Element]:
    """The children of these local names, all of them when none is given."""
    return (child for child in element if not names or name(child) in names)


def child(element: Element, *names: str) -> Element | None:
    """The first child of these local names."""
    return next(children(element, *names), None)


def text(element: Element | None) -> str:
    """The text of an element and of all below it, without blanks around it; empty for None."""
    return "".join(element.itertext()).strip() if element is not None else ""


def local(qualified: str) -> str:
    """The local part of a qualified name: `citymap:schools`, `{urn}schools`, `schools`."""
    return qualified.strip().rpartition("}")[2].rpartition(":")[2]


Content = Element | str | None


def node(tag: str, *content: Content, **attributes: str) -> Element:
    """An element of an answer, named with its prefix; its children, its text. None is left out.

    In attributes `__` stands for the colon and a trailing `_` for nothing: `xlink__href`, `type_`."""
    element = Element(tag, {key.rstrip("_").replace("__", ":"): value for key, value in attributes.items()})
    for part in content:
        if isinstance(part, str):
            element.text = printable(part)
        elif part is not None:
            element.append(part)
    return element


def nodes(tag: str, texts: Iterable[str]) -> list[Element]:
    """An element for each text."""
    return [node(tag, each) for each in texts]


def document(root: Element) -> bytes:
    """A whole document, in UTF-8."""
    written: bytes = tostring(root, encoding="utf-8", short_empty_elements=True)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + written
