"""A drawing process: jobs on standard input, pictures on standard output, until either ends.

    python -m mapserver.rendering.child GLYPH_FOLDER OWN_FOLDER

Reads files of its own folder and the glyphs, and nothing else: no network, no database. Takes its folder with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import rmtree
from signal import SIGTERM, signal
from typing import BinaryIO

import numpy as np
from pymgl import Map

from mapserver.rendering import canvas
from mapserver.rendering.canvas import Pixels
from mapserver.rendering.job import GLYPHS, HERE, Job, answer, unpacked

NOTHING = '{"version": 8, "sources": {}, "layers": []}'
NICE = 5
"""Pictures give way to features and tiles."""
RANGES = tuple(f"{first}-{first + 255}" for first in range(0, 65536, 256))


def main(glyphs: Path, folder: Path) -> None:
    """Says that it can draw, or why not; then draws what comes."""
    jobs, said = sys.stdin.buffer, _own_output()
    signal(SIGTERM, lambda *_: sys.exit())
    os.nice(NICE)
    try:
        fonts = _glyphs(glyphs, folder / "glyphs")
        _say(said, _started())
        while (job := unpacked(jobs)) is not None:
            _say(said, _answered(job, folder / "files", fonts))
    finally:
        rmtree(folder, ignore_errors=True)


def pictures(job: Job, files: Path, fonts: Path) -> tuple[bytes, ...]:
    """The pictures of a job. files, fonts: folders that its style is told of. Raises RuntimeError."""
    for name, content in job.files.items():
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    style = job.style.replace(HERE, f"file://{files}").replace(GLYPHS, f"file://{fonts}")
    shot = job.shot
    pixels = _drawn(style, shot.centre, shot.zoom, (shot.width, shot.height), shot.ratio)
    whole = pixels if job.onto is None else canvas.warped(pixels, shot, job.onto)
    pieces = [canvas.cut(whole, window) for window in job.windows] or [whole]
    return tuple(canvas.encoded(piece, job.form, job.background) for piece in pieces)


def _drawn(style: str, centre: tuple[float, float], zoom: float, size: tuple[int, int], ratio: int) -> Pixels:
    with Map(style, *size, ratio, *centre, zoom) as drawing:
        if ratio > 1:  # pymgl 0.5.0 cuts the buffer of finer pixels off
            return canvas.decoded(drawing.renderPNG())
        flat = np.array(drawing.renderBuffer(), np.uint8)
    return np.ascontiguousarray(flat.reshape(size[1], size[0], 4).transpose(2, 0, 1))


def _started() -> bytes:
    """An empty answer when a picture of nothing can be drawn, else the fault."""
    try:
        _drawn(NOTHING, (0.0, 0.0), 0.0, (1, 1), 1)
    except RuntimeError as error:
        return answer((), f"MapLibre cannot start: {error}")
    return answer(())


def _answered(job: Job, files: Path, fonts: Path) -> bytes:
    try:
        return answer(pictures(job, files, fonts))
    except (RuntimeError, ValueError, MemoryError, OSError) as error:
        return answer((), f"{type(error).__name__}: {error}")
    finally:
        rmtree(files, ignore_errors=True)


def _own_output() -> BinaryIO:
    """Standard output for us alone; what libraries print there goes to standard error."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


def _say(out: BinaryIO, content: bytes) -> None:
    out.write(content)
    out.flush()


def _glyphs(source: Path, target: Path) -> Path:
    """The glyphs that were drawn at set-up, and an empty file for every range in which a font draws nothing."""
    for stack in sorted(path for path in source.iterdir() if path.is_dir()):
        (target / stack.name).mkdir(parents=True)
        for span in RANGES:
            drawn, place = stack / f"{span}.pbf", target / stack.name / f"{span}.pbf"
            place.symlink_to(drawn) if drawn.exists() else place.touch()
    return target


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
