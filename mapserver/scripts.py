"""The city's ingest scripts, `ingest/<layer>.py`, loaded by path: the engine imports no city.

A script's faults (a name it lacks, an exception inside it) are told as the script's, with its file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from mapserver.errors import BadLoad, CityMapError
from mapserver.layer import Layer
from mapserver.reading import Source


def script(layer: Layer) -> ModuleType:
    """The module `ingest/<layer>.py` of the city that a layer belongs to. Raises BadLoad when it cannot be imported."""
    return module(layer.folder, layer.name)


def module(layers: Path, name: str) -> ModuleType:
    """The module `ingest/<name>.py` of the city with this folder of layer files. Raises BadLoad."""
    city = layers.resolve().parent
    file = city / "ingest" / f"{name}.py"
    if str(city) not in sys.path:
        sys.path.insert(0, str(city))
    spec = importlib.util.spec_from_file_location(f"citymap_ingest.{name}", file)
    if spec is None or spec.loader is None or not file.exists():
        raise BadLoad(name, f"has no ingest script; expected {file}")
    made = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    try:
        spec.loader.exec_module(made)
    except Exception as error:
        raise BadLoad(str(file), f"cannot be imported: {type(error).__name__}: {error}") from error
    return made


def deed(layer: Layer, name: str) -> Callable[..., Any]:
    """The function `read` or `demo` of a layer's script. Raises BadLoad when it has none."""
    found = getattr(script(layer), name, None)
    if not callable(found):
        raise BadLoad(f"ingest/{layer.name}.py", f"has no function {name}")
    return found  # type: ignore[no-any-return]


def frames(layer: Layer, source: Source) -> Iterator[pd.DataFrame]:
    """The rows of a source as the layer's script reads them, each frame bearing the source's name."""
    for frame in told(layer, deed(layer, "read")(source)):
        frame.attrs["source"] = source.name
        yield frame


def told(layer: Layer, made: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The frames of a script; an exception inside it is told with the script's file and line."""
    try:
        yield from made
    except CityMapError:
        raise
    except Exception as error:
        raise BadLoad(_place(layer, error), f"{type(error).__name__}: {error}") from error


def _place(layer: Layer, error: BaseException) -> str:
    """File and line of the innermost step inside the script, or the script alone."""
    own, trace, line = f"{layer.name}.py", error.__traceback__, None
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == own:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"ingest/{own}, line {line}" if line else f"ingest/{own}"
