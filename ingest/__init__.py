"""The city's own scripts: `ingest/<layer>.py` reads what agencies send, or makes a synthetic city."""
