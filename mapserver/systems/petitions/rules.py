"""How a city handles petitions, read from its `rules/petitions.yml`: lists of codes, transitions, deadlines, privacy.

Raises BadCatalogue naming file and key; nothing is assumed that the file does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapserver.catalogue import Catalogue, TextFile
from mapserver.errors import BadCatalogue
from mapserver.layer import Text
from mapserver.systems.petitions.workdays import Workdays, workdays

LAYER = "petitions"
FILE = Path("rules") / f"{LAYER}.yml"
PRECISIONS = ("point", "asset", "street", "ward", "city")
"""How well a place is known; of `ward` and `city` the point is any inside."""
Days = Annotated[int, Field(ge=0, le=250)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeadlineFile(_Strict):
    """The rule for every petition that no other rule is for."""

    forward_minutes: Annotated[int, Field(ge=1, le=10_000)] = 5
    answer_working_days: Days = 5


class UnitFile(_Strict):
    """A handling unit."""

    title: TextFile
    answer_working_days: Days | None = None


class FieldFile(_Strict):
    """What is particular to a field. unit: who handles it; sensitive: never on the public map."""

    unit: str | None = None
    sub_fields: Mapping[str, TextFile] = {}
    answer_working_days: Days | None = None
    sensitive: bool = False


class PublicFile(_Strict):
    """What the public may see: groups of at least so many, so many days after their week has ended."""

    least: Annotated[int, Field(ge=5, le=1000)] = 5
    delay_days: Annotated[int, Field(ge=7, le=365)] = 14


class RulesFile(_Strict):
    """`rules/petitions.yml`."""

    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    time_zone: str
    deadline: DeadlineFile = DeadlineFile()
    statuses: Annotated[Mapping[str, tuple[str, ...]], Field(description="Each status, and those that may follow it")]
    handled: Annotated[tuple[str, ...], Field(description="Statuses of a petition that is dealt with", min_length=1)]
    units: Mapping[str, UnitFile]
    fields: Mapping[str, FieldFile]
    public: PublicFile = PublicFile()


@dataclass(frozen=True)
class Rules:
    """The rules of one city, checked against its layer `petitions`."""

    file: RulesFile
    days: Workdays
    titles: Mapping[str, Text]
    """Titles of the fields, as the layer has them."""

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.file.time_zone)

    @cached_property
    def ranks(self) -> Mapping[str, int]:
        """Place of each status in the order of handling."""
        return {status: place for place, status in enumerate(self.file.statuses)}

    @property
    def sensitive(self) -> tuple[str, ...]:
        return tuple(code for code, field in self.file.fields.items() if field.sensitive)

    def handled(self, status: str) -> bool:
        return status in self.file.handled

    def may_follow(self, status: str) -> tuple[str, ...]:
        """Statuses from which a petition may come into this one."""
        return tuple(before for before, after in self.file.statuses.items() if status in after)

    def local(self, at: datetime) -> date:
        """The city's day of a moment."""
        return at.astimezone(self.zone).date()

    def working_days(self, field: str, unit: str | None) -> int:
        """Working days for an answer: the unit's rule, else the field's, else the default."""
        of_unit = self.file.units[unit].answer_working_days if unit and unit in self.file.units else None
        of_field = self.file.fields[field].answer_working_days if field in self.file.fields else None
        return next(days for days in (of_unit, of_field, self.file.deadline.answer_working_days) if days is not None)

    def due_on(self, received_at: datetime, field: str, unit: str | None) -> date:
        """The last day for an answer."""
        return self.days.after(self.local(received_at), self.working_days(field, unit))

    def forward_by(self, received_at: datetime) -> datetime:
        """Until when it must be with its handling unit; the hotline works around the clock."""
        return received_at + timedelta(minutes=self.file.deadline.forward_minutes)

    def unit(self, field: str) -> str | None:
        """Who handles a field."""
        return self.file.fields[field].unit if field in self.file.fields else None


def kept(catalogue: Catalogue) -> bool:
    """Whether the catalogue has petitions that are records."""
    return LAYER in catalogue and catalogue[LAYER].system == LAYER


def rules(catalogue: Catalogue) -> Rules:
    """The rules beside a catalogue's layer of petitions. Raises BadCatalogue naming file and key."""
    layer = catalogue[LAYER]
    return _rules(layer.folder.resolve().parent, tuple((layer.by_name["field"].codes or {}).items()))


@lru_cache(8)
def _rules(city: Path, fields: tuple[tuple[str, Text], ...]) -> Rules:
    path = city / FILE
    try:
        read = RulesFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadCatalogue(str(FILE), f"cannot be read: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadCatalogue(str(FILE), f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    _agree(read, dict(fields))
    return Rules(read, workdays(city, read.country), dict(fields))


def _agree(read: RulesFile, titles: Mapping[str, Text]) -> None:
    """Refuses names that point nowhere."""
    wrong = [
        *(f"fields.{code}: the layer has no such field" for code in read.fields if code not in titles),
        *(f"handled: {code} is no status" for code in read.handled if code not in read.statuses),
        *(f"fields.{code}.unit: there is no unit {field.unit}" for code, field in read.fields.items()
          if field.unit not in {None, *read.units}),
        *(f"statuses.{before}: {after} is no status" for before, to in read.statuses.items()
          for after in to if after not in read.statuses),
    ]  # fmt: skip
    if wrong:
        raise BadCatalogue(str(FILE), wrong[0])
