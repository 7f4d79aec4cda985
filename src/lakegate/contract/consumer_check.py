"""Consumers against the contracts of the project: what they read must be there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from lakegate.contract.consumer import AddressKind, Consumer, Use, note, read_consumers
from lakegate.contract.problem import Problem, Report, nearest
from lakegate.contract.stream import Stream
from lakegate.contract.type import ArrayType, Field, MapType, ObjectType

__all__ = ["check_consumers", "field_names"]


def check_consumers(
    files: Iterable[Path],
    streams: Iterable[Stream],
    *,
    channels: Collection[str] = (),
    complete: bool = True,
) -> list[Problem]:
    """Every problem of the consumers in those files, by file, line and column.

    ``channels`` are the names of ``[alerts.channels]``. With ``complete`` False some contract could
    not be read, and a stream that is not among ``streams`` is no problem: it may be in there.
    """
    report = Report()
    known = {stream.name: stream for stream in streams}
    for consumer in read_consumers(files, report):
        for use in consumer.uses:
            stream = known.get(use.stream)
            if stream is not None:
                _check_use(use, stream, report)
            elif complete:
                note(report, "LG911", use.location, f"no stream `{use.stream}`",
                     advice=_advice(use.stream, known))  # fmt: skip
        _check_channels(consumer, channels, report)
    return report.sorted()


def field_names(stream: Stream) -> list[str]:
    """Every field a consumer may name: ``total``, ``address.city``, ``lines.element.qty``."""
    return list(_names(stream.fields, ""))


def _names(fields: Iterable[Field], prefix: str) -> Iterator[str]:
    for field in fields:
        name = f"{prefix}{field.name}"
        yield name
        if isinstance(field.type, ObjectType):
            yield from _names(field.type.fields, f"{name}.")
        elif isinstance(field.type, ArrayType):
            yield from _names((field.type.item,), f"{name}.")
        elif isinstance(field.type, MapType):
            yield from _names((field.type.key, field.type.value), f"{name}.")


def _check_use(use: Use, stream: Stream, report: Report) -> None:
    names = field_names(stream)
    for field, at in zip(use.fields or (), use.field_locations, strict=False):
        if field not in names:
            message = f"`{use.stream}` has no field `{field}`"
            note(report, "LG912", at, message, advice=_advice(field, dict.fromkeys(names)))
    version = stream.contract.version
    if not use.versions.holds(version):
        at = use.versions_location or use.location
        message = f"`{use.stream}` is at version {version}, which is not in `{use.versions.text}`"
        advice = "move the consumer to that version and widen the range, or keep the old version"
        note(report, "LG913", at, message, advice=advice)


def _check_channels(consumer: Consumer, channels: Collection[str], report: Report) -> None:
    pairs = zip(consumer.addresses, consumer.address_locations, strict=False)
    for address, at in pairs:
        if address.kind is AddressKind.NAMED and address.target not in channels:
            known = dict.fromkeys([*channels, "stdout"])
            advice = _advice(address.target, known)
            message = f"[alerts.channels] of lakegate.toml has no `{address.target}`"
            note(report, "LG915", at, message, advice=advice)


def _advice(word: str, known: Mapping[str, object]) -> str:
    near = nearest(word, known)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"there are: {', '.join(known)}" if known else "there are none"
