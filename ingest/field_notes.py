"""Field notes: written through the API; a few made-up ones to begin with."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np

from ingest.city import TODAY, City, framed
from mapserver.reading import Source, rows

TOTAL = 60
TITLES = {"road": "Ổ gà trên đường", "drainage": "Nắp hố ga bị hỏng", "lighting": "Đèn đường không sáng",
          "tree": "Cây nghiêng cần kiểm tra", "waste": "Rác tồn đọng", "other": "Ghi chú khác"}  # fmt: skip


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Notes out of a file."""
    yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """60 × scale notes."""
    first = 1
    for number, places in enumerate(city.places("field_notes", TOTAL)):
        rng, count = city.rng("field_notes", number), len(places)
        category = rng.choice(list(TITLES), count)
        hours = rng.integers(0, 24 * 90, count).astype("timedelta64[h]")
        columns = {
            "title": [TITLES[one] for one in category],
            "note": [f"Gần số {address} (ghi chú mẫu)" for address in places.addresses],
            "category": category,
            "status": np.where(rng.random(count) < 0.6, "open", "done"),
            "noted_at": TODAY.astype("datetime64[s]") - hours,
            "author": [f"Cán bộ mẫu {one}" for one in rng.integers(1, 9, count)],
        }
        yield framed(columns, places.xy, first)
        first += count
