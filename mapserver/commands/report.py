"""`citymap report`: one HTML file that needs no network, out of the same doors as the map."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from starlette.testclient import TestClient

from mapserver import tallies
from mapserver.app import create_app
from mapserver.catalogue import Catalogue, catalogue
from mapserver.database import opened
from mapserver.errors import BadQuery, NotFound
from mapserver.layer import Language
from mapserver.settings import settings
from mapserver.viewer.report import Count, WardFacts, counted, ward_report

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Reports as one HTML file each.")
WARDS, LINKS = "wards", "area_links"
MOST = 2_000
"""Features of a layer that a report draws, at most."""


@app.callback()
def root() -> None:
    """Reports as one HTML file each."""


@app.command()
def ward(
    code: Annotated[str, typer.Argument(help="The code of a ward of today, such as 26740.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; ward-CODE.html by default.")] = None,
    lang: Annotated[str, typer.Option(help="vi or en.")] = "vi",
) -> None:
    """A ward's map and figures, public data only, as a file that asks nobody for anything."""
    if lang not in ("vi", "en"):
        raise BadQuery("--lang", f"needs vi or en, got {lang[:20]!r}")
    language: Language = "vi" if lang == "vi" else "en"
    chosen = settings()
    layers = catalogue(chosen.layers)
    with opened(chosen, layers) as there, TestClient(cast(Any, create_app(chosen, there.app_dsn))) as city:
        facts = _facts(city, layers, code)
    file = output or Path(f"ward-{code}.html")
    file.write_text(ward_report(facts, layers, language), encoding="utf-8")
    typer.echo(f"{file}: {facts.ward['properties']['full_name']}, {file.stat().st_size / 1000:,.0f} kB")


def _facts(city: TestClient, layers: Catalogue, code: str) -> WardFacts:
    """What the doors tell anybody of a ward. Raises NotFound for a code that no ward has today."""
    found = _asked(city, f"collections/{WARDS}/items", code=code)["features"]
    if not found:
        raise NotFound("CODE", f"no ward has the code {code[:20]!r} today")
    names = [layer.name for layer in layers if tallies.counted(layer) and layer.access.level == "public"]
    drawn = [name for name in names if layers[name].geometry == "Point"]
    limit = str(MOST)
    return WardFacts(
        ward=found[0],
        counts=tuple(count for name in names if (count := _count(city, name, code))),
        features={name: _asked(city, f"collections/{name}/items", ward_code=code, limit=limit) for name in drawn},
        origins=tuple(
            link["properties"] for link in _asked(city, f"collections/{LINKS}/items", to_code=code)["features"]
        ),
        synthetic=frozenset(c["id"] for c in _asked(city, "collections")["collections"] if c.get("synthetic")),
        on=date.today(),
    )


def _count(city: TestClient, name: str, code: str) -> Count | None:
    units = _asked(city, f"collections/{name}/aggregate", by="ward")["features"]
    return counted(name, [unit["properties"] for unit in units], code)


def _asked(city: TestClient, path: str, **asked: str) -> Any:
    return city.get(f"/{path}", params={"f": "json", **asked}).raise_for_status().json()
