"""Public offices and service points: an agency's list, or made-up ones that bear their wards' real names."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import numpy as np

from ingest.city import City, framed
from mapserver.reading import Source, rows

TOTAL = 620
KINDS = ("service_point", "police", "post", "tax", "insurance", "court", "department")
SHARES = (0.34, 0.27, 0.22, 0.06, 0.05, 0.03, 0.03)
NAMES = {"service_point": "Điểm tiếp nhận hồ sơ", "police": "Trụ sở công an", "post": "Bưu điện", "tax": "Cơ quan thuế",
         "insurance": "Bảo hiểm xã hội", "court": "Toà án", "department": "Cơ quan chuyên môn"}  # fmt: skip
HOURS = "Thứ Hai - thứ Sáu 07:30-11:30, 13:00-17:00"


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Offices as the agency has them."""
    yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """The committee and the service centre of every ward, and 620 × scale other offices."""
    wards, places = city.wards, city.ward_places
    rng, count = city.rng("administration"), len(wards)
    files = rng.integers(900, 5200, count)
    for first, (kind, said) in enumerate(
        (("ward_office", "UBND"), ("service_centre", "Trung tâm Phục vụ hành chính công"))
    ):
        columns = {
            "code": [f"{kind}/{code}" for code in wards["code"]],
            "name": [f"{said} {name}" for name in wards["full_name"]],
            "kind": kind,
            "address": places.addresses,
            "opening_hours": HOURS,
        }
        if kind == "service_centre":
            columns |= {"counters": rng.integers(4, 16, count), "files_per_month": files}
            columns["on_time_pct"] = np.round(rng.normal(98.6, 0.9, count).clip(90, 100), 1)
        yield framed(columns, places.xy + np.array([0.0, 22.0 * first]), 1 + first * count)
    first = 1 + 2 * count
    for number, others in enumerate(city.on_streets("administration", TOTAL, least_rank=4)):
        rng = city.rng("administration", number)
        kind = rng.choice(KINDS, len(others), p=SHARES)
        columns = {
            "code": [f"demo/{one:06d}" for one in range(first, first + len(others))],
            "name": [f"{NAMES[k]} {street}" for k, street in zip(kind, others.street, strict=True)],
            "kind": kind,
            "address": others.addresses,
            "opening_hours": HOURS,
        }
        yield framed(columns, others.xy, first)
        first += len(others)
