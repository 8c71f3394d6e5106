"""The functions a filter may call beyond the operators: an allow-list, listed at `/functions`."""

from __future__ import annotations

from dataclasses import dataclass

from mapserver.layer import Text


@dataclass(frozen=True, slots=True)
class Function:
    """One function. takes: types of its arguments; gives: type of its value; sql: text with `{0}`, `{1}`."""

    name: str
    takes: tuple[str, ...]
    gives: str
    sql: str
    description: Text


_GRID = 909210
"""VN-2000 TM-3 105°45' through the pinned operation: lengths and areas are measured on the city's own grid."""


def _on_grid(place: str) -> str:
    return f"ST_Transform({place}, {_GRID})"


FUNCTIONS = {
    function.name: function
    for function in (
        Function("lower", ("text",), "text", "lower({0})", Text("chữ thường", "text in lower case")),
        Function("upper", ("text",), "text", "upper({0})", Text("chữ hoa", "text in upper case")),
        Function("char_length", ("text",), "number", "char_length({0})", Text("số ký tự", "number of characters")),
        Function("abs", ("number",), "number", "abs({0})", Text("giá trị tuyệt đối", "absolute value")),
        Function("floor", ("number",), "number", "floor({0})", Text("làm tròn xuống", "rounded down")),
        Function("ceil", ("number",), "number", "ceil({0})", Text("làm tròn lên", "rounded up")),
        Function(
            "area_m2",
            ("geometry",),
            "number",
            f"ST_Area({_on_grid('{0}')})",
            Text("diện tích (m²) trên lưới VN-2000", "area in m² on the VN-2000 grid"),
        ),
        Function(
            "length_m",
            ("geometry",),
            "number",
            f"ST_Length({_on_grid('{0}')})",
            Text("chiều dài (m) trên lưới VN-2000", "length in m on the VN-2000 grid"),
        ),
        Function(
            "distance_m",
            ("geometry", "geometry"),
            "number",
            f"ST_Distance({_on_grid('{0}')}, {_on_grid('{1}')})",
            Text("khoảng cách (m) trên lưới VN-2000", "distance in m on the VN-2000 grid"),
        ),
    )
}
