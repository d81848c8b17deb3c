"""Reports for tests of the page: each maker gives something ordinary, and its arguments say what is special."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from tests.core.given import digest
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

__all__ = ["base", "container", "fix", "large_report", "problem", "report", "shop_report", "workload"]

Changes = Any


def problem(code: str = "unsigned", **changes: Changes) -> ProblemDocument:
    """Return a problem that denies."""
    ordinary = {
        "code": code,
        "severity": "error",
        "platform": None,
        "message": "has no signature at all: expected a signature by `release`",
        "help": "deploy a digest that `release` signed, or have this one signed",
    }
    return ProblemDocument(**{**ordinary, **changes})


def base(age_days: int = 9, **changes: Changes) -> BaseDocument:
    """Return a build of `dhi.io/python:3.13`, told from others by its age."""
    ordinary = {
        "repository": "dhi.io/python",
        "tags": ("3.13", "3.13-debian13"),
        "digest": str(digest(f"python, {age_days} days")),
        "created": "2026-11-14T12:00:00Z",
        "age_days": age_days,
        "evidence": "layers",
    }
    return BaseDocument(**{**ordinary, **changes})


def fix(**changes: Changes) -> FixDocument:
    """Return the advice to pin an image."""
    write = f"registry.example/shop/api:1.4.2@{digest('api')}"
    ordinary = {"kind": "pin", "write": write, "message": "the digest that the tag names now"}
    return FixDocument(**{**ordinary, **changes})


def container(*problems: ProblemDocument, **changes: Changes) -> ContainerDocument:
    """Return a container that fails where it has problems, and passes otherwise."""
    ordinary = {
        "name": "api",
        "field": "spec.template.spec.containers[0].image",
        "image": "registry.example/shop/api:1.4.2",
        "digest": str(digest("api")),
        "rule": "production",
        "mode": "enforce",
        "result": "fail" if problems else "pass",
        "signed_by": () if problems else ("release",),
        "base": base(),
        "problems": problems,
    }
    return ContainerDocument(**{**ordinary, **changes})


def workload(*containers: ContainerDocument, **changes: Changes) -> WorkloadDocument:
    """Return a Deployment, as bad as the worst of its containers."""
    order = ("fail", "error", "warn", "pass", "skip")
    result = min((one.result for one in containers), key=order.index, default="error")
    ordinary = {
        "namespace": "shop",
        "kind": "Deployment",
        "name": "api",
        "result": result,
        "allowed": result in {"warn", "pass", "skip"},
        "containers": containers,
    }
    return WorkloadDocument(**{**ordinary, **changes})


def report(*workloads: WorkloadDocument, **changes: Changes) -> ReportDocument:
    """Return a complete report whose summary counts what it lists; `changes` are fields of the metadata or summary."""
    counts = Counter(one.result for one in workloads)
    changed = Counter(one.change for one in workloads)
    pods = [one.pods for one in workloads if one.pods is not UNSET]
    metadata = {
        "policy": "production",
        "policy_digest": str(digest("policy")),
        "catalog_revision": str(digest("catalog")),
        "generated_at": "2026-11-23T12:00:00Z",
        "complete": True,
    }
    summary = {
        "workloads": len(workloads),
        "pods": sum(pods) if pods else UNSET,
        "images": len({use.digest for one in workloads for use in one.containers if use.digest}),
        "passed": counts["pass"],
        **{result: counts[result] for result in ("warn", "fail", "error", "skip")},
        "changes": ChangesDocument(
            newly_refused=changed["newly-refused"], newly_admitted=changed["newly-admitted"], same=7
        )
        if any(changed.get(change) for change in ("newly-refused", "newly-admitted"))
        else UNSET,
    }
    return ReportDocument(
        metadata=MetadataDocument(
            **{key: changes.get(key, value) for key, value in {**metadata, **_only(changes)}.items()}
        ),
        summary=SummaryDocument(**{key: changes.get(key, value) for key, value in summary.items()}),
        results=workloads,
    )


def _only(changes: dict[str, Changes]) -> dict[str, Changes]:
    """Return those changes that are about the metadata and have no ordinary value."""
    return {key: value for key, value in changes.items() if key in {"as_of", "compared_with"}}


COMPARED = ComparedDocument(policy="production-2025", policy_digest=str(digest("older policy")))


def shop_report(**changes: Changes) -> ReportDocument:
    """Return a report in which everything that the page can show occurs once or twice."""
    stale = problem(
        "stale-base",
        message="stands on a base that is too old: expected built at most 60 days ago; found dhi.io/python:3.13, built "
        "75 days ago",
        help="rebuild on the current build: `docker build --pull` with `FROM dhi.io/python:3.13`",
    )
    aging = problem(
        "stale-base", severity="warning", message="stands on a base that will be refused in 5 days", help=""
    )
    silent = problem(
        "unverifiable",
        message="could not be judged: listing signatures at registry.example: no answer in time",
        help="try again when registry.example answers",
    )
    unpinned = problem("unpinned", message="has no digest", help="write the digest after the tag")
    node = base(42, repository="dhi.io/node", tags=("24",), digest=str(digest("node")))
    return report(
        workload(
            container(problem(), unpinned, fixes=(fix(),), seen="spec", pods=40),
            container(
                name="proxy", image="registry.example/mesh/proxy:2", digest=str(digest("proxy")), seen="pod", pods=40
            ),
            name="api",
            pods=40,
        ),
        workload(
            container(
                stale,
                base=base(75),
                image="registry.example/shop/cart:7",
                digest=str(digest("cart")),
                seen="spec",
                pods=0,
            ),
            kind="CronJob",
            name="night-report",
            pods=0,
            notes=("pull secret `shop-registry` may not be read by you",),
        ),
        workload(
            container(aging, result="warn", base=base(55), image="registry.example/shop/web:3", seen="spec", pods=3),
            container(
                problem("untrusted-signer", message="is signed, but by nobody this namespace trusts"),
                base=base(131),
                image="registry.example/shop/web:3",
                digest=str(digest("old web")),
                seen="running",
                pods=2,
            ),
            name="web",
            pods=3,
        ),
        workload(
            container(
                base=node, image="registry.example/pay/ledger:5", digest=str(digest("ledger")), seen="spec", pods=2
            ),
            namespace="payments",
            kind="StatefulSet",
            name="ledger",
            pods=2,
        ),
        workload(
            container(silent, result="error", digest=None, base=None, image="silent.example/x:1", seen="spec", pods=1),
            namespace="payments",
            name="mailer",
            pods=1,
        ),
        workload(
            container(
                result="skip", base=None, note="exempt: PLAT-112", image="vendor.example/agent:9", seen="spec", pods=8
            ),
            namespace="kube-system",
            kind="DaemonSet",
            name="agent",
            pods=8,
        ),
        workload(
            namespace="secret", kind="Namespace", name="secret", trouble="you may not list pods in namespace `secret`"
        ),
        workload(
            namespace=None,
            kind="Service",
            name="front",
            result="pass",
            allowed=True,
            because="Service is not a kind that holds a pod",
            origin=OriginDocument(file="deploy/front.yaml", line=12),
        ),
        **changes,
    )


def large_report(workloads: int, images: int = 200) -> ReportDocument:
    """Return a report about many workloads that share few images, in 50 namespaces."""
    kinds = (
        (problem(),),
        (
            problem("stale-base", message="stands on a base that is too old", help="rebuild on the current build"),
            problem(),
        ),
        *((),) * 6,
    )
    uses = [
        container(
            *kinds[number % len(kinds)],
            image=f"registry.example/team-{number % 20}/service-{number}:1.{number}",
            digest=str(digest(f"image {number}")),
            base=base(3 + 5 * (number % 30)),
            fixes=(fix(),) if kinds[number % len(kinds)] else UNSET,
            seen="spec",
            pods=1,
        )
        for number in range(images)
    ]
    return report(
        *(
            workload(
                replace(uses[number % images]),
                replace(uses[(7 * number + 3) % images]),
                namespace=f"team-{number % 50}",
                name=f"service-{number}",
                pods=1,
            )
            for number in range(workloads)
        )
    )
