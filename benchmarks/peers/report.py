"""What the tools said, as the tables of ``docs/reference/peers.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.peers.kinds import Kind, example, kind
from lakegate.testing.adversarial import Case

__all__ = ["Answer", "Judged", "report"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one tool said: ``ratios`` per list, ``refused`` and ``said`` as ``task.py`` wrote it."""

    version: str
    note: str
    explains: str
    columns: bool
    ratios: tuple[float, ...]
    refused: tuple[tuple[int, int], ...]
    spoilt: int | None
    said: tuple[bool | None, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From the JSON object of ``task.py``."""
        lists = document["lists"].values()
        return cls(
            document["version"],
            document["note"],
            document["explains"],
            document["columns"],
            tuple(each["orjson"] / each["seconds"] for each in lists),
            tuple((each["refused"], each["count"]) for each in lists),
            document["spoilt"],
            tuple(document["cases"]),
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """The cases, and the answers of those that answered, by the tool's name."""

    cases: tuple[Case, ...]
    answers: dict[str, Answer] = field(default_factory=dict)

    def differing(self, title: str) -> Iterator[tuple[Case, Kind, str]]:
        """Cases a tool judges otherwise than the contract means, with what it did."""
        for case, said in zip(self.cases, self.answers[title].said, strict=True):
            if said is None:
                yield case, kind(case), "crashed"
            elif said != case.accepted:
                yield case, kind(case), "accepted" if said else "refused"


def report(judged: Judged, missing: Mapping[str, str], measured_on: str) -> str:
    """Markdown: speed, verdicts, and every kind of case that some tool judges otherwise."""
    parts = [f"Measured on {measured_on}.", _speed(judged), _verdicts(judged), _kinds(judged)]
    parts.append(_how(judged))
    parts += [f"No answer from {title}: {reason}." for title, reason in missing.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _speed(judged: Judged) -> str:
    rows = [
        "| tool | 0% bad | 1% bad | 20% bad | says of a refusal | columns | one bad line of 100 |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, answer in judged.answers.items():
        ratios = " | ".join(
            f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}" for ratio in answer.ratios
        )
        spoilt = "crash" if answer.spoilt is None else _alone(answer.spoilt)
        rows.append(
            f"| {title} | {ratios} | {answer.explains} | {'yes' if answer.columns else 'no'} "
            f"| {spoilt} |"
        )
    return "### Speed, in times `orjson.loads`\n\n" + "\n".join(rows)


def _alone(refused: int) -> str:
    """What happens to a batch of 100 for one record that is no JSON."""
    return "is refused alone" if refused == 1 else f"{refused} are refused"


def _verdicts(judged: Judged) -> str:
    good = sum(case.accepted for case in judged.cases)
    rows = [
        f"### Verdicts on {len(judged.cases)} cases, {good} of them good",
        "",
        "| tool | wrongly accepted | wrongly refused | crashed | differs by choice |",
        "|---|---|---|---|---|",
    ]
    for title in judged.answers:
        count = {"accepted": 0, "refused": 0, "crashed": 0, "choice": 0}
        for _, of_kind, did in judged.differing(title):
            count["choice" if of_kind.choice is not None and did != "crashed" else did] += 1
        cells = " | ".join(str(number) for number in count.values())
        rows.append(f"| {title} | {cells} |")
    return "\n".join(rows)


def _kinds(judged: Judged) -> str:
    """A row per kind and direction: who, how often, one example, and the reason where it is one."""
    found: dict[tuple[Kind, str], dict[str, list[Case]]] = {}
    for title in judged.answers:
        for case, of_kind, did in judged.differing(title):
            found.setdefault((of_kind, did), {}).setdefault(title, []).append(case)
    rows = [
        "### What each gets wrong",
        "",
        "| kind of case | who (cases) | for example |",
        "|---|---|---|",
    ]
    choices = [
        "### Where they differ by choice",
        "",
        "| kind of case | who (cases) | why that can be said | for example |",
        "|---|---|---|---|",
    ]
    for (of_kind, did), tools in sorted(
        found.items(), key=lambda item: (item[0][1], item[0][0].name)
    ):
        who = ", ".join(f"{title} ({len(of)})" for title, of in tools.items())
        shown = example(next(iter(tools.values()))[0])
        if of_kind.choice is not None and did != "crashed":
            choices.append(f"| {of_kind.name}: {did} | {who} | {of_kind.choice} | {shown} |")
        else:
            rows.append(f"| {of_kind.name}: {did} | {who} | {shown} |")
    return "\n".join(rows) + "\n\n" + "\n".join(choices)


def _how(judged: Judged) -> str:
    rows = ["### How each was used", "", "| tool | version | how |", "|---|---|---|"]
    rows += [
        f"| {title} | {answer.version} | {answer.note} |"
        for title, answer in judged.answers.items()
    ]
    return "\n".join(rows)
