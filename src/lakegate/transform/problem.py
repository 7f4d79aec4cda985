"""What can be wrong with a model: codes beside those of the contract's lint, in one report."""

from __future__ import annotations

from lakegate.contract.problem import CODES, Code, Level, Problem, Report
from lakegate.contract.type import Location

__all__ = ["MODEL_CODES", "ModelReport"]

_E = Level.ERROR

MODEL_CODES: dict[str, Code] = {
    "LM001": Code(_E, "the file cannot be read"),
    "LM002": Code(_E, "the header cannot be understood"),
    "LM003": Code(_E, "unknown key"),
    "LM004": Code(_E, "a value that does not belong there"),
    "LM005": Code(_E, "keys that belong together, or exclude each other"),
    "LM006": Code(_E, "a name that no table can have"),
    "LM101": Code(_E, "not SQL"),
    "LM102": Code(_E, "not one SELECT"),
    "LM103": Code(_E, "reads something else than published tables and models"),
    "LM104": Code(_E, "a function that gives something else each time"),
    "LM201": Code(_E, "an unknown table"),
    "LM202": Code(_E, "two models with one name"),
    "LM203": Code(_E, "a model with the name of a stream's table"),
    "LM204": Code(_E, "models that need each other"),
    "LM301": Code(_E, "the SQL does not fit its tables"),
    "LM302": Code(_E, "the header names a column that the SQL does not give"),
    "LM303": Code(_E, "a column that no table can store"),
    "LM304": Code(_E, "two columns with one name"),
    "LM305": Code(_E, "a column that cannot be used so"),
}


class ModelReport(Report):
    """Problems of models; knows the codes of both lints."""

    def add(self, code: str, at: Location, message: str, *, advice: str = "") -> None:
        """Note a problem at its place, at the level of its code."""
        level = (MODEL_CODES.get(code) or CODES[code]).level
        self.problems.append(Problem(code, level, message, advice, at))
