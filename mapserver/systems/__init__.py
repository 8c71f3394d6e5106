"""Systems: what is decided here and kept for good, each in a room of its own with its precious tables."""
