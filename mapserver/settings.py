"""All settings, read once: the only room that reads the environment.

Every field is documented in `docs/settings.md`; a test holds the two together."""

from __future__ import annotations

import os
import socket
from functools import cached_property
from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What the operator may choose. Environment names stand in each field's alias."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    host: str = Field("127.0.0.1", validation_alias=AliasChoices("CITYMAP_HOST", "HOST"))
    """Address to listen on."""
    port: int = Field(8000, validation_alias=AliasChoices("CITYMAP_PORT", "PORT"), ge=1, le=65535)
    """Port to listen on."""
    workers: int = Field(2, validation_alias="CITYMAP_WORKERS", ge=1, le=64)
    """Web worker processes."""
    data: Path = Field(Path("var"), validation_alias="CITYMAP_DATA")
    """Data folder: the private PostGIS cluster, rasters, caches, backups."""
    database_url: str | None = Field(None, validation_alias="DATABASE_URL")
    """A PostGIS of yours, as postgresql://…; empty means the private cluster in the data folder."""
    layers: Path = Field(ROOT / "layers", validation_alias="CITYMAP_LAYERS")
    """Folder of layer files; `ingest/` and `styles/` are its siblings."""
    real_data: Path | None = Field(None, validation_alias="CITYMAP_REAL_DATA")
    """Folder of real input; `../shared/data` beside the project when that exists."""
    app_url: str | None = Field(None, validation_alias="CITYMAP_APP_URL")
    """The database as the web workers' role; set by `citymap serve` for its workers."""
    owner_url: str | None = Field(None, validation_alias="CITYMAP_OWNER_URL")
    """The database as the owner of the layers; set by `citymap serve` for its loader."""
    public_url: str | None = Field(None, validation_alias="CITYMAP_URL")
    """The address in links, when a proxy stands in front (https://map.example.vn)."""
    allowed_hosts: str = Field("", validation_alias="CITYMAP_HOSTS")
    """Further host names, separated by commas, that links may be built on when a request names them."""
    cache: bool = Field(True, validation_alias="CITYMAP_CACHE")
    """`off` keeps no answer between requests: no tile, no document, no picture."""
    tiles_mb: int = Field(1024, validation_alias="CITYMAP_TILES_MB", ge=0, le=10**6)
    """Room for tiles on disk, in the data folder; 0 keeps them in memory only."""
    drawers: int = Field(1, validation_alias="CITYMAP_DRAWERS", ge=1, le=16)
    """Drawing processes of each web worker."""
    log: str = Field("info", validation_alias="CITYMAP_LOG", pattern="^(debug|info|warning|error)$")
    """Least level that is logged."""

    @property
    def base_url(self) -> str:
        """Root of every link, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @cached_property
    def hosts(self) -> frozenset[str]:
        """Host names that links may be built on; any other Host header is not reflected."""
        named = {name.strip() for name in self.allowed_hosts.split(",")} - {""}
        return frozenset({"localhost", "127.0.0.1", "[::1]", self.host, socket.gethostname()} | named)

    def environment(self, **further: str) -> dict[str, str]:
        """The environment of a child process that shall have these settings, and what stands in `further`."""
        own: dict[str, str] = {}
        for field, about in type(self).model_fields.items():
            alias, value = about.validation_alias, getattr(self, field)
            name = str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)
            own |= {} if value is None else {name: str(value)}
        return {**os.environ, **own, **further}

    @property
    def real_data_found(self) -> Path | None:
        """The folder of real input when one is there."""
        folder = self.real_data or ROOT.parent / "shared" / "data"
        return folder if folder.is_dir() else None


def settings(**chosen: object) -> Settings:
    """The settings of this process: the environment (empty values mean unset), then what the caller chose."""
    for name in ("DATABASE_URL", "CITYMAP_URL", "CITYMAP_REAL_DATA", "CITYMAP_DATA", "HOST", "PORT"):
        if os.environ.get(name) == "":
            del os.environ[name]
    return Settings(**{k: v for k, v in chosen.items() if v is not None})  # type: ignore[arg-type]
