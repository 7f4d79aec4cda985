"""jsonschema-rs: ``orjson.loads``, then the validator, per record."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import jsonschema_rs
import orjson
from json_schema import SCHEMA

VERSION = version("jsonschema-rs")
NOTE = (
    "orjson, then `is_valid`, and `iter_errors` of those that are not, per record; formats asserted"
)
EXPLAINS = "every failure"
COLUMNS = False
LARGEST = 10_000
_validator = jsonschema_rs.validator_for(SCHEMA, validate_formats=True)


def judge(values: Sequence[bytes]) -> list[bool]:
    said = []
    for value in values:
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError:
            said.append(False)
            continue
        good = _validator.is_valid(document)
        if not good:
            list(_validator.iter_errors(document))
        said.append(good)
    return said
