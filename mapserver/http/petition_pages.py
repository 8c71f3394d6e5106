"""Pages of the petitions for people: plain HTML without a script, Vietnamese first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from mapserver.layer import Language
from mapserver.systems.petitions.monitor import NAMES
from mapserver.systems.petitions.rules import Rules

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'",
    "cache-control": "private, no-cache",
}
_COLUMNS = (
    ("received", "Đã tiếp nhận", "Received"), ("handled", "Đã xử lý", "Handled"), ("open", "Đang xử lý", "Open"),
    ("late", "Trễ hạn", "Late"), ("onTimeRate", "Đúng hạn", "In time"),
    ("medianDays", "Trung vị (ngày)", "Median, days"),
    ("p90Days", "90 % trong (ngày)", "90 % within, days"), ("reopenRate", "Mở lại", "Reopened"),
)  # fmt: skip
_RATES = ("onTimeRate", "reopenRate")
_WORDS = {
    "field": ("Lĩnh vực", "Field"), "unit": ("Đơn vị xử lý", "Unit"), "ward": ("Phường/xã", "Ward"),
    "channel": ("Kênh", "Channel"), "month": ("Tháng", "Month"),
}  # fmt: skip


def monitor(base: str, given: Mapping[str, str], made: Mapping[str, Any], rules: Rules, lang: Language) -> str:
    """The figures as a table; every count leads to the petitions behind it."""
    vi = lang == "vi"
    by = str(made["by"]).split(",")
    names = [name for name in by if name in NAMES]
    heads = [_WORDS[name][0 if vi else 1] for name in names] + (
        ["Kỳ" if vi else "Period"] if len(by) > len(names) else []
    )
    heads += [column[1 if vi else 2] for column in _COLUMNS]
    body = "".join(_row(row, names, rules, lang, period="period" in row) for row in made["groups"])
    title = "Giám sát xử lý phản ánh" if vi else "How petitions are handled"
    said = f"Tính đến {made['asOf']}." if vi else f"As of {made['asOf']}."
    choices = " · ".join(
        f'<a href="{escape(_url(base, given, {"by": name}))}">{escape(words[0 if vi else 1])}</a>'
        for name, words in _WORDS.items()
    )
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    form = "CSV"
    link = f'<p><a href="{escape(_url(base, given, {"f": "csv"}))}">{form}</a></p>'
    return _page(base, title, f"<p>{escape(said)}</p><p>{choices}</p>{table}{link}", lang)


def _row(row: Mapping[str, Any], names: Iterable[str], rules: Rules, lang: Language, *, period: bool) -> str:
    cells = [escape(_name(name, row[name], rules, lang)) for name in names] + (
        [escape(str(row["period"]))] if period else []
    )
    for name, *_ in _COLUMNS:
        value = row[name]
        text = "–" if value is None else f"{100 * value:.1f} %" if name in _RATES else f"{value:,}"
        link = row["links"].get(name)
        cells.append(f'<a href="{escape(link)}&amp;f=html">{text}</a>' if link else text)
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _name(kind: str, code: str | None, rules: Rules, lang: Language) -> str:
    if code is None:
        return "(không rõ)" if lang == "vi" else "(not known)"
    if kind == "field" and code in rules.titles:
        return rules.titles[code][lang]
    if kind == "unit" and code in rules.file.units:
        return rules.file.units[code].title.text()[lang]
    return code


def found(base: str, text: str, made: list[dict[str, Any]], rules: Rules) -> str:
    """The box to look petitions up, and what was found."""
    form = (
        f'<form action="{escape(base)}/petitions" method="get"><label>Mã, nội dung hoặc địa chỉ (không cần dấu) '
        f'<input name="q" value="{escape(text)}"></label><input type="hidden" name="f" value="html">'
        "<button>Tra cứu</button></form>"
    )
    here = f"{escape(base)}/petitions"
    rows = "".join(
        f'<tr><td><a href="{here}/{quote(one["code"], safe="")}?f=html">{escape(one["code"])}</a></td>'
        f"<td>{escape(_name('field', one['field'], rules, 'vi'))}</td><td>{escape(one['text'] or '')}</td>"
        f"<td>{escape(one['receivedAt'])}</td><td>{escape(one['status'])}</td></tr>"
        for one in made
    )
    head = "<tr><th>Mã</th><th>Lĩnh vực</th><th>Nội dung</th><th>Tiếp nhận</th><th>Tình trạng</th></tr>"
    return _page(base, "Tra cứu phản ánh", f"{form}<table>{head}{rows}</table>", "vi")


def one(base: str, made: Mapping[str, Any], rules: Rules) -> str:
    """One petition with its timeline, replies and neighbours."""
    facts = (
        ("Lĩnh vực", _name("field", made["field"], rules, "vi")), ("Kênh", made["channel"]),
        ("Tiếp nhận", made["receivedAt"]), ("Nội dung", made["text"]), ("Địa chỉ", made["address"]),
        ("Đơn vị xử lý", _name("unit", made["unit"], rules, "vi")),
        ("Hạn trả lời", f"{made['dueOn']}{' (tạm tính, lịch nghỉ chưa công bố)' if made['dueProvisional'] else ''}"),
        ("Tình trạng", made["status"]), ("Trả lời lúc", made["closedAt"]), ("Trùng với", made["duplicateOf"]),
    )  # fmt: skip
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value or '–'))}</td></tr>" for name, value in facts)
    steps = "".join(
        f"<li>{escape(step['at'])}: {escape(step['value'])} {escape(step['note'] or '')}</li>"
        for step in made["timeline"]
    )
    replies = "".join(f"<li>{escape(r['at'])}: {escape(r['text'])}</li>" for r in made["replies"])
    near = "".join(
        f'<li><a href="{escape(base)}/petitions/{quote(n["code"], safe="")}?f=html">{escape(n["code"])}</a>'
        f" cách {n['metres']:,} m, {n['days']} ngày, điểm trùng {n['score']}</li>"
        for n in made["near"]
    )
    body = f"<table>{rows}</table><h2>Quá trình</h2><ol>{steps}</ol><h2>Trả lời</h2><ul>{replies}</ul>"
    return _page(base, f"Phản ánh {made['code']}", f"{body}<h2>Có thể trùng</h2><ul>{near}</ul>", "vi")


def _page(base: str, title: str, body: str, lang: Language) -> str:
    nav = f'<nav><a href="{escape(base)}/">CityMap</a> · <a href="{escape(base)}/petitions?f=html">Tra cứu</a> · '
    nav += f'<a href="{escape(base)}/petitions/monitor?by=field&amp;f=html">Giám sát</a></nav>'
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f'<link rel="stylesheet" href="{escape(base)}/pages.css"></head>'
        f"<body>{nav}<main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def _url(base: str, given: Mapping[str, str], changes: Mapping[str, str]) -> str:
    return f"{base}/petitions/monitor?{urlencode({**given, **changes})}"
