"""Decisions → the rows of a table: one for each container, one for each object without images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webhook.core.explain import shown_image
from webhook.core.reading.plain_text import printable
from webhook.core.reporting.making import MAX_SHOWN_CHARACTERS, base_shown, note_shown
from webhook.core.verdicts import Decision, Result, Verdict
from webhook.core.workloads import Source

__all__ = ["Table", "table"]

COLUMNS = ("NAMESPACE", "KIND", "NAME", "CONTAINER", "IMAGE", "RESULT", "RULE", "CODES")
EVIDENCE_COLUMNS = ("SIGNED BY", "BASE", "AGE", "NOTE")
COLUMNS_OF_OBJECTS = frozenset({"NAME", "CONTAINER"})
"""What an image that was asked about by itself does not have; left out where there is nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of printable text under headers. `results` has the result of each row, for colours."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    results: tuple[Result, ...]


def table(decisions: Sequence[Decision], *, wide: bool) -> Table:
    """Return a row for each container, and one for each object without images.

    `wide` adds the evidence, and shows digests whole.
    """
    headers = (*COLUMNS, *EVIDENCE_COLUMNS) if wide else COLUMNS
    cells = [row for decision in decisions for row in _rows(decision, wide=wide)]
    shown = tuple(
        number
        for number, header in enumerate(headers)
        if header not in COLUMNS_OF_OBJECTS or any(row[number] for _, row in cells)
    )
    return Table(
        headers=tuple(headers[number] for number in shown),
        rows=tuple(tuple(row[number] for number in shown) for _, row in cells),
        results=tuple(result for result, _ in cells),
    )


def _rows(decision: Decision, *, wide: bool) -> Iterator[tuple[Result, tuple[str, ...]]]:
    """Yield result and cells of each row."""
    workload = decision.workload
    is_bare = workload.source is Source.IMAGE
    place = (workload.namespace or "", workload.kind, "" if is_bare else printable(workload.name))
    if not decision.verdicts:
        note = workload.no_images_because or "nothing was judged"
        yield decision.result, (*place, "", "", decision.result.value, "", "", "", "", "", note)
    for verdict in decision.verdicts:
        standing = base_shown(verdict)
        codes = dict.fromkeys(problem.code for problem in (*verdict.problems, *verdict.advisories))
        yield (
            verdict.result,
            (
                *place,
                "" if is_bare else printable(verdict.use.container),
                _whole_image(verdict) if wide else shown_image(verdict),
                verdict.result.value,
                printable(verdict.rule.name),
                ", ".join(codes),
                ", ".join(verdict.signed_by),
                f"{standing.build.repository}@{standing.build.digest.short}" if standing else "",
                f"{standing.age_days}d" if standing else "",
                note_shown(verdict),
            ),
        )


def _whole_image(verdict: Verdict) -> str:
    """Write an image as the user did, with the whole digest that was judged."""
    written = printable(verdict.use.image.written, MAX_SHOWN_CHARACTERS)
    return f"{written.partition('@')[0]}@{verdict.image.digest}" if verdict.image else written
