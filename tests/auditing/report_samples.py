"""Reports about a cluster, written down as documents: each maker gives something ordinary, its arguments the rest."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import UNSET, structs

from tests.core.given import digest
from webhook.core.reporting.document import (
    BaseDocument,
    ContainerDocument,
    MetadataDocument,
    ProblemDocument,
    ReportDocument,
    SummaryDocument,
    WorkloadDocument,
)

__all__ = ["base", "container", "problem", "report", "workload"]


def base(age_days: int) -> BaseDocument:
    """Return the base `dhi.io/python:3.13` of that age."""
    return BaseDocument(
        repository="dhi.io/python",
        tags=("3.13",),
        digest=str(digest("python-index")),
        created="2026-11-20T12:00:00Z",
        age_days=age_days,
        evidence="layers",
    )


def problem(code: str, *, severity: str = "error", platform: str | None = None) -> ProblemDocument:
    """Return a problem of that code."""
    return ProblemDocument(code=code, severity=severity, platform=platform, message=f"is {code}", help="mend it")


def container(seed: str = "api", **changes: Any) -> ContainerDocument:  # noqa: ANN401 - any field of the document
    """Return the image use `api` of three live pods, which passes; `seed` says which digest the image has."""
    ordinary = ContainerDocument(
        name="api",
        field="spec.template.spec.containers[0].image",
        image="registry.example/shop/api:1.4.2",
        digest=str(digest(seed)),
        rule="everywhere",
        mode="enforce",
        result="pass",
        signed_by=("release",),
        base=base(3),
        problems=(),
        seen="spec",
        pods=3,
    )
    return structs.replace(ordinary, **changes)


def workload(*containers: ContainerDocument, **changes: Any) -> WorkloadDocument:  # noqa: ANN401 - any field
    """Return Deployment `shop/api` with three pods and these image uses, or the ordinary one."""
    ordinary = WorkloadDocument(
        namespace="shop",
        kind="Deployment",
        name="api",
        api_version="apps/v1",
        uid="uid-of-api",
        pods=3,
        result="pass",
        allowed=True,
        containers=containers or (container(),),
    )
    return structs.replace(ordinary, **changes)


def report(*workloads: WorkloadDocument, **metadata: Any) -> ReportDocument:  # noqa: ANN401 - any field of the metadata
    """Return the report about these objects, complete unless told otherwise."""
    ordinary = MetadataDocument(
        policy="production",
        policy_digest=str(digest("policy")),
        catalog_revision=str(digest("catalog")),
        generated_at="2026-11-23T12:00:00Z",
        complete=True,
    )
    counts = Counter(one.result for one in workloads)
    summary = SummaryDocument(
        workloads=len(workloads),
        pods=sum(0 if one.pods is UNSET else one.pods for one in workloads),
        images=len({use.digest for one in workloads for use in one.containers}),
        passed=counts["pass"],
        warn=counts["warn"],
        fail=counts["fail"],
        error=counts["error"],
        skip=counts["skip"],
    )
    return ReportDocument(metadata=structs.replace(ordinary, **metadata), summary=summary, results=workloads)
