"""How a city judges its indicators, read from its `rules/indicators.yml`: groups, and from when on a figure is a sign.

Raises BadCatalogue naming file and key; nothing is assumed that the file does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapserver.catalogue import Catalogue, TextFile
from mapserver.errors import BadCatalogue
from mapserver.layer import Text

LAYER = "indicators"
FILE = Path("rules") / f"{LAYER}.yml"
Share = Annotated[float, Field(gt=0, le=1000)]
ModelT = TypeVar("ModelT", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThresholdsFile(_Strict):
    """What one indicator has of its own; None is as for all."""

    near_percent: Share | None = None
    jump_k: Share | None = None
    least_history: Annotated[int, Field(ge=4, le=120)] | None = None
    revision_percent: Share | None = None
    outlier_p: Annotated[float, Field(gt=0, lt=0.5)] | None = None


class RulesFile(_Strict):
    """`rules/indicators.yml`."""

    groups: Annotated[Mapping[str, TextFile], Field(min_length=1)]
    near_percent: Share
    jump_k: Share
    least_history: Annotated[int, Field(ge=4, le=120)]
    revision_percent: Share
    outlier_p: Annotated[float, Field(gt=0, lt=0.5)]
    indicators: Mapping[str, ThresholdsFile] = {}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on a figure of one indicator is a sign. Percents are of the plan, or of the older figure."""

    near_percent: float
    jump_k: float
    least_history: int
    revision_percent: float
    outlier_p: float


@dataclass(frozen=True)
class Rules:
    """The rules of one city."""

    file: RulesFile

    @property
    def groups(self) -> Mapping[str, Text]:
        return {code: title.text() for code, title in self.file.groups.items()}

    def thresholds(self, indicator: str) -> Thresholds:
        """Those of one indicator: its own, else those of all."""
        own = self.file.indicators.get(indicator, ThresholdsFile()).model_dump(exclude_none=True)
        every = self.file.model_dump(include=set(ThresholdsFile.model_fields))
        return Thresholds(**{**every, **own})


def kept(catalogue: Catalogue) -> bool:
    """Whether this city keeps indicators: it has the layer, drawn from this system."""
    layer = catalogue.layers.get(LAYER)
    return layer is not None and layer.system == LAYER


def rules(catalogue: Catalogue) -> Rules:
    """The rules beside the catalogue's layer files. Raises BadCatalogue."""
    return _rules(catalogue[LAYER].folder.resolve().parent / FILE)


@lru_cache(8)
def _rules(path: Path) -> Rules:
    return Rules(read(path, RulesFile))


def read(path: Path, model: type[ModelT]) -> ModelT:
    """A YAML file of the city as a checked value. Raises BadCatalogue naming file and key."""
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadCatalogue(str(path), f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BadCatalogue(str(path), f"is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BadCatalogue(f"{path}, {key}", f"{first['msg']}, got {str(first['input'])[:60]!r}") from error
