"""Who publishes this API: the hand-written part of `config/pygeoapi.yml`, above `resources:`.

One text for our documents and for pygeoapi, so that they cannot differ. The engine knows no city."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mapserver.errors import BadCatalogue
from mapserver.layer import Text
from mapserver.settings import ROOT, Settings

NAME = Path("config") / "pygeoapi.yml"


class _Texts(BaseModel):
    vi: str
    en: str


class _Words(BaseModel):
    vi: list[str]
    en: list[str]


class _Identification(BaseModel):
    title: _Texts
    description: _Texts
    keywords: _Words


class _Link(BaseModel):
    name: str
    url: str


class _Provider(BaseModel):
    name: _Texts
    url: str


class _Metadata(BaseModel):
    identification: _Identification
    license: _Link
    provider: _Provider


class _File(BaseModel):
    model_config = ConfigDict(extra="allow")

    server: dict[str, Any]
    metadata: _Metadata
    resources: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the landing page says of the whole."""

    title: Text
    description: Text
    keywords: dict[str, list[str]]
    provider: Text
    provider_url: str
    licence: str
    licence_url: str
    file: Path
    """The file it was read from."""


def path(settings: Settings) -> Path:
    """The city's own `config/pygeoapi.yml`, beside its layers; else the one that stands beside the engine."""
    own = settings.layers.parent / NAME
    return own if own.exists() else ROOT / NAME


def identity(file: Path) -> Identity:
    """The identity in a file. Raises BadCatalogue naming the key that is not right."""
    try:
        raw = _File.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadCatalogue(str(file), "cannot be read") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadCatalogue(file.name, f"is not readable YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadCatalogue(file.name, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    about, meta = raw.metadata.identification, raw.metadata
    return Identity(
        title=Text(about.title.vi, about.title.en),
        description=Text(about.description.vi, about.description.en),
        keywords={"vi": about.keywords.vi, "en": about.keywords.en},
        provider=Text(meta.provider.name.vi, meta.provider.name.en),
        provider_url=meta.provider.url,
        licence=meta.license.name,
        licence_url=meta.license.url,
        file=file,
    )
