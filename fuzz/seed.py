"""What fuzzing begins with: the hostile corpus of the tests, and cases of a few contracts.

``python -m fuzz.seed FOLDER`` writes one file per input, named by its digest, and beside them a
dictionary of tokens and the native plans of the contracts.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from benchmarks.orders import CONTRACT
from tests.unit.gate.corpus import CASES, EVERYTHING

from lakegate.contract import load, loads
from lakegate.gate.decode.frame import BARE
from lakegate.gate.native.plan import native_plan
from lakegate.testing.adversarial import adversarial

__all__ = ["STREAMS"]

_CONTRACTS = Path(__file__).parents[1] / "tests" / "contracts"
STREAMS = (
    EVERYTHING,
    loads(CONTRACT).streams[0],
    *(load(file).streams[0] for file in sorted(_CONTRACTS.glob("*.odcs.yaml"))),
)
_LARGEST = 4096  # a longer seed teaches nothing and costs every mutation
_TOKENS = (
    "{", "}", "[", "]", ":", ",", '"', "\\", "\\u0000", "\\ud800", "\\ud83d\\ude00", "null", "true",
    "false", "-0", "1e400", "1E-400", "9223372036854775808", "18446744073709551616", ".5", "0.005",
    "2026-02-30", "2026-11-23T10:00:00Z", "+14:00", "24:00:00", ":60", "\xef\xbb\xbf", "\xff",
)  # fmt: skip


def main(folder: Path) -> None:
    """Write the seeds of every contract."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [bytes([0]) + value for value, _ in CASES]
    for number, stream in enumerate(STREAMS[1:], start=1):
        seeds += [bytes([number]) + case.value for case in adversarial(stream)]
    for seed in seeds:
        if len(seed) <= _LARGEST:
            (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    plans = [json.loads(native_plan(stream, BARE).text) for stream in STREAMS]
    (folder.parent / "plans.json").write_text(json.dumps(plans))
    lines = [
        '"' + "".join(f"\\x{byte:02x}" for byte in token.encode("latin-1")) + '"'
        for token in _TOKENS
    ]
    (folder.parent / "tokens.dict").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
