"""WMTS 1.0.0: the map in tiles, by KVP and by REST, in Web Mercator and in the city's own VN-2000 matrix set."""
