"""What is wrong with a row, and where a frame of rows comes from.

A fault names its row as a person counts it in the source file, its column, and what would be right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

RawRows = Callable[[list[int]], list[dict[str, Any]]]
"""Rows of a file by position, as they stand there, column by column."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row that cannot be loaded. kind: the stable name it is counted under; row: a label of the frame's index."""

    row: int
    column: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a frame's rows come from; stands in `frame.attrs["origin"]`.

    rows, raw: row numbers, and the rows themselves in that order; faults: found while reading."""

    part: str = ""
    """Sheet of a workbook, layer of a container."""
    headers: tuple[str, ...] = ()
    """The columns as the file names them."""
    rows: Any = ()
    raw: RawRows | None = None
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader of the load report should know: a choice that was made, rows that another layer takes."""
    crs_asked: bool = False
    """The operator named the CRS; it is not put in doubt."""
    axes: str = "known"
    """`known`: x is east. `grid`: two columns X and Y, either may be the northing. `vn2000`: the same, on VN-2000."""
    format: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """Layer column → header in the file."""

    def __deepcopy__(self, memo: object) -> Origin:
        return self  # pandas copies `attrs` at every step; this is frozen and may be large


def raw_rows(table: pa.Table) -> RawRows:
    """The rows of an Arrow table, asked for one by one only where one is at fault."""
    return lambda at: table.take(pa.array(at, pa.int64())).to_pylist()
