"""The figures as a picture: `python plot.py picture.svg`, figures as JSON on standard input."""

import json
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

MARKS = {"citymap": ("#d1495b", "o"), "fast-pq": ("#30638e", "|"), "limit": ("#003d5b", "x")}

figures = json.load(sys.stdin)
rows, names = [*figures], list(dict.fromkeys(name for row in figures.values() for name in row))
picture, axes = plt.subplots(figsize=(9, 0.32 * len(rows) + 1.2))
greys = iter(("#8d8d8d", "#b08968", "#6a994e", "#9d7fb5", "#c9a227"))
for name in names:
    colour, mark = MARKS[name] if name in MARKS else (next(greys), ".")
    places = [(figures[row][name], place) for place, row in enumerate(rows) if name in figures[row]]
    size = 55 if name in MARKS else 30
    axes.scatter(*zip(*places, strict=True), s=size, color=colour, marker=mark, label=name, zorder=3)
axes.set_xscale("log")
axes.set_yticks(range(len(rows)), rows, fontsize=8)
axes.invert_yaxis()
axes.grid(axis="x", which="both", color="#e5e5e5", linewidth=0.6)
axes.set_xlabel("CPU ms for each request, server and PostgreSQL (less is better)", fontsize=8)
axes.legend(fontsize=7, loc="upper right", framealpha=0.9)
for side in ("top", "right", "left"):
    axes.spines[side].set_visible(False)
picture.tight_layout()
picture.savefig(sys.argv[1], metadata={"Date": None})
