"""`dhi-gate doctor` on a real release with a running gate, and the two ways to break the glass."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.answers import Answer, create
from tests.e2e.chart.conftest import DEPLOYER, DEVELOPER
from tests.e2e.chart.helm import Helm, of_kind, template
from tests.e2e.chart.installed import Release
from tests.e2e.chart.test_served import ENFORCING, authority, point_at, started
from tests.e2e.gate import PROGRAM
from tests.e2e.objects import Object, pod, pod_spec
from tests.e2e.tools.processes import ADMIN, ApiServer, http_get, wait_until

pytestmark = pytest.mark.e2e

NAME, PLACE, SHOP = "dhi-gate", "clinic", "clinic-shop"
TEST = f"{NAME}-test"
PROBE = "registry.invalid/dhi-gate-probe:never"
CONFIGURATIONS = (f"validatingwebhookconfiguration/{NAME}", f"mutatingwebhookconfiguration/{NAME}")
REFUSED = "vendor.example/agent:1"
PODS = "validatingwebhookconfiguration"
TRUSTED = (f"--trusted=user:{DEVELOPER}", f"--trusted=user:{DEPLOYER}")

Findings = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """An enforcing release whose gate runs outside the cluster, and a doctor."""

    release: Release
    helm: Helm
    port: int
    log: Path

    @property
    def api(self) -> ApiServer:
        """The API server."""
        return self.release.api

    def doctor(self, *arguments: str, user: str = ADMIN, namespace: str = PLACE) -> subprocess.CompletedProcess[str]:
        """Run it as people do."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": str(self.api.kubeconfig(user))}
        return subprocess.run(
            [PROGRAM, "doctor", "-n", namespace, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def findings(self, *arguments: str) -> Findings:
        """Return what it finds."""
        done = self.doctor("-o", "json", *arguments)
        assert done.stdout, done.stderr
        found: Findings = json.loads(done.stdout)["findings"]
        return found

    def found(self, *arguments: str) -> set[tuple[str, str]]:
        """Return severity and check of all that is above `low`."""
        grave = ("critical", "high", "medium")
        return {(one["severity"], one["check"]) for one in self.findings(*arguments) if one["severity"] in grave}

    def asked(self, image: str = REFUSED) -> Answer:
        """Return what becomes of a pod of this image."""
        return create(self.api, pod("api", SHOP, pod_spec(image)), dry_run=True)

    def wait_until_judged(self) -> None:
        """Wait until the API server asks the gate."""
        wait_until(lambda: self.asked().webhook, "a refusal by the gate")

    def patch(self, kind: str, *operations: Object, name: str = NAME) -> None:
        """Patch an object of the release."""
        patch = f"--patch={json.dumps(operations)}"
        self.api.kubectl("patch", kind, name, "-n", PLACE, "--type=json", patch)

    def restore(self) -> None:
        """Do what the doctor advises, and let the API server find the gate again."""
        self.api.kubectl("delete", *CONFIGURATIONS, "--ignore-not-found")
        self.helm.upgrade(NAME, PLACE, ENFORCING)
        wait_until(lambda: authority(self.release), "the bundle")
        point_at(self.release, self.port)
        self.wait_until_judged()

    def policy(self) -> str:
        """Return the policy in the ConfigMap."""
        return str(self.release.get("configmap", f"{NAME}-policy")["data"]["policy.yaml"])

    def write_policy(self, text: str) -> None:
        """Replace it."""
        self.patch("configmap", {"op": "replace", "path": "/data/policy.yaml", "value": text}, name=f"{NAME}-policy")

    def metric(self, start: str) -> float:
        """Return the value of the one sample that begins so."""
        (serving,) = (json.loads(line) for line in self.log.read_text("utf-8").splitlines() if '"serving"' in line)
        text = http_get(f"http://{serving['metrics']}/metrics")[1].decode()
        (line,) = (line for line in text.splitlines() if line.startswith(start))
        return float(line.rpartition(" ")[2])


@pytest.fixture(scope="module")
def clinic(chart_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """Install an enforcing release, run its gate, and have the API server ask it."""
    folder = tmp_path_factory.mktemp("clinic")
    release, helm = Release(api=chart_api, name=NAME, namespace=PLACE), Helm(api=chart_api, folder=folder)
    chart_api.create_namespace(SHOP)
    helm.install(NAME, PLACE, ENFORCING, "--create-namespace")
    try:
        with started(release, folder) as port:
            clinic = Clinic(release=release, helm=helm, port=port, log=folder / "gate.log")
            wait_until(lambda: authority(release), "the bundle")
            point_at(release, port)
            clinic.wait_until_judged()
            yield clinic
    finally:
        helm.uninstall(NAME, PLACE)


# What a release without nodes lacks, and a gate outside the cluster: no pod is ready, nobody labelled the namespace,
# the image of the values has no digest, no sync ever ran, and the API server asks an address.
BY_THE_WAY = {
    ("critical", "replicas"),
    ("medium", "pod-security"),
    ("medium", "image"),
    ("medium", "sync"),
    ("high", "destination"),
    ("medium", "destination"),
}


def test_nothing_else_is_wrong(clinic: Clinic) -> None:
    """Of what the chart renders, the real API server and the real bootstrap roles, nothing else is a finding."""
    assert clinic.found(*TRUSTED) == BY_THE_WAY
    by_check = {one["check"]: one for one in clinic.findings(*TRUSTED)}
    assert "served-certificate" not in by_check
    assert not by_check["policy-in-force"]["checked"]
    assert f"not judged: {PLACE}, kube-node-lease, kube-system" in by_check["excluded-namespaces"]["what"]


def test_administrators_are_named(clinic: Clinic) -> None:
    """Who may do everything is listed with each power, until somebody says that they are trusted."""
    held = [one for one in clinic.findings() if one["check"].startswith("access-")]
    assert {one["severity"] for one in held} == {"low"}
    assert all(f"user:{DEVELOPER}" in one["what"] and f"user:{DEPLOYER}" in one["what"] for one in held)
    assert not [one for one in clinic.findings(*TRUSTED) if one["check"].startswith("access-")]


def test_whoever_may_walk_past_the_gate_is_found(clinic: Clinic) -> None:
    """An account that creates pods where nobody looks, and everybody who may delete the webhooks."""
    api = clinic.api
    api.kubectl("create", "role", "cd", "-n", PLACE, "--verb=create", "--resource=deployments.apps")
    api.kubectl("create", "rolebinding", "cd", "-n", PLACE, "--role=cd", f"--serviceaccount={SHOP}:cd")
    api.kubectl("create", "clusterrole", "oops", "--verb=delete", f"--resource={PODS}s")
    api.kubectl("create", "clusterrolebinding", "oops", "--clusterrole=oops", "--group=system:authenticated")
    try:
        found = clinic.findings(*TRUSTED)
        said = {(one["severity"], one["check"]): one["what"] for one in found}
        assert f"serviceaccount:{SHOP}/cd" in said["medium", "access-excluded-namespace"]
        assert "group:system:authenticated" in said["critical", "access-webhooks"]
    finally:
        api.kubectl("delete", "clusterrole/oops", "clusterrolebinding/oops")
        api.kubectl("delete", "-n", PLACE, "role/cd", "rolebinding/cd")


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}, ("critical", "rules")),
        ({"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": ["pods"]}, ("critical", "rules")),
        (
            {"op": "add", "path": "/webhooks/0/matchConditions/-", "value": {"name": "x", "expression": "false"}},
            ("critical", "match-conditions"),
        ),
        (
            {"op": "add", "path": "/webhooks/0/objectSelector", "value": {"matchLabels": {"judge": "me"}}},
            ("critical", "object-selector"),
        ),
        ({"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}, ("high", "failure-policy")),
        (
            {"op": "add", "path": "/webhooks/0/namespaceSelector/matchExpressions/0/values/-", "value": SHOP},
            ("medium", "excluded-namespaces"),
        ),
        ({"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}, ("critical", "ca-bundle")),
        ({"op": "remove", "path": "/webhooks/1"}, None),
    ],
    ids=lambda value: value["path"] if isinstance(value, dict) else "",
)
def test_a_change_is_seen_and_mended(clinic: Clinic, operation: Object, expected: tuple[str, str] | None) -> None:
    """The doctor says what somebody did to the live configuration, and the advice it gives mends it."""
    clinic.patch(PODS, operation)
    try:
        # A bundle may be back before anybody can look.
        found = clinic.found(*TRUSTED) - BY_THE_WAY
        assert found == ({expected} if expected else set()) or expected == ("critical", "ca-bundle")
    finally:
        clinic.restore()
    assert clinic.found(*TRUSTED) == BY_THE_WAY


def test_the_probe_sees_the_gate(clinic: Clinic) -> None:
    """A pod that must not run is refused, which is status 0; without the webhooks it is let in, which is status 1."""
    done = clinic.doctor(f"--probe-image={PROBE}", "--mode=enforce", namespace=SHOP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the gate refused it, as it should" in done.stdout
    assert clinic.doctor(f"--probe-image={PROBE}", namespace="kube-system").returncode == 1
    assert clinic.doctor(f"--probe-image={PROBE}", namespace="not-there").returncode == 2


def test_what_helm_test_runs(clinic: Clinic, tmp_path: Path) -> None:
    """The command of the chart's test, with the rights that the chart gives it, passes; nothing is created."""
    values = {**ENFORCING, "test": {"namespace": SHOP}}
    rendered = [one for one in template(values, folder=tmp_path, namespace=PLACE) if one["metadata"]["name"] == TEST]
    rights = [one for one in rendered if one["kind"] in ("Role", "RoleBinding")]
    (container,) = of_kind(rendered, "Pod")["spec"]["containers"]
    command, *flags = container["args"]
    assert command == "doctor"
    clinic.api.apply(*rights)
    try:
        done = clinic.doctor(*flags, f"--as={clinic.release.account('-test')}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the gate refused it, as it should" in done.stdout
        assert clinic.api.kubectl("get", "pods", "-n", SHOP, "-o", "name").stdout == ""
    finally:
        clinic.api.kubectl("delete", "-n", SHOP, f"role/{TEST}", f"rolebinding/{TEST}")


def test_the_probe_sees_that_no_gate_answers(clinic: Clinic) -> None:
    """Under `Fail` the API server refuses too, and that is no gate."""
    nowhere = {"op": "replace", "path": "/webhooks/0/clientConfig/url", "value": "https://127.0.0.1:1/validate"}
    clinic.patch(PODS, nowhere)
    try:
        wait_until(lambda: "failed calling" in clinic.asked().message, "the outage")
        done = clinic.doctor(f"--probe-image={PROBE}", namespace=SHOP)
        assert done.returncode == 1
        assert "no gate answered" in done.stdout
    finally:
        clinic.restore()


def test_the_probe_sees_a_warning(clinic: Clinic) -> None:
    """Where the rule only warns, the warning of the real API server is known as the gate's."""
    whole = clinic.policy()
    lax = yaml.safe_load(whole)
    lax["spec"]["rules"][-1]["mode"] = "warn"
    try:
        clinic.write_policy(yaml.safe_dump(lax))
        wait_until(lambda: clinic.asked().allowed, "the laxer rule", timeout_s=10)
        done = clinic.doctor(f"--probe-image={PROBE}", "--mode=warn", namespace=SHOP)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the gate warned about it: forbidden-image: " in done.stdout
        assert clinic.doctor(f"--probe-image={PROBE}", "--mode=enforce", namespace=SHOP).returncode == 1
    finally:
        clinic.write_policy(whole)
    wait_until(lambda: not clinic.asked().allowed, "the strict rule", timeout_s=10)


def test_glass_is_broken_by_an_exemption(clinic: Clinic) -> None:
    """An exemption in the ConfigMap is in force within seconds, counted and listed; taken back, it is gone as fast."""
    assert not clinic.asked().allowed
    before = clinic.metric('dhi_gate_exemptions_total{type="except"}')
    whole = clinic.policy()
    policy = yaml.safe_load(whole)
    exempt = {"reason": "INC-7: the agent is needed now", "expires": "2999-12-31"}
    policy["spec"]["rules"][-1]["except"] = [
        {"name": "break-glass", "images": ["vendor.example/agent"], "exempt": exempt}
    ]
    try:
        clinic.write_policy(yaml.safe_dump(policy))
        wait_until(lambda: clinic.asked().allowed, "the exemption", timeout_s=10)
        assert clinic.asked("other.example/agent:1").codes == ("forbidden-image",)
        assert clinic.metric('dhi_gate_exemptions_total{type="except"}') > before
        assert "break-glass" in next(one["what"] for one in clinic.findings() if one["check"] == "exemptions")
    finally:
        clinic.write_policy(whole)
    wait_until(lambda: not clinic.asked().allowed, "the end of the exemption", timeout_s=10)


def test_glass_is_broken_by_deleting_the_webhooks(clinic: Clinic) -> None:
    """From then on nothing is judged, the doctor says so first, and `helm upgrade` brings it back."""
    clinic.api.kubectl("delete", PODS, NAME)
    try:
        wait_until(lambda: clinic.asked().allowed, "the emergency")
        done = clinic.doctor(*TRUSTED)
        assert done.returncode == 1
        assert done.stdout.startswith(f"critical  {PODS}/{NAME}\n          there is no such object\n")
        assert clinic.doctor(f"--probe-image={PROBE}", namespace=SHOP).returncode == 1
    finally:
        clinic.restore()
    assert not clinic.asked().allowed


def test_the_documented_rights_are_enough(clinic: Clinic) -> None:
    """With the ClusterRole of operations.md everything can be looked at; with nothing, nothing is, and that is told."""
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
    (block,) = (part.partition("```")[0] for part in text.split("```yaml\n")[1:] if "name: dhi-gate-doctor" in part)
    clinic.api.apply(yaml.safe_load(block))
    doctor = f"system:serviceaccount:{SHOP}:default"
    assert not any(one["checked"] for one in clinic.findings(f"--as={doctor}"))
    assert clinic.doctor(f"--as={doctor}").returncode == 2
    bind = (
        "create",
        "clusterrolebinding",
        "doctor",
        "--clusterrole=dhi-gate-doctor",
        f"--serviceaccount={SHOP}:default",
    )
    clinic.api.kubectl(*bind)
    try:
        found = clinic.findings(*TRUSTED, f"--as={doctor}")
        assert {one["check"] for one in found if not one["checked"]} == {"policy-in-force"}
    finally:
        clinic.api.kubectl("delete", "clusterrole/dhi-gate-doctor", "clusterrolebinding/doctor")
