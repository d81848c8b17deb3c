"""Decisions → the DecisionReport document, and rows for a table.

Every text that somebody else wrote is made printable here, so that whoever prints a report need not think of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from webhook.core.explain import shown_image
from webhook.core.policy import Policy
from webhook.core.problems import Problem
from webhook.core.reading.plain_text import printable
from webhook.core.references import BadReference, Digest
from webhook.core.verdicts import Decision, Result, Standing, Verdict
from webhook.core.wording.problems import Context, words_for
from webhook.core.workloads import Source

__all__ = ["Table", "decision_report", "table"]

API_VERSION = "dhi-gate.dev/v1alpha1"
KIND = "DecisionReport"
COLUMNS = ("NAMESPACE", "KIND", "NAME", "CONTAINER", "IMAGE", "RESULT", "RULE", "CODES")
EVIDENCE_COLUMNS = ("SIGNED BY", "BASE", "AGE", "NOTE")
COLUMNS_OF_OBJECTS = frozenset({"NAME", "CONTAINER"})
"""What an image that was asked about by itself does not have; left out where there is nothing else."""
MAX_SHOWN_CHARACTERS = 1_200
"""Longer than any image reference with its digest."""


class _ProblemDocument(msgspec.Struct, frozen=True):
    """A problem (`error`: it denies or would under `enforce`) or an advice (`warning`: it denies in no mode)."""

    code: str
    severity: str
    platform: str | None
    message: str
    help: str


class _BaseDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The base that an image stands on."""

    repository: str
    tags: tuple[str, ...]
    digest: str
    created: str
    age_days: int
    evidence: str


class _ContainerDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What was decided about one image use."""

    name: str
    field: str
    image: str
    digest: str | None
    rule: str
    mode: str
    result: str
    signed_by: tuple[str, ...]
    base: _BaseDocument | None
    problems: tuple[_ProblemDocument, ...]


class _WorkloadDocument(msgspec.Struct, frozen=True):
    """What was decided about one object."""

    namespace: str | None
    kind: str
    name: str
    result: str
    allowed: bool
    containers: tuple[_ContainerDocument, ...]


class _MetadataDocument(msgspec.Struct, frozen=True, rename="camel"):
    """By what was decided, when, and whether everything asked for was."""

    policy: str
    policy_digest: str
    catalog_revision: str | None
    generated_at: str
    complete: bool


class _ReportDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The whole document."""

    api_version: str
    kind: str
    metadata: _MetadataDocument
    summary: dict[str, int]
    results: tuple[_WorkloadDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of printable text under headers. `results` has the result of each row, for colours."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    results: tuple[Result, ...]


def decision_report(
    decisions: Sequence[Decision],
    *,
    policy: Policy,
    catalog_revision: Digest | None,
    generated_at: datetime,
    complete: bool,
) -> dict[str, Any]:
    """Return the DecisionReport as plain values for JSON or YAML, in the order of its documentation.

    `catalog_revision` is None if no catalog was there; `generated_at` has a time zone; `complete` says whether
    everything that was asked about was decided.
    """
    report = _ReportDocument(
        api_version=API_VERSION,
        kind=KIND,
        metadata=_MetadataDocument(
            policy=policy.name,
            policy_digest=str(policy.digest),
            catalog_revision=str(catalog_revision) if catalog_revision else None,
            generated_at=_timestamp(generated_at),
            complete=complete,
        ),
        summary=_summary(decisions),
        results=tuple(_workload(decision) for decision in decisions),
    )
    # Through JSON, because tuples would be written as something else than lists by other encoders (YAML).
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(report))
    return document


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


def _summary(decisions: Sequence[Decision]) -> dict[str, int]:
    """Count workloads by result, and the distinct images that were resolved."""
    images = {str(verdict.image) for decision in decisions for verdict in decision.verdicts if verdict.image}
    counts = Counter(decision.result for decision in decisions)
    order = (Result.PASS, Result.WARN, Result.FAIL, Result.ERROR, Result.SKIP)
    return {
        "workloads": len(decisions),
        "images": len(images),
        **{result.value: counts[result] for result in order},
    }


def _workload(decision: Decision) -> _WorkloadDocument:
    workload = decision.workload
    return _WorkloadDocument(
        namespace=workload.namespace,
        kind=workload.kind,
        name=workload.name,
        result=decision.result.value,
        allowed=decision.allowed,
        containers=tuple(_container(verdict, decision) for verdict in decision.verdicts),
    )


def _container(verdict: Verdict, decision: Decision) -> _ContainerDocument:
    image = verdict.use.image
    digest = verdict.image.digest if verdict.image else None if isinstance(image, BadReference) else image.digest
    standing = _oldest(verdict)
    return _ContainerDocument(
        name=printable(verdict.use.container, MAX_SHOWN_CHARACTERS),
        field=verdict.use.field,
        image=printable(image.written, MAX_SHOWN_CHARACTERS),
        digest=str(digest) if digest else None,
        rule=printable(verdict.rule.name),
        mode=verdict.mode.word,
        result=verdict.result.value,
        signed_by=verdict.signed_by,
        base=_base(standing) if standing else None,
        problems=(
            *(_problem(problem, verdict, decision, advice=False) for problem in verdict.problems),
            *(_problem(problem, verdict, decision, advice=True) for problem in verdict.advisories),
        ),
    )


def _problem(problem: Problem, verdict: Verdict, decision: Decision, *, advice: bool) -> _ProblemDocument:
    words = words_for(problem, Context(workload=decision.workload, verdict=verdict, advice=advice))
    return _ProblemDocument(
        code=problem.code,
        severity="warning" if advice else "error",
        platform=printable(words.platform) if words.platform else None,
        message=words.sentence,
        help=words.help,
    )


def _base(standing: Standing) -> _BaseDocument:
    build = standing.build
    return _BaseDocument(
        repository=str(build.repository),
        tags=tuple(printable(tag) for tag in build.tags),
        digest=str(build.digest),
        created=_timestamp(build.created),
        age_days=standing.age_days,
        evidence=standing.evidence.value,
    )


def _oldest(verdict: Verdict) -> Standing | None:
    """Return the oldest base of any platform: the image is no fresher than that."""
    return max(verdict.standings, key=lambda standing: standing.age_days, default=None)


def _rows(decision: Decision, *, wide: bool) -> Iterator[tuple[Result, tuple[str, ...]]]:
    """Yield result and cells of each row."""
    workload = decision.workload
    is_bare = workload.source is Source.IMAGE
    place = (workload.namespace or "", workload.kind, "" if is_bare else printable(workload.name))
    if not decision.verdicts:
        note = workload.no_images_because or "nothing was judged"
        yield decision.result, (*place, "", "", decision.result.value, "", "", "", "", "", note)
    for verdict in decision.verdicts:
        standing = _oldest(verdict)
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
                _note(verdict),
            ),
        )


def _whole_image(verdict: Verdict) -> str:
    """Write an image as the user did, with the whole digest that was judged."""
    written = printable(verdict.use.image.written, MAX_SHOWN_CHARACTERS)
    return f"{written.partition('@')[0]}@{verdict.image.digest}" if verdict.image else written


def _note(verdict: Verdict) -> str:
    """Say why an image was not judged by the rule itself."""
    if verdict.unchanged:
        return "unchanged"
    if verdict.exemption:
        return f"exempt: {printable(verdict.exemption.reason)}"
    return printable(f"except {verdict.case.name}") if verdict.case else ""


def _timestamp(instant: datetime) -> str:
    """Write an instant by RFC 3339, in UTC and whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
