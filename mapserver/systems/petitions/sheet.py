"""The export of the hotline as a table: which columns it has, under which headers, and the codes that may stand there.

The lists are the city's: fields, channels and statuses of its layer `petitions`, units and sub-fields of its rules."""

from __future__ import annotations

from dataclasses import replace

from mapserver.layer import Column, Layer, Text
from mapserver.systems.petitions.rules import PRECISIONS, Rules

REQUIRED = ("code", "field", "channel", "status", "received_at")
_TAKEN = (*REQUIRED, "due_on", "reopened", "precision")
_FURTHER = (
    Column("closed_at", "datetime", Text("Thời điểm trả lời", "Answered at"),
           aliases=("ngay tra loi", "NGAYTL", "ngay xu ly xong", "ngay ket thuc", "closed_on")),
    Column("updated_at", "datetime", Text("Cập nhật lúc", "Updated at"),
           aliases=("ngay cap nhat", "NGAYCN", "cap nhat", "lan cap nhat cuoi")),
    Column("said", "text", Text("Nội dung phản ánh", "Text"), aliases=("noi dung", "NOIDUNG", "text", "description")),
    Column("address", "text", Text("Địa chỉ", "Address"), aliases=("dia chi", "DIACHI", "vi tri", "dia diem")),
    Column("asset", "text", Text("Mã tài sản", "Asset"), aliases=("ma tai san", "MATAISAN")),
    Column("parent", "text", Text("Trùng với phản ánh", "Duplicate of"), aliases=("trung voi", "ma phan anh goc")),
    Column("photos", "text", Text("Hình ảnh", "Photos"), aliases=("hinh anh", "HINHANH", "anh dinh kem", "media_url")),
    Column("satisfaction", "integer", Text("Mức hài lòng (1 đến 5)", "Satisfaction, 1 to 5"),
           aliases=("hai long", "HAILONG", "muc do hai long")),
    Column("ward", "text", Text("Phường/xã", "Ward"), aliases=("phuong xa", "PHUONGXA", "ma phuong", "phuong", "xa")),
    Column("longitude", "number", Text("Kinh độ", "Longitude"), aliases=("kinh do", "lon", "lng", "long", "x")),
    Column("latitude", "number", Text("Vĩ độ", "Latitude"), aliases=("vi do", "lat", "y")),
)  # fmt: skip


def sheet(layer: Layer, rules: Rules) -> Layer:
    """The table of an export as a layer without geometry, for the readers and checks that every load has."""
    kept = {column.name: column for column in layer.columns}
    columns = [replace(kept[name], required=name in REQUIRED) for name in _TAKEN]
    columns += [replace(kept["unit"], type="code", codes=_units(rules))]
    columns += [replace(kept["sub_field"], type="code", codes=_sub_fields(rules))] if _sub_fields(rules) else []
    return replace(
        layer, columns=(*columns, *_FURTHER), geometry=None, key="code", ward=False, time=None, name_column=None
    )


def _units(rules: Rules) -> dict[str, Text]:
    return {code: unit.title.text() for code, unit in rules.file.units.items()}


def _sub_fields(rules: Rules) -> dict[str, Text]:
    return {code: title.text() for field in rules.file.fields.values() for code, title in field.sub_fields.items()}


__all__ = ["PRECISIONS", "REQUIRED", "sheet"]
