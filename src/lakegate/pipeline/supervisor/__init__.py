"""``lakegate up``: every part of a running project as a process, kept alive by a light parent."""
