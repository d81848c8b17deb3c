"""The real server, started by the chart's words and with the chart's rights, outside the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.answers import Answer, create
from tests.e2e.chart.helm import VALUES, Helm, server_start, template
from tests.e2e.chart.installed import CONFIGURATIONS, Release
from tests.e2e.gate import PROGRAM
from tests.e2e.objects import pod, pod_spec
from tests.e2e.tools.processes import LOOPBACK, ApiServer, free_port, http_get, running, wait_until

pytestmark = pytest.mark.e2e

ENFORCING = {**VALUES, "mode": "enforce", "guard": {"enabled": True}}
PATHS = {
    "pods.dhi-gate.dev": "/validate",
    "workloads.dhi-gate.dev": "/validate/advisory",
    "pin.dhi-gate.dev": "/mutate",
}


@contextmanager
def started(release: Release, folder: Path) -> Iterator[int]:
    """Run the server of a release with the token of its service account; yield its port.

    Only what differs outside a pod is replaced: addresses, the kubeconfig, a volume, and how long it drains.
    """
    start = server_start(template(ENFORCING, folder=folder, namespace=release.namespace))
    namespace, _, account = start.account.partition("/")
    token = release.api.kubectl("create", "token", account, "-n", namespace).stdout.strip()
    kubeconfig = json.loads(release.api.kubeconfig().read_text(encoding="utf-8"))
    kubeconfig["users"][0]["user"]["token"] = token
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig), encoding="utf-8")
    port, metrics = free_port(), free_port()
    instead = {
        "--port": port,
        "--metrics-port": metrics,
        "--trust-cache": folder / "trust-cache",
        "--host": LOOPBACK,
        "--metrics-host": LOOPBACK,
        "--kubeconfig": folder / "kubeconfig",
        "--tls-extra-name": LOOPBACK,
        "--drain-seconds": 0,
    }
    kept = [one for one in start.arguments if one.partition("=")[0] not in instead]
    command: list[str | Path] = [PROGRAM, *kept, *(f"{flag}={value}" for flag, value in instead.items())]
    with running(command, log=folder / "gate.log") as process:
        process.wait_until(lambda: http_get(f"http://{LOOPBACK}:{metrics}/readyz")[0] == 200)
        yield port


def authority(release: Release) -> str | None:
    """Return the bundle that every entry of both configurations has, None until there is one."""
    bundles = {
        webhook["clientConfig"].get("caBundle", "")
        for kind in CONFIGURATIONS
        for webhook in release.get(kind, release.name)["webhooks"]
    }
    return bundles.pop() or None if len(bundles) == 1 else None


def point_at(release: Release, port: int) -> None:
    """Let the API server ask at loopback what it would ask the Service; the bundles stay."""
    for kind in CONFIGURATIONS:
        patch: list[dict[str, str]] = []
        for number, webhook in enumerate(release.get(kind, release.name)["webhooks"]):
            place, url = f"/webhooks/{number}/clientConfig", f"https://{LOOPBACK}:{port}{PATHS[webhook['name']]}"
            patch += [
                {"op": "remove", "path": f"{place}/service"},
                {"op": "add", "path": f"{place}/url", "value": url},
            ]
        release.api.kubectl("patch", kind, release.name, "--type=json", f"--patch={json.dumps(patch)}")


def test_the_gate_lives_by_the_chart(chart_api: ApiServer, helm: Helm, tmp_path: Path) -> None:
    """It begins in the empty Secret, publishes past the guard, outlives upgrades, recovers a loss, and refuses."""
    release = Release(api=chart_api, name="dhi-gate", namespace="served")
    chart_api.create_namespace("customers")
    helm.install("dhi-gate", "served", ENFORCING, "--create-namespace")

    def asked(image: str) -> Answer:
        return create(chart_api, pod("api", "customers", pod_spec(image)), dry_run=True)

    try:
        with started(release, tmp_path) as port:
            first = wait_until(lambda: authority(release), "the first bundle")
            helm.upgrade("dhi-gate", "served", {**ENFORCING, "replicas": 3})
            assert authority(release) == first
            assert "ca.key" in release.get("secret", "dhi-gate-ca")["data"]

            helm.upgrade("dhi-gate", "served", ENFORCING, "--force-replace", "--server-side=false")
            wait_until(lambda: authority(release), "the bundle after everything was emptied")

            point_at(release, port)
            refused = wait_until(
                lambda: found if (found := asked("evil.example/api:1")).webhook else None, "a refusal by the gate"
            )
            assert (refused.webhook, refused.codes) == ("pods.dhi-gate.dev", ("forbidden-image",))
            assert asked(f"registry.example/api@sha256:{'a' * 64}").allowed
    finally:
        helm.uninstall("dhi-gate", "served")
