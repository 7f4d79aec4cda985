"""Variables: ``${NAME}`` in a contract, and secrets where none may be.

Variables are put in after parsing, so that a value can never change the structure of the document.
An unquoted scalar is resolved again afterwards (``mustBeLessThan: ${MAX}`` is a number). ``$${`` is
a literal ``${``. In ``query`` the placeholders of ODCS (``${table}``, ``${column}``, ...) stay.

In ``servers`` a variable that looks like a secret is never put in: the contract, and therefore its
digest, does not depend on a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lakegate.contract.document import Node, resolve
from lakegate.contract.problem import Report, nearest

__all__ = ["PLACEHOLDERS", "substitute"]

PLACEHOLDERS = frozenset({"table", "column", "object", "property", "schema"})
_VARIABLE = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_NAME = re.compile(
    r"(?:\A|[_\-.])(?:secret|passwd|password|pwd|token|api_?key|private_?key|credentials?)(?:\Z|[_\-.])",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"AKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bglpat-[A-Za-z0-9_-]{20}\b"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.|\w+://[^/\s:@]+:[^/\s:@$]+@"
)
_OUTSIDE = "secrets belong into `servers`, as a variable such as ${DB_PASSWORD}"


def substitute(root: Node, variables: Mapping[str, str], report: Report) -> None:
    """Put the variables into the tree, in place; report those without a value, and secrets."""
    seen: set[int] = set()
    for path, node in root.walk():
        if not isinstance(node.value, str) or id(node) in seen:
            continue
        seen.add(id(node))
        in_servers = bool(path) and path[0] == "servers"
        if _SECRET_VALUE.search(node.value):
            message = "this looks like a secret written out"
            report.add("LG021", node.at, message, advice=_OUTSIDE)
        if "${" in node.value:
            in_query = bool(path) and path[-1] == "query"
            _expand(node, variables, report, in_servers=in_servers, in_query=in_query)


def _expand(
    node: Node, variables: Mapping[str, str], report: Report, *, in_servers: bool, in_query: bool
) -> None:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if match[0].startswith("$$"):
            return match[0][1:]
        if in_query and name in PLACEHOLDERS:
            return match[0]
        secret = _SECRET_NAME.search(name) is not None
        if secret and not in_servers:
            message = f"the variable {name} looks like a secret"
            report.add("LG021", node.at, message, advice=_OUTSIDE)
            return match[0]
        if in_servers and (secret or name not in variables):
            return match[0]
        if name not in variables:
            _missing(node, name, variables, report)
            return match[0]
        return variables[name]

    before = str(node.value)
    after = _VARIABLE.sub(value, before)
    if after == before:
        return
    node.value = after
    if node.plain:
        try:
            node.value = resolve(after)
        except ValueError as cause:
            report.add("LG013", node.at, f"the number {cause}", advice="quote it if it is text")


def _missing(node: Node, name: str, variables: Mapping[str, str], report: Report) -> None:
    near = nearest(name, variables)
    advice = f"did you mean ${{{near}}}?" if near else f"set {name}, or write $${{{name}}} for text"
    report.add("LG020", node.at, f"the variable {name} has no value", advice=advice)
