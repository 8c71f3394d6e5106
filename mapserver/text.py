"""Vietnamese text as the city stores it: Unicode NFC, Đ and not Ð, legacy encodings repaired column by column.

One name alone rarely tells its encoding (TCVN3 136 of 168 ward names, VNI 139), so `legacy` looks at a whole column.
The conversion tables are viparse's; the judgement is by how many words read as Vietnamese syllables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import viparse

SAMPLE = 3000
"""Distinct values with marks that a column's encoding is judged by."""
_ENOUGH, _MARGIN = 0.75, 0.25
_FEW, _RARE = 5, ("VPS",)
"""VPS is rare and its table turns signs such as ² and ° into letters: fewer words than this prove nothing."""
_WORD_BREAK = re.compile(r"[\s!-/:-@\[-`{-~]+")
_TONES = re.compile("[\u0300\u0301\u0303\u0309\u0323]")
_SYLLABLE = re.compile(
    r"^(ngh|ng|nh|gh|gi|kh|ph|qu|th|tr|ch|[bcdđghklmnprstvx])?"
    r"(i[êe]u|y[êe]u|u[ôo]i|ư[ơo]i|ư[ơo]u|oai|oay|oeo|uây|uyê|uya|uyu|uao|ươ|iê|yê|uô|uê|uâ|uơ|uă|uy|"
    r"oa|oă|oe|oo|ai|ao|au|ay|âu|ây|eo|êu|ia|iu|oi|ôi|ơi|ua|ui|ưa|ưi|ưu|[aăâeêioôơuưy])(ch|ng|nh|[cmnpt])?$"
)
_BYTES = frozenset(map(chr, range(256))) | frozenset(bytes(range(256)).decode("cp1252", "ignore"))
_INVISIBLE = "[\u200b\u200c\u200d\u2060\ufeff\u00ad]"
_CONTROL = "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]"


Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_STRANGE, _SECOND_MATTERS = 1, 2
_LEADS = np.full(256, _STRANGE, np.uint8)
_LEADS[:0x80] = _LEADS[0x80:0xC0] = _LEADS[0xC4:0xCC] = 0
_LEADS[[0xC3, 0xE1]] = _SECOND_MATTERS
"""By first byte of a character in UTF-8: 0 is left alone by tidying."""
_CONTROLS = np.zeros(256, bool)
_CONTROLS[:0x20] = _CONTROLS[0x7F] = True
_CONTROLS[[0x09, 0x0A, 0x0D]] = False


def folded(text: str) -> str:
    """A header or code as it is compared: without case, marks, spaces and punctuation; đ is d."""
    plain = unicodedata.normalize("NFD", text.replace("Đ", "D").replace("đ", "d").replace("Ð", "D"))
    return "".join(c for c in plain.casefold() if c.isalnum() and not unicodedata.combining(c))


def tidy(column: pa.Array) -> pa.Array:
    """Text in NFC with Ð (U+00D0) mended to Đ, without invisible characters and outer spaces; empty is null."""
    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    if not _plain(_utf8(text)):
        text = pc.replace_substring_regex(text, _INVISIBLE, "")
        text = pc.replace_substring(text, "\u00a0", " ")
        text = pc.replace_substring(pc.utf8_normalize(text, form="NFC"), "Ð", "Đ")
    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def control_characters(column: pa.Array) -> pa.Array:
    """Whether each text holds NUL or another control character (line breaks and tabs are text)."""
    if not _has_controls(_utf8(column)):
        return pa.repeat(False, len(column))
    return pc.fill_null(pc.match_substring_regex(column, _CONTROL), False)


def marked(values: Iterable[str | None]) -> list[str]:
    """The distinct values that may be bytes of a legacy encoding, as many as a judgement needs."""
    return list(islice(dict.fromkeys(v for v in values if v and not v.isascii() and _one_byte(v)), SAMPLE))


def legacy(values: Iterable[str | None]) -> str | None:
    """The legacy encoding a column of text is in (a key of CONVERSIONS), or None when it is right as it stands."""
    text = "\n".join(marked(values))
    if not text:
        return None
    as_is = _vietnamese(text)
    few = len(_words(text)) < _FEW
    best, name = max(
        (_vietnamese(_converted(text, name)), name) for name in CONVERSIONS if not few or name not in _RARE
    )
    return name if best >= _ENOUGH and best >= as_is + _MARGIN else None


def repaired(column: pa.Array, encoding: str) -> pa.Array:
    """The column out of a legacy encoding; a value that is Vietnamese Unicode already is kept as it is."""
    distinct = column.dictionary_encode()
    mended = [_mended(value, encoding) for value in distinct.dictionary.to_pylist()]
    return pa.array(mended, pa.string()).take(distinct.indices)


def repaired_text(text: str, encoding: str | None) -> str:
    """One text (a header) out of a legacy encoding."""
    return text if encoding is None else _mended(text, encoding)


def _mended(value: str, encoding: str) -> str:
    return value if value.isascii() or not _one_byte(value) else _converted(value, encoding)


def _one_byte(value: str) -> bool:
    """Whether every character stands for one byte of Windows-1252 or Latin-1; others are Unicode already."""
    return _BYTES.issuperset(value)


def _converted(text: str, encoding: str) -> str:
    return unicodedata.normalize("NFC", CONVERSIONS[encoding](text))


def _vietnamese(text: str) -> float:
    """Share of the words with marks that read as Vietnamese syllables."""
    words = _words(text)
    return sum(map(_is_syllable, words)) / len(words) if words else 0.0


def _utf8(text: pa.Array) -> Bytes:
    """The bytes of a column's text, end to end."""
    offsets, data = text.buffers()[1:3]
    if data is None or offsets is None:
        return np.empty(0, np.uint8)
    edges = np.frombuffer(offsets, np.int32)
    return np.frombuffer(data, np.uint8)[edges[text.offset] : edges[text.offset + len(text)]]


def _plain(data: Bytes) -> bool:
    """Whether bytes are UTF-8 of letters that tidying leaves alone: ASCII, and the precomposed letters of Vietnamese.

    U+00C0 to U+02FF but for Ð, and U+1E00 to U+1EFF, are in NFC as long as no combining mark follows. A look at the
    bytes takes a tenth of the time of normalising them."""
    kinds = _LEADS[data]
    if (kinds == _STRANGE).any():
        return False
    at = np.flatnonzero(kinds == _SECOND_MATTERS)
    lead, second = data[at], data[at + 1]
    return bool(np.where(lead == 0xC3, second != 0x90, (second >= 0xB8) & (second <= 0xBB)).all())


def _has_controls(data: Bytes) -> bool:
    """Whether bytes of UTF-8 hold C0, DEL or C1 characters other than tab and line break."""
    if _CONTROLS[data].any():
        return True
    at = np.flatnonzero(data == 0xC2)
    return bool((data[at + 1] < 0xA0).any())


def _words(text: str) -> list[str]:
    """The words with marks; a lone sign (°, ²) or a quoted word says nothing."""
    return [word for word in _WORD_BREAK.split(text) if len(word) > 1 and not word.isascii()]


@lru_cache(maxsize=20_000)
def _is_syllable(word: str) -> bool:
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFC", word).lower())
    if len(_TONES.findall(plain)) > 1:
        return False
    return bool(_SYLLABLE.match(unicodedata.normalize("NFC", _TONES.sub("", plain))))


def _bytes(text: str) -> bytes:
    """The bytes that were wrongly read as Windows-1252 or Latin-1."""
    return b"".join(_byte(c) for c in text)


def _byte(character: str) -> bytes:
    if ord(character) < 256:
        return character.encode("latin-1")
    return character.encode("cp1252")


CONVERSIONS: dict[str, Callable[[str], str]] = {
    "TCVN3 (ABC)": lambda text: viparse.fix(text, encoding="tcvn3"),
    "VNI": lambda text: viparse.fix(text, encoding="vni"),
    "VPS": lambda text: viparse.fix(text, encoding="vps"),
    "Windows-1258": lambda text: _bytes(text).decode("cp1258", "replace"),
    "UTF-8 read as Latin-1": lambda text: _bytes(text).decode("utf-8", "replace"),
}
"""Ways out of each encoding that legacy Vietnamese files come in, given the text as it was read byte by byte."""
