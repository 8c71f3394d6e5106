"""Vietnamese text: NFC, Đ, legacy encodings told by column, headers compared folded."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapserver.catalogue import Catalogue
from mapserver.headers import headers
from mapserver.text import control_characters, folded, legacy, repaired, tidy

NAMES = ("Phường Sài Gòn", "Phường Bến Thành", "Xã Củ Chi", "Đặc khu Côn Đảo", "Phường Thủ Dầu Một", "Phường Tân Định")
TCVN3 = ("Ph­êng Sµi Gßn", "Ph­êng BÕn Thµnh", "X· Cñ Chi", "§Æc khu C«n §¶o", "Ph­êng Thñ DÇu Mét", "Ph­êng T©n §Þnh")
VNI = (
    "Phöôøng Saøi Goøn",
    "Phöôøng Beán Thaønh",
    "Xaõ Cuû Chi",
    "Ñaëc khu Coân Ñaûo",
    "Phöôøng Thuû Daàu Moät",
    "Phöôøng Taân Ñònh",
)


def texts(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


def test_text_is_stored_in_nfc_trimmed_with_a_true_d_stroke() -> None:
    decomposed = unicodedata.normalize("NFD", "Đường Lê Lợi")
    stored = tidy(texts(f"  {decomposed}\u00a0", "Ðại lộ", "\u200bBến\ufeff Thành", "", "   ", None)).to_pylist()
    assert stored == ["Đường Lê Lợi", "Đại lộ", "Bến Thành", None, None, None]


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=("Cs",)))), max_size=5))
def test_tidy_text_stays_as_it_is_when_tidied_again(values: list[str | None]) -> None:
    once = tidy(texts(*values))
    assert tidy(once).to_pylist() == once.to_pylist()
    assert all(v is None or (v and "Ð" not in v and unicodedata.is_normalized("NFC", v)) for v in once.to_pylist())


def test_control_characters_are_found_and_line_breaks_are_text() -> None:
    flags = control_characters(texts("a\x00b", "a\x1bb", "a\x85b", "two\nlines\tand a tab", None)).to_pylist()
    assert flags == [True, True, True, False, False]


@pytest.mark.parametrize(("column", "encoding"), [(TCVN3, "TCVN3 (ABC)"), (VNI, "VNI")])
def test_a_column_in_a_legacy_encoding_is_told_and_repaired(column: tuple[str, ...], encoding: str) -> None:
    assert legacy(column) == encoding
    assert repaired(texts(*column, None, "plain"), encoding).to_pylist() == [*NAMES, None, "plain"]


def test_utf8_read_byte_by_byte_is_told_and_repaired() -> None:
    for wrong in ("latin-1", "cp1252"):
        fitting = [name for name in NAMES if _fits(name, wrong)]
        column = [name.encode().decode(wrong) for name in fitting]
        assert legacy(column) == "UTF-8 read as Latin-1"
        assert repaired(texts(*column), "UTF-8 read as Latin-1").to_pylist() == fitting


def _fits(name: str, encoding: str) -> bool:
    try:
        return bool(name.encode().decode(encoding))
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize(
    "column",
    [
        NAMES,
        ("Café de l'Hôtel", "Résidence Château", "Crème brûlée", "École française"),
        ("Straße", "München", "Köln"),
        ("Jalapeño", "El Niño", "São Paulo"),
        ("Trường Bến Thành", "ă" * 50),
        ("10 m²", "5 °C", "±3", "½", "20µg/m³"),
        ("plain", None, ""),
    ],
)
def test_text_that_is_right_is_left_alone(column: tuple[str | None, ...]) -> None:
    assert legacy(column) is None


def test_a_value_already_in_unicode_stays_in_a_repaired_column() -> None:
    assert repaired(texts(TCVN3[0], "Phường Tân Định"), "TCVN3 (ABC)").to_pylist() == [NAMES[0], "Phường Tân Định"]


@pytest.mark.real
@pytest.mark.parametrize(("key", "encoding"), [("tcvn3", "TCVN3 (ABC)"), ("vni", "VNI")])
def test_all_168_ward_names_come_back_from_their_legacy_bytes(real_data: Path, key: str, encoding: str) -> None:
    names: list[dict[str, Any]] = json.loads((real_data / "legacy_encoding_vectors.json").read_text())["names"]
    for byte_reading in ("latin-1", "cp1252"):
        column = [bytes.fromhex(name[f"{key}_cp1252_hex"]).decode(byte_reading) for name in names]
        assert len(column) == 168
        assert legacy(column) == encoding
        assert repaired(texts(*column), encoding).to_pylist() == [name["unicode"] for name in names]


def test_headers_are_compared_without_case_marks_and_punctuation() -> None:
    assert folded("Tọa độ X (VN-2000)") == "toadoxvn2000"
    assert folded("ĐỊA CHỈ") == folded("Dia_chi") == "diachi"


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["Mã trường", "Tên trường", "Số học sinh"], {"source_id": 0, "name": 1, "pupils": 2}),
        (["MATRUONG", "TENTRUONG", "SOHOCSINH"], {"source_id": 0, "name": 1, "pupils": 2}),
        (["Identifier at the source", "Name", "Pupils (persons)"], {"source_id": 0, "name": 1, "pupils": 2}),
        (["M· tr­êng", "Tªn tr­êng", "Sè häc sinh"], {"source_id": 0, "name": 1, "pupils": 2}),
        (["identifier", "ten"], {"source_id": 0, "name": 1}),
        (["something else"], {}),
    ],
)
def test_a_header_finds_its_column(layers: Catalogue, names: list[str], columns: dict[str, int]) -> None:
    assert headers(names, layers["schools"]).columns == columns


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (["Kinh độ", "Vĩ độ"], (0, 1, "degrees")),
        (["lat", "lon"], (1, 0, "degrees")),
        (["LONGITUDE", "Latitude"], (0, 1, "degrees")),
        (["Tọa độ X (VN2000)", "Tọa độ Y (VN2000)"], (0, 1, "vn2000")),
        (["X", "Y"], (0, 1, "grid")),
        (["Y (m)", "X (m)"], (1, 0, "grid")),
        (["POINT_X", "POINT_Y"], (0, 1, "grid")),
        (["X", "Y", "Kinh độ", "Vĩ độ"], (2, 3, "degrees")),
        (["x", "name"], (None, None, "degrees")),
    ],
)
def test_a_table_says_where_its_coordinates_stand(layers: Catalogue, names: list[str], place: tuple[Any, ...]) -> None:
    found = headers(names, layers["schools"]).place
    assert (found.x, found.y, found.axes) == place


@given(
    st.text(
        st.characters(max_codepoint=0x2FF, exclude_categories=("Cs",))
        | st.characters(min_codepoint=0x1E00, max_codepoint=0x1EFF)
    )
)
def test_what_is_passed_over_as_plain_would_not_have_changed(value: str) -> None:
    slow = unicodedata.normalize("NFC", value.replace("\u00ad", "").replace("\u00a0", " ")).replace("Ð", "Đ").strip()
    assert tidy(texts(value)).to_pylist() == [slow or None]


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_control_characters_are_those_of_unicode(value: str) -> None:
    wanted = any(unicodedata.category(c) == "Cc" and c not in "\t\n\r" for c in value)
    assert control_characters(texts(value)).to_pylist() == [wanted]
    assert control_characters(texts("x", value).slice(1)).to_pylist() == [wanted]
