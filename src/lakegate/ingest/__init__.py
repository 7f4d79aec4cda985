"""How data arrives: producers that write to the raw topics."""
