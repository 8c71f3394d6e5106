"""Faults to plant between server and test: each changes one thing in a request or in its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx

from conformance.api import Fault, Send


def asking(change: Callable[[dict[str, str]], dict[str, str]], where: str = "") -> Fault:
    """A server that understands other parameters than it was sent."""

    def fault(request: httpx.Request, send: Send) -> httpx.Response:
        if re.search(where, request.url.path):
            params = change(dict(request.url.params))
            request.url = request.url.copy_with(params=params or None)
        return send(request)

    return fault


def deaf_to(*names: str) -> Fault:
    """A server that ignores parameters."""
    return asking(lambda given: {name: value for name, value in given.items() if name not in names})


def mishearing(name: str, pattern: str, instead: str) -> Fault:
    """A server that takes one thing in a parameter for another."""
    sub = re.compile(pattern, re.IGNORECASE)
    return asking(lambda given: {n: sub.sub(instead, v) if n == name else v for n, v in given.items()})


def answering(change: Callable[[httpx.Response], httpx.Response], where: str = "") -> Fault:
    """A server that answers otherwise."""

    def fault(request: httpx.Request, send: Send) -> httpx.Response:
        answer = send(request)
        return change(answer) if re.search(where, request.url.path) else answer

    return fault


def status(code: int, where: str = "") -> Fault:
    """A server that answers with another status."""
    return answering(lambda a: httpx.Response(code, headers=plain(a), content=a.content, request=a.request), where)


def forgiving(where: str = "") -> Fault:
    """A server that answers what is wrong as if it were right."""

    def change(answer: httpx.Response) -> httpx.Response:
        bad = 400 <= answer.status_code < 500
        return httpx.Response(200, json={}, request=answer.request) if bad else answer

    return answering(change, where)


def header(name: str, value: str = "", where: str = "") -> Fault:
    """A server that says otherwise in a header, or nothing."""

    def change(answer: httpx.Response) -> httpx.Response:
        kept = {n: v for n, v in plain(answer).items() if n.lower() != name.lower()} | ({name: value} if value else {})
        return httpx.Response(answer.status_code, headers=kept, content=answer.content, request=answer.request)

    return answering(change, where)


def saying(pattern: str, instead: str, where: str = "") -> Fault:
    """A server that writes other text in its bodies."""

    def change(answer: httpx.Response) -> httpx.Response:
        try:
            body = re.sub(pattern, instead, answer.content.decode())
        except UnicodeDecodeError:
            return answer
        return httpx.Response(answer.status_code, headers=plain(answer), content=body.encode(), request=answer.request)

    return answering(change, where)


def changing(edit: Callable[[Any], object], where: str = "") -> Fault:
    """A server whose JSON is edited in place."""

    def change(answer: httpx.Response) -> httpx.Response:
        if "json" not in answer.headers.get("content-type", "") or answer.status_code >= 400 or not answer.content:
            return answer
        body = json.loads(answer.content)
        edit(body)
        content = json.dumps(body).encode()
        return httpx.Response(answer.status_code, headers=plain(answer), content=content, request=answer.request)

    return answering(change, where)


def without(*members: str, where: str = "") -> Fault:
    """A server whose JSON lacks members, wherever they stand."""
    return changing(lambda body: strip(body, members), where)


def strip(node: Any, members: tuple[str, ...]) -> None:
    """Takes members away, at every depth."""
    if isinstance(node, dict):
        for member in members:
            node.pop(member, None)
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        strip(inner, members)


def unlinked(rel: str, where: str = "") -> Fault:
    """A server whose documents lack the links of a relation."""
    return changing(lambda body: unlink(body, rel), where)


def unlink(node: Any, rel: str) -> None:
    """Takes links away, at every depth."""
    if isinstance(node, dict) and isinstance(node.get("links"), list):
        node["links"] = [link for link in node["links"] if link.get("rel") != rel]
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        unlink(inner, rel)


def losing_a_feature(body: Any) -> None:
    """The last feature of a page is lost."""
    if isinstance(body, dict) and body.get("features"):
        body["features"].pop()


def plain(answer: httpx.Response) -> dict[str, str]:
    """The headers of an answer whose body is changed: nothing of its length or coding."""
    return {n: v for n, v in answer.headers.items() if n.lower() not in ("content-length", "content-encoding")}


class WrongFault(Exception):
    """The planted fault itself is wrong."""


class Spoilt(httpx.BaseTransport):
    """The way to the server, with a fault in it."""

    def __init__(self, fault: Fault) -> None:
        self._fault, self._way = fault, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        def send(asked: httpx.Request) -> httpx.Response:
            answer = self._way.handle_request(asked)
            answer.request = asked
            answer.read()
            return answer

        try:
            return self._fault(request, send)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise WrongFault(f"{request.url}: {error!r}") from error

    def close(self) -> None:
        self._way.close()
