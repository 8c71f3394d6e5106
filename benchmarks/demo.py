"""Whether the synthetic city costs the same for each row at any size: writes docs/demo-rate.md.

`python benchmarks/demo.py --scales 0.1 1 10` fills an empty PostGIS at each scale. The rate counts the layers whose
number of rows grows with the scale by the seconds their loads took; the processors' time is that of the whole command,
start of the program included, and of PostgreSQL."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

from ground import Spent, citymap, cluster

from mapserver.catalogue import catalogue
from mapserver.settings import ROOT, settings

PAGE = ROOT / "docs" / "demo-rate.md"
SUMMARY = re.compile(r"([\d,]+) rows in ([\d.]+) s: ([\d,]+) rows/s, ([\d,]+) MiB")


@dataclass(frozen=True, slots=True)
class Filling:
    """One `citymap demo`: its rows, its seconds, and the most memory it held, in MiB."""

    scale: float
    rows: int
    memory: int
    spent: Spent

    @property
    def rate(self) -> float:
        """Rows a second of wall clock."""
        return self.rows / self.spent.wall

    @property
    def cost(self) -> float:
        """Microseconds of processors for each row, in the program and in PostgreSQL."""
        return 1e6 * (self.spent.client + self.spent.server) / self.rows


def filled(scale: float) -> Filling:
    """The demo city of a scale, in a PostGIS of its own."""
    layers = catalogue(settings().layers)
    said: list[str] = []
    with cluster(layers) as (database, clock):
        spent = clock.spent(lambda: said.append(citymap(database, "demo", "--scale", f"{scale:g}")))
    found = SUMMARY.search(said[0])
    if found is None:
        raise SystemExit(f"no summary in: {said[0][-500:]}")
    rows, _, _, memory = (float(part.replace(",", "")) for part in found.groups())
    return Filling(scale, int(rows), int(memory), spent)


def page(fillings: list[Filling]) -> str:
    """The figures as a page of the documentation."""
    rows = "\n".join(
        f"| {f.scale:g} | {f.rows:,} | {f.spent.wall:.0f} | {f.rate:,.0f} | {f.cost:.0f} | {f.memory} |"
        for f in fillings
    )
    return f"""# What the demo city costs at any size

Written by `python benchmarks/demo.py`; do not edit. The wall clock is the machine's and whatever else it does; the
processors' time for each row is the figure to compare.

| scale | rows | seconds | rows a second | CPU µs a row (program + PostgreSQL) | memory at most, MiB |
|---|---|---|---|---|---|
{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.1, 1.0, 10.0])
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args()
    fillings = []
    for scale in chosen.scales:
        fillings.append(filled(scale))
        print(fillings[-1], flush=True)
    chosen.page.write_text(page(fillings), encoding="utf-8")


if __name__ == "__main__":
    main()
