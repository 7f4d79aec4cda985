"""The command line: noun then verb, thin over :mod:`lakegate.pipeline`."""
