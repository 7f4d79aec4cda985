"""DuckDB's dialect as DuckDB has it: sqlglot's own is more lenient, and renames functions.

What DuckDB refuses may not be judged at the gate, where it would reject records by a rule that no
audit can run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.duckdb import DuckDB

__all__ = ["AsWritten", "foreign", "has_arrow", "is_keyword"]

# Their arguments are not a list between parentheses.
_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING")
# Types of other databases that sqlglot reads as one of DuckDB's.
_FOREIGN_TYPES = frozenset({
    "BIGDECIMAL", "BIGNUMERIC", "BYTE", "CLOB", "DECFLOAT", "FIXED", "LONGTEXT", "LONGVARCHAR",
    "MEDIUMTEXT", "NUMBER", "NVARCHAR2", "STR", "TIMESTAMPLTZ", "TIMESTAMPNTZ", "TIMESTAMP_LTZ",
    "TIMESTAMP_NTZ", "TINYTEXT", "VARCHAR2",
})  # fmt: skip
# Words that are no column in DuckDB unless quoted, and are one to sqlglot.
_KEYWORDS = frozenset({
    "all", "analyse", "analyze", "anti", "array", "asc", "asof", "asymmetric", "at",
    "authorization", "binary", "both", "by", "cast", "check", "collate", "collation", "column",
    "concurrently", "constraint", "default", "deferrable", "desc", "describe", "do", "end",
    "foreign", "freeze", "full", "group", "in", "initially", "is", "isnull", "lambda",
    "leading", "left", "limit", "natural", "offset", "order", "overlaps", "pivot",
    "pivot_longer", "pivot_wider", "placing", "primary", "references", "right", "semi", "show",
    "similar", "some", "symmetric", "table", "to", "trailing", "unique", "unpack", "unpivot",
    "variadic", "verbose", "window",
})  # fmt: skip
_TEXTS = frozenset({"BPCHAR", "CHAR", "STRING", "TEXT", "VARCHAR"})


def _plus(parser: Any) -> Any:
    """A plus before a number is none; before anything else it is a function, as in DuckDB."""
    value = parser._parse_unary()
    if isinstance(value, exp.Literal) and not value.is_string:
        return value
    return exp.Anonymous(this="+", expressions=[value])


class AsWritten(DuckDB):
    """DuckDB's dialect with function calls left as they are written.

    sqlglot gives several spellings one node, turns arguments around and learns more of that with
    each release; here a name means what DuckDB means by it.
    """

    class Parser(DuckDB.Parser):  # type: ignore[misc,valid-type]  # noqa: D106
        FUNCTIONS: ClassVar[Any] = {}
        FUNCTION_PARSERS: ClassVar[Any] = {
            name: parser
            for name, parser in DuckDB.Parser.FUNCTION_PARSERS.items()
            if name in _SYNTAX
        }
        UNARY_PARSERS: ClassVar[Any] = {**DuckDB.Parser.UNARY_PARSERS, TokenType.PLUS: _plus}


def is_keyword(name: Any) -> bool:
    """Whether a name, a node of the tree, must stand in quotes to be that of a column."""
    quoted = bool(name.args.get("quoted"))
    return not quoted and name.name.lower() in _KEYWORDS


def foreign(query: str) -> str | None:
    """What of a query that sqlglot reads is no SQL of DuckDB's, and what to write; None: nothing.

    Of that which its tree does not show any more.
    """
    tokens = sqlglot.tokenize(query, read=AsWritten)
    following = [*(token.text for token in tokens[1:]), ""]
    for (before, token, call), after in zip(_within_calls(tokens), following, strict=True):
        if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
            continue
        text = token.text.upper()
        if text == "<=>":
            return "DuckDB has no `<=>`; write IS NOT DISTINCT FROM"
        if text == "!" and not after.startswith("~"):
            return "DuckDB has no `!`; write NOT"
        named = before == "::" or (before == "AS" and call in ("CAST", "TRY_CAST"))
        if named and text in _FOREIGN_TYPES:
            return f"DuckDB has no type {text}"
        if text == "," and call == "POSITION":
            return "position(text, in_text) is not DuckDB's; write position(text IN in_text)"
        if (text == "," and call in _TEXTS) or (text == "(" and before == "TIMESTAMPTZ"):
            return f"DuckDB's type {call if text == ',' else before} has no such parameters"
        if text == "-" and before == "INTERVAL":
            return "DuckDB wants a negative interval in parentheses; write INTERVAL (-1) DAY"
    return None


def _within_calls(tokens: Sequence[Any]) -> Iterator[tuple[str, Any, str]]:
    """Each token with the text before it and the name of the call it stands in."""
    calls: list[str] = []
    before = ""
    for token in tokens:
        text = token.text.upper()
        if token.token_type is TokenType.L_PAREN:
            calls.append(before)
        elif token.token_type is TokenType.R_PAREN and calls:
            calls.pop()
        yield before, token, calls[-1] if calls else ""
        before = "" if token.token_type is TokenType.STRING else text


def has_arrow(query: str) -> bool:
    """Whether ``->`` stands in a query: a lambda that newer versions of DuckDB refuse, or JSON."""
    return any(
        token.token_type is TokenType.ARROW for token in sqlglot.tokenize(query, read=AsWritten)
    )
