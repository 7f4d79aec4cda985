"""The native extension, where it is built."""

from __future__ import annotations

import os
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def kernels() -> ModuleType:
    try:
        import lakegate_native
    except ImportError:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must build lakegate-native (make native)")
        pytest.skip("lakegate-native is not installed: `make native` builds it where cargo is")
    return lakegate_native
