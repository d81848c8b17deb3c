"""One pod that nobody should run, tried on the API server: a dry run, so that nothing is created."""

from __future__ import annotations

import msgspec

from webhook.core.diagnosis.probe import Trial
from webhook.core.inventory.resources import PODS
from webhook.ports import Cluster, ClusterTrouble, ClusterTroubleKind

__all__ = ["try_pod"]

REFUSALS = frozenset(
    {
        ClusterTroubleKind.FORBIDDEN,
        ClusterTroubleKind.REFUSED,
        ClusterTroubleKind.CONFLICT,
        ClusterTroubleKind.UNAVAILABLE,
        ClusterTroubleKind.TIMEOUT,
    }
)
"""What the API server may answer if it, or somebody whom it asks, does not want the pod."""


async def try_pod(cluster: Cluster, *, image: str, namespace: str) -> Trial:
    """Try to create a pod of that image, which keeps every other rule, and return how it went.

    Raises ClusterTrouble if the API server could not be asked. Source: Pod Security Standards, "Restricted".
    """
    container = {
        "name": "probe",
        "image": image,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
    }
    pod = {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": {"name": "dhi-gate-probe", "namespace": namespace},
        "spec": {
            "containers": [container],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
        },
    }
    try:
        warnings = await cluster.rehearse(PODS, namespace=namespace, document=msgspec.json.encode(pod))
    except ClusterTrouble as trouble:
        if trouble.kind not in REFUSALS:
            raise
        return Trial(refusal=trouble.detail or trouble.kind.value, warnings=())
    return Trial(refusal=None, warnings=warnings)
