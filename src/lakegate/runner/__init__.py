"""Hosts of the gate: they bring it batches, and commit what it says, exactly once."""
