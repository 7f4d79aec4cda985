"""The native path: a stream as plain data for `lakegate-native`, and its findings as a verdict."""
