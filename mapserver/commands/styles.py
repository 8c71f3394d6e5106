"""`citymap styles`: the styles of the layers for other programs, made from the one source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mapserver.catalogue import catalogue
from mapserver.errors import BadQuery
from mapserver.layer import LANGUAGES, Language
from mapserver.settings import settings
from mapserver.styles import THEMES, Theme, drawn
from mapserver.symbology.qml import qml
from mapserver.symbology.rules import symbology
from mapserver.symbology.sld import sld

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Styles for other programs.")


@app.callback()
def styles() -> None:
    """Styles for other programs."""


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made when it is not there.")],
    names: Annotated[list[str] | None, typer.Argument(help="Layers; all by default.")] = None,
    lang: Annotated[str, typer.Option(help="Language of the classes: vi or en.")] = "vi",
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
) -> None:
    """Write NAME.sld (1.0), NAME.se.sld (1.1) and NAME.qml for every layer; say what they could not express."""
    language, chosen = _language(lang), _theme(theme)
    layers = {layer.name: layer for layer in catalogue(settings().layers) if drawn(layer)}
    for name in names or layers:
        if name not in layers:
            raise BadQuery("NAMES", f"there is no layer with a style named {name}; there are {', '.join(layers)}")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or layers:
        said = symbology(layers[name], language, chosen)
        (folder / f"{name}.sld").write_bytes(sld([said], "1.0.0"))
        (folder / f"{name}.se.sld").write_bytes(sld([said], "1.1.0"))
        (folder / f"{name}.qml").write_bytes(qml(said))
        typer.echo(f"{name:24} {sum(len(one.rules) for one in said.passes)} rules")
        for unsaid in said.unsaid:
            typer.echo(f"  not expressed: {unsaid}")


def _language(text: str) -> Language:
    for known in LANGUAGES:
        if text == known:
            return known
    raise BadQuery("--lang", f"needs one of {', '.join(LANGUAGES)}, got {text}")


def _theme(text: str) -> Theme:
    for known in THEMES:
        if text == known:
            return known
    raise BadQuery("--theme", f"needs one of {', '.join(THEMES)}, got {text}")
