"""The reference page names every code, key and test there is; the demo's models are right."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import lakegate as lg
from lakegate.pipeline.models import check_models
from lakegate.transform.header import KEYS
from lakegate.transform.model import Kind, Materialisation
from lakegate.transform.problem import MODEL_CODES

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "models.md").read_text()


def test_the_page_is_complete() -> None:
    for word in (*MODEL_CODES, *KEYS, *Kind, *Materialisation):
        assert word in PAGE, word


def test_the_demos_models_fit_its_contracts(tmp_path: Path) -> None:
    with resources.as_file(resources.files("lakegate.demo") / "flights") as folder:
        streams = [
            stream
            for file in sorted((folder / "contracts").glob("*.odcs.yaml"))
            for stream in lg.load(file).streams
        ]
        problems, count = check_models(folder / "models", streams)
    assert problems == []
    assert count == 4
