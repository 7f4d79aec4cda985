"""What ``lakegate up`` goes by while files are edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakegate.pipeline.config import load_config
from lakegate.pipeline.contracts import find_contracts, streams_in_force
from lakegate.pipeline.in_force import InForce

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: {name}
name: {name}
version: {version}
status: active
schema:
  - name: {name}
    logicalType: object
    properties:
      - {{name: number, logicalType: integer}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "lakegate.toml").write_text("[up]\nhang_s = 7\n")
    for name in ("orders", "rows"):
        write(tmp_path, name)
    return tmp_path


def write(root: Path, name: str, version: str = "1.0.0") -> Path:
    file = root / "contracts" / "deep" / f"{name}.odcs.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONTRACT.format(name=name, version=version))
    return file


def begun(root: Path) -> InForce:
    found = InForce(root, root / ".lakegate")
    found.begin(load_config(root), find_contracts(root / "contracts"))
    return found


def versions(in_force: InForce) -> dict[str, str]:
    found = streams_in_force(in_force, in_force.config())
    return {name: each.stream.contract.version for name, each in found.items()}


def test_broken_and_vanished_files_leave_what_was_in_force(root: Path) -> None:
    in_force = begun(root)
    (root / "lakegate.toml").write_text("[")
    write(root, "orders").write_text("nonsense: [")
    write(root, "rows").unlink()
    assert in_force.config().up.hang_s == 7
    assert versions(in_force) == {"orders": "1.0.0", "rows": "1.0.0"}


def test_newer_good_contracts_are_taken_and_new_files_are_not(root: Path) -> None:
    in_force = begun(root)
    write(root, "orders", "1.1.0")
    write(root, "later")
    assert versions(in_force) == {"orders": "1.1.0", "rows": "1.0.0"}


def test_what_a_worker_has_taken_is_the_last_good_one(root: Path) -> None:
    in_force = begun(root)
    file = write(root, "orders", "1.1.0")
    taken = in_force.newest(in_force.config(), file).digest
    in_force.keep(in_force.config(), file, taken)
    file.write_text("nonsense: [")
    in_force.keep(in_force.config(), file, taken)
    assert versions(in_force)["orders"] == "1.1.0"


def test_a_file_that_changed_again_is_not_kept_for_the_one_taken(root: Path) -> None:
    in_force = begun(root)
    file = write(root, "orders", "1.1.0")
    taken = in_force.newest(in_force.config(), file).digest
    write(root, "orders", "1.2.0")
    in_force.keep(in_force.config(), file, taken)
    assert in_force.kept(in_force.config(), file).version == "1.0.0"


def test_two_that_do_not_go_together_leave_both(root: Path) -> None:
    in_force = begun(root)
    write(root, "rows").write_text(CONTRACT.format(name="orders", version="2.0.0"))
    assert versions(in_force) == {"orders": "1.0.0", "rows": "1.0.0"}


def test_a_new_start_forgets_contracts_that_are_gone(root: Path) -> None:
    begun(root)
    write(root, "rows").unlink()
    assert versions(begun(root)) == {"orders": "1.0.0"}
