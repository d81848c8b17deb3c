"""The threat model names tests that prove its answers; each of them exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]*)`", TEXT)))
THREATS = 18


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Return the names of all functions of a module, those in classes among them."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("named", NAMED)
def test_every_test_that_is_named_exists(named: str) -> None:
    """A proof that was renamed, or removed, is a proof no more."""
    file, colons, name = named.partition("::")
    assert (ROOT / file).exists()
    if colons:
        assert name.startswith("test_")
        assert name in functions_of(ROOT / file)


def test_every_threat_has_an_answer() -> None:
    """All threats of the paper are there once, in order, and each says something."""
    rows = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if re.match(r"\| T[0-9]+ ", line)]
    assert [row[0].split()[0] for row in rows] == [f"T{number}" for number in range(1, THREATS + 1)]
    assert all(len(row[1]) > len("none") for row in rows)
    assert [row[0].split()[0] for row in rows if "tests/" not in row[-1]] == ["T6", "T17"]
