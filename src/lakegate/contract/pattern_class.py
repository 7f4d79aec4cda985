r"""Character classes of ECMA-262 (``\d``, ``\s``, ``\p{...}``, ``.``), written in RE2 syntax."""

from __future__ import annotations

from dataclasses import dataclass

import re2

__all__ = ["ANY", "DOT", "SETS", "CharacterSet", "property_set", "render"]

ANY = "(?s:.)"
DOT = r"[^\n\r\x{2028}\x{2029}]"
_NOTHING = r"[^\x{0}-\x{10ffff}]"


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """Code points: inclusive ``ranges``, and ``classes`` of RE2 that have no short list."""

    ranges: tuple[tuple[int, int], ...] = ()
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, code: int) -> CharacterSet:
        """The set of one code point."""
        return cls(((code, code),))

    @property
    def single(self) -> int | None:
        """The only code point of the set, or None."""
        if self.classes or len(self.ranges) != 1 or self.ranges[0][0] != self.ranges[0][1]:
            return None
        return self.ranges[0][0]

    def __or__(self, other: CharacterSet) -> CharacterSet:
        return CharacterSet(self.ranges + other.ranges, self.classes + other.classes)

    def __bool__(self) -> bool:
        return bool(self.ranges or self.classes)


def render(members: CharacterSet, *, negated: bool = False) -> str:
    """One RE2 atom that matches one code point of the set (or one outside it)."""
    code = members.single
    if code is not None and not negated:
        return _character(code)
    if not members:
        return ANY if negated else _NOTHING
    ranges = "".join(
        _character(low) if low == high else f"{_character(low)}-{_character(high)}"
        for low, high in members.ranges
    )
    return f"[{'^' if negated else ''}{ranges}{''.join(members.classes)}]"


def _character(code: int) -> str:
    char = chr(code)
    return char if char.isascii() and (char.isalnum() or char == "_") else f"\\x{{{code:x}}}"


def _complement(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Everything else, of all code points."""
    result: list[tuple[int, int]] = []
    following = 0
    for low, high in sorted(ranges):
        if low > following:
            result.append((following, low - 1))
        following = max(following, high + 1)
    if following <= 0x10FFFF:
        result.append((following, 0x10FFFF))
    return tuple(result)


_DIGIT = ((0x30, 0x39),)
_WORD = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
# ECMA-262 WhiteSpace and LineTerminator: TAB LF VT FF CR, Zs, LS, PS and ZWNBSP.
_SPACE = (
    *((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
)

SETS = {
    "d": CharacterSet(_DIGIT),
    "D": CharacterSet(_complement(_DIGIT)),
    "w": CharacterSet(_WORD),
    "W": CharacterSet(_complement(_WORD)),
    "s": CharacterSet(_SPACE),
    "S": CharacterSet(_complement(_SPACE)),
}

# General categories RE2 has, with their long names. C and Cn are missing: RE2 does not count
# unassigned code points as Other, ECMA-262 does. Cs matches no text.
_CATEGORIES = {
    "Cc": "Control", "Cf": "Format", "Co": "Private_Use",
    "L": "Letter", "Ll": "Lowercase_Letter", "Lm": "Modifier_Letter", "Lo": "Other_Letter",
    "Lt": "Titlecase_Letter", "Lu": "Uppercase_Letter",
    "M": "Mark", "Mc": "Spacing_Mark", "Me": "Enclosing_Mark", "Mn": "Nonspacing_Mark",
    "N": "Number", "Nd": "Decimal_Number", "Nl": "Letter_Number", "No": "Other_Number",
    "P": "Punctuation", "Pc": "Connector_Punctuation", "Pd": "Dash_Punctuation",
    "Pe": "Close_Punctuation", "Pf": "Final_Punctuation", "Pi": "Initial_Punctuation",
    "Po": "Other_Punctuation", "Ps": "Open_Punctuation",
    "S": "Symbol", "Sc": "Currency_Symbol", "Sk": "Modifier_Symbol", "Sm": "Math_Symbol",
    "So": "Other_Symbol",
    "Z": "Separator", "Zl": "Line_Separator", "Zp": "Paragraph_Separator", "Zs": "Space_Separator",
}  # fmt: skip
_LONG_NAMES = {long: short for short, long in _CATEGORIES.items()}


def property_set(name: str, *, negated: bool) -> CharacterSet | None:
    r"""The set of ``\p{name}`` (``\P`` if negated), or None when RE2 has no such property.

    Known are general categories (``Lu``, ``Letter``, ``gc=Nd``, ``General_Category=Nd``) and
    scripts by their full name (``Script=Greek``, ``sc=Greek``).
    """
    key, equals, value = name.partition("=")
    if not equals or key in ("gc", "General_Category"):
        category = value if equals else key
        short = category if category in _CATEGORIES else _LONG_NAMES.get(category)
        return None if short is None else CharacterSet(classes=(_class(short, negated=negated),))
    if key in ("sc", "Script") and value not in _CATEGORIES and _is_known(value):
        return CharacterSet(classes=(_class(value, negated=negated),))
    return None


def _class(name: str, *, negated: bool) -> str:
    return f"\\{'P' if negated else 'p'}{{{name}}}"


def _is_known(script: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(_class(script, negated=False), options)
    except re2.error:
        return False
    return script.isascii() and script.replace("_", "").isalpha() and script != "Any"
