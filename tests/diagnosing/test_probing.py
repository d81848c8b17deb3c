"""A pod that nobody should run, tried on a cluster."""

from __future__ import annotations

import pytest

from tests.fakes.cluster import FakeCluster, Manifest
from webhook.core.diagnosis.findings import exit_status
from webhook.core.diagnosis.probe import diagnose_probe
from webhook.core.inventory.resources import NAMESPACES, PODS
from webhook.core.policy import Mode
from webhook.diagnosing.probing import try_pod
from webhook.ports import ClusterTrouble, ClusterTroubleKind

IMAGE = "registry.invalid/dhi-gate-probe:never"
DENIED = 'admission webhook "pods.dhi-gate.dev" denied the request: unpinned: it has no digest'
FAILED = 'Internal error occurred: failed calling webhook "pods.dhi-gate.dev": connection refused'
WARNING = f"unpinned: container probe: {IMAGE} has no digest (rule everything, warn)"


def cluster(*warnings: str, trouble: ClusterTrouble | None = None) -> FakeCluster:
    """Return a cluster that warns, or refuses."""
    fake = FakeCluster()
    fake.put(NAMESPACES, {"metadata": {"name": "shop"}})

    def admission(_pod: Manifest) -> tuple[str, ...]:
        if trouble is not None:
            raise trouble
        return warnings

    fake.admission = admission
    return fake


def refusing(kind: ClusterTroubleKind, detail: str) -> FakeCluster:
    """Return a cluster that refuses with these words."""
    return cluster(trouble=ClusterTrouble(kind, doing="trying to create pods", detail=detail))


@pytest.mark.parametrize(
    ("fake", "mode", "expected"),
    [
        (refusing(ClusterTroubleKind.FORBIDDEN, DENIED), None, 0),
        (refusing(ClusterTroubleKind.FORBIDDEN, DENIED), Mode.ENFORCE, 0),
        (refusing(ClusterTroubleKind.FORBIDDEN, DENIED), Mode.WARN, 1),
        (refusing(ClusterTroubleKind.FORBIDDEN, DENIED), Mode.AUDIT, 1),
        (refusing(ClusterTroubleKind.UNAVAILABLE, FAILED), None, 1),
        (refusing(ClusterTroubleKind.FORBIDDEN, 'pods is forbidden: User "a" cannot create resource'), None, 2),
        (refusing(ClusterTroubleKind.TIMEOUT, ""), None, 2),
        (cluster(WARNING), None, 0),
        (cluster("somebody else warns", WARNING), Mode.WARN, 0),
        (cluster(WARNING), Mode.ENFORCE, 1),
        (cluster(WARNING), Mode.AUDIT, 1),
        (cluster("would violate PodSecurity: much"), Mode.WARN, 1),
        (cluster(), None, 1),
        (cluster(), Mode.ENFORCE, 1),
        (cluster(), Mode.AUDIT, 0),
    ],
)
async def test_what_the_attempt_shows(fake: FakeCluster, mode: Mode | None, expected: int) -> None:
    """The gate has to do what its mode says; what somebody else does shows nothing."""
    trial = await try_pod(fake, image=IMAGE, namespace="shop")
    finding = diagnose_probe(trial, image=IMAGE, namespace="shop", mode=mode)
    assert exit_status([finding]) == expected, finding
    assert fake.objects(PODS) == []


async def test_an_api_server_that_cannot_be_asked() -> None:
    """Nothing follows from silence."""
    fake = cluster()
    fake.break_down(ClusterTroubleKind.UNREACHABLE)
    with pytest.raises(ClusterTrouble):
        await try_pod(fake, image=IMAGE, namespace="shop")
