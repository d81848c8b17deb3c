"""Findings → what a terminal shows, and what a program reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from webhook.core.diagnosis.findings import Finding, Severity
from webhook.core.diagnosis.installation import Intent
from webhook.core.reading.plain_text import counted
from webhook.core.reporting.layout import BLANK, Block, Line, Span, Style

__all__ = ["diagnosis_blocks", "diagnosis_document"]

STYLES: Mapping[Severity, Style] = {
    Severity.CRITICAL: Style.FAIL,
    Severity.HIGH: Style.FAIL,
    Severity.MEDIUM: Style.WARN,
    Severity.LOW: Style.PLAIN,
    Severity.INFO: Style.LABEL,
}
INDENT = 10


def diagnosis_blocks(findings: Sequence[Finding]) -> tuple[Block, ...]:
    """Return the findings for people, in their order, and how many there are of each degree."""
    return (*(block for finding in findings for block in _blocks(finding)), _summary(findings))


def diagnosis_document(findings: Sequence[Finding], intent: Intent, *, at: datetime) -> Mapping[str, object]:
    """Return the findings as plain values, for JSON or YAML. `at` is when it was looked."""
    return {
        "apiVersion": "dhi-gate.dev/v1alpha1",
        "kind": "Diagnosis",
        "metadata": {"namespace": intent.namespace, "name": intent.name, "generatedAt": f"{at:%Y-%m-%dT%H:%M:%SZ}"},
        "summary": {
            **{severity.value: _count(findings, severity) for severity in Severity},
            "notChecked": sum(not finding.checked for finding in findings),
        },
        "findings": [
            {
                "severity": finding.severity.value,
                "check": finding.check,
                "checked": finding.checked,
                "where": finding.where,
                "what": finding.what,
                "why": finding.why,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }


def _blocks(finding: Finding) -> Iterator[Block]:
    degree = Span(text=f"{finding.severity.value:<{INDENT}}", style=STYLES[finding.severity])
    yield Line(spans=(degree, Span(text=finding.where, style=Style.HEADING)), hanging=INDENT)
    yield Line(spans=(Span(text=finding.what, style=Style.PLAIN if finding.checked else Style.ERROR),), indent=INDENT)
    for label, text in (("because", finding.why), ("do", finding.remedy)):
        spans = (Span(text=f"{label}: ", style=Style.LABEL), Span(text=text))
        yield Line(spans=spans, indent=INDENT, hanging=2)
    yield BLANK


def _summary(findings: Sequence[Finding]) -> Line:
    counts = Counter(finding.severity for finding in findings)
    said = [f"{counts[severity]:,} {severity.value}" for severity in Severity if counts[severity]]
    unseen = sum(not finding.checked for finding in findings)
    checked = f"; {counted(unseen, 'check')} could not be made" if unseen else ""
    return Line(spans=(Span(text=f"{', '.join(said) or 'nothing found'}{checked}", style=Style.HEADING),))


def _count(findings: Sequence[Finding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in findings)
