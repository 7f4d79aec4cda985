"""``python -m benchmarks [--quick] [NAME…]``: all of them, or those named, one after the other."""

from __future__ import annotations

import importlib
import sys

NAMES = ("gate", "shape", "topic", "loop", "latency", "lake", "gateway", "replay", "steady")


def main(arguments: list[str]) -> int:
    flags = [argument for argument in arguments if argument.startswith("-")]
    names = [argument for argument in arguments if not argument.startswith("-")] or list(NAMES)
    unknown = set(names) - set(NAMES)
    if unknown or set(flags) - {"--quick"}:
        print(f"usage: python -m benchmarks [--quick] [{' '.join(NAMES)}]", file=sys.stderr)
        return 2
    for name in names:
        module = importlib.import_module(f"benchmarks.bench_{name}")
        print(f"\n== {name}: {(module.__doc__ or '').splitlines()[0]}", flush=True)
        module.main(flags)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
