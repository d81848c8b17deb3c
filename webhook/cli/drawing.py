"""Lines and tables → text for a terminal or a file, with colours where they are wanted.

The widths of characters and the colours are those of rich; its tables are not used, because an audit may have ten
thousand rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from rich.cells import cell_len, chop_cells
from rich.color import ColorSystem
from rich.style import Style as Colour

from webhook.core.reporting.layout import Block, Grid, Line, Span, Style

__all__ = ["draw"]

COLOURS: Mapping[Style, Colour] = {
    Style.PLAIN: Colour.null(),
    Style.HEADING: Colour(bold=True),
    Style.LABEL: Colour(dim=True),
    Style.FAIL: Colour(color="red"),
    Style.ERROR: Colour(color="magenta"),
    Style.WARN: Colour(color="yellow"),
    Style.PASS: Colour(color="green"),
    Style.SKIP: Colour(dim=True),
}
LEAST_CELLS = 40
"""Below this, breaking lines makes nothing more readable."""
LEAST_COLUMN_CELLS = 8
GAP = "  "
_WORD = re.compile(r"\S+ *| +")


def draw(blocks: Sequence[Block], *, coloured: bool, width: int | None) -> str:
    """Return the blocks one below the other, each line ended by a line break.

    `width` is how many cells a line may have (a letter has one, an ideograph two), None if that does not matter.
    """
    pen = _Pen(coloured=coloured, room=None if width is None else max(width, LEAST_CELLS))
    lines = (line for block in blocks for line in (pen.grid(block) if isinstance(block, Grid) else pen.line(block)))
    return "".join(f"{line.rstrip()}\n" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pen:
    """Writes within `room` cells, None for any number of them."""

    coloured: bool
    room: int | None

    def line(self, line: Line) -> Iterator[str]:
        """Yield a line, and below it what of it does not fit."""
        room = None if self.room is None or line.whole else self.room - line.indent
        for number, words in enumerate(_broken(line.spans, room, hanging=line.hanging)):
            indent = " " * (line.indent + (line.hanging if number else 0))
            runs = groupby(words, key=lambda word: word.style)
            yield indent + "".join(self.paint("".join(word.text for word in run), style) for style, run in runs)

    def grid(self, grid: Grid) -> Iterator[str]:
        """Yield the headers and the rows of a table."""
        headers = tuple(Span(text=header, style=Style.HEADING) for header in grid.headers)
        room = None if self.room is None or not grid.wraps else self.room - grid.indent
        widths = _widths(grid, room)
        right = [header in grid.numbers for header in grid.headers]
        for row in (headers, *grid.rows):
            parts = [_cell_lines(span, width) for span, width in zip(row, widths, strict=True)]
            for texts in zip_longest(*parts, fillvalue=""):
                cells = [
                    self.cell(text, span.style, width, to_the_right=number)
                    for text, span, width, number in zip(texts, row, widths, right, strict=True)
                ]
                yield " " * grid.indent + GAP.join(cells)

    def cell(self, text: str, style: Style, width: int, *, to_the_right: bool) -> str:
        """Return a text with as many spaces as make it `width` cells wide."""
        space = " " * (width - cell_len(text))
        return f"{space}{self.paint(text, style)}" if to_the_right else f"{self.paint(text, style)}{space}"

    def paint(self, text: str, style: Style) -> str:
        """Return a text in its colour."""
        plain = not self.coloured or style is Style.PLAIN
        return text if plain else COLOURS[style].render(text, color_system=ColorSystem.STANDARD)


def _broken(spans: Sequence[Span], room: int | None, *, hanging: int = 0) -> Iterator[list[Span]]:
    """Yield lines of whole words; all but the first have `hanging` cells less.

    A word that is longer stays whole: it is an image or a digest, and will be copied.
    """
    line: list[Span] = []
    used, saved = 0, hanging
    for word in (Span(text=found, style=span.style) for span in spans for found in _WORD.findall(span.text)):
        is_full = room is not None and used + cell_len(word.text.rstrip()) > room
        # Where a line has but its label, the next would have no more room.
        if is_full and used > saved and line[-1].text.endswith(" "):
            yield line
            line, used, saved = [], hanging, hanging
        line.append(word)
        used += cell_len(word.text)
    yield line


def _cell_lines(span: Span, width: int) -> list[str]:
    """Break a cell into lines of at most that many cells, between words where that is possible."""
    if cell_len(span.text) <= width:
        return [span.text]
    lines = ("".join(word.text for word in words).rstrip() for words in _broken((span,), width))
    return [part for line in lines for part in chop_cells(line, width)]


def _widths(grid: Grid, room: int | None) -> list[int]:
    """Return how many cells each column gets.

    Where there is no room, the widest give way first: as far as their longest word, and only then within words.
    """
    columns = [
        [cell_len(header), *(cell_len(row[number].text) for row in grid.rows)]
        for number, header in enumerate(grid.headers)
    ]
    widths = [max(column) for column in columns]
    if room is None:
        return widths
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - room
    for floors in (_longest_words(grid), [LEAST_COLUMN_CELLS] * len(widths)):
        while excess > 0:
            number = max(range(len(widths)), key=lambda one: widths[one] if widths[one] > floors[one] else 0)
            if widths[number] <= floors[number]:
                break
            widths[number] -= 1
            excess -= 1
    return widths


def _longest_words(grid: Grid) -> list[int]:
    """Return how wide each column has to be so that no word is broken."""
    rows = ([Span(text=header) for header in grid.headers], *grid.rows)
    return [
        max(cell_len(word) for row in rows for word in (row[number].text.split() or [""]))
        for number in range(len(grid.headers))
    ]
