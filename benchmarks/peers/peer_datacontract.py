"""datacontract-cli: the same ODCS contract, tested against a file with the records."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from datacontract.data_contract import DataContract
from open_data_contract_standard.model import OpenDataContractStandard

from orders import CONTRACT

VERSION = version("datacontract-cli")
NOTE = (
    "the very same contract; `DataContract(…).test()` of an NDJSON file: fastjsonschema record by "
    "record, then checks in DuckDB; **one verdict for the file**, so the cases stand in files of "
    "their own"
)
EXPLAINS = "per failed rule a count; per record the first failure, without saying which record"
COLUMNS = False
LARGEST = 10_000

logging.disable(logging.CRITICAL)
_file = Path(tempfile.mkdtemp()) / "orders.json"
_contract = OpenDataContractStandard.from_string(
    f"""{CONTRACT}
servers:
  - {{server: local, type: local, path: {_file}, format: json, delimiter: new_line}}
"""
)


def judge(values: Sequence[bytes]) -> list[bool]:
    """Of the file; all its records share it."""
    _file.write_bytes(b"\n".join(values) + b"\n")
    run = DataContract(data_contract=_contract).test()
    return [run.result in ("passed", "warning")] * len(values)
