"""The rivers of the demo city: a few long meanders through the ground, as a line and as the water they cover.

Their courses are sketched by hand after the real ones, coarse and wrong on purpose: nobody should measure on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from ingest.city.plane import Array, to_plane


@dataclass(frozen=True, slots=True)
class River:
    """course: (n, 2) metres of the plane from source to mouth. widths_m: across the water, at each of its points."""

    name: str
    course: Array
    widths_m: Array

    def line(self) -> shapely.LineString:
        return shapely.linestrings(self.course)

    def water(self) -> shapely.Polygon:
        """The surface, in the plane."""
        step = np.gradient(self.course, axis=0)
        left = np.stack([-step[:, 1], step[:, 0]], axis=-1) / np.linalg.norm(step, axis=1, keepdims=True)
        banks = self.course + left * self.widths_m[:, None] / 2, self.course - left * self.widths_m[:, None] / 2
        return shapely.make_valid(shapely.polygons(np.concatenate([banks[0], banks[1][::-1]])))


_SKETCHES: tuple[tuple[str, float, float, tuple[tuple[float, float], ...]], ...] = (
    ("Sông Sài Gòn", 60, 330, ((106.33, 11.36), (106.42, 11.20), (106.52, 11.09), (106.62, 11.02), (106.645, 10.96),
     (106.69, 10.90), (106.715, 10.86), (106.745, 10.835), (106.715, 10.805), (106.735, 10.79), (106.708, 10.772),
     (106.745, 10.755), (106.765, 10.73))),
    ("Sông Đồng Nai", 180, 420, ((106.90, 11.14), (106.87, 11.02), (106.84, 10.93), (106.86, 10.86), (106.83, 10.80),
     (106.79, 10.765), (106.765, 10.73))),
    ("Sông Nhà Bè", 500, 1400, ((106.765, 10.73), (106.775, 10.69), (106.75, 10.63), (106.77, 10.57), (106.74, 10.50),
     (106.80, 10.43))),
    ("Sông Lòng Tàu", 300, 700, ((106.775, 10.69), (106.82, 10.64), (106.86, 10.58), (106.90, 10.53), (106.93, 10.46))),
    ("Sông Vàm Cỏ mẫu", 90, 160, ((106.47, 10.86), (106.52, 10.78), (106.58, 10.70), (106.66, 10.66), (106.72, 10.65))),
    ("Sông Bé mẫu", 60, 120, ((106.70, 11.45), (106.76, 11.36), (106.79, 11.26), (106.86, 11.18), (106.90, 11.14))),
)  # fmt: skip


def rivers() -> tuple[River, ...]:
    """Every river, from source to mouth."""
    return tuple(_river(*sketch) for sketch in _SKETCHES)


def _river(name: str, narrow_m: float, wide_m: float, sketch: tuple[tuple[float, float], ...]) -> River:
    """A smooth course through the sketched points, with meanders that fade out at both ends."""
    from scipy.interpolate import CubicSpline  # late: scipy takes a second to start, and only demo cities need it

    points = to_plane(np.array(sketch))
    walked = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    along = np.linspace(0, walked[-1], max(40, int(walked[-1] / 150)))
    course = CubicSpline(walked, points)(along)
    fade = np.sin(np.pi * along / walked[-1])
    swing = fade * (140 * np.sin(along / 620) + 90 * np.sin(along / 291 + 1))
    step = np.gradient(course, axis=0)
    course += np.stack([-step[:, 1], step[:, 0]], -1) / np.linalg.norm(step, axis=1, keepdims=True) * swing[:, None]
    return River(name, course, np.linspace(narrow_m, wide_m, len(along)))
