"""The document → report objects for a cluster: PolicyReport (wgpolicyk8s.io) or Report (openreports.io).

One report for each object, which owns it, so that the cluster removes the report with the object. A report without a
namespace is of the kind for the whole cluster. Two reports that say the same differ at most in when and by what was
judged: `same_findings`.

Source: the CustomResourceDefinitions `policyreports.wgpolicyk8s.io` v1alpha2 and `reports.openreports.io` v1alpha1;
Kubernetes documentation, "Owners and Dependents", "Recommended Labels", "Object Names and IDs".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final

from msgspec import UNSET

from webhook.core.reading.plain_text import clip
from webhook.core.reporting.document import (
    ContainerDocument,
    MetadataDocument,
    ProblemDocument,
    ReportDocument,
    WorkloadDocument,
)
from webhook.core.reporting.severities import Severity, severity_of

__all__ = ["LABELS", "ReportApi", "policy_reports", "same_findings"]

LABELS: Final[Mapping[str, str]] = {
    "app.kubernetes.io/managed-by": "dhi-gate",
    "app.kubernetes.io/part-of": "dhi-gate",
    "app.kubernetes.io/component": "audit",
}
"""What every report is labelled with."""
SOURCE: Final = "dhi-gate"
CATEGORY: Final = "Supply Chain Security"
LEFT_OUT: Final = "dhi-gate.dev/results-left-out"
"""The annotation that counts what did not fit; always there, so that an older count does not outlive its report."""

MAX_RESULTS_BYTES: Final = 1 << 20
"""etcd refuses objects of more than 1.5 MiB, with all that the API server adds of its own."""
MAX_TEXT_CHARACTERS: Final = 1_200
RESULTS: Final = ("fail", "error", "warn", "pass", "skip")
"""The results of both APIs, worst first."""
CIRCUMSTANCES: Final = frozenset({"baseAgeDays", "catalogRevision", "pods", "policyDigest"})
"""Properties that change without a finding: ages from day to day, pods with the load, the catalog with every sync."""

_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ReportApi(Enum):
    """Who defines the objects; the value is the word of `--output`."""

    POLICYREPORT = "policyreport"
    OPENREPORTS = "openreports"

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return "wgpolicyk8s.io/v1alpha2" if self is ReportApi.POLICYREPORT else "openreports.io/v1alpha1"

    def kind(self, *, namespaced: bool) -> str:
        """Return the kind of a report in a namespace, or of one for the whole cluster."""
        kind = "PolicyReport" if self is ReportApi.POLICYREPORT else "Report"
        return kind if namespaced else f"Cluster{kind}"


def policy_reports(report: ReportDocument, api: ReportApi) -> list[dict[str, Any]]:
    """Return a report object for each object of the document, in its order, as plain values for JSON or YAML.

    Only what lives in a cluster has an owner; what stands in a file, or could not be listed, has none.
    """
    names = _names(report.results)
    return [_report(row, report.metadata, api, name) for row, name in zip(report.results, names, strict=True)]


def same_findings(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two reports, ours or as the API server has stored them, say the same.

    Times do not count, nor do the ages of bases, the number of pods and the revisions of policy and catalog, as long as
    they change no result and no word of a message. What others write into the metadata does not count either.
    """
    return _essence(one) == _essence(other)


def _essence(report: Mapping[str, Any]) -> dict[str, Any]:
    metadata = _mapping(report.get("metadata"))
    labels, annotations = _mapping(metadata.get("labels")), _mapping(metadata.get("annotations"))
    results = report.get("results")
    return {
        **{key: report.get(key) for key in ("apiVersion", "kind", "source", "scope", "summary")},
        **{key: metadata.get(key) for key in ("name", "namespace", "ownerReferences")},
        "labels": {key: labels.get(key) for key in LABELS},
        "left out": annotations.get(LEFT_OUT),
        "results": [_essence_of_result(_mapping(result)) for result in results] if isinstance(results, list) else None,
    }


def _essence_of_result(result: Mapping[str, Any]) -> dict[str, Any]:
    properties = _mapping(result.get("properties"))
    return {
        **{key: value for key, value in result.items() if key != "timestamp"},
        "properties": {key: value for key, value in properties.items() if key not in CIRCUMSTANCES},
    }


def _mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is; what should be one and is not says nothing."""
    return value if isinstance(value, Mapping) else {}


def _report(workload: WorkloadDocument, metadata: MetadataDocument, api: ReportApi, name: str) -> dict[str, Any]:
    results = sorted(_results(workload, metadata), key=lambda result: RESULTS.index(result["result"]))
    kept = _within_limits(results)
    counts = Counter(result["result"] for result in results)
    return _present(
        apiVersion=api.api_version,
        kind=api.kind(namespaced=workload.namespace is not None),
        metadata=_present(
            name=name,
            namespace=workload.namespace,
            labels=dict(LABELS),
            annotations={LEFT_OUT: str(len(results) - len(kept))},
            ownerReferences=_owners(workload),
        ),
        source=SOURCE if api is ReportApi.OPENREPORTS else None,
        scope=_present(
            apiVersion=workload.api_version,
            kind=workload.kind,
            namespace=workload.namespace,
            name=workload.name,
            uid=workload.uid,
        ),
        summary={result: counts[result] for result in ("pass", "fail", "warn", "error", "skip")},
        results=kept,
    )


def _owners(workload: WorkloadDocument) -> list[dict[str, Any]] | None:
    """Return the object as the owner of its report: it does not control it, and its removal waits for nothing."""
    if not workload.uid:
        return None
    owner = {
        "apiVersion": workload.api_version,
        "kind": workload.kind,
        "name": workload.name,
        "uid": workload.uid,
        "controller": False,
        "blockOwnerDeletion": False,
    }
    return [owner]


def _names(workloads: Sequence[WorkloadDocument]) -> list[str]:
    """Name the reports: the same object, the same name, and no two alike.

    The name contains the object's uid, for whoever looks for the report of an object, and a hash over the rest of its
    identity: an owner may be known by the reference of its pods alone, whose authors choose what it says.
    """
    times: Counter[str] = Counter()
    names = []
    for workload in workloads:
        file = workload.origin.file if workload.origin is not UNSET else None
        identity = [workload.namespace, workload.kind, workload.name, workload.uid or None, file]
        key = json.dumps(identity)
        times[key] += 1
        hexadecimal = hashlib.sha256(f"{key} {times[key]}".encode()).hexdigest()
        is_uid = workload.uid is not UNSET and _UID.fullmatch(workload.uid)
        names.append(f"dhi-gate-{workload.uid}-{hexadecimal[:10]}" if is_uid else f"dhi-gate-{hexadecimal[:40]}")
    return names


def _results(workload: WorkloadDocument, metadata: MetadataDocument) -> Iterator[dict[str, Any]]:
    """Yield a result for each problem and for each image use without any; one for an object without images."""
    about = _present(
        policyDigest=metadata.policy_digest,
        catalogRevision=metadata.catalog_revision,
        asOf=metadata.as_of,
        change=workload.change,
        notes=_joined(workload.notes or ()),
    )
    if not workload.containers:
        unjudged = workload.unjudged
        yield {
            **_common(metadata),
            "result": "error" if unjudged else "pass",
            "severity": (Severity.MEDIUM if unjudged else Severity.INFO).value,
            "scored": bool(unjudged),
            "message": clip(unjudged or workload.because or "", MAX_TEXT_CHARACTERS),
            "properties": about,
        }
    for container in workload.containers:
        properties = {**about, **_properties(container)}
        if not container.problems:
            yield {**_common(metadata), **_without_problems(container), "properties": properties}
        for problem in container.problems:
            of_problem = _present(code=problem.code, platform=problem.platform)
            yield {
                **_common(metadata),
                **_with_problem(container, problem),
                "properties": {**properties, **of_problem},
            }


def _common(metadata: MetadataDocument) -> dict[str, Any]:
    """Return what every result says, as values of its own: a YAML encoder would write what is shared as an alias."""
    return {
        "timestamp": {"seconds": int(datetime.fromisoformat(metadata.generated_at).timestamp()), "nanos": 0},
        "source": SOURCE,
        "policy": metadata.policy,
        "category": CATEGORY,
    }


def _without_problems(container: ContainerDocument) -> dict[str, Any]:
    """Return the result of an image use that passed, or that was not judged because it is exempt."""
    return {
        "rule": container.rule,
        "result": container.result,
        "severity": Severity.INFO.value,
        "scored": container.result != "skip",
        "message": _message(container, container.note or "meets the rule"),
    }


def _with_problem(container: ContainerDocument, problem: ProblemDocument) -> dict[str, Any]:
    """Return the result of one problem. What counts against the object is scored: what denies under the rule's mode."""
    is_advice = problem.severity == "warning"
    denies = not is_advice and (container.mode == "enforce" or container.result == "fail")
    definite = "fail" if denies else "warn"
    return {
        "rule": container.rule,
        "result": "error" if problem.code == "unverifiable" and not is_advice else definite,
        "severity": severity_of(problem).value,
        "scored": denies,
        "message": _message(container, problem.sentences),
    }


def _message(container: ContainerDocument, says: str) -> str:
    return clip(f"{container.name}: {says}", MAX_TEXT_CHARACTERS)


def _properties(container: ContainerDocument) -> dict[str, str]:
    """Return what is known of an image use. Both APIs take texts only."""
    base = container.base
    return _present(
        container=container.name,
        field=container.field,
        image=container.image,
        digest=container.digest,
        mode=container.mode,
        seen=container.seen,
        pods=None if container.pods is UNSET else str(container.pods),
        signedBy=_joined(container.signed_by),
        base=f"{base.repository}@{base.digest}" if base else None,
        baseTags=_joined(base.tags) if base else None,
        baseCreated=base.created if base else None,
        baseAgeDays=str(base.age_days) if base else None,
        baseEvidence=base.evidence if base else None,
        note=container.note,
        fixes=_joined([fix.message for fix in container.fixes or ()]),
    )


def _joined(texts: Sequence[str]) -> str | None:
    return clip(", ".join(texts), MAX_TEXT_CHARACTERS) if texts else None


def _within_limits(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return as many results, from the first on, as an object of the API may hold."""
    kept: list[dict[str, Any]] = []
    size = 0
    for result in results:
        size += len(json.dumps(result, ensure_ascii=False).encode())
        if size > MAX_RESULTS_BYTES:
            break
        kept.append(result)
    return kept


def _present(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the values that are known."""
    return {key: value for key, value in values.items() if value is not None and value is not UNSET}
