"""What has to be done again when data change: outlines after the wards, weights after outlines, addresses, buildings.

Each part is one transaction and knows from the database alone whether it is due, so it may be cut short anywhere."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from mapserver.catalogue import Catalogue
from mapserver.systems.areas import outlines, weighing
from mapserver.systems.areas.assignment import reassign_pending
from mapserver.systems.areas.book import areas_in
from mapserver.systems.areas.counting import count, fold

Say = Callable[[str], None]


def _silent(_: str) -> None:
    return


def caught_up(owner_dsn: str, layers: Catalogue, say: Say = _silent) -> tuple[str, ...]:
    """Does whatever is due; what there is to say of it."""
    notes = [f"{m.moved} features of {m.layer} are in another ward now" for m in reassign_pending(owner_dsn, layers)]
    with psycopg.connect(owner_dsn, autocommit=True) as conn:
        for folder in {layer.folder for layer in layers} if "wards" in layers else ():
            notes += outlines.follow(conn, folder)
        for kind, links in weighing.measure(conn, layers.layers, say).items():
            notes.append(f"weights by {kind} of {links} links measured")
        if counted := count(conn, layers, areas_in(conn)):
            notes.append(f"{len({name for name, _ in counted})} layers counted by place on earlier boundaries")
        fold(conn)
    return tuple(notes)
