"""The command `citymap`: every module of `commands/` is one sub-command, imported only when it is called.

A module gives `app` (a Typer), or a function of its own name. Faults are said in words, never as a traceback."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from mapserver import __version__, commands
from mapserver.errors import CityMapError

WRONG, INTERRUPTED = 1, 130


class Rooms(TyperGroup):
    """The sub-commands, by the name of their module."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(m.name for m in pkgutil.iter_modules(commands.__path__) if not m.name.startswith("_"))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = typer.main.get_command(_typer(cmd_name))
        command.name = cmd_name
        return command


app = typer.Typer(cls=Rooms, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


def _said_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback(help="CityMap: one shared spatial store of a city, served through OGC APIs.")
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_said_version, is_eager=True, help="Say the version and stop.")
    ] = False,
) -> None:
    """Options before any sub-command."""


def main() -> None:
    """Runs the command line; the exit code is 0, 1 for what went wrong, 2 for wrong usage, 130 when interrupted."""
    try:
        app(prog_name="citymap")
    except CityMapError as error:
        _fail(str(error))
    except ValidationError as error:
        _fail("\n".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, not {e['input']!r}" for e in error.errors()))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _typer(name: str) -> typer.Typer:
    module = importlib.import_module(f"{commands.__name__}.{name}")
    if isinstance(getattr(module, "app", None), typer.Typer):
        return module.app  # type: ignore[no-any-return]
    alone = typer.Typer(pretty_exceptions_enable=False)
    alone.command()(getattr(module, name))
    return alone


def _fail(words: str) -> None:
    print(f"citymap: {words}", file=sys.stderr)
    sys.exit(WRONG)


if __name__ == "__main__":
    main()
