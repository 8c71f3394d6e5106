"""`citymap demo`: a synthetic city of any size; and the filling of what was never loaded, at a server's first start.

The engine knows no city: it asks `ingest/city` for one, each layer's script for its rows, and the script's `REAL` for
the file of the real folder that the layer is filled from."""

from __future__ import annotations

import importlib
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import geopandas as gpd
import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mapserver import database, raster
from mapserver.catalogue import Catalogue, catalogue
from mapserver.errors import BadLoad, BadQuery
from mapserver.layer import Layer
from mapserver.loading import Provenance, Report, load
from mapserver.loading_raster import load_raster
from mapserver.reading import opened
from mapserver.reading_files import checksum
from mapserver.scripts import deed, frames, script, told
from mapserver.settings import Settings, settings
from mapserver.systems.indicators import importing as indicators
from mapserver.systems.indicators.rules import LAYER as INDICATORS
from mapserver.systems.indicators.rules import kept as keeps_indicators
from mapserver.systems.petitions.importing import filled, real
from mapserver.tables import quoted
from mapserver.upkeep import caught_up

WARDS, ROADS = "wards", "roads"
GENERATOR = "citymap demo"
LEAST, MOST = 0.01, 100.0
Say = Callable[[str], None]


def demo(
    names: Annotated[list[str] | None, typer.Argument(help="Layers; all by default.")] = None,
    scale: Annotated[float, typer.Option(help="How many times the default size, 0.01 to 100.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another number is another city.")] = 2025,
    over_real: Annotated[bool, typer.Option("--over-real", help="Replace layers that hold real data, too.")] = False,
) -> None:
    """Fill layers with a synthetic city, inside real wards if there are any; layers that hold real data stay."""
    if not LEAST <= scale <= MOST:
        raise BadQuery("--scale", f"is between {LEAST:g} and {MOST:g}, not {scale:g}")
    chosen = settings()
    layers = catalogue(chosen.layers)
    wanted = _wanted(layers, names or [])
    with database.opened(chosen, layers) as there:
        kept = (set() if over_real else _real(there.owner_dsn)) | _precious(there.owner_dsn, layers)
        for layer in wanted:
            if layer.name in kept:
                typer.echo(f"{layer.name}: holds real data and stays as it is (--over-real replaces it)")
        filling = Filling(chosen, there.owner_dsn, layers, scale, seed)
        reports = {layer.name: filling.synthetic(layer) for layer in wanted if layer.name not in kept}
        if not names or INDICATORS in names:
            filling.indicators(anew=True)
        filling.areas()
    typer.echo(
        _summary([reports[layer.name] for layer in wanted if layer.name in reports and layer.origin == "ingest"])
    )


def fill(chosen: Settings, owner_dsn: str, scale: float = 1.0) -> list[Report]:
    """Loads every layer that was never loaded: real input where the folder is there, else the synthetic city.

    Wards come first, then what is real, then what stands beside it. Each layer is one transaction, so that a fill cut
    short goes on where it was."""
    layers = catalogue(chosen.layers)
    filling = Filling(chosen, owner_dsn, layers, scale)
    loaded = _loaded(owner_dsn)
    missing = [layer for layer in _wanted(layers, []) if layer.name not in loaded or _file_lost(chosen, layer)]
    reports = [filling.real(layer) or filling.synthetic(layer) for layer in missing if layer.name == WARDS]
    others = [layer for layer in missing if layer.name != WARDS]
    reports += [report for layer in others if (report := filling.real(layer))]
    done = {report.layer for report in reports}
    reports += [filling.synthetic(layer) for layer in others if layer.name not in done]
    filling.indicators(anew=False)
    filling.areas()
    return reports


@dataclass(frozen=True)
class Filling:
    """One run over several layers. seed: None takes the city's own."""

    settings: Settings
    owner_dsn: str
    layers: Catalogue
    scale: float = 1.0
    seed: int | None = None

    def real(self, layer: Layer) -> Report | None:
        """Loads the layer from its file in the real folder, if there is one; invalid outlines are mended."""
        folder, name = self.settings.real_data_found, getattr(script(layer), "REAL", None)
        if folder is None or name is None or not (folder / name).exists():
            return None
        with opened(folder / name, layer) as source:
            provenance = Provenance(name, GENERATOR, checksum(source.path))
            if layer.origin == "raster":
                return self._raster(layer, source, provenance)
            return self._rows(layer, frames(layer, source), provenance, mend=True)

    def synthetic(self, layer: Layer) -> Report:
        """Loads what the layer's generator makes, marked as synthetic."""
        make = deed(layer, "demo")
        made = self._made(None) if layer.name == WARDS else self._city
        provenance = Provenance(f"{GENERATOR} --scale {self.scale:g} --seed {made.seed}", GENERATOR, synthetic=True)
        if layer.origin == "raster":
            return self._raster(layer, made, provenance)
        if layer.system:
            return self._records(layer, told(layer, make(made)), provenance)
        return self._rows(layer, told(layer, make(made)), provenance)

    def indicators(self, *, anew: bool) -> None:
        """Fills the indicators with the sample dictionary and made-up figures, unless there are real ones.

        anew: also where there are made-up ones already."""
        if not keeps_indicators(self.layers):
            return
        began, layer = time.monotonic(), self.layers[INDICATORS]
        with psycopg.connect(self.owner_dsn, autocommit=True) as conn:
            if not indicators.empty(conn) or not (anew or indicators.never_filled(conn)):
                return
            made, source = script(layer), f"{GENERATOR} --scale {self.scale:g} --seed {self._city.seed}"
            count = indicators.filled(conn, made.dictionary(), told(layer, made.demo(self._city)), source)
        typer.echo(f"{layer.name:22}{count:>11,} rows   {time.monotonic() - began:6.1f} s  {source}")

    def areas(self) -> None:
        """Brings the area versions up to the layers."""
        for note in caught_up(self.owner_dsn, self.layers):
            typer.echo(f"{'areas':22}{note}")

    @cached_property
    def _city(self) -> Any:
        """The city to draw from: in the wards that stand in the database, along its roads where they are real."""
        real = _real(self.owner_dsn)
        roads = _standing(self.owner_dsn, ROADS, "name", "rank") if ROADS in real else None
        return self._made(_standing(self.owner_dsn, WARDS, "code", "name", "full_name"), roads)

    def _made(self, wards: gpd.GeoDataFrame | None, roads: gpd.GeoDataFrame | None = None) -> Any:
        try:
            return importlib.import_module("ingest.city").city(wards, self.scale, self.seed, roads)
        except (ImportError, AttributeError) as error:
            raise BadLoad("ingest/city", f"makes no demo city: {error}") from error

    def _rows(
        self, layer: Layer, rows: Iterable[gpd.GeoDataFrame], provenance: Provenance, mend: bool = False
    ) -> Report:
        with _progress(layer.name) as progress:
            report = load(self.owner_dsn, self.layers, layer, rows, provenance, mend=mend, progress=progress)
        _said(report)
        return report

    def _records(self, layer: Layer, rows: Iterable[gpd.GeoDataFrame], provenance: Provenance) -> Report:
        """Rows that become records of the layer's system, which draws the layer."""
        began = time.monotonic()
        with _progress(layer.name) as progress:
            added = filled(self.owner_dsn, self.layers, rows, provenance, progress).added
        report = Report(layer.name, "replace", provenance.source, None, added, added, 0, (), 0, 0, (), (),
                        time.monotonic() - began)  # fmt: skip
        _said(report)
        return report

    def _raster(self, layer: Layer, given: object, provenance: Provenance) -> Report:
        make = deed(layer, "demo" if provenance.synthetic else "read")
        target = raster.path(self.settings, layer)
        report = load_raster(self.owner_dsn, layer, lambda path: make(given, path), target, provenance)
        _said(report, raster_layer=True)
        return report


def _wanted(layers: Catalogue, names: list[str]) -> list[Layer]:
    """The layers that hold data of their own, wards first."""
    every, names = not names, [name for name in names if name != INDICATORS]
    for name in names:
        if name not in layers or not layers[name].is_loaded:
            own = ", ".join(layer.name for layer in layers if layer.is_loaded)
            raise BadQuery("NAMES", f"no layer {name} holds data of its own; there are {own}")
    chosen = [layer for layer in layers if layer.is_loaded and (every or layer.name in names)]
    return sorted(chosen, key=lambda layer: (layer.name != WARDS, layer.name))


def _loaded(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as conn:
        return {name for (name,) in conn.execute("SELECT layer FROM citymap.load WHERE finished_at IS NOT NULL")}


def _real(dsn: str) -> set[str]:
    """Layers whose content is not synthetic."""
    latest = """
        SELECT layer FROM (
            SELECT DISTINCT ON (layer) layer, synthetic
            FROM citymap.load
            WHERE finished_at IS NOT NULL AND mode = 'replace'
            ORDER BY layer, id DESC
        ) AS latest
        WHERE NOT synthetic"""
    with psycopg.connect(dsn) as conn:
        return {name for (name,) in conn.execute(latest)}


def _precious(dsn: str, layers: Catalogue) -> set[str]:
    """Layers that show records which nobody made up."""
    with psycopg.connect(dsn) as conn:
        return {layer.name for layer in layers if layer.system and real(conn)}


def _file_lost(chosen: Settings, layer: Layer) -> bool:
    return layer.origin == "raster" and not raster.path(chosen, layer).exists()


def _standing(dsn: str, layer: str, *columns: str) -> gpd.GeoDataFrame | None:
    """Columns and shapes of what stands in a layer, by its first column; None when that is nothing."""
    named = ", ".join(map(quoted, columns))
    with psycopg.connect(dsn) as conn:
        statement = f"SELECT {named}, ST_AsBinary(geom) FROM layers.{quoted(layer)} ORDER BY {quoted(columns[0])}, id"
        rows = conn.execute(statement.encode()).fetchall()
    if not rows:
        return None
    *values, shapes = zip(*rows, strict=True)
    outlines = gpd.GeoSeries.from_wkb([bytes(shape) for shape in shapes], crs=4326)
    return gpd.GeoDataFrame(dict(zip(columns, values, strict=True)), geometry=outlines)


def _said(report: Report, raster_layer: bool = False) -> None:
    """One line a layer."""
    kept = f", {report.quarantined:,} in quarantine" if report.quarantined else ""
    what = "cells" if raster_layer else "rows"
    typer.echo(f"{report.layer:22}{report.loaded:>11,} {what:5}{kept}  {report.seconds:6.1f} s  {report.source}")


def _summary(reports: list[Report]) -> str:
    rows, seconds = sum(r.loaded for r in reports), sum(r.seconds for r in reports)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{rows:,} rows in {seconds:.1f} s: {rows / max(seconds, 1e-3):,.0f} rows/s, {peak:,.0f} MiB at most"


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal, nothing elsewhere: the line at the end is enough for a log."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} rows"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda rows: bar.update(task, completed=rows)
