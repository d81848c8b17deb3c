"""The document → JUnit XML, for pipelines that show tests.

A suite for each namespace, a case for each image use. What denies is a `failure`; what nobody could check is an `error`
in every mode, for it is no pass; what is exempt is `skipped`. Warnings pass, and their words stand in `system-out`.

There is no standard: this is the schema that Jenkins has published (`junit-4.xsd` of dtkit), of which GitLab reads what
is used here.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from msgspec import UNSET

from webhook.core.reporting.document import (
    ContainerDocument,
    MetadataDocument,
    ProblemDocument,
    ReportDocument,
    WorkloadDocument,
)
from webhook.core.reporting.wording import INCOMPLETE

__all__ = ["junit"]

UNVERIFIABLE: Final = "unverifiable"
WITHOUT_NAMESPACE: Final = "(no namespace)"
WHOLE_RUN: Final = "(the whole run)"

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What may not stand in XML, not even as a reference. Source: XML 1.0, production 2, `Char`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """A `failure` or an `error` of a case: `code` says of which kind."""

    tag: str
    code: str
    message: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One test. `skipped` says why it was not judged; `says` is shown with it whatever the result."""

    group: str
    name: str
    findings: tuple[_Finding, ...] = ()
    skipped: str | None = None
    says: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """How it is counted: once, a failure before an error."""
        tags = {finding.tag for finding in self.findings}
        return next((tag for tag in ("failure", "error") if tag in tags), "pass" if self.skipped is None else "skipped")


def junit(report: ReportDocument) -> str:
    """Return the report as an XML document, with its declaration and a final line break."""
    suites = _suites(report)
    everything = [case for cases in suites.values() for case in cases]
    root = _element("testsuites", name="dhi-gate", **_counts(everything))
    for name, cases in suites.items():
        root.append(_suite(name, cases, report.metadata))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suites(report: ReportDocument) -> dict[str, list[_Case]]:
    """Return the cases by suite, in the order of the report. No two cases of a suite have the same names."""
    suites: dict[str, list[_Case]] = {}
    for workload in report.results:
        suites.setdefault(workload.namespace or WITHOUT_NAMESPACE, []).extend(_cases(workload))
    if not report.metadata.complete:
        suites.setdefault(WHOLE_RUN, []).append(_incomplete())
    return {name: _told_apart(cases) for name, cases in suites.items()}


def _incomplete() -> _Case:
    return _Case(group="dhi-gate", name="complete", findings=(_error("incomplete", INCOMPLETE),))


def _told_apart(cases: list[_Case]) -> list[_Case]:
    """Give every case a name of its own: of cases with the same name GitLab shows one."""
    times: Counter[tuple[str, str]] = Counter()
    taken: set[tuple[str, str]] = set()
    apart: list[_Case] = []
    for case in cases:
        name = case.name
        while (case.group, name) in taken:
            times[case.group, case.name] += 1
            name = f"{case.name} #{times[case.group, case.name] + 1}"
        taken.add((case.group, name))
        apart.append(replace(case, name=name))
    return apart


def _cases(workload: WorkloadDocument) -> Iterator[_Case]:
    """Yield a case for each image use, or one for an object that has none."""
    group = ".".join(part for part in (workload.namespace, workload.kind, workload.name) if part)
    about = tuple(_about(workload))
    if workload.unjudged:
        yield _Case(group=group, name="(not judged)", findings=(_error("not-judged", workload.unjudged),), says=about)
    elif not workload.containers:
        yield _Case(group=group, name="(no images)", says=about)
    for container in workload.containers:
        yield _container_case(container, group, about)


def _about(workload: WorkloadDocument) -> Iterator[str]:
    """Yield what is said with every case of an object."""
    if workload.origin is not UNSET:
        yield f"{workload.origin.file}, line {workload.origin.line}"
    if workload.because:
        yield workload.because
    yield from (f"note: {note}" for note in workload.notes or ())


def _container_case(container: ContainerDocument, group: str, about: tuple[str, ...]) -> _Case:
    seen = f" ({container.seen})" if container.seen not in {UNSET, "spec"} else ""
    findings = tuple(_findings(container))
    return _Case(
        group=group,
        name=f"{container.name}: {container.image}{seen}",
        findings=findings,
        skipped=(container.note or "exempt") if container.result == "skip" else None,
        says=(*about, *_says(container)),
    )


def _findings(container: ContainerDocument) -> Iterator[_Finding]:
    """Yield what makes a case fail, as the schemas want it: errors before failures."""
    problems = [problem for problem in container.problems if problem.severity == "error"]
    unverifiable = [problem for problem in problems if problem.code == UNVERIFIABLE]
    yield from (_finding("error", problem, container) for problem in unverifiable)
    if container.result == "fail":
        definite = [problem for problem in problems if problem.code != UNVERIFIABLE]
        yield from (_finding("failure", problem, container) for problem in definite)


def _finding(tag: str, problem: ProblemDocument, container: ContainerDocument) -> _Finding:
    text = f"{container.image} {problem.sentences}"
    return _Finding(tag=tag, code=problem.code, message=problem.message, text=text)


def _error(code: str, why: str) -> _Finding:
    return _Finding(tag="error", code=code, message=why, text=why)


def _says(container: ContainerDocument) -> Iterator[str]:
    """Yield what is known of an image use, whatever came of it."""
    yield f"{container.result} by rule {container.rule} ({container.mode}), {container.field}"
    if container.digest:
        yield f"digest: {container.digest}"
    if container.signed_by:
        yield f"signed by: {', '.join(container.signed_by)}"
    if container.base:
        yield f"base: {container.base.repository}@{container.base.digest}, {container.base.age_days} days old"
    for problem in container.problems:
        yield f"{problem.severity}: {problem.code}: {problem.sentences}"
    yield from (f"fix: {fix.message}" for fix in container.fixes or ())


def _suite(name: str, cases: list[_Case], metadata: MetadataDocument) -> ET.Element:
    # Jenkins and Ant write times of suites without a zone.
    timestamp = metadata.generated_at.removesuffix("Z")
    suite = _element("testsuite", name=name, **_counts(cases), timestamp=timestamp)
    suite.set("skipped", str(sum(case.outcome == "skipped" for case in cases)))
    properties = ET.SubElement(suite, "properties")
    about = {"policy": metadata.policy, "policyDigest": metadata.policy_digest}
    for key, value in {**about, "catalogRevision": metadata.catalog_revision or "none"}.items():
        properties.append(_element("property", name=key, value=value))
    suite.extend(_case(case) for case in cases)
    return suite


def _counts(cases: list[_Case]) -> dict[str, str]:
    outcomes = Counter(case.outcome for case in cases)
    counts = {"tests": len(cases), "failures": outcomes["failure"], "errors": outcomes["error"], "time": 0}
    return {key: str(value) for key, value in counts.items()}


def _case(case: _Case) -> ET.Element:
    test = _element("testcase", classname=case.group, name=case.name, time="0")
    if case.skipped is not None:
        test.append(_element("skipped", case.skipped))
    for finding in case.findings:
        test.append(_element(finding.tag, finding.text, type=finding.code, message=finding.message))
    test.append(_element("system-out", "\n".join(case.says)))
    return test


def _element(tag: str, text: str | None = None, /, **attributes: str) -> ET.Element:
    """Return an element in which nothing stands that XML forbids."""
    element = ET.Element(tag, {key: _NO_XML.sub("?", value) for key, value in attributes.items()})
    element.text = None if text is None else _NO_XML.sub("?", text)
    return element
