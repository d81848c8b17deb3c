"""What stands in for a gate that runs in a release: it writes what the gate writes, with the gate's own rights."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.tools.processes import ApiServer

__all__ = ["BUNDLE", "CATALOG", "Release"]

BUNDLE = b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").decode()
CATALOG = '{"kind": "BaseCatalog"}'
CONFIGURATIONS = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of the chart whose objects are all called `name`."""

    api: ApiServer
    name: str
    namespace: str

    def account(self, suffix: str = "") -> str:
        """Return the user that a service account of the release is to the API server."""
        return f"system:serviceaccount:{self.namespace}:{self.name}{suffix}"

    def get(self, kind: str, name: str) -> Any:  # noqa: ANN401 - an object of Kubernetes
        """Return an object of the release's namespace, or of the cluster."""
        return json.loads(self.api.kubectl("get", kind, name, "-n", self.namespace, "-o", "json").stdout)

    def change(self, kind: str, name: str, edit: Callable[[Any], None], *, user: str) -> None:
        """Read an object and replace it, as this user; whatever stands in the way is `ProcessFailedError`."""
        read = ("get", kind, name, "-n", self.namespace, "-o", "json", f"--as={user}")
        document = json.loads(self.api.kubectl(*read).stdout)
        edit(document)
        replace = ("replace", "-n", self.namespace, "-f", "-", f"--as={user}")
        self.api.kubectl(*replace, stdin=json.dumps(document))

    def run(self) -> None:
        """Do what a gate and a sync do: keep a CA, hold the lease, publish the bundle, write the catalog."""
        ca, gate = f"{self.name}-ca", self.account()
        self.change("secret", ca, lambda one: one.update(data={"ca.crt": BUNDLE}), user=gate)
        self.change("lease", ca, lambda one: one.update(spec={"holderIdentity": "one"}), user=gate)
        for kind in CONFIGURATIONS:
            self.change(kind, self.name, publish, user=gate)
        catalog = f"{self.name}-catalog"
        written = {"catalog.json": CATALOG}
        self.change("configmap", catalog, lambda one: one.update(data=written), user=self.account("-sync"))

    def kept(self) -> dict[str, object]:
        """Return what `run` wrote, as it is now."""
        bundles = {
            webhook["clientConfig"].get("caBundle")
            for kind in CONFIGURATIONS
            for webhook in self.get(kind, self.name)["webhooks"]
        }
        return {
            "bundles": bundles,
            "authority": self.get("secret", f"{self.name}-ca").get("data"),
            "holder": self.get("lease", f"{self.name}-ca")["spec"].get("holderIdentity"),
            "catalog": self.get("configmap", f"{self.name}-catalog").get("data"),
        }

    def pods_fail(self) -> str:
        """Return what happens to pods when no gate answers."""
        (entry,) = (
            webhook["failurePolicy"]
            for webhook in self.get(CONFIGURATIONS[0], self.name)["webhooks"]
            if webhook["name"] == "pods.dhi-gate.dev"
        )
        return str(entry)


def publish(configuration: Any) -> None:  # noqa: ANN401 - an object of Kubernetes
    """Write the bundle into every entry of a webhook configuration."""
    for webhook in configuration["webhooks"]:
        webhook["clientConfig"]["caBundle"] = BUNDLE
