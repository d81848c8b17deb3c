"""Text that must be met exactly, or wholly by a regular expression in linear time."""

from __future__ import annotations

import re2

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable

__all__ = ["TextPattern"]

MAX_EXPRESSION_CHARACTERS = 1024


class TextPattern:
    """An exact text, or a regular expression (RE2 syntax) that must match the whole of what it is held against.

    An expression that only has to occur somewhere would accept `https://evil.example/?https://github.com/acme/`.
    """

    __slots__ = ("_expression", "is_expression", "text")

    def __init__(self, text: str, *, is_expression: bool = False) -> None:
        self.text = text
        self.is_expression = is_expression
        self._expression = _compile(text) if is_expression else None

    def matches(self, value: str) -> bool:
        """Tell whether the whole of `value` is what the pattern asks for."""
        return value == self.text if self._expression is None else self._expression.fullmatch(value) is not None

    def __eq__(self, other: object) -> bool:
        """Two patterns are equal if they are written alike and mean the same kind of thing."""
        return isinstance(other, TextPattern) and (other.text, other.is_expression) == (self.text, self.is_expression)

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((self.text, self.is_expression))

    def __repr__(self) -> str:
        """Show the pattern."""
        return f"TextPattern({self.text!r}, is_expression={self.is_expression})"


def _compile(text: str) -> re2._Regexp:
    """Compile an expression; a ParseError if it is too long or not one."""
    if len(text) > MAX_EXPRESSION_CHARACTERS:
        raise ParseError("", f"a regular expression has at most {MAX_EXPRESSION_CHARACTERS:,} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise ParseError("", f"is no regular expression (RE2): {printable(str(error), 120)}") from None
