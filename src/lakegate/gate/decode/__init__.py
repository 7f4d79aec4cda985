"""Decoders: a batch of bytes to columns, without guessing."""
