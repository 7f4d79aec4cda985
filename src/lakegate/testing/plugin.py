"""A pytest plugin: judge what the code under test emits, and feed it what a contract allows.

Installed with Lakegate; there is nothing to switch on::

    def test_orders_keep_their_contract(emitted):
        orders = emitted("contracts/orders.odcs.yaml")
        Shop(send=orders).sell("tea", 3)          # fails here, with every reason, if one is wrong
        assert len(orders.records) == 1

    @pytest.mark.contract_cases("contracts/orders.odcs.yaml")
    def test_the_parser_agrees(case):
        assert parses(case.value) == case.accepted

    @pytest.mark.contract_samples("contracts/orders.odcs.yaml", n=20)
    def test_every_order_can_be_priced(record):
        assert price(record) >= 0

Contracts are found from pytest's root directory. See docs/how-to/test-a-producer.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lakegate.contract.stream import Stream
    from lakegate.gate.verdict import Rejected, Verdict

__all__ = ["Emitted", "emitted"]

_SHOWN = 5


def pytest_configure(config: pytest.Config) -> None:
    """The marks of this plugin."""
    config.addinivalue_line(
        "markers",
        "contract_cases(contract, object=None, seed=0): run once per case of the contract "
        "(lakegate.testing.adversarial), as the argument `case`",
    )
    config.addinivalue_line(
        "markers",
        "contract_samples(contract, object=None, n=10, seed=0): run once per valid record of the "
        "contract, as bytes, as the argument `record`",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per case or sample."""
    root = metafunc.config.rootpath
    for mark in metafunc.definition.iter_markers("contract_cases"):
        from lakegate.testing.adversarial import adversarial

        stream = _stream_of(root, _contract_of(mark), mark.kwargs.get("object"))
        cases = adversarial(stream, seed=mark.kwargs.get("seed", 0))
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])
    for mark in metafunc.definition.iter_markers("contract_samples"):
        from lakegate.testing.sample import sample

        stream = _stream_of(root, _contract_of(mark), mark.kwargs.get("object"))
        count, seed = mark.kwargs.get("n", 10), mark.kwargs.get("seed", 0)
        metafunc.parametrize("record", sample(stream, count, seed=seed), ids=range(count))


def _contract_of(mark: pytest.Mark) -> str | Path:
    if len(mark.args) != 1:
        raise pytest.UsageError(f"@pytest.mark.{mark.name} wants one contract, by its file")
    contract: str | Path = mark.args[0]
    return contract


def _stream_of(root: Path, contract: str | Path, name: str | None) -> Stream:
    from lakegate.contract import load

    return load(root / contract).stream(name)


class Emitted:
    """What the code under test emits to one stream, in order; a callable to hand to that code.

    ``records`` are the bytes, None for a tombstone. Also has ``send``, with the arguments of
    :class:`lakegate.ingest.producer.Producer`.
    """

    def __init__(self, stream: Stream, *, may_reject: bool) -> None:
        self.stream = stream
        self.may_reject = may_reject
        self.records: list[bytes | None] = []
        self.keys: list[bytes | None] = []

    def __call__(self, record: Any, key: bytes | None = None) -> None:
        """Take a record: bytes, text, or anything :class:`lakegate.Guard` takes."""
        from lakegate.guard.guard import to_record

        self.records.append(None if record is None else to_record(record))
        self.keys.append(key)

    def send(self, value: Any, *, key: bytes | None = None, **_more: Any) -> None:
        """As a producer's: headers and time are not judged."""
        self(value, key)

    @property
    def verdict(self) -> Verdict:
        """What the gate says of all records so far."""
        from lakegate.gate import compile as compile_stream

        return compile_stream(self.stream)(self.records, keys=self.keys)

    @property
    def rejected(self) -> list[Rejected]:
        """Those it would reject."""
        return list(self.verdict.rejected)


@pytest.fixture
def emitted(pytestconfig: pytest.Config) -> Iterator[Callable[..., Emitted]]:
    """``emitted(contract, object=None, may_reject=False)`` gives an :class:`Emitted`.

    When the test is over, every record that its gate rejects is a failure of the test, unless
    ``may_reject``.
    """
    known: list[Emitted] = []

    def make(
        contract: str | Path,
        object: str | None = None,  # noqa: A002
        *,
        may_reject: bool = False,
    ) -> Emitted:
        stream = _stream_of(pytestconfig.rootpath, contract, object)
        known.append(Emitted(stream, may_reject=may_reject))
        return known[-1]

    yield make
    told = [text for one in known if not one.may_reject for text in _told(one)]
    if told:
        pytest.fail("\n".join(told), pytrace=False)


def _told(emitted: Emitted) -> Iterator[str]:
    rejected = emitted.rejected
    if rejected:
        yield (
            f"{len(rejected)} of {len(emitted.records)} records break the contract of "
            f"{emitted.stream.name}:"
        )
    for record in rejected[:_SHOWN]:
        yield f"  record {record.index}: {_excerpt(record.value)}"
        for failure in record.failures:
            yield f"    {failure}"
    if len(rejected) > _SHOWN:
        yield f"  and {len(rejected) - _SHOWN} more"


def _excerpt(value: bytes | None) -> str:
    text = "null" if value is None else value.decode("utf-8", "backslashreplace")
    return text if len(text) <= 100 else text[:97] + "..."
