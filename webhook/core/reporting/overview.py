"""The document → what a person reads in a terminal: by namespace what needs attention, then why, and what to do.

What is simply fine is counted, not listed. The last lines say how it all came out, for they are what one sees first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from webhook.core.reading.plain_text import counted, listing
from webhook.core.reporting.document import FixDocument, MetadataDocument, ReportDocument, WorkloadDocument
from webhook.core.reporting.folding import UNVERIFIABLE, Cause, Section, by_namespace, codes_of, named, short_digest
from webhook.core.reporting.layout import BLANK, Block, Grid, Line, Span, Style, result_span
from webhook.core.reporting.table import table
from webhook.core.reporting.wording import (
    INCOMPLETE,
    codes_counted,
    drift_told,
    outcome,
    quiet_namespaces,
    results_counted,
    said_of,
    suffering,
    totals,
    whose,
)
from webhook.core.verdicts import Result

__all__ = ["overview"]

INDENT = 2
LABEL_WIDTH = 9
"""Room for the longest label and a space."""
IMAGES_SHOWN = 3
HELPS_SHOWN = 3
FIXES_SHOWN = 5
CHANGES = (("newly-refused", "newly refused", "admitted"), ("newly-admitted", "newly admitted", "refused"))
"""What another policy changes, its words, and how it was before."""


def overview(report: ReportDocument, *, wide: bool = False) -> tuple[Block, ...]:
    """Return what is to be shown, from top to bottom. `wide` lists every container instead of what needs attention."""
    everything: tuple[Block, ...] = (table(report.results, wide=True), BLANK) if wide and report.results else ()
    compared = report.metadata.compared_with is not UNSET
    body = _changes(report, listed=not wide) if compared else _sections(report.results, listed=not wide)
    return (*everything, *body, *_summary(report))


def _changes(report: ReportDocument, *, listed: bool) -> Iterator[Block]:
    """Yield what another policy would refuse or admit, one after the other."""
    before = report.metadata.compared_with
    present = "" if before is UNSET else f"`{before.policy}`"
    for change, words, formerly in CHANGES:
        changed = [workload for workload in report.results if workload.change == change]
        title = f"{words} by `{report.metadata.policy}` ({formerly} by {present}): {counted(len(changed), 'workload')}"
        yield Line(spans=(Span(text=title, style=Style.HEADING),), hanging=INDENT)
        yield BLANK
        yield from _sections(changed, listed=listed, all_of_them=True)


def _sections(results: Sequence[WorkloadDocument], *, listed: bool, all_of_them: bool = False) -> Iterator[Block]:
    """Yield every namespace in which something is to be said, and count the others."""
    quiet: list[Section] = []
    for section in by_namespace(results):
        if section.quiet and not all_of_them:
            quiet.append(section)
        else:
            yield from _section(section, listed=listed, all_of_them=all_of_them)
    if quiet:
        yield Line(spans=(Span(text=quiet_namespaces(quiet)),), hanging=INDENT)
        yield BLANK


def _section(section: Section, *, listed: bool, all_of_them: bool) -> Iterator[Block]:
    yield _title(section)
    for trouble in section.troubles:
        yield _marked("error:", Style.ERROR, said_of(trouble))
    for note in section.notes:
        yield _marked("note:", Style.LABEL, said_of(note))
    shown = section.workloads if all_of_them else section.attention
    if listed and shown:
        yield _workloads(shown)
    yield BLANK
    for cause in section.causes:
        yield from _cause(cause)
        yield BLANK
    yield from _drifts(section)


def _title(section: Section) -> Line:
    name = f"namespace {section.namespace}" if section.namespace else "without a namespace"
    pods = "" if section.pods is None else f" ({counted(section.pods, 'pod')})"
    return Line(
        spans=(Span(text=name, style=Style.HEADING), Span(text=f": {results_counted(section)}{pods}")), hanging=INDENT
    )


def _workloads(workloads: Sequence[WorkloadDocument]) -> Grid:
    """Return a row for each workload; a column that would be empty in all of them is left out."""
    headers = ("WORKLOAD", "PODS", "RESULT", "RULE", "CODES", "FILE")
    rows = [_cells(workload) for workload in workloads]
    shown = [number for number in range(len(headers)) if any(row[number].text for row in rows)]
    return Grid(
        headers=tuple(headers[number] for number in shown),
        rows=tuple(tuple(row[number] for number in shown) for row in rows),
        indent=INDENT,
        wraps=True,
        numbers=frozenset({"PODS"}),
    )


def _cells(workload: WorkloadDocument) -> tuple[Span, ...]:
    origin = workload.origin
    rules = dict.fromkeys(container.rule for container in workload.containers)
    return (
        Span(text=named(workload)),
        Span(text="" if workload.pods is UNSET else str(workload.pods)),
        result_span(workload.result),
        Span(text=", ".join(rules)),
        Span(text=", ".join(codes_of(workload))),
        Span(text="" if origin is UNSET else f"{origin.file}:{origin.line}"),
    )


def _cause(cause: Cause) -> Iterator[Line]:
    """Yield one cause: what is wrong, with whom, with which images, and what to do."""
    level, style = ("error", Style.FAIL) if cause.denies else ("warning", Style.WARN)
    style = Style.ERROR if cause.code == UNVERIFIABLE else style
    heading = (Span(text=f"{level}[{cause.code}]:", style=style), Span(text=f" {cause.message}"))
    yield Line(spans=heading, indent=INDENT, hanging=INDENT)
    yield _fact("in", f"{suffering(cause)}: {whose(cause.workloads)}")
    if cause.platforms:
        yield _fact("on", listing(cause.platforms))
    yield from _facts("image", cause.images, IMAGES_SHOWN)
    yield from _facts("help", cause.helps, HELPS_SHOWN)
    yield from _fixes(cause.fixes)


def _drifts(section: Section) -> Iterator[Line]:
    """Yield what runs beside what is written, and the fixes that belong to no cause."""
    for drift in section.drifts:
        text = f"{named(drift.use.workload)} {drift_told(drift)}: "
        result = result_span(drift.use.container.result)
        spans = (Span(text="drift: ", style=Style.WARN), Span(text=text), result)
        yield Line(spans=spans, indent=INDENT, hanging=INDENT)
    yield from _fixes(section.fixes)
    if section.drifts or section.fixes:
        yield BLANK


def _fixes(fixes: Sequence[FixDocument]) -> Iterator[Line]:
    """Yield what would help; what is to be written stands alone, to be copied."""
    for fix in fixes[:FIXES_SHOWN]:
        yield _fact("fix" if fix.write else "note", fix.message)
        if fix.write:
            yield Line(spans=(Span(text=fix.write),), indent=2 * INDENT + LABEL_WIDTH, whole=True)
    yield from _more(len(fixes) - FIXES_SHOWN)


def _facts(label: str, texts: Sequence[str], limit: int) -> Iterator[Line]:
    """Yield the first texts, each on its line, and count the others."""
    for number, text in enumerate(texts[:limit]):
        yield _fact("" if number else label, text)
    yield from _more(len(texts) - limit)


def _more(number: int) -> Iterator[Line]:
    if number > 0:
        yield _fact("", f"and {number:,} more: `-o json` has all")


def _fact(label: str, text: str) -> Line:
    shown = f"{label}:" if label else ""
    spans = (Span(text=f"{shown:<{LABEL_WIDTH}}", style=Style.LABEL), Span(text=text))
    return Line(spans=spans, indent=2 * INDENT, hanging=LABEL_WIDTH)


def _marked(mark: str, style: Style, text: str) -> Line:
    return Line(spans=(Span(text=mark, style=style), Span(text=f" {text}")), indent=INDENT, hanging=INDENT)


def _summary(report: ReportDocument) -> Iterator[Line]:
    """Yield the last lines: how often what is wrong, on what ground was judged, whether all was, and the outcome."""
    codes = codes_counted(report.results)
    if codes:
        yield Line(spans=(Span(text=f"workloads by code: {codes} (dhi-gate explain CODE)"),), hanging=INDENT)
    yield Line(spans=(Span(text=_ground(report.metadata)),), hanging=INDENT)
    if not report.metadata.complete:
        yield Line(spans=(Span(text="incomplete:", style=Style.ERROR), Span(text=f" {INCOMPLETE}")), hanging=INDENT)
    yield Line(spans=(Span(text=outcome(report), style=Style.HEADING),), hanging=INDENT)
    yield Line(spans=(Span(text=f"{totals(report)}: "), *_results(report)), hanging=INDENT)


def _ground(metadata: MetadataDocument) -> str:
    """Name what was judged by, and as on which day if not today."""
    revision = metadata.catalog_revision
    catalog = f"catalog {short_digest(revision)}" if revision else "no catalog"
    instant = metadata.generated_at if metadata.as_of is UNSET else f"{metadata.as_of} (not the present)"
    return f"judged by policy `{metadata.policy}`, {catalog}, as of {instant}"


def _results(report: ReportDocument) -> Iterator[Span]:
    """Yield every result with its number; only what is there has its colour."""
    summary = report.summary
    numbers = (
        (Result.PASS, summary.passed),
        (Result.FAIL, summary.fail),
        (Result.WARN, summary.warn),
        (Result.ERROR, summary.error),
        (Result.SKIP, summary.skip),
    )
    for place, (result, number) in enumerate(numbers):
        style = Style(result.value) if number else Style.PLAIN
        yield Span(text=f"{', ' if place else ''}{result.value} ")
        yield Span(text=f"{number:,}", style=style)
