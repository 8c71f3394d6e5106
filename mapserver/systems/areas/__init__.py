"""Area versions and the links between them: kept, filled, loaded, checked, weighed, and followed by every layer."""
