"""Patterns: ECMA-262 regular expressions, searched in linear time by RE2.

A contract's ``pattern`` is ECMA-262 source, as JSON Schema and ODCS say. It is translated once into
RE2 syntax with the same meaning (SEMANTICS "pattern"): search, not full match; Unicode mode, so one
character is one code point; ``$`` is the end of input and nothing else; ``\\d \\w \\b`` are ASCII,
``\\s`` and ``.`` are as ECMA-262 says. Capture groups become plain groups, since only *whether* a
text matches is asked. Greedy and lazy come to the same for that question.

Where Unicode mode forbids what everybody writes (``\\-``, a bare ``{`` or ``]``), the meaning of
Annex B is used. Where Annex B would silently read a construct of another dialect as plain letters
(``\\A``, ``\\Z``, ``(?i)``, ``x{,5}``, ``[[:alpha:]]``), it is an error that says what to write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2

from lakegate.contract.pattern_class import ANY, DOT, SETS, CharacterSet, property_set, render
from lakegate.errors import ContractError

__all__ = ["Pattern", "PatternError", "compile", "translate"]

_MAX_DEPTH = 100
_MAX_REPEAT = 1000
_CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
_FOREIGN = {
    "A": "write ^, which is the start of input",
    "Z": "write $, which is the end of input only",
    "z": "write $, which is the end of input only",
    "h": r"write [ \t]",
    "R": r"write (?:\r\n|\n|\r)",
    "Q": "escape each special character by itself",
    "a": r"write \x07",
    "e": r"write \x1b",
}
_QUANTIFIER = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")
_LOOSE_QUANTIFIER = re.compile(r"\{,[0-9]+\}")
_POSIX_CLASS = re.compile(r"\[\[:\^?[a-z]+:\]")
_GROUP_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_HEX = re.compile(r"[0-9A-Fa-f]+")


class PatternError(ContractError):
    """A pattern that cannot be enforced: not ECMA-262, or beyond linear time.

    ``construct`` is the piece of the source at fault, ``position`` its index (from 0, in code
    points), ``advice`` what to do.
    """

    def __init__(self, construct: str, position: int, problem: str, *, advice: str) -> None:
        self.construct = construct
        self.position = position
        self.problem = problem
        self.advice = advice
        super().__init__(f"pattern: {problem}: `{construct}` at character {position}; {advice}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. ``re2`` is the translation, which Arrow's kernels take as well."""

    source: str
    re2: str
    _compiled: Any = field(repr=False, compare=False)

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in ``text``; linear in its length."""
        return self._compiled.search(text) is not None


@lru_cache(maxsize=1024)
def compile(source: str) -> Pattern:  # noqa: A001 - the name every regular expression module uses
    """Translate and compile an ECMA-262 pattern.

    Raises:
        PatternError: the pattern cannot be enforced; says which construct, where, what to do.
    """
    translated = _Translator(source).translate()
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(translated, options)
    except re2.error as cause:
        reason = cause.args[0] if cause.args else cause
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(
            source[:60], 0, f"RE2 refuses it ({text})", advice="make it shorter or repeat less"
        ) from cause
    return Pattern(source, translated, compiled)


def translate(source: str) -> str:
    """The RE2 syntax with the meaning of an ECMA-262 pattern; for RE2 and Arrow's kernels.

    Raises:
        PatternError: the pattern cannot be enforced; says which construct, where, what to do.
    """
    return compile(source).re2


class _Translator:
    """One pass of recursive descent over the grammar of ECMA-262, 22.2.1."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.depth = 0
        self.names: set[str] = set()

    def translate(self) -> str:
        text = self.disjunction()
        if self.at < len(self.source):
            raise self.error(")", "unmatched closing parenthesis", advice=r"escape it: \)")
        return text

    def error(
        self, construct: str, problem: str, *, advice: str, position: int | None = None
    ) -> PatternError:
        at = self.at if position is None else position
        return PatternError(construct, at, problem, advice=advice)

    def peek(self, text: str) -> bool:
        return self.source.startswith(text, self.at)

    def take(self, text: str) -> bool:
        if self.peek(text):
            self.at += len(text)
            return True
        return False

    def disjunction(self) -> str:
        alternatives = [self.alternative()]
        while self.take("|"):
            alternatives.append(self.alternative())
        return "|".join(alternatives)

    def alternative(self) -> str:
        terms: list[str] = []
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            terms.append(self.term())
        return "".join(terms)

    def term(self) -> str:
        start = self.at
        for source, target in (("^", r"\A"), ("$", r"\z"), (r"\b", r"\b"), (r"\B", r"\B")):
            if self.take(source):
                if self.quantifier() is not None:
                    raise self.error(
                        self.source[start : self.at],
                        "an assertion cannot be repeated",
                        advice="drop the quantifier",
                        position=start,
                    )
                return target
        atom = self.atom()
        quantifier = self.quantifier()
        return atom + (quantifier or "")

    def quantifier(self) -> str | None:
        """``* + ? {n} {n,} {n,m}``, lazy or not."""
        start = self.at
        match = _QUANTIFIER.match(self.source, self.at)
        if match is not None:
            self.at = match.end()
            result = self.bounds(match, start)
        elif self.at < len(self.source) and self.source[self.at] in "*+?":
            result = self.source[self.at]
            self.at += 1
        else:
            return None
        self.take("?")
        return result

    def bounds(self, match: re.Match[str], start: int) -> str:
        low, comma, high = match.groups()
        advice = f"the bounds may be at most {_MAX_REPEAT}; check longer texts with maxLength"
        if any(
            len(bound.lstrip("0")) > 4 or int(bound) > _MAX_REPEAT for bound in (low, high or "0")
        ):
            raise self.error(match[0], "repeats too often", advice=advice, position=start)
        if high and int(high) < int(low):
            raise self.error(
                match[0], "bounds out of order", advice="put the lower first", position=start
            )
        return f"{{{int(low)}{comma or ''}{int(high) if high else ''}}}"

    def atom(self) -> str:
        start = self.at
        char = self.source[start]
        if char == "(":
            return self.group()
        if char == "[":
            return self.character_class()
        if char == ".":
            self.at += 1
            return DOT
        if char == "\\":
            return render(self.escape(in_class=False))
        loose = _LOOSE_QUANTIFIER.match(self.source, start)
        if loose is not None:
            raise self.error(loose[0], "a quantifier needs a lower bound", advice="write {0,n}")
        if char in "*+?" or _QUANTIFIER.match(self.source, start):
            raise self.error(
                char, "nothing to repeat", advice="escape it, or put an atom before it"
            )
        self.at += 1
        return render(CharacterSet.of(ord(self.check_character(char, start))))

    def check_character(self, char: str, position: int) -> str:
        if 0xD800 <= ord(char) <= 0xDFFF:
            raise self.error(
                f"\\u{ord(char):04x}",
                "a lone surrogate matches no text",
                advice="patterns work on code points: write \\u{...}",
                position=position,
            )
        return char

    def group(self) -> str:
        start = self.at
        self.open_group(start)
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.error("(", f"groups nest deeper than {_MAX_DEPTH}", advice="flatten them")
        inner = self.disjunction()
        self.depth -= 1
        if not self.take(")"):
            raise self.error(
                "(",
                "this group is not closed",
                advice=r"close it, or escape it: \(",
                position=start,
            )
        return f"(?:{inner})"

    def open_group(self, start: int) -> None:
        for opening, what in (
            ("(?=", "look-ahead"),
            ("(?!", "negative look-ahead"),
            ("(?<=", "look-behind"),
            ("(?<!", "negative look-behind"),
        ):
            if self.peek(opening):
                raise self.error(
                    opening,
                    f"{what} is not judged: no linear-time engine has it",
                    advice="split it into several rules, or use invalidValues or a SQL rule",
                )
        if self.take("(?:"):
            return
        if self.take("(?<"):
            match = _GROUP_NAME.match(self.source, self.at)
            if match is None or not self.source.startswith(">", match.end()):
                raise self.error(
                    "(?<", "bad group name", advice="write (?<name>...)", position=start
                )
            if match[0] in self.names:
                raise self.error(
                    match[0], "two groups of one name", advice="rename one", position=self.at
                )
            self.names.add(match[0])
            self.at = match.end() + 1
            return
        if self.peek("(?"):
            raise self.error(
                self.source[start : start + 4],
                "not a group of ECMA-262",
                advice="there are (...), (?:...) and (?<name>...); "
                "for (?i) list both cases: [Aa], for (?P<n>...) write (?<n>...)",
            )
        self.at += 1

    def escape(self, *, in_class: bool) -> CharacterSet:
        """A backslash and what follows it, as a set of code points."""
        start = self.at
        self.at += 1
        if self.at >= len(self.source):
            raise self.error("\\", "nothing is escaped", advice=r"write \\", position=start)
        char = self.source[self.at]
        self.at += 1
        if char in SETS:
            return SETS[char]
        if char in _CONTROLS:
            return CharacterSet.of(_CONTROLS[char])
        if char in "pP":
            return self.unicode_property(start, negated=char == "P")
        if char in "ux":
            return CharacterSet.of(self.hexadecimal(char, start))
        if char == "c":
            return CharacterSet.of(self.control(start))
        if char == "b" and in_class:
            return CharacterSet.of(0x08)
        if (char.isascii() and char.isdigit()) or char == "k":
            return self.digit_escape(char, start)
        if (char.isascii() and char.isalpha()) or (char == "B" and in_class):
            raise self.error(
                f"\\{char}",
                "not an escape of ECMA-262",
                advice=_FOREIGN.get(char, f"write {char} for the letter itself"),
                position=start,
            )
        return CharacterSet.of(ord(self.check_character(char, start)))

    def digit_escape(self, char: str, start: int) -> CharacterSet:
        following = self.source[self.at : self.at + 1]
        if char == "0" and not (following.isascii() and following.isdigit()):
            return CharacterSet.of(0)
        if char == "0":
            raise self.error(
                "\\0", "octal escapes are not Unicode mode", advice=r"write \xHH", position=start
            )
        raise self.error(
            f"\\{char}",
            "back-references are not judged: no linear-time engine has them",
            advice="use a SQL rule over the fields instead",
            position=start,
        )

    def control(self, start: int) -> int:
        letter = self.source[self.at : self.at + 1]
        if not (letter.isascii() and letter.isalpha()):
            raise self.error(r"\c", "no control letter", advice=r"write \cA to \cZ", position=start)
        self.at += 1
        return ord(letter) % 32

    def hexadecimal(self, kind: str, start: int) -> int:
        r"""``\xHH``, ``\uHHHH`` (a surrogate pair is one code point) or ``\u{H...}``."""
        code = self.hex_digits(2) if kind == "x" else self.unicode_escape()
        if code is not None and 0xD800 <= code <= 0xDBFF and self.take("\\u"):
            low = self.hex_digits(4)
            code = (
                0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                if low is not None and 0xDC00 <= low <= 0xDFFF
                else code
            )
        if code is None or code > 0x10FFFF:
            raise self.error(
                self.source[start : self.at],
                "not a code point",
                advice=r"write \xHH, \uHHHH or \u{H...} up to \u{10FFFF}",
                position=start,
            )
        self.check_character(chr(code), start)
        return code

    def unicode_escape(self) -> int | None:
        if not self.take("{"):
            return self.hex_digits(4)
        match = _HEX.match(self.source, self.at)
        if match is None or not self.source.startswith("}", match.end()):
            return None
        self.at = match.end() + 1
        return int(match[0][-16:], 16) if len(match[0].lstrip("0")) <= 6 else None

    def hex_digits(self, count: int) -> int | None:
        match = _HEX.match(self.source, self.at, self.at + count)
        if match is None or len(match[0]) != count:
            return None
        self.at += count
        return int(match[0], 16)

    def unicode_property(self, start: int, *, negated: bool) -> CharacterSet:
        end = self.source.find("}", self.at)
        name = self.source[self.at + 1 : end] if self.peek("{") and end > 0 else ""
        found = property_set(name, negated=negated)
        if found is None:
            raise self.error(
                self.source[start : max(end, self.at) + 1],
                "no such property among those judged",
                advice=r"use a general category (\p{Lu}, \p{Letter}) or \p{Script=Greek}",
                position=start,
            )
        self.at = end + 1
        return found

    def character_class(self) -> str:
        start = self.at
        if posix := _POSIX_CLASS.match(self.source, start):
            raise self.error(
                posix[0], "POSIX classes are not ECMA-262", advice=r"write the range: [A-Za-z]"
            )
        self.at += 1
        negated = self.take("^")
        members = CharacterSet()
        while not self.take("]"):
            if self.at >= len(self.source):
                raise self.error(
                    "[",
                    "this class is not closed",
                    advice=r"close it, or escape it: \[",
                    position=start,
                )
            members = members | self.class_range()
        if not members:
            return ANY if negated else render(CharacterSet())
        return render(members, negated=negated)

    def class_range(self) -> CharacterSet:
        start = self.at
        low = self.class_atom()
        if not self.peek("-") or self.source.startswith("-]", self.at):
            return low
        self.at += 1
        if self.at >= len(self.source):
            return low
        high = self.class_atom()
        first, last = low.single, high.single
        if first is None or last is None:
            # Annex B: a class such as \d cannot end a range, so the hyphen is itself.
            return low | CharacterSet.of(ord("-")) | high
        if first > last:
            raise self.error(
                self.source[start : self.at],
                "range out of order",
                advice="put the lower first",
                position=start,
            )
        return CharacterSet(((first, last),))

    def class_atom(self) -> CharacterSet:
        if self.peek("\\"):
            return self.escape(in_class=True)
        char = self.source[self.at]
        self.at += 1
        return CharacterSet.of(ord(self.check_character(char, self.at - 1)))
