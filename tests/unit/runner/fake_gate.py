"""A gate small enough to see through: a record is a whole number, or it is rejected."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from lakegate.contract.stream import ContractRef, Enforcement, Stream
from lakegate.contract.type import Field, IntegerType, Severity
from lakegate.gate.verdict import Failure, Rejected, Verdict

CONTRACT = ContractRef("numbers", "1.0.0", "d" * 64)


def number_stream(
    *, contract: ContractRef = CONTRACT, enforcement: Enforcement = Enforcement.ENFORCE
) -> Stream:
    return Stream(
        contract=contract,
        name="numbers",
        object_name="numbers",
        fields=(Field("n", IntegerType(), "$.n", required=True),),
        enforcement=enforcement,
        allowed_lateness=timedelta(0),
        topic_prefix="numbers",
        table="numbers",
    )


class NumberGate:
    """Rejects what is no number, critically what is ``!``; fails on ``bug``."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        contract = stream.contract
        self.schema = pa.schema(
            [pa.field("n", pa.int64(), nullable=False)],
            metadata={
                "lakegate.contract.id": contract.id,
                "lakegate.contract.version": contract.version,
                "lakegate.contract.digest": contract.digest,
            },
        )
        self.calls = 0

    def __call__(self, values: pa.Array, *, keys: pa.Array) -> Verdict:
        self.calls += 1
        numbers, at, rejected, tombstones = [], [], [], []
        for index, (value, key) in enumerate(
            zip(values.to_pylist(), keys.to_pylist(), strict=True)
        ):
            if value == b"bug":
                raise ZeroDivisionError("a bug of ours")
            if value is None and key is not None:
                tombstones.append(index)
            elif value is not None and value.isdigit():
                numbers.append(int(value))
                at.append(index)
            else:
                severity = Severity.CRITICAL if value == b"!" else Severity.ERROR
                failure = Failure("$", "type", "`integer`", "`text`", severity)
                rejected.append(Rejected(index, value, (failure,)))
        return Verdict(
            contract=self.stream.contract,
            accepted=pa.table({"n": pa.array(numbers, pa.int64())}, schema=self.schema),
            accepted_index=pa.array(at, pa.int64()),
            rejected=tuple(rejected),
            tombstones=tuple(tombstones),
        )
