"""Dead letters: causes, fixes and replay."""
