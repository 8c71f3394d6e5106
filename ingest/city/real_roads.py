"""Real roads under a made-up city: where they were loaded, places stand beside them and bus lines run along them.

Everything here is in metres of the plane. Away from the real roads the generator's own streets go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from ingest.city.plane import Array, to_plane
from ingest.city.streets import Words

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from scipy.spatial import KDTree

SNAP_M = 350.0
"""A place this near to a real street moves beside it."""
BUS_RANK = 5
"""Buses take roads of this rank (tertiary) and above."""
SLOWDOWN = {5: 1.5, 6: 1.2}
"""Buses prefer larger roads: how much longer a road of each rank feels."""


@dataclass(frozen=True)
class RealRoads:
    """Roads of the layer `roads`: names (empty where none), ranks, and lines in the plane."""

    names: Words
    ranks: NDArray[np.int64]
    lines: NDArray[np.object_] = field(repr=False)

    @cached_property
    def _named(self) -> tuple[Words, NDArray[np.object_], shapely.STRtree]:
        named = self.names != ""
        return self.names[named], self.lines[named], shapely.STRtree(self.lines[named])

    def beside(self, xy: Array, street: Words) -> tuple[Array, Words]:
        """Places moved to the side of the nearest named road, with its name; those far from any stay."""
        names, lines, tree = self._named
        points = shapely.points(xy)
        place, road = tree.query_nearest(points, max_distance=SNAP_M, all_matches=False)
        on = shapely.line_interpolate_point(lines[road], shapely.line_locate_point(lines[road], points[place]))
        foot = shapely.get_coordinates(on)
        away = xy[place] - foot
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        moved, renamed = xy.copy(), street.copy()
        moved[place] = foot + away * np.minimum(1.0, (6.0 + distance % 7.0) / np.maximum(distance, 0.1))
        renamed[place] = names[road]
        return moved, renamed

    @cached_property
    def network(self) -> Network:
        """The larger roads as a graph: its largest connected part."""
        from scipy.sparse import csr_array  # late: scipy takes a second to start, and only demo cities need it
        from scipy.sparse.csgraph import connected_components  # as above

        large = self.ranks >= BUS_RANK
        corners, road = shapely.get_coordinates(self.lines[large], return_index=True)
        places, node = np.unique(np.round(corners, 1), axis=0, return_inverse=True)
        follows = np.flatnonzero(road[1:] == road[:-1])
        a, b = node[follows], node[follows + 1]
        slow = np.array([SLOWDOWN.get(rank, 1.0) for rank in self.ranks[large]])[road[follows]]
        length = np.maximum(np.linalg.norm(places[a] - places[b], axis=1), 0.1) * slow
        names = np.full(len(places), "", dtype=object)
        names[node] = self.names[large][road]
        graph = csr_array((length, (a, b)), shape=(len(places), len(places)))
        part = connected_components(graph, directed=False)[1]
        kept = np.flatnonzero(part == np.bincount(part).argmax())
        return Network(places[kept], names[kept], graph[kept][:, kept])


@dataclass(frozen=True)
class Network:
    """A road graph. xy: (n, 2) nodes; names: the road each is on; graph: what each stretch costs, in metres."""

    xy: Array
    names: Words
    graph: csr_array = field(repr=False)

    @cached_property
    def _tree(self) -> KDTree:
        from scipy.spatial import KDTree  # late: scipy takes a second to start, and only demo cities need it

        return KDTree(self.xy)

    def path(self, start: Array, end: Array, near_m: float) -> NDArray[np.int64]:
        """Nodes of the cheapest way between two places; empty when one of them is further than near_m from any node."""
        from scipy.sparse.csgraph import dijkstra  # late: scipy takes a second to start, and only demo cities need it

        distance, (a, b) = self._tree.query(np.stack([start, end]))
        if (distance > near_m).any() or a == b:
            return np.empty(0, dtype=np.int64)
        before = dijkstra(self.graph, directed=False, indices=a, return_predecessors=True)[1]
        steps = [int(b)]
        while steps[-1] != a:
            steps.append(int(before[steps[-1]]))
        return np.array(steps[::-1])


def real_roads(roads: gpd.GeoDataFrame) -> RealRoads:
    """Roads (name, rank, geometry in EPSG:4326) ready to be stood beside and driven along."""
    names = np.array([name if isinstance(name, str) else "" for name in roads["name"]], dtype=object)
    lines = shapely.transform(roads.geometry.to_numpy(), to_plane)
    return RealRoads(names, roads["rank"].to_numpy(), lines)
