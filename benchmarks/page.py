"""The page of the figures: what stands between two marks of docs/performance.md is written anew, the words stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mapserver.settings import ROOT

PAGE = ROOT / "docs" / "performance.md"
PICTURE = "performance.svg"
BEGIN, END = "<!-- written by benchmarks/peers.py -->", "<!-- end -->"
FLOORS = ("fast-pq", "limit")


class Figures(Protocol):
    """What the page asks of a cell."""

    bursts: dict[int, list[object]]
    fault: str
    bytes: int

    def median(self, seed: int | None = None) -> float: ...
    def spread(self) -> tuple[float, float]: ...


Row = Mapping[str, Figures]


def written(path: Path, table: Mapping[str, Row], memory: Mapping[str, float], told: str) -> str:
    """The page with its figures put in."""
    before, _, rest = (path.read_text() if path.exists() else f"{BEGIN}\n{END}\n").partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{_figures(table, memory, told)}{END}{after}"


def _figures(table: Mapping[str, Row], memory: Mapping[str, float], told: str) -> str:
    names = [*next(iter(table.values()))]
    head = f"| CPU ms a request | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}"
    rows = "\n".join(f"| {what} | {' | '.join(_cell(row[name]) for name in names)} |" for what, row in table.items())
    ratios = "\n".join(filter(None, (_ratios(what, row) for what, row in table.items())))
    held = ", ".join(f"{name} {mib:.0f}" for name, mib in memory.items())
    faults = "\n".join(
        f"* {name}, {what}: `{cell.fault}`" for what, row in table.items() for name, cell in row.items() if cell.fault
    )
    return f"""
{told}; server and PostgreSQL together, median (least–most) of bursts over one connection, all servers by turns.

{head}
{rows}

CityMap beside the floors, for the two sets of requests each:

| ratio | to fast-pq, set 1 | set 2 | to limit, set 1 | set 2 |
|---|---|---|---|---|
{ratios}

![The same figures]({PICTURE})

Memory at the end, MiB, two workers: {held}.
{f"{chr(10)}What was refused:{chr(10)}{chr(10)}{faults}{chr(10)}" if faults else ""}
"""


def _cell(cell: Figures) -> str:
    if cell.fault:
        return "fault"
    if not cell.bursts:
        return "–"
    least, most = cell.spread()
    return f"{_number(cell.median())} ({_number(least)}–{_number(most)})"


def _ratios(what: str, row: Row) -> str:
    ours = row.get("citymap")
    if ours is None or not ours.bursts:
        return ""
    cells = []
    for floor in FLOORS:
        there = row.get(floor)
        seeds = [*ours.bursts][:2]
        both = [f"{ours.median(s) / there.median(s):.2f}" if there and s in there.bursts else "–" for s in seeds]
        cells += both + ["–"] * (2 - len(both))
    return f"| {what} | {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
