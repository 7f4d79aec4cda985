"""The tools people use today, on the records and rules of :mod:`benchmarks.orders`."""
