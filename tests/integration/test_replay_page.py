"""docs/how-to/fix-and-replay.md is written, run and compared, as the tutorial is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.test_tutorial import test_the_page_is_true as page_is_true

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "fix-and-replay.md"


def test_the_page_is_true(tmp_path: Path) -> None:
    page_is_true(PAGE, tmp_path)
