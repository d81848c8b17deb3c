"""The long texts of the reason codes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.core.problem_samples import SAMPLES
from webhook.core.problems import CODES
from webhook.core.wording.codes import EXPLANATIONS, as_document, as_text

DENIALS = Path(__file__).parents[2] / "docs" / "denials.md"


def test_every_code_has_a_long_text() -> None:
    """All codes of the contract are explained, in the order in which problems are listed."""
    assert list(CODES) == list(EXPLANATIONS)
    for explanation in EXPLANATIONS.values():
        assert all(paragraph.endswith((".", "digits.")) for paragraph in as_text(explanation))


def test_codes_that_are_not_produced_say_so() -> None:
    """A code that this version never gives is marked as such, and no other is."""
    produced = {sample.code for sample in SAMPLES}

    assert produced == {code for code, explanation in EXPLANATIONS.items() if explanation.produced}
    for code, explanation in EXPLANATIONS.items():
        assert ("does not produce" in " ".join(as_text(explanation))) is (code not in produced)


def test_the_documentation_has_a_heading_for_every_code() -> None:
    """`docs/denials.md` is the same text; DHIGATE_GOLDEN=1 writes it anew."""
    if os.environ.get("DHIGATE_GOLDEN") == "1":
        DENIALS.write_text(as_document())

    assert as_document() == DENIALS.read_text()
    assert list(CODES) == re.findall(r"^## `(.+)`$", DENIALS.read_text(), re.MULTILINE)
