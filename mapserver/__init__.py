"""CityMap: one shared spatial store of a city, served through OGC APIs."""

__version__ = "0.1.0"
