"""fastjsonschema: ``orjson.loads``, then the generated function, per record."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import fastjsonschema
import orjson
from json_schema import SCHEMA

VERSION = version("fastjsonschema")
NOTE = "orjson, then the Python it generates, per record; formats asserted"
EXPLAINS = "the first failure"
COLUMNS = False
LARGEST = 10_000
_validate = fastjsonschema.compile(SCHEMA)


def judge(values: Sequence[bytes]) -> list[bool]:
    said = []
    for value in values:
        try:
            _validate(orjson.loads(value))
        except (orjson.JSONDecodeError, fastjsonschema.JsonSchemaException):
            said.append(False)
        else:
            said.append(True)
    return said
