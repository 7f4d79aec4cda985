"""docs/reference/gate.md, "Adding a rule": after the first two steps a rule is correct."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lakegate

_RULE = """    Rule(
        "minWords",
        "a string has fewer words than the contract allows",
        check=lambda text, bound: len(text.split()) >= bound,
        expected=lambda bound: f"at least {bound} words",
    ),
)
"""
_LINE = '    ("minWords", "string", Argument.COUNT),\n'
_PROGRAM = """
from lakegate.contract import loads
from lakegate.contract.coverage import coverage
from lakegate.errors import ContractError
from lakegate.gate import compile
from lakegate.gate.native.choice import native_module

def text(options, type_="string", more=""):
    return f'''
apiVersion: v3.2.0
kind: DataContract
id: words
version: 1.0.0
status: active
schema:
  - name: words
    properties:
      - name: text
        logicalType: {type_}
        logicalTypeOptions: {options}
        {more}
'''

def refused(*args):
    try:
        loads(text(*args))
    except ContractError as error:
        return str(error)
    return ""

(stream,) = loads(text("{minWords: 2}")).streams
paths = ["fast", "reference"] + ["native"] * (native_module() is not None)
records = [b'{"text":"one two"}', b'{"text":"one"}', b'{}', b'{"text":null}'] * 40
for path in paths:
    verdict = compile(stream, decoder=path)(records)
    assert [record.index for record in verdict.rejected] == list(range(1, 160, 4)), path
    said = {str(failure) for record in verdict.rejected for failure in record.failures}
    assert said == {'expected at least 2 words, got "one" - at $.text [minWords]'}, said
assert "a whole number" in refused("{minWords: two}")
assert "LG301" in refused("{minWords: 2}", "integer")
assert "did you mean `minWords`" in refused("{minWord: 2}")
severity = "customProperties: [{property: lakegate.severity.minWords, value: warning}]"
contract = loads(text("{minWords: 2}", "string", severity))
assert len(compile(contract.streams[0])(records).noted) == 40
assert [one.where for one in coverage(contract) if one.key == "minWords"] == ["gate"]
"""


def test_a_rule_is_one_entry_in_its_family_and_one_line_that_declares_it(tmp_path: Path) -> None:
    package = tmp_path / "lakegate"
    ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
    shutil.copytree(Path(lakegate.__file__).parent, package, ignore=ignored)
    family = package / "gate" / "rules" / "length.py"
    family.write_text(family.read_text().rstrip().removesuffix(")") + _RULE)
    table = package / "contract" / "option_rule.py"
    head, line, tail = table.read_text().partition('    ("minLength", "string", Argument.COUNT),\n')
    table.write_text(head + line + _LINE + tail)
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
