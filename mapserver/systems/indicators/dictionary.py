"""Entries of the dictionary as they come from outside, checked before they become indicators."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mapserver.errors import BadQuery
from mapserver.systems.indicators.records import Indicator, Measure

Line = Annotated[str, Field(min_length=1, max_length=500)]
Note = Annotated[str, Field(min_length=1, max_length=4000)]


class IndicatorBody(BaseModel):
    """An entry. code: lower-case letters, digits, `_`, `-` and `.`; per: what a rate is told per (100, 1000)."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
    title: Line
    title_en: Line | None = None
    group_code: Annotated[str, Field(pattern=r"^[0-9]{2}$")]
    unit: Line
    measure: Measure
    per: Annotated[float, Field(gt=0, le=1e9)] = 100
    formula: Note | None = None
    numerator: Note | None = None
    denominator: Note | None = None
    better: Literal["higher", "lower"] | None = None
    frequency: Literal["month", "quarter", "year"] = "month"
    flow: bool = False
    agency: Line | None = None
    legal_basis: Note | None = None
    due_days: Annotated[int, Field(ge=0, le=400)] = 10


def entry_of(body: IndicatorBody, groups: Collection[str]) -> Indicator:
    """The indicator that a checked entry means. Raises BadQuery for a group that the city has not."""
    if body.group_code not in groups:
        raise BadQuery("group_code", f"needs one of {', '.join(groups)}, got {body.group_code!r}")
    return Indicator(**body.model_dump())
