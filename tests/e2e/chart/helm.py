"""Run the real Helm, and read what it rendered."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.chart.readme import CHART
from tests.e2e.tools import toolchain
from tests.e2e.tools.processes import ApiServer, ProcessFailedError

__all__ = ["POLICY", "VALUES", "Helm", "Object", "ServerStart", "of_kind", "run_helm", "server_start", "template"]

Object = Mapping[str, Any]

POLICY: Object = {
    "apiVersion": "dhi-gate.dev/v1alpha1",
    "kind": "ImagePolicy",
    "metadata": {"name": "production"},
    "spec": {
        "pinTags": True,
        "rules": [
            {"name": "add-ons", "namespaces": ["addons-*"], "exempt": {"reason": "PLAT-112", "expires": "2027-03-31"}},
            {"name": "everything-else", "images": ["registry.example/**"], "require": {"pinned": True}},
        ],
    },
}
VALUES: Object = {"image": {"repository": "registry.example/dhi-gate"}, "policy": POLICY}
"""The least that the chart has to be told."""


@functools.cache
def _helm() -> Path:
    return toolchain.provide("helm")


def run_helm(
    *arguments: str, values: Object | str, folder: Path, api: ApiServer | None
) -> subprocess.CompletedProcess[str]:
    """Run `helm ARGUMENTS…` with these values, or this text, on standard input; what it keeps goes below `folder`."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HELM_")},
        **{f"HELM_{kind}_HOME": str(folder / f"helm-{kind.lower()}") for kind in ("CACHE", "CONFIG", "DATA")},
        "KUBECONFIG": str(api.kubeconfig()) if api else os.devnull,
    }
    return subprocess.run(
        [_helm(), *arguments],
        env=environment,
        input=values if isinstance(values, str) else json.dumps(values, default=str),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def template(
    values: Object | str, *, folder: Path, release: str = "dhi-gate", namespace: str = "dhi-gate", upgrade: bool = False
) -> list[Object]:
    """Return the objects that the chart makes of these values, hooks and tests among them.

    Errors: `ProcessFailedError` with Helm's words, if the values are refused.
    """
    more = ("--is-upgrade",) if upgrade else ()
    command = ("template", release, str(CHART), "--namespace", namespace, "--values", "-", *more)
    done = run_helm(*command, values=values, folder=folder, api=None)
    if done.returncode != 0:
        raise ProcessFailedError(done.stderr.strip())
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(objects: Sequence[Object], kind: str, suffix: str = "") -> Object:
    """Return the one object of this kind whose name ends so."""
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(suffix))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStart:
    """How the chart has the server started, so that it can be started outside the cluster.

    `arguments` are those of `dhi-gate`, `environment` what the chart sets (values only, no references), `account` the
    service account `NAMESPACE/NAME` whose token the pod has.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    account: str


def server_start(objects: Sequence[Object]) -> ServerStart:
    """Read from rendered objects how the server is started."""
    (deployment,) = (one for one in objects if one["kind"] == "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return ServerStart(
        arguments=tuple(container["args"]),
        environment={one["name"]: one["value"] for one in container.get("env", []) if "value" in one},
        account=f"{deployment['metadata']['namespace']}/{spec['serviceAccountName']}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Helm:
    """Helm against one API server; `flags` go with every change, such as how it applies."""

    api: ApiServer
    folder: Path
    chart: Path = CHART
    flags: tuple[str, ...] = ()

    def install(self, release: str, namespace: str, values: Object, *more: str) -> str:
        """Install the chart, without waiting for pods that nobody runs here; return what Helm said."""
        return self._change(
            "install", release, str(self.chart), "--values", "-", *more, namespace=namespace, values=values
        )

    def upgrade(self, release: str, namespace: str, values: Object, *more: str) -> str:
        """Upgrade the release to these values and none of before."""
        return self._change(
            "upgrade", release, str(self.chart), "--values", "-", *more, namespace=namespace, values=values
        )

    def rollback(self, release: str, namespace: str, revision: int) -> None:
        """Go back to a revision of the release."""
        self._change("rollback", release, str(revision), namespace=namespace)

    def uninstall(self, release: str, namespace: str) -> None:
        """Remove the release."""
        self.run("uninstall", release, "--namespace", namespace)

    def _change(self, verb: str, *arguments: str, namespace: str, values: Object | None = None) -> str:
        return self.run(verb, *arguments, "--namespace", namespace, *self.flags, values=values)

    def run(self, *arguments: str, values: Object | None = None) -> str:
        """Run Helm, which must succeed, and return what it printed.

        Errors: `ProcessFailedError` with its standard error.
        """
        done = run_helm(*arguments, values=values or {}, folder=self.folder, api=self.api)
        if done.returncode != 0:
            raise ProcessFailedError(f"helm {' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout
