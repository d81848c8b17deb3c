"""The installed gate under everything that happens to it, and under what should not.

Real Helm, a real API server that asks the chart's Service, two servers by the chart's words and with its rights, and
an ordinary user who creates pods. Each drill says what is expected of a cluster meanwhile.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.e2e.chart.test_lifecycle import KINDS
from tests.e2e.clients import ClientHome
from tests.e2e.conftest import AUDIT_POLICY
from tests.e2e.drill_images import UNSIGNED, Images
from tests.e2e.drill_installation import NAME, SERVICES, Ground, Installation, expiry, installed, metric, ready, served
from tests.e2e.drill_relay import Relay
from tests.e2e.drill_stream import stream
from tests.e2e.objects import pod, pod_spec
from tests.e2e.tools import processes
from tests.e2e.tools.processes import ProcessFailedError, wait_until

pytestmark = pytest.mark.e2e

USER = "developer"
CALL_FAILED = 'failed calling webhook "pods.dhi-gate.dev"'
PLACED = (
    "configmap,secret,serviceaccount,service,deployment,cronjob,job,pod,lease,role,rolebinding,poddisruptionbudget,"
    "networkpolicy"
)
"""The kinds that a release has in its namespace."""
TAGGED = ["unpinned", "unverifiable"]
"""Of a tag that nobody can resolve: it was not pinned either."""
WEBHOOKS = f"validatingwebhookconfiguration/{NAME}"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Run the cluster and the registry, and fill that."""
    folder = tmp_path_factory.mktemp("drills")
    (folder / "audit-policy.yaml").write_text(AUDIT_POLICY, encoding="utf-8")
    (folder / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    log = folder / "audit.log"
    flags = (
        f"--service-cluster-ip-range={SERVICES}",
        f"--audit-policy-file={folder / 'audit-policy.yaml'}",
        f"--audit-log-path={log}",
        "--audit-log-mode=blocking-strict",
    )
    with (
        processes.cluster(folder, users={USER: ["developers"]}, api_server_flags=flags) as api,
        processes.oci_registry(folder) as address,
    ):
        api.kubectl("create", "clusterrole", "pods", "--verb=*", "--resource=pods,pods/ephemeralcontainers")
        api.kubectl("create", "clusterrolebinding", "pods", "--clusterrole=pods", "--group=developers")
        registry = Relay(address)
        home = ClientHome.furnish(folder, ca_file=folder / "ca.crt", passwords={})
        images = Images.publish(home, registry.address)
        yield Ground(api=api, audit_log=log, user=USER, registry=registry, images=images)
        registry.close()


@pytest.fixture
def gate(ground: Ground, tmp_path: Path) -> Iterator[Installation]:
    """Install an enforcing release with two servers."""
    with installed(ground, tmp_path, ground.values()) as installation:
        installation.start()
        installation.start()
        installation.wait_until_judged()
        yield installation


def test_a_release_lives_unnoticed(ground: Ground, tmp_path: Path) -> None:
    """From warn to enforce, through upgrades, rotations, restarts and removal: no good pod fails, no bad one gets in.

    Every good pod is also pinned, by a webhook whose failures are ignored: so no call of any webhook failed.
    """
    lifetimes = ["--tls-ca-lifetime=75s", "--tls-leaf-lifetime=12s", "--tls-overlap=5s"]
    warning, enforcing = (ground.values(mode=mode, extraArgs=lifetimes) for mode in ("warn", "enforce"))
    good, bad = (ground.images.tagged(name) for name in ("api", UNSIGNED))
    with installed(ground, tmp_path, warning) as gate:
        first, second = gate.start(), gate.start()
        wait_until(lambda: gate.stored(good) == ground.images.pinned("api"), "the webhook that pins")
        wait_until(lambda: gate.ask(bad).warnings, "the webhook that judges")
        founded = gate.bundles()
        with stream(ground.api, gate.shop, good, bad, user=USER) as asked:
            begin_of_upgrade = asked.go_on()
            gate.upgrade(enforcing)
            in_force = gate.roll()
            assert gate.release.pods_fail() == "Fail"
            asked.go_on()

            gate.upgrade({**enforcing, "webhook": {"timeoutSeconds": 7}, "replicas": 3})
            asked.go_on()
            gate.helm.rollback(NAME, gate.release.namespace, 2)
            asked.go_on()
            gate.roll()

            leaves = [served(each) for each in gate.live()]
            wait_until(lambda: not set(leaves) & {served(each) for each in gate.live()}, "other leaves")
            wait_until(lambda: "dropped" in gate.steps(), "the end of the rotation", timeout_s=120)
            gate.roll()
            begin_of_end = asked.go_on()
            complaints = gate.complaints()
            bundles = gate.bundles()

            gate.helm.uninstall(NAME, gate.release.namespace)
            asked.go_on()
            for each in gate.live():
                gate.retire(each)

        warned = asked.about(bad, until=begin_of_upgrade)
        enforced = asked.about(bad, since=in_force, until=begin_of_end)
        admitted = asked.about(good)
        pinned = asked.about(good, until=begin_of_end)
        print(  # noqa: T201 - what was proven, for whoever reads the run
            f"\ngood pods: {len(admitted)}, {len(pinned)} of them pinned; bad pods: {len(asked.about(bad))}, "
            f"{len(warned)} with a warning before, {len(enforced)} refused under enforce"
        )
        assert [each.refusal for each in admitted if each.refusal] == []
        assert {each.stored for each in pinned} == {ground.images.pinned("api")}
        assert {(each.refusal, "unsigned" in each.warning) for each in warned} == {("", True)}
        assert [each for each in enforced if "error[unsigned]" not in each.refusal] == []
        assert gate.steps()[:6] == ["founded", "prepared", "believed", "switched", "replaced", "dropped"]
        assert len(bundles) == 1
        assert bundles != founded
        assert first.process.status() == second.process.status() == 0
        assert complaints == []
        assert min(len(pinned), len(enforced)) > 500
        _assert_nothing_is_left(gate)


def _assert_nothing_is_left(gate: Installation) -> None:
    """Assert that an unsigned image runs again, and that nothing of the release is there any more."""
    api, namespace = gate.ground.api, gate.release.namespace
    bad = pod("bad", gate.shop, pod_spec(gate.ground.images.tagged(UNSIGNED)))
    applied = api.kubectl("apply", "-f", "-", stdin=json.dumps(bad), user=USER)
    assert applied.stdout == "pod/bad created\n"
    ours = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
    wait_until(lambda: set(api.kubectl("get", PLACED, "-n", namespace, "-o", "name").stdout.split()) <= ours, "the end")
    assert NAME not in api.kubectl("get", KINDS, "-A", "-o", "name").stdout


def test_both_servers_are_down(gate: Installation) -> None:
    """New pods and images wait, with a reason; what changes no image passes, the system works, and a server ends it."""
    api, images = gate.ground.api, gate.ground.images
    assert gate.ask(images.tagged("api"), name="old", dry_run=False).allowed
    for each in gate.live():
        gate.retire(each)
    gate.service.cut()

    refused = wait_until(
        lambda: found if "refused" in (found := gate.ask(images.tagged("api"))).message else None, "it"
    )
    assert CALL_FAILED in refused.message
    assert "connection refused" in refused.message
    exchanged = gate.change("set", "image", "pod/old", f"api={images.tagged('web')}")
    assert CALL_FAILED in exchanged.message
    for command in (("label", "pod/old", "team=shop"), ("annotate", "pod/old", "shop.example/ticket=112")):
        assert gate.change(*command).allowed
    for namespace in ("kube-system", gate.release.namespace):
        api.wait_for_service_account(namespace)
        assert gate.ask(images.tagged(UNSIGNED), namespace=namespace).allowed
    assert gate.change("delete", "pod/old", "--wait=false").allowed

    gate.service.restore()
    gate.start()
    assert gate.stored(images.tagged("api")) == images.pinned("api")
    assert gate.ask(images.tagged(UNSIGNED)).codes == ("unsigned",)


def test_the_registry_is_down(gate: Installation) -> None:
    """What the gate knows passes from memory, what it does not is unverifiable and refused, and it stays ready."""
    images, registry = gate.ground.images, gate.ground.registry
    for _ in gate.live():
        assert gate.ask(images.pinned("api")).allowed
    registry.cut()
    try:
        for _ in gate.live():
            assert gate.ask(images.pinned("api")).allowed
        for unknown, codes in ((images.pinned("worker"), ["unverifiable"]), (images.tagged("worker"), TAGGED)):
            refused = gate.ask(unknown)
            assert sorted({*refused.codes}) == codes
            assert "could not be checked; this does not say that it is bad" in refused.message
            assert "cause:    the registry could not be reached" in refused.message
        assert all(ready(each) for each in gate.live())
    finally:
        registry.restore()
    wait_until(lambda: gate.ask(images.tagged("worker")).allowed, "the registry")


def test_the_servers_cannot_reach_the_api_server(gate: Installation) -> None:
    """They go on with the last policy, catalog and certificate and stay ready; a change is in force soon after."""
    images = gate.ground.images
    certificates = [served(each) for each in gate.live()]
    gate.way.cut()
    for each in gate.live():
        wait_until(lambda: "the API server could not be reached" in each.readiness(), "the outage")  # noqa: B023
    exempt = {"name": "meanwhile", "images": [images.repository(UNSIGNED)], "exempt": {"reason": "a drill"}}
    _write_policy(gate, exempt)

    assert gate.stored(images.tagged("web")) == images.pinned("web")
    assert gate.ask(images.tagged(UNSIGNED)).codes == ("unsigned",)
    for each in gate.live():
        assert ready(each)
        unreachable = 'dhi_gate_tls_keeping_failures_total{reason="unreachable"}'
        wait_until(lambda: metric(each, unreachable) > 0, "the metric")  # noqa: B023
    assert [served(each) for each in gate.live()] == certificates

    gate.way.restore()
    wait_until(lambda: gate.ask(images.tagged(UNSIGNED)).allowed, "the policy", timeout_s=10)


def test_the_disk_is_full(ground: Ground, tmp_path: Path) -> None:
    """With a read-only root and a full /tmp, its log among it, a server decides, renews and reloads; another starts."""
    images, full = ground.images, tmp_path / "full"
    full.mkdir()
    values = ground.values(extraArgs=["--tls-leaf-lifetime=12s", "--tls-overlap=5s"])
    narrow = ("unshare", "--mount", "sh", "-c", FULL_DISK, "sh", str(full))
    with installed(ground, tmp_path, values) as gate:
        flags = {"--trust-cache": full / "trust-cache"}
        server = gate.start(*narrow, "8k", instead=flags)
        gate.wait_until_judged()

        def lost() -> bool:
            return not gate.ask(images.tagged("api")).allowed or metric(server, LOST) > 0

        wait_until(lost, "a full disk")
        leaf = served(server)
        wait_until(lambda: served(server) != leaf, "another leaf")
        _assert_it_decides(gate)
        gate.retire(server, status=UNWRITTEN)

        gate.start(*narrow, "0", instead=flags)
        _assert_it_decides(gate)


UNWRITTEN = 120
"""How Python ends where the last words to standard output could not be written; the gate itself ended well."""
LOST = "dhi_gate_decision_log_failures_total"
# Its argument is how much is left: everything else is read-only, for this process and its children.
FULL_DISK = """
mount -t tmpfs -o size=64k tmpfs "$1" && mount -o remount,bind,ro / && export TMPDIR="$1"
head -c 1M /dev/zero >"$1/ballast" 2>/dev/null; truncate -s -"$2" "$1/ballast"; shift 2
exec "$@" >"$TMPDIR/server.log"
"""


def _assert_it_decides(gate: Installation) -> None:
    images = gate.ground.images
    assert gate.stored(images.tagged("web")) == images.pinned("web")
    assert gate.ask(images.tagged(UNSIGNED)).codes == ("unsigned",)
    _write_policy(gate, {"name": "drill", "images": [images.repository(UNSIGNED)], "exempt": {"reason": "a drill"}})
    wait_until(lambda: gate.ask(images.tagged(UNSIGNED)).allowed, "the changed policy", timeout_s=10)
    _write_policy(gate)
    wait_until(lambda: not gate.ask(images.tagged(UNSIGNED)).allowed, "the former policy", timeout_s=10)


def test_a_certificate_expires(ground: Ground, tmp_path: Path) -> None:
    """The metric tells before and readiness when; the API server refuses in words of x509; new files end it."""
    images, pair = ground.images, tmp_path / "tls"
    pair.mkdir()
    authority = trustme.CA()

    def write(gate_namespace: str, *, seconds: float) -> None:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        leaf = authority.issue_cert(f"{NAME}.{gate_namespace}.svc", not_after=until)
        (pair / "tls.key").write_bytes(leaf.private_key_pem.bytes())
        (pair / "tls.crt").write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))

    bundle = authority.cert_pem.bytes().decode()
    certs = {"mode": "provided", "provided": {"secretName": "ours", "caBundle": bundle}}
    with installed(ground, tmp_path, ground.values(certs=certs)) as gate:
        write(gate.release.namespace, seconds=15)
        files = {"--tls-cert": pair / "tls.crt", "--tls-key": pair / "tls.key"}
        server = gate.start(instead=files)
        assert 0 < expiry(server) - time.time() < 15
        wait_until(lambda: "[-]certificate failed: expired at " in server.readiness(), "the end of the certificate")
        assert not ready(server)

        refused = gate.ask(images.tagged("api"))
        assert CALL_FAILED in refused.message
        assert "x509: certificate has expired or is not yet valid" in refused.message

        write(gate.release.namespace, seconds=3600)
        wait_until(lambda: ready(server), "the new certificate")
        gate.wait_until_judged()
        assert expiry(server) - time.time() > 3000


def test_glass_is_broken(gate: Installation) -> None:
    """One image gets in within 3 s of an edit, counted and recorded; or all do, until Helm puts the webhooks back."""
    images = gate.ground.images
    day = datetime.now(UTC).date() + timedelta(days=1)
    exempt = {"reason": "INC-7", "expires": day.isoformat()}
    began = time.monotonic()
    _write_policy(gate, {"name": "break-glass", "images": [images.repository(UNSIGNED)], "exempt": exempt})
    wait_until(lambda: gate.ask(images.tagged(UNSIGNED), name="urgent", dry_run=False).allowed, "the exemption")
    in_force = f'digest="{_annotations(gate, "urgent")["policy-digest"]}"'
    wait_until(lambda: all(in_force in each.metrics() for each in gate.live()), "the exemption at both servers")
    took = time.monotonic() - began
    print(f"\nthe exemption was in force after {took:.2f} s")  # noqa: T201 - what was proven
    assert took < 3
    assert sum(metric(each, 'dhi_gate_exemptions_total{type="except"}') for each in gate.live()) == 1
    assert _annotations(gate, "urgent")["rule"] == "everything, except break-glass"
    assert not gate.ask("evil.example/other:1").allowed

    gate.ground.api.kubectl("delete", WEBHOOKS)
    wait_until(lambda: gate.ask("evil.example/other:1").allowed, "the end of judging")
    with pytest.raises(ProcessFailedError, match='conflict with "kubectl-client-side-apply"'):
        gate.upgrade(gate.ground.values())
    gate.upgrade(gate.ground.values(), "--force-conflicts")
    wait_until(lambda: gate.ask(images.tagged(UNSIGNED)).codes == ("unsigned",), "the webhook and the policy")
    assert gate.stored(images.tagged("web")) == images.pinned("web")


def _annotations(gate: Installation, name: str) -> Mapping[str, str]:
    """Return what the gate noted in the audit log about the last attempt to create a pod of this name."""
    events = [json.loads(line) for line in gate.ground.audit_log.read_text(encoding="utf-8").splitlines()]
    wanted = (gate.shop, name)
    about = [each for each in events if (each["objectRef"]["namespace"], each["objectRef"].get("name")) == wanted]
    prefix = "pods.dhi-gate.dev/"
    return {key.removeprefix(prefix): value for key, value in about[-1]["annotations"].items() if prefix in key}


def _write_policy(gate: Installation, *exceptions: Mapping[str, Any]) -> None:
    """Change the policy as people do in an emergency: by `kubectl apply`."""
    text = yaml.safe_dump(gate.ground.images.policy(*exceptions))
    metadata = {"name": f"{NAME}-policy", "namespace": gate.release.namespace}
    data = {"policy.yaml": text, **gate.ground.images.keys}
    gate.ground.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
