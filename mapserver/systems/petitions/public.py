"""What the public may see of petitions: groups of at least so many, by week and field, in hexagons large enough.

One partition and nothing else is published: every petition is in one group or in none, a week is released once and
never again, and totals are sums of groups. So whatever is added or subtracted, across fields, hexagons and releases,
gives sums of whole groups. A group is a hexagon without those smaller ones inside that are groups of their own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import psycopg
import shapely

from mapserver.systems.petitions.hexes import TOP, Hex, children, holding, parent
from mapserver.systems.petitions.rules import Rules
from mapserver.tables import literal
from mapserver.tallies import CITY_TIME

Connection = psycopg.Connection[Any]
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Group:
    """One published group: a hexagon, and how many petitions are in it but not in a smaller group inside."""

    where: Hex
    count: int


def groups(cells: Mapping[Hex, int], least: int) -> list[Group]:
    """The groups of counts in the finest hexagons; what cannot be in one of at least `least` is withheld.

    Merged upward: what is too few joins the rest of the next larger hexagon. Suppressed besides (secondary): a hexagon
    that is left out is known to hold fewer than `least`; where that alone would tell what each holds (their sum is the
    greatest that it can be), the smallest group inside is given up and joins them."""
    found: list[Group] = []
    few = Counter(cells)
    for level in range(TOP + 1):
        found += [Group(where, count) for where, count in few.items() if count >= least]
        few = Counter({where: count for where, count in few.items() if 0 < count < least})
        if level < TOP:
            few = _risen(few, found, level, least)
    return sorted(found, key=lambda group: group.where)


def _risen(few: Mapping[Hex, int], found: list[Group], level: int, least: int) -> Counter[Hex]:
    """What was too few at a level, by the hexagons one level up; gives up groups that would tell too much."""
    whole: dict[Hex, list[Group]] = defaultdict(list)
    for group in found:
        if group.where.level == level:
            whole[parent(group.where)].append(group)
    risen: Counter[Hex] = Counter()
    for where, count in few.items():
        risen[parent(where)] += count
    for where in risen:
        inside = sorted(whole[where], key=lambda group: (group.count, group.where), reverse=True)
        # hexagons that are left out: all but those that are groups; each holds less than `least`
        while inside and risen[where] >= (len(children(where)) - len(inside)) * (least - 1):
            given_up = inside.pop()
            found.remove(given_up)
            risen[where] += given_up.count
    return risen


def weeks_due(conn: Connection, rules: Rules, today: date) -> list[date]:
    """Mondays of the weeks that may be released and were not; none before the first petition."""
    last = today - timedelta(days=rules.file.public.delay_days + 7)
    row = conn.execute(
        f"SELECT min((received_at AT TIME ZONE {literal(CITY_TIME)})::date) FROM citymap.petition".encode()
    ).fetchone()
    done = {week for (week,) in conn.execute("SELECT week FROM citymap.petition_release")}
    if not row or row[0] is None:
        return []
    week, due = row[0] - timedelta(days=row[0].weekday()), []
    while week <= last:
        due += [week] if week not in done else []
        week += WEEK
    return due


def release(conn: Connection, rules: Rules, week: date) -> int:
    """Releases one week, in one transaction; how many groups. Whoever comes second finds it done."""
    made = {field: groups(cells, rules.file.public.least) for field, cells in _cells(conn, rules, week).items()}
    with conn.transaction():
        count, shown = sum(map(len, made.values())), sum(g.count for found in made.values() for g in found)
        first = conn.execute(
            "INSERT INTO citymap.petition_release (week, groups, shown) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (week, count, shown),
        )
        if first.rowcount:
            with conn.cursor() as cursor:
                cursor.executemany(_PUT, [_row(week, field, group) for field, found in made.items() for group in found])
    return count


_PUT = (
    "INSERT INTO citymap.petition_public (week, field, level, count, geom)"
    " VALUES (%s, %s, %s, %s, ST_Multi(ST_GeomFromWKB(%s, 4326)))"
)


def _row(week: date, field: str, group: Group) -> tuple[object, ...]:
    return week, field, group.where.level, group.count, shapely.to_wkb(shapely.Polygon(group.where.corners))


def _cells(conn: Connection, rules: Rules, week: date) -> dict[str, Counter[Hex]]:
    """How many petitions of each field lie in each finest hexagon; sensitive ones and those without a place nowhere."""
    rows = conn.execute(
        f"""
        SELECT field, ST_X(geom), ST_Y(geom)
        FROM citymap.petition
        WHERE received_at >= %(from)s::date::timestamp AT TIME ZONE {literal(CITY_TIME)}
        AND received_at < %(to)s::date::timestamp AT TIME ZONE {literal(CITY_TIME)}
        AND precision NOT IN ('ward', 'city') AND field <> ALL (%(sensitive)s)""".encode(),
        {"from": week, "to": week + WEEK, "sensitive": [*rules.sensitive]},
    ).fetchall()
    fields = [field for field, _, _ in rows]
    xy = np.array([(x, y) for _, x, y in rows], dtype=float).reshape(-1, 2)
    found: dict[str, Counter[Hex]] = defaultdict(Counter)
    for field, where in zip(fields, holding(xy[:, 0], xy[:, 1]), strict=True):
        found[field][where] += 1
    return found
