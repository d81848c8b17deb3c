"""Printing what was decided, in every form: for people, for documents and for programs."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from msgspec import UNSET

from webhook.cli.drawing import draw
from webhook.cli.inputs import fail
from webhook.core.auditing.rows import Row
from webhook.core.explain import full_text
from webhook.core.reporting.document import ReportDocument, plain_values
from webhook.core.reporting.junit import junit
from webhook.core.reporting.making import Heading, make_report
from webhook.core.reporting.markdown import markdown
from webhook.core.reporting.overview import overview
from webhook.core.reporting.policy_reports import ReportApi, policy_reports
from webhook.core.reporting.sarif import sarif
from webhook.core.reporting.table import table

__all__ = ["FORMATS", "deliver", "render"]

# Blanks before it do not matter to a runner. Source: github.com/actions/runner, ActionCommand.
_RUNNER_COMMAND = re.compile(r"^([ \t]*)::", re.MULTILINE)
_NO_WORD = re.compile(r"[^A-Za-z0-9._:/@-]")

# The dumper that is written in C says the same many times faster; it is there wherever the library was.
_YAML_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def render(
    rows: Sequence[Row], output: str, heading: Heading, *, audit: bool, coloured: bool, width: int | None = None
) -> str:
    """Return the rows in one of FORMATS, with a final line break.

    No line is a command to the CI runner that prints it, whatever others wrote into images and owner references.
    The forms for people differ: a check tells every object in full, an `audit` folds what many objects share and
    breaks its lines at `width` cells (None: nowhere).
    """
    report, wide = make_report(rows, heading), output == "wide"
    if output not in PEOPLE:
        text = PRINTERS[output](report)
    elif audit:
        text = draw(overview(report, wide=wide), coloured=coloured, width=width)
    else:
        text = _checked(rows, report, wide=wide, coloured=coloured)
    return _RUNNER_COMMAND.sub(r"\1?:", text)


def deliver(text: str, output_file: Path | None) -> None:
    """Write the text to standard output, or to a file that is replaced whole or not at all; or end the command.

    What the encoding of standard output cannot say becomes `?`. A device or a pipe is written to.
    """
    try:
        if output_file is None:
            encoding = sys.stdout.encoding or "utf-8"
            sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
            sys.stdout.flush()
        elif output_file.exists() and not output_file.is_file():
            output_file.write_text(text, encoding="utf-8")
        else:
            _replace(output_file.resolve(), text)
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


def _checked(rows: Sequence[Row], report: ReportDocument, *, wide: bool, coloured: bool) -> str:
    """Draw the table; below it, every decision that has something to say, in full."""
    drawn = draw((table(report.results, wide=wide),), coloured=coloured, width=None)
    decisions = (judged.decision for row in rows for judged in row.judged)
    troubled = (one for one in decisions if any(v.problems or v.advisories for v in one.verdicts))
    return drawn + "".join(f"\n{full_text(decision)}\n" for decision in troubled)


def _names(report: ReportDocument) -> str:
    """Name what would not be admitted, `kind/name` like kubectl, which names no namespace here either.

    What could not be looked at is not named: these lines end in other commands, and it may be a whole namespace.
    """
    refused = (one for one in report.results if not one.allowed and one.trouble is UNSET)
    return "".join(f"{_one_word(one.kind.lower())}/{_one_word(one.name)}\n" for one in refused)


def _one_word(text: str) -> str:
    """Return a name as one word of a shell that is no flag: what an owner reference calls its owner is no name yet."""
    word = _NO_WORD.sub("_", text)
    return word if word[:1].isalnum() else f"_{word}"


def _json(report: ReportDocument) -> str:
    return _json_text(plain_values(report))


def _yaml(report: ReportDocument) -> str:
    return _yaml_text(plain_values(report))


def _sarif(report: ReportDocument) -> str:
    return _json_text(sarif(report, tool_version=metadata.version("dhi-gate")))


def _policy_report(report: ReportDocument) -> str:
    return _yaml_text(*policy_reports(report, ReportApi.POLICYREPORT))


def _open_report(report: ReportDocument) -> str:
    return _yaml_text(*policy_reports(report, ReportApi.OPENREPORTS))


def _json_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml_text(*documents: Mapping[str, Any]) -> str:
    """Return a stream of YAML documents, empty for none; several begin with `---` each."""
    several = len(documents) > 1
    text: str = yaml.dump_all(
        documents, Dumper=_YAML_DUMPER, sort_keys=False, allow_unicode=True, explicit_start=several
    )
    return text


PEOPLE = ("table", "wide")
PRINTERS: Mapping[str, Callable[[ReportDocument], str]] = {
    "json": _json,
    "yaml": _yaml,
    "name": _names,
    "markdown": markdown,
    "sarif": _sarif,
    "junit": junit,
    "policyreport": _policy_report,
    "openreports": _open_report,
}
FORMATS = (*PEOPLE, *PRINTERS)
"""The values of `--output`."""
