"""Consumers: who reads which stream, which of its fields, and how to reach them.

A file of ``consumers/*.yaml`` holds one consumer (docs/reference/consumers.md)::

    name: delay-forecast
    owner: Forecast team
    contact: forecast@example.com
    streams:
      - stream: weather
        versions: ">=1.0 <2"
        fields: [temp, pressure]
    channels:
      - ops                            # a channel of [alerts.channels]
      - stdout
      - url: ${FORECAST_CHAT}          # an Apprise address
      - webhook: ${FORECAST_HOOK}
        secret: ${FORECAST_HOOK_SECRET}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lakegate.contract.consumer_version import VersionRange
from lakegate.contract.document import Node, read
from lakegate.contract.problem import Code, Level, Problem, Report, nearest
from lakegate.contract.type import Location

__all__ = [
    "CONSUMER_CODES",
    "STDOUT",
    "Address",
    "AddressKind",
    "Consumer",
    "Use",
    "consumer_files",
    "note",
    "read_consumers",
]

CONSUMER_CODES: dict[str, Code] = {
    "LG911": Code(Level.ERROR, "a consumer of a stream that is not there"),
    "LG912": Code(Level.ERROR, "a consumer of a field that is not there"),
    "LG913": Code(Level.ERROR, "a consumer of a version that is not there"),
    "LG914": Code(Level.ERROR, "a version range that is none"),
    "LG915": Code(Level.ERROR, "a channel that is not there"),
    "LG916": Code(Level.ERROR, "an address written out"),
    "LG917": Code(Level.ERROR, "two consumers with one name"),
}
_SUFFIXES = (".yaml", ".yml")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_KEYS = {"name": True, "owner": True, "contact": False, "description": False,
         "streams": True, "channels": True}  # fmt: skip
_USE_KEYS = {"stream": True, "versions": False, "fields": False}
_CHANNEL_KEYS = {"channel": False, "url": False, "webhook": False, "secret": False, "stdout": False}


class AddressKind(StrEnum):
    """How an address is reached."""

    NAMED = "channel"  # a channel of `[alerts.channels]`
    APPRISE = "url"
    WEBHOOK = "webhook"
    STDOUT = "stdout"


@dataclass(frozen=True, slots=True)
class Address:
    """Where alerts go. ``${VAR}`` in ``target`` and ``secret`` is resolved when one is sent.

    ``target`` is the channel's name, the Apprise URL, the webhook's URL, or ``text`` or ``json``.
    """

    kind: AddressKind
    target: str
    secret: str | None = None

    def text(self) -> str:
        """As JSON, always the same for the same address; holds no secret, only its variable."""
        document = {str(self.kind): self.target}
        if self.secret is not None:
            document["secret"] = self.secret
        return json.dumps(document, sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> Address:
        """The address :meth:`text` was made of."""
        document: dict[str, str] = json.loads(text)
        secret = document.pop("secret", None)
        ((kind, target),) = document.items()
        return cls(AddressKind(kind), target, secret)

    def __str__(self) -> str:
        if self.kind in (AddressKind.NAMED, AddressKind.STDOUT):
            return self.target if self.kind is AddressKind.NAMED else "stdout"
        shown = self.target if _VARIABLE.fullmatch(self.target) else "(address)"
        return f"{self.kind} {shown}"


STDOUT = Address(AddressKind.STDOUT, "text")


@dataclass(frozen=True, slots=True)
class Use:
    """One stream a consumer reads. ``fields`` are dotted paths; None means all of them."""

    stream: str
    versions: VersionRange
    fields: tuple[str, ...] | None
    location: Location
    field_locations: tuple[Location, ...] = ()
    versions_location: Location | None = None

    def touched(self, fields: Sequence[str] | None) -> tuple[str, ...]:
        """Which of ``fields`` (None: the record as a whole) this use reads, in their order."""
        if fields is None:
            return ()
        if self.fields is None:
            return tuple(fields)
        return tuple(field for field in fields if any(_overlap(field, own) for own in self.fields))


@dataclass(frozen=True, slots=True)
class Consumer:
    """Somebody who reads streams and wants to hear when they are not what was promised."""

    name: str
    owner: str
    contact: str | None
    uses: tuple[Use, ...]
    addresses: tuple[Address, ...]
    location: Location
    address_locations: tuple[Location, ...] = ()

    def use_of(self, stream: str) -> Use | None:
        """What it declares of a stream, or None when it does not read it."""
        return next((use for use in self.uses if use.stream == stream), None)


def _overlap(left: str, right: str) -> bool:
    a, b = left.split("."), right.split(".")
    width = min(len(a), len(b))
    return a[:width] == b[:width]


def consumer_files(folder: Path) -> list[Path]:
    """Every ``*.yaml`` below a folder, by name; none when there is no such folder."""
    return sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES and p.is_file())


def note(report: Report, code: str, at: Location, message: str, *, advice: str = "") -> None:
    """Add a problem with a code of :data:`CONSUMER_CODES`."""
    report.problems.append(Problem(code, CONSUMER_CODES[code].level, message, advice, at))


def read_consumers(files: Iterable[Path], report: Report) -> list[Consumer]:
    """The consumers of those files that are sound by themselves; the rest is in ``report``."""
    found: dict[str, Consumer] = {}
    for file in files:
        own = Report()
        root = read(file, own)
        consumer = _consumer(root, own) if root is not None else None
        report.problems.extend(own.problems)
        if consumer is None or own.failed:
            continue
        first = found.setdefault(consumer.name, consumer)
        if first is not consumer:
            message = f"consumer {consumer.name} is also in {first.location}"
            note(report, "LG917", consumer.location, message, advice="rename one of them")
    return list(found.values())


def _consumer(root: Node, report: Report) -> Consumer | None:
    _keys(root, _KEYS, report, "a consumer")
    name, owner = _text(root, "name", report), _text(root, "owner", report)
    contact = _text(root, "contact", report)
    uses = [_use(entry, report) for entry in _list(root, "streams", report)]
    entries = _list(root, "channels", report)
    addresses = [_address(entry, report) for entry in entries]
    if name is None or owner is None:
        return None
    return Consumer(
        name=name,
        owner=owner,
        contact=contact,
        uses=tuple(use for use in uses if use is not None),
        addresses=tuple(address for address in addresses if address is not None),
        location=root.find(("name",)).at,
        address_locations=tuple(entry.at for entry in entries),
    )


def _use(entry: Node, report: Report) -> Use | None:
    if not isinstance(entry.value, dict):
        _wrong(entry, report, "a mapping with `stream:`")
        return None
    _keys(entry, _USE_KEYS, report, "a stream of a consumer")
    stream = _text(entry, "stream", report)
    node = entry.get("versions")
    text = "*" if node is None or node.value is None else str(node.value)
    versions = VersionRange.parse(text)
    if versions is None and node is not None:
        note(report, "LG914", node.at, f"`{text[:60]}` is no range of versions",
             advice='write "1.2", ">=1.0 <2" or "*"')  # fmt: skip
    names = _list(entry, "fields", report) if entry.get("fields") is not None else None
    for field in names or ():
        if not isinstance(field.value, str):
            _wrong(field, report, "the name of a field")
    if stream is None or versions is None:
        return None
    return Use(
        stream=stream,
        versions=versions,
        fields=None if names is None else tuple(str(field.value) for field in names),
        location=entry.find(("stream",)).at,
        field_locations=() if names is None else tuple(field.at for field in names),
        versions_location=None if node is None else node.at,
    )


def _address(entry: Node, report: Report) -> Address | None:
    if isinstance(entry.value, str):
        if entry.value == "stdout":
            return STDOUT
        if "://" in entry.value or _VARIABLE.search(entry.value):
            advice = "write it as `url: ${NAME}` and set NAME in the environment"
            note(report, "LG916", entry.at, "an address stands here without `url:`", advice=advice)
            return None
        return Address(AddressKind.NAMED, entry.value)
    if not isinstance(entry.value, dict):
        _wrong(entry, report, "the name of a channel, `stdout`, or `url:` or `webhook:`")
        return None
    _keys(entry, _CHANNEL_KEYS, report, "a channel")
    given = [key for key in entry.mapping() if key in _CHANNEL_KEYS and key != "secret"]
    if len(given) != 1:
        _wrong(entry, report, "one of `channel`, `url`, `webhook` and `stdout`")
        return None
    kind = AddressKind(given[0])
    target, secret = _text(entry, given[0], report), _text(entry, "secret", report)
    if target is None:
        return None
    if kind is AddressKind.STDOUT and target not in ("text", "json"):
        _wrong(entry.find((given[0],)), report, "`text` or `json`")
        return None
    if kind is AddressKind.WEBHOOK and secret is None:
        advice = "add `secret: ${NAME}`; every webhook is signed"
        report.add("LG104", entry.at, "a webhook without `secret`", advice=advice)
    if kind is not AddressKind.WEBHOOK and secret is not None:
        report.add("LG103", entry.at_key("secret"), f"`secret` means nothing beside `{kind}`")
    for key, text in ((given[0], target), ("secret", secret)):
        written = text is not None and _VARIABLE.search(text) is None
        if written and (key == "secret" or kind is AddressKind.APPRISE):
            advice = f"write `{key}: ${{NAME}}` and set NAME in the environment"
            message = f"`{key}` may hold a secret and stands here in plain text"
            note(report, "LG916", entry.find((key,)).at, message, advice=advice)
    return Address(kind, target, secret)


def _keys(node: Node, known: dict[str, bool], report: Report, what: str) -> None:
    for key in node.mapping():
        if key not in known:
            near = nearest(key, known)
            advice = f"did you mean `{near}`?" if near else f"known: {', '.join(known)}"
            report.add("LG103", node.at_key(key), f"{what} has no key `{key}`", advice=advice)
    for key, required in known.items():
        if required and node.get(key) is None:
            report.add("LG104", node.at, f"{what} needs `{key}`", advice=f"add `{key}:`")


def _text(node: Node, key: str, report: Report) -> str | None:
    child = node.get(key)
    if child is None:
        return None
    if isinstance(child.value, str) and child.value.strip():
        return child.value
    _wrong(child, report, "text")
    return None


def _list(node: Node, key: str, report: Report) -> list[Node]:
    child = node.get(key)
    if child is not None and (not isinstance(child.value, list) or not child.value):
        _wrong(child, report, "a list with at least one entry")
    return node.items(key)


def _wrong(node: Node, report: Report, expected: str) -> None:
    report.add("LG105", node.at, f"expected {expected}", advice="see docs/reference/consumers.md")
