"""``lakegate.toml``, the environment, and what is said of a mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from lakegate.errors import ProjectError
from lakegate.pipeline.config import Config, find_root, load_config


def write(folder: Path, text: str) -> Path:
    (folder / "lakegate.toml").write_text(text)
    return folder


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, ""), {}) == Config()


def test_values_are_read(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "[log]\npartitions = 4\n"), {})
    assert config.log.partitions == 4


def test_the_environment_overrides(tmp_path: Path) -> None:
    environment = {"LAKEGATE_LOG__PARTITIONS": "8", "LAKEGATE_PROJECT__STATE": "elsewhere"}
    config = load_config(write(tmp_path, "[log]\npartitions = 4\n"), environment)
    assert (config.log.partitions, config.project.state) == (8, "elsewhere")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[log]\npartition = 4\n", "did you mean `partitions`"),
        ("[lod]\npartitions = 4\n", "did you mean `log`"),
        ("[log]\npartitions = 'four'\n", "Expected `int`, got `str`"),
        ("[log\n", "cannot read"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProjectError, match=said):
        load_config(write(tmp_path, text), {})


def test_a_misspelt_variable_is_a_mistake_too(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="did you mean `partitions`"):
        load_config(write(tmp_path, ""), {"LAKEGATE_LOG__PARTITION": "4"})


def test_the_root_is_found_from_below(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    write(tmp_path, "")
    assert find_root(below) == tmp_path


def test_no_project_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no lakegate\.toml .* create an empty one"):
        find_root(tmp_path)


def test_the_reference_lists_every_key_with_its_default() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"
    listed = dict(re.findall(r"^\| `([\w.]+)` \| `?([^|`]+?)`? \|", page.read_text(), re.MULTILINE))
    defaults = {
        f"{section}.{key}": value
        for section, content in msgspec.to_builtins(Config()).items()
        for key, value in content.items()
    }
    assert listed == {
        key: "none" if value is None else json.dumps(value) for key, value in defaults.items()
    }
