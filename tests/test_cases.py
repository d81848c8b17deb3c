"""Every case file leads to exactly the text that it shows. `DHIGATE_GOLDEN=1` writes the texts anew, to be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.case_files import read_case
from webhook.core.wording.codes import EXPLANATIONS

CASES = sorted((Path(__file__).parent / "cases").glob("*.md"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    """The decision that a case describes is told in exactly its words."""
    case = read_case(path)
    if os.environ.get("DHIGATE_GOLDEN") == "1":
        path.write_text(case.rewritten())
        case = read_case(path)

    assert case.expected == case.actual
    assert case.rewritten() == case.document


def test_every_code_that_is_produced_has_a_case() -> None:
    """Each code has a file of its own name that denies by it."""
    produced = {code for code, explanation in EXPLANATIONS.items() if explanation.produced}

    for code in sorted(produced):
        case = read_case(Path(__file__).parent / "cases" / f"{code}.md")
        assert not case.decision.allowed
        assert code in {problem.code for verdict in case.decision.verdicts for problem in verdict.problems}
