"""The chart as it is installed, and its servers, which run outside the cluster by its words and with its rights.

The API server asks the Service that the chart makes: the cluster's Services have addresses of loopback, and a relay
listens where a node would have its proxy. So webhook configurations stay as Helm writes them.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

from tests.e2e.answers import Answer, answer, create
from tests.e2e.chart.helm import Helm, server_start
from tests.e2e.chart.installed import CONFIGURATIONS, Release
from tests.e2e.drill_images import Images
from tests.e2e.drill_relay import Relay
from tests.e2e.gate import PROGRAM, Gate, dhi_gate
from tests.e2e.objects import pod, pod_spec
from tests.e2e.tools.processes import LOOPBACK, ApiServer, free_port, http_get, running, wait_until

__all__ = ["NAME", "SERVICES", "Ground", "Installation", "expiry", "installed", "metric", "served"]

NAME = "dhi-gate"
SERVICES = "127.200.0.0/24"
"""Addresses of the cluster's Services; all of 127.0.0.0/8 is loopback."""
NUMBERS = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the drills share: a cluster with an ordinary user, a registry behind a relay, and images in it."""

    api: ApiServer
    audit_log: Path
    user: str
    registry: Relay
    images: Images

    def values(self, **more: object) -> Mapping[str, Any]:
        """Return values of an enforcing release."""
        return {
            "image": {"repository": "registry.example/dhi-gate"},
            "mode": "enforce",
            "policy": self.images.policy(),
            "policyFiles": self.images.keys,
            "registry": {"insecure": [self.images.hub]},
            "shutdown": {"drainSeconds": 3},
            **more,
        }


@dataclass(slots=True, kw_only=True)
class Installation:
    """A release, the relay before its servers, and those. `way` leads the servers to the API server."""

    ground: Ground
    helm: Helm
    release: Release
    folder: Path
    service: Relay
    way: Relay
    shop: str
    replicas: dict[str, tuple[Gate, ExitStack]] = field(default_factory=dict)
    started: list[Gate] = field(default_factory=list)

    def upgrade(self, values: Mapping[str, Any], *more: str) -> None:
        """Upgrade the release to these values."""
        self.helm.upgrade(NAME, self.release.namespace, values, *more)

    def sync(self) -> str:
        """Run the catalog's CronJob with the rights of its account; return what it said."""
        job = self.release.get("cronjob", f"{NAME}-sync")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        kubeconfig = self._kubeconfig(job["serviceAccountName"])
        return dhi_gate(*job["containers"][0]["args"], f"--kubeconfig={kubeconfig}").stdout

    def start(self, *wrapper: str, instead: Mapping[str, object] | None = None) -> Gate:
        """Start a server as the Deployment now says, and let the Service know it once it is ready.

        `wrapper` is a command before it; `instead` are further flags whose value is another outside a pod.
        """
        stack = ExitStack()
        gate = stack.enter_context(self._replica(wrapper, instead or {}))
        self.replicas[gate.address] = (gate, stack)
        self.started.append(gate)
        gate.process.wait_until(lambda: ready(gate))
        self.service.backends.append(gate.address)
        return gate

    def retire(self, gate: Gate, *, status: int = 0) -> None:
        """End a server as a pod is ended: the Service forgets it first. It must end with this status."""
        self.service.backends.remove(gate.address)
        gate.process.send(signal.SIGTERM)
        wait_until(lambda: gate.process.status() is not None, "the end of a server")
        _, stack = self.replicas.pop(gate.address)
        stack.close()
        assert gate.process.status() == status

    def roll(self) -> float:
        """Replace all servers one after another, the new one first, as the Deployment does; return when that was."""
        for gate, _ in tuple(self.replicas.values()):
            self.start()
            self.retire(gate)
        return time.monotonic()

    def live(self) -> Sequence[Gate]:
        """Return the servers that run now."""
        return [gate for gate, _ in self.replicas.values()]

    def wait_until_judged(self) -> None:
        """Wait until the API server asks both webhooks, which then have certificates that it believes."""
        image = self.ground.images
        wait_until(lambda: self.ask(image.tagged("api")).allowed, "the webhook that judges")
        wait_until(lambda: self.stored(image.tagged("api")) == image.pinned("api"), "the webhook that pins")
        wait_until(lambda: not self.ask(image.tagged("unsigned")).allowed, "a refusal")

    def ask(self, image: str, *, name: str = "probe", dry_run: bool = True, namespace: str = "") -> Answer:
        """Create a pod as the ordinary user."""
        wanted = pod(name, namespace or self.shop, pod_spec(image))
        return create(self.ground.api, wanted, user=self.ground.user, dry_run=dry_run)

    def stored(self, image: str) -> str:
        """Return what the image of a pod would be stored as."""
        wanted = json.dumps(pod("probe", self.shop, pod_spec(image)))
        shown = ("--dry-run=server", "-o", "jsonpath={.spec.containers[0].image}")
        return self.ground.api.kubectl("create", "-f", "-", *shown, stdin=wanted, user=self.ground.user).stdout

    def change(self, *command: str) -> Answer:
        """Run kubectl in the shop's namespace as the ordinary user."""
        done = self.ground.api.kubectl(*command, f"--namespace={self.shop}", user=self.ground.user, check=False)
        return answer(done)

    def bundles(self) -> set[str]:
        """Return what the entries of both webhook configurations believe in."""
        found = [self.release.get(kind, NAME)["webhooks"] for kind in CONFIGURATIONS]
        return {webhook["clientConfig"].get("caBundle", "") for webhooks in found for webhook in webhooks}

    def steps(self) -> list[str]:
        """Return the steps of rotations that all servers took, in their order."""
        events = [event for gate in self.started for event in gate.events() if event["event"] == "authority-advanced"]
        return [event["step"] for event in sorted(events, key=lambda event: str(event["ts"]))]

    def complaints(self) -> list[Mapping[str, Any]]:
        """Return what servers warned of or failed at, decisions aside."""
        events = [event for gate in self.started for event in gate.events()]
        return [event for event in events if event["level"] in ("error", "warning") and event["event"] != "decision"]

    @contextmanager
    def _replica(self, wrapper: Sequence[str], instead: Mapping[str, object]) -> Iterator[Gate]:
        """Run a server with what differs outside a pod replaced: addresses, the kubeconfig and volumes."""
        start = server_start([self.release.get("deployment", NAME)])
        port, metrics = free_port(), free_port()
        folder = self.folder / f"server-{len(self.started)}"
        folder.mkdir()
        flags = {
            "--port": port,
            "--metrics-port": metrics,
            "--host": LOOPBACK,
            "--metrics-host": LOOPBACK,
            "--trust-cache": folder / "trust-cache",
            "--kubeconfig": self._kubeconfig(start.account.partition("/")[2]),
            **instead,
        }
        kept = [one for one in start.arguments if one.partition("=")[0] not in flags]
        command: list[str | Path] = [*wrapper, PROGRAM, *kept, *(f"{flag}={value}" for flag, value in flags.items())]
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **start.environment}
        log = folder / "server.log"
        with running(command, log=log, environment=environment) as process:
            yield Gate(address=f"{LOOPBACK}:{port}", metrics_address=f"{LOOPBACK}:{metrics}", process=process, log=log)

    def _kubeconfig(self, account: str) -> Path:
        """Write a kubeconfig with a token of a service account, whose servers go their own way to the API server."""
        api, path = self.ground.api, self.folder / f"{account}.json"
        token = api.kubectl("create", "token", account, "-n", self.release.namespace).stdout.strip()
        document = json.loads(api.kubeconfig().read_text(encoding="utf-8"))
        document["users"][0]["user"]["token"] = token
        document["clusters"][0]["cluster"]["server"] = f"https://{self.way.address}"
        path.write_text(json.dumps(document), encoding="utf-8")
        return path


@contextmanager
def installed(ground: Ground, folder: Path, values: Mapping[str, Any]) -> Iterator[Installation]:
    """Install the release, fill its catalog, and remove it at the end; it has no server yet."""
    helm = Helm(api=ground.api, folder=folder)
    release = Release(api=ground.api, name=NAME, namespace=f"gate-{next(NUMBERS)}")
    shop = f"shop-{release.namespace}"
    ground.api.create_namespace(shop)
    helm.install(NAME, release.namespace, values, "--create-namespace")
    address = release.get("service", NAME)["spec"]["clusterIP"]
    with ExitStack() as stack:
        service, way = Relay(host=address, port=443), Relay(ground.api.url.removeprefix("https://"))
        stack.callback(service.close)
        stack.callback(way.close)
        installation = Installation(
            ground=ground, helm=helm, release=release, folder=folder, service=service, way=way, shop=shop
        )
        stack.callback(_end, installation)
        assert "1 new build" in installation.sync()
        yield installation


def _end(installation: Installation) -> None:
    if NAME in installation.helm.run("list", "--short", "--namespace", installation.release.namespace):
        installation.helm.uninstall(NAME, installation.release.namespace)
    for gate in installation.live():
        gate.process.send(signal.SIGTERM)
    for _, stack in installation.replicas.values():
        stack.close()


def ready(gate: Gate) -> bool:
    """Tell whether a pod with this server would be ready."""
    return http_get(f"http://{gate.metrics_address}/readyz")[0] == HTTPStatus.OK


def metric(gate: Gate, sample: str) -> float:
    """Return the value of a sample, written `name{labels}`; 0 if it is not there."""
    lines = (line.rpartition(" ") for line in gate.metrics().splitlines())
    return next((float(value) for name, _, value in lines if name == sample), 0.0)


def expiry(gate: Gate) -> float:
    """Return when the certificate in force expires, in seconds since 1970."""
    return metric(gate, "dhi_gate_tls_certificate_expiry_timestamp_seconds")


def served(gate: Gate) -> str:
    """Return the certificate that a new connection is shown."""
    host, port = gate.address.split(":")
    return ssl.get_server_certificate((host, int(port)))
