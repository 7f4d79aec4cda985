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

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lakegate.contract.stream import Stream
    from lakegate.gate.verdict import Rejected, Verdict

__all__ = ["Emitted", "emitted"]

_SHOWN = 5
_EMITTED = pytest.StashKey[list["Emitted"]]()


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

        stream = _marked(root, mark, "object", "seed")
        cases = adversarial(stream, seed=mark.kwargs.get("seed", 0))
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])
    for mark in metafunc.definition.iter_markers("contract_samples"):
        from lakegate.testing.sample import sample

        stream = _marked(root, mark, "object", "n", "seed")
        count, seed = mark.kwargs.get("n", 10), mark.kwargs.get("seed", 0)
        metafunc.parametrize("record", sample(stream, count, seed=seed), ids=range(count))


def _marked(root: Path, mark: pytest.Mark, *known: str) -> Stream:
    """The stream a mark names; CollectError, which pytest tells in one line, if it is misused."""
    from lakegate.errors import LakegateError

    wrong = pytest.Collector.CollectError
    called = f"@pytest.mark.{mark.name}"
    if len(mark.args) != 1 or not isinstance(mark.args[0], str | Path):
        raise wrong(f"{called} wants one contract, by its file")
    for name, value in mark.kwargs.items():
        if name not in known:
            raise wrong(f"{called} has no argument {name!r}: expected {', '.join(known)}")
        if name in ("n", "seed") and (type(value) is not int or value < 0):
            raise wrong(f"{called}: {name} is a whole number from 0, not {value!r}")
    try:
        return _stream_of(root, mark.args[0], mark.kwargs.get("object"))
    except LakegateError as error:
        raise wrong(f"{called}: {error}") from error


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
        self._told = 0

    def __call__(self, record: Any, key: bytes | str | None = None) -> None:
        """Take a record: bytes, text, or anything :class:`lakegate.Guard` takes."""
        from lakegate.guard.guard import to_record
        from lakegate.ingest.producer import key_bytes

        value, known = None if record is None else to_record(record), key_bytes(key)
        self.records.append(value)
        self.keys.append(known)

    def send(self, value: Any, *, key: bytes | str | None = None, **_more: Any) -> None:
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
def emitted(request: pytest.FixtureRequest) -> Iterator[Callable[..., Emitted]]:
    """``emitted(contract, object=None, may_reject=False)`` gives an :class:`Emitted`.

    When the test is over, every record that its gate rejects is a failure of the test, unless
    ``may_reject``. Of a test that fails by itself, or of what fixtures emit when they are torn
    down, it is an error beside the test.
    """
    known = request.node.stash[_EMITTED] = []

    def make(
        contract: str | Path,
        object: str | None = None,  # noqa: A002
        *,
        may_reject: bool = False,
    ) -> Emitted:
        stream = _stream_of(request.config.rootpath, contract, object)
        known.append(Emitted(stream, may_reject=may_reject))
        return known[-1]

    yield make
    _judge(known)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge what the test emitted while it is still the test that fails."""
    result = yield
    _judge(item.stash.get(_EMITTED, []))
    return result


def _judge(known: list[Emitted]) -> None:
    """Fail for the records that are rejected, once."""
    told = [text for one in known if not one.may_reject for text in _told(one)]
    if told:
        pytest.fail("\n".join(told), pytrace=False)


def _told(emitted: Emitted) -> Iterator[str]:
    if emitted._told == len(emitted.records):
        return
    emitted._told = len(emitted.records)
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
