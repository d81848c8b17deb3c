"""The document → SARIF 2.1.0, for code scanning and for whatever else collects findings.

1. One result for each problem and each advice. Every result is of kind `fail`: only these have a level (3.27.10), and
   an image that nobody could check must not look like one that is in order.
2. A level says what admission makes of it: `error` denies, `warning` does not, because of the rule's mode or because it
   is an advice. What is no finding about an image is a notification of the run.
3. Text is data. Brackets and braces mean links and placeholders in a SARIF message (3.11.5, 3.11.6) and are escaped.
4. What GitHub code scanning would reject as too much is left out from the mildest end, and a notification counts it.

Source: OASIS SARIF 2.1.0 with errata 01; GitHub documentation, "SARIF support for code scanning" (2026).
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from msgspec import UNSET

from webhook.core.problems import CODES
from webhook.core.reading.plain_text import counted
from webhook.core.reporting.document import (
    ContainerDocument,
    OriginDocument,
    ProblemDocument,
    ReportDocument,
    WorkloadDocument,
)
from webhook.core.reporting.severities import Severity, severity_of_code
from webhook.core.reporting.wording import INCOMPLETE
from webhook.core.wording.codes import EXPLANATIONS, Explanation, as_text
from webhook.core.workloads import STANDARD_INPUT

__all__ = ["sarif"]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HELP_PAGE: Final = "https://dhi-gate.dev/docs/denials.md"
SOURCE_ROOT: Final = "%SRCROOT%"
"""The name that GitHub gives to the root of a repository."""

MAX_RESULTS: Final = 25_000
"""More results than this in one run, and GitHub rejects the file."""
MAX_COMPRESSED_BYTES: Final = 7 << 20
"""Results as zlib packs them at its fastest. GitHub takes 10 MB of gzip, which packs no worse, for the whole run."""
MAX_NOTIFICATIONS: Final = 500

SECURITY_SEVERITIES: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
}
"""Numbers of the CVSS scale; GitHub shows above 9.0 as critical, from 7.0 as high, from 4.0 as medium."""

LEVELS: Final = ("error", "warning")
"""Gravest first."""


def sarif(report: ReportDocument, *, tool_version: str) -> dict[str, Any]:
    """Return the report as a SARIF log with one run, as plain values for JSON."""
    found = [_result(*each) for each in _findings(report)]
    _number_equals(found)
    kept = _within_limits(sorted(found, key=lambda result: LEVELS.index(result["level"])))
    notifications = [*_notifications(report), *_left_out(len(found) - len(kept))]
    metadata = report.metadata
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(tool_version)},
                "automationDetails": {"id": f"dhi-gate/{quote(metadata.policy, safe='')}/"},
                "invocations": [
                    {
                        "executionSuccessful": metadata.complete and not any(row.unjudged for row in report.results),
                        "endTimeUtc": metadata.generated_at,
                        "toolExecutionNotifications": notifications,
                    }
                ],
                "originalUriBaseIds": {SOURCE_ROOT: {"description": {"text": "The folder that dhi-gate ran in."}}},
                "results": kept,
                "properties": _present(
                    policy=metadata.policy,
                    policyDigest=metadata.policy_digest,
                    catalogRevision=metadata.catalog_revision,
                    asOf=metadata.as_of,
                ),
            }
        ],
    }


def _driver(tool_version: str) -> dict[str, Any]:
    """Return the tool and its rules, one for each reason code: what a rule is does not depend on what was found."""
    return {
        "name": "dhi-gate",
        "version": tool_version,
        "rules": [_rule(explanation) for explanation in EXPLANATIONS.values()],
    }


def _rule(explanation: Explanation) -> dict[str, Any]:
    paragraphs = as_text(explanation)
    return {
        "id": explanation.code,
        "shortDescription": {"text": f"{explanation.means.partition('. ')[0].rstrip('.')}."},
        "fullDescription": {"text": explanation.means},
        "help": {"text": "\n\n".join(paragraphs), "markdown": "\n\n".join(paragraphs)},
        "helpUri": f"{HELP_PAGE}#{explanation.code}",
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": ["security", "supply-chain"],
            "security-severity": SECURITY_SEVERITIES[severity_of_code(explanation.code)],
        },
    }


def _findings(report: ReportDocument) -> Iterator[tuple[WorkloadDocument, ContainerDocument, ProblemDocument]]:
    for workload in report.results:
        for container in workload.containers:
            for problem in container.problems:
                yield workload, container, problem


def _result(workload: WorkloadDocument, container: ContainerDocument, problem: ProblemDocument) -> dict[str, Any]:
    fingerprint = _fingerprint(workload, container, problem)
    return {
        "ruleId": problem.code,
        "ruleIndex": CODES.index(problem.code),
        "kind": "fail",
        "level": _level(container, problem),
        "message": {"text": _escaped(f"{container.name}: {container.image} {problem.sentences}")},
        "locations": [_location(workload, container)],
        # GitHub reads the second one, and would compute it from the line of the object, the same for all its problems.
        "partialFingerprints": {"dhiGateFinding/v1": fingerprint, "primaryLocationLineHash": fingerprint},
        "properties": _present(
            namespace=workload.namespace,
            field=container.field,
            digest=container.digest,
            policyRule=container.rule,
            mode=container.mode,
            platform=problem.platform,
            seen=container.seen,
            pods=container.pods,
            change=workload.change,
            fixes=[fix.message for fix in container.fixes or ()] or None,
        ),
    }


def _level(container: ContainerDocument, problem: ProblemDocument) -> str:
    """Return `error` for what denies under the mode in force; a revocation does so in every mode."""
    denies = container.mode == "enforce" or container.result == "fail"
    return "error" if denies and problem.severity == "error" else "warning"


def _location(workload: WorkloadDocument, container: ContainerDocument | None) -> dict[str, Any]:
    parts = (workload.namespace, workload.kind, workload.name, container.name if container else None)
    name = "/".join(part for part in parts if part)
    logical = {"fullyQualifiedName": name, "kind": "resource"}
    location: dict[str, Any] = {"logicalLocations": [logical]}
    if workload.origin is not UNSET and workload.origin.file != STANDARD_INPUT:
        location["physicalLocation"] = _place_in_file(workload.origin)
    return location


def _place_in_file(origin: OriginDocument) -> dict[str, Any]:
    """Return where a document stands. Whoever named the file absolutely gets it back so; nothing else is known."""
    path = posixpath.normpath(origin.file)
    if path.startswith("/"):
        artifact = {"uri": f"file:///{quote(path.lstrip('/'))}"}
    else:
        artifact = {"uri": quote(path), "uriBaseId": SOURCE_ROOT}
    return {"artifactLocation": artifact, "region": {"startLine": origin.line}}


def _fingerprint(workload: WorkloadDocument, container: ContainerDocument, problem: ProblemDocument) -> str:
    """Name a finding so that it keeps its name when images are rebuilt, bases age and lines move.

    What stands after the `@` of a bare image is its digest, and no part of its name.
    """
    identity = [
        workload.namespace,
        workload.kind,
        workload.name.partition("@")[0],
        container.name,
        container.seen or None,
        problem.code,
        problem.platform,
    ]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


def _number_equals(results: Sequence[dict[str, Any]]) -> None:
    """Tell findings of the same name apart by their number, as GitHub's own fingerprints do."""
    seen: Counter[str] = Counter()
    for result in results:
        fingerprints = result["partialFingerprints"]
        name = fingerprints["dhiGateFinding/v1"]
        seen[name] += 1
        for key in fingerprints:
            fingerprints[key] = f"{name}:{seen[name]}"


def _within_limits(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return as many results, from the first on, as code scanning accepts."""
    kept: list[dict[str, Any]] = []
    packer, packed = zlib.compressobj(1), 0
    for result in results[:MAX_RESULTS]:
        packed += len(packer.compress(json.dumps(result, ensure_ascii=False).encode()))
        if packed > MAX_COMPRESSED_BYTES:
            break
        kept.append(result)
    return kept


def _notifications(report: ReportDocument) -> Iterator[dict[str, Any]]:
    """Yield what a reader must know beside the findings; circumstances that many objects share are told once."""
    told = [_unjudged(workload, workload.unjudged) for workload in report.results if workload.unjudged]
    notes = Counter(note for workload in report.results for note in workload.notes or ())
    told += [_notification("note", f"{note} ({counted(number, 'object')})") for note, number in notes.items()]
    if not report.metadata.complete:
        yield _notification("error", f"The run is incomplete: {INCOMPLETE}.")
    yield from told[:MAX_NOTIFICATIONS]
    if len(told) > MAX_NOTIFICATIONS:
        yield _notification("warning", f"{counted(len(told) - MAX_NOTIFICATIONS, 'notification')} more.")


def _unjudged(workload: WorkloadDocument, why: str) -> dict[str, Any]:
    return {**_notification("error", why), "locations": [_location(workload, None)]}


def _left_out(number: int) -> Iterator[dict[str, Any]]:
    if number:
        yield _notification("warning", f"{counted(number, 'result')} left out: code scanning accepts no more.")


def _notification(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": _escaped(text)}}


_ESCAPES: Final = str.maketrans({"\\": "\\\\", "[": "\\[", "]": "\\]", "{": "{{", "}": "}}"})


def _escaped(text: str) -> str:
    """Return text as a message that says exactly this, without links or placeholders."""
    return text.translate(_ESCAPES)


def _present(**values: object) -> dict[str, Any]:
    """Return the values that are known."""
    return {key: value for key, value in values.items() if value is not None and value is not UNSET}
