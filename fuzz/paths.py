"""Every path of the gate on bytes that a fuzzer makes up; a disagreement is a crash.

``python -m fuzz.paths CORPUS [libFuzzer's options]`` (see ``tools/fuzz``). The first byte chooses
the contract, the rest is the record. Python code is instrumented, so inputs that reach new lines of
the reference are kept and built upon; the native path is judged beside it where it is installed.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["lakegate.gate", "lakegate.contract.temporal"]):
    from lakegate.gate import Gate, Verdict
    from lakegate.gate import compile as compile_gate
    from lakegate.gate import gate as gate_module

from fuzz.seed import STREAMS

gate_module._FEW = 0  # columns for a single record too


def _gates() -> list[dict[str, Gate]]:
    paths = ["reference", "fast"]
    try:
        import lakegate_native  # noqa: F401
    except ImportError:
        print("lakegate_native is not built: the Python paths only", file=sys.stderr)
    else:
        paths.append("native")
    return [
        {path: compile_gate(stream, decoder=path) for path in paths}  # type: ignore[arg-type]
        for stream in STREAMS
    ]


def _say(verdict: Verdict) -> tuple[object, ...]:
    return (
        list(verdict.rejected),
        list(verdict.noted),
        verdict.accepted.to_pylist(),
        verdict.accepted.schema,
        verdict.unknown_paths,
    )


_GATES = _gates()


def judge(data: bytes) -> None:
    """All paths on one input.

    Raises:
        AssertionError: they differ.
    """
    if not data:
        return
    gates, record = _GATES[data[0] % len(_GATES)], data[1:]
    said = {path: _say(gate([record])) for path, gate in gates.items()}
    wanted = said["reference"]
    for path, found in said.items():
        if found != wanted:
            raise AssertionError(
                f"{path} differs from the reference on {record!r} of "
                f"{gates[path].stream.name}:\n{found}\nreference:\n{wanted}"
            )


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
