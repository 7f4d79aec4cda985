"""The cases put to every tool, and what the contract means by each.

The records at the edges of the contract that :mod:`lakegate.testing.adversarial` makes, and those
of the corpus of hostile inputs (``tests/unit/gate/corpus.py``) that have a place in it: what stands
there in a field of some type stands here in a field of that type of an otherwise good record.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from benchmarks import orders
from lakegate.contract import loads
from lakegate.gate.reference import Reference
from lakegate.testing.adversarial import Case, adversarial

__all__ = ["cases"]

_CORPUS = Path(__file__).parents[2] / "tests" / "unit" / "gate" / "corpus.py"
_PLACES = {
    b"string": b"referrer",
    b"integer": b"user_id",
    b"number": b"amount",
    b"timestamp": b"occurred_at",
    b"list": b"tags",
    b"object": b"address",
    b"extra": b"extra",
}
_FIRST = re.compile(rb'\{"(%s)":.' % b"|".join(_PLACES), re.DOTALL)
_LONGEST = 200_000
# Free text takes every string: `referrer` and `lat` stand for their like, which teach nothing more.
_FREE = {"$.user_agent", "$.address.city", "$.session", "$.currency", "$.address.country", "$.lon"}


def cases() -> list[Case]:
    """Every case once, with the rules that refuse it."""
    (stream,) = loads(orders.CONTRACT).streams
    found = {
        case.value: case
        for case in adversarial(stream, seed=7)
        if not (case.accepted and case.path in _FREE)
    }
    reference = Reference(stream)
    for path, value in _corpus():
        judged = reference.judge(value)
        rules = tuple(dict.fromkeys(failure.rule for failure in judged.failures))
        what = "digits of another script" if b"\xd9" in value else "of the corpus"
        found.setdefault(value, Case(value, path, what, rules, not judged.rejects))
    return list(found.values())


def _corpus() -> list[tuple[str, bytes]]:
    spec = importlib.util.spec_from_file_location("corpus", _CORPUS)
    if spec is None or spec.loader is None:
        raise SystemExit(f"no corpus at {_CORPUS}; run it from a checkout")
    corpus = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(corpus)
    (good,) = orders.records(1)
    found = []
    for value, _ in corpus.CASES:
        first = _FIRST.match(value)
        if first is None or len(value) > _LONGEST:
            continue
        place = _PLACES[first[1]]
        for name, here in _PLACES.items():
            value = value.replace(b'"%s"' % name, b'"%s"' % here)
        found.append((f"$.{place.decode()}", _with(value, _without(good, place))))
    arabic = '"zip":"٠١٢٣٤"'.encode()
    found.append(("$.address.zip", re.sub(rb'"zip":"\d+"', arabic, good)))
    return found


def _without(record: bytes, name: bytes) -> bytes:
    """The members of a record of :mod:`benchmarks.orders` but one."""
    pattern = rb'"%s":(\{[^}]*\}|\[[^\]]*\]|"[^"]*"|[^,}]*),?' % name
    return re.sub(pattern, b"", record, count=1)[1:-1].rstrip(b",")


def _with(value: bytes, members: bytes) -> bytes:
    """An object of the corpus with these members before its own, so that it ends as it did."""
    return b"{" + members + b"," + value[1:]
