"""WMS 1.1.1 and 1.3.0: maps as pictures, for the programs on agency desks.

asking.py reads requests, capabilities.py and info.py write answers, door.py ties them to the painter and the store."""
