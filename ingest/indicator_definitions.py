"""Indicator definitions: an agency's list, or the sample list of the demo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pandas as pd

from ingest.city import City
from ingest.city.indicators import indicators
from mapserver.reading import Source, rows

COLUMNS = ["indicator", "title", "title_en", "unit", "kind", "better", "theme", "agency"]


def read(source: Source) -> Iterator[pd.DataFrame]:
    """Definitions as the agency has them."""
    yield from rows(source)


def demo(city: City) -> Iterator[pd.DataFrame]:
    """The sample list; the same at every scale."""
    known = indicators()
    frame = pd.DataFrame([asdict(one) for one in known], index=range(1, len(known) + 1))
    frame = frame.rename(columns={"code": "indicator"})[COLUMNS]
    frame.attrs["part"] = "demo"
    yield frame
