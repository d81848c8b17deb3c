"""The document → a report to paste into a merge request, short enough for a comment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from webhook.core.reading.plain_text import counted, listing
from webhook.core.reporting.document import FixDocument, MetadataDocument, ReportDocument, WorkloadDocument
from webhook.core.reporting.folding import Cause, Section, by_namespace, codes_of, named, short_digest
from webhook.core.reporting.markdown_texts import block, code, html_code, row
from webhook.core.reporting.wording import (
    INCOMPLETE,
    drift_told,
    outcome,
    quiet_namespaces,
    results_counted,
    said_of,
    suffering,
    whose,
)

__all__ = ["MAX_CHARACTERS", "markdown"]

MAX_CHARACTERS = 60_000
"""Less than a comment may have. GitHub refuses more than 65,536 characters ("Body is too long"), GitLab 1,000,000."""
ROOM_FOR_CLOSING = 400
ROWS_SHOWN = 40
LINES_SHOWN = 20
IMAGES_SHOWN = 3
HELPS_SHOWN = 3
FIXES_SHOWN = 5
MAX_SENTENCE_CHARACTERS = 400
CHANGES = (("newly-refused", "Newly refused"), ("newly-admitted", "Newly admitted"))
DENIED = ("fail", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Markdown that stands or falls as a whole. `begins` says that a namespace begins with it."""

    text: str
    begins: bool = False


def markdown(report: ReportDocument) -> str:
    """Return the report as Markdown of at most MAX_CHARACTERS; what does not fit is counted at the end.

    Whatever others wrote stands in it as code.
    """
    head = "".join(_head(report))
    pieces = tuple(_body(report))
    kept = _fitting(pieces, MAX_CHARACTERS - len(head) - ROOM_FOR_CLOSING)
    body = "".join(piece.text for piece in pieces[:kept])
    return f"{head}{body}{_closing(pieces[kept:])}"


def _head(report: ReportDocument) -> Iterator[str]:
    """Yield the outcome, on what ground was judged, and the counts."""
    metadata, summary = report.metadata, report.summary
    yield f"## dhi-gate: {outcome(report)}\n\n"
    yield f"{_ground(metadata)}.\n\n"
    if not metadata.complete:
        yield f"> **Incomplete:** {INCOMPLETE}.\n\n"
    columns = [
        ("Workloads", summary.workloads),
        *([] if summary.pods is UNSET else [("Pods", summary.pods)]),
        ("Images", summary.images),
        ("pass", summary.passed),
        ("fail", summary.fail),
        ("warn", summary.warn),
        ("error", summary.error),
        ("skip", summary.skip),
    ]
    yield row(*(title for title, _ in columns))
    yield row(*("--:" for _ in columns))
    yield row(*(f"{number:,}" for _, number in columns))
    yield "\n"


def _ground(metadata: MetadataDocument) -> str:
    """Name what was judged by, and as on which day."""
    before, revision = metadata.compared_with, metadata.catalog_revision
    compared = "" if before is UNSET else f", compared with {_policy(before.policy, before.policy_digest)}"
    catalog = f"catalog {code(short_digest(revision))}" if revision else "no catalog"
    instant = metadata.generated_at if metadata.as_of is UNSET else f"{metadata.as_of}, which is not the present"
    return f"Policy {_policy(metadata.policy, metadata.policy_digest)}{compared}; {catalog}; as of {instant}"


def _policy(name: str, digest: str) -> str:
    return f"{code(name)} ({code(short_digest(digest))})"


def _body(report: ReportDocument) -> Iterator[_Piece]:
    if report.metadata.compared_with is UNSET:
        yield from _sections(report.results, all_of_them=False)
        return
    for change, title in CHANGES:
        changed = [workload for workload in report.results if workload.change == change]
        yield _Piece(text=f"### {title}: {counted(len(changed), 'workload')}\n\n")
        yield from _sections(changed, all_of_them=True)


def _sections(results: Sequence[WorkloadDocument], *, all_of_them: bool) -> Iterator[_Piece]:
    """Yield every namespace in which something is to be said, and name the others."""
    quiet: list[Section] = []
    for section in by_namespace(results):
        if section.quiet and not all_of_them:
            quiet.append(section)
        else:
            yield from _section(section, all_of_them=all_of_them)
    if quiet:
        yield _Piece(text=f"{code(quiet_namespaces(quiet), MAX_SENTENCE_CHARACTERS)}\n\n")


def _section(section: Section, *, all_of_them: bool) -> Iterator[_Piece]:
    """Yield a namespace: its table, and one piece for each cause."""
    title = f"Namespace {code(section.namespace)}" if section.namespace else "Without a namespace"
    shown = section.workloads if all_of_them else section.attention
    level = "####" if all_of_them else "###"
    text = f"{level} {title}: {results_counted(section)}\n\n{_workloads(shown)}{_said(section)}"
    yield _Piece(text=text, begins=True)
    for cause in section.causes:
        yield _Piece(text=_cause(cause))
    if section.fixes:
        yield _Piece(text=_fixes(section.fixes))


def _workloads(workloads: Sequence[WorkloadDocument]) -> str:
    """Return a table of the workloads; nothing if there are none."""
    if not workloads:
        return ""
    head = row("Workload", "Pods", "Result", "Rule", "Codes") + row("---", "--:", "---", "---", "---")
    rows = "".join(row(*_cells(workload)) for workload in workloads[:ROWS_SHOWN])
    return f"{head}{rows}\n{_more(len(workloads) - ROWS_SHOWN)}"


def _cells(workload: WorkloadDocument) -> tuple[str, ...]:
    rules = ", ".join(dict.fromkeys(container.rule for container in workload.containers))
    return (
        code(named(workload)),
        "" if workload.pods is UNSET else f"{workload.pods:,}",
        f"**{workload.result}**" if workload.result in DENIED else workload.result,
        code(rules),
        " ".join(code(one) for one in codes_of(workload)),
    )


def _said(section: Section) -> str:
    """Return what is said of some workloads: what could not be judged, what has drifted, what a reader must know."""
    drifts = ((drift.use, drift_told(drift)) for drift in section.drifts)
    lines = [
        *(f"error: {said_of(said)}" for said in section.troubles),
        *(f"drift: {named(use.workload)} {told}: {use.container.result}" for use, told in drifts),
        *(f"note: {said_of(said)}" for said in section.notes),
    ]
    if not lines:
        return ""
    return f"{block(_first(lines, LINES_SHOWN))}\n"


def _cause(cause: Cause) -> str:
    """Return one cause, folded away: the code and the counts stay in view."""
    level = "error" if cause.denies else "warning"
    lines = [cause.message, f"in: {whose(cause.workloads)}"]
    lines += [f"on: {listing(cause.platforms)}"] if cause.platforms else []
    lines += _first([f"image: {image}" for image in cause.images], IMAGES_SHOWN)
    lines += _first([f"help: {text}" for text in cause.helps], HELPS_SHOWN)
    summary = f"<summary>{html_code(f'{level}[{cause.code}]')} {suffering(cause)}</summary>"
    return f"<details>{summary}\n\n{block(lines)}\n{_fixes(cause.fixes)}</details>\n\n"


def _fixes(fixes: Sequence[FixDocument]) -> str:
    """Return what would help."""
    return "".join(_fix(fix) for fix in fixes[:FIXES_SHOWN]) + _more(len(fixes) - FIXES_SHOWN)


def _fix(fix: FixDocument) -> str:
    """Return one thing that would help; what is to be written stands alone, to be copied."""
    message = code(fix.message, MAX_SENTENCE_CHARACTERS)
    return f"Fix: {message}\n\n{block([fix.write])}\n" if fix.write else f"Note: {message}\n\n"


def _first(lines: Sequence[str], limit: int) -> list[str]:
    """Return the first lines, and one that counts the others."""
    rest = len(lines) - limit
    return [*lines[:limit], *([f"and {rest:,} more"] if rest > 0 else [])]


def _more(number: int) -> str:
    """Return a paragraph that counts what is not shown; nothing if all is."""
    return f"…and {number:,} more.\n\n" if number > 0 else ""


def _fitting(pieces: Sequence[_Piece], room: int) -> int:
    """Count the first pieces that fit into that many characters."""
    for number, piece in enumerate(pieces):
        room -= len(piece.text)
        if room < 0:
            return number
    return len(pieces)


def _closing(left_out: Sequence[_Piece]) -> str:
    """Say where to read on, and what had to be left out."""
    if not left_out:
        return "What a code means: `dhi-gate explain CODE`.\n"
    namespaces = counted(sum(piece.begins for piece in left_out), "namespace")
    parts = counted(len(left_out), "part")
    return (
        f"**Cut to fit into a comment:** {parts}, with {namespaces} that begin in them, are left out. "
        "The same command with `-o json` has everything, and so has the page of `--html FILE`.\n"
    )
