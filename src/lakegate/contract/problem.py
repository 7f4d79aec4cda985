"""Problems: what is wrong with a contract, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from lakegate.contract.type import Location
from lakegate.errors import ContractError

__all__ = ["CODES", "Code", "Level", "Problem", "Report", "nearest"]


class Level(StrEnum):
    """How bad a problem is: only an ``error`` keeps a contract from being used."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Code:
    """A stable code of the lint, documented in docs/reference/lint.md."""

    level: Level
    title: str


_E, _W, _N = Level.ERROR, Level.WARNING, Level.NOTE

CODES: dict[str, Code] = {
    "LG001": Code(_E, "the file cannot be read"),
    "LG002": Code(_E, "the file is too large"),
    "LG003": Code(_E, "the file is not UTF-8"),
    "LG004": Code(_E, "the file is not YAML"),
    "LG005": Code(_E, "several documents in one file"),
    "LG006": Code(_E, "the file is empty"),
    "LG007": Code(_E, "the document is not a mapping"),
    "LG008": Code(_E, "a key stands twice in one mapping"),
    "LG009": Code(_E, "an alias contains itself"),
    "LG010": Code(_E, "aliases expand beyond the limit"),
    "LG011": Code(_E, "nested too deeply"),
    "LG012": Code(_E, "a key is not text"),
    "LG013": Code(_E, "a number that cannot be used"),
    "LG014": Code(_E, "a YAML tag that is not understood"),
    "LG020": Code(_E, "a variable has no value"),
    "LG021": Code(_E, "a secret outside `servers`"),
    "LG101": Code(_E, "unknown apiVersion"),
    "LG102": Code(_E, "not a data contract"),
    "LG103": Code(_E, "unknown key"),
    "LG104": Code(_E, "missing key"),
    "LG105": Code(_E, "wrong kind of value"),
    "LG106": Code(_E, "a value outside its list"),
    "LG107": Code(_E, "a value the standard does not allow"),
    "LG108": Code(_W, "deprecated key"),
    "LG109": Code(_N, "unknown status"),
    "LG110": Code(_E, "two contracts with one id and version"),
    "LG111": Code(_E, "an id stands twice in one list"),
    "LG112": Code(_W, "a schedule that is not five-field cron"),
    "LG201": Code(_E, "two objects with one name"),
    "LG202": Code(_E, "two properties with one name"),
    "LG203": Code(_E, "names that differ only in case"),
    "LG204": Code(_E, "a reserved name"),
    "LG205": Code(_E, "a name that no topic can have"),
    "LG206": Code(_W, "no properties"),
    "LG207": Code(_E, "two streams with one topic"),
    "LG301": Code(_E, "an option that does not apply to the type"),
    "LG302": Code(_E, "a minimum above its maximum"),
    "LG303": Code(_E, "a bound that the type cannot represent"),
    "LG304": Code(_E, "a pattern that cannot be enforced"),
    "LG305": Code(_N, "a string format that is not enforced"),
    "LG306": Code(_E, "a date or time format that is not understood"),
    "LG307": Code(_N, "an integer wider than 64 bits"),
    "LG308": Code(_E, "a decimal that cannot be stored"),
    "LG309": Code(_W, "a physical type that contradicts the logical type"),
    "LG310": Code(_N, "a property without a usable type"),
    "LG311": Code(_E, "an unknown time zone"),
    "LG312": Code(_E, "an enum value that is not of the type"),
    "LG313": Code(_W, "a decimal without precision"),
    "LG401": Code(_E, "a key position used twice"),
    "LG402": Code(_W, "a key position without a key"),
    "LG403": Code(_E, "a partition transform that does not fit"),
    "LG404": Code(_N, "a primary key that says it is optional"),
    "LG405": Code(_E, "a property that cannot be a key or partition"),
    "LG501": Code(_E, "a rule without an operator"),
    "LG502": Code(_E, "a rule with several operators"),
    "LG503": Code(_E, "an unknown metric"),
    "LG504": Code(_E, "a metric at the wrong level"),
    "LG505": Code(_E, "arguments missing or misplaced"),
    "LG506": Code(_E, "SQL that cannot be judged"),
    "LG507": Code(_N, "SQL that only the audit judges"),
    "LG508": Code(_E, "an unknown unit"),
    "LG509": Code(_W, "an unknown severity"),
    "LG510": Code(_N, "mustBeBetween includes its bounds"),
    "LG512": Code(_E, "an operator with a value it cannot compare"),
    "LG513": Code(_E, "an argument names no property"),
    "LG514": Code(_E, "two rules with one name"),
    "LG515": Code(_E, "SQL that DuckDB refuses"),
    "LG516": Code(_W, "SQL over a table that is not known"),
    "LG517": Code(_W, "SQL that may give no single value"),
    "LG601": Code(_N, "an SLA property that is not measured"),
    "LG602": Code(_E, "an SLA unit missing or unknown"),
    "LG603": Code(_E, "an SLA value that cannot be measured"),
    "LG604": Code(_E, "an SLA element that does not exist"),
    "LG701": Code(_E, "a relationship to nothing"),
    "LG702": Code(_E, "a relationship between different types"),
    "LG703": Code(_E, "a composite relationship that does not pair up"),
    "LG704": Code(_N, "a relationship to another contract"),
    "LG705": Code(_W, "a relationship that cannot be judged at the gate"),
    "LG801": Code(_E, "an unknown lakegate property"),
    "LG802": Code(_E, "a bad value of a lakegate property"),
    "LG803": Code(_E, "a lakegate property at the wrong place"),
    "LG804": Code(_E, "a stream of changes without a primary key"),
    "LG805": Code(_E, "a change event's encoding is not said"),
    "LG806": Code(_E, "a format for what is no text in change events"),
    "LG807": Code(_E, "change events in a format they do not have"),
    "LG808": Code(_E, "CSV rows that cannot be read"),
    "LG809": Code(_W, "a server of another format than the records"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. ``code`` is a key of :data:`CODES`; ``help`` says what to do, or is empty."""

    code: str
    level: Level
    message: str
    help: str
    location: Location

    def __str__(self) -> str:
        text = f"{self.location}: {self.level} {self.code}: {self.message}"
        return f"{text}; {self.help}" if self.help else text


class Report:
    """Problems as they are found; nothing is thrown away."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, code: str, at: Location, message: str, *, advice: str = "") -> None:
        """Note a problem at its place, at the level of its code."""
        self.problems.append(Problem(code, CODES[code].level, message, advice, at))

    @property
    def failed(self) -> bool:
        """Whether an error is among them."""
        return any(problem.level is Level.ERROR for problem in self.problems)

    def sorted(self) -> list[Problem]:
        """All, each once, by file, line and column."""
        unique = dict.fromkeys(self.problems)
        return sorted(unique, key=_order)

    def raise_errors(self) -> None:
        """Raise if the contract cannot be used.

        Raises:
            ContractError: naming every error with file, line and column.
        """
        errors = [problem for problem in self.sorted() if problem.level is Level.ERROR]
        if errors:
            raise ContractError(_listing(errors))


def _order(problem: Problem) -> tuple[str, int, int, str]:
    at = problem.location
    return at.file, at.line, at.column, problem.code


def _listing(errors: Sequence[Problem]) -> str:
    if len(errors) == 1:
        return str(errors[0])
    head = f"{errors[0].location.file}: {len(errors)} problems"
    return "\n".join([head, *(f"  {problem}" for problem in errors)])


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like ``word`` (case ignored), or None when none is near."""
    known = {choice.lower(): choice for choice in choices}
    found = get_close_matches(word.lower()[:100], known, n=1, cutoff=0.6)
    return known[found[0]] if found else None
