"""Prometheus' text format, as much of it as is needed to read a few samples.

Source: Prometheus documentation, "Exposition formats", "Text-based format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Sample", "samples"]

_LINE = re.compile(r"(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+-?[0-9]+)?\s*")
_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value of a metric. Escapes in the values of labels are left as they are written."""

    labels: Mapping[str, str]
    value: float


def samples(text: str, name: str) -> Iterator[Sample]:
    """Yield all samples of a metric; lines that cannot be read are none."""
    for line in text.split("\n"):
        if not line.startswith(name):
            continue
        match = _LINE.fullmatch(line)
        if match is None or match["name"] != name:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        yield Sample(labels=dict(_LABEL.findall(match["labels"] or "")), value=value)
