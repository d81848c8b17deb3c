"""Keep the table of values in the chart's README: made from the comments of values.yaml, between two marks.

    python -m tests.chart.readme   # or: make chart-docs

A comment that begins with `# -- (TYPE)` describes the key on the next line, which may be a whole block. The comment is
one line, so that nothing has to be put together again.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["CHART", "README", "Value", "described_values", "with_table"]

CHART = Path(__file__).parents[2] / "charts" / "dhi-gate"
README = CHART / "README.md"

BEGIN, END = "<!-- values: made by `make chart-docs` -->", "<!-- end of the values -->"
COMMENT = re.compile(r"(?P<indent> *)# -- \((?P<type>\w+)\) (?P<text>.+)")
KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]\w*):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One key that a user may set: its dotted path, its type in words, its default, and what its comment says."""

    path: str
    type: str
    default: Any
    text: str


def described_values(document: str) -> Iterator[Value]:
    """Yield the keys of a values.yaml that have a description, in their order.

    Errors: `ValueError` where a description has no key below it.
    """
    defaults = yaml.safe_load(document)
    lines = document.splitlines()
    parents: list[str] = []
    for number, line in enumerate(lines):
        if key := KEY.match(line):
            parents = [*parents[: len(key["indent"]) // 2], key["key"]]
        if comment := COMMENT.fullmatch(line):
            described = KEY.match(lines[number + 1])
            if described is None or described["indent"] != comment["indent"]:
                raise ValueError(f"line {number + 1} describes no key: {line.strip()}")
            path = [*parents[: len(described["indent"]) // 2], described["key"]]
            yield Value(
                path=".".join(path), type=comment["type"], default=_default(defaults, path), text=comment["text"]
            )


def _default(defaults: Any, path: list[str]) -> Any:  # noqa: ANN401 - whatever YAML has
    for key in path:
        defaults = defaults[key]
    return defaults


def with_table(readme: str, values: Iterator[Value]) -> str:
    """Return a README with the table of these values between its marks, instead of what was there."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = (f"| `{value.path}` | {value.type} | `{json.dumps(value.default)}` | {value.text} |" for value in values)
    return "\n".join([f"{before}{BEGIN}", "| value | type | default | says |", "|---|---|---|---|", *rows, END + after])


if __name__ == "__main__":
    made = with_table(README.read_text(encoding="utf-8"), described_values((CHART / "values.yaml").read_text("utf-8")))
    README.write_text(made, encoding="utf-8")
