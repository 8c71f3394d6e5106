"""Spots beside streets, side by side in arrays, each with the address it would have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.city.grid import Whole, chance
from ingest.city.plane import Array
from ingest.city.streets import Words


@dataclass(frozen=True, slots=True)
class Places:
    """Spots beside streets: xy in the plane, and the address each would have."""

    xy: Array
    street: Words
    house_number: Words
    rank: Whole
    ward: Whole
    key: Whole

    def __len__(self) -> int:
        return len(self.key)

    def __getitem__(self, chosen: Whole) -> Places:
        return Places(*(getattr(self, name)[chosen] for name in self.__slots__))

    @property
    def addresses(self) -> list[str]:
        return [f"{number} {street}" for number, street in zip(self.house_number, self.street, strict=True)]

    @property
    def ids(self) -> list[str]:
        """Ids that say where they are from."""
        return [f"demo/{key:015x}" for key in self.key.tolist()]

    def dice(self, salt: int) -> Array:
        """One number in [0, 1) for each place, another for each salt."""
        return chance(0, salt, self.key)


def joined_places(parts: list[Places]) -> Places:
    """Several sets of places as one."""
    return Places(*(np.concatenate([getattr(part, name) for part in parts]) for name in Places.__slots__))


def one_per_ward(places: Places, middles: Array) -> Places:
    """Of every ward that has any, the place nearest to its middle (metres of the plane), by ward."""
    places = places[np.flatnonzero(places.ward >= 0)]
    distance = np.linalg.norm(places.xy - middles[places.ward], axis=1)
    order = np.lexsort((distance, places.ward))
    return places[order[np.unique(places.ward[order], return_index=True)[1]]]
