"""The gate of a stream of change events: envelope, layout, values."""
