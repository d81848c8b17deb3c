"""Policy and catalog from a real API server and real registries, and pull secrets, with the rights that are needed."""

import asyncio
import base64
import json
import ssl
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import yaml

from tests.core.given import build as recorded
from tests.document_sources.artefacts import push_document
from tests.e2e.clients import ClientHome, Cosign, Form
from tests.e2e.gate import Certificates, Gate, dhi_gate, make_certificates, running_gate
from tests.e2e.pushed import push_image
from tests.e2e.tools import processes
from tests.e2e.tools.processes import ApiServer, wait_until
from tests.loopback import served
from webhook.core.bases.document import print_catalog, seal
from webhook.core.document_artifacts import ArtifactKind
from webhook.demo.bases import dhi_base
from webhook.demo.images import push
from webhook.demo.registry import LoopbackRegistry

pytestmark = pytest.mark.e2e

GATE, SHOP = "gate", "shop"
SERVER, POLLER, SYNC, PULLER = "gate-server", "gate-poller", "gate-sync", "gate-puller"
POLICY, CATALOG = f"configmap:{GATE}/policy/policy.yaml", f"configmap:{GATE}/catalog/catalog.json"
USER, PASSWORD = "robot", "wide-open sesame"
NOW = datetime.now(UTC).replace(microsecond=0)
CHANGES = 40
NUMBERS = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A real API server, two registries, one of which asks for a password, and who signs."""

    api: ApiServer
    hub: str
    guarded: str
    home: ClientHome
    cosign: Cosign
    certificates: Certificates

    def policy(self, name: str, **spec: Any) -> str:  # noqa: ANN401 - the fields of a policy
        """Return a policy of this name that trusts the release key."""
        document = {
            "apiVersion": "dhi-gate.dev/v1alpha1",
            "kind": "ImagePolicy",
            "metadata": {"name": name},
            "spec": {
                "authorities": [{"name": "release", "key": {"file": "release.pub"}}],
                "rules": [{"name": "all", "require": {"signatures": {"from": ["release"]}}}],
                **spec,
            },
        }
        return yaml.safe_dump(document)

    def put(self, name: str, **data: str) -> None:
        """Write a ConfigMap of the gate's namespace, as a client does; release.pub lies beside a policy."""
        key = self.cosign.public_key("release").read_text(encoding="utf-8")
        files = {"release.pub": key} if name == "policy" else {}
        metadata = {"name": name, "namespace": GATE}
        self.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {**data, **files}})

    @property
    def flags(self) -> Sequence[str | Path]:
        """The flags by which both registries are reached, without any password."""
        return [
            f"--insecure-registry={self.hub}",
            f"--insecure-registry={self.guarded}",
            f"--registry-config={self.home.folder / 'nobody.json'}",
        ]

    @contextmanager
    def gate(
        self, folder: Path, *flags: str | Path, user: str = SERVER, policy: str | Path = POLICY, catalog: str = ""
    ) -> Iterator[Gate]:
        """Run a gate as a user of the cluster."""
        kubeconfig = f"--kubeconfig={self.api.kubeconfig(user)}"
        with running_gate(
            folder,
            policy=policy,
            catalog=catalog or CATALOG,
            certificates=self.certificates,
            flags=[kubeconfig, *self.flags, *flags],
        ) as gate:
            yield gate

    def ask(self, gate: Gate, image: str, **spec: object) -> tuple[bool, str]:
        """Send the review of a pod; return whether it is allowed, and the message."""
        pod = {"containers": [{"name": "app", "image": image}], **spec}
        request = {
            "uid": f"review-{next(NUMBERS)}",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": SHOP,
            "name": "app",
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": pod},
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        wanted = urllib.request.Request(  # noqa: S310 - ours
            gate.url, data=json.dumps(review).encode(), headers={"Content-Type": "application/json"}
        )
        trusted = ssl.create_default_context(cafile=str(self.certificates.ca))
        with urllib.request.urlopen(wanted, timeout=15, context=trusted) as answer:  # noqa: S310 - ours
            response = json.loads(answer.read())["response"]
        return response["allowed"], response.get("status", {}).get("message", "")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run everything, with users that have exactly the rights that their part of the gate needs."""
    folder = tmp_path_factory.mktemp("sources")
    certificates = make_certificates(folder / "certificates")
    users: Mapping[str, Sequence[str]] = {name: [] for name in (SERVER, POLLER, SYNC, PULLER)}
    with (
        processes.etcd(folder) as etcd_url,
        processes.kube_apiserver(folder, etcd_url=etcd_url, users=users, service_accounts=False) as api,
        processes.oci_registry(folder) as hub,
        processes.debian_registry(
            folder, htpasswd={USER: PASSWORD}, tls=(certificates.certificate, certificates.key)
        ) as guarded,
    ):
        api.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in (GATE, SHOP)))
        documents = ("--resource=configmaps", "--resource-name=policy", "--resource-name=catalog")
        _grant(api, SERVER, GATE, "--verb=get,list,watch", *documents)
        _grant(api, POLLER, GATE, "--verb=get", *documents)
        _grant(api, SYNC, GATE, "--verb=get,update", *documents)
        _grant(api, PULLER, GATE, "--verb=get,list,watch", *documents)
        _grant(api, PULLER, SHOP, "--verb=get", "--resource=secrets,serviceaccounts", role="puller")
        home = ClientHome.furnish(folder, ca_file=certificates.ca, passwords={guarded: (USER, PASSWORD)})
        (folder / "nobody.json").write_text("{}", encoding="utf-8")
        yield World(api=api, hub=hub, guarded=guarded, home=home, cosign=Cosign(home), certificates=certificates)


def _grant(api: ApiServer, user: str, namespace: str, *rights: str, role: str = "") -> None:
    name = role or user
    api.kubectl("create", "role", name, f"--namespace={namespace}", *rights)
    api.kubectl("create", "rolebinding", name, f"--namespace={namespace}", f"--role={name}", f"--user={user}")


def _in_force(gate: Gate, name: str) -> bool:
    return f'name="{name}"' in gate.metrics()


def _seconds_until(condition: Callable[[], bool]) -> float:
    """Return how long it took until something holds, looked at a hundred times a second."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < 30
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_change_is_in_force_within_seconds(world: World, tmp_path: Path) -> None:
    """Forty changes of the policy, each by a client: the slowest is in force long before three seconds are over."""
    world.put("policy", **{"policy.yaml": world.policy("first")})
    with world.gate(tmp_path) as gate:
        assert _in_force(gate, "first")
        delays = []
        for number in range(CHANGES):
            world.put("policy", **{"policy.yaml": world.policy(f"change-{number}")})
            delays.append(_seconds_until(lambda: _in_force(gate, f"change-{number}")))  # noqa: B023 - called at once
    delays.sort()
    print(f"\nchanges in force: median {statistics.median(delays):.3f} s, slowest {delays[-1]:.3f} s")  # noqa: T201
    assert delays[-1] < 3.0


def test_without_the_right_to_watch_it_is_read(world: World, tmp_path: Path) -> None:
    """With `get` alone a change takes no longer than two looks."""
    world.put("policy", **{"policy.yaml": world.policy("read-first")})
    with world.gate(tmp_path, user=POLLER) as gate:
        for name in ("read-second", "read-third"):
            world.put("policy", **{"policy.yaml": world.policy(name)})
            assert _seconds_until(lambda: _in_force(gate, name)) < 5.0  # noqa: B023 - called at once


def test_what_is_broken_or_gone_changes_nothing(world: World, tmp_path: Path) -> None:
    """A policy that does not parse, a key and an object that are gone are told; the last good policy decides."""
    world.put("policy", **{"policy.yaml": world.policy("good")})
    with world.gate(tmp_path) as gate:
        for change, said in (
            (lambda: world.put("policy", **{"policy.yaml": "kind: ["}), "the latest version is refused"),
            (lambda: world.put("policy", other="x"), "has no key `policy.yaml`"),
            (
                lambda: world.api.kubectl("delete", "configmap", "policy", f"--namespace={GATE}"),
                f"there is no ConfigMap {GATE}/policy",
            ),
        ):
            change()
            wait_until(lambda: said in gate.readiness(), said)  # noqa: B023 - called at once
            assert _in_force(gate, "good")
            assert not world.ask(gate, f"{world.hub}/none@sha256:{'0' * 64}")[0]
        world.put("policy", **{"policy.yaml": world.policy("mended")})
        wait_until(lambda: _in_force(gate, "mended"), "the mended policy")


class Road:
    """The way to the API server, which a test can close: open connections break, new ones are refused."""

    def __init__(self, url: str, port: int) -> None:
        host, _, target = url.removeprefix("https://").partition(":")
        self._target = host, int(target)
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Open the road."""
        self._server = await asyncio.start_server(self._travel, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _travel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, far_writer}
        await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer), return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_an_outage_of_the_api_server_is_survived(world: World, tmp_path: Path) -> None:
    """Meanwhile the last good policy decides and readiness tells; what changed meanwhile is in force soon after."""
    world.put("policy", **{"policy.yaml": world.policy("before")})
    port = processes.free_port()

    def road() -> AbstractAsyncContextManager[Road]:
        return Road(world.api.url, port)

    detour = f"--server=https://127.0.0.1:{port}"
    with served(road()):
        opened = world.gate(tmp_path, detour)
        gate = opened.__enter__()
        assert _in_force(gate, "before")
    try:
        wait_until(lambda: "it cannot be looked at: the API server could not be reached" in gate.readiness(), "outage")
        world.put("policy", **{"policy.yaml": world.policy("meanwhile")})
        assert not world.ask(gate, f"{world.hub}/none@sha256:{'0' * 64}")[0]
        assert _in_force(gate, "before")
        with served(road()):
            assert _seconds_until(lambda: _in_force(gate, "meanwhile")) < 5.0
            assert "cannot be looked at" not in gate.readiness().partition("catalog")[0]
    finally:
        opened.__exit__(None, None, None)


def _push(world: World, target: str, kind: ArtifactKind, data: bytes, *, tag: str, packed: bool = False) -> str:
    """Push a document by a real client, and return its pinned name."""

    async def copy() -> str:
        async with LoopbackRegistry() as source:
            digest = push_document(source.store, "source/document", kind, data, packed=packed)
            names = f"{source.host}/source/document@{digest}", f"{target}:{tag}"
            await asyncio.to_thread(world.home.run, "crane", "copy", *names)
            return f"{target}@{digest}"

    return asyncio.run(copy())


def _catalog(*, hours: int) -> bytes:
    return print_catalog(seal(policy="p", synced_at=NOW + timedelta(hours=hours), builds=(recorded(),)))


def test_documents_come_from_a_registry(world: World, tmp_path: Path) -> None:
    """A policy by its digest, and a catalog behind a tag: signed by cosign it counts, unsigned or turned back not."""
    key = world.cosign.public_key("release").read_text(encoding="utf-8")
    policy = world.policy("remote", authorities=[{"name": "release", "key": {"data": key}}])
    pinned = _push(world, f"{world.hub}/gate/policy", ArtifactKind.POLICY, policy.encode(), tag="1", packed=True)
    target = f"{world.hub}/gate/catalog"
    _push(world, target, ArtifactKind.CATALOG, _catalog(hours=-2), tag="latest")
    flags = ("--catalog-authority=release", "--catalog-refresh=1s")
    with world.gate(tmp_path, *flags, policy=f"oci:{pinned}", catalog=f"oci:{target}:latest") as gate:
        assert _in_force(gate, "remote")
        assert "it is not signed by release" in gate.readiness()
        steps: tuple[tuple[Form, int], ...] = (("classic", -2), ("bundle", -1))
        for form, hours in steps:
            signed = _push(world, target, ArtifactKind.CATALOG, _catalog(hours=hours), tag="latest", packed=True)
            world.cosign.sign(signed, key="release", form=form)
            wait_until(lambda: _catalog_age(gate) // 3600 == -hours, form)  # noqa: B023 - called at once
        old = _push(world, target, ArtifactKind.CATALOG, _catalog(hours=-2), tag="latest", packed=True)
        assert "@sha256:" in old
        wait_until(lambda: "before the one in force" in gate.readiness(), "the older one is refused")
        assert _catalog_age(gate) // 3600 == 1
        image = push_image(world.home, f"{world.hub}/shop/api", "api")
        assert world.ask(gate, image)[0] is False
        world.cosign.sign(image, key="release", form="bundle")
        wait_until(lambda: world.ask(gate, image)[0], "the signed image")


def _catalog_age(gate: Gate) -> float:
    lines = (line for line in gate.metrics().splitlines() if line.startswith("dhi_gate_catalog_age_seconds "))
    return float(next(lines, "x 0").split()[1])


def test_sync_keeps_the_catalog_in_the_cluster(world: World, tmp_path: Path) -> None:
    """With `get` and `update` alone the catalog is written, and a gate has it in force at once."""

    async def publish() -> str:
        async with LoopbackRegistry() as source:
            digest = push(source.store, "dhi/python", dhi_base(created=NOW - timedelta(days=2)))
            target = f"{world.hub}/dhi/python:3.13"
            await asyncio.to_thread(world.home.run, "crane", "copy", f"{source.host}/dhi/python@{digest}", target)
            return f"{world.hub}/dhi/python@{digest}"

    world.cosign.sign(asyncio.run(publish()), key="release", form="bundle")
    base = {
        "repository": "dhi.io/python",
        "tags": ["3.13"],
        "signedBy": ["release"],
        "mirrors": [f"{world.hub}/dhi/python"],
    }
    world.put("policy", **{"policy.yaml": world.policy("with-a-base", bases=[base])})
    world.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "catalog", "namespace": GATE}})
    with world.gate(tmp_path) as gate:
        assert "has no key `catalog.json`" in gate.readiness()
        command = ("catalog", "sync", f"--policy={POLICY}", f"--catalog={CATALOG}", *world.flags)
        done = dhi_gate(*command, f"--kubeconfig={world.api.kubeconfig(SYNC)}")
        assert "1 new build" in done.stdout
        wait_until(lambda: _catalog_age(gate) > 0, "the catalog")
        denied = dhi_gate(*command, f"--kubeconfig={world.api.kubeconfig(SERVER)}", status=2)
        assert "the API server does not allow it" in denied.stderr


def test_pull_secrets_are_used_where_they_may_be_read(world: World, tmp_path: Path) -> None:
    """A private image is judged by the pod's secret, or its account's; without secret or right it is unverifiable."""
    image = push_image(world.home, f"{world.guarded}/private/api", "private")
    world.cosign.sign(image, key="release", form="bundle")
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = base64.b64encode(json.dumps({"auths": {world.guarded: {"auth": login}}}).encode()).decode()
    secret = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": config}}
    world.api.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "regcred", "namespace": SHOP}, **secret},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "puller", "namespace": SHOP},
            "imagePullSecrets": [{"name": "regcred"}],
        },
    )
    world.put("policy", **{"policy.yaml": world.policy("private", registries=[{"host": world.guarded}])})
    named, accounted = {"imagePullSecrets": [{"name": "regcred"}]}, {"serviceAccountName": "puller"}
    flags = ("--pull-secrets", "--pull-secrets-without-client-ca")
    with world.gate(tmp_path, *flags, user=PULLER) as gate:
        assert world.ask(gate, image, **named) == (True, "")
        assert world.ask(gate, image, **accounted) == (True, "")
        assert "unverifiable" in _refusal(world, gate, image, imagePullSecrets=[{"name": "missing"}])
        assert "unverifiable" in _refusal(world, gate, image)
        notes = [event["notes"] for event in gate.events() if event["event"] == "decision"]
        assert notes == [[], [], ["pull secret `missing` does not exist"], []]
        assert PASSWORD not in gate.log.read_text(encoding="utf-8")
        assert login not in gate.log.read_text(encoding="utf-8")
    (tmp_path / "forbidden").mkdir()
    with world.gate(tmp_path / "forbidden", *flags) as gate:
        assert "unverifiable" in _refusal(world, gate, image, **named)
        [note] = next(event["notes"] for event in gate.events() if event["event"] == "decision")
        assert note == "pull secret `regcred` is not used: the API server does not allow it"
    (tmp_path / "without").mkdir()
    with world.gate(tmp_path / "without", user=PULLER) as gate:
        assert "unverifiable" in _refusal(world, gate, image, **named)


def _refusal(world: World, gate: Gate, image: str, **spec: object) -> str:
    """Return the reason codes of the refusal of a pod."""
    allowed, _ = world.ask(gate, image, **spec)
    assert not allowed
    return " ".join([event for event in gate.events() if event["event"] == "decision"][-1]["codes"])
