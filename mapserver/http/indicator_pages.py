"""Pages of the indicators for people: plain HTML without a script, in Vietnamese; a chart always has its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from mapserver.areas import Area
from mapserver.layer import Text
from mapserver.periods import Period
from mapserver.systems.indicators.records import Indicator
from mapserver.systems.indicators.series import Point, Series
from mapserver.systems.indicators.signs import Sign
from mapserver.systems.indicators.states import COLOURS, NAMES, Colour, State, vn

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'",
    "cache-control": "private, no-cache",
}
_FILLS = {"red": "#c62828", "orange": "#ef6c00", "green": "#2e7d32", "grey": "#757575"}
_KINDS = {
    "off_target": "Lệch kế hoạch", "missing": "Chưa nộp", "jump": "Đột biến", "revision": "Điều chỉnh lớn",
    "outlier": "Khác lân cận",
}  # fmt: skip
_STATUS = {"provisional": "sơ bộ", "final": "chính thức", "revised": "điều chỉnh"}
_ASKED = {"open": "Chờ giải trình", "answered": "Đã giải trình", "sent_back": "Trả lại", "accepted": "Chấp nhận"}
WIDTH, HEIGHT, PAD = 860, 320, 50


def dictionary(base: str, known: Iterable[Indicator], groups: Mapping[str, Text]) -> str:
    """Every indicator, with the way to its series."""
    rows = [
        (groups[one.group_code].vi if one.group_code in groups else one.group_code,
         _link(f"{base}/indicators/{quote(one.code)}/series?area=_T&f=html", one.title), one.unit,
         "cộng được" if one.additive else "không cộng được", one.agency or "–", one.legal_basis or "–") for one in known
    ]  # fmt: skip
    heads = ("Nhóm", "Chỉ tiêu", "Đơn vị tính", "Theo địa bàn", "Cơ quan chủ trì", "Căn cứ pháp lý")
    return page(base, "Danh mục chỉ tiêu", table(heads, rows, raw=(1,)))


Row = tuple[State, Indicator, Area | None]


def board(
    base: str, when: Period | None, counts: Mapping[Colour, int], states: Sequence[Row], signs: Sequence[Sign]
) -> str:
    """What is red, then the rest, and the signs with their sentences."""
    total = " · ".join(f"{_dot(colour)} {NAMES[colour].vi}: {counts[colour]}" for colour in COLOURS)
    rows = [
        (f"{_dot(state.colour)} {escape(NAMES[state.colour].vi)}", _series_link(base, about, unit), _place(unit),
         _value(state.value), _value(state.plan), state.why.vi) for state, about, unit in states
    ]  # fmt: skip
    heads = ("Trạng thái", "Chỉ tiêu", "Địa bàn", "Giá trị", "Kế hoạch", "Vì sao")
    told = "".join(f"<li><strong>{_KINDS[sign.kind]}</strong>: {escape(sign.sentence.vi)}</li>" for sign in signs)
    title = f"Chỉ tiêu kỳ {when.text}" if when else "Chưa có số liệu chỉ tiêu"
    body = f"<p>{total}</p>{table(heads, rows, raw=(0, 1))}<h2>Dấu hiệu bất thường</h2><ul>{told}</ul>"
    return page(base, title, body)


def series(base: str, made: Series, points: Sequence[Point]) -> str:
    """The chart of one unit, its breaks and bands, and the same as a table."""
    names = {point.area.full_name if point.area else "Toàn thành phố" for point in points}
    title = f"{made.indicator.title}: {names.pop() if len(names) == 1 else 'mọi địa bàn'}"
    chart = _chart(made, points) if len({point.area for point in points}) == 1 else ""
    rows = [
        (_place(p.area), p.period.text, _value(p.value), f"{_value(p.low)} – {_value(p.high)}" if p.low is not None
         else "–", _STATUS[p.status], p.source, "đứt quãng: ranh giới khác" if p.breaks else "") for p in points
    ]  # fmt: skip
    value = f"Giá trị ({made.indicator.unit})"
    heads = ("Địa bàn", "Kỳ", value, "Khoảng ước lượng", "Tình trạng", "Ranh giới gốc", "Ghi chú")
    notes = "".join(f"<li>{escape(note)}</li>" for note in made.notes)
    said = f"<p>Trên ranh giới {escape(made.boundaries)}.</p>"
    return page(base, title, f"{said}{chart}{table(heads, rows)}<ul>{notes}</ul>")


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where days and values lie on the chart, in its units of WIDTH by HEIGHT."""

    first: int
    last: int
    low: float
    high: float

    def x(self, point: Point) -> float:
        days = point.period.first.toordinal() - self.first
        return PAD + (WIDTH - 2 * PAD) * days / max(self.last - self.first, 1)

    def y(self, value: Any) -> float:
        return HEIGHT - PAD - (HEIGHT - 2 * PAD) * (float(value) - self.low) / ((self.high - self.low) or 1.0)

    def at(self, points: Iterable[tuple[Point, Any]]) -> str:
        return " ".join(f"{self.x(point):.1f},{self.y(value):.1f}" for point, value in points)


def _chart(made: Series, points: Sequence[Point]) -> str:
    """Lines that stop at every break, a dashed mark there, and the band behind them; nothing for less than two."""
    shown = [point for point in points if point.value is not None]
    if len(shown) < 2:
        return ""
    ends = [float(v) for p in shown for v in (p.value, p.low, p.high) if v is not None]
    scale = _Scale(shown[0].period.first.toordinal(), shown[-1].period.first.toordinal(), min(ends), max(ends))
    pieces = _pieces(shown)
    drawn = "".join(_line(piece, scale) for piece in pieces) + "".join(_break(piece[0], scale) for piece in pieces[1:])
    title = escape(f"{made.indicator.title} từ {shown[0].period.text} đến {shown[-1].period.text}; số liệu ở bảng dưới")
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" aria-label="{title}">'
        f"<title>{title}</title>{drawn}{_labels(shown, scale)}</svg>"
    )


def _pieces(shown: Sequence[Point]) -> list[list[Point]]:
    """The points in runs of one set of boundaries each."""
    pieces: list[list[Point]] = []
    for point in shown:
        if point.breaks or not pieces:
            pieces.append([])
        pieces[-1].append(point)
    return pieces


def _line(piece: Sequence[Point], scale: _Scale) -> str:
    """The line of one run, its points, and its band where it has one."""
    banded = [point for point in piece if point.low is not None]
    edge = scale.at([*((p, p.high) for p in banded), *((p, p.low) for p in banded[::-1])])
    band = f'<polygon points="{edge}" fill="#0b4f8a" fill-opacity="0.18"/>' if banded else ""
    line = f'<polyline points="{scale.at((p, p.value) for p in piece)}" fill="none" stroke="#0b4f8a" stroke-width="2"/>'
    dots = (f'<circle cx="{scale.x(p):.1f}" cy="{scale.y(p.value):.1f}" r="3" fill="#0b4f8a"/>' for p in piece)
    return band + line + "".join(dots)


def _break(point: Point, scale: _Scale) -> str:
    """The mark before the first point on other boundaries."""
    at = f"{scale.x(point):.1f}"
    return (
        f'<line class="break" x1="{at}" y1="{PAD - 20}" x2="{at}" y2="{HEIGHT - PAD}" stroke="#c62828"'
        f' stroke-dasharray="6 4"/><text x="{at}" y="{PAD - 24}" font-size="12">ranh giới mới</text>'
    )


def _labels(shown: Sequence[Point], scale: _Scale) -> str:
    """The least and the most value, the first and the last period."""
    marks = [(PAD - 6.0, scale.y(value), "end", vn(value)) for value in (scale.low, scale.high)]
    marks += [(scale.x(p), HEIGHT - PAD + 20.0, "middle", p.period.text) for p in (shown[0], shown[-1])]
    return "".join(
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" text-anchor="{anchor}">{escape(text)}</text>'
        for x, y, anchor, text in marks
    )


def requests(base: str, made: Sequence[Mapping[str, Any]]) -> str:
    """Explanation requests with their history."""
    rows = []
    for one in made:
        history = "".join(f"<li>{escape(step['at'])} {escape(step['who'])} ({_ASKED[step['status']]}): "
                          f"{escape(step['text'] or '')}</li>" for step in one["history"])  # fmt: skip
        late = " (quá hạn)" if one["late"] else ""
        about = " ".join(str(one[name]) for name in ("indicator", "areaName", "period") if one[name])
        rows.append((str(one["id"]), about, one["unit"], f"{one['dueOn']}{late}", _ASKED[one["status"]],
                     f"<ol>{history}</ol>"))  # fmt: skip
    heads = ("Số", "Về", "Đơn vị", "Hạn", "Trạng thái", "Quá trình")
    return page(base, "Yêu cầu giải trình", table(heads, rows, raw=(5,)))


def table(heads: Iterable[str], rows: Iterable[Sequence[str]], raw: tuple[int, ...] = ()) -> str:
    """raw: columns that are HTML already."""
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell if at in raw else escape(cell)}</td>" for at, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _series_link(base: str, about: Indicator, unit: Area | None) -> str:
    area = quote(f"#{unit.uid}") if unit else "_T"
    return _link(f"{base}/indicators/{quote(about.code)}/series?area={area}&f=html", about.title)


def _link(href: str, text: str) -> str:
    return f'<a href="{escape(href)}">{escape(text)}</a>'


def _dot(colour: str) -> str:
    return (f'<svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">'
            f'<circle cx="6" cy="6" r="6" fill="{_FILLS[colour]}"/></svg>')  # fmt: skip


def _place(unit: Area | None) -> str:
    return unit.full_name if unit else "Toàn thành phố"


def _value(figure: Any) -> str:
    return "–" if figure is None else vn(float(figure))


def page(base: str, title: str, body: str) -> str:
    """A whole page in Vietnamese."""
    here = escape(base)
    nav = (
        f'<nav><a href="{here}/">CityMap</a> · <a href="{here}/indicators/states?f=html">Trạng thái</a> · '
        f'<a href="{here}/indicators?f=html">Danh mục</a> · '
        f'<a href="{here}/indicators/requests?f=html">Giải trình</a></nav>'
    )
    return (
        '<!doctype html><html lang="vi"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f'<link rel="stylesheet" href="{here}/pages.css"></head>'
        f"<body>{nav}<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
