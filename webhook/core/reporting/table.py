"""The document → a table with a row for each container, and one for each object without images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from webhook.core.reporting.document import ContainerDocument, WorkloadDocument
from webhook.core.reporting.folding import short_digest, shown_image
from webhook.core.reporting.layout import Grid, Span, result_span

__all__ = ["BARE_IMAGE", "table"]

COLUMNS = ("NAMESPACE", "KIND", "NAME", "PODS", "CONTAINER", "IMAGE", "SEEN", "RESULT", "RULE", "CODES")
EVIDENCE_COLUMNS = ("SIGNED BY", "BASE", "AGE", "NOTE")
COLUMNS_OF_SOME = frozenset({"NAME", "CONTAINER", "PODS", "SEEN"})
"""What an image that was asked about by itself, or an object that lives in no cluster, does not have; left out where
nothing has it."""
BARE_IMAGE = "Image"
"""The kind of an image that was asked about by itself."""
BAD_REFERENCE = "bad-reference"


def table(results: Sequence[WorkloadDocument], *, wide: bool) -> Grid:
    """Return a row for each container, and one for each object without images.

    `wide` adds the evidence, and shows digests whole.
    """
    headers = (*COLUMNS, *EVIDENCE_COLUMNS) if wide else COLUMNS
    rows = [row for workload in results for row in _rows(workload, wide=wide)]
    shown = tuple(
        number
        for number, header in enumerate(headers)
        if header not in COLUMNS_OF_SOME or any(row[number] for row in rows)
    )
    result = headers.index("RESULT")
    return Grid(
        headers=tuple(headers[number] for number in shown),
        rows=tuple(
            tuple(result_span(row[number]) if number == result else Span(text=row[number]) for number in shown)
            for row in rows
        ),
        numbers=frozenset({"PODS"}),
    )


def _rows(workload: WorkloadDocument, *, wide: bool) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each row."""
    is_bare = workload.kind == BARE_IMAGE
    place = (workload.namespace or "", workload.kind, "" if is_bare else workload.name)
    if not workload.containers:
        note = workload.unjudged or workload.because or ""
        yield (*place, _number(workload.pods), "", "", "", workload.result, "", "", "", "", "", note)
    for container in workload.containers:
        base = container.base
        yield (
            *place,
            _number(container.pods),
            "" if is_bare else container.name,
            _whole_image(container) if wide else _quoted_image(container),
            container.seen or "",
            container.result,
            container.rule,
            ", ".join(dict.fromkeys(problem.code for problem in container.problems)),
            ", ".join(container.signed_by),
            f"{base.repository}@{short_digest(base.digest)}" if base else "",
            f"{base.age_days}d" if base else "",
            container.note or "",
        )


def _number(pods: object) -> str:
    return "" if pods is UNSET else str(pods)


def _quoted_image(container: ContainerDocument) -> str:
    """Write an image as a person reads it; what is no reference stands in quotes, for it may be anything."""
    is_bad = any(problem.code == BAD_REFERENCE for problem in container.problems)
    return f"`{container.image}`" if is_bad else shown_image(container)


def _whole_image(container: ContainerDocument) -> str:
    """Write an image as its author did, with the whole digest that was judged."""
    return f"{container.image.partition('@')[0]}@{container.digest}" if container.digest else container.image
