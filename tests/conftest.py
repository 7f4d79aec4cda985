"""Settings that all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No deadline: a timed assertion fails on a busy machine and says nothing about the code.
settings.register_profile(
    "lakegate", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("lakegate")
