"""Petitions of the 1022 hotline: three made-up years with the shape that real ones have.

Fewer at weekends and at Tết, more in the rains, two humps a day; noise comes at night and floods come with the rain."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas as gpd
import holidays
import numpy as np
from numpy.typing import NDArray

from ingest.city import TODAY, City, framed
from mapserver.reading import Source, rows

TOTAL = 60_000
DAYS = 3 * 365
FIELDS = {
    "public_administration": 0.40, "urban_infrastructure": 0.17, "noise": 0.085, "bus": 0.07, "urban_order": 0.08,
    "traffic": 0.06, "sanitation": 0.05, "flooding": 0.035, "health": 0.02, "tourism": 0.005, "other": 0.025,
}  # fmt: skip
"""Shares near those of one month of 2025: administration 43 %, infrastructure 18 %, noise 9 %, buses 7 %."""
SAID = {
    "public_administration": "Hồ sơ của tôi nộp đã lâu chưa có kết quả, xin cho biết lý do",
    "urban_infrastructure": "Ổ gà lớn giữa đường, xe máy dễ ngã, đề nghị sửa gấp",
    "noise": "Quán hát karaoke loa kéo ồn ào đến khuya",
    "bus": "Xe buýt bỏ trạm, chạy quá nhanh",
    "urban_order": "Buôn bán lấn chiếm vỉa hè, người đi bộ phải xuống lòng đường",
    "traffic": "Đèn tín hiệu giao thông hỏng, kẹt xe giờ cao điểm",
    "sanitation": "Rác thải đổ trộm chất đống, bốc mùi",
    "flooding": "Đường ngập sau mưa, nước tràn vào nhà",
    "health": "Phòng khám thu tiền không niêm yết giá",
    "tourism": "Bảng chỉ dẫn cho khách du lịch bị hỏng",
    "other": "Đề nghị cơ quan chức năng xem xét",
}
"""What a made-up petition says: its field, and nothing of anybody."""
CHANNELS = {"phone": 0.46, "app": 0.24, "website": 0.14, "social": 0.11, "email": 0.05}
WORKING_DAYS = 5
"""An answer is due within so many working days."""
RAIN = np.array([0.15, 0.1, 0.2, 0.5, 1.2, 1.7, 1.8, 1.8, 2.1, 1.9, 1.0, 0.4])
"""How wet each month is."""
WEEK = np.array([1.15, 1.12, 1.1, 1.08, 1.05, 0.75, 0.6])
"""Monday first."""
HOURS = np.array([2, 1, 1, 1, 1, 3, 8, 18, 30, 34, 31, 22, 14, 22, 31, 33, 29, 20, 13, 12, 11, 9, 6, 4.0])
NIGHT = np.array([16, 10, 6, 3, 2, 2, 3, 4, 5, 5, 5, 5, 6, 6, 6, 7, 9, 14, 22, 32, 40, 44, 38, 27.0])

Dates = NDArray[np.datetime64]


def read(source: Source) -> Iterator[gpd.GeoDataFrame]:
    """Petitions as the hotline exports them, without their text."""
    yield from rows(source)


def demo(city: City) -> Iterator[gpd.GeoDataFrame]:
    """60,000 × scale petitions over the three years that end TODAY."""
    off = days_off()
    days = TODAY - np.arange(DAYS)[::-1]
    weights = {field: _day_weights(days, field, off).cumsum() for field in FIELDS}
    first = 1
    for number, places in enumerate(city.places("petitions", TOTAL)):
        rng, count = city.rng("petitions", number), len(places)
        field = rng.choice(list(FIELDS), count, p=list(FIELDS.values()))
        day = days[_drawn_days(field, weights, rng)]
        due = np.busday_offset(day, WORKING_DAYS, roll="forward", holidays=off)
        received = _moments(day, field, rng)
        closed = day + np.maximum(0, rng.lognormal(1.2, 0.75, count)).astype(int)
        answered = (closed <= TODAY) & (rng.random(count) < 0.985)
        answer = np.maximum(closed.astype("datetime64[s]") + rng.integers(7, 17, count) * 3600, received)
        columns = {
            "code": [f"DEMO-{d.astype('datetime64[Y]')}-{n:08d}" for n, d in enumerate(day, first)],
            "field": field,
            "channel": rng.choice(list(CHANNELS), count, p=list(CHANNELS.values())),
            "status": np.where(answered, "answered", rng.choice(["received", "forwarded", "in_progress"], count)),
            "received_at": received,
            "due_on": due,
            "closed_at": np.where(answered, answer, np.datetime64("NaT")),
            "said": [SAID[name] for name in field],
            "precision": rng.choice(["point", "street"], count, p=[0.8, 0.2]),
            "reopened": rng.random(count) < 0.02,
        }
        yield framed(columns, places.xy, first)
        first += count


def days_off() -> Dates:
    """Public holidays of the demo's years and the next."""
    years = range(2023, 2028)
    return np.array(sorted(holidays.country_holidays("VN", years=years)), dtype="datetime64[D]")


def _day_weights(days: Dates, field: str, off: Dates) -> NDArray[np.float64]:
    """How likely a petition of a field is on each day: growth, week, season, holidays."""
    month = days.astype("datetime64[M]").astype(int) % 12
    weekday = (days.astype(int) + 3) % 7
    growth = np.linspace(0.75, 1.25, len(days))
    season = {"flooding": RAIN**2, "urban_infrastructure": 0.6 + 0.4 * RAIN, "sanitation": 0.8 + 0.2 * RAIN}
    week = WEEK[::-1] if field == "noise" else WEEK
    quiet = np.where(np.isin(days, off), 1.3 if field == "noise" else 0.25, 1.0)
    return growth * week[weekday] * season.get(field, np.ones(12))[month] * quiet


def _drawn_days(
    field: NDArray[np.str_], weights: dict[str, NDArray[np.float64]], rng: np.random.Generator
) -> NDArray[np.int64]:
    dice = rng.random(len(field))
    day = np.zeros(len(field), dtype=np.int64)
    for name, total in weights.items():
        chosen = field == name
        day[chosen] = np.searchsorted(total, dice[chosen] * total[-1])
    return day.clip(max=DAYS - 1)


def _moments(day: Dates, field: NDArray[np.str_], rng: np.random.Generator) -> Dates:
    """The second each came in, by the hotline's clock (Vietnamese time)."""
    office, night = (rng.choice(24, len(day), p=shape / shape.sum()) for shape in (HOURS, NIGHT))
    hour = np.where(field == "noise", night, office)
    return day.astype("datetime64[s]") + hour * 3600 + rng.integers(0, 3600, len(day))
