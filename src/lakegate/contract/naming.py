"""Names of streams, topics and tables (SEMANTICS "Stream").

``contract`` is the contract's ``name``, else its ``id``. A stream is ``contract/object``, or just
``contract`` when there is one object. Its topics start with that name, a dot for the slash. The
object's ``physicalName`` renames the topics when ``physicalType`` is ``topic``, and the table
otherwise. A table is ``contract.object`` or ``contract``, with ``_`` for what is no letter, digit
or ``_``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakegate.contract.document import Node
from lakegate.contract.problem import Report
from lakegate.contract.type import Location

__all__ = ["Names", "names_of"]

_LEGAL = re.compile(r"[A-Za-z0-9._-]+\Z")
_MAX_PREFIX = 249 - len(".deadletter")  # Kafka's limit on a topic's name
_TOPICS = frozenset({"topic", "stream", "queue"})


@dataclass(frozen=True, slots=True)
class Names:
    """What one object is called as a stream, in the log and in the lake."""

    stream: str
    topic_prefix: str
    table: str


def names_of(root: Node, node: Node, *, alone: bool, report: Report) -> Names:
    """The names of an object of a contract; ``alone`` when it is the only one."""
    contract = root.text("name") or root.text("id") or ""
    name = node.text("name") or ""
    stream = contract if alone else f"{contract}/{name}"
    physical = node.text("physicalName")
    is_topic = (node.text("physicalType") or "").lower() in _TOPICS
    prefix = physical if physical and is_topic else stream.replace("/", ".")
    table = ".".join(_identifier(part) for part in ([contract] if alone else [contract, name]))
    if physical and not is_topic:
        table = ".".join(_identifier(part) for part in physical.split("."))
    at = node.find(("physicalName",)).at if physical and is_topic else node.find(("name",)).at
    if "name" in root.mapping() and not _LEGAL.match(contract):
        at = root.find(("name",)).at
    _check(prefix, at, report)
    return Names(stream, prefix, table)


def _identifier(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def _check(prefix: str, at: Location, report: Report) -> None:
    advice = "topics take letters, digits, `.`, `_` and `-`; give the contract a short `name`"
    if not _LEGAL.match(prefix) or prefix in (".", ".."):
        report.add("LG205", at, f"no topic can be called `{prefix[:60]}`", advice=advice)
    elif len(prefix) > _MAX_PREFIX:
        message = f"the topic's name has {len(prefix)} characters, {_MAX_PREFIX} are possible"
        report.add("LG205", at, message, advice=advice)
