"""A cluster in memory with the gate's two webhook configurations, and replicas that keep certificates in it."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from typing import Any, TypeVar

import msgspec

from tests.fakes.clock import ManualClock
from tests.fakes.cluster import NAMESPACES, FakeCluster, Manifest
from webhook.certificate_keeping.bundles import CONFIGURATIONS
from webhook.certificate_keeping.keeper import CertificateKeeper, Keeping
from webhook.certificate_keeping.secret import SECRETS, Kept, decode_secret
from webhook.certificates import ServerCertificate
from webhook.core.serving_certificates import Lifetimes
from webhook.ports import ApiResource, Clock, Cluster
from webhook.server.logs import LogFormat, open_log

__all__ = [
    "LIFETIMES",
    "MUTATING",
    "NAME",
    "NAMESPACE",
    "SECRET",
    "VALIDATING",
    "Counts",
    "Replica",
    "bundles",
    "configuration",
    "installed",
    "keeping",
    "kept",
    "new_cluster",
    "put_bundles",
]

C = TypeVar("C", bound=FakeCluster)

NAMESPACE, SECRET, NAME = "gate", "dhi-gate-ca", "dhi-gate"
VALIDATING, MUTATING = CONFIGURATIONS
LIFETIMES = Lifetimes(authority=timedelta(days=365), leaf=timedelta(days=7), overlap=timedelta(minutes=15))


def configuration(*names: str) -> Manifest:
    """Return a configuration with these webhooks, none of which believes anybody."""
    service = {"name": NAME, "namespace": NAMESPACE, "path": "/validate"}
    return {
        "metadata": {"name": NAME, "labels": {"helm.sh/chart": "dhi-gate-0.1.0"}},
        "webhooks": [
            {
                "name": name,
                "clientConfig": {"service": service},
                "failurePolicy": "Fail",
                "timeoutSeconds": 10,
                "rules": [{"apiGroups": [""], "resources": ["pods"], "operations": ["CREATE", "UPDATE"]}],
            }
            for name in names
        ],
    }


def new_cluster() -> FakeCluster:
    """Return a cluster in which the gate is installed, and has not run yet."""
    return installed(FakeCluster())


def installed(cluster: C) -> C:
    """Install the gate in a cluster."""
    cluster.put(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    cluster.put(VALIDATING, configuration("pods.dhi-gate.dev", "workloads.dhi-gate.dev"))
    cluster.put(MUTATING, configuration("pin.dhi-gate.dev"))
    return cluster


def keeping(identity: str, lifetimes: Lifetimes = LIFETIMES) -> Keeping:
    """Return what a replica keeps."""
    return Keeping(
        namespace=NAMESPACE,
        secret=SECRET,
        names=(f"{NAME}.{NAMESPACE}.svc", NAME, "127.0.0.1"),
        webhooks=NAME,
        identity=identity,
        lifetimes=lifetimes,
    )


def kept(cluster: FakeCluster) -> Kept | None:
    """Return what the Secret says."""
    found = cluster.object(SECRETS, NAMESPACE, SECRET)
    if found is None:
        return None
    return decode_secret(msgspec.json.encode(found)).kept


def bundles(cluster: FakeCluster, resource: ApiResource | None = None) -> list[bytes]:
    """Return the bundles of all webhooks of one configuration, or of both."""
    found = [cluster.object(each, None, NAME) for each in CONFIGURATIONS if resource in (None, each)]
    webhooks = [webhook for each in found if each for webhook in each["webhooks"]]
    return [base64.b64decode(webhook["clientConfig"].get("caBundle", "")) for webhook in webhooks]


def put_bundles(cluster: FakeCluster, resource: ApiResource, bundle: bytes) -> None:
    """Write another bundle into every webhook of a configuration, as somebody else may."""
    found = cluster.object(resource, None, NAME)
    assert found is not None
    for webhook in found["webhooks"]:
        webhook["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()
    cluster.put(resource, found)


@dataclass(slots=True)
class Counts:
    """Implements `webhook.certificate_keeping.keeper.Observer`."""

    authority_expires_at: datetime | None = None
    steps: list[str] = field(default_factory=list)
    bundle_writes: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def authority_in_force(self, *, expires_at: datetime) -> None:
        """Remember the last one."""
        self.authority_expires_at = expires_at

    def authority_advanced(self, step: str) -> None:
        """Remember them all."""
        self.steps.append(step)

    def bundle_written(self) -> None:
        """Count."""
        self.bundle_writes += 1

    def keeping_failed(self, reason: str) -> None:
        """Count by reason."""
        self.failures[reason] += 1


class Replica:
    """A replica: its keeper, the leaves that it was given, and what it said. `uses` fail before leaves can be used."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        identity: str = "a",
        clock: Clock | None = None,
        lifetimes: Lifetimes = LIFETIMES,
        uses: Sequence[Exception] = (),
    ) -> None:
        self._uses = list(uses)
        self.leaves: list[ServerCertificate] = []
        self.counts = Counts()
        self.output = StringIO()
        self.keeper = CertificateKeeper(
            cluster,
            keeping(identity, lifetimes),
            clock=clock or ManualClock(),
            log=open_log(LogFormat.JSON, self.output),
            observer=self.counts,
            on_leaf=self._use,
        )

    def _use(self, leaf: ServerCertificate) -> None:
        """Take a leaf, after as many failures as there should be."""
        if self._uses:
            raise self._uses.pop(0)
        self.leaves.append(leaf)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was logged, in order."""
        return [json.loads(line) for line in self.output.getvalue().splitlines()]
