"""The corpus as the table of docs/reference/hostile.md; run as a module to write it."""

from __future__ import annotations

from pathlib import Path

from tests.unit.gate.corpus import CASES, EVERYTHING

from lakegate.contract.type import ArrayType, ObjectType

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "hostile.md"
_BEGIN, _END = "<!-- the corpus -->\n", "<!-- end of the corpus -->\n"
_LONGEST = 60


def page(text: str) -> str:
    """The page with its table made anew."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + _tables() + _END + after


def _tables() -> str:
    groups: dict[str, list[tuple[str, str]]] = {"The record as a whole": []}
    prefixes = {f'{{"{field.name}":'.encode(): field for field in EVERYTHING.fields}
    for value, rule in CASES:
        title, shown = "The record as a whole", _shown(value)
        for prefix, field in prefixes.items():
            if value.startswith(prefix) and value.endswith(b"}") and rule not in _WHOLE:
                title = f"`{field.name}`: {_kind(field.type)}"
                shown = _shown(value[len(prefix) : -1])
        groups.setdefault(title, []).append((shown, "accepted" if rule is None else f"`{rule}`"))
    lines = []
    for title, rows in groups.items():
        lines += ["", f"### {title}", "", "| input | verdict |", "|---|---|"]
        lines += [f"| {shown} | {verdict} |" for shown, verdict in dict.fromkeys(rows)]
    return "\n".join([*lines, "", ""])


_WHOLE = {
    "json.depth", "json.duplicateKey", "json.magic", "json.surrogate", "json.truncated",
    "json.utf8", "record.paths", "record.size",
}  # fmt: skip


def _kind(type_: object) -> str:
    if isinstance(type_, ArrayType):
        return "an array of strings"
    if isinstance(type_, ObjectType):
        return "an object with `name`"
    return type(type_).__name__.removesuffix("Type").lower()


def _shown(value: bytes) -> str:
    """Bytes as Python writes them, without the quotes, safe in a table."""
    text = repr(value)[2:-1]
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 20]}… ({len(value):,} bytes)"
    text = text.replace("`", "'").replace("|", "\\|")
    return f"`{text}`" if text.strip() else ("nothing" if not text else "a space")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
