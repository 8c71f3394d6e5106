"""WFS 1.0.0, 1.1.0 and 2.0.0 over the questions that every door asks.

versions.py is the table of what differs; requests are read in asking.py, answered by capabilities.py, schemas.py,
answers.py and transactions.py; door.py is the address."""
