"""A gate through its life: its certificate, its policy and its end, while pods are being created."""

import shutil
import signal
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from tests.e2e.answers import Answer, answer, create
from tests.e2e.conftest import register
from tests.e2e.gate import Certificates, Gate, make_certificates
from tests.e2e.objects import Object, pod, pod_spec, webhook_configuration
from tests.e2e.silence import silent_registry
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer, wait_until

pytestmark = pytest.mark.e2e


@contextmanager
def stream(api: ApiServer, wanted: Object) -> Iterator[list[Answer]]:
    """Try to create a pod again and again, two at a time, until the end of the block; yield the answers so far."""
    answers: list[Answer] = []
    stopping = Event()

    def ask() -> None:
        while not stopping.is_set():
            answers.append(create(api, wanted, dry_run=True))

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(ask) for _ in range(2)]
        try:
            yield answers
        finally:
            stopping.set()
        for each in running:
            each.result()


def test_it_leaves_in_order(tmp_path: Path, api: ApiServer, site: Site) -> None:
    """A SIGTERM ends it with status 0, and until its time to drain is over every pod gets its verdict."""
    with site.gate(tmp_path, flags=["--drain-seconds=4"]) as gate:
        namespace = register(api, gate, site, name="leaving").create("prod-leaving")
        with stream(api, pod("good", namespace, pod_spec(site.images["api"]))) as answers:
            wait_until(lambda: len(answers) >= 5, "the first answers")
            gate.process.send(signal.SIGTERM)
            wait_until(lambda: "[-]lifecycle failed: leaving" in gate.readiness(), "the beginning of the end")
            before = len(answers)
            wait_until(lambda: len(answers) >= before + 10, "answers while it drains")

        assert gate.process.status() is None
        assert [each.message for each in answers if not each.allowed] == []
        assert wait_until(lambda: gate.process.status() is not None, "the end")
        assert gate.process.status() == 0
    assert gate.events()[-1]["event"] == "stopped"


def test_what_is_in_flight_is_answered(tmp_path: Path, api: ApiServer, site: Site) -> None:
    """A review that waits for a slow registry when the SIGTERM comes still gets its verdict."""
    with silent_registry() as (address, visited):
        policy, catalog = site.copy_documents(tmp_path)
        policy.write_text(policy.read_text().replace(site.registries.fragile.address, address))
        with (
            site.gate(tmp_path, documents=(policy, catalog), flags=[f"--insecure-registry={address}"]) as gate,
            ThreadPoolExecutor(1) as pool,
        ):
            namespace = register(api, gate, site, name="waiting", timeout_s=3).create("prod-waiting")
            image = f"{address}/shop/slow:1.0@sha256:{'1' * 64}"

            waiting = pool.submit(create, api, pod("slow", namespace, pod_spec(image)))
            assert visited.wait(timeout=10)
            gate.process.send(signal.SIGTERM)

            assert set(waiting.result(timeout=10).codes) == {"unverifiable"}
            wait_until(lambda: gate.process.status() is not None, "the end")
            assert gate.process.status() == 0


def test_without_it_nothing_new_runs_and_labels_pass(tmp_path: Path, api: ApiServer, site: Site) -> None:
    """While no gate answers, new pods and new images are refused, and what does not touch images passes."""
    with site.gate(tmp_path) as gate:
        namespace = register(api, gate, site, name="absent").create("prod-absent")
        assert create(api, pod("api", namespace, pod_spec(site.images["api"]))).allowed

    refused = create(api, pod("good", namespace, pod_spec(site.images["api"])))
    exchange = ("set", "image", "pod/api", f"api={site.images['web']}", "--namespace", namespace)

    assert 'failed calling webhook "pods.absent.dhi-gate.dev"' in refused.message
    assert 'failed calling webhook "pods.absent.dhi-gate.dev"' in answer(api.kubectl(*exchange, check=False)).message
    api.kubectl("label", "pod/api", "team=shop", "--namespace", namespace)
    api.kubectl("delete", "pod/api", "--wait=false", "--namespace", namespace)


def served_certificate(gate: Gate) -> str:
    """Return the certificate that a new connection is shown."""
    host, port = gate.address.split(":")
    return ssl.get_server_certificate((host, int(port)))


def test_its_certificate_is_replaced(tmp_path: Path, api: ApiServer, site: Site) -> None:
    """A new certificate is taken up while pods are being created, and none of them notices."""
    live = Certificates(folder=shutil.copytree(site.certificates.folder, tmp_path / "live"))
    new = make_certificates(tmp_path / "new")
    with site.gate(tmp_path, certificates=live) as gate:
        namespace = register(api, gate, site, name="renewed").create("prod-renewed")
        both = live.ca.read_bytes() + new.ca.read_bytes()
        api.apply(webhook_configuration("renewed", url=gate.url, ca=both))
        before = served_certificate(gate)
        with stream(api, pod("good", namespace, pod_spec(site.images["api"]))) as answers:
            wait_until(lambda: len(answers) >= 5, "the first answers")
            for source, target in ((new.key, live.key), (new.certificate, live.certificate)):
                shutil.copy(source, target)
            wait_until(lambda: served_certificate(gate) != before, "the new certificate")
            after = len(answers)
            wait_until(lambda: len(answers) >= after + 10, "answers under the new certificate")

        assert served_certificate(gate).strip() == new.certificate.read_text().strip()
        assert [each.message for each in answers if not each.allowed] == []
        api.apply(webhook_configuration("renewed", url=gate.url, ca=new.ca.read_bytes()))
        wait_until(
            lambda: create(api, pod("good", namespace, pod_spec(site.images["api"])), dry_run=True).allowed,
            "trust in the new authority alone",
        )


def test_a_broken_policy_changes_nothing(tmp_path: Path, api: ApiServer, site: Site) -> None:
    """A policy that does not parse leaves the old one in force and is reported; the next good one takes effect."""
    policy, catalog = site.copy_documents(tmp_path)
    good = policy.read_text()
    with site.gate(tmp_path, documents=(policy, catalog)) as gate:
        namespace = register(api, gate, site, name="edited").create("prod-edited")
        api_pod, stranger = (pod("api", namespace, pod_spec(site.images[name])) for name in ("api", "stranger"))

        policy.write_text(good.replace("variants: [runtime]}", "variant: [runtime]}", 1))
        wait_until(lambda: "the latest version is refused" in gate.readiness(), "the complaint")

        assert "[+]policy ok" in gate.readiness()
        assert 'unknown key "variant", did you mean "variants"?' in gate.readiness()
        assert create(api, api_pod, dry_run=True).allowed
        assert create(api, stranger, dry_run=True).codes == ("untrusted-signer",)

        policy.write_text(good.replace("key: {file: release.pub}", "key: {file: stranger.pub}"))
        wait_until(lambda: create(api, stranger, dry_run=True).allowed, "the new policy", timeout_s=15)

        assert create(api, api_pod, dry_run=True).codes == ("untrusted-signer",)
        assert "the latest version is refused" not in gate.readiness()
