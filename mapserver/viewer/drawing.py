"""Signed distance field glyphs for the map's labels, drawn at set-up out of the viewer's npm font.

    python -m mapserver.viewer.drawing FONT_FOLDER TARGET_FOLDER

As the style specification asks, a glyph is 24 px to the em with a border of 3 px; 191 is the outline, and 32 steps
are one pixel of distance. Never imported by the server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

import freetype
import numpy as np
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from mapserver.viewer.glyphs import RANGES, STACKS, Glyph, packed

EM_PX, BORDER_PX = 24, 3
OVERSAMPLING = 6
OUTLINE, STEPS_PER_PX = 191.25, 31.875
BASELINE_PX = 26
"""MapLibre measures `top` from a line this far above the baseline (it centres capitals on the anchor)."""

SUBSETS = ("latin", "latin-ext", "vietnamese")


def built(fonts: Path, target: Path) -> int:
    """Writes every stack below the target folder; the number of glyphs drawn."""
    with ProcessPoolExecutor(2) as pool:
        jobs = [pool.submit(_stack, fonts, target, stack) for stack in STACKS]
        return sum(job.result() for job in jobs)


def drawn(face: freetype.Face, code: int) -> Glyph:
    """One character of a face that is set to OVERSAMPLING * EM_PX pixels."""
    face.load_char(chr(code), freetype.FT_LOAD_RENDER | freetype.FT_LOAD_NO_HINTING)
    slot = face.glyph
    advance = round(slot.linearHoriAdvance / 65536 / OVERSAMPLING)
    if not slot.bitmap.width:
        return Glyph(code, 0, 0, 0, -BASELINE_PX, advance, b"")
    left = slot.bitmap_left // OVERSAMPLING
    top = -(-slot.bitmap_top // OVERSAMPLING)
    ink = np.array(slot.bitmap.buffer, np.uint8).reshape(slot.bitmap.rows, slot.bitmap.pitch)[:, : slot.bitmap.width]
    x, y = slot.bitmap_left - left * OVERSAMPLING, top * OVERSAMPLING - slot.bitmap_top
    width, height = (-(-(side) // OVERSAMPLING) for side in (x + ink.shape[1], y + ink.shape[0]))
    canvas = np.zeros(((height + 2 * BORDER_PX) * OVERSAMPLING, (width + 2 * BORDER_PX) * OVERSAMPLING), bool)
    x, y = x + BORDER_PX * OVERSAMPLING, y + BORDER_PX * OVERSAMPLING
    canvas[y : y + ink.shape[0], x : x + ink.shape[1]] = ink > 127
    return Glyph(code, width, height, left, top - BASELINE_PX, advance, _distances(canvas).tobytes())


def _distances(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Distance to the outline at the centre of every pixel, out of a mask OVERSAMPLING times as fine."""
    away = distance_transform_edt(~inside) - distance_transform_edt(inside)
    away -= 0.5 * np.sign(away)
    half = OVERSAMPLING // 2
    rows, columns = (side // OVERSAMPLING for side in inside.shape)
    cells = away.reshape(rows, OVERSAMPLING, columns, OVERSAMPLING)[:, half - 1 : half + 1, :, half - 1 : half + 1]
    away_px = cells.mean(axis=(1, 3)) / OVERSAMPLING
    return np.asarray(np.clip(np.rint(OUTLINE - STEPS_PER_PX * away_px), 0, 255), np.uint8)


def _stack(fonts: Path, target: Path, stack: str) -> int:
    """Draws one stack into its folder; the number of its glyphs."""
    glyphs = {glyph.code: glyph for subset in SUBSETS for glyph in _glyphs(fonts, subset, STACKS[stack])}
    folder = target / stack
    folder.mkdir(parents=True, exist_ok=True)
    for span in RANGES:
        first = int(span.split("-")[0])
        members = [glyphs[code] for code in range(first, first + 256) if code in glyphs]
        if members:
            (folder / f"{span}.pbf").write_bytes(packed(stack, span, members))
    return len(glyphs)


def _glyphs(fonts: Path, subset: str, cut: str) -> Iterator[Glyph]:
    (file,) = fonts.glob(f"*-{subset}-{cut}.woff2")
    font = TTFont(file)
    plain = BytesIO()
    font.flavor = None  # FreeType's wheel reads TrueType, not WOFF2
    font.save(plain)
    plain.seek(0)
    face = freetype.Face(plain)
    face.set_pixel_sizes(0, EM_PX * OVERSAMPLING)
    yield from (drawn(face, code) for code in sorted(font.getBestCmap()) if code < 65536)


if __name__ == "__main__":
    source, destination = (Path(argument) for argument in sys.argv[1:3])
    print(f"glyphs: {built(source, destination)} drawn into {destination}")
