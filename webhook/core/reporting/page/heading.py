"""The top of the page: how it went, whether it is the whole truth, by what was judged and as on which day."""

from __future__ import annotations

from urllib.parse import urlencode

from msgspec import UNSET

from webhook.core.reading.plain_text import counted
from webhook.core.reporting.document import ChangesDocument, MetadataDocument, ReportDocument
from webhook.core.reporting.page.markup import Content, Markup, element, joined
from webhook.core.reporting.page.results import MEANINGS, is_drifted
from webhook.core.reporting.page.workloads import CHANGES
from webhook.core.reporting.wording import INCOMPLETE, outcome, totals
from webhook.core.verdicts import Result

__all__ = ["headline", "page_header"]


def headline(report: ReportDocument) -> str:
    """Say in one sentence how it went, and that it is only a part of it where it is."""
    told = outcome(report)
    return f"{told[:1].upper()}{told[1:]}" if report.metadata.complete else f"Incomplete: {told}"


def page_header(report: ReportDocument) -> Markup:
    """Return outcome, warnings, counts and circumstances."""
    return element(
        "header",
        element("p", "dhi-gate audit", class_="product"),
        element("h1", headline(report)),
        _incomplete(report),
        _as_of(report.metadata),
        _drift(report),
        None if report.summary.changes is UNSET else _changes(report.summary.changes),
        _counts(report),
        _circumstances(report),
    )


def _incomplete(report: ReportDocument) -> Markup | None:
    if report.metadata.complete:
        return None
    return element(
        "div",
        element("strong", f"This run is incomplete: {INCOMPLETE}."),
        element("span", "What is missing below may be refused all the same. Do not take this page for an approval."),
        element("a", "Show what could not be judged", href="#result=error", class_="needs-script")
        if report.summary.error
        else None,
        class_="alarm",
        role="alert",
    )


def _as_of(metadata: MetadataDocument) -> Markup | None:
    if metadata.as_of is UNSET:
        return None
    return element(
        "p",
        element("strong", "A look at another day."),
        element("span", "Ages and expiries are judged as on"),
        _instant(metadata.as_of),
        class_="notice",
    )


def _drift(report: ReportDocument) -> Markup | None:
    drifted = sum(map(is_drifted, report.results))
    if not drifted:
        return None
    return element(
        "p",
        element("strong", f"Drift in {counted(drifted, 'workload')}."),
        element("span", "Nodes run other bytes than the images name today; both were judged."),
        element("a", "Show them", href="#drift=yes", class_="needs-script"),
        class_="notice",
    )


def _changes(changes: ChangesDocument) -> Markup:
    numbers = {"newly-refused": changes.newly_refused, "newly-admitted": changes.newly_admitted}
    tiles = element(
        "ul",
        *(_tile(number, CHANGES[change], change, ("change", change)) for change, number in numbers.items()),
        _tile(changes.same, "same", "same", None),
        class_="tiles changes",
        aria_label="What the policy changes",
    )
    told = "Below stands only what changes, causes and ages of bases included."
    return joined((tiles, element("p", told, class_="quiet")))


def _counts(report: ReportDocument) -> Markup:
    summary = report.summary
    numbers = {
        Result.FAIL: summary.fail,
        Result.ERROR: summary.error,
        Result.WARN: summary.warn,
        Result.PASS: summary.passed,
        Result.SKIP: summary.skip,
    }
    # Of compared policies the rows are only those that change: a link would show fewer than the number says.
    linked = summary.changes is UNSET
    tiles = (
        _tile(number, f"{result.value}: {MEANINGS[result]}", result.value, ("result", result.value) if linked else None)
        for result, number in numbers.items()
    )
    totalled = element("p", totals(report), class_="quiet")
    return joined((element("ul", *tiles, class_="tiles", aria_label="Workloads by result"), totalled))


def _tile(number: int, meaning: str, kind: str, choice: tuple[str, str] | None) -> Markup:
    told = (element("b", f"{number:,}"), element("span", f" {meaning}"))
    href = f"#{urlencode([choice])}" if choice and number else None
    return element("li", element("a", *told, href=href), class_=f"tile {kind}" if number else "tile none")


def _circumstances(report: ReportDocument) -> Markup:
    metadata = report.metadata
    revision = metadata.catalog_revision
    facts: list[tuple[str, Content]] = [
        ("Policy", _policy(metadata.policy, metadata.policy_digest)),
        ("Catalog", element("code", revision) if revision else "none: no base could be recognised"),
        ("Made", _instant(metadata.generated_at)),
    ]
    if metadata.compared_with is not UNSET:
        before = metadata.compared_with
        facts.insert(1, ("Compared with", _policy(before.policy, before.policy_digest)))
    return element(
        "dl",
        *(element("div", element("dt", label), element("dd", fact)) for label, fact in facts),
        class_="circumstances",
    )


def _policy(name: str, digest: str) -> Markup:
    return joined((element("b", name), " ", element("code", digest)))


def _instant(timestamp: str) -> Markup:
    """Write a timestamp of the report (RFC 3339, UTC, whole seconds) for people."""
    return element("time", timestamp.replace("T", " ").replace("Z", " UTC"), datetime=timestamp)
