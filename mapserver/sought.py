"""What a line of text in a search box asks for: a place by its coordinates, a house by its number, or names by words.

Marks and case never matter. Nothing here knows SQL or HTTP."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mapserver.crs import CRS84, VN2000, Crs
from mapserver.projection import lon_lat

LONGEST = 200
"""Characters of a question; more is no search."""
MOST_WORDS = 8
GRIDS = (VN2000[9210], VN2000[5899], VN2000[3405])
"""VN-2000 grids that coordinates are tried in: the city's own first."""
VIETNAM = (100.0, 7.0, 112.0, 24.0)
"""West, south, east, north of what coordinates may mean when nothing is known of the city."""
Box = tuple[float, float, float, float]
_PUNCTUATION = str.maketrans({**dict.fromkeys("đĐÐ", "d"), **dict.fromkeys(".,;:()\"'–-", " ")})
_SHORT = {
    "bv": "benh vien", "bvdk": "benh vien da khoa", "ubnd": "uy ban nhan dan", "cv": "cong vien", "th": "tieu hoc",
    "thcs": "trung hoc co so", "thpt": "trung hoc pho thong", "mn": "mam non", "tp": "thanh pho", "tt": "thi tran",
}  # fmt: skip
"""What people write short, and what it is short for; both are looked for."""
_UNIT = re.compile(r"\b([pqf])\s*\.?\s*(\d{1,2})\b")
_UNITS = {"p": "phuong", "f": "phuong", "q": "quan"}
_STREET = ("duong", "pho", "d", "hem")
"""First words of a street that its name may lack."""
_HOUSE = re.compile(r"^(?:so(?: nha)? )?(?P<number>\d+[a-z]{0,3}(?:/\d+[a-z]{0,3})*) +(?P<street>.*[a-z].*)$")
_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_PAIR = re.compile(rf"^\(?\s*({_NUMBER})\s*°?\s*([NSEWBĐT]?)\s*[\s,;/]\s*({_NUMBER})\s*°?\s*([NSEWBĐT]?)\s*\)?$", re.I)
_SEXAGESIMAL = re.compile(
    r"(\d{1,3})\s*°\s*(\d{1,2})\s*['′’]\s*(?:(\d{1,2}(?:[.,]\d+)?)\s*[\"″”]?)?\s*([NSEWBĐT])", re.I
)
_LABELS = re.compile(
    r"\b(?:vn-?2000|wgs-?84|lat(?:itude)?|l(?:on|ng)(?:gitude)?|vĩ độ|kinh độ|[xyne])\s*[:=]?\s*(?=[-+\d])", re.I
)


@dataclass(frozen=True, slots=True)
class Spot:
    """Coordinates that were typed: where they are, in which CRS they were, and which of the two came first."""

    lon: float
    lat: float
    crs: Crs
    north_first: bool


@dataclass(frozen=True, slots=True)
class Sought:
    """A question: words of names, or of a street beside a house number."""

    text: str
    words: tuple[str, ...]
    number: str = ""
    street: tuple[str, ...] = ()
    area: str = ""
    """What stood after the street, as it was typed: a ward, for the most part."""

    @property
    def phrase(self) -> str:
        return " ".join(self.words)


def sought(text: str) -> Sought:
    """The question of a line. A house number is one only before a street."""
    words = words_of(text)
    first, _, rest = text.partition(",")
    house = _HOUSE.match(folded(first).strip())
    if house is None:
        return Sought(text, words)
    street = street_words(tuple(house["street"].split()[:MOST_WORDS]))
    return Sought(text, words, house["number"], street, rest.strip())


def folded(text: str) -> str:
    """Text as names are compared; `citymap.searchable` in the database does the same."""
    plain = unicodedata.normalize("NFD", text)
    bare = "".join(c for c in plain if not "\u0300" <= c <= "\u036f")
    return f" {bare.translate(_PUNCTUATION).lower()} "


def words_of(text: str) -> tuple[str, ...]:
    """The words of a line, its short forms of units written out: `P15, Q. Tân Bình` has `phuong`, `15`."""
    written = _UNIT.sub(lambda m: f"{_UNITS[m[1]]} {m[2]} ", folded(text))
    return tuple(written.split()[:MOST_WORDS])


def street_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a street without the one that says it is a street."""
    return words[1:] if len(words) > 1 and words[0] in _STREET else words


def forms(word: str) -> tuple[str, ...]:
    """The word and what it is short for."""
    return (word, _SHORT[word]) if word in _SHORT else (word,)


def found_in(words: tuple[str, ...], name: str) -> bool:
    """Whether every word begins a word of the (folded) name; a number before another word is a word of its own."""
    last = len(words) - 1
    return all(
        any(f" {form}{' ' if form.isdigit() and i < last else ''}" in name for form in forms(word))
        for i, word in enumerate(words)
    )


def spots(text: str, city: Box = VIETNAM) -> Iterator[Spot]:
    """Every place that a pair of numbers means: degrees either way round, or metres of a VN-2000 grid in the city."""
    pair = _degrees(text) or _pair(text)
    if pair is None:
        return
    one, other = pair
    if max(abs(one), abs(other)) <= 180:
        yield from _in_degrees(one, other, city)
    elif min(abs(one), abs(other)) >= 100_000:
        yield from _in_metres(one, other, city)


def _in_degrees(one: float, other: float, city: Box) -> Iterator[Spot]:
    """Latitude first is what people write, unless only the other way lies in the country."""
    for lat, lon, north_first in ((one, other, True), (other, one, False)):
        if _inside(lon, lat, VIETNAM) or _inside(lon, lat, city):
            yield Spot(lon, lat, CRS84, north_first)
            return


def _in_metres(one: float, other: float, city: Box) -> Iterator[Spot]:
    """Northings of the country are beyond 800 km, eastings of a grid below; grids that lead out of the city go."""
    north_first = one > other
    east, north = (other, one) if north_first else (one, other)
    for grid in GRIDS:
        lon, lat = lon_lat(np.array([[east, north]]), grid)[0]
        if _inside(lon, lat, city):
            yield Spot(float(lon), float(lat), grid, north_first)


def _pair(text: str) -> tuple[float, float] | None:
    found = _PAIR.match(_LABELS.sub("", text).strip())
    if found is None:
        return None
    one, other = (float(found[i].replace(",", ".")) for i in (1, 3))
    return (other, one) if found[2].upper() in ("E", "Đ") and found[2] else (one, other)


def _degrees(text: str) -> tuple[float, float] | None:
    """`10°46'37"N 106°42'3"E`; B, N, Đ, T are the Vietnamese letters, and N is south there only beside a B or Đ."""
    found = _SEXAGESIMAL.findall(text)
    if len(found) != 2:
        return None
    values = [int(d) + int(m) / 60 + float((s or "0").replace(",", ".")) / 3600 for d, m, s, _ in found]
    return (values[1], values[0]) if found[0][3].upper() in ("E", "Đ") else (values[0], values[1])


def _inside(lon: float, lat: float, box: Box) -> bool:
    west, south, east, north = box
    return bool(west <= lon <= east and south <= lat <= north)
