"""The sentences that the forms for people share: what was counted, how it came out, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import UNSET

from webhook.core.problems import CODES
from webhook.core.reading.plain_text import counted, listing
from webhook.core.reporting.document import ReportDocument, WorkloadDocument
from webhook.core.reporting.folding import Cause, Drift, Said, Section, codes_of, named, short_digest

__all__ = [
    "INCOMPLETE",
    "codes_counted",
    "drift_told",
    "outcome",
    "quiet_namespaces",
    "results_counted",
    "said_of",
    "suffering",
    "totals",
    "whose",
]

INCOMPLETE = "not everything that was asked about could be judged"


def outcome(report: ReportDocument) -> str:
    """Say in one sentence how everything came out."""
    changes = report.summary.changes
    if changes is not UNSET:
        refused, admitted = changes.newly_refused, changes.newly_admitted
        return f"{refused:,} newly refused, {admitted:,} newly admitted, {changes.same:,} same"
    if not report.results:
        return "nothing was found to judge"
    judged = [workload for workload in report.results if workload.trouble is UNSET]
    unknown = len(report.results) - len(judged)
    refused = sum(not workload.allowed for workload in judged)
    unjudged = f", {unknown:,} could not be judged at all" if unknown else ""
    return f"{refused:,} of {counted(len(judged), 'workload')} would be refused{unjudged}"


def totals(report: ReportDocument) -> str:
    """Count what was looked at, and every result, also those that nothing has."""
    summary = report.summary
    counts = [counted(summary.workloads, "workload")]
    counts += [] if summary.pods is UNSET else [counted(summary.pods, "pod")]
    counts += [counted(summary.images, "image")]
    return ", ".join(counts)


def results_counted(section: Section) -> str:
    """Count the workloads of a namespace by result; say so if none of them could be judged."""
    if all(workload.trouble is not UNSET for workload in section.workloads):
        return "could not be judged"
    return ", ".join(f"{number:,} {result}" for result, number in section.counts.items())


def codes_counted(results: Sequence[WorkloadDocument]) -> str:
    """Count the workloads that have each code, the most frequent first; empty if none has any."""
    found = Counter(code for workload in results for code in codes_of(workload))
    order = sorted(found, key=lambda code: (-found[code], CODES.index(code)))
    return ", ".join(f"{code} {found[code]:,}" for code in order)


def suffering(cause: Cause) -> str:
    """Count who suffers from a cause."""
    return f"{counted(cause.containers, 'container')} in {counted(len(cause.workloads), 'workload')}"


def whose(workloads: Sequence[WorkloadDocument]) -> str:
    """Name the first workloads, and count the others."""
    return listing(tuple(named(workload) for workload in workloads))


def said_of(said: Said) -> str:
    """Write a sentence with those of whom it is said; a namespace is told by its heading already."""
    workloads = tuple(workload for workload in said.workloads if workload.kind != "Namespace")
    return f"{said.text} ({whose(workloads)})" if workloads else said.text


def drift_told(drift: Drift) -> str:
    """Say what runs, and what would run if the pods were started again."""
    container = drift.use.container
    pods = f" in {counted(container.pods, 'pod')}" if container.pods else ""
    name = container.image.partition("@")[0]
    runs = short_digest(container.digest) if container.digest else "other bytes"
    if drift.points_to is None:
        return f"`{container.name}`{pods} runs {runs}; what {name} points to could not be found out"
    return f"`{container.name}`{pods} runs {runs} while {name} points to {short_digest(drift.points_to)}"


def quiet_namespaces(sections: Sequence[Section]) -> str:
    """Name namespaces in which nothing is wrong, and count what is in them."""
    workloads = sum(len(section.workloads) for section in sections)
    names = listing(tuple(section.namespace or "(no namespace)" for section in sections))
    return f"nothing to do in {counted(len(sections), 'namespace')} ({counted(workloads, 'workload')}): {names}"
