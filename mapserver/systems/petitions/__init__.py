"""Petitions of citizens: records, deadlines in working time, imports, exact figures, and what the public may see."""
