"""Sections of `docs/performance.md` that benchmarks write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["replace_section"]


def replace_section(document: Path, name: str, lines: Sequence[str]) -> None:
    """Put the lines between the marks of that name, which the document must have."""
    begin, end = f"<!-- measured: {name} -->", f"<!-- end: {name} -->"
    before, _, rest = document.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{document} has no section {name}")
    text = "\n".join((begin, *lines, end))
    document.write_text(f"{before}{text}{after}", encoding="utf-8")
