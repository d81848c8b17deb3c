"""Texts of others in Markdown, GitLab's and GitHub's: as code, which both leave alone.

Neither flavour looks into code for links, mentions (`@name`), references (`#1`, commit IDs), images or HTML; entities
would not do, for mentions are looked for in what has been rendered. GitLab obeys lines that begin with `/`, so no line
begins with a text of somebody else.

Source: GitHub Flavored Markdown 0.29, 4.5 "Fenced code blocks", 4.10 "Tables (extension)", 6.3 "Code spans"; GitLab
Docs, "GitLab Flavored Markdown" and "Quick actions".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from webhook.core.reading.plain_text import printable

__all__ = ["block", "code", "html_code", "row"]

MAX_CELL_CHARACTERS = 120
MAX_LINE_CHARACTERS = 1_200
LEAST_FENCE = 3
INDENT = "  "
"""Two spaces before each line of a block: the reader's view takes away as many as stand before its fence."""
BROKEN_BAR = "\u00a6"
_BACKTICKS = re.compile("`+")


def code(text: str, limit: int = MAX_CELL_CHARACTERS) -> str:
    """Return a text of at most `limit` characters as a code span, also for tables; nothing for an empty one."""
    # A bar ends a cell even within code, and flavours differ in how a backslash before it is read.
    shown = printable(text, limit).replace("|", BROKEN_BAR)
    if not shown:
        return ""
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if "`" in shown[0] + shown[-1] else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def html_code(text: str) -> str:
    """Return a text as code within a line of HTML, in which no Markdown is read."""
    return f"<code>{escape(printable(text, MAX_CELL_CHARACTERS))}</code>"


def block(lines: Iterable[str]) -> str:
    """Return lines as a block of code, to be read or copied as it stands. It ends with a line break."""
    shown = [printable(line, MAX_LINE_CHARACTERS) for line in lines]
    fence = "`" * max(LEAST_FENCE, _longest_run("\n".join(shown)) + 1)
    return "".join(f"{INDENT}{line}\n" for line in (f"{fence}text", *shown, fence))


def row(*cells: str) -> str:
    """Return a row of a table, its cells being Markdown already."""
    return f"| {' | '.join(cells)} |\n"


def _longest_run(text: str) -> int:
    """Count the backticks of the longest run of them."""
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
