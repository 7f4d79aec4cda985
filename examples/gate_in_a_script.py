"""A compiled contract is a function: records in, verdict out."""

from pathlib import Path

import lakegate as lg

gate = lg.compile(Path(__file__).parent / "contracts" / "orders.odcs.yaml")

verdict = gate(
    [
        b'{"order_id": 1, "placed_at": "2026-03-01T09:30:00Z", "total": 19.90}',
        b'{"order_id": 2, "placed_at": "2026-03-01T09:31:00", "total": 5.005, "lines": []}',
        b'{"order_id": 3, "placed_at": "2026-03-01T10:02:00+01:00", "total": 7.5, "coupon": "MAY"}',
    ]
)

print(verdict.accepted.select(["order_id", "placed_at", "total", "_unknown_fields"]).to_pylist())
for record in verdict.rejected:
    print(f"record {record.index}:")
    for failure in record.failures:
        print(f"  {failure}")
