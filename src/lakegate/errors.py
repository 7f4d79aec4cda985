"""Every error Lakegate raises.

::

    LakegateError
    ├── ContractError            contract/   a contract that cannot be used
    ├── GateError                gate/       the gate itself is at fault; never bad data
    ├── TopicError               topic/      the log
    │   ├── UnknownTopic
    │   ├── Fenced               (transient) somebody else committed first
    │   ├── DamagedLog           bytes on disk are not what was written
    │   └── LogFull              (transient) no room for another byte
    ├── RunnerError              runner/
    ├── LakeError                lake/
    │   └── CommitConflict       (transient) the table moved under the writer
    ├── AuditError               audit/
    │   └── PublishRefused       a rule failed, or ``main`` has moved
    ├── LedgerError              ledger/
    ├── StateError               state/
    │   └── NewerState           written by a newer Lakegate
    └── ProjectError             pipeline/   configuration

Bad *data* is never an exception: it is a verdict. An error is *transient* when trying again may
help (the world may change) and *terminal* otherwise. Every message says what, where, and what to
do next.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AuditError",
    "CommitConflict",
    "ContractError",
    "DamagedLog",
    "Fenced",
    "GateError",
    "LakeError",
    "LakegateError",
    "LedgerError",
    "LogFull",
    "NewerState",
    "ProjectError",
    "PublishRefused",
    "RunnerError",
    "StateError",
    "TopicError",
    "UnknownTopic",
]


class LakegateError(Exception):
    """The root of all errors raised on purpose; ``transient`` says whether to try again."""

    transient: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        # As made by BaseException, a subclass would be called with its message alone.
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[LakegateError], arguments: tuple[Any, ...]) -> LakegateError:
    return kind.__new__(kind, *arguments)


class ContractError(LakegateError):
    """A contract cannot be read, or does not mean anything that can be enforced."""


class GateError(LakegateError):
    """The gate failed, not the data."""


class TopicError(LakegateError):
    """The log refused or failed."""


class UnknownTopic(TopicError):
    """No topic of that name, or no such partition."""


class Fenced(TopicError):
    """The consumer's offset was moved by another worker; nothing of this commit happened."""

    transient = True


class DamagedLog(TopicError):
    """Bytes read back are not those that were committed."""


class LogFull(TopicError):
    """The disk (or quota) has no room; nothing of this commit happened."""

    transient = True


class RunnerError(LakegateError):
    """A worker cannot go on."""


class LakeError(LakegateError):
    """The lake's catalog or files refused or failed."""


class CommitConflict(LakeError):
    """Another writer committed to the table first; nothing of this commit happened."""

    transient = True


class AuditError(LakegateError):
    """An audit could not be carried out."""


class PublishRefused(AuditError):
    """``main`` was not moved: a rule failed, or ``main`` is not where the audit saw it."""


class LedgerError(LakegateError):
    """The books cannot be read."""


class StateError(LakegateError):
    """The operational database refused or failed."""


class NewerState(StateError):
    """The state directory was written by a newer version of Lakegate."""


class ProjectError(LakegateError):
    """The project or its configuration is at fault."""
