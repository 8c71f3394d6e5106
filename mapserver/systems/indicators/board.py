"""What one worker knows of the indicators: asked of the store as the caller, reckoned in threads, kept by version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from starlette.concurrency import run_in_threadpool

from mapserver.areas import Areas
from mapserver.errors import NotFound
from mapserver.periods import Period
from mapserver.query import ANYONE, Caller
from mapserver.statements import Statement
from mapserver.store import Store
from mapserver.systems.areas.book import Books
from mapserver.systems.indicators import records
from mapserver.systems.indicators.records import Indicator, Observation, Target, Wanted
from mapserver.systems.indicators.rules import Rules
from mapserver.systems.indicators.signs import Evidence, Sign, signs
from mapserver.systems.indicators.states import State

NEAR_DEGREES = 0.0005
"""About 50 m: outlines nearer than this are neighbours, slivers and canals between them or not."""
MOST_KEPT = 2048
_NEIGHBOURS = f"""
    SELECT a.uid::text, b.uid::text
    FROM citymap.area AS a
    JOIN citymap.area AS b ON a.uid <> b.uid AND ST_DWithin(a.geometry, b.geometry, {NEAR_DEGREES!r})
    WHERE a.level = 'commune' AND b.level = 'commune'
    AND coalesce(a.valid_from, '-infinity') <= $1::date AND coalesce(a.valid_to, 'infinity') > $1::date
    AND coalesce(b.valid_from, '-infinity') <= $1::date AND coalesce(b.valid_to, 'infinity') > $1::date
    ORDER BY a.uid, b.uid"""


@dataclass(frozen=True, slots=True)
class Judged:
    """States and signs of one indicator in a period."""

    states: tuple[State, ...]
    signs: tuple[Sign, ...]


class Board:
    """The indicators of one worker's database."""

    def __init__(self, store: Store, books: Books, rules: Rules) -> None:
        self._store, self._books, self.rules = store, books, rules
        self._judged: dict[tuple[object, ...], Judged] = {}
        self._neighbours: dict[tuple[int, str], tuple[tuple[int, int], ...]] = {}

    async def areas(self) -> Areas:
        """The areas as they stand now."""
        return await self._books.areas()

    async def version(self, caller: Caller) -> int:
        """The version of the data: the newest import."""
        return int((await self._store.fetch(caller, records.DATA_VERSION)).value() or 0)

    async def dictionary(self, caller: Caller) -> dict[str, Indicator]:
        """All indicators by code, in their order."""
        rows = await self._store.fetch(caller, records.dictionary())
        return {one.code: one for one in (records.indicator_of(row[0] or b"") for row in rows)}

    async def entry(self, caller: Caller, code: str, *, role: str | None = None) -> Indicator:
        """One indicator. Raises NotFound."""
        rows = [] if "\x00" in code else [*await self._store.fetch(caller, records.entry(code), role=role)]
        if not rows:
            raise NotFound("indicator", f"there is no indicator {code[:60]!r}")
        return records.indicator_of(rows[0][0] or b"")

    async def observations(self, caller: Caller, wanted: Wanted) -> list[Observation]:
        """Observations, the oldest first."""
        rows = await self._store.fetch(caller, records.observations(wanted))
        return await run_in_threadpool(lambda: [records.observation_of(row[0] or b"") for row in rows])

    async def targets(self, caller: Caller, wanted: Wanted) -> list[Target]:
        """Targets that hold."""
        return [records.target_of(row[0] or b"") for row in await self._store.fetch(caller, records.targets(wanted))]

    async def latest(self, caller: Caller, code: str | None) -> Period | None:
        """The newest period that anything is known of."""
        asked = Statement(records.LATEST, (code.encode() if code else None,))
        for text, first, last in await self._store.fetch(caller, asked):
            days = [date.fromisoformat((day or b"").decode()) for day in (first, last)]
            return Period(days[0], days[1], (text or b"").decode())
        return None

    async def judged(self, caller: Caller, one: Indicator, period: Period) -> Judged:
        """States and signs of a period, reckoned again only when data, areas or the day are others."""
        areas, today = await self.areas(), date.today()
        key = (one, period, await self.version(caller), areas.version, today)
        if key not in self._judged:
            wanted = Wanted(one.code, last=period.last, all_versions=True)
            evidence = Evidence(
                one, await self.observations(caller, wanted), await self.targets(caller, Wanted(one.code)), areas,
                await self._touching(areas, period.last), self.rules.thresholds(one.code), today,
            )  # fmt: skip
            made = await run_in_threadpool(_judged, evidence, period)
            if len(self._judged) >= MOST_KEPT:
                self._judged.clear()
            self._judged[key] = made
        return self._judged[key]

    async def _touching(self, areas: Areas, day: date) -> tuple[tuple[int, int], ...]:
        """Pairs of units of a day that are neighbours, both ways."""
        key = (areas.version, areas.boundaries(day))
        if key not in self._neighbours:
            rows = await self._store.fetch(ANYONE, Statement(_NEIGHBOURS, (day.isoformat().encode(),)))
            self._neighbours[key] = tuple((int(a or 0), int(b or 0)) for a, b in rows)
        return self._neighbours[key]


def _judged(evidence: Evidence, period: Period) -> Judged:
    return Judged(tuple(evidence.states(period)), tuple(signs(evidence, period)))
