"""The demo city: a seeded generator every layer's `demo` draws from, so that schools stand on streets that exist.

Nothing here is a fact about a real place but names and codes of wards, and real roads where those were loaded."""

from ingest.city.frames import framed, with_shapes
from ingest.city.places import Places
from ingest.city.synthetic import ADDRESSES, ROADS, TODAY, City, Quarter, city

__all__ = ["ADDRESSES", "ROADS", "TODAY", "City", "Places", "Quarter", "city", "framed", "with_shapes"]
