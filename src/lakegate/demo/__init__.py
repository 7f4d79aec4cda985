"""The demo: a year of real flights and weather, from raw events to an audited, published table."""
