"""Audits lead to exactly the texts in `golden/`. `DHIGATE_GOLDEN=1` writes the texts anew, to be read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.given import NOW
from tests.core.reporting.audits import COMPARED, COMPARISON, FILES, HEADING, HOSTILE, SHOP
from webhook.cli.reports import render
from webhook.core.auditing.rows import Row
from webhook.core.reporting.making import Heading

GOLDEN = Path(__file__).parent / "golden"
AUDITS: dict[str, tuple[Sequence[Row], Heading]] = {
    "shop": (SHOP, replace(HEADING, complete=False)),
    "compared": (COMPARED, COMPARISON),
    "files": (FILES, replace(HEADING, as_of=NOW + timedelta(days=30), catalog_revision=None)),
    "nothing": ((), HEADING),
    "hostile": (HOSTILE[:7], HEADING),
}


@pytest.mark.parametrize("output", ["table", "wide", "markdown", "name"])
@pytest.mark.parametrize("name", AUDITS)
def test_audit(name: str, output: str) -> None:
    """An audit is printed in exactly the words of its file."""
    rows, heading = AUDITS[name]
    path = GOLDEN / f"{name}.{'md' if output == 'markdown' else f'{output}.txt'}"
    actual = render(rows, output, heading, audit=True, coloured=False)
    if os.environ.get("DHIGATE_GOLDEN") == "1":
        path.write_text(actual)

    assert actual == path.read_text()


def test_every_golden_file_has_a_test() -> None:
    """No text stays behind when its audit is gone."""
    names = {path.name.partition(".")[0] for path in GOLDEN.iterdir()}

    assert names == set(AUDITS)
