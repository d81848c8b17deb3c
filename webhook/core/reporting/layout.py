"""What a terminal shows, as values: lines and tables whose texts are marked by what they mean, not by a colour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from webhook.core.verdicts import Result

__all__ = ["BLANK", "Block", "Grid", "Line", "Span", "Style", "result_span"]


class Style(Enum):
    """What a text is; each result has its own."""

    PLAIN = "plain"
    HEADING = "heading"
    LABEL = "label"
    FAIL = Result.FAIL.value
    ERROR = Result.ERROR.value
    WARN = Result.WARN.value
    PASS = Result.PASS.value
    SKIP = Result.SKIP.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of printable text in one style."""

    text: str
    style: Style = Style.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line. Where it is too long it goes on below, `hanging` cells further in than it began.

    `indent` and `hanging` count cells. `whole` says that it must not be broken, because it will be copied.
    """

    spans: tuple[Span, ...]
    indent: int = 0
    hanging: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table without lines. `wraps` says that cells are broken where the table is wider than the terminal.

    The headers in `numbers` are of columns that stand to the right.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[Span, ...], ...]
    indent: int = 0
    wraps: bool = False
    numbers: frozenset[str] = frozenset()


Block = Line | Grid

BLANK = Line(spans=())


def result_span(result: str) -> Span:
    """Return a result in its own style."""
    return Span(text=result, style=Style(result))
