"""Printing decisions: a table and the full words for people, the report document for programs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from io import StringIO
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from webhook.cli.inputs import fail
from webhook.core.auditing.rows import row_of
from webhook.core.bases.catalog import Catalog
from webhook.core.explain import full_text
from webhook.core.policy import Policy
from webhook.core.reporting.document import plain_values
from webhook.core.reporting.making import Heading, make_report
from webhook.core.reporting.table import table
from webhook.core.verdicts import Decision, Result

__all__ = ["FORMATS", "deliver", "render"]

FORMATS = ("table", "wide", "json", "yaml", "name")
"""The values of `--output` that this version has."""

COLOURS = {
    Result.FAIL: "red",
    Result.ERROR: "magenta",
    Result.WARN: "yellow",
    Result.PASS: "green",
    Result.SKIP: "dim",
}
UNLIMITED_COLUMNS = 10_000


def render(
    decisions: Sequence[Decision],
    output: str,
    *,
    policy: Policy,
    catalog: Catalog | None,
    generated_at: datetime,
    complete: bool,
    coloured: bool,
) -> str:
    """Return the decisions in one of FORMATS, with a final line break."""
    if output in {"table", "wide"}:
        return _for_people(decisions, wide=output == "wide", coloured=coloured)
    if output == "name":
        return "".join(f"{_kind(d)}/{d.workload.name}\n" for d in decisions if not d.allowed)
    heading = Heading(
        policy=policy,
        catalog_revision=catalog.revision if catalog else None,
        generated_at=generated_at,
        complete=complete,
    )
    report = plain_values(make_report([row_of(decision) for decision in decisions], heading))
    if output == "yaml":
        text: str = yaml.safe_dump(report, sort_keys=False, allow_unicode=True)
        return text
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def deliver(text: str, output_file: Path | None) -> None:
    """Write the text to standard output, or to a file that is replaced whole or not at all; or end the command."""
    try:
        if output_file is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            _replace(output_file, text)
    except OSError as error:
        fail(str(output_file or "standard output"), error, doing="written")


def _replace(output_file: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=output_file.parent, prefix=f".{output_file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(output_file)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _for_people(decisions: Sequence[Decision], *, wide: bool, coloured: bool) -> str:
    """Draw the table; below it, every decision that has something to say, in full."""
    found = table(decisions, wide=wide)
    drawn = Table(*found.headers, box=None, pad_edge=False)
    for row, result in zip(found.rows, found.results, strict=True):
        drawn.add_row(*(Text(cell, style=COLOURS[result] if cell == result.value else "") for cell in row))
    console = Console(
        file=StringIO(),
        width=UNLIMITED_COLUMNS,
        force_terminal=coloured,
        # Said outright, because rich would not colour for a dumb terminal, which is what pipelines have.
        color_system="standard" if coloured else None,
        no_color=not coloured,
        highlight=False,
    )
    console.print(drawn)
    lines = (line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]
    troubled = [d for d in decisions if any(v.problems or v.advisories for v in d.verdicts)]
    return "\n".join([*lines, *(f"\n{full_text(decision)}" for decision in troubled)]) + "\n"


def _kind(decision: Decision) -> str:
    return decision.workload.kind.lower()
