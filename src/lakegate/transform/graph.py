"""The models of a project: found, read, and put into the order in which they can be built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakegate.contract.problem import nearest
from lakegate.errors import ContractError
from lakegate.transform.header import read_model
from lakegate.transform.model import Model
from lakegate.transform.problem import ModelReport

__all__ = ["Graph", "find_models", "load_models"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Models by name, each after all that it needs; ``sources`` are the tables of streams.

    ``needs`` has the names of every table a model reads or tests against, models and sources.
    """

    models: Mapping[str, Model]
    sources: tuple[str, ...]
    needs: Mapping[str, tuple[str, ...]]

    def model(self, name: str) -> Model:
        """A model by name, case ignored.

        Raises:
            ContractError: none is called that; names the nearest.
        """
        for known, model in self.models.items():
            if known.casefold() == name.casefold():
                return model
        near = nearest(name, self.models)
        hint = f"did you mean {near}?" if near else f"there are: {', '.join(self.models) or 'none'}"
        raise ContractError(f"no model is called {name}; {hint}")

    def closure(self, names: Iterable[str]) -> list[Model]:
        """The named models and every model they need, in order; all if none is named."""
        wanted = {self.model(name).name for name in names}
        if not wanted:
            return list(self.models.values())
        for name in reversed(list(self.models)):
            if name in wanted:
                wanted.update(need for need in self.needs[name] if need in self.models)
        return [model for name, model in self.models.items() if name in wanted]

    def dependants(self, name: str) -> list[str]:
        """The models that read a table, directly."""
        return [model for model, needs in self.needs.items() if name in needs]


def find_models(folder: Path) -> list[Path]:
    """Every ``*.sql`` below a folder, by path; none if there is no such folder."""
    return sorted(folder.rglob("*.sql")) if folder.is_dir() else []


def load_models(files: Sequence[Path], sources: Iterable[str], report: ModelReport) -> Graph:
    """Read models and order them; what is wrong goes into ``report``, and leaves its model out."""
    tables = {name.casefold(): name for name in sources}
    models: dict[str, Model] = {}
    broken = False
    for file in files:
        model = read_model(file, report)
        if model is None:
            broken = True
            continue
        key = model.name.casefold()
        if key in tables:
            advice = "rename the model; a stream's table keeps its name"
            message = f"the stream's table {tables[key]} has that name"
            report.add("LM203", model.place("name"), message, advice=advice)
        elif key in models:
            other = models[key].location.file
            message = f"a model called {model.name} stands in {other} too"
            report.add("LM202", model.place("name"), message, advice="rename one of them")
        else:
            models[key] = model
    needs = {
        key: dict(_needs(model, models, tables, report, broken)) for key, model in models.items()
    }
    ordered = _order(models, needs, report)
    return Graph(
        models={models[key].name: models[key] for key in ordered},
        sources=tuple(sorted(tables.values())),
        needs={models[key].name: tuple(needs[key].values()) for key in ordered},
    )


def _needs(
    model: Model,
    models: Mapping[str, Model],
    tables: Mapping[str, str],
    report: ModelReport,
    broken: bool,
) -> Iterator[tuple[str, str]]:
    for use in (*model.reads, *model.tests_read):
        key = use.name.casefold()
        if key in tables:
            yield key, tables[key]
        elif key in models:
            yield key, models[key].name
        else:
            known = [*tables.values(), *(other.name for other in models.values())]
            near = nearest(use.name, [name for name in known if name != model.name])
            advice = f"did you mean `{near}`?" if near else f"there are: {', '.join(known)}"
            if near is None and broken:
                advice = "or the model of that name has a problem of its own"
            report.add(
                "LM201", use.location, f"no table or model is called {use.name}", advice=advice
            )


def _order(
    models: Mapping[str, Model], needs: Mapping[str, Mapping[str, str]], report: ModelReport
) -> list[str]:
    """Names in building order; those on a circle, and what needs them, are left out."""
    done: list[str] = []
    waiting = sorted(models)
    while True:
        ready = [
            key for key in waiting if all(need in done or need not in models for need in needs[key])
        ]
        if not ready:
            break
        done.append(ready[0])
        waiting.remove(ready[0])
    reported: set[str] = set()
    for key in waiting:
        circle = _circle(key, needs, set(waiting))
        if circle is None or reported & set(circle):
            continue
        reported.update(circle)
        model = models[circle[0]]
        uses = {use.name.casefold(): use for use in (*model.reads, *model.tests_read)}
        names = " → ".join(models[step].name for step in (*circle, circle[0]))
        place = uses[circle[1 % len(circle)]].location
        report.add("LM204", place, f"models need each other: {names}", advice="break the circle")
    return done


def _circle(
    start: str, needs: Mapping[str, Mapping[str, str]], among: set[str]
) -> list[str] | None:
    """A way from a model back to itself."""
    waiting: list[list[str]] = [[start]]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        for need in needs[path[-1]]:
            if need == start:
                return path
            if need in among and need not in seen:
                seen.add(need)
                waiting.append([*path, need])
    return None
