"""Working days of a country: public holidays, days off and worked in exchange, and which years are not yet settled.

Holidays come from the package `holidays`; `calendar/YYYY.yml` of the city says what that lacks, and overrides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import holidays
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapserver.errors import BadCatalogue

FOLDER = "calendar"
SATURDAY = 5


class YearFile(BaseModel):
    """One year: `calendar/YYYY.yml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    announced: Annotated[bool, Field(description="The government's calendar of this year is out")] = False
    days_off: Annotated[tuple[date, ...], Field(description="Days off, whatever the package says")] = ()
    days_worked: Annotated[tuple[date, ...], Field(description="Days worked: exchanged, or no holiday after all")] = ()


@dataclass(frozen=True, slots=True)
class Workdays:
    """Working days. settled: the last year whose calendar was announced; what lies beyond is provisional."""

    country: str
    years: Mapping[int, YearFile]
    _known: dict[int, tuple[frozenset[date], frozenset[date]]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def settled(self) -> int:
        return max((year for year, file in self.years.items() if file.announced), default=0)

    def is_working(self, day: date) -> bool:
        """Whether offices work on a day."""
        file = self.years.get(day.year)
        if file is not None and day in (*file.days_off, *file.days_worked):
            return day in file.days_worked
        holidays_, exchanged = self._package(day.year)
        return day in exchanged or (day.weekday() < SATURDAY and day not in holidays_)

    def after(self, day: date, count: int) -> date:
        """The count-th working day after a day; the day itself is not counted (Civil Code 2015, article 147)."""
        while count > 0:
            day += timedelta(days=1)
            count -= self.is_working(day)
        return day

    def between(self, first: date, last: date) -> int:
        """Working days after `first` up to and with `last`; none when `last` is not later."""
        return sum(self.is_working(first + timedelta(days=n)) for n in range(1, (last - first).days + 1))

    def provisional(self, day: date) -> bool:
        """Whether the calendar of the day's year is not announced yet, so that a deadline in it may still move."""
        return day.year > self.settled

    def _package(self, year: int) -> tuple[frozenset[date], frozenset[date]]:
        """Holidays, and days of a weekend that are worked, as the package has them."""
        if year not in self._known:
            found = holidays.country_holidays(self.country, years=year)
            exchanged: Iterable[date] = getattr(found, "weekend_workdays", ())
            self._known[year] = frozenset(found), frozenset(exchanged)
        return self._known[year]


def workdays(city: Path, country: str) -> Workdays:
    """The working days of a city. city: the folder that holds `calendar/`. Raises BadCatalogue naming file and key."""
    return Workdays(country, {int(file.stem): _year(file) for file in sorted((city / FOLDER).glob("[0-9]*.yml"))})


def _year(file: Path) -> YearFile:
    try:
        read = YearFile.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadCatalogue(str(file), f"is not readable YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadCatalogue(str(file), f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    strange = [day for day in (*read.days_off, *read.days_worked) if str(day.year) != file.stem]
    if strange:
        raise BadCatalogue(str(file), f"{strange[0]} is not a day of {file.stem}")
    return read
