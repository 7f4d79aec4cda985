"""The composition root: configuration to wired rooms."""
