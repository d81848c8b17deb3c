"""Rows → the DecisionReport document.

Every text that somebody else wrote is made printable here, so that whoever prints a report need not think of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET

from webhook.core.auditing.rows import Change, Fix, Judged, Row, Seen
from webhook.core.policy import Policy
from webhook.core.problems import Problem
from webhook.core.reading.plain_text import printable
from webhook.core.references import BadReference, Digest
from webhook.core.reporting.document import (
    BaseDocument,
    ChangesDocument,
    ComparedDocument,
    ContainerDocument,
    FixDocument,
    MetadataDocument,
    OriginDocument,
    ProblemDocument,
    ReportDocument,
    SummaryDocument,
    WorkloadDocument,
)
from webhook.core.verdicts import Result, Standing, Verdict
from webhook.core.wording.problems import Context, words_for
from webhook.core.workloads import Origin

__all__ = ["MAX_SHOWN_CHARACTERS", "Heading", "base_shown", "make_report", "note_shown"]

MAX_SHOWN_CHARACTERS = 1_200
"""Longer than any image reference with its digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a report says of itself.

    `catalog_revision` is None if no catalog was there; `generated_at` and `as_of` have a time zone, `as_of` is None
    where the present is judged; `complete` says whether everything that was asked about was decided. `compared_with`
    is the policy with which `policy` was compared.
    """

    policy: Policy
    catalog_revision: Digest | None
    generated_at: datetime
    complete: bool
    as_of: datetime | None = None
    compared_with: Policy | None = None


def make_report(rows: Sequence[Row], heading: Heading) -> ReportDocument:
    """Return the DecisionReport about these rows; of compared policies, only the rows that change are listed."""
    shown = [row for row in rows if row.change is not Change.SAME]
    return ReportDocument(
        metadata=_metadata(heading),
        summary=_summary(rows),
        results=tuple(_workload(row) for row in shown),
    )


def base_shown(verdict: Verdict) -> Standing | None:
    """Return the oldest base of any platform: the image is no fresher than that."""
    return max(verdict.standings, key=lambda standing: standing.age_days, default=None)


def note_shown(verdict: Verdict) -> str:
    """Say why an image was not judged by the rule itself; empty if it was."""
    if verdict.unchanged:
        return "unchanged"
    if verdict.exemption:
        return f"exempt: {printable(verdict.exemption.reason)}"
    return printable(f"except {verdict.case.name}") if verdict.case else ""


def _metadata(heading: Heading) -> MetadataDocument:
    before = heading.compared_with
    return MetadataDocument(
        policy=printable(heading.policy.name),
        policy_digest=str(heading.policy.digest),
        catalog_revision=str(heading.catalog_revision) if heading.catalog_revision else None,
        generated_at=_timestamp(heading.generated_at),
        complete=heading.complete,
        as_of=_timestamp(heading.as_of) if heading.as_of else UNSET,
        compared_with=_compared(before) if before else UNSET,
    )


def _compared(before: Policy) -> ComparedDocument:
    return ComparedDocument(policy=printable(before.name), policy_digest=str(before.digest))


def _summary(rows: Sequence[Row]) -> SummaryDocument:
    """Count objects by result, and the distinct images that were resolved."""
    verdicts = (verdict for row in rows for judged in row.judged for verdict in judged.decision.verdicts)
    counts = Counter(row.result for row in rows)
    pods = [row.pods for row in rows if row.pods is not None]
    return SummaryDocument(
        workloads=len(rows),
        pods=sum(pods) if pods else UNSET,
        images=len({str(verdict.image) for verdict in verdicts if verdict.image}),
        passed=counts[Result.PASS],
        warn=counts[Result.WARN],
        fail=counts[Result.FAIL],
        error=counts[Result.ERROR],
        skip=counts[Result.SKIP],
        changes=_changes(rows) if any(row.change for row in rows) else UNSET,
    )


def _changes(rows: Sequence[Row]) -> ChangesDocument:
    counts = Counter(row.change for row in rows)
    return ChangesDocument(
        newly_refused=counts[Change.NEWLY_REFUSED],
        newly_admitted=counts[Change.NEWLY_ADMITTED],
        same=counts[Change.SAME],
    )


def _workload(row: Row) -> WorkloadDocument:
    because = next((judged.decision.workload.no_images_because for judged in row.judged), None)
    return WorkloadDocument(
        namespace=None if row.namespace is None else printable(row.namespace),
        kind=printable(row.kind),
        name=printable(row.name, MAX_SHOWN_CHARACTERS),
        api_version=printable(row.key.api_version) if row.key else UNSET,
        uid=printable(row.key.uid) if row.key else UNSET,
        origin=_origin(row.origin) if row.origin else UNSET,
        pods=UNSET if row.pods is None else row.pods,
        result=row.result.value,
        allowed=row.allowed,
        change=row.change.value if row.change else UNSET,
        trouble=printable(row.trouble, MAX_SHOWN_CHARACTERS) if row.trouble else UNSET,
        notes=tuple(printable(note, MAX_SHOWN_CHARACTERS) for note in row.notes) or UNSET,
        because=printable(because, MAX_SHOWN_CHARACTERS) if because else UNSET,
        containers=tuple(_containers(row)),
    )


def _origin(origin: Origin) -> OriginDocument:
    return OriginDocument(file=printable(origin.file, MAX_SHOWN_CHARACTERS), line=origin.line)


def _containers(row: Row) -> Sequence[ContainerDocument]:
    """Return every image use once. What pods name exactly as their template does is counted there, not said again."""
    containers: list[ContainerDocument] = []
    told: dict[tuple[object, ...], int] = {}
    for judged in row.judged:
        for verdict in judged.decision.verdicts:
            use = verdict.use
            same = (use.kind, use.container, use.image, verdict.result, verdict.problems)
            if judged.seen is Seen.POD and same in told:
                found = containers[told[same]]
                pods = judged.pods if found.pods is UNSET else found.pods + judged.pods
                containers[told[same]] = msgspec.structs.replace(found, pods=pods)
                continue
            told.setdefault(same, len(containers))
            containers.append(_container(verdict, judged, row))
    return containers


def _container(verdict: Verdict, judged: Judged, row: Row) -> ContainerDocument:
    image = verdict.use.image
    digest = verdict.image.digest if verdict.image else None if isinstance(image, BadReference) else image.digest
    standing = base_shown(verdict)
    return ContainerDocument(
        name=printable(verdict.use.container, MAX_SHOWN_CHARACTERS),
        field=verdict.use.field,
        image=printable(image.written, MAX_SHOWN_CHARACTERS),
        digest=str(digest) if digest else None,
        rule=printable(verdict.rule.name),
        mode=verdict.mode.word,
        result=verdict.result.value,
        signed_by=tuple(printable(name) for name in verdict.signed_by),
        base=_base(standing) if standing else None,
        problems=(
            *(_problem(problem, verdict, judged, advice=False) for problem in verdict.problems),
            *(_problem(problem, verdict, judged, advice=True) for problem in verdict.advisories),
        ),
        seen=judged.seen.value if row.key else UNSET,
        pods=judged.pods if row.key else UNSET,
        note=note_shown(verdict) or UNSET,
        fixes=_fixes(image.written, row.fixes) or UNSET,
    )


def _fixes(written: str, fixes: Mapping[str, tuple[Fix, ...]]) -> tuple[FixDocument, ...]:
    return tuple(
        FixDocument(
            kind=fix.kind.value,
            write=printable(fix.write, MAX_SHOWN_CHARACTERS),
            message=printable(fix.says, MAX_SHOWN_CHARACTERS),
        )
        for fix in fixes.get(written, ())
    )


def _problem(problem: Problem, verdict: Verdict, judged: Judged, *, advice: bool) -> ProblemDocument:
    words = words_for(problem, Context(workload=judged.decision.workload, verdict=verdict, advice=advice))
    return ProblemDocument(
        code=problem.code,
        severity="warning" if advice else "error",
        platform=printable(words.platform) if words.platform else None,
        message=words.sentence,
        help=words.help,
    )


def _base(standing: Standing) -> BaseDocument:
    build = standing.build
    return BaseDocument(
        repository=str(build.repository),
        tags=tuple(printable(tag) for tag in build.tags),
        digest=str(build.digest),
        created=_timestamp(build.created),
        age_days=standing.age_days,
        evidence=standing.evidence.value,
    )


def _timestamp(instant: datetime) -> str:
    """Write an instant by RFC 3339, in UTC and whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
