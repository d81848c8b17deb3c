"""What the chart renders: objects that a real API server takes, whatever the values are."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.readme import CHART
from tests.e2e.chart.helm import VALUES, Object, of_kind, run_helm, server_start, template
from tests.e2e.chart.matrix import CA, CERTIFICATES, Case, cases
from tests.e2e.tools.processes import ApiServer
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy

pytestmark = pytest.mark.e2e

ALL = tuple(cases())
RESTRICTED = {f"pod-security.kubernetes.io/{verb}": "restricted" for verb in ("enforce", "warn")}


@pytest.fixture(scope="module")
def restricted(chart_api: ApiServer) -> str:
    """Return a namespace that takes no pod that is not hardened, and warns of what would make one."""
    chart_api.create_namespace("dhi-gate", labels=RESTRICTED)
    for name in ("shop", "prod-shop"):  # of an example: roles are bound in them
        chart_api.create_namespace(name)
    return "dhi-gate"


def dry_run(api: ApiServer, objects: Sequence[Object]) -> subprocess.CompletedProcess[str]:
    """Apply objects on the server's side, up to where they would be stored."""
    document = {"apiVersion": "v1", "kind": "List", "items": objects}
    flags = ("--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    return api.kubectl("apply", *flags, stdin=json.dumps(document), check=False)


def names(values: object) -> Iterator[str]:
    """Yield every name that an object has, or gives to a part of it."""
    if isinstance(values, dict):
        for key, value in values.items():
            if key == "name" and isinstance(value, str):
                yield value
            yield from names(value)
    if isinstance(values, list):
        for value in values:
            yield from names(value)


@pytest.mark.parametrize("path", sorted((CHART / "ci").glob("*.yaml")), ids=lambda path: path.stem)
def test_helm_has_no_objection(path: Path, tmp_path: Path) -> None:
    """`helm lint --strict` passes with the values of every example."""
    values = path.read_text(encoding="utf-8")
    arguments = ("lint", "--strict", "--namespace", "dhi-gate", str(CHART), "--values", "-")

    done = run_helm(*arguments, values=values, folder=tmp_path, api=None)

    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_there_are_many_combinations() -> None:
    """The matrix has every certificate mode, and more than 25 combinations."""
    assert len(ALL) > 25
    assert len({case.name for case in ALL}) == len(ALL)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_the_api_server_takes_it(chart_api: ApiServer, restricted: str, case: Case, tmp_path: Path) -> None:
    """Every object is valid, also where Pod Security is restricted, and the API server warns of nothing."""
    objects = template(case.values, folder=tmp_path, release=case.release, namespace=restricted)
    chart_api.apply(of_kind(objects, "ServiceAccount", "-test"))  # without it, its pod is not even looked at

    done = dry_run(chart_api, objects)

    assert done.stderr == ""
    assert done.returncode == 0
    assert all(len(name) <= 63 for one in objects for name in names(one["metadata"]))


def test_it_may_live_in_the_network_of_nodes(chart_api: ApiServer, restricted: str, tmp_path: Path) -> None:
    """With `hostNetwork` the objects are valid, and the namespace has to allow such pods."""
    values = {**VALUES, "hostNetwork": True, "ports": {"webhook": 10260}}
    deployments = [
        of_kind(template(values, folder=tmp_path, namespace=name), "Deployment") for name in ("shop", restricted)
    ]

    open_to_all, hardened = (dry_run(chart_api, [deployment]) for deployment in deployments)

    assert (open_to_all.returncode, open_to_all.stderr) == (0, "")
    assert "would violate PodSecurity" in hardened.stderr


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_no_certificate_is_rendered(case: Case, tmp_path: Path) -> None:
    """No key is ever made, and a `caBundle` is there only where the user gave it; nothing differs between two runs."""
    first, second = (template(case.values, folder=tmp_path, release=case.release) for _ in range(2))
    bundles = {
        "caBundle" in webhook["clientConfig"]
        for one in first
        if one["kind"].endswith("WebhookConfiguration")
        for webhook in one["webhooks"]
    }

    assert first == second
    assert "PRIVATE KEY" not in json.dumps(first)
    assert not any(one.get("data") or one.get("stringData") for one in first if one["kind"] == "Secret")
    assert bundles == {case.values.get("certs", {}).get("mode") == "provided"}


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_the_webhooks_spare_what_the_cluster_needs(case: Case, tmp_path: Path) -> None:
    """Every entry spares the system's namespaces and the gate's own, and only an enforcing one may stop pods."""
    objects = template(case.values, folder=tmp_path, release=case.release, namespace="gates")
    entries = [hook for one in objects if one["kind"].endswith("WebhookConfiguration") for hook in one["webhooks"]]

    assert {"pods.dhi-gate.dev", "workloads.dhi-gate.dev"} <= {hook["name"] for hook in entries}
    for hook in entries:
        first, *_ = hook["namespaceSelector"]["matchExpressions"]
        assert (first["key"], first["operator"]) == ("kubernetes.io/metadata.name", "NotIn")
        assert {"kube-system", "kube-node-lease", "gates"} <= set(first["values"])
        assert "objectSelector" not in hook
        enforcing = case.values.get("mode") == "enforce" and hook["name"] == "pods.dhi-gate.dev"
        assert hook["failurePolicy"] == ("Fail" if enforcing else "Ignore")


def test_the_policy_is_the_policy(tmp_path: Path) -> None:
    """An inline policy comes out of the ConfigMap as it went in, days and numbers too, for the gate's own reader."""
    values = (CHART / "ci" / "warn-values.yaml").read_text(encoding="utf-8")
    data = of_kind(template(values, folder=tmp_path), "ConfigMap", "-policy")["data"]

    def parsed(text: str) -> Policy:
        return parse_policy(text.encode(), read_file=lambda name: data[name].encode())

    assert parsed(data["policy.yaml"]).rules == parsed(yaml.safe_dump(yaml.safe_load(values)["policy"])).rules


def test_the_examples_of_the_documents_hold(tmp_path: Path) -> None:
    """Times add up: a pod has longer to end than it needs, and a replica more comes before one goes."""
    deployment = of_kind(template(VALUES, folder=tmp_path), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["terminationGracePeriodSeconds"] > container["lifecycle"]["preStop"]["sleep"]["seconds"] + 5 + 15 + 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert pod["enableServiceLinks"] is False


def test_cert_manager_is_told_what_to_inject(tmp_path: Path) -> None:
    """Both configurations name the Certificate whose authority the injector fills in, for the Service's name."""
    objects = template({**VALUES, "certs": CERTIFICATES["cert-manager"]}, folder=tmp_path)
    certificate = of_kind(objects, "Certificate", "-tls")
    annotations = [one["metadata"]["annotations"] for one in objects if one["kind"].endswith("WebhookConfiguration")]

    assert annotations == [{"cert-manager.io/inject-ca-from": "dhi-gate/dhi-gate-tls"}] * 2
    assert "dhi-gate.dhi-gate.svc" in certificate["spec"]["dnsNames"]
    assert certificate["spec"]["issuerRef"]["name"] == "dhi-gate-ca"


def test_your_own_authority_is_in_every_entry(tmp_path: Path) -> None:
    """With a certificate of one's own, the bundle is what was given."""
    objects = template({**VALUES, "certs": CERTIFICATES["provided"]}, folder=tmp_path)
    given = of_kind(objects, "ValidatingWebhookConfiguration")["webhooks"][0]["clientConfig"]["caBundle"]

    assert yaml.safe_load(f"!!binary {given}") == CA.encode()


def test_the_first_sync_is_not_repeated(tmp_path: Path) -> None:
    """Only an installation has the Job that fills the catalog; its name follows what it runs."""

    def jobs(values: Object, *, upgrade: bool = False) -> list[str]:
        objects = template(values, folder=tmp_path, upgrade=upgrade)
        return [one["metadata"]["name"] for one in objects if one["kind"] == "Job"]

    other: dict[str, Any] = {**VALUES, "image": {"repository": "registry.example/other"}}

    assert jobs(VALUES, upgrade=True) == []
    assert len({*jobs(VALUES), *jobs(VALUES), *jobs(other)}) == 2


def test_the_start_of_the_server_can_be_read(tmp_path: Path) -> None:
    """Arguments, environment and service account of the server can be taken out of the rendered chart."""
    values = {**VALUES, "mode": "enforce", "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example"}]}

    start = server_start(template(values, folder=tmp_path, namespace="gates"))

    assert start.arguments[:2] == ("serve", "--mode-ceiling=enforce")
    assert "--policy=configmap:gates/dhi-gate-policy/policy.yaml" in start.arguments
    assert "--tls-webhooks=dhi-gate" in start.arguments
    assert start.environment == {"HTTPS_PROXY": "http://proxy.example"}
    assert start.account == "gates/dhi-gate"
