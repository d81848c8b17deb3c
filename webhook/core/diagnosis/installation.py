"""What a doctor is told, and what it saw: an installation as values.

Whatever could not be looked at is `Unseen`, which is neither there nor missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias, TypeVar

from webhook.core.diagnosis.findings import Unseen
from webhook.core.diagnosis.objects import (
    CronJob,
    Deployment,
    GuardBinding,
    GuardPolicy,
    Named,
    WebhookConfiguration,
)
from webhook.core.diagnosis.rights import Rbac
from webhook.core.policy import Mode

__all__ = ["Document", "Handshake", "Installation", "Intent", "Sight", "full_name"]

T = TypeVar("T")

Sight: TypeAlias = T | Unseen | None
"""An object, None if it is known not to be there, or why nobody could look."""

CHART = "dhi-gate"
MAX_NAME = 43


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What the installation is meant to be.

    `mode` None leaves that to the Deployment. `excluded` are the namespaces that it leaves out on purpose, besides its
    own and those of the system; `trusted` are subjects of RBAC, as `rights.subject_name` writes them, who may change
    the gate.
    """

    namespace: str
    name: str
    mode: Mode | None = None
    excluded: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()

    def at(self, namespace: str) -> Intent:
        """Return the same, in that namespace."""
        return replace(self, namespace=namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as the gate is given it: where from, and its bytes with those of the files beside it.

    `config_map` is the namespace and the name of the ConfigMap that it is in, None if it is in none; `contents` None
    says that the ConfigMap, or the key, is not there.
    """

    source: str
    config_map: tuple[str, str] | None
    contents: Sight[bytes]
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """How a webhook's server showed itself. `distrust` is why its certificate is not believed, empty if it is."""

    address: str
    distrust: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Everything that was looked at. `policy` and `catalog` are None if the Deployment names none.

    `mutating_others` are the MutatingWebhookConfigurations of others. `server_metrics` and `gate_metrics` are in
    Prometheus' text format; the latter are those of one replica.
    """

    validating: Sight[WebhookConfiguration]
    mutating: Sight[WebhookConfiguration]
    mutating_others: tuple[WebhookConfiguration, ...] | Unseen
    handshake: Handshake | Unseen
    deployment: Sight[Deployment]
    service: Sight[Named]
    budget: Sight[Named]
    namespace: Sight[Named]
    policy: Document | None
    catalog: Document | None
    sync: Sight[CronJob]
    guard: Sight[GuardPolicy]
    guard_binding: Sight[GuardBinding]
    rbac: Rbac | Unseen
    version: str | Unseen
    server_metrics: str | Unseen
    gate_metrics: str | Unseen


def full_name(release: str) -> str:
    """Return what the chart calls the objects of a release, unless its values say otherwise."""
    name = release if CHART in release else f"{release}-{CHART}"
    return name[:MAX_NAME].removesuffix("-")
