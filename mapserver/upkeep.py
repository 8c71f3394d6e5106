"""What follows from a change of data and is done behind it: wards of features, outlines, weights, counts by place.

A load does not wait for it: the server does it in the background (`tending`), `citymap upkeep` does it at once.
Each duty works in transactions of its own and knows from the database alone what is due, so that it may be cut short
anywhere and be begun by anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from mapserver import generalising
from mapserver.catalogue import Catalogue
from mapserver.systems.areas import assignment, counting, outlines, weighing
from mapserver.systems.areas.book import areas_in
from mapserver.systems.petitions import keeping

Connection = psycopg.Connection[Any]
Say = Callable[[str], None]
ONE_AT_A_TIME = "SELECT {}(hashtextextended('citymap upkeep', 1))"


def _silent(_: str) -> None:
    return


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that follows. due: in words, what is to be done, quick to tell; do: does it, and tells what it did."""

    due: Callable[[Connection, Catalogue], Iterable[str]]
    do: Callable[[Connection, Catalogue, Say], Iterable[str]]


def _wards_due(conn: Connection, layers: Catalogue) -> Iterator[str]:
    return (f"the wards of {layer.name}" for layer in assignment.pending(conn, layers))


def _wards(conn: Connection, layers: Catalogue, say: Say) -> Iterator[str]:
    def told(layer: str, done: int, of: int) -> None:
        say(f"wards of {layer}: {done:,} of {of:,} features")

    for moved in assignment.reassign_pending(conn, layers, told):
        yield f"{moved.moved} features of {moved.layer} are in another ward now"


def _outlines_due(conn: Connection, layers: Catalogue) -> list[str]:
    return ["the outlines of today's areas"] if "wards" in layers and outlines.due(conn) is not None else []


def _outlines(conn: Connection, layers: Catalogue, _: Say) -> Iterator[str]:
    for folder in {layer.folder for layer in layers} if "wards" in layers else ():
        yield from outlines.follow(conn, folder)


def _weights_due(conn: Connection, layers: Catalogue) -> Iterator[str]:
    return (f"the weights by {kind}" for kind in weighing.due(conn, layers.layers))


def _weights(conn: Connection, layers: Catalogue, say: Say) -> Iterator[str]:
    for kind, links in weighing.measure(conn, layers.layers, say).items():
        yield f"weights by {kind} of {links} links measured"


def _counts_due(conn: Connection, layers: Catalogue) -> list[str]:
    return [f"counts of {name} on earlier boundaries" for name in dict(counting.due(conn, layers, areas_in(conn)))]


def _counts(conn: Connection, layers: Catalogue, _: Say) -> Iterator[str]:
    if counted := counting.count(conn, layers, areas_in(conn)):
        yield f"{len(dict(counted))} layers counted by place on earlier boundaries"
    counting.fold(conn)


def _copies_due(conn: Connection, layers: Catalogue) -> Iterator[str]:
    return (f"the generalised copy of {layer.name}" for layer in layers if generalising.due(conn, layer))


def _copies(conn: Connection, layers: Catalogue, _: Say) -> Iterator[str]:
    return (generalising.rebuild(conn, layer) for layer in layers if generalising.due(conn, layer))


def _petitions(conn: Connection, layers: Catalogue, _: Say) -> Iterator[str]:
    yield from keeping.done(conn, layers)


DUTIES = (
    Duty(_wards_due, _wards),
    Duty(_outlines_due, _outlines),
    Duty(_weights_due, _weights),
    Duty(_counts_due, _counts),
    Duty(_copies_due, _copies),
    Duty(keeping.due, _petitions),
)
"""In the order in which one follows from another."""


def due(dsn: str, layers: Catalogue) -> tuple[str, ...]:
    """In words, what is to be done. What only follows from a part of it is not told yet."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        return tuple(words for duty in DUTIES for words in duty.due(conn, layers))


def caught_up(dsn: str, layers: Catalogue, say: Say = _silent) -> tuple[str, ...]:
    """Does whatever is due, after whoever is at it; what there is to say of it."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(ONE_AT_A_TIME.format("pg_advisory_lock").encode())
        try:
            return tuple(note for duty in DUTIES for note in duty.do(conn, layers, say))
        finally:
            conn.execute(ONE_AT_A_TIME.format("pg_advisory_unlock").encode())


MARK = f"""
    SELECT (SELECT max(id) FROM citymap.load), (SELECT count(*) FROM citymap.load WHERE finished_at IS NOT NULL),
           (SELECT max(id) FROM citymap.area_change), (SELECT count(*) FROM citymap.area_count),
           extract(epoch FROM now())::bigint / 3600, ({generalising.DUE})"""
"""Other values after everything that could make something due: a load, other areas, void counts, an hour of edits,
touched rows beside a generalised copy that has rested."""
