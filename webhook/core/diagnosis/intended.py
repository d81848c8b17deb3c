"""What the chart renders, as far as a change of it would let something through or hold something up.

A test holds this against the chart's templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "EXCLUDED_ALWAYS",
    "MATCH_EXPRESSION",
    "MAX_TIMEOUT_SECONDS",
    "NAMESPACE_NAME",
    "PIN",
    "PODS",
    "RESTORE",
    "VALIDATING",
    "WORKLOADS",
    "Entry",
]

RESTORE = "delete the configuration and run `helm upgrade` with the release's values; nothing is judged in between"
"""Server-side apply alone leaves alone what somebody else added: a condition, a label of a selector, a URL."""

NAMESPACE_NAME = "kubernetes.io/metadata.name"
EXCLUDED_ALWAYS = ("kube-system", "kube-node-lease")
"""Besides the namespace of the release."""

MAX_TIMEOUT_SECONDS = 10
"""A webhook may take 30 s, and whoever waits for a pod notices."""

MATCH_EXPRESSION = " || ".join(
    (
        "request.operation != 'UPDATE'",
        "oldObject == null",
        *(
            f"object.spec.{field} != oldObject.spec.{field}"
            for field in (
                "containers.map(c, c.?image.orValue(''))",
                "?initContainers.orValue([]).map(c, c.?image.orValue(''))",
                "?ephemeralContainers.orValue([]).map(c, c.?image.orValue(''))",
            )
        ),
    )
)
"""On an UPDATE the gate is asked only where an image changes. Any other condition may hide one from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One webhook: its name, its path on the gate, and the plurals it is asked about, by API group."""

    name: str
    path: str
    resources: Mapping[str, tuple[str, ...]]
    skips_unchanged_images: bool


_PODS = {"": ("pods", "pods/ephemeralcontainers")}

PODS = Entry(name="pods.dhi-gate.dev", path="/validate", resources=_PODS, skips_unchanged_images=True)
WORKLOADS = Entry(
    name="workloads.dhi-gate.dev",
    path="/validate/advisory",
    resources={
        "": ("podtemplates", "replicationcontrollers"),
        "apps": ("deployments", "replicasets", "statefulsets", "daemonsets"),
        "batch": ("jobs", "cronjobs"),
    },
    skips_unchanged_images=False,
)
PIN = Entry(name="pin.dhi-gate.dev", path="/mutate", resources=_PODS, skips_unchanged_images=True)
VALIDATING = (PODS, WORKLOADS)
