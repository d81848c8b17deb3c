"""Replicas that keep their own certificates, before a real API server, by the rights of a real service account.

Pods are created all the time while leaves, authorities and replicas come and go. A balancer on loopback stands in for
the Service, and loses a replica, as a Service does, before that replica ends.
"""

import base64
import http.client
import json
import os
import signal
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.e2e.drill_relay import Relay
from tests.e2e.gate import PROGRAM, Gate
from tests.e2e.tools.processes import LOOPBACK, ApiServer, running, wait_until

pytestmark = pytest.mark.e2e

NAMESPACE = "dhi-gate"
ACCOUNT = "dhi-gate"
POLICY = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: certificates
spec:
  rules:
    - name: everything
      exempt: {reason: "only certificates are tried here"}
"""
CONFIGURATIONS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
ENOUGH = 20
"""Answers that say that a state of things has lasted."""


@dataclass(slots=True, kw_only=True)
class Installation:
    """The gate as it is installed under one name: its configurations, its account, and its replicas."""

    api: ApiServer
    name: str
    folder: Path
    flags: Sequence[str]
    balancer: Relay
    stack: ExitStack
    gates: list[Gate] = field(default_factory=list)

    @property
    def secret(self) -> str:
        """The name of the Secret and of the Lease."""
        return f"{self.name}-ca"

    def start(self, *, serves: bool = True) -> Gate:
        """Start a replica, wait until it is ready, and let the balancer know it if it `serves`."""
        folder = self.folder / f"replica-{len(self.gates)}"
        folder.mkdir()
        gate = self.stack.enter_context(_replica(folder, self))
        self.gates.append(gate)
        wait_until(lambda: "[+]certificate ok" in gate.readiness(), f"the certificate of {folder.name}")
        if serves:
            self.balancer.backends.append(gate.address)
        return gate

    def configure(self) -> None:
        """Apply both configurations, without a bundle, as a chart does, and wait until pods are judged."""
        self.api.apply(*(_configuration(kind, self) for kind in ("Validating", "Mutating")))
        wait_until(lambda: all(self.bundles()), "the bundles")
        with closing(_connection(self.api)) as connection:
            wait_until(lambda: _create(connection, self) == "", "the first pod")

    def bundles(self) -> list[bytes]:
        """Return the bundle of every webhook."""
        found = [json.loads(self.api.get(f"{WEBHOOKS}/{kind}/{self.name}")[1]) for kind in CONFIGURATIONS]
        webhooks = [webhook["clientConfig"] for each in found for webhook in each["webhooks"]]
        return [base64.b64decode(client.get("caBundle", "")) for client in webhooks]

    def steps(self) -> list[str]:
        """Return the steps that all replicas took, in their order."""
        events = [event for gate in self.gates for event in gate.events() if event["event"] == "authority-advanced"]
        return [event["step"] for event in sorted(events, key=lambda event: str(event["ts"]))]

    def failures(self) -> list[Any]:
        """Return what replicas said about what they could not do."""
        events = [event for gate in self.gates for event in gate.events()]
        return [event for event in events if event["level"] in ("error", "warning")]

    def holder(self) -> str:
        """Return who holds the Lease."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{self.secret}"
        holder: str = json.loads(self.api.get(path)[1])["spec"]["holderIdentity"]
        return holder


WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"


def _configuration(kind: str, installation: Installation) -> dict[str, Any]:
    """Return a configuration of one webhook: the API server asks it about pods, and never lets one through unasked."""
    webhook = {
        "name": f"{kind.lower()}.{installation.name}.dhi-gate.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 5,
        "clientConfig": {"url": f"https://{installation.balancer.address}/validate"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": installation.name}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    if kind == "Mutating":
        webhook["objectSelector"] = {"matchLabels": {"never": "there"}}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": installation.name},
        "webhooks": [webhook],
    }


@contextmanager
def _replica(folder: Path, installation: Installation) -> Iterator[Gate]:
    """Run a replica on free ports until the end of the block."""
    log = folder / "gate.log"
    command = [
        str(PROGRAM),
        "serve",
        f"--policy={installation.folder / 'policy.yaml'}",
        f"--tls-self-managed={NAMESPACE}/{installation.secret}",
        f"--tls-service={NAMESPACE}/{installation.name}",
        f"--tls-webhooks={installation.name}",
        f"--tls-extra-name={LOOPBACK}",
        f"--kubeconfig={installation.folder / 'kubeconfig'}",
        *(f"--{which}={LOOPBACK}" for which in ("host", "metrics-host")),
        *("--port=0", "--metrics-port=0", "--drain-seconds=3"),
        *installation.flags,
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    with running(command, log=log, environment=environment) as process:

        def started() -> Gate | None:
            lines = log.read_text(encoding="utf-8").splitlines()
            events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
            serving = next((event for event in events if event["event"] == "serving"), None)
            return serving and Gate(
                address=serving["admission"], metrics_address=serving["metrics"], process=process, log=log
            )

        yield process.wait_until(started)


@contextmanager
def _installed(api: ApiServer, folder: Path, name: str, *flags: str) -> Iterator[Installation]:
    """Make account, rights and namespaces; the installation has no replica yet."""
    api.create_namespace(NAMESPACE)
    api.create_namespace(name)
    api.apply(*_account(name))
    token = api.kubectl("create", "token", ACCOUNT, f"--namespace={NAMESPACE}").stdout
    context = {"cluster": "c", "user": "u", "namespace": NAMESPACE}
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": {"server": api.url, "certificate-authority": str(api.ca_file)}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": context}],
        "current-context": "x",
    }
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig), encoding="utf-8")
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    balancer = Relay()
    with ExitStack() as stack:
        stack.callback(balancer.close)
        yield Installation(api=api, name=name, folder=folder, flags=flags, balancer=balancer, stack=stack)
    for kind in CONFIGURATIONS:
        api.kubectl("delete", kind, name, "--ignore-not-found")


def _account(name: str) -> list[dict[str, Any]]:
    """Return the service account and the least that it needs; a name cannot be asked for at a creation."""
    own = [f"{name}-ca"]
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": own, "verbs": ["get", "update"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": own,
            "verbs": ["get", "update"],
        },
    ]
    webhooks = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": list(CONFIGURATIONS),
        "resourceNames": [name],
        "verbs": ["get", "update"],
    }
    rbac, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}]
    placed = {"name": name, "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}},
        {"apiVersion": rbac, "kind": "Role", "metadata": placed, "rules": rules},
        {"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [webhooks]},
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": placed,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": subjects,
        },
        {
            "apiVersion": rbac,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": subjects,
        },
    ]


def _connection(api: ApiServer) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=api.ca_file)
    return http.client.HTTPSConnection(api.url.removeprefix("https://"), context=context, timeout=30)


def _create(connection: http.client.HTTPSConnection, installation: Installation) -> str:
    """Ask for a pod to be created, which then is not; return why not, empty if it would be."""
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "a", "image": "registry.example/a:1"}]},
    }
    headers = {
        "Authorization": f"Bearer {next(iter(installation.api.tokens.values()))}",
        "Content-Type": "application/json",
    }
    path = f"/api/v1/namespaces/{installation.name}/pods?dryRun=All"
    connection.request("POST", path, body=json.dumps(body), headers=headers)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    return "" if answer.status == http.client.CREATED else str(document.get("message"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One pod that was asked for: when, on the monotonic clock, and why it was refused, empty if it was not."""

    at: float
    refusal: str


@contextmanager
def _stream(installation: Installation) -> Iterator[list[Asked]]:
    """Ask for pods without a pause until the end of the block; yield what was answered so far."""
    answers: list[Asked] = []
    stopping = Event()

    def ask() -> None:
        with closing(_connection(installation.api)) as connection:
            while not stopping.is_set():
                at = time.monotonic()
                answers.append(Asked(at=at, refusal=_create(connection, installation)))

    thread = Thread(target=ask)
    thread.start()
    try:
        yield answers
        wait_until(lambda: _more(answers), "answers after everything")
    finally:
        stopping.set()
        thread.join()


def _more(answers: list[Asked]) -> bool:
    """Wait for some more answers than there are now."""
    before = len(answers)
    wait_until(lambda: len(answers) >= before + ENOUGH, "more answers")
    return True


def _served(gate: Gate) -> str:
    """Return the certificate that a new connection is shown."""
    host, port = gate.address.split(":")
    return ssl.get_server_certificate((host, int(port)))


def test_leaves_and_authorities_change_and_replicas_restart_unnoticed(api: ApiServer, tmp_path: Path) -> None:
    """Through several leaves, a whole rotation by age and a rolling restart, every pod is admitted."""
    lifetimes = ("--tls-ca-lifetime=75s", "--tls-leaf-lifetime=12s", "--tls-overlap=5s")
    with _installed(api, tmp_path, "rotated", *lifetimes) as installation:
        first, _second = installation.start(), installation.start()
        installation.configure()
        founded = installation.bundles()
        with _stream(installation) as answers:
            leaf = _served(first)
            wait_until(lambda: _served(first) != leaf, "another leaf")
            installation.balancer.backends.remove(first.address)
            first.process.send(signal.SIGTERM)
            wait_until(lambda: first.process.status() is not None, "the end of the first")
            installation.start()
            wait_until(lambda: "dropped" in installation.steps(), "the end of the rotation", timeout_s=120)

        assert installation.steps()[:6] == ["founded", "prepared", "believed", "switched", "replaced", "dropped"]
        assert [each.refusal for each in answers if each.refusal] == []
        assert not set(installation.bundles()) & set(founded)
        assert first.process.status() == 0
        assert installation.failures() == []
        assert len(answers) > 500


def test_a_crash_a_lost_secret_and_a_wiped_bundle(api: ApiServer, tmp_path: Path) -> None:
    """Who holds the Lease dies in the middle of a rotation and others end it; a wiped bundle is back in seconds."""
    lifetimes = ("--tls-ca-lifetime=10m", "--tls-leaf-lifetime=12s", "--tls-overlap=5s")
    with _installed(api, tmp_path, "crashed", *lifetimes) as installation:
        leader = installation.start(serves=False)
        for _ in range(2):
            installation.start()
        installation.configure()
        holder = installation.holder()
        with _stream(installation) as answers:
            api.kubectl("delete", "secret", installation.secret, f"--namespace={NAMESPACE}")
            wait_until(lambda: "prepared" in installation.steps(), "another authority")
            leader.process.send(signal.SIGKILL)
            wait_until(lambda: "dropped" in installation.steps(), "the end of the rotation", timeout_s=90)
            assert installation.holder() not in ("", holder)

            before = installation.bundles()
            wiped_at = time.monotonic()
            wipe = '[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]'
            api.kubectl("patch", CONFIGURATIONS[0], installation.name, "--type=json", f"--patch={wipe}")
            wait_until(lambda: installation.bundles() == before, "the bundle")
            restored_at = time.monotonic()

        assert installation.steps() == ["founded", "prepared", "believed", "switched", "replaced", "dropped"]
        refused = [each for each in answers if each.refusal]
        assert all(wiped_at <= each.at <= restored_at + 1 for each in refused), refused
        assert all("certificate signed by unknown authority" in each.refusal for each in refused)
        assert restored_at - wiped_at < 5
        assert len(answers) > 500


def test_missing_rights_are_named(api: ApiServer, tmp_path: Path) -> None:
    """A replica that may not read its Secret is not ready, and says in the API server's words what is missing."""
    with _installed(api, tmp_path, "powerless") as installation:
        api.kubectl("delete", "role", "powerless", f"--namespace={NAMESPACE}")
        (tmp_path / "replica").mkdir()
        with _replica(tmp_path / "replica", installation) as gate:
            wanted = 'cannot get resource "secrets" in API group "" in the namespace "dhi-gate"'
            wait_until(lambda: wanted in gate.readiness(), "the reason")
            assert "[-]certificate failed: none yet: " in gate.readiness()
