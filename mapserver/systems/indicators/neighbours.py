"""Local Moran's I: where a unit is unlike the units around it, and how likely chance alone would make it so.

Statistic: Anselin 1995, with m2 = sum(z^2) / n; moments under conditional randomisation: Sokal, Oden & Thomson 1998.
Tested against PySAL's esda (`Moran_Local`: EIc, VIc), which needs more than ten seconds to be imported."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LocalMoran:
    """By unit, in the order given: the statistic, its z under chance, the two-sided p, own deviation and neighbours'.

    moran, z, p are NaN for units without neighbours."""

    moran: Array
    z: Array
    p: Array
    own: Array
    around: Array

    def outliers(self, p: float) -> NDArray[np.int64]:
        """Units high among low, or low among high, that chance makes less often than p."""
        unlike = (self.own * self.around < 0) & (self.z < 0)
        return np.flatnonzero(unlike & (np.nan_to_num(self.p, nan=1.0) < p))


def local_moran(values: Array, pairs: Iterable[tuple[int, int]]) -> LocalMoran:
    """values: (n,); pairs: positions of neighbours, both ways; weights are 1 over the number of neighbours."""
    n = len(values)
    weights = np.zeros((n, n))
    for one, other in pairs:
        weights[one, other] = 1.0
    count = weights.sum(axis=1)
    weights = np.divide(weights, count[:, None], out=weights, where=count[:, None] > 0)
    z = values - values.mean()
    m2 = float((z**2).mean())
    if n < 4 or m2 == 0:
        nothing = np.full(n, np.nan)
        return LocalMoran(nothing, nothing, nothing, z, np.zeros(n))
    around = weights @ z
    moran = np.where(count > 0, z * around / m2, np.nan)
    expected, variance = moments(z, (weights**2).sum(axis=1))
    score = (moran - expected) / np.sqrt(np.where(variance > 0, variance, np.nan))
    chance = np.array([math.erfc(abs(one) / math.sqrt(2)) for one in score])
    return LocalMoran(moran, score, chance, z, around)


def moments(z: Array, squares: Array) -> tuple[Array, Array]:
    """Mean and variance of each unit's statistic, given its own deviation z; squares: sum of its squared weights."""
    n, m2 = len(z), float((z**2).mean())
    expected: Array = -(z**2) / m2 / (n - 1)
    variance: Array = (z / m2) ** 2 * (n / (n - 2)) * (squares - 1 / (n - 1)) * (m2 - z**2 / (n - 1))
    return expected, variance
